//! What a run gets: its asks that an authority permitted, and nothing more.
//!
//! Asks come from the bundle and the caller, permits from a decision, and a grant from both, by one constructor. A
//! grant cannot be edited, parsed or put together in any other way; with nothing asked or nothing permitted it is shut.

mod decision;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::ask::{Ask, Origin};
use crate::capability::{CanonicalPath, Capability, Command, Endpoint, HttpTarget};
use crate::limits::Limits;
use crate::names::{EnvName, SecretName, UserName};

pub use decision::{Decision, Denied, Exception, Permit, Permits, Question, Refusal};

/// How many asks a run may have.
pub const ASKS_MAX: usize = 1024;

/// What a run would have, in the order in which it was asked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Asks(Vec<Ask>);

impl Asks {
    /// Gathers asks. Of two that ask for one capability with one origin, the first is kept, and is required if either
    /// was.
    ///
    /// # Errors
    /// When there are more than [`ASKS_MAX`], or two ask to run as different users.
    pub fn gather(asks: impl IntoIterator<Item = Ask>) -> Result<Self, AsksError> {
        let mut gathered: Vec<Ask> = Vec::new();
        for ask in asks {
            let same =
                |other: &&mut Ask| other.capability == ask.capability && other.origin == ask.origin;
            if let Some(twin) = gathered.iter_mut().find(same) {
                twin.optional &= ask.optional;
                continue;
            }
            if gathered.len() == ASKS_MAX {
                return Err(AsksError::TooMany);
            }
            gathered.push(ask);
        }
        let asks = Self(gathered);
        let mut users = asks.iter().filter_map(|ask| run_as(&ask.capability));
        if let Some(first) = users.next()
            && let Some(second) = users.find(|user| *user != first)
        {
            return Err(AsksError::TwoUsers {
                first: first.clone(),
                second: second.clone(),
            });
        }
        Ok(asks)
    }

    /// The asks in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Ask> {
        self.0.iter()
    }

    /// How many asks there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Asks {
    type IntoIter = std::slice::Iter<'a, Ask>;
    type Item = &'a Ask;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Why asks could not be gathered.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AsksError {
    /// More than [`ASKS_MAX`].
    #[error("more than {ASKS_MAX} capabilities are asked for")]
    TooMany,
    /// A run has one user.
    #[error("`run.as:{first}` and `run.as:{second}` cannot both be asked for")]
    TwoUsers {
        /// One of them.
        first: UserName,
        /// Another.
        second: UserName,
    },
}

/// A capability that a run has, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Granted {
    /// What it opens.
    pub capability: Capability,
    /// Who asked for it.
    pub origin: Origin,
    /// The rule that permitted it.
    pub rule: String,
    /// What lies inside and was forbidden.
    pub except: Vec<Exception>,
}

/// Everything that a run gets.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Grant {
    granted: Vec<Granted>,
    dropped: Vec<Ask>,
    limits: Limits,
}

impl Grant {
    /// Narrows what the run asked for to what was permitted.
    ///
    /// An ask is kept when one permit covers all of it. Whether required asks are missing is for the decision that the
    /// permits come from ([`Permits::decide`]); one that is missing nevertheless is not granted.
    // INVARIANT: each granted capability equals an ask and is covered by a permit.
    #[must_use]
    pub fn resolve(asks: &Asks, permits: &Permits, limits: Limits) -> Self {
        let mut grant = Self {
            granted: Vec::new(),
            dropped: Vec::new(),
            limits,
        };
        for ask in asks {
            match permits.permit_for(&ask.capability) {
                Some(permit) => grant.granted.push(Granted {
                    capability: ask.capability.clone(),
                    origin: ask.origin,
                    rule: permit.rule.clone(),
                    except: permit.except.clone(),
                }),
                None => grant.dropped.push(ask.clone()),
            }
        }
        grant
    }

    /// What was granted, in the order of the asks.
    pub fn iter(&self) -> std::slice::Iter<'_, Granted> {
        self.granted.iter()
    }

    /// The asks that were not granted: optional ones, after a decision that allowed the run.
    #[must_use]
    pub fn dropped(&self) -> &[Ask] {
        &self.dropped
    }

    /// The limits of the run.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether some granted capability covers this one.
    #[must_use]
    pub fn covers(&self, capability: &Capability) -> bool {
        self.capabilities()
            .any(|granted| granted.covers(capability))
    }

    /// Paths to read. What may be written is not among them.
    pub fn reads(&self) -> impl Iterator<Item = &CanonicalPath> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::FsRead(path) => Some(path),
                _ => None,
            })
    }

    /// Paths to read and write.
    pub fn writes(&self) -> impl Iterator<Item = &CanonicalPath> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::FsWrite(path) => Some(path),
                _ => None,
            })
    }

    /// Paths inside those that are granted for reading which the run does not see.
    pub fn hidden(&self) -> impl Iterator<Item = &CanonicalPath> {
        self.exceptions()
            .filter_map(|except| match &except.capability {
                Capability::FsRead(path) => Some(path),
                _ => None,
            })
    }

    /// What lies inside granted capabilities and was forbidden.
    pub fn exceptions(&self) -> impl Iterator<Item = &Exception> {
        self.granted.iter().flat_map(|granted| &granted.except)
    }

    /// Endpoints to connect to.
    pub fn connects(&self) -> impl Iterator<Item = &Endpoint> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::NetConnect(endpoint) => Some(endpoint),
                _ => None,
            })
    }

    /// HTTP requests to make.
    pub fn requests(&self) -> impl Iterator<Item = &HttpTarget> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::HttpRequest(target) => Some(target),
                _ => None,
            })
    }

    /// UNIX sockets to connect to.
    pub fn sockets(&self) -> impl Iterator<Item = &CanonicalPath> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::UnixConnect(path) => Some(path),
                _ => None,
            })
    }

    /// Environment variables.
    pub fn env(&self) -> impl Iterator<Item = &EnvName> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::Env(name) => Some(name),
                _ => None,
            })
    }

    /// Secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::Secret(name) => Some(name),
                _ => None,
            })
    }

    /// Commands outside the jail.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.capabilities()
            .filter_map(|capability| match capability {
                Capability::Exec(command) => Some(command),
                _ => None,
            })
    }

    /// The user to run as, if one was granted.
    #[must_use]
    pub fn run_as(&self) -> Option<&UserName> {
        self.capabilities().find_map(run_as)
    }

    /// Whether the run looks like uid 0 inside.
    #[must_use]
    pub fn appears_root(&self) -> bool {
        self.capabilities()
            .any(|capability| *capability == Capability::AppearRoot)
    }

    /// Whether there is no jail.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.capabilities()
            .any(|capability| *capability == Capability::HostFull)
    }

    fn capabilities(&self) -> impl Iterator<Item = &Capability> {
        self.granted.iter().map(|granted| &granted.capability)
    }
}

impl<'a> IntoIterator for &'a Grant {
    type IntoIter = std::slice::Iter<'a, Granted>;
    type Item = &'a Granted;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Prints the granted capabilities, separated by commas.
impl fmt::Display for Grant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, capability) in self.capabilities().enumerate() {
            write!(out, "{}{capability}", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

fn run_as(capability: &Capability) -> Option<&UserName> {
    match capability {
        Capability::RunAs(user) => Some(user),
        _ => None,
    }
}
