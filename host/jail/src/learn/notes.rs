//! What was told of a run, each thing once, in bounded room.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use host_core::{CanonicalPath, Capability};

use super::caller::{Caller, Live};
use super::calls::{self, Call, Deed};
use super::machine::OnMachine;
use super::naming::{Jail, Kind, Machine, Where, capabilities};
use super::reading::{Read, Reading};
use crate::recipe::JailRecipe;
use crate::report::Learned;
use crate::sockaddr::ADDRESS_BYTES_MAX;
use crate::sys::{self, Waiting};

/// How many different things are kept. What a grant holds counts as the grant itself from then on, for which there is as much
/// room again, and anything else only as a number.
const NOTES_MAX: usize = 4_096;
/// How long all of them may be, in bytes.
const NOTES_BYTES_MAX: usize = 2 << 20;

/// What was done with a path.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Use {
    /// Opened to read, or listed.
    Read,
    /// Opened to write, or what is said of it changed.
    Write,
    /// What is said of it changed, be it a link or not.
    WriteItself,
    /// Opened so that it is made where it is not there.
    Create {
        /// Whether it was to be written to.
        writes: bool,
    },
    /// A directory was to be made, unless there is something.
    MakeDirectory,
    /// Made, taken away or moved: something changes in its directory.
    Change,
    /// Executed, with these arguments where it is not in the jail.
    Execute(Option<Vec<String>>),
    /// Connected to as a socket.
    Connect,
}

/// One thing that a run did.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Note {
    /// With a path, as the run named it but for links that the jail alone has.
    Path(CanonicalPath, Use),
    /// A connection to an address.
    Address(Capability),
}

impl Note {
    fn bytes(&self) -> usize {
        match self {
            Self::Path(path, Use::Execute(arguments)) => {
                let arguments = arguments.iter().flatten().map(String::len);
                path.as_str().len() + arguments.sum::<usize>()
            }
            Self::Path(path, _) => path.as_str().len(),
            Self::Address(_) => ADDRESS_BYTES_MAX,
        }
    }
}

/// The notes of one run.
#[derive(Debug)]
pub(crate) struct Notes<'r> {
    jail: Jail<'r>,
    machine: OnMachine,
    kept: BTreeMap<Note, u64>,
    kept_bytes: usize,
    beyond: u64,
    /// Whether a caller that still waited could not be read.
    blind: bool,
    /// Whether any could.
    begun: bool,
}

impl<'r> Notes<'r> {
    /// Notes of a run of `recipe`, without the openings at `not_opened`, which could not be made.
    pub(crate) fn new(recipe: &'r JailRecipe, not_opened: &[usize], never: Vec<PathBuf>) -> Self {
        Self {
            jail: Jail::new(recipe, not_opened, never),
            machine: OnMachine::default(),
            kept: BTreeMap::new(),
            kept_bytes: 0,
            beyond: 0,
            blind: false,
            begun: false,
        }
    }

    /// Takes note of `call`, whose caller waits at `listener`.
    pub(crate) fn hear(&mut self, call: &Waiting, listener: BorrowedFd<'_>) {
        let Some(known) = calls::call(call.number) else {
            return;
        };
        match Live::of(call, listener) {
            Some(caller) => {
                self.begun = true;
                let machine = std::mem::take(&mut self.machine);
                self.take(known, &call.arguments, &caller, &machine);
                self.machine = machine;
            }
            // It was killed meanwhile.
            None if !sys::still_waits(listener, call.id) => {}
            // The task becomes its program, out of init's memory, which hides.
            None if !self.begun && matches!(known.deed, Deed::Executes { .. }) => {}
            None => {
                self.blind = true;
                self.beyond = self.beyond.saturating_add(1);
            }
        }
    }

    /// What all of it amounts to; what has no name yet when it is late gets none.
    pub(crate) fn learned(self, is_late: &dyn Fn() -> bool) -> Learned {
        // The machine as it is now.
        self.amount_to(&OnMachine::default(), is_late)
    }

    fn amount_to(self, machine: &impl Machine, is_late: &dyn Fn() -> bool) -> Learned {
        let blind = self.blind;
        let learned = capabilities(&self.jail, machine, self.kept, self.beyond, is_late);
        Learned { blind, ..learned }
    }

    fn take(
        &mut self,
        call: &Call,
        arguments: &[u64; 6],
        caller: &impl Caller,
        machine: &impl Machine,
    ) {
        let reading = Reading {
            call,
            arguments,
            caller,
            jail: &self.jail,
            machine,
        };
        let read = reading.read();
        // INVARIANT: of a caller that is gone nothing is believed.
        if !caller.still_waits() {
            return;
        }
        for read in read {
            match read {
                Read::Note(note) => self.keep(note, machine),
                Read::Nothing => {}
                Read::Unread => self.beyond = self.beyond.saturating_add(1),
            }
        }
    }

    fn keep(&mut self, note: Note, machine: &impl Machine) {
        let is_of_jail = match &note {
            Note::Path(path, Use::Connect) => self.jail.is_scratch(path),
            Note::Path(path, Use::Read | Use::Execute(_)) => {
                self.jail.place(path, false) == Where::Own
            }
            Note::Path(path, _) => self.jail.place(path, true) == Where::Own,
            Note::Address(_) => false,
        };
        if is_of_jail {
            return;
        }
        if let Some(times) = self.kept.get_mut(&note) {
            *times = times.saturating_add(1);
            return;
        }
        if let Some(note) = self.as_it_was(note, machine) {
            self.insert(note);
        }
    }

    /// What would make something that is there already makes nothing. Below a grant that is seen before the call goes on,
    /// since afterwards it is there; a run sees as much itself. Elsewhere nothing is made, and nothing is looked up as long
    /// as the run could take the time.
    fn as_it_was(&self, note: Note, machine: &impl Machine) -> Option<Note> {
        let Note::Path(path, what) = &note else {
            return Some(note);
        };
        let makes = matches!(what, Use::Create { .. } | Use::MakeDirectory);
        let is_granted = matches!(self.jail.place(path, true), Where::Granted(_));
        // Where it cannot be looked up it counts as made.
        let is_there = |path: &CanonicalPath| {
            let found = machine.look(path, false);
            found.is_ok_and(|found| found.name == *path && found.kind != Kind::Missing)
        };
        if !makes || !is_granted || !is_there(path) {
            return Some(note);
        }
        match what {
            Use::Create { writes: true } => Some(Note::Path(path.clone(), Use::Write)),
            Use::Create { writes: false } => Some(Note::Path(path.clone(), Use::Read)),
            _ => None,
        }
    }

    fn insert(&mut self, note: Note) {
        if self.has_room(&note, 1) {
            self.count(note);
            return;
        }
        match self.jail.as_its_grant(&note) {
            // A grant to read everything has as many parts as a run may have, so they have an end as well.
            Some(grant) if self.has_room(&grant, 2) => self.count(grant),
            _ => self.beyond = self.beyond.saturating_add(1),
        }
    }

    /// Whether it is kept already, or may be within so many times the room that there is for notes.
    fn has_room(&self, note: &Note, rooms: usize) -> bool {
        let bytes = self.kept_bytes.saturating_add(note.bytes());
        let has_room = self.kept.len() < rooms * NOTES_MAX && bytes <= rooms * NOTES_BYTES_MAX;
        has_room || self.kept.contains_key(note)
    }

    fn count(&mut self, note: Note) {
        let bytes = note.bytes();
        let times = self.kept.entry(note).or_default();
        if *times == 0 {
            self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        }
        *times = times.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
