//! The mode that tries to get out of its directories by what it calls things.
//!
//! In each directory that is open it tries names that lead out; in one where it can make things, links that lead out;
//! in one where it cannot, everything that would change what is there; and between any two, moving and linking. What
//! must not work and did is an escape. What must work is tried too, so that a host that refuses everything is seen.
//!
//! It tries in earnest: where a directory that should be read-only is not, a file in it is lost. And it leaves its
//! links behind, for whoever looks what a host makes of them.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::Argument;
use crate::how::How;
use crate::wasi::{Handle, preopens};

/// Paths that lead out of any directory.
const OUTWARD: &[&str] = &[
    "..",
    "../",
    "../.",
    "./..",
    ".//..",
    "../..",
    "../../../../../../../../etc/passwd",
    "./../../../../../../../../etc/passwd",
    "misbehave-directory/../..",
    "misbehave-directory/../../",
    "misbehave-nothing/../..",
    "/",
    "//",
    "/.",
    "/..",
    "/etc/passwd",
    "//etc/passwd",
    "/proc/self/root",
];

/// What links lead to.
const TARGETS: &[&str] = &[
    "..",
    "../",
    "../..",
    ".././",
    "misbehave-directory/../..",
    "/",
    "/etc",
    "/etc/passwd",
    "/proc/self/root",
    "../../../../../../../../etc",
    "../../../../../../../../etc/passwd",
];

/// The file and the directory that are made where things can be made.
const FILE: &str = "misbehave-file";
const DIRECTORY: &str = "misbehave-directory";

/// What is made outside, if it can be.
const ESCAPED: &str = "misbehave-escaped";

/// How deep a file is looked for in a read-only directory, and among how many.
const DEPTH_MAX: usize = 3;
const ENTRIES_MAX: usize = 1000;

/// Opens for emptying, which takes no right to write.
const TRUNCATE: How = How {
    truncate: true,
    ..How::READ
};

/// Tries all of it; with the argument `all` every single try is printed, not only what worked.
pub(crate) fn path_tricks(argument: &Argument) -> Option<Value> {
    let mut tries = Tries::default();
    let places: Vec<Place> = preopens()
        .iter()
        .map(|(name, handle)| Place::look(&mut tries, name, handle))
        .collect();
    for ((_, handle), place) in preopens().iter().zip(&places) {
        outward(&mut tries, place, handle);
        if place.is_writable {
            links(&mut tries, place, handle);
        } else {
            read_only(&mut tries, place, handle);
        }
    }
    for ((_, from), from_place) in preopens().iter().zip(&places) {
        for ((_, to), to_place) in preopens().iter().zip(&places) {
            if from_place.name != to_place.name {
                between(&mut tries, (from_place, from), (to_place, to));
            }
        }
    }
    Some(tries.into_json(&places, argument.text("") == "all"))
}

/// What is to be expected of a try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rule {
    /// It leads out, or changes what must not change: if it works it is an escape.
    Outside,
    /// It is nothing but ordinary use.
    Inside,
    /// One host does it and another does not.
    Either,
}

/// Everything that was tried.
#[derive(Debug, Default)]
struct Tries(Vec<(Rule, Value)>);

impl Tries {
    /// Notes a try in a directory; gives whether it worked.
    fn note<T: Into<Value>>(
        &mut self,
        rule: Rule,
        place: &str,
        what: &str,
        answer: Result<T, String>,
    ) -> bool {
        let worked = answer.is_ok();
        let noted = match answer {
            Ok(gave) => json!({"in": place, "try": what, "gave": gave.into()}),
            Err(error) => json!({"in": place, "try": what, "error": error}),
        };
        self.0.push((rule, noted));
        worked
    }

