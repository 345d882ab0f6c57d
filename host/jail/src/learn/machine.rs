//! Looks at what the machine has at a path, by descriptors that open nothing.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use host_core::CanonicalPath;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::naming::{Found, Kind, Machine};
use crate::guard;

/// How many links are followed on the way to one name.
const LINKS_MAX: usize = 40;
/// How many segments are looked at for one name where there are links on the way.
const SEGMENTS_MAX: usize = 256;

/// This machine.
#[derive(Debug)]
pub(super) struct OnMachine;

impl Machine for OnMachine {
    fn look(&self, path: &CanonicalPath) -> Found {
        let (name, kind) = match place(path.as_str()) {
            Ok(place) if kind_of_file(&place) != Some(FileType::Symlink) => {
                return Found {
                    name: path.clone(),
                    kind: kind(&place),
                };
            }
            Ok(_) | Err(Errno::LOOP) => match by_links(path) {
                Some(name) => {
                    let kind = place(name.as_str()).map_or(Kind::Missing, |place| kind(&place));
                    (name, kind)
                }
                None => (path.clone(), Kind::Missing),
            },
            Err(_) => (path.clone(), Kind::Missing),
        };
        Found { name, kind }
    }

    fn is_there(&self, path: &CanonicalPath) -> bool {
        place(path.as_str()).is_ok()
    }
}

/// Opens a place by no link; one that is a link itself is opened as one.
fn place(path: &str) -> rustix::io::Result<OwnedFd> {
    let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(rustix::fs::CWD, path, how, Mode::empty(), resolve)
}

fn kind_of_file(place: &OwnedFd) -> Option<FileType> {
    let found = rustix::fs::fstat(place).ok()?;
    Some(FileType::from_raw_mode(found.st_mode))
}

fn kind(place: &OwnedFd) -> Kind {
    match kind_of_file(place) {
        Some(FileType::Socket) => Kind::Socket,
        Some(_) if guard::shows_the_kernel(place) => Kind::Other,
        Some(FileType::RegularFile) => Kind::File,
        Some(FileType::Directory) => Kind::Directory,
        Some(_) => Kind::Other,
        None => Kind::Missing,
    }
}

/// The same path with every link on it replaced by what it leads to, as far as there is anything.
fn by_links(path: &CanonicalPath) -> Option<CanonicalPath> {
    let mut left: VecDeque<String> = path.segments().map(str::to_owned).collect();
    let mut name: Vec<String> = Vec::new();
    let (mut links, mut segments) = (0, 0);
    let mut is_there = true;
    while let Some(segment) = left.pop_front() {
        segments += 1;
        if segments > SEGMENTS_MAX {
            return None;
        }
        match segment.as_str() {
            "" | "." => continue,
            ".." => {
                name.pop();
                continue;
            }
            _ => name.push(segment),
        }
        let here = is_there.then(|| place(&format!("/{}", name.join("/"))));
        let Some(Ok(here)) = here else {
            // Nothing below it can be a link.
            is_there = false;
            continue;
        };
        if kind_of_file(&here) != Some(FileType::Symlink) {
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return None;
        }
        let target = rustix::fs::readlinkat(&here, "", Vec::new()).ok()?;
        let target = target.into_string().ok()?;
        if target.starts_with('/') {
            name.clear();
        } else {
            name.pop();
        }
        for segment in target.rsplit('/') {
            left.push_front(segment.to_owned());
        }
    }
    format!("/{}", name.join("/")).parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_place_is_told_by_the_name_that_no_link_is_in() {
        let lab = tempfile::tempdir().unwrap();
        let root = lab.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("releases/5")).unwrap();
        std::fs::File::create(root.join("releases/5/app.conf")).unwrap();
        symlink("releases/5", root.join("current")).unwrap();
        symlink("../../current/app.conf", root.join("releases/5/again")).unwrap();
        symlink("round", root.join("round")).unwrap();
        symlink("/nonexistent", root.join("nowhere")).unwrap();
        let path =
            |below: &str| -> CanonicalPath { root.join(below).to_str().unwrap().parse().unwrap() };
        let look = |below: &str| OnMachine.look(&path(below));
        let real = path("releases/5/app.conf");
        for below in ["releases/5/app.conf", "current/app.conf", "current/again"] {
            let found = look(below);
            assert_eq!(
                (found.name, found.kind),
                (real.clone(), Kind::File),
                "{below}"
            );
        }
        assert_eq!(look("current").kind, Kind::Directory);
        assert_eq!(look("current/none").name, path("releases/5/none"));
        assert_eq!(look("current/none").kind, Kind::Missing);
        assert_eq!(look("round").kind, Kind::Missing);
        assert_eq!(look("nowhere").name.as_str(), "/nonexistent");
        assert!(OnMachine.is_there(&path("releases/5")));
        assert!(OnMachine.is_there(&path("nowhere")), "the link itself");
        assert!(!OnMachine.is_there(&path("current/app.conf")), "by a link");
        assert_eq!(
            OnMachine.look(&"/proc/self/status".parse().unwrap()).kind,
            Kind::Other
        );
        assert_eq!(
            OnMachine.look(&"/dev/null".parse().unwrap()).kind,
            Kind::Other
        );
    }
}
