//! What a rule's scope names as its resource, and how that relates to what is asked for.
//!
//! The same reading serves both sides: a literal in a rule and the target of an ask are canonical texts of one grammar.
//! A literal *covers* a target if everything that the target opens lies in it: only then does a permit of the literal
//! hold for all of the target. It *meets* a target if anything may lie in both: then a forbid of the literal bites.

use std::fmt;
use std::num::NonZeroU16;

use host_core::{
    AddressRange, ArgumentPattern, CanonicalPath, Capability, Command, Endpoint, EnvName,
    HostPattern, HttpTarget, Network, SecretName, TaskName, UserName,
};

/// The types of resources, as the schema names them.
pub(crate) const PATH: &str = "Path";
pub(crate) const ENDPOINT: &str = "Endpoint";
pub(crate) const URL: &str = "Url";
pub(crate) const PROGRAM: &str = "Program";
pub(crate) const ENV_VAR: &str = "EnvVar";
pub(crate) const SECRET: &str = "Secret";
pub(crate) const USER: &str = "User";
pub(crate) const TASK: &str = "Task";
pub(crate) const MODULE: &str = "Module";

/// A resource, read from its text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Target {
    Path(CanonicalPath),
    Endpoint(EndpointTarget),
    Url(HttpTarget),
    Program(Command),
    /// A variable, a secret, a user, a task or a module: one thing with a name.
    Named {
        kind: &'static str,
        name: String,
    },
}

/// Where connections go; a rule may leave the port open.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct EndpointTarget {
    pub(crate) host: HostPattern,
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) range: Option<AddressRange>,
}

impl Target {
    /// Reads the id of an entity of type `kind`; the error says what is wrong with it.
    pub(crate) fn read(kind: &str, id: &str) -> Result<Self, String> {
        let target = match kind {
            PATH => match capability("fs.read", &quoted(id))? {
                Capability::FsRead(path) => Self::Path(path),
                _ => return Err(NOT_READ.to_owned()),
            },
            URL => match capability("http.request", &format!("{ANY_METHOD} {id}"))? {
                Capability::HttpRequest(target) => Self::Url(target),
                _ => return Err(NOT_READ.to_owned()),
            },
            PROGRAM => match capability("exec", id)? {
                Capability::Exec(command) => Self::Program(command),
                _ => return Err(NOT_READ.to_owned()),
            },
            ENDPOINT => Self::Endpoint(EndpointTarget::read(id)?),
            ENV_VAR => named::<EnvName>(ENV_VAR, id)?,
            SECRET => named::<SecretName>(SECRET, id)?,
            USER => named::<UserName>(USER, id)?,
            MODULE => named::<host_core::ModuleName>(MODULE, id)?,
            TASK if is_adhoc(id) => Self::task(id),
            TASK => Self::task(id.parse::<TaskName>().map_err(|e| e.to_string())?.as_str()),
            _ => return Err(format!("`{kind}` is no type of a resource")),
        };
        let canonical = target.id();
        if canonical == id {
            Ok(target)
        } else {
            Err(format!("write it as `{canonical}`, or it never matches"))
        }
    }

    /// What a capability opens; a task stands for those that open no single thing.
    pub(crate) fn of(capability: &Capability, task: &str) -> Self {
        match capability {
            Capability::FsRead(path)
            | Capability::FsWrite(path)
            | Capability::UnixConnect(path) => Self::Path(path.clone()),
            Capability::NetConnect(endpoint) => Self::Endpoint(EndpointTarget::of(endpoint)),
            Capability::HttpRequest(target) => Self::Url(target.clone()),
            Capability::Exec(command) => Self::Program(command.clone()),
            Capability::Env(name) => Self::Named {
                kind: ENV_VAR,
                name: name.to_string(),
            },
            Capability::Secret(name) => Self::Named {
                kind: SECRET,
                name: name.to_string(),
            },
            Capability::RunAs(user) => Self::Named {
                kind: USER,
                name: user.to_string(),
            },
            Capability::AppearRoot | Capability::HostFull => Self::task(task),
        }
    }

    pub(crate) fn task(name: &str) -> Self {
        Self::Named {
            kind: TASK,
            name: name.to_owned(),
        }
    }

