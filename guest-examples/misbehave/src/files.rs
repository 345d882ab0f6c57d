//! Modes that fill what a run may write to: its space, its names, its descriptors.
//!
//! The argument is the directory, `/tmp` by default. Each mode ends at the first refusal, and at a number that no
//! sensible limit allows, so that a machine without limits survives it too. Nothing is cleaned up: that is for
//! whoever made the directory.

use serde_json::{Value, json};

use crate::Argument;
use crate::how::How;
use crate::wasi::{Handle, preopens};

/// Where files are made when the argument does not say it.
const DIRECTORY: &str = "/tmp";

/// How many files are kept open at most.
const HANDLES_MAX: u64 = 10_000;

/// How much is written in all, and into one file, at most.
const FILL_BYTES_MAX: u64 = 4 << 30;
const FILE_BYTES_MAX: u64 = 64 << 20;

/// How much is written at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// How many files are made at most.
const FILES_MAX: u64 = 1_000_000;

/// How many files are listed, how long their names are, and how often at most.
const LISTED_FILES: u64 = 4_000;
const LONG_NAME_BYTES: usize = 250;
const LISTINGS_MAX: u64 = 200;

/// How deep directories are nested at most.
const DEPTH_MAX: u64 = 20_000;

/// Opens one file ten thousand times and closes none of it.
pub(crate) fn open_handles(argument: &Argument) -> Option<Value> {
    Some(in_directory(argument, |directory| {
        let mut held = Vec::new();
        let error = loop {
            match directory.open("misbehave-handle", How::CREATE) {
                Ok(handle) => held.push(handle),
                Err(error) => break Some(error),
            }
            if held.len() as u64 == HANDLES_MAX {
                break None;
            }
        };
        json!({"opened": held.len(), "error": error})
    }))
}

/// Writes files until there is no space.
pub(crate) fn fill_disk(argument: &Argument) -> Option<Value> {
    Some(in_directory(argument, |directory| {
        let block = vec![0x5a; BLOCK_BYTES];
        let (mut files, mut bytes) = (0, 0);
        let mut error = None;
        while bytes < FILL_BYTES_MAX && error.is_none() {
            let written;
            (written, error) = fill(directory, &format!("misbehave-fill-{files}"), &block);
            bytes += written;
            files += u64::from(written > 0);
        }
        json!({"bytes": bytes, "files": files, "error": error})
    }))
}

/// Writes one file; gives what went into it, and the error that it ended with.
fn fill(directory: &Handle, name: &str, block: &[u8]) -> (u64, Option<String>) {
    let mut bytes = 0;
    let file = match directory.open(name, How::CREATE) {
        Ok(file) => file,
        Err(error) => return (0, Some(error)),
    };
    while bytes < FILE_BYTES_MAX {
        match file.write(block, bytes) {
            Ok(0) => return (bytes, Some("nothing written".to_owned())),
            Ok(written) => bytes += written,
            Err(error) => return (bytes, Some(error)),
        }
    }
    (bytes, None)
}

/// Makes a million empty files.
pub(crate) fn million_files(argument: &Argument) -> Option<Value> {
    Some(in_directory(argument, |directory| {
        let mut files = 0;
        let error = loop {
            if files == FILES_MAX {
                break None;
            }
            match directory.open(&format!("misbehave-{files}"), How::CREATE) {
                Ok(_) => files += 1,
                Err(error) => break Some(error),
            }
        };
        json!({"files": files, "error": error})
    }))
}

/// Fills a directory with long names and lists it over and over, with every listing kept open.
pub(crate) fn list_directories(argument: &Argument) -> Option<Value> {
    Some(in_directory(argument, |directory| {
        for file in 0..LISTED_FILES {
            let name = format!("{file:0>width$}", width = LONG_NAME_BYTES);
            if let Err(error) = directory.open(&name, How::CREATE) {
                return json!({"files": file, "error": error});
            }
        }
        let mut held = Vec::new();
        let error = loop {
            match directory.list() {
                Ok(listing) => held.push(listing),
                Err(error) => break Some(error),
            }
            if held.len() as u64 == LISTINGS_MAX {
                break None;
            }
        };
        json!({"files": LISTED_FILES, "listings": held.len(), "error": error})
    }))
}

/// Makes a file with a hole in it as large as it may be, and writes behind the hole.
pub(crate) fn sparse(argument: &Argument) -> Option<Value> {
    Some(in_directory(argument, |directory| {
        let mut tried = Vec::new();
        for shift in [62, 50, 43, 40, 35, 30, 20] {
            let size = 1_u64 << shift;
            let answer = directory
                .open(&format!("misbehave-sparse-{shift}"), How::CREATE)
                .and_then(|file| {
                    file.set_size(size)?;
                    file.write(b"end", size)
                });
            tried.push(json!({"bytes": size, "error": answer.err()}));
        }
        json!({"tried": tried})
    }))
}

/// Nests directories, each opened from the one above, as no path could name them.
pub(crate) fn deep_directories(argument: &Argument) -> Option<Value> {
    Some(in_directory(argument, |directory| {
        let down = |above: &Handle| {
            above.make_directory("d")?;
            above.open("d", How::DIRECTORY)
        };
        let mut depth = 0;
        let mut last = down(directory);
        let error = loop {
            match last {
                Ok(handle) => {
                    depth += 1;
                    if depth == DEPTH_MAX {
                        break None;
                    }
                    last = down(&handle);
                }
                Err(error) => break Some(error),
            }
        };
        json!({"depth": depth, "error": error})
    }))
}

/// Acts in the directory of the argument, which must be one of those that are open, or below one.
fn in_directory(argument: &Argument, act: impl FnOnce(&Handle) -> Value) -> Value {
    let path = argument.text(DIRECTORY);
    let open = preopens()
        .into_iter()
        .filter_map(|(name, handle)| {
            let below = path.strip_prefix(name.trim_end_matches('/'))?;
            (below.is_empty() || below.starts_with('/')).then(|| (handle, below.to_owned()))
        })
        .min_by_key(|(_, below)| below.len());
    match open {
        None => json!({"error": format!("`{path}` is not open")}),
        Some((handle, below)) if below.trim_matches('/').is_empty() => act(&handle),
        Some((handle, below)) => match handle.open(below.trim_matches('/'), How::DIRECTORY) {
            Ok(directory) => act(&directory),
            Err(error) => json!({"error": error}),
        },
    }
}
