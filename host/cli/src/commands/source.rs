//! What a person named to be opened, and cannot be: said in the same words by every command.
//!
//! Foreign bytes are never repeated. What is no bundle is told what it is where its first bytes say so.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use host_bundle::{OpenBundleError, PackError, PlainTarError, VerifyBundleError};
use host_core::{Shown, TaskName};
use host_node::{LoadError, SourceError};
use host_task::TaskError;
use host_trust::DistrustError;

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wording::{reason, shown};

/// What helps where a bundle's bytes are not what they were.
const GET_AGAIN: &str = "get the bundle again from whoever sealed it";
/// Bytes at the beginning of a file that tell formats apart.
const MAGIC_BYTES: usize = 6;

/// A file or directory that cannot be read.
pub(crate) fn unread(path: &Path, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::NotFound {
        return missing(path);
    }
    Failure::usage(format!("cannot read `{}`: {}", shown(path), reason(error)))
}

/// A file or directory that is not there.
pub(crate) fn missing(path: &Path) -> Failure {
    Failure::usage(format!("there is no `{}`", shown(path)))
}

/// A bundle whose front is not that of a bundle.
pub(crate) fn unopened(path: &Path, error: &OpenBundleError) -> Failure {
    Failure::new(Exit::Untrusted, error)
        .within(format!("`{}` cannot be opened", shown(path)))
        .hint(GET_AGAIN)
}

/// A bundle with a byte that is not as its manifest says.
pub(crate) fn damaged(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Untrusted, error)
        .within(format!("`{}` is damaged", shown(path)))
        .hint(GET_AGAIN)
}

/// A module that cannot be sealed, and what to do about it.
pub(crate) fn unsealed(path: &Path, error: &SourceError) -> Failure {
    let failure = Failure::new(Exit::Usage, error);
    match error {
        SourceError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            unread(path, source)
        }
        SourceError::NotAModule { .. } => {
            failure.hint("name the directory of a module: the one that holds `tasks`")
        }
        SourceError::Several { .. } => failure.hint("make a tar of one of them"),
        SourceError::NoTask { .. } => failure
            .hint("put a program there, such as tasks/init.sh, which is the module's own task"),
        SourceError::Nameless { .. } => failure
            .hint("name it in metadata.json: {\"name\": \"you-mymodule\", \"version\": \"0.1.0\"}"),
        SourceError::Versionless { .. } => {
            failure.hint("state it in metadata.json, or say --version 0.1.0")
        }
        SourceError::Missing { .. } => failure.hint(
            "say where the other module's directory is: --modulepath DIR, or HOST_MODULEPATH=DIR",
        ),
        SourceError::ModulePath { .. } => {
            failure.hint("`host config show` says where `modulepath` comes from")
        }
        SourceError::Special { .. } => {
            failure.hint("put the file or directory itself in its place")
        }
        SourceError::NotUtf8 { .. } => failure.hint("give it another name, or take it out"),
        SourceError::Pack {
            source: PackError::Write(_),
            ..
        } => Failure {
            exit: Exit::Machine,
            ..failure
        },
        _ => failure,
    }
}

/// A bundle or directory that cannot be loaded for a run.
pub(crate) fn unloaded(path: &Path, error: &LoadError) -> Failure {
    match error {
        LoadError::Read { source, .. } => unread(path, source),
        LoadError::Source(source) => unsealed(path, source),
        LoadError::Plain { source, .. } => neither(path, source),
        LoadError::Open { source, .. } => unopened(path, source),
        LoadError::Receive { source, .. } => damaged(path, source),
        LoadError::Distrusted { source, .. } => distrusted(path, source),
        LoadError::Keep { .. } | LoadError::Cache { .. } => Failure::new(Exit::Machine, error),
        _ => Failure::new(Exit::Untrusted, error).hint(GET_AGAIN),
    }
}

/// A bundle that nobody who is trusted here signed.
fn distrusted(path: &Path, error: &VerifyBundleError) -> Failure {
    let VerifyBundleError::Distrusted { module, source, .. } = error else {
        return Failure::new(Exit::Untrusted, error)
            .within(format!("`{}` is not trusted", shown(path)));
    };
    untrusted(path, module, source)
}

