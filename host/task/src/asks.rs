//! What a task asks for, as its author or its packer wrote it: capabilities with placeholders, limits, exclusiveness.
//!
//! The same object stands under `extensions.host` of a task's metadata and, for modules that stay as they are, in
//! the overlay file `host/asks.json`. Nothing in it is guessed: an unknown key, an unreadable capability or limit
//! and a placeholder for a parameter that is not declared, or is sensitive, are errors that name their place.

mod fill;
mod overlay;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use host_core::{AskTemplate, LimitError, LimitRequests};
use serde_json::Value;

use crate::json::{Item, JsonError, ShapeError};
use crate::metadata::Parameter;

pub use fill::FillAsksError;
pub use overlay::{OVERLAY_BYTES_MAX, Overlay};

/// How many asks one task may have before placeholders are filled.
pub const ASKS_MAX: usize = 256;

const KEYS: [&str; 3] = ["asks", "exclusive", "limits"];
const ASK_KEYS: [&str; 3] = ["capability", "optional", "why"];

/// What one task asks for. By default nothing, within the default limits.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TaskAsks {
    /// The asks in the order they were written.
    pub asks: Vec<TaskAsk>,
    /// The limits that the task asked for itself.
    pub limits: LimitRequests,
    /// Whether no two runs of the task may overlap on a node.
    pub exclusive: bool,
    /// Whether anyone stated this at all, even if it is that nothing is needed.
    pub is_stated: bool,
}

/// One ask, before its placeholders are filled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskAsk {
    /// The capability with its placeholders.
    pub template: AskTemplate,
    /// Whether the task also runs without it.
    pub optional: bool,
    /// What the task needs it for, in its author's words.
    pub why: Option<String>,
}

/// Why asks cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadAsksError {
    /// The overlay is not JSON.
    #[error("`host/asks.json` is not readable")]
    Json(#[source] JsonError),
    /// The overlay has another format than this one.
    #[error("`host/asks.json` is not of format `{}`", overlay::FORMAT)]
    Format,
    /// Something has another shape than its place wants.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A key that means nothing here.
    #[error("`{place}` is not known here")]
    UnknownKey {
        /// Where.
        place: String,
    },
    /// Not a capability.
    #[error("`{place}` is not a capability")]
    Capability {
        /// Where.
        place: String,
        /// Why.
        source: Box<<AskTemplate as FromStr>::Err>,
    },
    /// Not a limit.
    #[error("`{place}` cannot be used")]
    Limit {
        /// Where.
        place: String,
        /// Why.
        source: LimitError,
    },
    /// A placeholder names a parameter that the task does not declare.
    #[error("`{place}` has a placeholder for `{parameter}`, which the task does not declare")]
    UndeclaredPlaceholder {
        /// Where.
        place: String,
        /// The parameter.
        parameter: String,
    },
    /// A placeholder names a parameter whose value must not be shown.
    #[error("`{place}` has a placeholder for `{parameter}`, which is sensitive")]
    SensitivePlaceholder {
        /// Where.
        place: String,
        /// The parameter.
        parameter: String,
    },
    /// An entry of the overlay names no task of the module.
    #[error("`{place}` does not name a task of this module")]
    TaskName {
        /// Where.
        place: String,
    },
    /// Two entries of the overlay name one task.
    #[error("`{place}` names a task a second time")]
    TaskTwice {
        /// Where.
        place: String,
    },
}

impl TaskAsks {
    /// Whether nothing at all is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.asks.is_empty() && !self.exclusive && self.limits == LimitRequests::default()
    }

    /// Reads the object at `item`.
    pub(crate) fn read(item: &Item<'_>) -> Result<Self, ReadAsksError> {
        let fields = item.object()?;
        refuse_unknown(fields.unknown(&KEYS))?;
        let asks = match fields.get("asks") {
            Some(item) => item
                .list(ASKS_MAX)?
                .map(|item| TaskAsk::read(&item))
                .collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        let mut limits = LimitRequests::default();
        if let Some(item) = fields.get("limits") {
            for (name, item) in item.object()?.iter() {
                limits
                    .set(name, &limit_text(&item)?)
                    .map_err(|source| ReadAsksError::Limit {
                        place: item.place,
                        source,
                    })?;
            }
        }
        let exclusive = fields
            .get("exclusive")
            .map(|item| item.flag())
            .transpose()?
            .unwrap_or(false);
        Ok(Self {
            asks,
            limits,
            exclusive,
            is_stated: true,
        })
    }

    /// Checks that every placeholder names a declared parameter that may be shown. `place` is where the asks stand.
    pub(crate) fn fit(&self, place: &str, parameters: &[Parameter]) -> Result<(), ReadAsksError> {
        for (index, ask) in self.asks.iter().enumerate() {
            for name in ask.template.placeholders() {
                let place = || format!("{place}.asks[{index}]");
                match parameters.iter().find(|parameter| parameter.name == *name) {
                    None => {
                        return Err(ReadAsksError::UndeclaredPlaceholder {
                            place: place(),
                            parameter: name.to_string(),
                        });
                    }
                    Some(parameter) if parameter.sensitive => {
                        return Err(ReadAsksError::SensitivePlaceholder {
                            place: place(),
                            parameter: name.to_string(),
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }
}

impl TaskAsk {
    fn read(item: &Item<'_>) -> Result<Self, ReadAsksError> {
        if let Value::String(text) = item.value {
            return Ok(Self {
                template: template(item, text)?,
                optional: false,
                why: None,
            });
        }
        let fields = item
            .object()
            .map_err(|_| item.mismatch("a capability or an object with one"))?;
        refuse_unknown(fields.unknown(&ASK_KEYS))?;
        let capability = fields
            .get("capability")
            .ok_or_else(|| item.mismatch("a `capability`"))?;
        Ok(Self {
            template: template(&capability, capability.text()?)?,
            optional: fields
                .get("optional")
                .map(|item| item.flag())
                .transpose()?
                .unwrap_or(false),
            why: fields
                .get("why")
                .map(|item| item.text().map(str::to_owned))
                .transpose()?,
        })
    }
}

fn template(item: &Item<'_>, text: &str) -> Result<AskTemplate, ReadAsksError> {
    text.parse().map_err(|source| ReadAsksError::Capability {
        place: item.place.clone(),
        source: Box::new(source),
    })
}

/// A limit's value as text; a count may be written as a number.
fn limit_text(item: &Item<'_>) -> Result<String, ShapeError> {
    match item.value {
        Value::Number(count) if count.is_u64() => Ok(count.to_string()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(item.mismatch("a string or a count")),
    }
}

fn refuse_unknown(mut places: impl Iterator<Item = String>) -> Result<(), ReadAsksError> {
    places
        .next()
        .map_or(Ok(()), |place| Err(ReadAsksError::UnknownKey { place }))
}
