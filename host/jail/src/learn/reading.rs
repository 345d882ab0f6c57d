//! What one call names, read from the memory of who makes it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use host_core::{ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, CanonicalPath};

use super::caller::{Caller, Held, PATH_BYTES_MAX};
use super::calls::{Call, Deed, Place};
use super::follow::{Followed, canonical, follow};
use super::naming::{Jail, Machine, Where};
use super::notes::{Note, Use};
use crate::sockaddr::{ADDRESS_BYTES_MAX, DNS, Destination};

/// The bytes of a pointer.
const POINTER_BYTES: usize = 8;

/// What comes of reading one argument.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Read {
    Note(Note),
    /// Nothing that a run would have to ask for.
    Nothing,
    /// It cannot be read, or not be named.
    Unread,
}

/// A call that is read.
#[derive(Debug)]
pub(super) struct Reading<'r, C, M> {
    pub(super) call: &'r Call,
    pub(super) arguments: &'r [u64; 6],
    pub(super) caller: &'r C,
    pub(super) jail: &'r Jail<'r>,
    pub(super) machine: &'r M,
}

impl<C: Caller, M: Machine> Reading<'_, C, M> {
    /// What the call names.
    pub(super) fn read(&self) -> Vec<Read> {
        match self.call.deed {
            Deed::Connects | Deed::Binds => vec![self.address()],
            _ => {
                let places = self.call.places.iter();
                places.map(|place| self.path(*place)).collect()
            }
        }
    }

    fn argument(&self, at: usize) -> u64 {
        self.arguments.get(at).copied().unwrap_or_default()
    }

    /// Whether one of the flags that many calls share is set.
    fn has(&self, flag: i32) -> bool {
        let flags = self.call.flags.map_or(0, |at| self.argument(at));
        flags & u64::from(flag.unsigned_abs()) != 0
    }

    fn path(&self, place: Place) -> Read {
        let Some(deed) = self.deed() else {
            return Read::Nothing;
        };
        let path = match self.text(place) {
            Text::Path(path) => path,
            Text::Nothing => return Read::Nothing,
            Text::Unread => return Read::Unread,
        };
        let follows_last = self.follows_last();
        match follow(&path, follows_last, self.caller, self.jail, self.machine) {
            Followed::At(found) => match deed {
                Use::Execute(_) => self.program(found),
                Use::Read if self.is_for_the_system(&path, &found) => Read::Nothing,
                deed => Read::Note(Note::Path(found, deed)),
            },
            Followed::Nothing => Read::Nothing,
            Followed::Lost => Read::Unread,
        }
    }

    /// Whether a path of the system was named and a link of it leads to what the jail does not have: most programs look
    /// for such files of the machine, and do without.
    fn is_for_the_system(&self, named: &[u8], found: &CanonicalPath) -> bool {
        let named = std::str::from_utf8(named).ok().and_then(canonical);
        let is_system = named.is_some_and(|named| self.jail.is_of_system(named.as_str()));
        is_system && self.jail.place(found, false) == Where::Elsewhere
    }

    /// What it does with what it names, if anything.
    fn deed(&self) -> Option<Use> {
        Some(match self.call.deed {
            Deed::Opens { flags } => opening(self.argument(flags))?,
            Deed::Creates => Use::Create { writes: true },
            Deed::MakesDirectory => Use::MakeDirectory,
            Deed::Changes | Deed::Binds => Use::Change,
            Deed::Writes if self.has(libc::AT_SYMLINK_NOFOLLOW) => Use::WriteItself,
            Deed::Writes => Use::Write,
            Deed::WritesItself => Use::WriteItself,
            Deed::Executes { .. } => Use::Execute(None),
            Deed::Connects => Use::Connect,
        })
    }

    /// Whether it would go where a link leads that is the end of a path.
    fn follows_last(&self) -> bool {
        match self.call.deed {
            Deed::Opens { flags } => {
                let flags = self.argument(flags);
                let has = |flag: i32| flags & u64::from(flag.unsigned_abs()) != 0;
                !(has(libc::O_NOFOLLOW) || has(libc::O_CREAT) && has(libc::O_EXCL))
            }
            Deed::Changes | Deed::MakesDirectory | Deed::WritesItself | Deed::Binds => false,
            Deed::Writes | Deed::Executes { .. } => !self.has(libc::AT_SYMLINK_NOFOLLOW),
            Deed::Creates | Deed::Connects => true,
        }
    }

    /// The absolute path that stands at `place`, as it was given.
    fn text(&self, place: Place) -> Text {
        let start = place.path.map_or(0, |at| self.argument(at));
        let text = if start == 0 {
            // Some calls take no path and mean the descriptor.
            if self.call.deed != Deed::Writes {
                return Text::Nothing;
            }
            Vec::new()
        } else {
            match self.caller.text(start, PATH_BYTES_MAX) {
                Some(text) if text.is_empty() && !self.has(libc::AT_EMPTY_PATH) => {
                    return Text::Nothing;
                }
                Some(text) => text,
                None => return Text::Unread,
            }
        };
        let base = place.directory.map(|at| self.argument(at));
        // The working directory is not meant by a call that takes no path.
        match base.map(descriptor) {
            None | Some(None) if start == 0 => Text::Nothing,
            base => self.absolute(text, base.flatten()),
        }
    }

    fn absolute(&self, text: Vec<u8>, descriptor: Option<i32>) -> Text {
        if text.starts_with(b"/") {
            return Text::Path(text);
        }
        match self.caller.held(descriptor) {
            Held::Path(base) if text.is_empty() => Text::Path(base),
            Held::Path(base) => Text::Path([base.as_slice(), b"/", &text].concat()),
            // Below what is no directory any more there is nothing.
            Held::Gone(_) if !text.is_empty() => Text::Nothing,
            Held::Gone(path) if self.jail.is_of_scratch(&path) => Text::Nothing,
            Held::NoPath => Text::Nothing,
            Held::Gone(_) | Held::Unknown => Text::Unread,
        }
    }

    /// What is executed outside of the jail is so with its arguments; in the jail it is a file like any other.
    fn program(&self, path: CanonicalPath) -> Read {
        let Deed::Executes { argv } = self.call.deed else {
            return Read::Nothing;
        };
        if self.jail.place(&path, false) != Where::Elsewhere {
            return Read::Note(Note::Path(path, Use::Execute(None)));
        }
        match argv_of(self.argument(argv), self.caller) {
            Some(arguments) => Read::Note(Note::Path(path, Use::Execute(Some(arguments)))),
            None => Read::Unread,
        }
    }

    fn address(&self) -> Read {
        let [_, start, length, ..] = *self.arguments;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let bytes = self.caller.bytes(start, length.min(ADDRESS_BYTES_MAX));
        match Destination::read(&bytes) {
            None if bytes.is_empty() => Read::Unread,
            // What is connected to nothing, or in some other way.
            None => Read::Nothing,
            Some(Destination::Unix(path)) if path.is_empty() => Read::Nothing,
            Some(Destination::Unix(path)) => self.socket(path),
            Some(Destination::Internet(_)) if self.call.deed == Deed::Binds => Read::Nothing,
            Some(Destination::Internet(address)) => self.internet(address),
        }
    }

    fn socket(&self, path: Vec<u8>) -> Read {
        let Some(deed) = self.deed() else {
            return Read::Nothing;
        };
        let path = match self.absolute(path, None) {
            Text::Path(path) => path,
            Text::Nothing => return Read::Nothing,
            Text::Unread => return Read::Unread,
        };
        let follows_last = self.follows_last();
        match follow(&path, follows_last, self.caller, self.jail, self.machine) {
            Followed::At(path) => Read::Note(Note::Path(path, deed)),
            Followed::Nothing => Read::Nothing,
            Followed::Lost => Read::Unread,
        }
    }

    fn internet(&self, mut address: SocketAddr) -> Read {
        // Names are looked up so, and sockets are let go so.
        if [0, DNS].contains(&address.port()) {
            return Read::Nothing;
        }
        if address.ip().is_unspecified() {
            address.set_ip(if address.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            });
        }
        // What the run says to itself in its own network leads nowhere.
        if address.ip().is_loopback() && self.caller.hears(address.port()) {
            return Read::Nothing;
        }
        match format!("net.connect:{address}").parse() {
            Ok(capability) => Read::Note(Note::Address(capability)),
            Err(_) => Read::Unread,
        }
    }
}

/// What stands where a path is to stand.
enum Text {
    Path(Vec<u8>),
    Nothing,
    Unread,
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
