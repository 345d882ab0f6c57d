//! What a guest was made of, and what was made of it, as a text: when both are the same again there is nothing to do.
//!
//! The text names every file with its SHA-256, so that one can see by comparing two of them why a guest is built again.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Yard;
use super::catalogue::{Guest, Source};
use super::compile::Compilers;
use crate::machine::{program, read};

/// What all packages of the guests are built by, beside their own files.
const OF_PACKAGES: &[&str] = &["guest-examples/Cargo.toml", "guest-examples/Cargo.lock"];

/// This chore itself, which knows how everything is built.
const OF_ALL: &[&str] = &["host/xtask/src/guests.rs", "host/xtask/src/guests"];

/// Sources may nest this deep.
const DEPTH_MAX: usize = 8;

/// Whether a guest is as its stamp says, and so are the files that it is made of.
///
/// # Errors
///
/// When the files of the guest cannot be read.
pub(crate) fn is_current(yard: &Yard, compilers: &Compilers, guest: &Guest) -> Result<bool> {
    let Ok(stamp) = fs::read_to_string(path(yard, guest)) else {
        return Ok(false);
    };
    // Results that are not there are no error here: they are to be built.
    let results = results(yard, guest).unwrap_or_default();
    Ok(stamp == text(&sources(yard, compilers, guest)?, &results))
}

/// Writes the stamp of a guest that was built.
///
/// # Errors
///
/// When its files cannot be read, or the stamp not be written.
pub(crate) fn write(yard: &Yard, compilers: &Compilers, guest: &Guest) -> Result<()> {
    let stamp = path(yard, guest);
    let text = text(&sources(yard, compilers, guest)?, &results(yard, guest)?);
    File::create(&stamp)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("{}", stamp.display()))
}

/// Removes the stamp of a guest, which is built next time whatever happens now.
///
/// # Errors
///
/// When there is one and it cannot be removed.
pub(crate) fn remove(yard: &Yard, guest: &Guest) -> Result<()> {
    let stamp = path(yard, guest);
    if stamp.exists() {
        fs::remove_file(&stamp).with_context(|| format!("{}", stamp.display()))?;
    }
    Ok(())
}

fn path(yard: &Yard, guest: &Guest) -> PathBuf {
    yard.work.join(format!("{}.stamp", guest.name))
}

fn text(sources: &str, results: &str) -> String {
    format!("made of\n{sources}\nmade\n{results}")
}

fn sources(yard: &Yard, compilers: &Compilers, guest: &Guest) -> Result<String> {
    let own = format!("guest-examples/{}", guest.name);
    let mut roots = vec![own.as_str()];
    roots.extend(OF_ALL);
    let is_package = |source: Source| matches!(source, Source::Package { .. });
    if guest
        .programs
        .iter()
        .any(|program| is_package(program.source))
    {
        roots.extend(OF_PACKAGES);
    }
    let mut files = Vec::new();
    for root in roots {
        list(&yard.root, Path::new(root), 0, &mut files)?;
    }
    let digests = digests(&yard.root, &files)?;
    Ok(format!(
        "{guest:?}\n{}\n{digests}",
        compilers.versions(yard, guest)
    ))
}

fn results(yard: &Yard, guest: &Guest) -> Result<String> {
    let mut files: Vec<PathBuf> = guest.bare_programs().map(PathBuf::from).collect();
    if guest.is_module() {
        list(&yard.results, Path::new(guest.name), 0, &mut files)?;
    }
    digests(&yard.results, &files)
}

/// Every file at or below `path`, in the order of their names; those that begin with a dot are an editor's.
fn list(root: &Path, path: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    anyhow::ensure!(depth <= DEPTH_MAX, "{} lies too deep", path.display());
    let full = root.join(path);
    if !full.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(&full).with_context(|| format!("{}", full.display()))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    names.sort_unstable();
    for name in names {
        if !name.as_encoded_bytes().starts_with(b".") {
            list(root, &path.join(name), depth + 1, found)?;
        }
    }
    Ok(())
}

fn digests(root: &Path, files: &[PathBuf]) -> Result<String> {
    read(program("sha256sum").arg("--").args(files).current_dir(root))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files of its own")]
mod tests {
    use std::fs;

    use super::{is_current, remove, write};
    use crate::guests::Yard;
    use crate::guests::catalogue::{GUESTS, Guest};
    use crate::guests::compile::Compilers;

    /// A repository with the files of one guest, and what was built of it.
    fn yard() -> (tempfile::TempDir, Yard, &'static Guest) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().to_owned();
        let guest = GUESTS
            .iter()
            .find(|guest| guest.name == "config_line")
            .unwrap();
        for file in [
            "guest-examples/Cargo.toml",
            "guest-examples/Cargo.lock",
            "guest-examples/config_line/src/main.rs",
            "host/xtask/src/guests.rs",
            "host/xtask/src/guests/wasm.rs",
            "target/config_line/tasks/init.wasm",
            "target/.build/lock",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let yard = Yard {
            sources: root.join("guest-examples"),
            results: root.join("target"),
            work: root.join("target/.build"),
            root,
        };
        (directory, yard, guest)
    }

    #[test]
    fn a_guest_is_current_until_something_is_another() {
        let (_directory, yard, guest) = yard();
        let (compilers, another) = (Compilers::made_up("1.95.0"), Compilers::made_up("1.96.0"));
        let current = |compilers| is_current(&yard, compilers, guest).unwrap();
        assert!(!current(&compilers), "there is no stamp");
        write(&yard, &compilers, guest).unwrap();
        assert!(current(&compilers));
        assert!(!current(&another), "another compiler");
        for file in [
            "guest-examples/Cargo.lock",
            "guest-examples/config_line/src/main.rs",
            "guest-examples/config_line/src/new.rs",
            "host/xtask/src/guests/wasm.rs",
            "target/config_line/tasks/init.wasm",
        ] {
            fs::write(yard.root.join(file), "another").unwrap();
            assert!(!current(&compilers), "{file}");
            write(&yard, &compilers, guest).unwrap();
            assert!(current(&compilers), "{file}");
        }
        fs::remove_file(yard.results.join("config_line/tasks/init.wasm")).unwrap();
        assert!(!current(&compilers), "a result is gone");
        remove(&yard, guest).unwrap();
        remove(&yard, guest).unwrap();
    }
}
