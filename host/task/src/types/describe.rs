//! Finds why a value is not an instance of a type; [`super::wording`] turns the findings into sentences.
//!
//! The findings follow Puppet's: alternatives of a `Variant` that fail at the same place are told as one,
//! an alias whose alternatives all fail is told as a whole.

use std::fmt::{self, Display, Formatter};

use serde_json::{Map, Value};

use super::DataType;
use super::accept::{self, Matcher};
use super::alias::{Resolved, TypeAliases};
use super::kind::{Field, Kind, Size};
use super::shown::ShownType;
use super::wording::{Actual, Wording};

/// How many reasons are given for one value.
const MISMATCHES_MAX: usize = 16;
/// How many findings of alternatives are compared with each other.
const UNIQUE_MAX: usize = 256;

static UNDEF: DataType = DataType::new(Kind::Undef);

/// One reason why a value is not an instance of a type: a sentence in Puppet's words, without a full stop.
///
/// Types and values are foreign text, so whatever could deceive a reader is printed escaped, with backslashes as
/// they are: do not escape it once more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mismatch(String);

impl Display for Mismatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        ShownType(&self.0).fmt(f)
    }
}

/// What is wrong, and where inside the value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding<'a> {
    pub(super) path: Vec<Step>,
    pub(super) flaw: Flaw<'a>,
}

/// One step on the way into a value or a type.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
    Index(usize),
    Entry(String),
    KeyOf(String),
    Variant(usize),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Flaw<'a> {
    /// It has none of these types; `by_match` if they are to be spoken of as something to match.
    Type {
        expected: Vec<&'a DataType>,
        actual: Actual,
        by_match: bool,
    },
    Size {
        expected: Size,
        actual: usize,
    },
    MissingKey(String),
    UnknownKey(String),
    TooMuch,
    /// A pattern costs too much to be matched against so much text.
    PatternCost,
}

/// Says why the value is not an instance of the type, which it is known not to be.
pub(super) fn mismatches(
    wanted: &DataType,
    path: &str,
    value: &Value,
    aliases: &TypeAliases,
    sensitive: bool,
) -> Vec<Mismatch> {
    let wording = Wording {
        aliases,
        sensitive,
        subject: path,
    };
    if let Some(text) = unusable(wanted, aliases, &wording) {
        return vec![Mismatch(text)];
    }
    let mut describer = Describer {
        matcher: Matcher::new(aliases),
    };
    let mut findings = describer.describe(wanted, value, &[]);
    if findings.is_empty() {
        findings.push(Finding {
            path: Vec::new(),
            flaw: type_flaw(vec![wanted], value),
        });
    }
    let mut texts = Vec::new();
    for finding in &findings {
        let text = Mismatch(wording.sentence(finding));
        // Without the parts that are secret, several findings may read alike; their number is secret too.
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts.truncate(MISMATCHES_MAX);
    texts
}

/// A reason that lies in the type and not in the value: an alias or a pattern that cannot be used.
fn unusable(wanted: &DataType, aliases: &TypeAliases, wording: &Wording<'_>) -> Option<String> {
    aliases.search(wanted, |part| match &part.kind {
        Kind::Alias(name) => match aliases.resolve(name) {
            Resolved::Type(_) => None,
            Resolved::Unusable(error) => Some(wording.unusable_alias(name, error)),
            Resolved::Unknown => Some(wording.unresolved(name)),
        },
        Kind::Pattern(patterns) => patterns.iter().find_map(|pattern| {
            let error = aliases.patterns().compiled(pattern).err()?;
            Some(wording.unusable_pattern(&pattern.delimited(), &error))
        }),
        _ => None,
    })
}

/// What a type is called when a value does not have it: by the alias that led to it, if any.
#[derive(Clone, Copy, Default)]
struct Called<'a> {
    alias: Option<&'a DataType>,
    /// Whether undef would do as well.
    undef: bool,
}

impl<'a> Called<'a> {
    fn expected(self, wanted: &'a DataType) -> Vec<&'a DataType> {
        let undef = self.undef.then_some(&UNDEF);
        undef
            .into_iter()
            .chain([self.alias.unwrap_or(wanted)])
            .collect()
    }
}

struct Describer<'a> {
    matcher: Matcher<'a>,
}

