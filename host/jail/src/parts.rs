//! Trees that cannot be mounted whole: `/`, and those in which something is forbidden.
//!
//! Such a tree is mounted part by part, and what is forbidden is no part. A cover over it would not do: whoever replaces the
//! file by another one of its name takes the cover away, and what is not there yet cannot be covered. So a tree in parts
//! shows what was in it when the run began; each part shows what becomes of itself.
//!
//! A tree is opened as any grant is, by no link, and looked through by that descriptor. Its parts are paths again, each of
//! which is opened like a grant when it is mounted.
//!
//! What is hidden in a tree opens nothing else in it. A directory that the run could not enter if the tree were whole is not
//! taken apart: its parts would be in reach, whatever it says.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::mem;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::guard::{self, Found, OffLimits, Opened};
use crate::places::Places;
use crate::recipe::{JailRecipe, OWN_TOP, Opening, Who};
use crate::setup::SetupError;

/// How many parts the grants of a run may have.
pub(crate) const PARTS_MAX: usize = 4_096;

/// The same recipe with each grant that cannot be mounted whole as its parts.
pub(crate) fn expanded(mut recipe: JailRecipe) -> Result<JailRecipe, SetupError> {
    let (never, hidden) = (recipe.never.clone(), recipe.hidden.clone());
    let off_limits = OffLimits::of(&never)?;
    let hidden = Places::of(&hidden);
    let who = recipe.who.clone();
    let mut expansion = Expansion {
        who: &who,
        off_limits: &off_limits,
        hidden: &hidden,
        mounted: BTreeSet::new(),
        count: 0,
    };
    expansion.system(&mut recipe)?;
    expansion.openings(&mut recipe)?;
    Ok(recipe)
}

/// The trees of one recipe while they are taken apart.
struct Expansion<'r> {
    who: &'r Who,
    off_limits: &'r OffLimits<'r>,
    hidden: &'r Places<'r>,
    /// The parts that there are already: of two trees one may lie in the other.
    mounted: BTreeSet<PathBuf>,
    count: usize,
}

impl Expansion<'_> {
    /// What is shown without a grant. Its parts are so shown as well, with the rights of a stranger.
    fn system(&mut self, recipe: &mut JailRecipe) -> Result<(), SetupError> {
        let configured: Vec<PathBuf> = if recipe.is_function() {
            Vec::new()
        } else {
            mem::take(&mut recipe.system_paths)
        };
        // All that is shown of `/etc` otherwise is mounted before anything is taken apart.
        let of_etc = recipe.etc_directories();
        let of_etc = of_etc.filter(|path| self.hidden.are_in(path) && is_directory(path));
        let of_etc: Vec<PathBuf> = of_etc.map(Path::to_owned).collect();
        for path in configured.into_iter().chain(of_etc) {
            if self.hidden.cover(&path) {
                continue;
            }
            if !self.hidden.are_in(&path) {
                recipe.system_paths.push(path);
                continue;
            }
            let opening = Opening::optional(path);
            match self.take_apart(&opening, |_| Rights::plain(self.who))? {
                Opened::Open(Some(parts)) => {
                    let new = self.add(parts, recipe);
                    recipe.system_paths.extend(new);
                }
                Opened::Open(None) => recipe.system_paths.push(opening.path),
                Opened::Without(cause) => {
                    recipe.apart.shut.insert(opening.path.clone(), cause);
                    recipe.system_paths.push(opening.path);
                }
            }
        }
        Ok(())
    }

    fn openings(&mut self, recipe: &mut JailRecipe) -> Result<(), SetupError> {
        // A part that is shown to a stranger may be granted as well.
        self.mounted.clear();
        for opening in mem::take(&mut recipe.openings) {
            if !opening.is_in_parts(self.hidden) {
                recipe.openings.push(opening);
                continue;
            }
            match self.take_apart(&opening, |owner| Rights::of_owner(self.who, owner))? {
                Opened::Open(Some(parts)) => {
                    recipe.apart.trees.insert(opening.path, parts.owner);
                    let new = self.add(parts, recipe);
                    recipe
                        .openings
                        .extend(new.into_iter().map(Opening::optional));
                }
                Opened::Open(None) => recipe.openings.push(opening),
                Opened::Without(cause) => {
                    recipe.apart.shut.insert(opening.path.clone(), cause);
                    recipe.openings.push(opening);
                }
            }
        }
        Ok(())
    }

    /// The parts of a tree; none of what is no directory, in which nothing can be hidden.
    fn take_apart(
        &self,
        opening: &Opening,
        rights: impl FnOnce((u32, u32)) -> Option<Rights>,
    ) -> Result<Opened<Option<Parts>>, SetupError> {
        guard::or_do_without(opening, || {
            let found = self.off_limits.open(&opening.path)?;
            if !found.is_dir() {
                return Ok(None);
            }
            let owner = (found.stat.st_uid, found.stat.st_gid);
            let mut parts = Parts {
                owner,
                rights: rights(owner),
                ..Parts::default()
            };
            parts.allow(ENTER, &found, &opening.path)?;
            self.read(&found, &opening.path, &mut parts)?;
            Ok(Some(parts))
        })
    }

    /// Adds what is in a directory, but for what is hidden; what the hidden lies in is taken apart in turn.
    fn read(&self, directory: &Found, path: &Path, parts: &mut Parts) -> Result<(), SetupError> {
        let entries = listing(directory, path)?;
        let is_top = path == Path::new("/");
        if !is_top {
            let listed = parts.allow(LIST, directory, path).is_ok();
            parts.directories.push((path.to_owned(), listed));
        }
        for (name, kind) in entries {
            let place = path.join(&name);
            let is_own = is_top && OWN_TOP.iter().any(|own| name == *own);
            if is_own || self.hidden.cover(&place) {
                continue;
            }
            if kind.is_dir() && self.hidden.are_in(&place) {
                self.read_below(directory, &name, place, parts)?;
            } else if kind.is_dir() || kind.is_file() {
                parts.whole.push(place);
            } else if kind.is_symlink()
                && !is_top
                && let Ok(target) = rustix::fs::readlinkat(&directory.fd, &name, Vec::new())
            {
                let target = OsString::from_vec(target.into_bytes());
                parts.links.push((place, target.into()));
            }
            if self.count + parts.count() > PARTS_MAX {
                return Err(too_many(path));
            }
        }
        Ok(())
    }

    /// The same for a directory in one. One that cannot be looked through is empty, and the record says so.
    fn read_below(
        &self,
        above: &Found,
        name: &OsStr,
        path: PathBuf,
        parts: &mut Parts,
    ) -> Result<(), SetupError> {
        let below = self.off_limits.open_in(above, name, &path);
        let readable = below.and_then(|found| {
            parts.allow(ENTER, &found, &path)?;
            open_to_read(&found, &path)?;
            Ok(found)
        });
        match readable {
            Ok(found) => self.read(&found, &path, parts),
            Err(error) => {
                parts.directories.push((path.clone(), false));
                parts.whole.push(path.clone());
                parts.shut.push((path, error.cause));
                Ok(())
            }
        }
    }

    /// Adds what was found beside the parts; returns those that are new.
    fn add(&mut self, parts: Parts, recipe: &mut JailRecipe) -> Vec<PathBuf> {
        self.count += parts.count();
        let apart = &mut recipe.apart;
        for (directory, listed) in parts.directories {
            *apart.directories.entry(directory).or_default() |= listed;
        }
        apart.links.extend(parts.links);
        apart.shut.extend(parts.shut);
        let mut new = parts.whole;
        new.retain(|path| self.mounted.insert(path.clone()));
        new
    }
}

