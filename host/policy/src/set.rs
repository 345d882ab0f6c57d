//! A set of rules: read whole, or not at all.
//!
//! A set is a directory: `*.cedar`, and beside them `groups.toml`, `predicates.toml` and decision tables. Its text comes in
//! as values, and is parsed, validated strictly against the schema that ships with this crate, looked through for what
//! Cedar would take and nobody should mean, and indexed. A file that is none of these refuses the set: a rule that is
//! passed over in silence may be the one that forbids.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::LazyLock;

use cedar_policy::{Effect, PolicyId, Schema, ValidationMode, Validator};
use host_core::Digest;
use sha2::{Digest as _, Sha256};

use crate::groups::{GROUPS_FILE, Groups};
use crate::index::Index;
use crate::lint::Findings;
use crate::predicates::{PREDICATES_FILE, Predicates};
use crate::problem::{Problem, ReadSetError};
use crate::scope::Scope;
use crate::statements::{statements, too_deep};
use crate::tags::Wanted;

/// The schema that every set is held against.
pub const SCHEMA: &str = include_str!("../../../policies/schema.cedarschema");

/// How many files a set may have.
pub const SET_FILES_MAX: usize = 1_000;
/// How long all of them may be together, in bytes.
pub const SET_BYTES_MAX: u64 = 32 << 20;
/// How many rules a set may have.
pub const RULES_MAX: usize = 50_000;
/// How many problems are told; a set with more is as broken.
const PROBLEMS_MAX: usize = 100;

/// How names of decision tables end.
pub const TABLE_SUFFIX: &str = "decisions.yaml";
const RULES_SUFFIX: &str = ".cedar";
const NOTES_SUFFIX: &str = ".md";

/// One file of a set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceFile {
    /// Its name in the directory.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// One rule of a set.
#[derive(Clone, Debug)]
pub struct Rule {
    id: String,
    file: usize,
    span: Range<usize>,
    line: usize,
    pub(crate) policy: cedar_policy::Policy,
    pub(crate) scope: Scope,
    pub(crate) mentions_resource: bool,
    pub(crate) exclusions: BTreeSet<String>,
}

impl Rule {
    /// Its id: what `@id` says, else the file and the line.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The line on which it begins, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The bytes of its file.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where it stands among the others: its file, and where it begins there.
    pub(crate) fn place(&self) -> (usize, usize) {
        (self.file, self.span.start)
    }

    /// The first line of it, which stands for the whole.
    pub(crate) fn head(&self, text: &str) -> Range<usize> {
        head_span(text, &self.span)
    }

    /// Whether it forbids.
    #[must_use]
    pub fn forbids(&self) -> bool {
        self.policy.effect() == Effect::Forbid
    }

    /// What `@source` says: where an imported rule comes from.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.policy.annotation("source")
    }
}

/// A set of rules that may be asked.
pub struct PolicySet {
    name: String,
    digest: Digest,
    files: Vec<SourceFile>,
    rules: Vec<Rule>,
    by_id: BTreeMap<String, usize>,
    pub(crate) groups: Groups,
    pub(crate) predicates: Predicates,
    pub(crate) index: Index,
    pub(crate) tags: Wanted,
    warnings: Vec<Problem>,
}

impl PolicySet {
    /// Reads a set from its files.
    ///
    /// # Errors
    /// [`ReadSetError`] has everything that is wrong; nothing of the set can be used then.
    pub fn read(name: &str, mut files: Vec<SourceFile>) -> Result<Self, ReadSetError> {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let mut problems = shape(&files);
        let mut groups = Groups::default();
        let mut predicates = Predicates::default();
        for file in &files {
            match file.name.as_str() {
                GROUPS_FILE => take(&mut groups, Groups::read(&file.text), &mut problems),
                PREDICATES_FILE => take(&mut predicates, predicates_of(file), &mut problems),
                _ => {}
            }
        }
        let drafts = drafts(&files, &mut problems);
        let mut warnings = Vec::new();
        let (rules, tags) = rules(&files, drafts, &groups, &predicates, &mut problems);
        // Also where something else is wrong: whoever mends a set wants to know of all of it.
        validate(&files, &rules, &mut problems, &mut warnings);
        if !problems.is_empty() {
            problems.truncate(PROBLEMS_MAX);
            return Err(ReadSetError { problems });
        }
        let index = Index::of(&rules).map_err(|error| ReadSetError {
            problems: vec![Problem::of_set(error.to_string())],
        })?;
        let by_id = rules
            .iter()
            .enumerate()
            .map(|(at, rule)| (rule.id.clone(), at))
            .collect();
        let set = Self {
            name: name.to_owned(),
            digest: digest(&files),
            index,
            files,
            rules,
            by_id,
            groups,
            predicates,
            tags,
            warnings,
        };
        Ok(set.warned())
    }

