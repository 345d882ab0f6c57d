//! Parameters and facts as rules see them: names with texts, numbers or sets of texts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use serde_json::{Map, Value};

/// How many names an input or a set of facts may have for rules.
pub const TAGS_MAX: usize = 10_000;

/// How deep hashes and lists may be in each other.
const DEPTH_MAX: usize = 64;

/// What some rule asks for of a request: no question needs the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Fields of the context.
    pub(crate) fields: BTreeSet<String>,
    /// Whether a rule asks for the context as a whole.
    pub(crate) any_field: bool,
    /// Whether a rule goes by more of a caller than who it is.
    pub(crate) asks_of_principal: bool,
    /// Parameters and facts.
    pub(crate) names: BTreeSet<String>,
    /// Those of which a rule asks for the number.
    pub(crate) numbers: BTreeSet<String>,
    /// Whether a rule asks for one whose name is not written in it.
    pub(crate) any: bool,
}

impl Wanted {
    /// Whether a rule asks for this field of the context.
    pub(crate) fn has_field(&self, name: &str) -> bool {
        self.any_field || self.fields.contains(name)
    }

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

/// Why values cannot be put to rules.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TagsError {
    /// More than any rule could look at.
    #[error("more than {TAGS_MAX} names, or nested deeper than {DEPTH_MAX}")]
    TooMany,
    /// A rule asks for an integer, and this is none: a forbid must not be passed over for that.
    #[error("`{}` is no integer, and a rule asks for its number", host_core::Shown(.0))]
    NoInteger(String),
}

impl Tags {
    /// Takes apart what is wanted; rules do not see the rest.
    pub(crate) fn of(values: &Map<String, Value>, wanted: &Wanted) -> Result<Self, TagsError> {
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
    ) -> Result<(), TagsError> {
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
    ) -> Result<(), TagsError> {
        *seen += 1;
        if *seen > TAGS_MAX || depth > DEPTH_MAX {
            return Err(TagsError::TooMany);
        }
        // A rule that asks for a number must not be passed over where something else was given in its place.
        let is_number = value.is_null() || integer(value).is_some();
        if wanted.numbers.contains(name) && !is_number {
            return Err(TagsError::NoInteger(name.to_owned()));
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
                    if let Some(number) = integer(scalar) {
                        self.numbers.insert(name.to_owned(), number);
                    }
                    self.texts.insert(name.to_owned(), text);
                }
            }
        }
        Ok(())
    }
}

/// An integer, as a number or as a text in its one spelling; one that Cedar's numbers cannot hold is the largest or the
/// smallest of them.
fn integer(value: &Value) -> Option<i64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let (digits, bound) = match text.strip_prefix('-') {
        Some(digits) => (digits, i64::MIN),
        None => (text.as_str(), i64::MAX),
    };
    let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let has_one_spelling = digits == "0" && bound > 0 || !digits.starts_with('0');
    (is_integer && has_one_spelling).then(|| text.parse().unwrap_or(bound))
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
    fn integers_that_do_not_fit_are_the_largest_and_what_is_none_is_refused_where_one_is_asked_for()
    {
        let values = json!({"a": 1.5, "b": 7, "c": 18_446_744_073_709_551_615_u64});
        let tags = tags(values.clone());
        let numbers = [("b".to_owned(), 7), ("c".to_owned(), i64::MAX)];
        assert_eq!(tags.numbers, BTreeMap::from(numbers));
        assert_eq!(
            (&*tags.texts["a"], &*tags.texts["c"]),
            ("1.5", "18446744073709551615")
        );
        let wanted = Wanted {
            numbers: ["a".to_owned()].into(),
            ..all()
        };
        assert_eq!(
            Tags::of(values.as_object().unwrap(), &wanted),
            Err(TagsError::NoInteger("a".to_owned()))
        );
    }

    #[test]
    fn where_a_number_is_asked_for_a_text_is_its_number_or_refused() {
        let wanted = Wanted {
            names: ["count".to_owned()].into(),
            numbers: ["count".to_owned()].into(),
            ..Wanted::default()
        };
        let number = |value: Value| {
            let values = json!({"count": value, "other": "x"});
            let tags = Tags::of(values.as_object().unwrap(), &wanted)?;
            Ok(tags.numbers.get("count").copied())
        };
        assert_eq!(number(json!("50")), Ok(Some(50)));
        assert_eq!(number(json!("-7")), Ok(Some(-7)));
        assert_eq!(number(json!("0")), Ok(Some(0)));
        assert_eq!(
            number(json!("99999999999999999999")),
            Ok(Some(i64::MAX)),
            "beyond what a number can be"
        );
        assert_eq!(number(Value::Null), Ok(None));
        for other in [
            json!("050"),
            json!("5e1"),
            json!("-0"),
            json!("+5"),
            json!(" 5"),
            json!(""),
            json!("-"),
            json!(50.5),
            json!([50]),
            json!({"a": 50}),
            json!(true),
        ] {
            let refused = Err(TagsError::NoInteger("count".to_owned()));
            assert_eq!(number(other.clone()), refused, "{other}");
        }
    }

    #[test]
    fn more_than_a_rule_could_ever_look_at_is_refused() {
        let many: Map<String, Value> = (0..=TAGS_MAX).map(|n| (n.to_string(), json!(n))).collect();
        assert_eq!(Tags::of(&many, &all()), Err(TagsError::TooMany));
        let long = json!({"a": vec![1; TAGS_MAX], "b": 1});
        assert_eq!(
            Tags::of(long.as_object().unwrap(), &all()),
            Err(TagsError::TooMany)
        );
    }

    #[test]
    fn only_what_some_rule_asks_for_is_taken() {
        let wanted = Wanted {
            names: ["os.family", "role"].map(str::to_owned).into(),
            ..Wanted::default()
        };
        let facts = json!({"os": {"family": "Debian", "name": "x"}, "osx": 1, "role": "app", "roles": 2, "a.b": 3});
        let tags = Tags::of(facts.as_object().unwrap(), &wanted).unwrap();
        let names: Vec<&str> = tags.texts.keys().map(String::as_str).collect();
        assert_eq!(names, ["os.family", "role"]);
    }
}
