//! Reads JSON that strangers wrote: one value, within a size and a depth, and every wrong item named by its place.
//!
//! A byte order mark is skipped, of duplicate keys the last one wins, and an empty text is an error here
//! (the reader of metadata allows it itself). What is nested too deeply is refused before anyone walks it.

mod keys;

use std::fmt;

use serde_json::{Map, Value};

/// How deeply objects and arrays may be nested in metadata, asks and input.
pub(crate) const DEPTH_MAX: usize = 32;

/// Why a text is not JSON that we read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// There is more of it than is ever read.
    #[error("too large: {have_bytes} of at most {bytes_max} bytes")]
    TooLarge {
        /// Its size in bytes.
        have_bytes: usize,
        /// The limit in bytes.
        bytes_max: usize,
    },
    /// It is not UTF-8.
    #[error("not UTF-8 after byte {valid_bytes}")]
    NotUtf8 {
        /// How many bytes before the first bad one are valid.
        valid_bytes: usize,
    },
    /// It is not JSON. The text itself is not repeated, as it may hold secrets.
    #[error("not JSON at line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// An object in it has a key that the parser keeps for numbers.
    #[error("a key is `$serde_json::private::Number`, which no object may have")]
    ReservedKey,
    /// A key stands twice in one object. It is not repeated, as it may be a secret.
    #[error("a key stands twice")]
    RepeatedKey,
    /// It is nested too deeply.
    #[error("nested more than {depth_max} levels deep")]
    TooDeep {
        /// The limit in levels.
        depth_max: usize,
    },
}

/// An item that has another shape than its place wants.
#[derive(Debug, thiserror::Error)]
#[error("`{place}` expects {expected}, got {found}")]
pub struct ShapeError {
    /// Where, such as `parameters.name.type`.
    pub place: String,
    /// What belongs there.
    pub expected: &'static str,
    /// What is there.
    pub found: &'static str,
}

/// Reads `bytes` as one JSON value.
pub(crate) fn read(bytes: &[u8], bytes_max: usize) -> Result<Value, JsonError> {
    read_within(text(bytes, bytes_max)?, DEPTH_MAX)
}

/// The same for what a person typed, in which a key that stands twice is a mistake.
pub(crate) fn read_typed(bytes: &[u8], bytes_max: usize) -> Result<Value, JsonError> {
    let value = read(bytes, bytes_max)?;
    match keys::repeated(text(bytes, bytes_max)?) {
        Some(_) => Err(JsonError::RepeatedKey),
        None => Ok(value),
    }
}

/// The first key that stands twice in one object of JSON text.
pub(crate) fn repeated_key(text: &str) -> Option<String> {
    keys::repeated(text)
}

/// Reads `text` as one JSON value of at most `depth_max` levels, which are at most 127.
pub(crate) fn read_within(text: &str, depth_max: usize) -> Result<Value, JsonError> {
    if keys::has_reserved(text) {
        return Err(JsonError::ReservedKey);
    }
    // serde_json itself stops at 128 levels, so neither this nor `is_within` can exhaust the stack.
    let value = serde_json::from_str(text).map_err(|error| {
        // The only way to tell its own limit from bad syntax is its word for it.
        if error.to_string().starts_with("recursion limit") {
            return JsonError::TooDeep { depth_max };
        }
        JsonError::Syntax {
            line: error.line(),
            column: error.column(),
        }
    })?;
    if is_within(&value, depth_max) {
        Ok(value)
    } else {
        Err(JsonError::TooDeep { depth_max })
    }
}

/// The text of `bytes`, without a byte order mark.
pub(crate) fn text(bytes: &[u8], bytes_max: usize) -> Result<&str, JsonError> {
    if bytes.len() > bytes_max {
        return Err(JsonError::TooLarge {
            have_bytes: bytes.len(),
            bytes_max,
        });
    }
    let text = str::from_utf8(bytes).map_err(|error| JsonError::NotUtf8 {
        valid_bytes: error.valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether objects and arrays in `value` nest at most `depth` levels deep.
fn is_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| is_within(item, depth - 1)),
        Value::Object(map) => depth > 0 && map.values().all(|item| is_within(item, depth - 1)),
        _ => true,
    }
}