    /// Adds what only looks wrong.
    fn warned(mut self) -> Self {
        let mut found = crate::warn::warnings(&self);
        self.warnings.append(&mut found);
        self.warnings.truncate(PROBLEMS_MAX);
        self
    }

    /// The name of the set: that of its directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of all its files.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Its rules, in the order of files and lines.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of this id.
    #[must_use]
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.get(*self.by_id.get(id)?)
    }

    /// The file that a rule stands in.
    #[must_use]
    pub fn file_of(&self, rule: &Rule) -> &str {
        self.files.get(rule.file).map_or("", |file| &file.name)
    }

    /// The text of a file.
    #[must_use]
    pub fn text_of(&self, file: &str) -> Option<&str> {
        let found = self.files.iter().find(|candidate| candidate.name == file)?;
        Some(&found.text)
    }

    /// Where a rule stands, as `ops.cedar:4`.
    #[must_use]
    pub fn place_of(&self, rule: &Rule) -> String {
        format!("{}:{}", self.file_of(rule), rule.line)
    }

    /// The rule's text.
    #[must_use]
    pub fn rule_text(&self, rule: &Rule) -> &str {
        let text = self.files.get(rule.file).map_or("", |file| &file.text);
        text.get(rule.span.clone()).unwrap_or_default()
    }

    /// Its decision tables.
    pub fn tables(&self) -> impl Iterator<Item = &SourceFile> {
        self.files
            .iter()
            .filter(|file| file.name.ends_with(TABLE_SUFFIX))
    }

    /// Who belongs to which group.
    #[must_use]
    pub const fn groups(&self) -> &Groups {
        &self.groups
    }

    /// What looks wrong although it can be used.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "PolicySet({:?}, {} rules)",
            self.name,
            self.rules.len()
        )
    }
}

/// The schema, parsed once. It is part of this crate and a test parses it, so an error here is one of the build.
pub(crate) fn schema() -> Option<&'static Schema> {
    static PARSED: LazyLock<Option<Schema>> = LazyLock::new(|| {
        Schema::from_cedarschema_str(SCHEMA)
            .ok()
            .map(|(schema, _)| schema)
    });
    PARSED.as_ref()
}

fn take<T>(into: &mut T, read: Result<T, Vec<Problem>>, problems: &mut Vec<Problem>) {
    match read {
        Ok(value) => *into = value,
        Err(mut found) => problems.append(&mut found),
    }
}

fn predicates_of(file: &SourceFile) -> Result<Predicates, Vec<Problem>> {
    Predicates::read(&file.text).map_err(|error| {
        let line = error.line().unwrap_or(1).max(1);
        let lines = file.text.split_inclusive('\n');
        let before: usize = lines.take(line - 1).map(str::len).sum();
        let length = file.text.lines().nth(line - 1).map_or(0, str::len);
        let message = error.to_string();
        let message = message
            .strip_prefix(&format!("line {line}: "))
            .unwrap_or(&message);
        vec![Problem::at(
            &file.name,
            &file.text,
            before..before + length,
            message,
        )]
    })
}

/// What is wrong with the files as such.
fn shape(files: &[SourceFile]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if files.len() > SET_FILES_MAX {
        problems.push(Problem::of_set(format!("more than {SET_FILES_MAX} files")));
    }
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    if bytes as u64 > SET_BYTES_MAX {
        problems.push(Problem::of_set(format!(
            "the files have more than {SET_BYTES_MAX} bytes"
        )));
    }
    for file in files.iter().filter(|file| !is_of_a_set(&file.name)) {
        let message = "this is no file of a policy set, and a rule that is passed over may be one that forbids";
        problems.push(Problem::of_file(&file.name, message).help(
            "a set has *.cedar, groups.toml, predicates.toml, *decisions.yaml and *.md; move everything else away",
        ));
    }
    if !files.iter().any(|file| file.name.ends_with(RULES_SUFFIX)) {
        problems.push(
            Problem::of_set("there is no rule here: no file ends in `.cedar`")
                .help("a set without rules would refuse everything; name the directory of a set"),
        );
    }
    problems
}

