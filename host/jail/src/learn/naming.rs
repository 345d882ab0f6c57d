//! Which capabilities it takes to do what was noted, and whether the run had them.
//!
//! What lies below a grant takes the capability of the file itself; what is neither there nor the jail's own takes it if the
//! machine has it. Paths are told by the name that the machine knows them by: grants follow no links. The machine is looked at
//! when the run is over, so that a run learns nothing from how long that takes.
//!
//! INVARIANT: a run had what was mounted for it, and nothing that is hidden in it, whatever the text of its grants covers.
//! INVARIANT: what is told reads back as it was told, or nobody could read anything of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use host_core::{ArgumentPattern, CanonicalPath, Capability, Command};

use super::notes::{Note, Use};
use super::walk;
use crate::recipe::{INSTALL_DIR, JailRecipe};
use crate::report::{Learned, Noted};
use crate::skeleton::{self, SCRATCH_PARTS};

/// How many things are told of.
const LEARNED_MAX: usize = 2_000;
/// How long all of them may be, in bytes, so that they fit into a line of the journal beside what else stands there.
const LEARNED_BYTES_MAX: usize = 192 << 10;
/// How many grants are told of besides, in place of what they hold, and how long they may be.
const GRANTS_MAX: usize = 500;
const GRANTS_BYTES_MAX: usize = 48 << 10;
/// How long a secret is at least that is looked for within a text, in bytes.
const SECRET_BYTES_MIN: usize = 4;
/// The jail's own places besides those that a run may write to.
const OWN: [&str; 4] = [INSTALL_DIR, "/dev", "/proc", "/sys"];
/// Directories that are in every jail, with nothing of the machine in them.
const BARE: [&str; 5] = ["/etc", "/home", "/run", "/var", "/var/run"];

/// Where a path lies, as a run sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Where<'j> {
    /// At or below what was mounted here for a grant.
    Granted(&'j Opened),
    /// In what every run has.
    Own,
    /// Not in the jail.
    Elsewhere,
}

/// What was mounted for a grant: all of it, or one part.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Opened {
    path: CanonicalPath,
    writable: bool,
}

/// What is where in a jail.
#[derive(Debug)]
pub(super) struct Jail<'r> {
    recipe: &'r JailRecipe,
    /// By path.
    opened: BTreeMap<String, Opened>,
    /// Granted directories that are not mounted whole, by path: no capability names what a run sees of one.
    in_parts: BTreeSet<String>,
    never: Vec<PathBuf>,
}

impl<'r> Jail<'r> {
    pub(super) fn new(recipe: &'r JailRecipe, not_opened: &[usize], never: Vec<PathBuf>) -> Self {
        let mut opened = BTreeMap::new();
        let mut in_parts = BTreeSet::new();
        let openings = recipe.openings.iter().enumerate();
        for (_, opening) in openings.filter(|(index, _)| !not_opened.contains(index)) {
            let Some(path) = opening.path.to_str().and_then(|path| path.parse().ok()) else {
                continue;
            };
            // What is mounted for no capability by itself is a part of what one opens.
            if opening.capabilities.is_empty()
                && let Some(parent) = parent(&path)
            {
                in_parts.insert(parent.as_str().to_owned());
            }
            let writable = opening.writable;
            opened.insert(path.as_str().to_owned(), Opened { path, writable });
        }
        Self {
            recipe,
            opened,
            in_parts,
            never,
        }
    }

    /// Whether a grant was mounted right there.
    pub(super) fn opens(&self, name: &str) -> bool {
        self.opened.contains_key(name)
    }

    /// What was mounted for a grant at `path` or nearest above.
    fn opened_above(&self, path: &CanonicalPath) -> Option<&Opened> {
        walk::at_or_above(path.as_str()).find_map(|above| self.opened.get(above))
    }

