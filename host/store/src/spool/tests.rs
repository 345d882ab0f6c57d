use std::io::{Read, Write};

use host_core::RunId;

use super::{CreateRunError, OpenRunError, ReadRunError, RunSpool, SpoolFile};
use crate::lab::{Lab, get, make_dir, mode_of, names_in, put};

fn run(number: u64) -> RunId {
    format!("{number:032x}").parse().unwrap()
}

fn write(spool: &RunSpool, file: SpoolFile, text: &str) {
    spool
        .create_file(file)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}

#[test]
fn a_run_starts_at_most_once() {
    let lab = Lab::new();
    let store = lab.store();
    let spool = store.create_run(run(1)).unwrap();
    assert_eq!(spool.run(), run(1));
    let again = store.create_run(run(1));
    assert!(matches!(again, Err(CreateRunError::RunExists { run: found }) if found == run(1)));
    drop(spool);
    assert!(matches!(
        lab.store().create_run(run(1)),
        Err(CreateRunError::RunExists { .. })
    ));
    let directory = lab.path("state/runs/00000000000000000000000000000001");
    assert_eq!(mode_of(&directory), 0o700);
}

#[test]
fn one_of_many_starts_the_run() {
    let lab = Lab::new();
    let store = lab.store();
    let started = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| store.create_run(run(7)).is_ok()))
            .collect();
        let started = starting.into_iter().map(|thread| thread.join().unwrap());
        started.filter(|started| *started).count()
    });
    assert_eq!(started, 1);
}

#[test]
fn what_a_run_wrote_is_read_later() {
    let lab = Lab::new();
    let spool = lab.store().create_run(run(1)).unwrap();
    write(&spool, SpoolFile::Stdout, "out");
    write(&spool, SpoolFile::Stderr, "err");
    write(&spool, SpoolFile::Report, "{}");
    spool.sync().unwrap();

    let store = lab.store();
    let spool = store.open_run(run(1)).unwrap();
    assert_eq!(spool.read(SpoolFile::Stdout, 3).unwrap(), b"out");
    assert_eq!(spool.read(SpoolFile::Report, 100).unwrap(), b"{}");
    let read = spool.read(SpoolFile::Stderr, 2);
    assert!(matches!(
        read,
        Err(ReadRunError::TooLarge {
            name: "stderr",
            size_max: 2
        })
    ));
    let mut text = String::new();
    spool
        .open_file(SpoolFile::Stderr)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "err");
    assert_eq!(
        mode_of(
            &lab.path("state/runs")
                .join(run(1).to_string())
                .join("stdout")
        ),
        0o600
    );
}

#[test]
fn what_is_not_there_is_missing() {
    let lab = Lab::new();
    let store = lab.store();
    assert!(matches!(
        store.open_run(run(1)),
        Err(OpenRunError::Missing { .. })
    ));
    let spool = store.create_run(run(1)).unwrap();
    assert!(matches!(
        store.open_run(run(2)),
        Err(OpenRunError::Missing { .. })
    ));
    assert!(matches!(
        spool.read(SpoolFile::Stdout, 1),
        Err(ReadRunError::Missing { name: "stdout" })
    ));
    assert!(spool.artifacts().unwrap().is_none());
}

#[test]
fn a_file_is_created_once() {
    let lab = Lab::new();
    let spool = lab.store().create_run(run(1)).unwrap();
    write(&spool, SpoolFile::Stdout, "first");
    assert!(spool.create_file(SpoolFile::Stdout).is_err());
    assert_eq!(spool.read(SpoolFile::Stdout, 10).unwrap(), b"first");
}

#[test]
fn a_redacted_stream_holds_only_the_new_bytes() {
    let lab = Lab::new();
    let spool = lab.store().create_run(run(1)).unwrap();
    write(&spool, SpoolFile::Stdout, "password=canary");
    spool.redact(SpoolFile::Stdout, b"password=***").unwrap();
    assert_eq!(spool.read(SpoolFile::Stdout, 100).unwrap(), b"password=***");
    let directory = lab.path("state/runs").join(run(1).to_string());
    assert_eq!(names_in(&directory), ["stdout"]);
    assert_eq!(mode_of(&directory.join("stdout")), 0o600);
    assert_eq!(get(&directory.join("stdout")), b"password=***");
}

#[test]
fn runs_are_listed_newest_first() {
    let lab = Lab::new();
    let store = lab.store();
    assert_eq!(store.runs(10).unwrap(), []);
    for number in [5, 1, 9, 3] {
        store.create_run(run(number)).unwrap();
    }
    make_dir(&lab.path("state/runs/not a run"), 0o700);
    put(&lab.path("state/runs/stray"), "", 0o600);
    assert_eq!(store.runs(10).unwrap(), [run(9), run(5), run(3), run(1)]);
    assert_eq!(store.runs(2).unwrap(), [run(9), run(5)]);
    assert_eq!(store.runs(0).unwrap(), []);
}

#[test]
fn artifacts_have_a_directory_of_their_own() {
    let lab = Lab::new();
    let store = lab.store();
    let spool = store.create_run(run(1)).unwrap();
    spool
        .create_artifacts()
        .unwrap()
        .create("report.txt")
        .unwrap();
    let artifacts = store
        .open_run(run(1))
        .unwrap()
        .artifacts()
        .unwrap()
        .unwrap();
    assert!(artifacts.is_file("report.txt"));
    assert!(artifacts.open("../../../journal.jsonl").is_err());
}

#[test]
fn an_abandoned_run_can_start_again() {
    let lab = Lab::new();
    let store = lab.store();
    let spool = store.create_run(run(1)).unwrap();
    write(&spool, SpoolFile::Stdout, "half");
    spool.abandon().unwrap();
    let spool = store.create_run(run(1)).unwrap();
    assert!(matches!(
        spool.read(SpoolFile::Stdout, 1),
        Err(ReadRunError::Missing { .. })
    ));
}