fn is_of_a_set(name: &str) -> bool {
    if name.starts_with('.') {
        return false;
    }
    [RULES_SUFFIX, TABLE_SUFFIX, NOTES_SUFFIX]
        .iter()
        .any(|suffix| name.ends_with(suffix))
        || [GROUPS_FILE, PREDICATES_FILE].contains(&name)
}

/// A rule that was parsed and nothing else.
struct Draft {
    file: usize,
    span: Range<usize>,
    policy: cedar_policy::Policy,
}

fn drafts(files: &[SourceFile], problems: &mut Vec<Problem>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (at, file) in files.iter().enumerate() {
        if !file.name.ends_with(RULES_SUFFIX) {
            continue;
        }
        for span in statements(&file.text) {
            if problems.len() > PROBLEMS_MAX {
                return drafts;
            }
            if drafts.len() == RULES_MAX {
                problems.push(Problem::of_file(
                    &file.name,
                    format!("more than {RULES_MAX} rules"),
                ));
                return drafts;
            }
            let text = file.text.get(span.clone()).unwrap_or_default();
            if let Some(why) = too_deep(text) {
                let problem =
                    Problem::at(&file.name, &file.text, head_span(&file.text, &span), why);
                problems.push(problem.help("write several rules"));
                continue;
            }
            match cedar_policy::Policy::parse(None, text) {
                Ok(policy) => drafts.push(Draft {
                    file: at,
                    span,
                    policy,
                }),
                Err(errors) => problems.extend(unparsed(file, &span, &errors)),
            }
        }
    }
    drafts
}

fn unparsed(
    file: &SourceFile,
    statement: &Range<usize>,
    errors: &cedar_policy::ParseErrors,
) -> Vec<Problem> {
    errors
        .iter()
        .map(|error| {
            let help = miette::Diagnostic::help(error).map(|help| help.to_string());
            let span = span_of(error, statement);
            let problem = Problem::at(&file.name, &file.text, span, error.to_string());
            match help {
                Some(help) => problem.help(help),
                None => problem,
            }
        })
        .collect()
}

/// The first place that an error of Cedar names, from the beginning of the file.
fn span_of(error: &dyn miette::Diagnostic, statement: &Range<usize>) -> Range<usize> {
    let label = error.labels().and_then(|mut labels| labels.next());
    match label {
        Some(label) => {
            let from = (statement.start + label.offset()).min(statement.end);
            from..(from + label.len()).min(statement.end)
        }
        None => statement.clone(),
    }
}

fn rules(
    files: &[SourceFile],
    drafts: Vec<Draft>,
    groups: &Groups,
    predicates: &Predicates,
    problems: &mut Vec<Problem>,
) -> (Vec<Rule>, Wanted) {
    let known = predicates.names().map(str::to_owned).collect();
    let mut tags = Wanted::default();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut rules = Vec::with_capacity(drafts.len());
    let mut lines = LineCounter::default();
    for draft in drafts {
        let Some(file) = files.get(draft.file) else {
            continue;
        };
        let line = lines.line_of(draft.file, &file.text, draft.span.start);
        let place = format!("{}:{line}", file.name);
        let head = head_span(&file.text, &draft.span);
        let at = |message: String| Problem::at(&file.name, &file.text, head.clone(), message);
        let id = draft
            .policy
            .annotation("id")
            .map_or_else(|| place.clone(), str::to_owned);
        if let Some(bad) = bad_id(&id) {
            problems.push(at(bad));
        }
        if let Some(other) = seen.insert(id.clone(), place) {
            problems.push(at(format!(
                "the id `{}` is used twice; the other rule is at {other}",
                host_core::Shown(&id)
            )));
        }
        // Cedar reads the text once more for it.
        let pst = draft.policy.to_pst().ok();
        let scope = match Scope::of(&draft.policy, pst.as_ref()) {
            Ok(scope) => scope,
            Err(message) => {
                problems.push(at(message));
                continue;
            }
        };
        let mut findings = Findings::of(pst.as_ref());
        tags.any_field |= findings.any_field;
        tags.asks_of_principal |= findings.asks_of_principal;
        tags.fields.append(&mut findings.fields);
        tags.any |= findings.any_tag;
        tags.names.append(&mut findings.tags);
        tags.numbers.append(&mut findings.numbers);
        let mut errors = findings.errors(&draft.policy, &scope, &known, groups);
        errors.extend(scope.misfits());
        for (message, help) in errors {
            problems.push(at(message).help(help));
        }
        rules.push(Rule {
            policy: draft.policy.new_id(PolicyId::new(&id)),
            id,
            file: draft.file,
            span: draft.span,
            line,
            scope,
            mentions_resource: findings.mentions_resource,
            exclusions: findings.exclusions,
        });
    }
    (rules, tags)
}