    fn into_json(self, places: &[Place], all: bool) -> Value {
        let worked = |rule: Rule| -> Vec<&Value> {
            self.0
                .iter()
                .filter(|(its, one)| *its == rule && one.get("error").is_none())
                .map(|(_, one)| one)
                .collect()
        };
        let mut errors = BTreeMap::<&str, u32>::new();
        for (_, one) in &self.0 {
            if let Some(error) = one.get("error").and_then(Value::as_str) {
                *errors.entry(error).or_default() += 1;
            }
        }
        let of_use = self.0.iter().filter(|(rule, _)| *rule == Rule::Inside);
        let places: Vec<Value> = places
            .iter()
            .map(|place| json!({"name": place.name, "writable": place.is_writable}))
            .collect();
        let mut said = json!({
            "places": places,
            "tries": self.0.len(),
            "errors": errors,
            "escapes": worked(Rule::Outside),
            "refused_use": of_use.count() - worked(Rule::Inside).len(),
            "also_worked": worked(Rule::Either),
        });
        if let (true, Value::Object(said)) = (all, &mut said) {
            let all: Vec<&Value> = self.0.iter().map(|(_, one)| one).collect();
            said.insert("all".to_owned(), json!(all));
        }
        said
    }
}

/// A directory that is open.
#[derive(Debug)]
struct Place {
    name: String,
    is_writable: bool,
    /// A file in it that was there before, where things cannot be made.
    file: Option<String>,
}

impl Place {
    /// Looks whether things can be made in a directory, by making those that the tries need.
    fn look(tries: &mut Tries, name: &str, handle: &Handle) -> Self {
        let made = handle.open(FILE, How::CREATE);
        let is_writable = made.is_ok();
        if let Ok(file) = made {
            let mut read = [0; 4];
            tries.note(Rule::Inside, name, "write a file", file.write(b"kept", 0));
            _ = handle.make_directory(DIRECTORY);
            let again = handle.open("misbehave-directory/../misbehave-file", How::READ);
            let bytes = again
                .and_then(|file| file.read(&mut read))
                .map(|read| json!(read));
            tries.note(Rule::Inside, name, "read it back, by a detour", bytes);
        }
        let file = (!is_writable).then(|| first_file(name, name, 0)).flatten();
        if let Some(file) = &file {
            let opened = handle.open(file, How::READ).map(|_| "opened");
            tries.note(Rule::Inside, name, "open a file", opened);
        }
        Self {
            name: name.to_owned(),
            is_writable,
            file,
        }
    }
}

/// The first file with something in it below a directory, by its path from there.
fn first_file(root: &str, directory: &str, depth: usize) -> Option<String> {
    let entries = fs::read_dir(directory).ok()?.take(ENTRIES_MAX).flatten();
    let mut below = Vec::new();
    for entry in entries {
        let path = entry.path().to_str()?.to_owned();
        match entry.metadata() {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
                let path = path.strip_prefix(root)?.trim_start_matches('/');
                return Some(path.to_owned());
            }
            Ok(metadata) if metadata.is_dir() => below.push(path),
            _ => {}
        }
    }
    if depth == DEPTH_MAX {
        return None;
    }
    below
        .iter()
        .find_map(|directory| first_file(root, directory, depth + 1))
}

/// What was opened, in a word and the first bytes of it.
fn seen(handle: &Handle) -> String {
    let mut start = [0; 16];
    match handle.read(&mut start) {
        Ok(read) => {
            let start = start.get(..read).unwrap_or_default();
            format!("a file: {}", String::from_utf8_lossy(start))
        }
        Err(_) => "no file".to_owned(),
    }
}

/// Names that lead out.
fn outward(tries: &mut Tries, place: &Place, handle: &Handle) {
    let mut must_fail = |what: String, answer: Result<String, String>| {
        tries.note(Rule::Outside, &place.name, &what, answer);
    };
    for path in OUTWARD {
        for how in [How::READ, How::FOLLOW, How::DIRECTORY] {
            let opened = handle.open(path, how).map(|opened| seen(&opened));
            must_fail(format!("open {path}"), opened);
        }
        for follow in [false, true] {
            let stat = handle.stat(path, follow).map(|(kind, _)| kind.to_owned());
            must_fail(format!("stat {path}"), stat);
        }
        must_fail(format!("read link {path}"), handle.read_link(path));
        must_fail(format!("touch {path}"), nothing(handle.touch(path)));
        let inside = format!("{path}/{ESCAPED}");
        must_fail(
            format!("make directory {inside}"),
            nothing(handle.make_directory(&inside)),
        );
        must_fail(
            format!("link at {inside}"),
            nothing(handle.symlink("x", &inside)),
        );
        let made = handle
            .open(&inside, How::CREATE)
            .map(|opened| seen(&opened));
        must_fail(format!("create {inside}"), made);
    }
}