impl<'a> Describer<'a> {
    fn describe(&mut self, wanted: &'a DataType, value: &Value, path: &[Step]) -> Vec<Finding<'a>> {
        self.describe_as(wanted, Called::default(), value, path)
    }

    fn describe_as(
        &mut self,
        wanted: &'a DataType,
        called: Called<'a>,
        value: &Value,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        if self.matcher.enter().is_none() {
            return vec![Finding {
                path: path.to_vec(),
                flaw: Flaw::TooMuch,
            }];
        }
        let mut findings = self.describe_kind(wanted, called, value, path);
        findings.truncate(MISMATCHES_MAX);
        self.matcher.leave();
        findings
    }

    fn describe_kind(
        &mut self,
        wanted: &'a DataType,
        called: Called<'a>,
        value: &Value,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        match (&wanted.kind, value) {
            (Kind::Variant(types), _) => self.variant(types, called, value, path),
            (Kind::Array { element, size }, Value::Array(items)) => {
                let pairs = items.iter().map(|item| (&**element, item));
                self.list(*size, pairs, items.len(), path)
            }
            (Kind::Tuple { elements, size }, Value::Array(items)) => {
                let size = accept::tuple_size(elements, *size);
                self.list(
                    size,
                    accept::tuple_pairs(elements, items),
                    items.len(),
                    path,
                )
            }
            (Kind::Hash { key, value, size }, Value::Object(entries)) => {
                self.hash((key, value, *size), entries, path)
            }
            (Kind::Struct(fields), Value::Object(entries)) => self.structure(fields, entries, path),
            _ => match self.inside(wanted, called, value) {
                Some((inner, called)) => self.describe_as(inner, called, value, path),
                None => self.refusal(wanted, called, value, path),
            },
        }
    }

    /// The type that is asked next about the very same value, and what it is called.
    fn inside(
        &mut self,
        wanted: &'a DataType,
        called: Called<'a>,
        value: &Value,
    ) -> Option<(&'a DataType, Called<'a>)> {
        match &wanted.kind {
            Kind::Optional(_) if value.is_null() => None,
            Kind::Optional(inner) => {
                let undef = called.undef || called.alias.is_none();
                Some((inner, Called { undef, ..called }))
            }
            Kind::NotUndef(inner) if value.is_null() && self.matcher.accepts(inner, value) => None,
            Kind::NotUndef(inner) | Kind::Sensitive(inner) => Some((inner, called)),
            Kind::Alias(name) => match self.matcher.aliases.resolve(name) {
                Resolved::Type(next) => {
                    let alias = Some(wanted);
                    Some((next, Called { alias, ..called }))
                }
                Resolved::Unusable(_) | Resolved::Unknown => None,
            },
            _ => None,
        }
    }

    /// What is said of a type that looks at the value as a whole.
    fn refusal(
        &mut self,
        wanted: &'a DataType,
        called: Called<'a>,
        value: &Value,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        if self.matcher.accepts(wanted, value) {
            return Vec::new();
        }
        let flaw = if self.matcher.is_spent_by_pattern() {
            Flaw::PatternCost
        } else if self.matcher.is_exhausted() {
            Flaw::TooMuch
        } else {
            Flaw::Type {
                expected: called.expected(wanted),
                actual: Actual::of(value),
                by_match: matches!(wanted.kind, Kind::Enum { .. } | Kind::Pattern(_)),
            }
        };
        vec![Finding {
            path: path.to_vec(),
            flaw,
        }]
    }

    fn list<'v>(
        &mut self,
        size: Size,
        pairs: impl Iterator<Item = (&'a DataType, &'v Value)>,
        length: usize,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        if !size.contains(length) {
            return vec![size_finding(size, length, path)];
        }
        let mut findings = Vec::new();
        for (index, (wanted, item)) in pairs.enumerate() {
            if !self.matcher.accepts(wanted, item) {
                findings.extend(self.describe(wanted, item, &longer(path, Step::Index(index))));
            }
            if findings.len() >= MISMATCHES_MAX {
                break;
            }
        }
        findings
    }

    fn hash(
        &mut self,
        (key, wanted, size): (&'a DataType, &'a DataType, Size),
        entries: &Map<String, Value>,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        if !size.contains(entries.len()) {
            return vec![size_finding(size, entries.len(), path)];
        }
        let mut findings = Vec::new();
        for (name, value) in entries {
            if !self.matcher.accepts_key(key, name) {
                let text = Value::String(name.clone());
                let path = longer(path, Step::KeyOf(name.clone()));
                findings.extend(self.describe(key, &text, &path));
            }
            if !self.matcher.accepts(wanted, value) {
                let path = longer(path, Step::Entry(name.clone()));
                findings.extend(self.describe(wanted, value, &path));
            }
            if findings.len() >= MISMATCHES_MAX {
                break;
            }
        }
        findings
    }