    /// Where `path` lies; `writes` tells whether it is there to be written to.
    pub(super) fn place(&self, path: &CanonicalPath, writes: bool) -> Where<'_> {
        if let Some(opened) = self.opened_above(path) {
            let mut hidden = self.recipe.hidden.iter();
            return match hidden.any(|hidden| Path::new(path.as_str()).starts_with(hidden)) {
                true => Where::Elsewhere,
                false => Where::Granted(opened),
            };
        }
        let is_own = OWN.iter().any(|own| is_below(path.as_str(), own));
        // What a run finds in `/etc` is its own, and what it would change there is the machine's.
        let is_generated =
            !writes && !self.recipe.is_function() && skeleton::is_of_etc(Path::new(path.as_str()));
        if is_own || is_generated || self.is_scratch(path) || self.is_of_system(path.as_str()) {
            Where::Own
        } else {
            Where::Elsewhere
        }
    }

    /// Whether the run had a capability, by what was mounted for it; of others than to files it has none.
    fn had(&self, capability: &Capability) -> bool {
        let (path, writes) = match capability {
            Capability::FsRead(path) => (path, false),
            Capability::FsWrite(path) => (path, true),
            _ => return false,
        };
        let mut hidden = self.recipe.hidden.iter();
        let is_whole = !hidden.any(|hidden| hidden.starts_with(path.as_str()));
        match self.place(path, writes) {
            Where::Granted(opened) => is_whole && (opened.writable || !writes),
            Where::Own | Where::Elsewhere => false,
        }
    }

    /// The same said of all of the grant that it lies in, if the run had that.
    pub(super) fn as_its_grant(&self, note: &Note) -> Option<Note> {
        let Note::Path(path, what) = note else {
            return None;
        };
        let writes = match what {
            Use::Read | Use::Create { writes: false } | Use::Execute(None) => false,
            Use::Write | Use::WriteItself | Use::Create { .. } => true,
            Use::MakeDirectory | Use::Change => true,
            Use::Execute(Some(_)) | Use::Connect => return None,
        };
        match self.place(path, writes) {
            Where::Granted(opened) if writes && opened.writable => {
                Some(Note::Path(opened.path.clone(), Use::Write))
            }
            Where::Granted(opened) if !writes => Some(Note::Path(opened.path.clone(), Use::Read)),
            _ => None,
        }
    }

    /// Whether it lies where every run may write.
    pub(super) fn is_scratch(&self, path: &CanonicalPath) -> bool {
        self.is_of_scratch(path.as_str().as_bytes())
    }

    /// The same of a path that may be no text.
    pub(super) fn is_of_scratch(&self, path: &[u8]) -> bool {
        let path = Path::new(OsStr::from_bytes(path));
        SCRATCH_PARTS
            .iter()
            .any(|(_, place)| path.starts_with(place))
    }

    /// Whether it lies in the system that every run sees.
    pub(super) fn is_of_system(&self, path: &str) -> bool {
        let configured = self.recipe.configured().iter();
        let mut configured = configured.map(PathBuf::as_path);
        self.recipe
            .system()
            .iter()
            .any(|place| is_below(path, place))
            || configured.any(|place| Path::new(path).starts_with(place))
    }

    /// Whether it is a directory that the jail has for what lies below it.
    fn stands(&self, path: &CanonicalPath) -> bool {
        let own = OWN.into_iter().chain(BARE);
        let own = own.chain(self.recipe.system().iter().copied());
        let own = own.chain(SCRATCH_PARTS.map(|(_, place)| place));
        let path = Path::new(path.as_str());
        let mut below = own.map(Path::new).chain(
            self.opened
                .keys()
                .map(Path::new)
                .chain(self.recipe.configured().iter().map(PathBuf::as_path)),
        );
        below.any(|below| below.starts_with(path))
    }

    /// Whether it is a granted directory that is not mounted whole.
    fn is_in_parts(&self, path: &CanonicalPath) -> bool {
        self.in_parts.contains(path.as_str())
    }

    /// The grant in place of what lies in it, if the run had that.
    fn grant_of(&self, noted: &Noted) -> Option<Named> {
        let granted = |path: &CanonicalPath, writes| match self.place(path, writes) {
            Where::Granted(opened) if noted.granted => Some(opened.path.clone()),
            _ => None,
        };
        let grant = match &noted.capability {
            Capability::FsRead(path) => Capability::FsRead(granted(path, false)?),
            Capability::FsWrite(path) => Capability::FsWrite(granted(path, true)?),
            _ => return None,
        };
        self.may_be_told(&grant).then(|| whole(grant))
    }

    /// Whether its text tells nothing in confidence, and reads back as what it says.
    fn may_be_told(&self, capability: &Capability) -> bool {
        let reads_back = capability.to_string().parse().as_ref() == Ok(capability);
        reads_back && !self.is_in_confidence(capability)
    }

    /// Whether its text would tell what the run was told in confidence. A short secret is found only as a whole segment or
    /// argument, or it would be found everywhere.
    fn is_in_confidence(&self, capability: &Capability) -> bool {
        let secrets = self.recipe.learn.iter().flat_map(|learn| &learn.secrets);
        let texts = texts(capability);
        let is_told = |secret: &String| {
            let is_long = secret.len() >= SECRET_BYTES_MIN;
            let mut texts = texts.iter();
            !secret.is_empty()
                && texts.any(|text| text == secret || is_long && text.contains(secret.as_str()))
        };
        { secrets }.any(is_told)
    }

    /// Whether no grant opens it.
    fn is_never(&self, path: &CanonicalPath) -> bool {
        let path = Path::new(path.as_str());
        self.never.iter().any(|never| path.starts_with(never))
    }
}

