//! What was told of a run, each thing once, in bounded room.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use host_core::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, CanonicalPath, Capability};

use super::caller::{Caller, Live, PATH_BYTES_MAX};
use super::calls::{self, Call, Deed, Place};
use super::machine::OnMachine;
use super::naming::{Jail, Machine, Where, capabilities};
use crate::recipe::JailRecipe;
use crate::report::Learned;
use crate::sockaddr::{ADDRESS_BYTES_MAX, DNS, Destination};
use crate::sys::{self, Waiting};

/// How many different things are kept. What a grant holds counts as the grant itself from then on, and anything else only
/// as a number.
const NOTES_MAX: usize = 4_096;
/// How long all of them may be, in bytes.
const NOTES_BYTES_MAX: usize = 2 << 20;
/// The bytes of a pointer.
const POINTER_BYTES: usize = 8;

/// What was done with a path.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Use {
    /// Opened to read, or listed.
    Read,
    /// Opened to write, or what is said of it changed.
    Write,
    /// Opened so that it is made where it is not there.
    Create {
        /// Whether it was to be written to.
        writes: bool,
    },
    /// A directory was to be made, unless there is something.
    MakeDirectory,
    /// Made, taken away or moved: something changes in its directory.
    Change,
    /// Executed with these arguments.
    Execute(Vec<String>),
    /// Connected to as a socket.
    Connect,
}

/// One thing that a run did.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Note {
    /// With a path, as the run named it but for links.
    Path(CanonicalPath, Use),
    /// A connection to an address.
    Address(Capability),
}

impl Note {
    fn bytes(&self) -> usize {
        match self {
            Self::Path(path, Use::Execute(arguments)) => {
                path.as_str().len() + arguments.iter().map(String::len).sum::<usize>()
            }
            Self::Path(path, _) => path.as_str().len(),
            Self::Address(_) => ADDRESS_BYTES_MAX,
        }
    }
}

/// What comes of reading one argument.
#[derive(Debug, Eq, PartialEq)]
enum Read {
    Note(Note),
    /// Nothing that a run would have to ask for.
    Nothing,
    /// It cannot be read, or not be named.
    Unread,
}

/// The notes of one run.
#[derive(Debug)]
pub(crate) struct Notes<'r> {
    jail: Jail<'r>,
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
                self.take(known, &call.arguments, &caller, &OnMachine);
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

    /// What all of it amounts to.
    pub(crate) fn learned(self) -> Learned {
        self.amount_to(&OnMachine)
    }

    fn amount_to(self, machine: &impl Machine) -> Learned {
        let blind = self.blind;
        let learned = capabilities(&self.jail, machine, self.kept, self.beyond);
        Learned { blind, ..learned }
    }

    fn take(
        &mut self,
        call: &Call,
        arguments: &[u64; 6],
        caller: &impl Caller,
        machine: &impl Machine,
    ) {
        let read = read(call, arguments, caller);
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
            Note::Path(path, Use::Execute(_)) => {
                // A link of the system may lead to what is not in the jail.
                self.jail.place(path, false) == Where::Own && !self.jail.is_system(path)
            }
            Note::Path(path, Use::Read) => self.jail.place(path, false) == Where::Own,
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
        if !makes || !is_granted || !machine.is_there(path) {
            return Some(note);
        }
        match what {
            Use::Create { writes: true } => Some(Note::Path(path.clone(), Use::Write)),
            Use::Create { writes: false } => Some(Note::Path(path.clone(), Use::Read)),
            _ => None,
        }
    }

    fn insert(&mut self, note: Note) {
        let bytes = self.kept_bytes.saturating_add(note.bytes());
        let is_known = self.kept.contains_key(&note);
        let is_full = self.kept.len() >= NOTES_MAX || bytes > NOTES_BYTES_MAX;
        let note = if is_full && !is_known {
            self.as_its_grant(&note)
        } else {
            if !is_known {
                self.kept_bytes = bytes;
            }
            Some(note)
        };
        match note {
            // INVARIANT: grants are bounded in number, so what is added beyond the limit is too.
            Some(note) => {
                let times = self.kept.entry(note).or_default();
                *times = times.saturating_add(1);
            }
            None => self.beyond = self.beyond.saturating_add(1),
        }
    }

    /// The same said of all of the grant that it lies in.
    fn as_its_grant(&self, note: &Note) -> Option<Note> {
        let Note::Path(path, what) = note else {
            return None;
        };
        let what = match what {
            Use::Read | Use::Create { writes: false } => Use::Read,
            Use::Write | Use::Create { .. } | Use::MakeDirectory | Use::Change => Use::Write,
            Use::Execute(_) | Use::Connect => return None,
        };
        match self.jail.place(path, what == Use::Write) {
            Where::Granted(grant) => Some(Note::Path(grant.clone(), what)),
            Where::Own | Where::Elsewhere => None,
        }
    }
}

/// What a call names.
fn read(call: &Call, arguments: &[u64; 6], caller: &impl Caller) -> Vec<Read> {
    if call.deed == Deed::Connects {
        return vec![address(arguments, caller)];
    }
    let places = call.places.iter();
    places
        .map(|place| path_note(call, *place, arguments, caller))
        .collect()
}

