//! What a relay tells of a run: each connection that was made, and what was refused.
//!
//! It is told as it happens, in lines, so that a relay that is killed has told what it carried until then. A connection is told
//! of before anything is looked up or dialled for it, and once more when it has ended. Where that cannot be told nothing is dialled
//! any more.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use host_core::{Connection, ConnectionEnd};
use serde::{Deserialize, Serialize};

use crate::report::Refused;
use crate::streams;

/// How many connections are told of one by one; the rest is a number.
pub(crate) const CONNECTIONS_TOLD_MAX: usize = 1_000;
/// How many different refusals are told of.
const REFUSED_TOLD_MAX: usize = 256;

/// What a relay leaves, as its keeper reads it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) connections: Vec<Connection>,
    /// Connections beyond those.
    pub(crate) beyond: u64,
    pub(crate) refused: Vec<Refused>,
    /// Whether the relay has come to its end: else something may be missing.
    pub(crate) is_whole: bool,
}

#[derive(Debug, Deserialize, Serialize)]
enum Line {
    /// A connection, by its number; of two lines the second one counts.
    Connection(usize, Connection),
    /// Something that was refused; so does of these.
    Refused(Refused),
    /// The relay has ended, and so many connections were told of by none.
    End(u64),
}

impl Told {
    /// Reads every line that has its end.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut told = Self::default();
        let mut connections = BTreeMap::new();
        let mut refused = BTreeMap::new();
        let lines = bytes.split_inclusive(|byte| *byte == b'\n');
        for line in lines.filter(|line| line.ends_with(b"\n")) {
            match serde_json::from_slice(line) {
                Ok(Line::Connection(number, connection)) => {
                    connections.insert(number, connection);
                }
                Ok(Line::Refused(one)) => {
                    refused.insert((one.capability.clone(), one.what.clone()), one);
                }
                Ok(Line::End(beyond)) => (told.beyond, told.is_whole) = (beyond, true),
                Err(_) => {}
            }
        }
        told.connections = connections.into_values().collect();
        if told.is_whole {
            // Whatever had not ended by then did with the run.
            let open = told.connections.iter_mut();
            for connection in open.filter(|connection| connection.end == ConnectionEnd::Lost) {
                connection.end = ConnectionEnd::RunOver;
            }
        }
        told.refused = refused.into_values().collect();
        told
    }
}

/// What all threads of a relay add to.
#[derive(Debug)]
pub(crate) struct Account {
    told: OwnedFd,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    connections: usize,
    beyond: u64,
    refused: BTreeMap<(String, String), u64>,
    /// Whether something could not be told: then nothing more is, not even that this was all.
    is_broken: bool,
}

impl Account {
    /// One that tells into this file.
    pub(crate) fn new(told: OwnedFd) -> Self {
        Self {
            told,
            sums: Mutex::default(),
        }
    }

    /// A connection that begins; its number, if it is told of by itself. One that cannot be told of may not be made.
    pub(crate) fn opened(&self, connection: &Connection) -> io::Result<Option<usize>> {
        let mut sums = self.sums();
        if sums.connections == CONNECTIONS_TOLD_MAX {
            sums.beyond = sums.beyond.saturating_add(1);
            return Ok(None);
        }
        let number = sums.connections;
        self.say(&mut sums, &Line::Connection(number, connection.clone()))?;
        sums.connections += 1;
        Ok(Some(number))
    }

    /// The same when it has ended.
    pub(crate) fn ended(&self, number: Option<usize>, connection: Connection) {
        if let Some(number) = number {
            let _ = self.say(&mut self.sums(), &Line::Connection(number, connection));
        }
    }

    /// Something that was tried and not granted.
    pub(crate) fn refused(&self, capability: String, what: String) {
        let mut sums = self.sums();
        let tried = (capability, what);
        if sums.refused.len() < REFUSED_TOLD_MAX || sums.refused.contains_key(&tried) {
            let times = sums.refused.entry(tried.clone()).or_default();
            *times = times.saturating_add(1);
            if *times == 1 {
                let _ = self.say(&mut sums, &refused(&tried, 1));
            }
        }
    }