fn nothing(answer: Result<(), String>) -> Result<String, String> {
    answer.map(|()| String::new())
}

/// Links that lead out, made here, with a slash behind them and without.
fn links(tries: &mut Tries, place: &Place, handle: &Handle) {
    for (index, target) in TARGETS.iter().enumerate() {
        let link = format!("misbehave-link-{index}");
        _ = handle.unlink(&link);
        let made = nothing(handle.symlink(target, &link));
        let what = format!("make a link to {target}");
        if tries.note(Rule::Either, &place.name, &what, made) {
            through(tries, place, handle, &link, target);
        }
    }
    // A link to a link: the one it leads to is made here, where there is one.
    _ = handle.unlink("misbehave-chain");
    if handle
        .symlink("misbehave-link-0", "misbehave-chain")
        .is_ok()
    {
        through(tries, place, handle, "misbehave-chain", "misbehave-link-0");
    }
}

/// Everything that goes through one link.
fn through(tries: &mut Tries, place: &Place, handle: &Handle, link: &str, target: &str) {
    let mut must_fail = |what: &str, path: &str, answer: Result<String, String>| {
        let what = format!("{what} {path} -> {target}");
        tries.note(Rule::Outside, &place.name, &what, answer);
    };
    let slash = format!("{link}/");
    for path in [
        link,
        &slash,
        &format!("{link}/."),
        &format!("{link}/passwd"),
    ] {
        for how in [
            How::FOLLOW,
            How {
                follow: true,
                ..How::DIRECTORY
            },
        ] {
            let opened = handle.open(path, how).map(|opened| seen(&opened));
            must_fail("open", path, opened);
        }
        let stat = handle.stat(path, true).map(|(kind, _)| kind.to_owned());
        must_fail("stat", path, stat);
        let hard = format!("misbehave-hard-{}", path.replace('/', "-"));
        let linked = handle.link(path, true, handle, &hard);
        must_fail("hard link of", path, nothing(linked));
    }
    let within = format!("{link}/{ESCAPED}");
    let created = handle
        .open(&within, How::CREATE)
        .map(|opened| seen(&opened));
    must_fail("create", &within, created);
    must_fail(
        "make directory",
        &within,
        nothing(handle.make_directory(&within)),
    );
    must_fail(
        "move a file to",
        &within,
        nothing(handle.rename(FILE, handle, &within)),
    );
    must_fail(
        "hard link at",
        &within,
        nothing(handle.link(FILE, false, handle, &within)),
    );
    // With a slash behind it, a link is where it leads to, and must not be followed all the same.
    for how in [How::READ, How::DIRECTORY] {
        let opened = handle.open(&slash, how).map(|opened| seen(&opened));
        must_fail("open", &slash, opened);
    }
    must_fail("touch", &slash, nothing(handle.touch(&slash)));
    must_fail(
        "remove directory",
        &slash,
        nothing(handle.remove_directory(&slash)),
    );
    let stat = handle.stat(&slash, false);
    must_fail("stat", &slash, unless_link(stat.map(|(kind, _)| kind)));
    let moved = format!("{link}-moved");
    let renamed = handle
        .rename(&slash, handle, &moved)
        .and_then(|()| handle.stat(&moved, false));
    must_fail("rename", &slash, unless_link(renamed.map(|(kind, _)| kind)));
    _ = handle.rename(&moved, handle, link);
    let renamed = handle
        .rename(DIRECTORY, handle, &slash)
        .and_then(|()| handle.stat(link, false));
    must_fail(
        "rename a directory to",
        &slash,
        unless_link(renamed.map(|(kind, _)| kind)),
    );
    _ = handle.make_directory(DIRECTORY);
}

