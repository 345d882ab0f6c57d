//! `host audit rekey`: begins a key of the audit log that is kept elsewhere, and reads one back.

use std::fs::{OpenOptions, remove_file};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use host_core::Digest;
use host_store::{ChainKey, Privacy, read_owned};
use serde_json::{Value, json};

use super::{open_to_write, unrecorded};
use crate::app::Context;
use crate::clock;
use crate::commands::bundle;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;
use crate::wording::shown;

/// The format of the file.
const FORMAT: &str = "host.audit-key/1";

/// The longest file that is read as a key, in bytes.
const KEY_BYTES_MAX: u64 = 1_024;

/// Begin a key that proves the records behind it, and write it to FILE
///
/// Each record has a code by a key that is gone when the record is written. Whoever has the key with which the codes
/// began can check all of them: then not even somebody with all rights on this machine can write the log anew. Move FILE
/// to another machine, and leave no copy here.
#[derive(Args, Debug)]
pub(crate) struct RekeyArgs {
    /// Where to write the key; there must be no such file
    file: PathBuf,
}

pub(super) fn run(context: &Context, arguments: &RekeyArgs) -> Result<Exit, Failure> {
    let path = arguments.file.as_path();
    let store = open_to_write(context)?;
    let bytes: [u8; 32] = clock::random()?;
    let key = ChainKey::from_bytes(bytes);
    // ORDER: the key is on disk before the log says that it counts.
    write(path, &key)?;
    let head = store
        .journal()
        .rekey(clock::timestamp(), &key)
        .map_err(|error| {
            // It was never of use. Should this fail too, the file proves nothing, and `verify --key` says so.
            let _ = remove_file(path);
            unrecorded(&error)
        })?;
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        printer.line(&format!(
            "record {} begins the key in {}",
            head.seq,
            shown(path)
        ));
        printer.hint("move it to another machine; there: host audit verify --key FILE");
    } else {
        printer.json(&json!({
            "format": "host.audit-rekey/1",
            "seq": head.seq,
            "head": head.to_string(),
            "file": path,
        }));
    }
    Ok(Exit::Done)
}

/// Reads a key that was kept elsewhere.
pub(super) fn read(path: &Path) -> Result<ChainKey, Failure> {
    let absolute =
        std::path::absolute(path).map_err(|error| crate::commands::source::unread(path, &error))?;
    let bytes = read_owned(&absolute, KEY_BYTES_MAX, Privacy::Private)
        .map_err(|error| Failure::new(Exit::Usage, &error))?;
    parse(&bytes).ok_or_else(|| {
        Failure::usage(format!("`{}` is no key of an audit log", shown(path)))
            .hint("such a key is written by `host audit rekey FILE`")
    })
}

fn parse(bytes: &[u8]) -> Option<ChainKey> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let is_key = value.get("format")?.as_str()? == FORMAT;
    let key: Digest = value.get("key")?.as_str()?.parse().ok()?;
    Some(ChainKey::from_bytes(*key.as_bytes())).filter(|_| is_key)
}

fn text(key: &ChainKey) -> String {
    let bytes = Digest::from_bytes(*key.as_bytes());
    format!("{}\n", json!({"format": FORMAT, "key": bytes}))
}

fn write(path: &Path, key: &ChainKey) -> Result<(), Failure> {
    let unwritten = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage(format!(
            "there is a `{}` already, and a key is never overwritten",
            shown(path)
        )),
        _ => bundle::unwritten(path, &error),
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(path).map_err(unwritten)?;
    let written = file
        .write_all(text(key).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| bundle::sync_parent(path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = remove_file(path);
    }
    written.map_err(unwritten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = ChainKey::from_bytes([0xab; 32]);
        assert_eq!(parse(text(&key).as_bytes()), Some(key));
        for bad in [
            "",
            "{}",
            "{\"format\":\"host.audit-key/2\",\"key\":\"\"}",
            &format!(
                "{{\"format\":\"host.audit-key/1\",\"key\":\"{}\"}}",
                "AB".repeat(32)
            ),
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn no_file_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = ChainKey::from_bytes([1; 32]);
        write(&path, &key).unwrap();
        assert_eq!(read(&path).unwrap(), key);
        assert_eq!(write(&path, &key).unwrap_err().exit, Exit::Usage);
    }
}