/// What a capability names: a path with each segment, a program with each argument.
fn texts(capability: &Capability) -> Vec<&str> {
    match capability {
        Capability::FsRead(path) | Capability::FsWrite(path) | Capability::UnixConnect(path) => {
            let mut texts: Vec<&str> = path.segments().collect();
            texts.push(path.as_str());
            texts
        }
        Capability::Exec(command) => {
            let mut texts: Vec<&str> = command.program().segments().collect();
            texts.push(command.program().as_str());
            let arguments = command.arguments().iter();
            texts.extend(arguments.filter_map(|argument| match argument {
                ArgumentPattern::Literal(text) => Some(text.as_str()),
                _ => None,
            }));
            texts
        }
        _ => Vec::new(),
    }
}

fn is_below(path: &str, place: &str) -> bool {
    Path::new(path).starts_with(place)
}

/// What the machine has at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Missing,
    File,
    Directory,
    Socket,
    /// A link that was not to be followed.
    Link,
    /// A pipe or a device, or a face of the kernel: nothing that could be granted by itself.
    Other,
}

/// What was found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Found {
    /// Its path by no link.
    pub(super) name: CanonicalPath,
    pub(super) kind: Kind,
}

/// On the way to it is what is not to be looked at, such as a file system of the network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Unlooked;

/// The machine, as far as it is looked at.
pub(super) trait Machine {
    /// What there is, by whatever links; by one at the very end only where `follows_last`.
    fn look(&self, path: &CanonicalPath, follows_last: bool) -> Result<Found, Unlooked>;

    /// Whether it lies at or below a mount that is not to be looked at.
    fn is_shut(&self, name: &str) -> bool;
}

/// What `notes` amount to, in bounded room; those that are left when it is late are counted and no more.
pub(super) fn capabilities(
    jail: &Jail<'_>,
    machine: &impl Machine,
    notes: BTreeMap<Note, u64>,
    mut beyond: u64,
    is_late: &dyn Fn() -> bool,
) -> Learned {
    let naming = Naming { jail, machine };
    let mut told: BTreeMap<Capability, Noted> = BTreeMap::new();
    for (note, times) in notes {
        let named = if is_late() {
            Err(Unnamed)
        } else {
            naming.name(&note)
        };
        match named {
            Ok(Some(Named { capability, .. })) if !jail.may_be_told(&capability) => {
                beyond = beyond.saturating_add(times);
            }
            Ok(Some(named)) => add(&mut told, named, jail, times),
            Ok(None) => {}
            Err(Unnamed) => beyond = beyond.saturating_add(times),
        }
    }
    let mut learned = Learned {
        beyond,
        ..Learned::default()
    };
    let mut grants: BTreeMap<Capability, Noted> = BTreeMap::new();
    let (mut bytes, mut grants_bytes) = (0, 0);
    for noted in told.into_values() {
        bytes += noted.capability.to_string().len();
        if learned.noted.len() < LEARNED_MAX && bytes <= LEARNED_BYTES_MAX {
            learned.noted.push(noted);
            continue;
        }
        let grant = jail.grant_of(&noted).filter(|grant| {
            let is_new = !grants.contains_key(&grant.capability);
            grants_bytes += grant.capability.to_string().len() * usize::from(is_new);
            !is_new || grants.len() < GRANTS_MAX && grants_bytes <= GRANTS_BYTES_MAX
        });
        match grant {
            Some(grant) => add(&mut grants, grant, jail, noted.times),
            None => learned.beyond = learned.beyond.saturating_add(noted.times),
        }
    }
    for noted in &mut learned.noted {
        if let Some(grant) = grants.remove(&noted.capability) {
            noted.times = noted.times.saturating_add(grant.times);
        }
    }
    learned.noted.extend(grants.into_values());
    learned
}

