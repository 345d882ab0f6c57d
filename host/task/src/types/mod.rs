//! Puppet data types, on JSON values: what the `type` of a task's parameter says, and why a value breaks it.
//!
//! Start at [`DataType`]: it is parsed once from the metadata and then asked. Names that are not built into
//! the language are found in [`TypeAliases`]. Nothing here opens a file; every text, depth and count that
//! comes from a bundle or a caller has a limit, and what passes it is refused.
//!
//! Where we differ from Puppet, always to accept less or to keep a secret:
//! * `^` and `$` in a pattern are the ends of the whole value, and constructs that need backtracking are
//!   refused (see `ruby`).
//! * `Sensitive[T]` accepts what `T` accepts, and marks the parameter: nothing of the value is ever shown.
//! * Resource types such as `File` are no types of parameters.
//! * `String['text']` and `Array[1]` do not parse; `Iterable[T]` takes lists only.

mod accept;
mod alias;
mod build;
mod describe;
mod error;
mod expression;
mod hints;
mod kind;
mod lex;
mod pattern;
mod print;
mod ruby;
mod shown;
mod stdlib;
#[cfg(test)]
mod tests;
mod wording;

use std::str::FromStr;

use serde_json::Value;

pub use alias::TypeAliases;
pub use describe::Mismatch;
pub(crate) use shown::{ShownType, chain};

pub use error::{AliasError, PatternError, TooManyAliases, TypeError};

use accept::Matcher;
use kind::Kind;
use pattern::Patterns;

/// A Puppet data type, such as `Optional[String[1]]`.
///
/// Reads from any text that Puppet takes, at most 64 KiB, 4,096 parts, 64 patterns and 32 levels; prints in Puppet's
/// canonical form, which reads back as an equal type.
#[derive(Clone, Debug, PartialEq)]
pub struct DataType {
    kind: Kind,
}

impl DataType {
    /// Whether the value is an instance of the type.
    ///
    /// Nothing is converted: `1` is no `Float`, `1.0` no `Integer`, `"1"` neither. A value too deep or too
    /// large to be checked is not accepted, nor is one whose type refers to an unknown alias.
    pub fn accepts(&self, value: &Value, aliases: &TypeAliases) -> bool {
        Matcher::new(aliases).accepts(self, value)
    }

    /// Whether a missing value is an instance, which makes a parameter optional.
    pub fn accepts_undef(&self, aliases: &TypeAliases) -> bool {
        self.accepts(&Value::Null, aliases)
    }

    /// Whether `Sensitive` occurs in the type, at any depth: then the whole value counts as secret.
    pub fn is_sensitive(&self, aliases: &TypeAliases) -> bool {
        let find = |part: &Self| matches!(part.kind, Kind::Sensitive(_)).then_some(());
        aliases.search(self, find).is_some()
    }

    /// Why the value is not an instance: empty exactly if [`Self::accepts`] it, at most 16 reasons.
    ///
    /// `path` begins each sentence, such as `parameter 'port'`; empty for none. With `sensitive`, or if
    /// the type is sensitive, the sentences hold nothing of the value but its type.
    pub fn mismatches(
        &self,
        path: &str,
        value: &Value,
        aliases: &TypeAliases,
        sensitive: bool,
    ) -> Vec<Mismatch> {
        if self.accepts(value, aliases) {
            return Vec::new();
        }
        let sensitive = sensitive || self.is_sensitive(aliases);
        describe::mismatches(self, path, value, aliases, sensitive)
    }

    /// How many patterns the type has, without those of the aliases that it refers to.
    pub(crate) fn patterns(&self) -> usize {
        let mut waiting = vec![self];
        let mut patterns = 0;
        while let Some(part) = waiting.pop() {
            if let Kind::Pattern(found) = &part.kind {
                patterns += found.len();
            }
            waiting.extend(part.parts());
        }
        patterns
    }

    /// Compiles each pattern in the type and in the aliases it refers to, as a lint would.
    ///
    /// # Errors
    ///
    /// The first pattern that does not compile. Without this call it would be found when a value meets it,
    /// and accept nothing.
    pub fn compile(&self, aliases: &TypeAliases) -> Result<(), PatternError> {
        let own = Patterns::default();
        let broken = aliases.search(self, |part| match &part.kind {
            Kind::Pattern(patterns) => patterns
                .iter()
                .find_map(|pattern| own.compiled(pattern).err()),
            _ => None,
        });
        broken.map_or(Ok(()), Err)
    }
}

impl FromStr for DataType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tokens = lex::tokens(text)?;
        build::read(&tokens, text.len())
    }
}
