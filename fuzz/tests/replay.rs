//! Replays the corpus through the oracles on a stable compiler, each file as it is and with many random changes.
//!
//! The changes come from a fixed seed, so that every run does the same; a failure shows the bytes that failed.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test helpers read our own corpus and report by panicking"
)]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use host_fuzz::{ORACLES, Oracle};

/// Largest file of a corpus, in bytes.
const FILE_BYTES_MAX: usize = 4095;

/// How many changed versions of each file are tried.
const CHANGED_PER_FILE: usize = 3_000;

/// The same where each is a program that runs, on files of its own.
const CHANGED_PER_PROGRAM: usize = 200;
const PROGRAMS: &str = "wasi_calls";

/// How many times as many changes are made; for whoever has minutes to spare.
const TIMES: &str = "HOST_FUZZ_TIMES";

/// Bytes in a block of a tar.
const BLOCK_BYTES: usize = 512;

/// Most changes in one version.
const CHANGES_MAX: u64 = 6;

#[test]
fn every_oracle_has_a_corpus_and_a_target_and_nothing_else_does() {
    let oracles: BTreeSet<String> = ORACLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(oracles.len(), ORACLES.len());
    let named = |directory: &str| -> BTreeSet<String> {
        let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        listed(Path::new(directory)).iter().map(stem).collect()
    };
    assert_eq!(
        named(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")),
        oracles
    );
    let targets = concat!(env!("CARGO_MANIFEST_DIR"), "/targets");
    assert_eq!(named(&format!("{targets}/fuzz_targets")), oracles);
    let glue = std::fs::read_to_string(format!("{targets}/Cargo.toml")).unwrap();
    for name in oracles {
        assert!(glue.contains(&format!("name = \"{name}\"\n")), "{name}");
        let target = std::fs::read_to_string(format!("{targets}/fuzz_targets/{name}.rs")).unwrap();
        assert!(
            target.contains(&format!("host_fuzz::{name}::check(data)")),
            "{name}"
        );
    }
}

#[test]
fn every_file_of_the_corpus_passes_its_oracle() {
    check_each(|name, oracle| {
        for (path, bytes) in corpus(name) {
            assert!(bytes.len() <= FILE_BYTES_MAX, "{} is large", path.display());
            run(name, oracle, &bytes)?;
        }
        Ok(())
    });
}

#[test]
fn every_file_of_the_corpus_passes_with_random_changes_too() {
    check_each(|name, oracle| {
        let files: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, bytes)| bytes).collect();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for file in &files {
            let changed = if name == PROGRAMS {
                CHANGED_PER_PROGRAM
            } else {
                CHANGED_PER_FILE
            };
            for _ in 0..changed * times() {
                run(name, oracle, &random.changed(file, &files))?;
            }
        }
        Ok(())
    });
}

/// Without this no change behind the first header of a tar would ever be looked at.
#[test]
fn every_tar_of_the_corpus_passes_with_its_blocks_changed_too() {
    for (name, oracle) in ORACLES {
        if !matches!(name, "plain_tar" | "bundle") {
            continue;
        }
        let files: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, bytes)| bytes).collect();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for file in &files {
            for _ in 0..CHANGED_PER_FILE {
                run(name, oracle, &random.changed_tar(file, &files)).unwrap();
            }
        }
    }
}

#[test]
fn a_tar_with_changed_blocks_is_read_to_its_end() {
    let files: Vec<Vec<u8>> = corpus("plain_tar")
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let is_read = |tar: &Vec<u8>| host_bundle::read_plain_tar(tar.as_slice()).is_ok();
    let changed = files.iter().flat_map(|file| {
        (0..300)
            .map(|_| random.changed_tar(file, &files))
            .collect::<Vec<_>>()
    });
    let read = changed.filter(is_read).count();
    // Without their checksums fewer are: those whose contents alone were changed.
    assert!(read > files.len() * 30, "{read} of {}", files.len() * 300);
}

fn times() -> usize {
    let times = std::env::var(TIMES).ok();
    times.map_or(1, |times| times.parse().expect("a number"))
}

