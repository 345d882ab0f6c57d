//! Packing: reproducible, complete, and back again.

use std::cell::Cell;
use std::io::{self, Read};

use host_bundle::{FileMode, ModuleSource, NeededModule, PackError, SourceFile, open, pack};
use proptest::prelude::*;

use crate::fixtures::{Files, chain, packed, receive, request, sealed, sha256};

/// The first form of the format, byte for byte: bundles that exist keep their ids.
#[test]
fn yesterdays_bundle_is_packed_and_read_alike() {
    let (bytes, packed) = packed(&Files::small());
    assert_eq!(
        packed.id.to_string(),
        "a53dd59f4637902d0ad7916f3a7cfd78de5bb7d0fdc3263c278c38d251b917a5"
    );
    assert_eq!(
        sha256(&bytes).to_string(),
        "76fb9e57a305159420d9f43ded54dfca4cc8951588e03211a2d6aa5e07048e2c"
    );
    let (verified, _) = receive(bytes.as_slice()).unwrap();
    assert_eq!((verified.id(), verified.signers().len()), (packed.id, 0));
}

#[test]
fn what_was_packed_is_received() {
    let long = format!("files/{}/{}", "d".repeat(120), "f".repeat(99));
    let source = Files::of(&[
        ("tasks/init.sh", true, b"#!/bin/sh\n"),
        ("files/empty", false, b""),
        ("files/block", false, &[7; 512]),
        ("files/large", false, &[9; 200_001]),
        (&long, false, b"long"),
    ]);
    let (bytes, packed) = packed(&source);
    let sealed = open(bytes.as_slice()).unwrap();
    assert_eq!(sealed.id(), sha256(sealed.manifest_bytes()));
    assert_eq!(
        (sealed.id(), sealed.manifest()),
        (packed.id, &packed.manifest)
    );
    assert_eq!(sealed.signatures(), [""; 0]);
    let (verified, kept) = receive(bytes.as_slice()).unwrap();
    assert_eq!(verified.manifest(), &packed.manifest);
    assert_eq!(kept.files.len(), source.0.len());
    for (path, executable, contents) in source.0 {
        let mode = if executable {
            FileMode::Executable
        } else {
            FileMode::Plain
        };
        assert_eq!(kept.files[&path], (mode, contents), "{path}");
    }
}

#[test]
fn the_order_of_listing_does_not_matter() {
    let mut files = Files::of(&[
        ("b", false, b"1"),
        ("a/c", true, b"2"),
        ("a.b", false, b"3"),
        ("a/B", false, b"4"),
    ]);
    let expected = sealed(&files);
    assert_eq!(sealed(&files), expected);
    files.0.reverse();
    assert_eq!(sealed(&files), expected);
    files.0.swap(0, 2);
    assert_eq!(sealed(&files), expected);
}

#[test]
fn needed_files_and_asks_are_sealed_below_host() {
    let own = Files::small();
    let other = Files::of(&[
        ("files/lib/a.sh", true, b"a"),
        ("files/lib/b/c.sh", false, b"c"),
        ("files/library", false, b"no"),
        ("types/port.pp", false, b"type Other::Port = Integer"),
        ("tasks/init.sh", true, b"no"),
    ]);
    let mut request = request(&own);
    let paths = ["files/lib/", "types/port.pp", "files/lib/a.sh"]
        .map(str::to_owned)
        .to_vec();
    request.needs.push(NeededModule {
        module: "other".parse().unwrap(),
        source: &other,
        paths,
    });
    request.overlay = Some(b"{}".to_vec());
    let mut bytes = Vec::new();
    pack(&request, &mut bytes).unwrap();
    let (_, kept) = receive(bytes.as_slice()).unwrap();
    let paths: Vec<_> = kept.files.keys().map(String::as_str).collect();
    assert_eq!(
        paths,
        [
            "host/asks.json",
            "host/modules/other/files/lib/a.sh",
            "host/modules/other/files/lib/b/c.sh",
            "host/modules/other/types/port.pp",
            "tasks/init.json",
            "tasks/init.sh",
        ]
    );
    assert_eq!(kept.files["host/asks.json"].1, b"{}");
}

#[test]
fn a_module_that_cannot_be_sealed_says_why() {
    for (path, expected) in [
        (
            "host/manifest.json",
            "file `host/manifest.json` is reserved",
        ),
        ("host/signatures.json", "is reserved"),
        ("host/modules/other/x", "is reserved"),
        ("HOST/x", "`HOST/x` collides with `host`"),
        (
            "../x",
            "file `../x` cannot be sealed: path has the segment `..`",
        ),
        ("/x", "path is absolute"),
        (
            "a\u{202e}b",
            "file `a\\u{202e}b` cannot be sealed: path has the invisible character U+202E",
        ),
        (
            "tasks/INIT.sh",
            "these files make no bundle: `tasks/init.sh` collides with `tasks/INIT.sh`",
        ),
        ("tasks", "`tasks/init.json` collides with `tasks`"),
        (&"n".repeat(101), "path does not fit a tar header"),
    ] {
        let mut files = Files::small();
        files.0.push((path.to_owned(), false, Vec::new()));
        let error = pack(&request(&files), &mut Vec::new()).unwrap_err();
        assert!(
            chain(&error).contains(expected),
            "{path}: {}",
            chain(&error)
        );
    }
}

