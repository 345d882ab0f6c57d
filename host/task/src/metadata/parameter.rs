//! One declared parameter of a task: its type, its default, and whether its value is a secret.
//!
//! A type that cannot be read does not make the metadata unreadable, and nothing is guessed in its place: such a
//! parameter accepts no value at all, so its task can be looked at and not run.

use host_core::ParameterName;
use serde_json::Value;

use crate::types::{DataType, TypeAliases};

/// A declared parameter.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: ParameterName,
    /// What values it accepts.
    pub kind: ParameterType,
    /// What it means, in its author's words.
    pub description: Option<String>,
    /// The value where none, or `null`, is given.
    pub default: Option<Value>,
    /// Whether its value must never be shown: marked so, or typed `Sensitive`.
    pub sensitive: bool,
}

impl Parameter {
    /// Whether a run without this parameter is wrong: there is no default, and the type does not accept undef.
    #[must_use]
    pub fn is_required(&self, aliases: &TypeAliases) -> bool {
        self.default.is_none()
            && match &self.kind {
                ParameterType::Untyped => false,
                ParameterType::Typed(data_type) => !data_type.accepts_undef(aliases),
                ParameterType::Unreadable { .. } => true,
            }
    }
}

/// What values a parameter accepts.
#[derive(Clone, Debug)]
pub enum ParameterType {
    /// Anything: the metadata names no type.
    Untyped,
    /// The values of a Puppet data type.
    Typed(DataType),
    /// Nothing, as the type cannot be read.
    Unreadable {
        /// The type as written.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}
