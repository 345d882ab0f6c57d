//! The one parser of capability text: what stands where, with or without placeholders.
//!
//! A capability is a shape without placeholders; there is no second grammar for it to disagree with.

use crate::capability::{CAPABILITY_BYTES_MAX, Capability, CapabilityError};
use crate::names::{EnvName, ParameterName, SecretName, UserName};
use crate::words::{Part, Word, parts, split};

use super::command::CommandShape;
use super::fill::{FillError, Values};
use super::remote::{EndpointShape, HttpShape};
use super::slot::{PathShape, Slot};

/// How the variables begin that `host` sets for a task.
const RESERVED: [&str; 2] = ["PT_", "HOST_"];

/// A capability taken apart, with its placeholders in place.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    FsRead(PathShape),
    FsWrite(PathShape),
    NetConnect(EndpointShape),
    HttpRequest(HttpShape),
    UnixConnect(PathShape),
    Env(Slot<EnvName>),
    Secret(Slot<SecretName>),
    Exec(CommandShape),
    RunAs(Slot<UserName>),
    AppearRoot,
    HostFull,
}

impl Shape {
    /// Takes a text apart. The parameters that it names come back each once, in order.
    pub(crate) fn read(text: &str) -> Result<(Self, Vec<ParameterName>), CapabilityError> {
        if text.len() > CAPABILITY_BYTES_MAX {
            return Err(CapabilityError::TooLong);
        }
        let (kind, target) = match text.split_once(':') {
            Some((kind, target)) => (kind, Some(target)),
            None => (text, None),
        };
        let words = target.map(split).transpose()?;
        let mut holes = Vec::new();
        for part in words.iter().flatten().flat_map(|word| parts(&word.text)) {
            if let Part::Hole(name) = part
                && !holes.contains(&name)
            {
                holes.push(name);
            }
        }
        Ok((Self::of_kind(kind, words.as_deref())?, holes))
    }

    /// Reads a text that must have no placeholders.
    pub(crate) fn read_capability(text: &str) -> Result<Capability, CapabilityError> {
        let (shape, holes) = Self::read(text)?;
        if let Some(name) = holes.first() {
            return Err(CapabilityError::Placeholder {
                parameter: name.to_string(),
            });
        }
        shape.fill(&Values::default()).map_err(|error| match error {
            FillError::Capability(error) => error,
            // Without a placeholder nothing else can go wrong; should it, the text is refused all the same.
            other => CapabilityError::Placeholder {
                parameter: other.to_string(),
            },
        })
    }

    /// The capability with its values.
    pub(crate) fn fill(&self, values: &Values<'_>) -> Result<Capability, FillError> {
        let capability = match self {
            Self::FsRead(path) => Capability::FsRead(path.fill(values)?),
            Self::FsWrite(path) => Capability::FsWrite(path.fill(values)?),
            Self::NetConnect(endpoint) => Capability::NetConnect(endpoint.fill(values)?),
            Self::HttpRequest(target) => Capability::HttpRequest(target.fill(values)?),
            Self::UnixConnect(path) => Capability::UnixConnect(path.fill(values)?),
            Self::Env(name) => Capability::Env(name.fill(
                values,
                "a variable name that a run may have: `PT_` and `HOST_` are for host alone",
                read_variable,
            )?),
            Self::Secret(name) => {
                Capability::Secret(name.fill(values, "a secret name", str::parse)?)
            }
            Self::Exec(command) => Capability::Exec(command.fill(values)?),
            Self::RunAs(user) => {
                Capability::RunAs(user.fill(values, "a user name other than root", read_user)?)
            }
            Self::AppearRoot => Capability::AppearRoot,
            Self::HostFull => Capability::HostFull,
        };
        // Quoting and encoding lengthen the text, and what is printed must be readable again.
        if capability.to_string().len() > CAPABILITY_BYTES_MAX {
            return Err(CapabilityError::TooLong.into());
        }
        Ok(capability)
    }

    fn of_kind(kind: &str, words: Option<&[Word]>) -> Result<Self, CapabilityError> {
        let name =
            |kind, place| Ok::<_, CapabilityError>((one_word(kind, words)?.text.as_str(), place));
        Ok(match kind {
            "fs.read" => Self::FsRead(PathShape::target(one_word("fs.read", words)?)?),
            "fs.write" => Self::FsWrite(PathShape::target(one_word("fs.write", words)?)?),
            "net.connect" => {
                Self::NetConnect(EndpointShape::read(one_word("net.connect", words)?)?)
            }
            "http.request" => {
                Self::HttpRequest(HttpShape::read(some_words("http.request", words)?)?)
            }
            "unix.connect" => {
                Self::UnixConnect(PathShape::target(one_word("unix.connect", words)?)?)
            }
            "env" => Self::Env(read_slot(
                name("env", "beside other text in a variable name")?,
                read_variable,
            )?),
            "secret" => Self::Secret(read_slot(
                name("secret", "beside other text in a secret name")?,
                str::parse,
            )?),
            "exec" => Self::Exec(CommandShape::read(some_words("exec", words)?)?),
            "run.as" => Self::RunAs(read_slot(
                name("run.as", "beside other text in a user name")?,
                read_user,
            )?),
            "appear.root" => no_words("appear.root", words, Self::AppearRoot)?,
            "host.full" => no_words("host.full", words, Self::HostFull)?,
            _ => {
                return Err(CapabilityError::Kind {
                    kind: kind.to_owned(),
                });
            }
        })
    }
}

fn read_slot<T: Clone, E: Into<CapabilityError>>(
    (text, place): (&str, &'static str),
    read: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Slot<T>, CapabilityError> {
    Slot::read(text, place, read)
}

fn some_words<'a>(
    kind: &'static str,
    words: Option<&'a [Word]>,
) -> Result<&'a [Word], CapabilityError> {
    words
        .filter(|words| !words.is_empty())
        .ok_or(CapabilityError::NoTarget { kind })
}

fn one_word<'a>(
    kind: &'static str,
    words: Option<&'a [Word]>,
) -> Result<&'a Word, CapabilityError> {
    match some_words(kind, words)? {
        [word] => Ok(word),
        words => Err(CapabilityError::WordCount {
            kind,
            have: words.len(),
        }),
    }
}

fn no_words(
    kind: &'static str,
    words: Option<&[Word]>,
    shape: Shape,
) -> Result<Shape, CapabilityError> {
    if words.is_some() {
        Err(CapabilityError::NeedlessTarget { kind })
    } else {
        Ok(shape)
    }
}

/// Reads a variable to pass. Those that carry the input would bring in a parameter that nobody checked.
fn read_variable(text: &str) -> Result<EnvName, CapabilityError> {
    let name: EnvName = text.parse()?;
    if RESERVED.iter().any(|prefix| text.starts_with(prefix)) {
        Err(CapabilityError::ReservedVariable { name })
    } else {
        Ok(name)
    }
}

/// Reads a user to run as. Root is refused by name here and by uid where the run starts.
fn read_user(text: &str) -> Result<UserName, CapabilityError> {
    if text == "root" {
        Err(CapabilityError::RunAsRoot)
    } else {
        Ok(text.parse()?)
    }
}