#[test]
fn asks_are_sealed_once() {
    let mut files = Files::small();
    files
        .0
        .push(("host/asks.json".to_owned(), false, b"{}".to_vec()));
    assert!(receive(sealed(&files).as_slice()).is_ok());
    let mut request = request(&files);
    request.overlay = Some(Vec::new());
    assert!(matches!(
        pack(&request, &mut Vec::new()),
        Err(PackError::TwoOverlays)
    ));
}

#[test]
fn a_needed_file_that_is_missing_is_named() {
    let own = Files::small();
    for missing in ["files/x", "tasks/init", "tasks/init.sh/", "task/"] {
        let mut request = request(&own);
        let (module, paths) = ("other".parse().unwrap(), vec![missing.to_owned()]);
        request.needs.push(NeededModule {
            module,
            source: &own,
            paths,
        });
        let error = pack(&request, &mut Vec::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("module `other` has no file `{missing}`")
        );
    }
}

/// A file that reads differently each time it is opened.
#[derive(Debug)]
struct Restless {
    contents: Vec<&'static str>,
    opened: Cell<usize>,
}

impl ModuleSource for Restless {
    fn files(&self) -> Vec<SourceFile> {
        vec![SourceFile {
            path: "a".to_owned(),
            executable: false,
            size: 3,
        }]
    }

    fn open(&self, _: &str) -> io::Result<Box<dyn Read + '_>> {
        let contents = self.contents[self.opened.get()];
        self.opened.set(self.opened.get() + 1);
        Ok(Box::new(contents.as_bytes()))
    }
}

#[test]
fn a_file_that_changes_while_it_is_sealed_is_an_error() {
    for (contents, is_sealed) in [
        (["abc", "abc"], true),
        (["abc", "abd"], false),
        (["abc", "a"], false),
        (["abc", "abcd"], false),
        (["abcd", "abcd"], false),
        (["a", "a"], false),
    ] {
        let source = Restless {
            contents: contents.to_vec(),
            opened: Cell::new(0),
        };
        let result = pack(&request(&source), &mut Vec::new());
        match result {
            Ok(_) => assert!(is_sealed, "{contents:?}"),
            Err(PackError::Changed { path }) => assert!(!is_sealed && path == "a", "{contents:?}"),
            Err(other) => panic!("{other}"),
        }
    }
}

#[test]
fn a_writer_that_fails_ends_the_packing() {
    let whole = sealed(&Files::small()).len();
    for room in [0, 100, 512, 3000, whole - 1] {
        let mut buffer = vec![0; room];
        let result = pack(&request(&Files::small()), &mut buffer.as_mut_slice());
        assert!(matches!(result, Err(PackError::Write(_))), "{room}");
    }
    assert!(
        pack(
            &request(&Files::small()),
            &mut vec![0; whole].as_mut_slice()
        )
        .is_ok()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packing_and_receiving_is_identity(
        files in proptest::collection::btree_map(
            "[a-z]{1,8}(/[a-zé0-9 ._-]{1,30}x){0,3}",
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..3000)),
            0..12,
        ),
        piece_bytes in 1_usize..2000,
    ) {
        let files = Files(files.into_iter().map(|(path, (mode, bytes))| (path, mode, bytes)).collect());
        let mut bytes = Vec::new();
        // Names may collide by chance; then there is nothing to compare.
        if pack(&request(&files), &mut bytes).is_ok() {
            let (_, kept) = receive(Slow { bytes: &bytes, piece_bytes }).unwrap();
            prop_assert_eq!(kept.files.len(), files.0.len());
            for (path, executable, contents) in files.0 {
                let (mode, received) = &kept.files[&path];
                prop_assert_eq!(*mode == FileMode::Executable, executable);
                prop_assert_eq!(received, &contents);
            }
        }
    }
}

/// A reader that gives a few bytes at a time, and is interrupted before each.
struct Slow<'a> {
    bytes: &'a [u8],
    piece_bytes: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece_bytes % 2 == 1 {
            self.piece_bytes += 1;
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.piece_bytes -= 1;
        let count = self.piece_bytes.clamp(1, 997).min(buffer.len());
        self.bytes.read(&mut buffer[..count])
    }
}
