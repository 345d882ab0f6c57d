//! Asks: what a run would have, and how a task's metadata spells them.
//!
//! The text of an ask may have placeholders, which are filled from the checked input. It is taken apart before it is
//! filled, so a value can never add a word, a segment, a pattern, a wildcard or a network.

mod command;
mod fill;
mod remote;
pub(crate) mod shape;
mod slot;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::capability::{Capability, CapabilityError};
use crate::names::ParameterName;
use crate::serde_text::serde_as_text;
use shape::Shape;

pub use fill::{FILL_ELEMENTS_MAX, FillError, Placeholder, ValueFault};

/// The text of an ask as its author wrote it: a capability, perhaps with placeholders such as `${name}`.
///
/// Compared and printed as written.
#[derive(Clone, Debug)]
pub struct AskTemplate {
    text: Box<str>,
    shape: Shape,
    holes: Vec<ParameterName>,
}

impl AskTemplate {
    /// The text as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parameters that it names, each once, in the order of the text.
    #[must_use]
    pub fn placeholders(&self) -> Vec<&ParameterName> {
        self.holes.iter().collect()
    }

    /// Fills the placeholders with what `lookup` says of each parameter.
    ///
    /// One capability comes back, or one for each element where a placeholder is a list.
    ///
    /// # Errors
    /// When a value is absent or empty ([`FillError::is_absent`]: an optional ask is then dropped), sensitive, or does
    /// not fit where it would stand; when two placeholders are lists, or one has more than [`FILL_ELEMENTS_MAX`]
    /// elements.
    pub fn fill(
        &self,
        lookup: &dyn Fn(&ParameterName) -> Placeholder,
    ) -> Result<Vec<Capability>, FillError> {
        fill::fill(&self.shape, &self.holes, lookup, fill::Empty::Refused)
    }

    /// Fills the placeholders of an optional ask: as [`AskTemplate::fill`], but for elements of a list that are empty.
    /// Those are left out, so that one of them does not take away what the others ask for.
    ///
    /// # Errors
    /// As for [`AskTemplate::fill`]; [`FillError::is_absent`] when nothing is left to ask for.
    pub fn fill_optional(
        &self,
        lookup: &dyn Fn(&ParameterName) -> Placeholder,
    ) -> Result<Vec<Capability>, FillError> {
        fill::fill(&self.shape, &self.holes, lookup, fill::Empty::LeftOut)
    }
}

impl FromStr for AskTemplate {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (shape, holes) = Shape::read(text)?;
        if holes.is_empty() {
            Shape::read_capability(text)?;
        }
        Ok(Self {
            text: text.into(),
            shape,
            holes,
        })
    }
}

impl fmt::Display for AskTemplate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl PartialEq for AskTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for AskTemplate {}

serde_as_text!(AskTemplate);

/// Who brought an ask or a limit.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The task's metadata.
    Bundle,
    /// Asks sealed beside an unchanged module.
    Overlay,
    /// The caller, by a flag or in the order.
    Caller,
}

impl Origin {
    /// The word for it: `bundle`, `overlay` or `caller`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Overlay => "overlay",
            Self::Caller => "caller",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A capability that a run would have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ask {
    /// What it would open.
    pub capability: Capability,
    /// Who asks.
    pub origin: Origin,
    /// Whether the run starts without it.
    pub optional: bool,
    /// What it is for, in the author's words.
    pub why: Option<String>,
}
