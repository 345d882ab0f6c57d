//! Where a path leads in the jail, as far as the jail has links of its own: those that a run makes where it may write, those
//! of the system that it sees, and those of `/proc` to what a process holds.
//!
//! A walk ends where a grant begins: what is there the machine has too, and it is looked at when the run is over.

use host_core::CanonicalPath;

use super::caller::{Caller, Held};
use super::naming::{Jail, Machine};
use super::walk::{self, Step, Stray, Tree};

/// How often a path may lead through what a process holds.
const HOLDS_MAX: usize = 8;
/// What a process has in `/proc` that leads on, besides what is below `task`.
const HOLDS: [&str; 6] = ["cwd", "root", "fd", "exe", "map_files", "ns"];
/// How a process is called in `/proc` by itself.
const ITSELF: [&str; 2] = ["self", "thread-self"];

/// Where a path leads.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Followed {
    /// To this place, by no link that the jail has of its own.
    At(CanonicalPath),
    /// To nothing that has a name.
    Nothing,
    /// Nobody knows.
    Lost,
}

/// Follows `path`, which is an absolute one of `caller`; a link at its very end where `follows_last`.
pub(super) fn follow<C: Caller>(
    path: &[u8],
    follows_last: bool,
    caller: &C,
    jail: &Jail<'_>,
    machine: &impl Machine,
) -> Followed {
    let (Ok(path), Some(tree)) = (std::str::from_utf8(path), caller.jail()) else {
        return Followed::Lost;
    };
    let inside = Inside {
        tree,
        jail,
        machine,
    };
    let mut path = path.to_owned();
    for _ in 0..HOLDS_MAX {
        let name = match walk::walk(&inside, &path, follows_last) {
            Ok(walked) => walked.name,
            Err(Stray::Round) => return Followed::Nothing,
            Err(Stray::Shut) => return Followed::Lost,
        };
        match through_proc(&name, follows_last, caller, jail) {
            Through::Nothing => return Followed::Nothing,
            Through::Lost => return Followed::Lost,
            Through::On(further) => path = further,
            Through::Not => return canonical(&name).map_or(Followed::Lost, Followed::At),
        }
    }
    Followed::Nothing
}

/// The root of a jail, as far as it is walked in.
struct Inside<'i, T, M> {
    tree: T,
    jail: &'i Jail<'i>,
    machine: &'i M,
}

impl<T: Tree, M: Machine> Tree for Inside<'_, T, M> {
    type Place = T::Place;

    fn root(&self) -> Option<T::Place> {
        self.tree.root()
    }

    fn step(&self, directory: &T::Place, segment: &str, name: &str) -> Step<T::Place> {
        // The system is the machine's, with all that is mounted in it.
        if self.jail.is_of_system(name) && self.machine.is_shut(name) {
            return Step::Shut;
        }
        self.tree.step(directory, segment, name)
    }

    fn ends_at(&self, name: &str) -> bool {
        name == "/proc" || self.jail.opens(name)
    }
}

/// What comes of a path below `/proc`.
enum Through {
    /// It leads to no other place.
    Not,
    /// It leads on here.
    On(String),
    Nothing,
    Lost,
}

fn through_proc(name: &str, follows_last: bool, caller: &impl Caller, jail: &Jail<'_>) -> Through {
    let Some(below) = name.strip_prefix("/proc/") else {
        return Through::Not;
    };
    let segments = below
        .split('/')
        .filter(|segment| !["", "."].contains(segment));
    let segments: Vec<&str> = segments.collect();
    if segments.contains(&"..") {
        return Through::Lost;
    }
    let (who, held, rest) = match segments.as_slice() {
        [_, "task", _, held, rest @ ..] if HOLDS.contains(held) => ("", *held, rest),
        [who, held, rest @ ..] if HOLDS.contains(held) => (*who, *held, rest),
        _ => return Through::Not,
    };
    let (descriptor, rest) = match (held, rest) {
        // The lists themselves, and what leads nowhere else.
        ("fd" | "map_files", []) | ("ns", _) => return Through::Not,
        ("fd", [number, rest @ ..]) => (number.parse::<i32>().ok(), rest),
        (_, rest) => (None, rest),
    };
    if rest.is_empty() && !follows_last {
        return Through::Not;
    }
    // Of others nobody knows who they are out here.
    if !ITSELF.contains(&who) {
        return Through::Lost;
    }
    let on = |base: &str| Through::On([base, "/", &rest.join("/")].concat());
    match (held, descriptor) {
        ("root", _) => on(""),
        ("cwd", _) => of_held(caller.held(None), jail, on),
        ("fd", Some(_)) => of_held(caller.held(descriptor), jail, on),
        // What a process executes was told of when it began to.
        ("exe", _) => Through::Nothing,
        _ => Through::Lost,
    }
}

fn of_held(held: Held, jail: &Jail<'_>, on: impl Fn(&str) -> Through) -> Through {
    match held {
        Held::Path(path) => String::from_utf8(path).map_or(Through::Lost, |path| on(&path)),
        Held::Gone(path) if jail.is_of_scratch(&path) => Through::Nothing,
        Held::NoPath => Through::Nothing,
        Held::Gone(_) | Held::Unknown => Through::Lost,
    }
}

/// An absolute path without `.` and `..`, by text alone; nothing where it is no text that a capability could name.
pub(super) fn canonical(path: &str) -> Option<CanonicalPath> {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
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
