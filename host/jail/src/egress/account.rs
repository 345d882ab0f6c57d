//! What a relay tells of a run: each connection that was made, and what was refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use host_core::Connection;
use serde::{Deserialize, Serialize};

use crate::report::Refused;

/// How many connections are told of one by one; the rest is a number.
pub(crate) const CONNECTIONS_TOLD_MAX: usize = 1_000;
/// How many different refusals are told of.
const REFUSED_TOLD_MAX: usize = 256;

/// What a relay leaves.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Told {
    pub(crate) connections: Vec<Connection>,
    /// Connections beyond those.
    pub(crate) beyond: u64,
    pub(crate) refused: Vec<Refused>,
}

/// What all threads of a relay add to.
#[derive(Debug, Default)]
pub(crate) struct Account(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    connections: Vec<Connection>,
    beyond: u64,
    refused: BTreeMap<(String, String), u64>,
}

impl Account {
    pub(crate) fn connection(&self, connection: Connection) {
        let mut sums = self.sums();
        if sums.connections.len() < CONNECTIONS_TOLD_MAX {
            sums.connections.push(connection);
        } else {
            sums.beyond = sums.beyond.saturating_add(1);
        }
    }

    /// Something that was tried and not granted.
    pub(crate) fn refused(&self, capability: String, what: String) {
        let mut sums = self.sums();
        let tried = (capability, what);
        if sums.refused.len() < REFUSED_TOLD_MAX || sums.refused.contains_key(&tried) {
            let times = sums.refused.entry(tried).or_default();
            *times = times.saturating_add(1);
        }
    }

    pub(crate) fn told(&self) -> Told {
        let sums = self.sums();
        let refused = sums.refused.iter();
        Told {
            connections: sums.connections.clone(),
            beyond: sums.beyond,
            refused: refused
                .map(|((capability, what), times)| Refused {
                    capability: capability.clone(),
                    what: what.clone(),
                    times: *times,
                })
                .collect(),
        }
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // Whoever panicked while adding left no sum half made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use host_core::ConnectionEnd;

    fn connection() -> Connection {
        Connection {
            capability: "net.connect:*.internal:5432".to_owned(),
            to: "db.internal:5432".to_owned(),
            address: None,
            sent: 1,
            received: 2,
            ms: 3,
            end: ConnectionEnd::Closed,
        }
    }

    #[test]
    fn an_account_has_an_end_and_counts_beyond_it() {
        let account = Account::default();
        for _ in 0..CONNECTIONS_TOLD_MAX + 7 {
            account.connection(connection());
        }
        for number in 0..REFUSED_TOLD_MAX + 7 {
            account.refused(format!("net.connect:n{number}"), "a name".to_owned());
        }
        account.refused("net.connect:n0".to_owned(), "a name".to_owned());
        let told = account.told();
        assert_eq!(told.connections.len(), CONNECTIONS_TOLD_MAX);
        assert_eq!(told.beyond, 7);
        assert_eq!(told.refused.len(), REFUSED_TOLD_MAX);
        let first = told
            .refused
            .iter()
            .find(|refused| refused.capability == "net.connect:n0")
            .unwrap();
        assert_eq!(first.times, 2);
    }
}