    /// Tells how often everything was, and that this is the end.
    pub(crate) fn close(&self) {
        let mut sums = self.sums();
        for (tried, times) in std::mem::take(&mut sums.refused) {
            let _ = self.say(&mut sums, &refused(&tried, times));
        }
        let end = Line::End(sums.beyond);
        let _ = self.say(&mut sums, &end);
    }

    fn say(&self, sums: &mut Sums, line: &Line) -> io::Result<()> {
        if sums.is_broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let said = streams::write_all(&self.told, &text);
        sums.is_broken = said.is_err();
        said
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        // Whoever panicked while adding left no sum half made.
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused((capability, what): &(String, String), times: u64) -> Line {
    Line::Refused(Refused {
        capability: capability.clone(),
        what: what.clone(),
        times,
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};

    use super::*;

    fn connection(end: ConnectionEnd) -> Connection {
        Connection {
            capability: "net.connect:*.internal:5432".to_owned(),
            to: "db.internal:5432".to_owned(),
            address: None,
            sent: 1,
            received: 2,
            ms: 3,
            end,
        }
    }

    fn told(tell: impl FnOnce(&Account)) -> Told {
        let mut file = tempfile::tempfile().unwrap();
        let account = Account::new(file.try_clone().unwrap().into());
        tell(&account);
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        File::read_to_end(&mut file, &mut bytes).unwrap();
        Told::read(&bytes)
    }

    #[test]
    fn an_account_has_an_end_and_counts_beyond_it() {
        let told = told(|account| {
            for _ in 0..CONNECTIONS_TOLD_MAX + 7 {
                let number = account.opened(&connection(ConnectionEnd::Lost)).unwrap();
                account.ended(number, connection(ConnectionEnd::Closed));
            }
            for number in 0..REFUSED_TOLD_MAX + 7 {
                account.refused(format!("net.connect:n{number}"), "a name".to_owned());
            }
            account.refused("net.connect:n0".to_owned(), "a name".to_owned());
            account.close();
        });
        assert_eq!(told.connections.len(), CONNECTIONS_TOLD_MAX);
        let is_closed = |one: &Connection| one.end == ConnectionEnd::Closed;
        assert!(told.connections.iter().all(is_closed));
        assert_eq!((told.beyond, told.is_whole), (7, true));
        assert_eq!(told.refused.len(), REFUSED_TOLD_MAX);
        let first = |refused: &&Refused| refused.capability == "net.connect:n0";
        assert_eq!(told.refused.iter().find(first).unwrap().times, 2);
    }

    #[test]
    fn a_relay_that_does_not_come_to_its_end_has_told_what_it_carried() {
        let told = told(|account| {
            account.opened(&connection(ConnectionEnd::Lost)).unwrap();
            account.refused("net.connect:evil.com".to_owned(), "a name".to_owned());
        });
        assert!(!told.is_whole);
        assert_eq!(told.connections, [connection(ConnectionEnd::Lost)]);
        assert_eq!(told.refused.len(), 1);
    }

    #[test]
    fn a_connection_that_cannot_be_told_of_is_not_made_and_the_account_has_no_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let account = Account::new(File::open(file.path()).unwrap().into());
        let (closed, lost) = (ConnectionEnd::Closed, ConnectionEnd::Lost);
        account.opened(&connection(lost)).unwrap_err();
        account.ended(None, connection(closed));
        account.close();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        assert_eq!(Told::read(&bytes), Told::default());
    }

    #[test]
    fn what_goes_on_at_the_end_ends_with_the_run() {
        let told = told(|account| {
            account.opened(&connection(ConnectionEnd::Lost)).unwrap();
            account.close();
        });
        assert_eq!(told.connections, [connection(ConnectionEnd::RunOver)]);
    }
}
