//! Capabilities: the named openings in a run's walls, with one text for each.
//!
//! A capability is read once and canonical from then on: `parse(print(c)) == c`. One capability *covers* another when
//! everything that the other opens is opened by it; nothing is covered across kinds, except that `fs.write` covers
//! `fs.read`. In particular `host.full` covers only itself, and no kind covers a dangerous one by accident.

mod address;
mod exec;
mod host;
pub(crate) mod http;
pub(crate) mod net;
mod path;

#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::str::FromStr;

use crate::ask::shape::Shape;
use crate::names::{EnvName, NameError, SecretName, UserName};
use crate::serde_text::serde_as_text;
use crate::words::{WordsError, quote};

pub use address::{AddressClass, Network, NetworkError, classify, unwrapped};
pub use exec::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, ArgumentPattern, Command, ExecError};
pub use host::{HostName, HostNameError};
pub use http::{HttpError, HttpTarget, Method, Scheme};
pub use net::{AddressRange, Endpoint, EndpointError, HostPattern};
pub use path::{CanonicalPath, PATH_BYTES_MAX, PathError, SYSTEM_PATHS};

/// The longest text of a capability, in bytes.
pub const CAPABILITY_BYTES_MAX: usize = 8192;

/// One named opening.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Capability {
    /// `fs.read:/path`: that file or subtree, read only.
    FsRead(CanonicalPath),
    /// `fs.write:/path`: that file or subtree, read and write.
    FsWrite(CanonicalPath),
    /// `net.connect:host:port[@range]`: TCP.
    NetConnect(Endpoint),
    /// `http.request:METHOD https://host/prefix`: outgoing HTTP.
    HttpRequest(HttpTarget),
    /// `unix.connect:/path`: that UNIX socket.
    UnixConnect(CanonicalPath),
    /// `env:NAME`: one variable of the configured table.
    Env(EnvName),
    /// `secret:name`: one secret.
    Secret(SecretName),
    /// `exec:[user@]/program argument...`: one command outside the jail.
    Exec(Command),
    /// `run.as:user`: run as that user, never root.
    RunAs(UserName),
    /// `appear.root`: look like uid 0 inside.
    AppearRoot,
    /// `host.full`: no jail at all, as root.
    HostFull,
}

impl Capability {
    /// What stands before the colon, such as `fs.read`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::FsRead(_) => "fs.read",
            Self::FsWrite(_) => "fs.write",
            Self::NetConnect(_) => "net.connect",
            Self::HttpRequest(_) => "http.request",
            Self::UnixConnect(_) => "unix.connect",
            Self::Env(_) => "env",
            Self::Secret(_) => "secret",
            Self::Exec(_) => "exec",
            Self::RunAs(_) => "run.as",
            Self::AppearRoot => "appear.root",
            Self::HostFull => "host.full",
        }
    }

    /// Whether everything that `other` opens is opened by this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::FsRead(mine), Self::FsRead(theirs))
            | (Self::FsWrite(mine), Self::FsRead(theirs) | Self::FsWrite(theirs)) => {
                mine.contains(theirs)
            }
            (Self::NetConnect(mine), Self::NetConnect(theirs)) => mine.covers(theirs),
            (Self::HttpRequest(mine), Self::HttpRequest(theirs)) => mine.covers(theirs),
            (Self::Exec(mine), Self::Exec(theirs)) => mine.covers(theirs),
            // Sockets, names and the ones without a target open one thing each.
            _ => self == other,
        }
    }

    /// Whether it is of the kind that is never given by the dozen: no jail, another user, commands as root or with raw
    /// arguments.
    #[must_use]
    pub fn is_dangerous(&self) -> bool {
        match self {
            Self::HostFull | Self::RunAs(_) => true,
            Self::Exec(command) => command.is_dangerous(),
            _ => false,
        }
    }
}

impl FromStr for Capability {
    type Err = CapabilityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Shape::read_capability(text)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.kind())?;
        match self {
            Self::FsRead(path) | Self::FsWrite(path) | Self::UnixConnect(path) => {
                write!(out, ":{}", quote(path.as_str()))
            }
            Self::NetConnect(endpoint) => write!(out, ":{endpoint}"),
            Self::HttpRequest(target) => write!(out, ":{target}"),
            Self::Env(name) => write!(out, ":{name}"),
            Self::Secret(name) => write!(out, ":{name}"),
            Self::Exec(command) => write!(out, ":{command}"),
            Self::RunAs(user) => write!(out, ":{user}"),
            Self::AppearRoot | Self::HostFull => Ok(()),
        }
    }
}

serde_as_text!(Capability);

/// Why a text is not a capability, or not an ask.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// It is longer than [`CAPABILITY_BYTES_MAX`].
    #[error("capability is longer than {CAPABILITY_BYTES_MAX} bytes")]
    TooLong,
    /// What stands before the colon is no kind of capability.
    #[error(
        "`{}` is not a kind of capability: use fs.read, fs.write, net.connect, http.request, unix.connect, env, secret, exec, run.as, appear.root or host.full",
        crate::Shown(.kind)
    )]
    Kind {
        /// What stands there.
        kind: String,
    },
    /// The kind needs a target after a colon.
    #[error("`{kind}` needs a target: write `{kind}:...`")]
    NoTarget {
        /// The kind.
        kind: &'static str,
    },
    /// The kind takes no target.
    #[error("`{kind}` takes no target")]
    NeedlessTarget {
        /// The kind.
        kind: &'static str,
    },
    /// More words than one.
    #[error("`{kind}` takes one word, found {have}: quote what has spaces in it")]
    WordCount {
        /// The kind.
        kind: &'static str,
        /// How many words there are.
        have: usize,
    },
    /// The text cannot be split into words.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// A path is not canonical.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An endpoint is not one.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// An HTTP target is not one.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A command is not one.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A name is not one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Running as root, which no policy gives.
    #[error("`run.as` never means root: ask for single commands with `exec:root@/program`")]
    RunAsRoot,
    /// A variable through which a task gets its input and the places of its run.
    #[error(
        "`env:{name}` is refused: variables that begin with `PT_` or `HOST_` are set by host alone"
    )]
    ReservedVariable {
        /// The variable.
        name: EnvName,
    },
    /// A placeholder where a resolved capability is wanted.
    #[error("`${{{parameter}}}` is a placeholder, which only the asks of a task may have")]
    Placeholder {
        /// The parameter it names.
        parameter: String,
    },
    /// A placeholder where none may stand.
    #[error("`${{{parameter}}}` cannot stand {place}")]
    Misplaced {
        /// The parameter it names.
        parameter: String,
        /// Where it stands.
        place: &'static str,
    },
}