/// What one tree was taken apart into.
#[derive(Default)]
struct Parts {
    /// Who owns the tree.
    owner: (u32, u32),
    /// What the run may do in it.
    rights: Option<Rights>,
    /// What is mounted whole.
    whole: Vec<PathBuf>,
    directories: Vec<(PathBuf, bool)>,
    links: Vec<(PathBuf, PathBuf)>,
    shut: Vec<(PathBuf, String)>,
}

impl Parts {
    fn count(&self) -> usize {
        self.whole.len() + self.directories.len() + self.links.len()
    }

    fn allow(&self, what: u32, directory: &Found, path: &Path) -> Result<(), SetupError> {
        match &self.rights {
            Some(rights) if !rights.allow(what, &directory.stat) => Err(SetupError::opening(
                format!("read `{}`", path.display()),
                Errno::ACCESS,
            )),
            _ => Ok(()),
        }
    }
}

/// Permission to go through a directory, as the last digit of a mode has it, and to list it.
const ENTER: u32 = 0o1;
const LIST: u32 = 0o4;

/// As whom a run is judged by the permissions of a file, where that is somebody else than the keeper.
struct Rights {
    uid: u32,
    groups: Vec<u32>,
}

impl Rights {
    /// The rights in a tree of `owner`, who is shown as a throw-away user.
    fn of_owner(who: &Who, (uid, gid): (u32, u32)) -> Option<Self> {
        match who {
            Who::Throwaway { .. } => Some(Self {
                uid,
                groups: vec![gid],
            }),
            Who::RunAs { .. } | Who::Caller { .. } => Self::plain(who),
        }
    }

    /// The rights that it has anywhere. The keeper of an ordinary user can do what the run can, and no more.
    fn plain(who: &Who) -> Option<Self> {
        let (uid, gid) = who.outside();
        let others = match who {
            Who::Caller { .. } => return None,
            Who::Throwaway { .. } => &[],
            Who::RunAs { groups, .. } => groups.as_slice(),
        };
        Some(Self {
            uid,
            groups: [&[gid], others].concat(),
        })
    }

    fn allow(&self, what: u32, stat: &Stat) -> bool {
        let digit = if stat.st_uid == self.uid {
            6
        } else if self.groups.contains(&stat.st_gid) {
            3
        } else {
            0
        };
        stat.st_mode >> digit & what != 0
    }
}

fn is_directory(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn too_many(directory: &Path) -> SetupError {
    let step = format!("open `{}` to the run", directory.display());
    let cause = format!(
        "something in it is forbidden, and there are more than {PARTS_MAX} other things beside"
    );
    SetupError::unfit(step, &cause).hinting("ask for the directories that are needed")
}

fn open_to_read(directory: &Found, path: &Path) -> Result<Dir, SetupError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&directory.fd, ".", flags, Mode::empty())
        .and_then(Dir::new)
        .map_err(|errno| SetupError::opening(format!("read `{}`", path.display()), errno))
}

/// What is in a directory, in the order of names.
fn listing(directory: &Found, path: &Path) -> Result<BTreeMap<OsString, FileType>, SetupError> {
    let failed = |errno| SetupError::opening(format!("read `{}`", path.display()), errno);
    let mut listing = BTreeMap::new();
    for entry in open_to_read(directory, path)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system tells at once.
            FileType::Unknown => {
                let found = rustix::fs::statat(&directory.fd, name, AtFlags::SYMLINK_NOFOLLOW);
                // What is gone is nothing.
                found.map_or(FileType::Unknown, |stat| {
                    FileType::from_raw_mode(stat.st_mode)
                })
            }
            known => known,
        };
        listing.insert(OsStr::from_bytes(name.to_bytes()).to_owned(), kind);
        if listing.len() > PARTS_MAX {
            return Err(too_many(path));
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests;
