//! What a module says of itself in its metadata.json: its name and its version, and nothing else.

use host_core::{ModuleName, NameError, Shown};
use serde_json::Value;

use crate::{ModuleVersion, ModuleVersionError};

/// Longest metadata.json, in bytes.
const METADATA_BYTES_MAX: usize = 1 << 20;

/// The name and the version that a module's metadata.json states.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ModuleIdentity {
    /// The name without its author; `None` when none is stated, and the directory's name counts.
    pub module: Option<ModuleName>,
    /// The version; `None` when none is stated, and the person who packs must say it.
    pub version: Option<ModuleVersion>,
}

/// Why a metadata.json cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleIdentityError {
    /// The file is too long.
    #[error("metadata.json has {have} bytes, {METADATA_BYTES_MAX} are allowed")]
    TooLong {
        /// Its bytes.
        have: usize,
    },
    /// The file is not a JSON object.
    #[error("metadata.json is not a JSON object")]
    Json(#[source] Option<serde_json::Error>),
    /// A field is there and not a string.
    #[error("`{field}` in metadata.json is not a string")]
    NotText {
        /// Which field.
        field: &'static str,
    },
    /// The name has no part that is a module's name.
    #[error("`{}` in metadata.json is not the name of a module, such as `author-module`", Shown(.name))]
    Name {
        /// The name found.
        name: String,
        /// What is wrong with the part after the author.
        #[source]
        source: NameError,
    },
    /// The version is none.
    #[error("`{}` in metadata.json is not a version", Shown(.version))]
    Version {
        /// The version found.
        version: String,
        /// What is wrong with it.
        #[source]
        source: ModuleVersionError,
    },
}

impl ModuleIdentity {
    /// Reads a metadata.json. Fields besides `name` and `version` are for others; the last of two counts.
    ///
    /// The name is the Forge's, `author-module` or `author/module`, or a bare `module`.
    ///
    /// # Errors
    ///
    /// When the file is no JSON object, or a name or version is there and is not one.
    pub fn read(bytes: &[u8]) -> Result<Self, ModuleIdentityError> {
        if bytes.len() > METADATA_BYTES_MAX {
            return Err(ModuleIdentityError::TooLong { have: bytes.len() });
        }
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let metadata: Value = serde_json::from_slice(bytes)
            .map_err(|error| ModuleIdentityError::Json(Some(error)))?;
        if !metadata.is_object() {
            return Err(ModuleIdentityError::Json(None));
        }
        let module = text(&metadata, "name")?.map(module_name).transpose()?;
        let version = text(&metadata, "version")?
            .map(module_version)
            .transpose()?;
        Ok(Self { module, version })
    }
}

fn text<'a>(
    metadata: &'a Value,
    field: &'static str,
) -> Result<Option<&'a str>, ModuleIdentityError> {
    match metadata.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ModuleIdentityError::NotText { field }),
    }
}

fn module_name(name: &str) -> Result<ModuleName, ModuleIdentityError> {
    let is_author = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
    let parts = name
        .split_once(['-', '/'])
        .filter(|(author, _)| is_author(author));
    let module = parts.map_or(name, |(_, module)| module);
    module.parse().map_err(|source| ModuleIdentityError::Name {
        name: name.to_owned(),
        source,
    })
}

fn module_version(version: &str) -> Result<ModuleVersion, ModuleIdentityError> {
    let version_error = |source| ModuleIdentityError::Version {
        version: version.to_owned(),
        source,
    };
    version.parse().map_err(version_error)
}

#[cfg(test)]
mod tests;
