//! Decision tables: what a set is meant to decide, as cases that are run like tests.
//!
//! A table stands beside the rules, in a file whose name ends in `decisions.yaml`. What `given` says holds for all cases;
//! a case says what differs. Every case names a caller, a task and what is expected; what it leaves open is not compared.

use std::collections::BTreeMap;

use host_core::{
    BundleSummary, CallerName, Capability, Ceilings, Decision, Digest, LimitRequests, Limits,
    Origin, Question, Timestamp,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::decide::{Answer, Decided, Verdict};
use crate::problem::Problem;
use crate::query::{Node, Request, RequestFormat, RequestedAsk, Subject, Walls, limit_values};
use crate::set::{PolicySet, SourceFile};

/// The format of a table.
pub const TABLE_FORMAT: &str = "host.decisions/1";

/// How many cases a table may have.
pub const CASES_MAX: usize = 10_000;

/// A time at which cases happen that name none: a Wednesday at noon.
const USUAL_TIME: &str = "2026-01-07T12:00:00Z";
/// The version of a bundle that names none.
const USUAL_VERSION: &str = "1.0.0";

/// The cases of one file.
#[derive(Clone, Debug)]
pub struct Table {
    /// The file.
    pub file: String,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// One request with what is expected of its decision.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows, in words.
    pub name: String,
    /// What is asked.
    pub request: Request,
    expect: Expectation,
}

#[derive(Clone, Debug)]
struct Expectation {
    allowed: bool,
    grants: Option<Vec<Capability>>,
    hides: Option<Vec<Capability>>,
    missing: Option<Vec<String>>,
    because: Vec<String>,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct CaseResult<'c> {
    /// The case.
    pub case: &'c Case,
    /// The decision.
    pub decided: Decided,
    /// How it differs from what was expected; nothing where it does not.
    pub differences: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    #[serde(default)]
    given: Given,
    cases: Vec<Written>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Given {
    node: Option<Node>,
    facts: Map<String, Value>,
    bundle: Option<WrittenBundle>,
    limits: BTreeMap<String, Scalar>,
    walls: Option<Walls>,
    at: Option<Timestamp>,
    noop: Option<bool>,
    reason: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenBundle {
    id: Option<Digest>,
    version: Option<Scalar>,
    signers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(rename = "as")]
    caller: CallerName,
    task: Subject,
    #[serde(default)]
    input: Map<String, Value>,
    #[serde(default)]
    asks: Vec<WrittenAsk>,
    #[serde(default)]
    node: Option<Node>,
    #[serde(default)]
    facts: Map<String, Value>,
    #[serde(default)]
    bundle: Option<WrittenBundle>,
    #[serde(default)]
    limits: BTreeMap<String, Scalar>,
    #[serde(default)]
    walls: Option<Walls>,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    noop: Option<bool>,
    #[serde(default)]
    reason: Option<String>,
    expect: Expected,
    grants: Option<Vec<Capability>>,
    hides: Option<Vec<Capability>>,
    missing: Option<Vec<String>>,
    #[serde(default)]
    because: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allowed,
    Refused,
}

/// A text, or what YAML takes for a number.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(i64),
    Decimal(f64),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenAsk {
    Plain(Capability),
    Full(FullAsk),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FullAsk {
    capability: Capability,
    #[serde(default)]
    optional: bool,
    #[serde(default = "bundle_origin")]
    origin: Origin,
}

fn bundle_origin() -> Origin {
    Origin::Bundle
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Decimal(number) => number.to_string(),
        }
    }
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// A problem with its place, where YAML gives one.
    pub fn read(file: &SourceFile) -> Result<Self, Problem> {
        let document: Document = serde_saphyr::from_str(&file.text).map_err(|error| {
            let line = error
                .location()
                .map(|place| usize::try_from(place.line()).unwrap_or(1));
            let message = error.without_snippet().to_string();
            let message = message.lines().next().unwrap_or_default().to_owned();
            at_line(file, line, message)
        })?;
        if document.format != TABLE_FORMAT {
            return Err(Problem::of_file(
                &file.name,
                format!(
                    "the format is `{}`, and this version reads `{TABLE_FORMAT}`",
                    host_core::Shown(&document.format)
                ),
            ));
        }
        if document.cases.is_empty() || document.cases.len() > CASES_MAX {
            return Err(Problem::of_file(
                &file.name,
                format!(
                    "a table has 1 to {CASES_MAX} cases, and this one {}",
                    document.cases.len()
                ),
            ));
        }
        let given = document.given;
        let cases = document.cases.into_iter().map(|written| {
            let name = written.name.clone();
            written.case(&given).map_err(|message| {
                let line = file
                    .text
                    .lines()
                    .position(|line| line.contains(&name))
                    .map(|at| at + 1);
                at_line(
                    file,
                    line,
                    format!("case `{}`: {message}", host_core::Shown(&name)),
                )
            })
        });
        Ok(Self {
            file: file.name.clone(),
            cases: cases.collect::<Result<_, _>>()?,
        })
    }

    /// Puts each case to a set.
    #[must_use]
    pub fn run<'c>(&'c self, set: &PolicySet) -> Vec<CaseResult<'c>> {
        self.cases.iter().map(|case| case.run(set)).collect()
    }
}

fn at_line(file: &SourceFile, line: Option<usize>, message: String) -> Problem {
    let Some(line) = line.filter(|line| *line > 0) else {
        return Problem::of_file(&file.name, message);
    };
    let before: usize = file
        .text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let length = file.text.lines().nth(line - 1).map_or(0, str::len);
    Problem::at(&file.name, &file.text, before..before + length, message)
}