fn path_note(call: &Call, place: Place, arguments: &[u64; 6], caller: &impl Caller) -> Read {
    let argument = |at: usize| arguments.get(at).copied().unwrap_or_default();
    let what = match call.deed {
        Deed::Opens { flags } => match opening(argument(flags)) {
            Some(what) => what,
            None => return Read::Nothing,
        },
        Deed::Creates => Use::Create { writes: true },
        Deed::MakesDirectory => Use::MakeDirectory,
        Deed::Changes => Use::Change,
        Deed::Writes => Use::Write,
        Deed::Executes { argv, .. } => match argv_of(argument(argv), caller) {
            Some(arguments) => Use::Execute(arguments),
            None => return Read::Unread,
        },
        Deed::Connects => return Read::Nothing,
    };
    let start = argument(place.path);
    // Some calls take no path and mean the descriptor.
    if start == 0 {
        return Read::Nothing;
    }
    let Some(text) = caller.text(start, PATH_BYTES_MAX) else {
        return Read::Unread;
    };
    let may_be_empty = match call.deed {
        Deed::Executes {
            flags: Some(flags), ..
        } => argument(flags) & u64::from(libc::AT_EMPTY_PATH.unsigned_abs()) != 0,
        _ => false,
    };
    if text.is_empty() && !may_be_empty {
        return Read::Nothing;
    }
    let base = || caller.directory(place.directory.and_then(|at| descriptor(argument(at))));
    let path = if text.starts_with(b"/") {
        Some(text)
    } else {
        base().map(|base| [base.as_slice(), b"/", &text].concat())
    };
    match path.as_deref().and_then(canonical) {
        Some(path) => Read::Note(Note::Path(path, what)),
        None => Read::Unread,
    }
}

/// The descriptor of an argument, which is an integer; none for the working directory.
fn descriptor(argument: u64) -> Option<i32> {
    let low = u32::try_from(argument & u64::from(u32::MAX)).ok()?;
    let descriptor = low.cast_signed();
    (descriptor != libc::AT_FDCWD).then_some(descriptor)
}

/// What the flags of open(2) mean to do, if they open anything.
fn opening(flags: u64) -> Option<Use> {
    let has = |flag: i32| flags & u64::from(flag.unsigned_abs()) == u64::from(flag.unsigned_abs());
    if has(libc::O_PATH) {
        return None;
    }
    let writes = flags & u64::from(libc::O_ACCMODE.unsigned_abs()) != 0 || has(libc::O_TRUNC);
    if has(libc::O_TMPFILE) {
        return Some(Use::Write);
    }
    Some(match (has(libc::O_CREAT), writes) {
        (true, writes) => Use::Create { writes },
        (false, true) => Use::Write,
        (false, false) => Use::Read,
    })
}

/// The arguments behind the program's name; nothing where there are more than a command may have, or where they cannot be
/// read. A list that is missing is an empty one.
fn argv_of(start: u64, caller: &impl Caller) -> Option<Vec<String>> {
    if start == 0 {
        return Some(Vec::new());
    }
    // The name, the arguments, and the end.
    let bytes = caller.bytes(start, (ARGUMENTS_MAX + 2) * POINTER_BYTES);
    let mut pointers = Vec::new();
    let mut ended = false;
    for pointer in bytes.chunks_exact(POINTER_BYTES) {
        let pointer = u64::from_ne_bytes(pointer.try_into().ok()?);
        ended = pointer == 0;
        if ended {
            break;
        }
        pointers.push(pointer);
    }
    if !ended {
        return None;
    }
    let texts = pointers.into_iter().skip(1).map(|pointer| {
        let text = caller.text(pointer, ARGUMENT_BYTES_MAX + 1)?;
        String::from_utf8(text).ok()
    });
    texts.collect()
}

fn address(arguments: &[u64; 6], caller: &impl Caller) -> Read {
    let [_, start, length, ..] = *arguments;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes = caller.bytes(start, length.min(ADDRESS_BYTES_MAX));
    match Destination::read(&bytes) {
        // What is connected to nothing, or in some other way.
        None if bytes.is_empty() => Read::Unread,
        None => Read::Nothing,
        Some(Destination::Unix(path)) if path.is_empty() => Read::Nothing,
        Some(Destination::Unix(path)) => {
            let path = if path.starts_with(b"/") {
                Some(path)
            } else {
                let base = caller.directory(None);
                base.map(|base| [base.as_slice(), b"/", &path].concat())
            };
            match path.as_deref().and_then(canonical) {
                Some(path) => Read::Note(Note::Path(path, Use::Connect)),
                None => Read::Unread,
            }
        }
        // Names are looked up so, and sockets are let go so.
        Some(Destination::Internet(address)) if [0, DNS].contains(&address.port()) => Read::Nothing,
        Some(Destination::Internet(mut address)) => {
            if address.ip().is_unspecified() {
                let is_old = address.is_ipv4();
                address.set_ip(if is_old {
                    std::net::Ipv4Addr::LOCALHOST.into()
                } else {
                    std::net::Ipv6Addr::LOCALHOST.into()
                });
            }
            // What the run says to itself in its own network leads nowhere.
            if address.ip().is_loopback() && caller.hears(address.port()) {
                return Read::Nothing;
            }
            match format!("net.connect:{address}").parse() {
                Ok(capability) => Read::Note(Note::Address(capability)),
                Err(_) => Read::Unread,
            }
        }
    }
}

/// An absolute path without `.` and `..`, by text alone; nothing where it is no text that a capability could name.
fn canonical(path: &[u8]) -> Option<CanonicalPath> {
    let text = std::str::from_utf8(path).ok()?;
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/")).parse().ok()
}

#[cfg(test)]
mod tests;
