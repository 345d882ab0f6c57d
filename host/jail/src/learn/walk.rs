//! Follows a path by its links, one segment at a time and by one descriptor.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// How many links are followed on the way to one name, as many as the kernel follows.
const LINKS_MAX: usize = 40;
/// How many segments are looked at for one name.
const SEGMENTS_MAX: usize = 4_096;

/// What is found one segment further.
#[derive(Debug)]
pub(super) enum Step<P> {
    /// Something that is no link.
    Place(P),
    /// A link, with where it leads.
    Link(String),
    /// Nothing, or nothing that can be reached.
    Missing,
    /// What is not to be looked at, or cannot be.
    Shut,
}

/// What can be walked in.
pub(super) trait Tree {
    /// A place in it.
    type Place;

    /// Where it begins.
    fn root(&self) -> Option<Self::Place>;

    /// What is called `segment` in `directory`, and `name` from the root on.
    fn step(&self, directory: &Self::Place, segment: &str, name: &str) -> Step<Self::Place>;

    /// Whether the walk ends at `name`, and the rest is taken as it is written.
    fn ends_at(&self, _name: &str) -> bool {
        false
    }
}

/// Where a walk came to.
#[derive(Debug)]
pub(super) struct Walked<P> {
    /// The path that no link is in, as far as anything is there.
    pub(super) name: String,
    /// What is there, if it was walked to.
    pub(super) place: Option<P>,
    /// Whether that is a link which was not to be followed.
    pub(super) is_link: bool,
}

/// Why a walk came nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stray {
    /// There are more links than the kernel follows.
    Round,
    /// On the way is what is not to be looked at, or cannot be.
    Shut,
}

/// Walks to `path` in `tree`; a link at its very end is followed where `follows_last`.
pub(super) fn walk<T: Tree>(
    tree: &T,
    path: &str,
    follows_last: bool,
) -> Result<Walked<T::Place>, Stray> {
    let mut walk = Walk {
        tree,
        left: path.split('/').map(str::to_owned).collect(),
        name: String::new(),
        here: Some(tree.root().ok_or(Stray::Shut)?),
        links: 0,
        segments: 0,
    };
    while let Some(segment) = walk.left.pop_front() {
        match segment.as_str() {
            "" | "." => {}
            ".." => walk.up()?,
            segment => {
                if let Some(ended) = walk.down(segment, follows_last)? {
                    return Ok(ended);
                }
            }
        }
    }
    Ok(walk.end(false))
}

struct Walk<'t, T: Tree> {
    tree: &'t T,
    left: VecDeque<String>,
    /// Where it is, by no link; nothing for the root.
    name: String,
    /// What is there; nothing below a name that is not there.
    here: Option<T::Place>,
    links: usize,
    segments: usize,
}

impl<T: Tree> Walk<'_, T> {
    fn down(
        &mut self,
        segment: &str,
        follows_last: bool,
    ) -> Result<Option<Walked<T::Place>>, Stray> {
        let above = self.name.len();
        self.name.push('/');
        self.name.push_str(segment);
        if self.tree.ends_at(&self.name) {
            for segment in self.left.drain(..) {
                self.name.push('/');
                self.name.push_str(&segment);
            }
            self.here = None;
            return Ok(Some(self.end(false)));
        }
        let Some(here) = &self.here else {
            return Ok(None);
        };
        self.segments += 1;
        if self.segments > SEGMENTS_MAX {
            return Err(Stray::Shut);
        }
        match self.tree.step(here, segment, &self.name) {
            Step::Place(place) => self.here = Some(place),
            Step::Missing => self.here = None,
            Step::Shut => return Err(Stray::Shut),
            Step::Link(_) if self.left.is_empty() && !follows_last => {
                self.here = None;
                return Ok(Some(self.end(true)));
            }
            Step::Link(target) => self.follow(above, &target)?,
        }
        Ok(None)
    }

    /// Goes on where a link leads that stands in the directory whose name is `above` long.
    fn follow(&mut self, above: usize, target: &str) -> Result<(), Stray> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Stray::Round);
        }
        self.name.truncate(above);
        if target.starts_with('/') {
            self.name.clear();
            self.here = Some(self.tree.root().ok_or(Stray::Shut)?);
        }
        for segment in target.rsplit('/') {
            self.left.push_front(segment.to_owned());
        }
        Ok(())
    }

    /// Goes back to the directory above; no link is on that way any more.
    fn up(&mut self) -> Result<(), Stray> {
        self.name.truncate(self.name.rfind('/').unwrap_or(0));
        if self.here.is_none() {
            return Ok(());
        }
        self.here = Some(self.tree.root().ok_or(Stray::Shut)?);
        let mut end = 0;
        for segment in self.name.split('/').skip(1) {
            end += 1 + segment.len();
            self.segments += 1;
            if self.segments > SEGMENTS_MAX {
                return Err(Stray::Shut);
            }
            let name = self.name.get(..end).unwrap_or_default();
            self.here = match self
                .here
                .as_ref()
                .map(|here| self.tree.step(here, segment, name))
            {
                Some(Step::Place(place)) => Some(place),
                // Somebody has changed it meanwhile.
                _ => return Err(Stray::Shut),
            };
        }
        Ok(())
    }

    fn end(&mut self, is_link: bool) -> Walked<T::Place> {
        let mut name = std::mem::take(&mut self.name);
        if name.is_empty() {
            name.push('/');
        }
        Walked {
            name,
            place: self.here.take(),
            is_link,
        }
    }
}

/// A path, and each directory that it lies in, up to the root.
pub(super) fn at_or_above(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (above, _) => Some(above),
    })
}

/// Takes one step on a file system, by a descriptor that opens nothing and through no link.
pub(super) fn step(directory: impl AsFd, segment: &str, limits: ResolveFlags) -> Step<OwnedFd> {
    let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | limits;
    let place = match rustix::fs::openat2(directory, segment, how, Mode::empty(), resolve) {
        Ok(place) => place,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::NAMETOOLONG) => {
            return Step::Missing;
        }
        Err(_) => return Step::Shut,
    };
    if kind_of_file(&place) != Some(FileType::Symlink) {
        return Step::Place(place);
    }
    let target = rustix::fs::readlinkat(&place, "", Vec::new()).ok();
    match target.and_then(|target| target.into_string().ok()) {
        Some(target) => Step::Link(target),
        None => Step::Shut,
    }
}

/// What kind of file is at a place.
pub(super) fn kind_of_file(place: &OwnedFd) -> Option<FileType> {
    let found = rustix::fs::fstat(place).ok()?;
    Some(FileType::from_raw_mode(found.st_mode))
}