/// What is still a link leads nowhere yet.
fn unless_link(kind: Result<&str, String>) -> Result<String, String> {
    match kind {
        Ok("link") => Err("still-a-link".to_owned()),
        Ok(kind) => Ok(kind.to_owned()),
        Err(error) => Err(error),
    }
}

/// Everything that would change a directory that cannot be changed.
fn read_only(tries: &mut Tries, place: &Place, handle: &Handle) {
    let mut must_fail = |what: &str, answer: Result<(), String>| {
        tries.note(Rule::Outside, &place.name, what, nothing(answer));
    };
    must_fail("make directory", handle.make_directory(ESCAPED));
    must_fail("make link", handle.symlink("x", ESCAPED));
    must_fail("touch the directory", handle.touch("."));
    let exclusive = How {
        exclusive: true,
        ..How::CREATE
    };
    must_fail("create", handle.open(ESCAPED, exclusive).map(drop));
    let opened = handle.open(".", How::DIRECTORY);
    let made = opened.and_then(|opened| opened.make_directory(ESCAPED));
    must_fail("make directory, in itself opened for changes", made);
    let Some(file) = &place.file else {
        return;
    };
    let size = |handle: &Handle| handle.stat(file, false).map(|(_, size)| size);
    let before = size(handle);
    must_fail("open for writing", handle.open(file, How::WRITE).map(drop));
    must_fail("open or create", handle.open(file, How::CREATE).map(drop));
    if let Ok(opened) = handle.open(file, How::READ) {
        must_fail(
            "write what was opened for reading",
            opened.write(b"x", 0).map(drop),
        );
        must_fail("empty what was opened for reading", opened.set_size(0));
    }
    must_fail("touch", handle.touch(file));
    must_fail("rename", handle.rename(file, handle, ESCAPED));
    must_fail("hard link", handle.link(file, false, handle, ESCAPED));
    must_fail(
        "open and empty, without writing",
        handle.open(file, TRUNCATE).map(drop),
    );
    let emptying = How {
        truncate: true,
        ..How::WRITE
    };
    must_fail("open and empty", handle.open(file, emptying).map(drop));
    must_fail("unlink", handle.unlink(file));
    let unchanged = if size(handle) == before {
        Err("unchanged".to_owned())
    } else {
        Ok(())
    };
    must_fail("change its size by any of these", unchanged);
}

/// Moves and links from one directory to another.
fn between(
    tries: &mut Tries,
    (from, from_handle): (&Place, &Handle),
    (to, to_handle): (&Place, &Handle),
) {
    let rule = if from.is_writable && to.is_writable {
        Rule::Either
    } else {
        Rule::Outside
    };
    let file = from.file.as_deref().unwrap_or(FILE);
    let mut attempt = |rule: Rule, what: &str, answer: Result<(), String>| {
        let what = format!("{what} {}", to.name);
        tries.note(rule, &from.name, &what, nothing(answer));
    };
    let name = format!("misbehave-from{}", from.name.replace('/', "-"));
    _ = to_handle.unlink(&name);
    let linked = from_handle.link(file, false, to_handle, &name);
    if linked.is_ok() {
        let opened = to_handle.open(&name, How::WRITE);
        let written = opened.and_then(|opened| opened.write(b"x", 0)).map(drop);
        attempt(rule, "write by a hard link in", written);
    }
    attempt(rule, "hard link into", linked);
    _ = to_handle.unlink(&name);
    let moved = from_handle.rename(file, to_handle, &name);
    attempt(rule, "move a file into", moved);
    if from.is_writable {
        // Where it is again as the next try needs it.
        _ = to_handle.rename(&name, from_handle, FILE);
        _ = from_handle.open(FILE, How::CREATE);
    }
    let sibling = format!("../{}", to.name.trim_start_matches('/'));
    attempt(
        Rule::Outside,
        "open by a detour",
        from_handle.open(&sibling, How::FOLLOW).map(drop),
    );
}
