use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::recipe::tests::{opening, recipe};

/// A directory with `b/keys` in it, which is to be hidden, and other things.
struct Tree {
    _directory: tempfile::TempDir,
    root: PathBuf,
}

impl Tree {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for name in ["a", "b/c", "b/keys"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::File::create(root.join("b/file")).unwrap();
        symlink("file", root.join("b/link")).unwrap();
        Self {
            _directory: directory,
            root,
        }
    }

    fn at(&self, name: &str) -> String {
        let path: PathBuf = self.root.join(name).components().collect();
        path.to_str().unwrap().to_owned()
    }

    /// What becomes of a grant of `name`, if `hidden` is not to be shown.
    fn expanded(&self, name: &str, hidden: &str, optional: bool) -> Result<JailRecipe, SetupError> {
        let asked = Opening {
            optional,
            ..opening(&self.at(name), false)
        };
        expanded(JailRecipe {
            hidden: vec![self.root.join(hidden)],
            ..recipe(vec![asked])
        })
    }
}

fn paths(recipe: &JailRecipe) -> Vec<&str> {
    let paths = recipe.openings.iter();
    paths
        .map(|opening| opening.path.to_str().unwrap())
        .collect()
}

fn directories(recipe: &JailRecipe) -> Vec<&str> {
    let directories = recipe.apart.directories.keys();
    directories.map(|path| path.to_str().unwrap()).collect()
}

#[test]
fn a_grant_of_everything_leaves_the_jails_own_directories_alone() {
    let asked = vec![opening("/", false), opening("/srv/x", true)];
    let expanded = expanded(recipe(asked)).unwrap();
    let paths = paths(&expanded);
    assert!(
        paths.contains(&"/etc") && paths.contains(&"/srv/x"),
        "{paths:?}"
    );
    let own = ["/", "/proc", "/tmp", "/dev"];
    assert!(!paths.iter().any(|path| own.contains(path)), "{paths:?}");
    assert_eq!(directories(&expanded), [""; 0]);
}

#[test]
fn a_tree_with_something_hidden_is_all_of_it_but_that() {
    let tree = Tree::new();
    let mut whole = recipe(vec![opening(&tree.at(""), false)]);
    whole.hidden = vec![tree.root.join("b/keys"), tree.root.join("not/there")];
    assert!(whole.has_parts());
    let expanded = expanded(whole).unwrap();
    let at = |name| tree.at(name);
    assert_eq!(paths(&expanded), [at("a"), at("b/c"), at("b/file")]);
    let links = [(tree.root.join("b/link"), PathBuf::from("file"))];
    assert_eq!(expanded.apart.links, links);
    assert_eq!(
        directories(&expanded),
        [tree.root.to_str().unwrap(), &at("b")]
    );
    let owner = expanded.apart.tree_of(&tree.root.join("b/file")).unwrap();
    assert_eq!(owner.0, tree.root);
}

/// A directory in which there is nothing else was not there at all.
#[test]
fn a_directory_with_nothing_but_what_is_hidden_is_an_empty_one() {
    let tree = Tree::new();
    let expanded = tree.expanded("a", "a/private", false).unwrap();
    assert_eq!(paths(&expanded), [""; 0]);
    assert_eq!(directories(&expanded), [tree.at("a")]);
}

/// Whatever is wrong with a tree in parts refused the run, also where it could do without.
#[test]
fn what_is_not_there_is_done_without_and_never_opened_later() {
    let tree = Tree::new();
    for optional in [true, false] {
        let expanded = tree.expanded("gone", "gone/keys", optional).unwrap();
        assert_eq!(paths(&expanded), [tree.at("gone")]);
        let shut = expanded.apart.shut.get(&tree.root.join("gone")).unwrap();
        assert_eq!(shut, "no such file or directory");
    }
}