/// Goes through all oracles before it fails with what each of them said first.
fn check_each(check: impl Fn(&str, Oracle) -> Result<(), String>) {
    let failures: Vec<String> = ORACLES
        .iter()
        .filter_map(|(name, oracle)| check(name, *oracle).err())
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn run(name: &str, oracle: Oracle, bytes: &[u8]) -> Result<(), String> {
    let failed = |_| format!("{name} fails on b\"{}\"", bytes.escape_ascii());
    catch_unwind(|| oracle(bytes)).map_err(failed)
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    listed(&directory)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

fn listed(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", directory.display());
    paths
}

/// Where the fields of a header begin that say what a member is.
const HEADER_FIELDS: [usize; 8] = [0, 96, 100, 124, 156, 257, 345, 496];

/// Magics with versions, two of which nobody writes.
const MAGICS: [&[u8; 8]; 4] = [b"ustar\x0000", b"ustar  \0", b"ustar\0  ", &[0; 8]];

/// Sizes of nothing, a byte, a block and more than that.
const SIZES: [&[u8; 12]; 4] = [
    b"00000000000\0",
    b"00000000001\0",
    b"00000001000\0",
    b"00000001001\0",
];

/// Puts the right checksum into a block that has one.
fn mend_checksum(block: &mut [u8]) {
    if !block[148..154]
        .iter()
        .all(|byte| (b'0'..=b'7').contains(byte))
    {
        return;
    }
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// Marsaglia's xorshift with 64 bits.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// A version of `file` with a few changes, some of them taken from the other files.
    fn changed(&mut self, file: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = file.to_vec();
        for _ in 0..=self.next() % CHANGES_MAX {
            let place = self.below(bytes.len() + 1);
            let end = (place + self.below(9)).min(bytes.len());
            match self.next() % 6 {
                0 => drop(bytes.drain(place..end)),
                1 => bytes.insert(place, self.letter()),
                2 if place < bytes.len() => bytes[place] = self.letter(),
                3 => drop(bytes.splice(place..end, self.word().bytes())),
                4 => {
                    let copy = bytes[place..end].to_vec();
                    drop(bytes.splice(place..place, copy));
                }
                _ => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len());
                    let to = (from + self.below(33)).min(other.len());
                    drop(bytes.splice(place..end, other[from..to].iter().copied()));
                }
            }
        }
        bytes
    }

    /// A version of a tar in which blocks came, went or changed, and every header has its checksum.
    fn changed_tar(&mut self, file: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = file.to_vec();
        for _ in 0..=self.next() % 3 {
            let blocks = bytes.len() / BLOCK_BYTES;
            let block = self.below(blocks) * BLOCK_BYTES;
            let field = HEADER_FIELDS[self.below(HEADER_FIELDS.len())];
            let place = (block + field + self.below(8)).min(bytes.len() - 1);
            match self.next() % 8 {
                0 => drop(bytes.drain(block..block + BLOCK_BYTES)),
                1 => {
                    let other = &others[self.below(others.len())];
                    let from = self.below(other.len() / BLOCK_BYTES) * BLOCK_BYTES;
                    let copy = other[from..from + BLOCK_BYTES].to_vec();
                    drop(bytes.splice(block..block, copy));
                }
                2 => bytes[block + 156] = b"0\x00125KLSgx7"[self.below(11)],
                3 => bytes[(block + 257)..(block + 265)].copy_from_slice(MAGICS[self.below(4)]),
                4 => bytes[(block + 124)..(block + 136)].copy_from_slice(SIZES[self.below(4)]),
                _ => bytes[place] = self.letter(),
            }
            if bytes.len() < BLOCK_BYTES {
                return file.to_vec();
            }
        }
        for block in bytes.chunks_exact_mut(BLOCK_BYTES) {
            mend_checksum(block);
        }
        bytes
    }

    /// A word that means something to one of the parsers.
    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 16] = [
            "..",
            "../",
            "/./",
            "//",
            "%2f",
            "${",
            "${x}",
            "{raw}",
            "--",
            "root",
            "127.0.0.1",
            "null",
            "*",
            "\\u{202e}",
            "\"",
            "Sensitive[",
        ];
        WORDS[self.below(WORDS.len())]
    }

    /// Any byte, and half of the time one that means something to a parser.
    fn letter(&mut self) -> u8 {
        const TELLING: &[u8] = b"\0\t\n -/.:,;*?$%@!#=<>~_'\"\\(){}[]|09azAZ\x7f\xc2\xff";
        let any = self.next().to_le_bytes()[0];
        if self.next().is_multiple_of(2) {
            any
        } else {
            TELLING[usize::from(any) % TELLING.len()]
        }
    }
}