fn add(told: &mut BTreeMap<Capability, Noted>, named: Named, jail: &Jail<'_>, times: u64) {
    let Named {
        capability,
        is_file,
    } = named;
    let noted = told.entry(capability.clone()).or_insert_with(|| Noted {
        granted: jail.had(&capability),
        file: is_file,
        times: 0,
        capability,
    });
    noted.file &= is_file;
    noted.times = noted.times.saturating_add(times);
}

/// A capability that it takes.
struct Named {
    capability: Capability,
    /// Whether it is of one file, as it is there.
    is_file: bool,
}

/// No capability has such a name.
struct Unnamed;

impl From<Unlooked> for Unnamed {
    fn from(_: Unlooked) -> Self {
        Self
    }
}

struct Naming<'n, M> {
    jail: &'n Jail<'n>,
    machine: &'n M,
}

impl<M: Machine> Naming<'_, M> {
    /// The capability that it takes, if it takes one that can be had.
    fn name(&self, note: &Note) -> Result<Option<Named>, Unnamed> {
        let (path, what) = match note {
            Note::Address(capability) => return Ok(Some(whole(capability.clone()))),
            Note::Path(path, what) => (path, what),
        };
        // What is made, moved or removed has its name in a directory, wherever it leads.
        let follows_last = !matches!(what, Use::Change | Use::MakeDirectory | Use::WriteItself);
        let Ok(found) = self.machine.look(path, follows_last) else {
            return self.unlooked(note);
        };
        if self.jail.is_never(&found.name) || self.jail.is_never(path) {
            return Ok(None);
        }
        let capability = match what {
            Use::Read => self.read(&found)?,
            Use::WriteItself if found.kind == Kind::Link => self.change(&found)?,
            Use::Write | Use::WriteItself => self.write(&found)?,
            Use::Change => self.change(&found)?,
            Use::Create { writes } => self.create(&found, *writes)?,
            Use::MakeDirectory => self.make_directory(&found)?,
            Use::Execute(arguments) => self.execute(&found, arguments.as_deref())?,
            Use::Connect => {
                (found.kind == Kind::Socket).then(|| Capability::UnixConnect(found.name.clone()))
            }
        };
        Ok(capability.map(|capability| Named {
            is_file: found.kind == Kind::File && names(&capability, &found.name),
            capability,
        }))
    }

    /// What lies in a grant where nothing is looked at is told as the grant.
    fn unlooked(&self, note: &Note) -> Result<Option<Named>, Unnamed> {
        match self.jail.as_its_grant(note) {
            Some(Note::Path(grant, Use::Write)) => Ok(Some(whole(Capability::FsWrite(grant)))),
            Some(Note::Path(grant, _)) => Ok(Some(whole(Capability::FsRead(grant)))),
            _ => Err(Unnamed),
        }
    }

    fn read(&self, found: &Found) -> Result<Option<Capability>, Unnamed> {
        Ok(match (self.jail.place(&found.name, false), found.kind) {
            (Where::Own, _) => None,
            (Where::Granted(grant), Kind::Socket | Kind::Other) => {
                Some(Capability::FsRead(grant.path.clone()))
            }
            (Where::Granted(_), _) => Some(Capability::FsRead(found.name.clone())),
            (Where::Elsewhere, Kind::Directory) if self.jail.is_in_parts(&found.name) => {
                return Err(Unnamed);
            }
            (Where::Elsewhere, Kind::File | Kind::Directory) => {
                let stands = self.jail.stands(&found.name);
                (!stands).then(|| Capability::FsRead(found.name.clone()))
            }
            (Where::Elsewhere, _) => None,
        })
    }

    fn write(&self, found: &Found) -> Result<Option<Capability>, Unnamed> {
        Ok(match (self.jail.place(&found.name, true), found.kind) {
            (Where::Own, _) => None,
            // It is gone again, which only its directory allows.
            (Where::Granted(_), Kind::Missing) => return self.change(found),
            (Where::Granted(grant), Kind::Socket | Kind::Other) => {
                Some(Capability::FsWrite(grant.path.clone()))
            }
            (Where::Granted(_), _) => Some(Capability::FsWrite(found.name.clone())),
            (Where::Elsewhere, Kind::File | Kind::Directory) => {
                let stands = self.jail.stands(&found.name);
                (!stands).then(|| Capability::FsWrite(found.name.clone()))
            }
            (Where::Elsewhere, _) => None,
        })
    }

    /// To change what there is in a directory takes the directory.
    fn change(&self, found: &Found) -> Result<Option<Capability>, Unnamed> {
        let Some(parent) = parent(&found.name) else {
            return Ok(None);
        };
        Ok(match self.jail.place(&found.name, true) {
            Where::Own => None,
            Where::Granted(grant) if grant.path == found.name => {
                Some(Capability::FsWrite(found.name.clone()))
            }
            Where::Granted(_) => Some(Capability::FsWrite(parent)),
            Where::Elsewhere => {
                let above = self.machine.look(&parent, true)?;
                let is_root = above.name.segments().next().is_none();
                let is_there = above.kind == Kind::Directory && !is_root;
                (is_there && !self.jail.is_never(&above.name))
                    .then_some(Capability::FsWrite(above.name))
            }
        })
    }

    fn create(&self, found: &Found, writes: bool) -> Result<Option<Capability>, Unnamed> {
        let is_granted = matches!(self.jail.place(&found.name, true), Where::Granted(_));
        match found.kind {
            // It was not there when it was opened.
            _ if is_granted => self.change(found),
            Kind::Missing => self.change(found),
            _ if writes => self.write(found),
            _ => self.read(found),
        }
    }

    fn make_directory(&self, found: &Found) -> Result<Option<Capability>, Unnamed> {
        let is_granted = matches!(self.jail.place(&found.name, true), Where::Granted(_));
        if is_granted || found.kind == Kind::Missing {
            self.change(found)
        } else {
            Ok(None)
        }
    }

    /// What a run executes in the jail it must be able to read; what is not there would be executed outside.
    fn execute(
        &self,
        found: &Found,
        arguments: Option<&[String]>,
    ) -> Result<Option<Capability>, Unnamed> {
        match (self.jail.place(&found.name, false), found.kind) {
            (Where::Granted(_), _) => Ok(Some(Capability::FsRead(found.name.clone()))),
            (Where::Elsewhere, Kind::File) => {
                // A link that lay in the jail led out of it, and nobody has asked with what.
                let arguments = arguments.ok_or(Unnamed)?.iter().cloned();
                let arguments = arguments.map(ArgumentPattern::Literal).collect();
                let command = Command::new(None, found.name.clone(), arguments);
                Ok(Some(Capability::Exec(command.map_err(|_| Unnamed)?)))
            }
            _ => Ok(None),
        }
    }
}

/// Of more than one file, for all that is known.
fn whole(capability: Capability) -> Named {
    Named {
        capability,
        is_file: false,
    }
}

/// Whether it is a capability of this very path.
fn names(capability: &Capability, path: &CanonicalPath) -> bool {
    match capability {
        Capability::FsRead(named) | Capability::FsWrite(named) => named == path,
        _ => false,
    }
}

/// The directory of a path; nothing above the root.
fn parent(path: &CanonicalPath) -> Option<CanonicalPath> {
    walk::at_or_above(path.as_str()).nth(1)?.parse().ok()
}