    /// The type of the entity.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Path(_) => PATH,
            Self::Endpoint(_) => ENDPOINT,
            Self::Url(_) => URL,
            Self::Program(_) => PROGRAM,
            Self::Named { kind, .. } => kind,
        }
    }

    /// The id of the entity: the canonical text.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Path(path) => path.to_string(),
            Self::Endpoint(endpoint) => endpoint.to_string(),
            Self::Url(target) => url_text(target),
            Self::Program(command) => program_text(command, command.arguments().len()),
            Self::Named { name, .. } => name.clone(),
        }
    }

    /// Whether all of `asked` lies in this. Of a program, what follows its arguments is left open.
    pub(crate) fn covers(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Path(mine), Self::Path(theirs)) => mine.contains(theirs),
            (Self::Endpoint(mine), Self::Endpoint(theirs)) => mine.covers(theirs),
            (Self::Url(mine), Self::Url(theirs)) => {
                same_origin(mine, theirs) && theirs.segments().starts_with(mine.segments())
            }
            (Self::Program(mine), Self::Program(theirs)) => {
                mine.user() == theirs.user()
                    && begins(mine, theirs, |mine, theirs| mine.covers(theirs))
            }
            _ => self == asked,
        }
    }

    /// Whether a forbid of this forbids all of `asked`.
    pub(crate) fn swallows(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Program(mine), Self::Program(theirs)) => {
                (mine.user().is_none() || mine.user() == theirs.user())
                    && begins(mine, theirs, |mine, theirs| mine.covers(theirs))
            }
            (Self::Endpoint(mine), Self::Endpoint(theirs)) => mine.swallows(theirs),
            _ => self.covers(asked),
        }
    }

    /// Whether something may lie in both.
    pub(crate) fn meets(&self, asked: &Self) -> bool {
        match (self, asked) {
            (Self::Path(mine), Self::Path(theirs)) => {
                mine.contains(theirs) || theirs.contains(mine)
            }
            (Self::Endpoint(mine), Self::Endpoint(theirs)) => mine.meets(theirs),
            (Self::Url(mine), Self::Url(theirs)) => {
                same_origin(mine, theirs)
                    && (theirs.segments().starts_with(mine.segments())
                        || mine.segments().starts_with(theirs.segments()))
            }
            // Without a user, what is forbidden is so for every user.
            (Self::Program(mine), Self::Program(theirs)) => {
                (mine.user().is_none() || mine.user() == theirs.user())
                    && begins(mine, theirs, may_both_mean)
            }
            _ => self == asked,
        }
    }
}

impl EndpointTarget {
    fn of(endpoint: &Endpoint) -> Self {
        Self {
            host: endpoint.host().clone(),
            port: Some(endpoint.port()),
            range: endpoint.range().cloned(),
        }
    }

    fn read(id: &str) -> Result<Self, String> {
        match capability("net.connect", id) {
            Ok(Capability::NetConnect(endpoint)) => Ok(Self::of(&endpoint)),
            Ok(_) => Err(NOT_READ.to_owned()),
            // Without a port it is no endpoint that could be asked for, but a rule may mean all ports of a host.
            Err(error) => match id.parse::<HostPattern>() {
                Ok(host) => Ok(Self {
                    host,
                    port: None,
                    range: None,
                }),
                Err(_) => Err(error),
            },
        }
    }

    /// What a permit of this opens: the range counts as it does for capabilities, so a name without one means public
    /// addresses.
    pub(crate) fn covers(&self, asked: &Self) -> bool {
        let range = match (&self.range, &asked.range) {
            (None, None) => true,
            (Some(mine), Some(theirs)) => mine.covers(theirs),
            _ => false,
        };
        self.covers_port(asked) && range && self.host.covers(&asked.host)
    }

    fn covers_port(&self, asked: &Self) -> bool {
        self.port.is_none() || self.port == asked.port
    }

    fn swallows(&self, asked: &Self) -> bool {
        let hosts = match (network_of(&self.host), network_of(&asked.host)) {
            (Some(mine), Some(theirs)) => mine.contains_network(&theirs),
            _ => self.host.covers(&asked.host),
        };
        self.covers_port(asked) && hosts
    }

    /// Ranges do not keep them apart: a forbidden name is forbidden wherever it leads, and a name may lead anywhere.
    fn meets(&self, asked: &Self) -> bool {
        let same_port = self.port.is_none() || asked.port.is_none() || self.port == asked.port;
        same_port && hosts_meet(&self.host, &asked.host)
    }

