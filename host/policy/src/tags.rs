//! Parameters and facts as rules see them: names with texts, numbers or sets of texts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::{Map, Value};

/// How many names an input or a set of facts may have for rules.
pub const TAGS_MAX: usize = 10_000;

/// How deep hashes and lists may be in each other.
const DEPTH_MAX: usize = 64;

/// The parameters and facts that some rule asks for: no question needs the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) names: BTreeSet<String>,
    /// Whether a rule asks for one whose name is not written in it.
    pub(crate) any: bool,
}

impl Wanted {
    fn has(&self, name: &str) -> bool {
        self.any || self.names.contains(name)
    }

    /// Whether a name is wanted that begins with this part.
    fn may_begin(&self, key: &str) -> bool {
        if self.any || key.contains(['.', '\\']) {
            return true;
        }
        let names = self
            .names
            .range::<str, _>((Bound::Included(key), Bound::Unbounded));
        let mut names = names.take_while(|name| name.starts_with(key));
        names.any(|name| name.len() == key.len() || name.as_bytes().get(key.len()) == Some(&b'.'))
    }
}

/// Names and what they mean. Every name is there once: dots that belong to a name have a backslash before them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tags {
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) numbers: BTreeMap<String, i64>,
    pub(crate) lists: BTreeMap<String, BTreeSet<String>>,
}

/// More than [`TAGS_MAX`] names, or deeper than any that are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("more than {TAGS_MAX} names, or nested deeper than {DEPTH_MAX}")]
pub(crate) struct TooManyTags;

impl Tags {
    /// Takes apart what is wanted; rules do not see the rest.
    pub(crate) fn of(values: &Map<String, Value>, wanted: &Wanted) -> Result<Self, TooManyTags> {
        let mut tags = Self::default();
        let mut seen = 0;
        tags.add("", values, wanted, &mut seen, 0)?;
        Ok(tags)
    }

    fn add(
        &mut self,
        before: &str,
        values: &Map<String, Value>,
        wanted: &Wanted,
        seen: &mut usize,
        depth: usize,
    ) -> Result<(), TooManyTags> {
        for (key, value) in values {
            // What no rule could mean is passed over before anything is made of it.
            if before.is_empty() && !wanted.may_begin(key) {
                continue;
            }
            let key = escaped(key);
            let name = if before.is_empty() {
                key
            } else {
                format!("{before}.{key}")
            };
            self.value(&name, value, wanted, seen, depth)?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        name: &str,
        value: &Value,
        wanted: &Wanted,
        seen: &mut usize,
        depth: usize,
    ) -> Result<(), TooManyTags> {
        *seen += 1;
        if *seen > TAGS_MAX || depth > DEPTH_MAX {
            return Err(TooManyTags);
        }
        match value {
            Value::Null => {}
            Value::Object(fields) => self.add(name, fields, wanted, seen, depth + 1)?,
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    if item.is_object() || item.is_array() {
                        self.value(&format!("{name}.{at}"), item, wanted, seen, depth + 1)?;
                    }
                }
                *seen += items.len();
                if wanted.has(name) {
                    self.lists
                        .insert(name.to_owned(), items.iter().filter_map(text).collect());
                }
            }
            scalar => {
                if wanted.has(name)
                    && let Some(text) = text(scalar)
                {
                    if let Some(number) = scalar.as_i64() {
                        self.numbers.insert(name.to_owned(), number);
                    }
                    self.texts.insert(name.to_owned(), text);
                }
            }
        }
        Ok(())
    }
}

fn escaped(key: &str) -> String {
    if key.contains(['.', '\\']) {
        key.replace('\\', r"\\").replace('.', r"\.")
    } else {
        key.to_owned()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn all() -> Wanted {
        Wanted {
            any: true,
            ..Wanted::default()
        }
    }

    fn tags(value: Value) -> Tags {
        Tags::of(value.as_object().unwrap(), &all()).unwrap()
    }

    #[test]
    fn names_inside_hashes_are_dotted_and_their_own_dots_escaped() {
        let tags = tags(json!({"a": {"b": 1, "c.d": true}, "a.b": "x", "e": null}));
        let names: Vec<&str> = tags.texts.keys().map(String::as_str).collect();
        assert_eq!(names, ["a.b", r"a.c\.d", r"a\.b"]);
        assert_eq!(tags.texts["a.b"], "1");
        assert_eq!(tags.numbers, BTreeMap::from([("a.b".to_owned(), 1)]));
    }

    #[test]
    fn lists_are_sets_of_texts_and_what_is_deeper_is_numbered() {
        let tags = tags(json!({"hosts": ["a", "a", 1, {"name": "n"}]}));
        assert_eq!(tags.lists["hosts"], ["1", "a"].map(str::to_owned).into());
        assert_eq!(tags.texts["hosts.3.name"], "n");
    }

    #[test]
    fn only_integers_that_fit_are_numbers_and_every_scalar_has_a_text() {
        let tags = tags(
            json!({"a": 1.5, "b": 9_223_372_036_854_775_807_i64, "c": 18_446_744_073_709_551_615_u64}),
        );
        assert_eq!(tags.numbers.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(tags.texts["a"], "1.5");
        assert_eq!(tags.texts["c"], "18446744073709551615");
    }

    #[test]
    fn more_than_a_rule_could_ever_look_at_is_refused() {
        let many: Map<String, Value> = (0..=TAGS_MAX).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(Tags::of(&many, &all()), Err(TooManyTags));
        let long = json!({"a": vec![1; TAGS_MAX], "b": 1});
        assert_eq!(
            Tags::of(long.as_object().unwrap(), &all()),
            Err(TooManyTags)
        );
    }

    #[test]
    fn only_what_some_rule_asks_for_is_taken() {
        let wanted = Wanted {
            names: ["os.family", "role"].map(str::to_owned).into(),
            any: false,
        };
        let facts = json!({"os": {"family": "Debian", "name": "x"}, "osx": 1, "role": "app", "roles": 2, "a.b": 3});
        let tags = Tags::of(facts.as_object().unwrap(), &wanted).unwrap();
        let names: Vec<&str> = tags.texts.keys().map(String::as_str).collect();
        assert_eq!(names, ["os.family", "role"]);
    }
}