/// Counts lines as rules come, which they do in the order of files and places.
#[derive(Default)]
struct LineCounter {
    file: usize,
    at: usize,
    line: usize,
}

impl LineCounter {
    fn line_of(&mut self, file: usize, text: &str, at: usize) -> usize {
        if file != self.file || self.line == 0 || at < self.at {
            (self.file, self.at, self.line) = (file, 0, 1);
        }
        let between = text.get(self.at..at).unwrap_or_default();
        self.line += between.matches('\n').count();
        self.at = at;
        self.line
    }
}

/// Ids are shown, logged and typed.
fn bad_id(id: &str) -> Option<String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_.-:/".contains(letter);
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.chars().all(plain) {
        return Some(format!(
            "`{}` is no id of a rule: use letters, digits and _.-:/, {ID_BYTES_MAX} at most",
            host_core::Shown(id)
        ));
    }
    None
}

/// How long the id of a rule may be, in bytes.
const ID_BYTES_MAX: usize = 128;

/// The first line of a statement, which stands for the whole of it.
fn head_span(text: &str, span: &Range<usize>) -> Range<usize> {
    let statement = text.get(span.clone()).unwrap_or_default();
    let length = statement.find('\n').unwrap_or(statement.len());
    span.start
        ..span.start
            + statement
                .get(..length)
                .map_or(0, |line| line.trim_end().len())
}

/// Holds the rules against the schema, strictly.
fn validate(
    files: &[SourceFile],
    rules: &[Rule],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let Some(schema) = schema() else {
        problems.push(Problem::of_set("the schema of this version cannot be read"));
        return;
    };
    let policies = rules.iter().map(|rule| rule.policy.clone());
    let set = match cedar_policy::PolicySet::from_policies(policies) {
        Ok(set) => set,
        Err(error) => {
            // That an id stands twice has been said already.
            if problems.is_empty() {
                problems.push(Problem::of_set(error.to_string()));
            }
            return;
        }
    };
    let by_id: BTreeMap<&str, &Rule> = rules.iter().map(|rule| (rule.id.as_str(), rule)).collect();
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    for warning in result.validation_warnings() {
        let rule = by_id
            .get(AsRef::<str>::as_ref(warning.policy_id()))
            .copied();
        let found = found_by_cedar(files, rule, warning.policy_id(), warning);
        let is_impossible = matches!(
            warning,
            cedar_policy::ValidationWarning::ImpossiblePolicy(_)
        );
        if is_impossible && rule.is_some_and(Rule::forbids) {
            problems.push(found.help("a forbid that never matches forbids nothing"));
        } else {
            warnings.push(found);
        }
    }
    for error in result.validation_errors() {
        let rule = by_id.get(AsRef::<str>::as_ref(error.policy_id())).copied();
        problems.push(found_by_cedar(files, rule, error.policy_id(), error));
    }
    let order = |a: &Problem, b: &Problem| (&a.file, a.line).cmp(&(&b.file, b.line));
    problems.sort_by(order);
    warnings.sort_by(order);
}

/// What the validator says of a rule, where it says it.
fn found_by_cedar(
    files: &[SourceFile],
    rule: Option<&Rule>,
    id: &PolicyId,
    error: &dyn miette::Diagnostic,
) -> Problem {
    let message = error
        .to_string()
        .replace(&format!("for policy `{id}`, "), "");
    let place = rule.and_then(|rule| Some((rule, files.get(rule.file)?)));
    let problem = match place {
        Some((rule, file)) => {
            Problem::at(&file.name, &file.text, span_of(error, &rule.span), message)
        }
        None => Problem::of_set(message),
    };
    match error.help() {
        Some(help) => problem.help(help.to_string()),
        None => problem,
    }
}

fn digest(files: &[SourceFile]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(b"host.policy/1\0");
    for file in files {
        for text in [&file.name, &file.text] {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text);
        }
    }
    Digest::from_bytes(hasher.finalize().into())
}