    /// Whether this names addresses that the name in `asked` may lead to: they are for the relay to refuse.
    pub(crate) fn lies_behind(&self, asked: &Self) -> bool {
        let same_port = self.port.is_none() || self.port == asked.port;
        let is_name = matches!(asked.host, HostPattern::Name(_) | HostPattern::Below(_));
        same_port && is_name && network_of(&self.host).is_some()
    }
}

impl fmt::Display for EndpointTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.host)?;
        if let Some(port) = self.port {
            write!(out, ":{port}")?;
        }
        match &self.range {
            Some(range) => write!(out, "@{range}"),
            None => Ok(()),
        }
    }
}

/// The text of a program with the first `count` of its arguments.
pub(crate) fn program_text(command: &Command, count: usize) -> String {
    let arguments = command.arguments().iter().take(count).cloned().collect();
    // A part of a command is one.
    match Command::new(
        command.user().cloned(),
        command.program().clone(),
        arguments,
    ) {
        Ok(part) => part.to_string(),
        Err(_) => String::new(),
    }
}

/// The text of a URL without its method.
pub(crate) fn url_text(target: &HttpTarget) -> String {
    let text = target.to_string();
    match text.split_once(' ') {
        Some((_, url)) => url.to_owned(),
        None => text,
    }
}

/// Whether the id is that of a program without a bundle.
pub(crate) fn is_adhoc(id: &str) -> bool {
    id.strip_prefix(ADHOC)
        .is_some_and(|digest| digest.parse::<host_core::Digest>().is_ok())
}

/// What stands before the digest of a program without a bundle. No task's name has a single colon.
pub(crate) const ADHOC: &str = "adhoc:";

/// Stands where a method must stand to read a URL, and means nothing.
const ANY_METHOD: &str = "GET";
const NOT_READ: &str = "it cannot be read";

fn capability(kind: &str, target: &str) -> Result<Capability, String> {
    format!("{kind}:{target}")
        .parse()
        .map_err(|error: host_core::CapabilityError| error.to_string())
}

/// A word for the reader of capabilities, in which no character means anything else.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn named<N: std::str::FromStr<Err: fmt::Display> + fmt::Display>(
    kind: &'static str,
    id: &str,
) -> Result<Target, String> {
    let name: N = id.parse().map_err(|error: N::Err| error.to_string())?;
    Ok(Target::Named {
        kind,
        name: name.to_string(),
    })
}

fn same_origin(mine: &HttpTarget, theirs: &HttpTarget) -> bool {
    mine.scheme() == theirs.scheme() && mine.host() == theirs.host() && mine.port() == theirs.port()
}

fn begins(
    mine: &Command,
    theirs: &Command,
    agree: impl Fn(&ArgumentPattern, &ArgumentPattern) -> bool,
) -> bool {
    mine.program() == theirs.program()
        && mine.arguments().len() <= theirs.arguments().len()
        && mine
            .arguments()
            .iter()
            .zip(theirs.arguments())
            .all(|(mine, theirs)| agree(mine, theirs))
}

/// Whether an argument may be meant by both. Two different patterns count as if they might.
fn may_both_mean(mine: &ArgumentPattern, theirs: &ArgumentPattern) -> bool {
    match (mine, theirs) {
        (ArgumentPattern::Literal(mine), ArgumentPattern::Literal(theirs)) => mine == theirs,
        (ArgumentPattern::Literal(text), pattern) | (pattern, ArgumentPattern::Literal(text)) => {
            pattern.matches(text)
        }
        (ArgumentPattern::Path(mine), ArgumentPattern::Path(theirs)) => {
            mine.contains(theirs) || theirs.contains(mine)
        }
        _ => true,
    }
}

fn hosts_meet(mine: &HostPattern, theirs: &HostPattern) -> bool {
    if let (Some(mine), Some(theirs)) = (network_of(mine), network_of(theirs)) {
        return mine.contains_network(&theirs) || theirs.contains_network(&mine);
    }
    mine.covers(theirs) || theirs.covers(mine)
}

/// An address or a network as numbers, whatever it opens.
fn network_of(host: &HostPattern) -> Option<Network> {
    match host {
        HostPattern::Network(network) => Some(*network),
        HostPattern::Address(address) => Some(Network::around(*address, u8::MAX)),
        HostPattern::Name(_) | HostPattern::Below(_) => None,
    }
}

#[cfg(test)]
mod tests;
