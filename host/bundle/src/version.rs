//! The version of a module, as far as a bundle must understand it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest version, in characters.
const VERSION_CHARS_MAX: usize = 64;

/// The version of a module, such as `1.4.0` or `2.0.0-rc.1`.
///
/// 1 to 64 of `0-9 A-Z a-z . + -`, beginning with a digit. Which of two is newer is for the trust list
/// to judge, not for this type.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModuleVersion(Box<str>);

impl ModuleVersion {
    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a version is 1 to 64 of `0-9 A-Z a-z . + -` and begins with a digit, such as `1.4.0`")]
pub struct ModuleVersionError;

impl FromStr for ModuleVersion {
    type Err = ModuleVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        if text.len() > VERSION_CHARS_MAX
            || !text.starts_with(|first: char| first.is_ascii_digit())
            || !text.bytes().all(legal)
        {
            return Err(ModuleVersionError);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for ModuleVersion {
    type Error = ModuleVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ModuleVersion> for String {
    fn from(version: ModuleVersion) -> Self {
        version.0.into()
    }
}

impl AsRef<str> for ModuleVersion {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