impl Written {
    fn case(self, given: &Given) -> Result<Case, String> {
        let bundle = self
            .bundle
            .or_else(|| given.bundle.clone())
            .unwrap_or_default();
        let module = self.task.module().map(str::parse).transpose();
        let module = module.map_err(|error: host_core::NameError| error.to_string())?;
        let mut facts = given.facts.clone();
        facts.extend(self.facts);
        let mut limits = LimitRequests::default();
        for (name, value) in given.limits.iter().chain(&self.limits) {
            limits
                .set(name, &value.text())
                .map_err(|error| error.to_string())?;
        }
        let limits = Limits::resolve(
            &Limits::default(),
            &[(Origin::Caller, &limits)],
            &Ceilings::default(),
        )
        .map_err(|error| error.to_string())?;
        let time = match self.at.or(given.at) {
            Some(time) => time,
            None => USUAL_TIME
                .parse()
                .map_err(|error: host_core::TimestampError| error.to_string())?,
        };
        let request = Request {
            format: RequestFormat::V1,
            caller: self.caller,
            task: self.task,
            bundle: BundleSummary {
                id: bundle.id.unwrap_or_else(|| Digest::from_bytes([0; 32])),
                module,
                version: bundle
                    .version
                    .map_or_else(|| USUAL_VERSION.to_owned(), |text| text.text()),
                signers: bundle.signers,
            },
            input: self.input,
            facts,
            node: self.node.or_else(|| given.node.clone()).unwrap_or_default(),
            limits: limit_values(&limits),
            walls: self.walls.or(given.walls).unwrap_or(Walls {
                landlock: 7,
                own_user: true,
            }),
            noop: self.noop.or(given.noop).unwrap_or_default(),
            time,
            reason: self
                .reason
                .or_else(|| given.reason.clone())
                .unwrap_or_default(),
            asks: self.asks.into_iter().map(WrittenAsk::ask).collect(),
        };
        request.asks().map_err(|error| error.to_string())?;
        Ok(Case {
            name: self.name,
            request,
            expect: Expectation {
                allowed: self.expect == Expected::Allowed,
                grants: self.grants,
                hides: self.hides,
                missing: self.missing,
                because: self.because,
            },
        })
    }
}

impl WrittenAsk {
    fn ask(self) -> RequestedAsk {
        match self {
            Self::Plain(capability) => RequestedAsk {
                capability,
                origin: Origin::Bundle,
                optional: false,
            },
            Self::Full(ask) => RequestedAsk {
                capability: ask.capability,
                origin: ask.origin,
                optional: ask.optional,
            },
        }
    }
}

impl Case {
    /// Puts the case to a set.
    #[must_use]
    pub fn run(&self, set: &PolicySet) -> CaseResult<'_> {
        let decided = set.decide(&self.request);
        let differences = self.expect.differences(&decided);
        CaseResult {
            case: self,
            decided,
            differences,
        }
    }
}

impl Expectation {
    fn differences(&self, decided: &Decided) -> Vec<String> {
        let mut differences = Vec::new();
        let allowed = matches!(decided.decision, Decision::Allowed(_));
        if allowed != self.allowed {
            let word = |allowed: bool| if allowed { "allowed" } else { "refused" };
            let reasons = match &decided.decision {
                Decision::Allowed(_) => String::new(),
                Decision::Refused(refusal) => {
                    format!(": {}", refusal.to_string().replace('\n', "; "))
                }
            };
            differences.push(format!(
                "expected {}, is {}{reasons}",
                word(self.allowed),
                word(allowed)
            ));
        }
        let (mut grants, mut hides, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for answer in &decided.answers {
            match (&answer.verdict, &answer.question) {
                (Verdict::Permitted { except, .. }, Question::Capability(capability)) => {
                    grants.push(capability.to_string());
                    hides.extend(except.iter().map(|except| except.capability.to_string()));
                }
                (Verdict::Permitted { .. }, Question::Run) => {}
                _ if answer.optional => {}
                _ => missing.push(question_text(answer)),
            }
        }
        let texts = |wanted: &Vec<Capability>| wanted.iter().map(ToString::to_string).collect();
        compare(
            "grants",
            self.grants.as_ref().map(texts),
            grants,
            &mut differences,
        );
        compare(
            "hides",
            self.hides.as_ref().map(texts),
            hides,
            &mut differences,
        );
        compare("missing", self.missing.clone(), missing, &mut differences);
        let rules = decided.rules();
        for rule in self
            .because
            .iter()
            .filter(|rule| !rules.contains(&rule.as_str()))
        {
            differences.push(format!(
                "expected `{}` to decide, and these did: {}",
                host_core::Shown(rule),
                if rules.is_empty() {
                    "none".to_owned()
                } else {
                    rules.join(", ")
                }
            ));
        }
        differences
    }
}

/// `run`, or the capability.
fn question_text(answer: &Answer) -> String {
    match &answer.question {
        Question::Run => "run".to_owned(),
        Question::Capability(capability) => capability.to_string(),
    }
}

fn compare(
    what: &str,
    wanted: Option<Vec<String>>,
    mut is: Vec<String>,
    differences: &mut Vec<String>,
) {
    let Some(mut wanted) = wanted else { return };
    wanted.sort();
    is.sort();
    for lacking in wanted.iter().filter(|text| !is.contains(text)) {
        differences.push(format!(
            "{what}: `{}` is not there",
            host_core::Shown(lacking)
        ));
    }
    for more in is.iter().filter(|text| !wanted.contains(text)) {
        differences.push(format!(
            "{what}: `{}` was not expected",
            host_core::Shown(more)
        ));
    }
}