/// It was listed by its link, and none of its parts could be opened: the run saw nothing, and was not refused.
#[test]
fn a_tree_behind_a_link_is_refused_and_not_empty() {
    let tree = Tree::new();
    symlink("b", tree.root.join("alias")).unwrap();
    let refused = tree.expanded("alias", "alias/keys", false).unwrap_err();
    assert!(refused.cause.contains("is a link to"), "{refused:?}");
    let without = tree.expanded("alias", "alias/keys", true).unwrap();
    assert!(without.apart.shut.contains_key(&tree.root.join("alias")));
}

#[test]
fn a_file_with_a_name_below_it_forbidden_is_opened_as_it_is() {
    let tree = Tree::new();
    let expanded = tree.expanded("b/file", "b/file/below", false).unwrap();
    assert_eq!(paths(&expanded), [tree.at("b/file")]);
    assert!(expanded.apart.shut.is_empty());
    assert!(!expanded.openings[0].is_part());
}

#[test]
fn more_parts_than_there_may_be_refuse_only_what_is_needed() {
    let tree = Tree::new();
    for number in 0..=PARTS_MAX {
        fs::File::create(tree.root.join("a").join(number.to_string())).unwrap();
    }
    let refused = tree.expanded("a", "a/private", false).unwrap_err();
    assert!(refused.cause.contains("4096"), "{refused:?}");
    let without = tree.expanded("a", "a/private", true).unwrap();
    assert!(without.apart.shut.contains_key(&tree.root.join("a")));
}

/// Parts were shown with the rights of who owns each, below directories that anyone could enter: a forbid opened what
/// the same grant without it did not.
#[test]
fn a_forbid_opens_nothing_that_the_whole_tree_does_not() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let tree = Tree::new();
    let below = tree.root.join("b");
    std::os::unix::fs::chown(&below, Some(65_534), Some(65_534)).unwrap();
    for (mode, is_entered, is_listed) in [
        (0o700, false, false),
        (0o750, false, false),
        (0o711, true, false),
        (0o755, true, true),
    ] {
        fs::set_permissions(&below, fs::Permissions::from_mode(mode)).unwrap();
        let expanded = tree.expanded("", "b/keys", false).unwrap();
        let is_seen = paths(&expanded).contains(&tree.at("b/c").as_str());
        assert_eq!(is_seen, is_entered, "{mode:o}");
        let shut = expanded.apart.shut.contains_key(&below);
        assert_eq!(shut, !is_entered, "{mode:o}");
        let listed = expanded.apart.directories.get(&below) == Some(&true);
        assert_eq!(listed, is_listed, "{mode:o}");
    }
}

/// They are shown without a grant, and so would show what a grant goes around.
#[test]
fn what_the_configuration_shows_of_the_machine_is_in_parts_too() {
    let tree = Tree::new();
    let expanded_with = |system_paths: &[&str], hidden: &str| {
        let whole = JailRecipe {
            system_paths: system_paths
                .iter()
                .map(|path| tree.root.join(path))
                .collect(),
            hidden: vec![tree.root.join(hidden)],
            ..recipe(Vec::new())
        };
        assert!(whole.has_parts());
        let expanded = expanded(whole).unwrap();
        assert!(expanded.openings.is_empty(), "{:?}", expanded.openings);
        expanded.system_paths
    };
    let at = |name: &str| tree.root.join(name);
    assert_eq!(
        expanded_with(&["b", "a"], "b/keys"),
        [at("b/c"), at("b/file"), at("a")]
    );
    // What lies in something that is hidden was shown nevertheless.
    for hidden in ["b", "b/c", ""] {
        assert_eq!(
            expanded_with(&["b/c"], hidden),
            Vec::<PathBuf>::new(),
            "{hidden}"
        );
    }
}

#[test]
fn what_is_written_is_never_in_parts() {
    let mut whole = recipe(vec![opening("/srv", true), opening("/srv/keys", false)]);
    whole.hidden = vec![PathBuf::from("/srv/keys"), PathBuf::from("/srvx/a")];
    assert!(!whole.has_parts());
}