/// A bundle of `module` that the trust list does not accept.
pub(crate) fn untrusted(path: &Path, module: &str, error: &DistrustError) -> Failure {
    let shown = shown(path);
    // What the trust list says of which bundle is said by its path.
    let failure = Failure::new(Exit::Untrusted, error).within(format!("`{shown}` is not trusted"));
    match error {
        DistrustError::Unsigned => failure.hint(format!(
            "its author signs it with `host bundle sign {shown}`; your own module runs from its directory unsigned"
        )),
        DistrustError::UnknownKeys { .. } => failure.hint(format!(
            "look at it with `host bundle show {shown}`, then trust the key of its author:\n        host trust add KEY.pub --owner NAME"
        )),
        _ => Failure { hint: advice(module, error), ..failure },
    }
}

/// What helps where a bundle is not trusted although it is signed, and not by an unknown key alone.
///
/// A revoked key or bundle, or a version that is too low, is no matter of adding keys: that would undo what somebody
/// decided.
pub(crate) fn advice(module: &str, error: &DistrustError) -> Option<String> {
    Some(match error {
        DistrustError::RevokedBundle { .. } | DistrustError::TooOld { .. } => {
            "get a newer bundle from its author".to_owned()
        }
        DistrustError::UnknownVersion { .. } => {
            "get a bundle from its author whose version is written like 1.2.3".to_owned()
        }
        DistrustError::RevokedKey { .. } => {
            "get a newer bundle from its author, signed by a key that is not revoked".to_owned()
        }
        DistrustError::Expired { .. } => {
            "get a newer bundle from its author, signed by a key that is trusted now".to_owned()
        }
        DistrustError::TooFewOwners { .. } => {
            "another owner of a trusted key must sign it: host bundle sign FILE".to_owned()
        }
        DistrustError::OtherModules { .. } => {
            format!(
                "if that is meant, `host trust add` its key again with --module {}",
                Shown(module)
            )
        }
        DistrustError::BadSignature { .. } | DistrustError::OtherManifest { .. } => {
            GET_AGAIN.to_owned()
        }
        _ => return None,
    })
}

/// A file that is no sealed bundle, and no plain tar of a module for the reason of `error`.
pub(crate) fn neither(path: &Path, error: &PlainTarError) -> Failure {
    if let PlainTarError::TooLarge = error {
        return Failure::usage(format!(
            "`{}` is a plain tar of more than 256 MiB",
            shown(path)
        ))
        .hint("unpack it and seal the module with `host bundle pack DIR`");
    }
    let neither = || {
        Failure::new(Exit::Usage, error).within(format!(
            "`{}` is neither a sealed bundle nor a tar of a module",
            shown(path)
        ))
    };
    other_format(path).unwrap_or_else(neither)
}

/// What a file is that is no bundle, as far as its first bytes say, and how to make one of it.
pub(crate) fn other_format(path: &Path) -> Option<Failure> {
    let mut first = Vec::new();
    // Opening what is no file may wait, or take something away.
    if !path.is_file() {
        return None;
    }
    let file = File::open(path).ok()?;
    file.take(MAGIC_BYTES as u64).read_to_end(&mut first).ok()?;
    let shown = shown(path);
    if first.starts_with(b"#!") {
        let hint = "a module is the directory around it: the one above the `tasks` directory that it lies in";
        return Some(Failure::usage(format!("`{shown}` is a script")).hint(hint));
    }
    if first.starts_with(b"PK\x03\x04") {
        let hint = format!("unzip {shown}, then name the module's directory");
        return Some(Failure::usage(format!("`{shown}` is a zip archive")).hint(hint));
    }
    if first.starts_with(b"\0asm") {
        let hint = format!(
            "a program runs as it is: host run {shown}; in a module it is a file of `tasks`"
        );
        return Some(Failure::usage(format!("`{shown}` is a WebAssembly program")).hint(hint));
    }
    let (program, unpack) = compression(&first)?;
    Some(
        Failure::usage(format!("`{shown}` is compressed with {program}"))
            .hint(format!("{unpack} {shown}")),
    )
}

