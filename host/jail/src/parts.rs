//! Trees that cannot be mounted whole: `/`, and those in which something is forbidden.
//!
//! Such a tree is mounted part by part, and what is forbidden is no part. A cover over it would not do: whoever replaces the
//! file by another one of its name takes the cover away, and what is not there yet cannot be covered. So a tree in parts
//! shows what was in it when the run began; each part shows what becomes of itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::FileType;
use std::path::{Path, PathBuf};

use crate::recipe::{JailRecipe, OWN_TOP, Opening};
use crate::setup::SetupError;

/// How many parts the grants of a run may have.
pub(crate) const PARTS_MAX: usize = 4_096;

/// The same recipe with each grant that cannot be mounted whole as its parts.
pub(crate) fn expanded(recipe: &JailRecipe) -> Result<JailRecipe, SetupError> {
    let mut expanded = JailRecipe {
        openings: Vec::with_capacity(recipe.openings.len()),
        ..recipe.clone()
    };
    for path in recipe
        .configured()
        .iter()
        .filter(|path| recipe.hides_in(path))
    {
        expanded.system_paths.retain(|other| other != path);
        if !recipe.hidden.contains(path) {
            add(path, &recipe.hidden, &mut expanded)?;
        }
    }
    for opening in &recipe.openings {
        if opening.is_in_parts(&recipe.hidden) {
            add(&opening.path, &recipe.hidden, &mut expanded)?;
        } else {
            expanded.openings.push(opening.clone());
        }
    }
    Ok(expanded)
}

/// Adds what is in a directory, but for what is hidden; what the hidden lies in is taken apart in turn.
fn add(directory: &Path, hidden: &[PathBuf], into: &mut JailRecipe) -> Result<(), SetupError> {
    for (name, kind) in listing(directory)? {
        let path = directory.join(&name);
        let is_own = directory == Path::new("/") && OWN_TOP.iter().any(|own| name == *own);
        if is_own || hidden.contains(&path) {
            continue;
        }
        if kind.is_dir() && hidden.iter().any(|hidden| hidden.starts_with(&path)) {
            add(&path, hidden, into)?;
        } else if kind.is_dir() || kind.is_file() {
            into.openings.push(Opening {
                path,
                writable: false,
                optional: true,
                capabilities: Vec::new(),
            });
        } else if kind.is_symlink()
            && directory != Path::new("/")
            && let Ok(target) = std::fs::read_link(&path)
        {
            into.links.push((path, target));
        }
        if into.openings.len() + into.links.len() > PARTS_MAX {
            let step = format!("open `{}` to the run", directory.display());
            let cause = format!(
                "something in it is forbidden, and there are more than {PARTS_MAX} other things beside"
            );
            return Err(
                SetupError::unfit(step, &cause).hinting("ask for the directories that are needed")
            );
        }
    }
    Ok(())
}

/// What is in a directory, in the order of names.
fn listing(directory: &Path) -> Result<BTreeMap<OsString, FileType>, SetupError> {
    let step = || format!("read `{}`", directory.display());
    let failed = |cause| SetupError::opening(step(), cause);
    let mut listing = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        listing.insert(entry.file_name(), kind);
        if listing.len() > PARTS_MAX {
            let cause = format!(
                "something in it is forbidden, and there are more than {PARTS_MAX} other things beside"
            );
            return Err(SetupError::unfit(step(), &cause));
        }
    }
    Ok(listing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::{opening, recipe};

    fn paths(recipe: &JailRecipe) -> Vec<&str> {
        recipe
            .openings
            .iter()
            .map(|opening| opening.path.to_str().unwrap())
            .collect()
    }

    #[test]
    fn a_grant_of_everything_leaves_the_jails_own_directories_alone() {
        let expanded =
            expanded(&recipe(vec![opening("/", false), opening("/srv/x", true)])).unwrap();
        let paths = paths(&expanded);
        assert!(
            paths.contains(&"/etc") && paths.contains(&"/srv/x"),
            "{paths:?}"
        );
        assert!(
            !paths
                .iter()
                .any(|path| ["/", "/proc", "/tmp", "/dev"].contains(path)),
            "{paths:?}"
        );
    }

    #[test]
    fn a_tree_with_something_hidden_is_all_of_it_but_that() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let at = |name: &str| root.join(name).to_str().unwrap().to_owned();
        for name in ["a", "b/c", "b/keys"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        std::fs::File::create(root.join("b/file")).unwrap();
        std::os::unix::fs::symlink("file", root.join("b/link")).unwrap();
        let mut whole = recipe(vec![opening(root.to_str().unwrap(), false)]);
        whole.hidden = vec![root.join("b/keys"), root.join("not/there")];
        let expanded = expanded(&whole).unwrap();
        assert_eq!(paths(&expanded), [at("a"), at("b/c"), at("b/file")]);
        assert_eq!(
            expanded.links,
            [(root.join("b/link"), PathBuf::from("file"))]
        );
    }

    /// They are shown without a grant, and so would show what a grant goes around.
    #[test]
    fn what_the_configuration_shows_of_the_machine_is_in_parts_too() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for name in ["open", "keys", "other"] {
            std::fs::create_dir_all(root.join("tools").join(name)).unwrap();
        }
        let mut whole = recipe(Vec::new());
        whole.system_paths = vec![root.join("tools"), PathBuf::from("/opt/else")];
        whole.hidden = vec![root.join("tools/keys")];
        assert!(whole.has_parts());
        let expanded = expanded(&whole).unwrap();
        assert_eq!(expanded.system_paths, [PathBuf::from("/opt/else")]);
        let at = |name: &str| root.join("tools").join(name).to_str().unwrap().to_owned();
        assert_eq!(paths(&expanded), [at("open"), at("other")]);
    }

    #[test]
    fn what_is_written_is_never_in_parts() {
        let mut whole = recipe(vec![opening("/srv", true), opening("/srv/keys", false)]);
        whole.hidden = vec![PathBuf::from("/srv/keys"), PathBuf::from("/srvx/a")];
        assert!(!whole.has_parts());
    }
}