/// One value together with its place in the document.
#[derive(Clone)]
pub(crate) struct Item<'v> {
    pub(crate) place: String,
    pub(crate) value: &'v Value,
}

/// The members of one object together with its place in the document.
pub(crate) struct Fields<'v> {
    place: String,
    map: &'v Map<String, Value>,
}

impl<'v> Item<'v> {
    /// The document itself.
    pub(crate) fn root(value: &'v Value) -> Self {
        Self {
            place: String::new(),
            value,
        }
    }

    pub(crate) fn object(&self) -> Result<Fields<'v>, ShapeError> {
        let map = self
            .value
            .as_object()
            .ok_or_else(|| self.mismatch("an object"))?;
        Ok(Fields {
            place: self.place.clone(),
            map,
        })
    }

    pub(crate) fn text(&self) -> Result<&'v str, ShapeError> {
        self.value.as_str().ok_or_else(|| self.mismatch("a string"))
    }

    pub(crate) fn flag(&self) -> Result<bool, ShapeError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.mismatch("true or false"))
    }

    /// The elements of an array of at most `len_max`.
    pub(crate) fn list(
        &self,
        len_max: usize,
    ) -> Result<impl Iterator<Item = Item<'v>> + use<'v>, ShapeError> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.mismatch("an array"))?;
        if items.len() > len_max {
            return Err(ShapeError {
                found: "a longer array",
                ..self.mismatch("fewer elements")
            });
        }
        let place = self.place.clone();
        Ok(items.iter().enumerate().map(move |(index, value)| Item {
            place: format!("{place}[{index}]"),
            value,
        }))
    }

    pub(crate) fn mismatch(&self, expected: &'static str) -> ShapeError {
        let place = if self.place.is_empty() {
            "the document".to_owned()
        } else {
            self.place.clone()
        };
        ShapeError {
            place,
            expected,
            found: kind(self.value),
        }
    }
}

impl<'v> Fields<'v> {
    /// The member `key`; `null` counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<Item<'v>> {
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Item {
            place: self.place_of(key),
            value,
        })
    }

    /// All members with their keys, `null` included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'v str, Item<'v>)> {
        self.map.iter().map(|(key, value)| {
            (
                key.as_str(),
                Item {
                    place: self.place_of(key),
                    value,
                },
            )
        })
    }

    /// The places of members that `known` does not list.
    pub(crate) fn unknown(&self, known: &[&str]) -> impl Iterator<Item = String> {
        self.map
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| self.place_of(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    fn place_of(&self, key: &str) -> String {
        let key = host_core::Shown(key);
        if self.place.is_empty() {
            key.to_string()
        } else {
            format!("{}.{key}", self.place)
        }
    }
}

impl fmt::Debug for Item<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at `{}`", kind(self.value), self.place)
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_up_to_its_limits() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(deep(DEPTH_MAX).as_bytes(), 1024).is_ok());
        let cases = [
            (
                deep(DEPTH_MAX + 1).into_bytes(),
                "nested more than 32 levels deep",
            ),
            (deep(500).into_bytes(), "nested more than 32 levels deep"),
            (vec![b' '; 1025], "too large: 1025 of at most 1024 bytes"),
            (b"{\"a\": \"\xff\"}".to_vec(), "not UTF-8 after byte 7"),
            (
                b"{\"password\": hunter2}".to_vec(),
                "not JSON at line 1, column 14",
            ),
            (b"{} {}".to_vec(), "not JSON at line 1, column 4"),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(read(&bytes, 1024).expect_err(wanted).to_string(), wanted);
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_the_last_duplicate_wins() {
        let value = read(b"\xef\xbb\xbf{\"a\": 1, \"a\": 2}", 1024).expect("readable");
        assert_eq!(value, serde_json::json!({"a": 2}));
    }
}
