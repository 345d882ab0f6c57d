use rustix::mount::{MountFlags, mount_remount};
use rustix::process::geteuid;

use crate::lab::{Disk, Lab, chain, make_dir, mode_of, names_in, put, set_mode};
use crate::{OpenMode, OpenStoreError, Place, Places, Store};

#[test]
fn opening_to_write_makes_the_four_directories() {
    let lab = Lab::new();
    let places = Places {
        state: lab.path("deep/down/state"),
        ..lab.places()
    };
    let store = Store::open(&places, OpenMode::Write).unwrap();
    for place in [
        &places.config,
        &places.state,
        &places.cache,
        &places.runtime,
    ] {
        assert_eq!(mode_of(place), 0o700);
    }
    assert_eq!(store.config().unwrap().path(), places.config);
    assert_eq!(store.state().path(), places.state);
    assert_eq!(store.cache().path(), places.cache);
    assert_eq!(store.runtime().path(), places.runtime);
}

#[test]
fn opening_to_look_makes_nothing() {
    let lab = Lab::new();
    let opened = Store::open(&lab.places(), OpenMode::Read);
    assert!(matches!(
        opened,
        Err(OpenStoreError::Directory {
            place: Place::State,
            ..
        })
    ));
    assert!(names_in(&lab.path("")).is_empty());

    for place in ["state", "cache", "runtime"] {
        make_dir(&lab.path(place), 0o700);
    }
    let store = Store::open(&lab.places(), OpenMode::Read).unwrap();
    assert!(store.config().is_none());
    assert_eq!(store.runs(1).unwrap(), []);
    assert_eq!(store.journal().read().unwrap().count(), 0);
    assert_eq!(names_in(&lab.path("")), ["cache", "runtime", "state"]);
    assert!(names_in(&lab.path("state")).is_empty());
}

#[test]
fn each_place_is_judged() {
    let cases = [
        ("config", "configuration"),
        ("state", "state"),
        ("cache", "cache"),
        ("runtime", "runtime"),
    ];
    for (place, named) in cases {
        for mode in [OpenMode::Write, OpenMode::Read] {
            let lab = Lab::new();
            drop(lab.store());
            set_mode(&lab.path(place), 0o777);
            let error = Store::open(&lab.places(), mode).unwrap_err();
            let path = lab.path(place).to_str().unwrap().to_owned();
            let expected = format!(
                "{named} directory cannot be used: `{path}` has mode 0777, so others can write to it: \
                 `chmod go-w '{path}'` mends it"
            );
            assert_eq!(chain(&error), expected);
        }
    }
}

#[test]
fn a_place_that_cannot_be_made_is_named() {
    let lab = Lab::new();
    put(&lab.path("file"), "", 0o600);
    let places = Places {
        cache: lab.path("file/cache"),
        ..lab.places()
    };
    let error = Store::open(&places, OpenMode::Write).unwrap_err();
    assert!(matches!(
        error,
        OpenStoreError::Directory {
            place: Place::Cache,
            ..
        }
    ));
}

/// Root writes where the mode says no, so for root the disk itself refuses.
#[test]
fn a_state_directory_that_cannot_be_written_is_named() {
    let lab = Lab::new();
    drop(lab.store());
    let _disk = if geteuid().is_root() {
        let Some(disk) = Disk::mount(&lab.path("state"), MountFlags::empty(), 1 << 20) else {
            return;
        };
        mount_remount(lab.path("state"), MountFlags::RDONLY, "").unwrap();
        Some(disk)
    } else {
        set_mode(&lab.path("state"), 0o500);
        None
    };
    let error = Store::open(&lab.places(), OpenMode::Write).unwrap_err();
    assert!(
        matches!(
            error,
            OpenStoreError::Unwritable {
                place: Place::State,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(Store::open(&lab.places(), OpenMode::Read).is_ok());
}

#[test]
fn settings_may_be_missing_where_none_can_be_made() {
    let lab = Lab::new();
    let places = Places {
        // Nobody can make a directory there.
        config: "/proc/host".into(),
        ..lab.places()
    };
    let store = Store::open(&places, OpenMode::Write).unwrap();
    assert!(store.config().is_none());
}