/// The program that compressed what begins like this, and how to have the content beside it.
fn compression(first: &[u8]) -> Option<(&'static str, &'static str)> {
    const KNOWN: [(&[u8], &str, &str); 4] = [
        (b"\x1f\x8b", "gzip", "gunzip -k"),
        (b"BZh", "bzip2", "bunzip2 -k"),
        (b"\xfd7zXZ\0", "xz", "unxz -k"),
        (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    ];
    let known = KNOWN.iter().find(|(magic, ..)| first.starts_with(magic));
    known.map(|(_, program, unpack)| (*program, *unpack))
}

/// A task that is there and cannot be used, with the file that is to blame.
pub(crate) fn broken(error: &TaskError) -> Failure {
    let mut failure = Failure::new(Exit::Usage, error);
    if let Some((file, task)) = metadata_file(error)
        && let Some(first) = failure.chain.first_mut()
    {
        *first = format!("`{file}` of task `{task}` cannot be used");
    }
    failure
}

/// The same without saying that it cannot be used, for where that has been said.
pub(crate) fn broken_because(error: &TaskError) -> String {
    let mut chain = broken(error).chain;
    if let Some((file, _)) = metadata_file(error)
        && let Some(first) = chain.first_mut()
    {
        *first = format!("`{file}`");
    }
    chain.join(": ")
}

fn metadata_file(error: &TaskError) -> Option<(String, &TaskName)> {
    match error {
        TaskError::Metadata { task, .. } | TaskError::Unread { task, .. } => {
            Some((format!("tasks/{}.json", task.short()), task))
        }
        _ => None,
    }
}

/// Where the modules are that the one at `path` may need; usually they lie side by side.
///
/// What a person typed as such a place must be one; what the settings say is looked at when a module is looked for.
pub(crate) fn modulepath(
    context: &Context,
    path: &Path,
    typed: &[PathBuf],
) -> Result<Vec<PathBuf>, Failure> {
    let settings = &context.settings;
    if let Some(missing_one) = typed.iter().find(|path| !path.is_dir()) {
        return Err(not_there(missing_one).within("--modulepath cannot be used"));
    }
    let siblings = path.canonicalize().ok().filter(|path| path.is_dir());
    let siblings = siblings.and_then(|path| path.parent().map(Path::to_owned));
    let all = typed.iter().chain(&settings.modulepath);
    Ok(all.cloned().chain(siblings).collect())
}

fn not_there(path: &Path) -> Failure {
    if path.exists() {
        Failure::usage(format!("`{}` is no directory", shown(path)))
    } else {
        missing(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bundle_is_told_by_its_first_bytes() {
        for (first, message, hint) in [
            (&b"\x1f\x8b\x08"[..], "compressed with gzip", "gunzip -k "),
            (b"BZh9", "compressed with bzip2", "bunzip2 -k "),
            (b"\xfd7zXZ\0\0", "compressed with xz", "unxz -k "),
            (b"\x28\xb5\x2f\xfd\x04", "compressed with zstd", "unzstd "),
            (b"PK\x03\x04", "a zip archive", "unzip "),
            (b"#!/bin/sh\n", "a script", "a module is the directory"),
            (
                b"\0asm\x01\0\0\0",
                "a WebAssembly program",
                "a program runs as it is",
            ),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("it");
            File::create_new(&path)
                .and_then(|mut file| io::Write::write_all(&mut file, first))
                .unwrap();
            let failure = other_format(&path).unwrap();
            assert!(failure.to_string().ends_with(message), "{failure}");
            assert!(failure.hint.unwrap().starts_with(hint));
            assert_eq!(failure.exit, Exit::Usage);
        }
    }

    #[test]
    fn what_only_begins_alike_is_nothing_that_we_know() {
        for first in [&b""[..], b"\x1f", b"BZ", b"PK\x01\x02", b"# a note"] {
            assert_eq!(compression(first), None);
        }
    }
}
