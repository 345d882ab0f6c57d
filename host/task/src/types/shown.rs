//! Prints types, and what is said of them, for people.

use std::error::Error;
use std::fmt::{self, Display, Formatter};

use host_core::Shown;

/// Foreign text with whatever could deceive a reader escaped. Backslashes are not doubled, unlike by [`Shown`], since
/// patterns are full of them: do not escape it once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownType<'t>(pub(crate) &'t str);

impl Display for ShownType<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut pieces = self.0.split('\\');
        pieces
            .next()
            .map_or(Ok(()), |first| Shown(first).fmt(out))?;
        pieces.try_for_each(|piece| write!(out, "\\{}", Shown(piece)))
    }
}

/// An error with what caused it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