    fn structure(
        &mut self,
        fields: &'a [Field],
        entries: &Map<String, Value>,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        let mut flaws = Vec::new();
        let mut inner = Vec::new();
        for field in fields {
            match entries.get(&field.name) {
                Some(value) if !self.matcher.accepts(&field.value, value) => {
                    let path = longer(path, Step::Entry(field.name.clone()));
                    inner.extend(self.describe(&field.value, value, &path));
                }
                None if !self.matcher.may_be_missing(field) => {
                    flaws.push(Flaw::MissingKey(field.name.clone()))
                }
                _ => {}
            }
        }
        let unknown = entries
            .keys()
            .filter(|key| fields.iter().all(|field| field.name != **key));
        flaws.extend(
            unknown
                .take(MISMATCHES_MAX)
                .map(|key| Flaw::UnknownKey(key.clone())),
        );
        let here = flaws.into_iter().map(|flaw| Finding {
            path: path.to_vec(),
            flaw,
        });
        here.chain(inner).collect()
    }

    fn variant(
        &mut self,
        types: &'a [DataType],
        called: Called<'a>,
        value: &Value,
        path: &[Step],
    ) -> Vec<Finding<'a>> {
        let undef = called.undef.then_some(&UNDEF);
        let mut alternatives = Vec::new();
        for (index, wanted) in undef.into_iter().chain(types).enumerate() {
            let findings = self.describe(wanted, value, &longer(path, Step::Variant(index)));
            if findings.is_empty() {
                return findings;
            }
            alternatives.push(findings);
        }
        let merged = merge(alternatives, path.len());
        match (called.alias, &merged[..]) {
            (Some(alias), [_]) => {
                let flaw = type_flaw(
                    Called {
                        alias: Some(alias),
                        ..called
                    }
                    .expected(alias),
                    value,
                );
                vec![Finding {
                    path: path.to_vec(),
                    flaw,
                }]
            }
            _ => merged,
        }
    }
}

/// Tells as one what all alternatives have in common.
fn merge(alternatives: Vec<Vec<Finding<'_>>>, depth: usize) -> Vec<Finding<'_>> {
    let count = alternatives.len();
    let mut findings: Vec<_> = alternatives.into_iter().flatten().collect();
    let is_size = |finding: &&Finding<'_>| matches!(finding.flaw, Flaw::Size { .. });
    let is_type = |finding: &&Finding<'_>| matches!(finding.flaw, Flaw::Type { .. });
    let sizes: Vec<_> = findings.iter().filter(is_size).cloned().collect();
    let types: Vec<_> = findings.iter().filter(is_type).cloned().collect();
    for same in [sizes, types] {
        if same.len() == count
            && let Some(one) = join(same)
        {
            findings = vec![one];
            break;
        }
    }
    findings.truncate(UNIQUE_MAX);
    let mut unique: Vec<Finding<'_>> = Vec::new();
    for finding in findings {
        if unique
            .iter()
            .all(|known| known.flaw != finding.flaw || known.place() != finding.place())
        {
            unique.push(finding);
        }
    }
    if let [one] = &mut unique[..]
        && depth < one.path.len()
    {
        one.path.remove(depth);
    }
    unique
}

/// The findings as one, if all are of one place.
fn join(findings: Vec<Finding<'_>>) -> Option<Finding<'_>> {
    let mut findings = findings.into_iter();
    let mut joined = findings.next()?;
    for finding in findings {
        if finding.place() != joined.place() {
            return None;
        }
        match (&mut joined.flaw, finding.flaw) {
            (Flaw::Type { expected, .. }, Flaw::Type { expected: more, .. }) => {
                for wanted in more {
                    if !expected.contains(&wanted) {
                        expected.push(wanted);
                    }
                }
            }
            (
                Flaw::Size { expected, .. },
                Flaw::Size {
                    expected: other, ..
                },
            ) => *expected = expected.join(other),
            _ => return None,
        }
    }
    Some(joined)
}

impl Finding<'_> {
    /// The place inside the value, whichever alternative of the type was tried.
    fn place(&self) -> Vec<&Step> {
        self.path
            .iter()
            .filter(|step| !matches!(step, Step::Variant(_)))
            .collect()
    }
}

fn type_flaw<'a>(expected: Vec<&'a DataType>, value: &Value) -> Flaw<'a> {
    Flaw::Type {
        expected,
        actual: Actual::of(value),
        by_match: false,
    }
}

fn size_finding<'a>(expected: Size, actual: usize, path: &[Step]) -> Finding<'a> {
    Finding {
        path: path.to_vec(),
        flaw: Flaw::Size { expected, actual },
    }
}

fn longer(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().cloned().chain([step]).collect()
}
