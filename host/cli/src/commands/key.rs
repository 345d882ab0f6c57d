//! `host key`: makes and shows the key that you sign with.
//!
//! A private key is written once, for its owner alone, and never over another one. It is an OpenSSH key, so
//! ssh-keygen and ssh-agent understand it.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use host_core::Shown;
use host_store::{OwnedDir, Privacy, ReadOwnedError, read_owned};
use host_trust::{KEY_FILE_BYTES_MAX, KeyFile, KeyFileError, PublicKey, Signer};
use serde_json::json;
use tempfile::{Builder, NamedTempFile, TempPath};

use crate::app::Context;
use crate::clock;
use crate::commands::bundle;
use crate::commands::source::{missing, unread};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;
use crate::wording::shown;

/// The name of the own key in the directory of settings.
const OWN: &str = "key";
/// Who may read a private key, and who a public one.
const MODES: [u32; 2] = [0o600, 0o644];

/// Make and show the key that you sign with
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    New(NewArgs),
    Show(ShowArgs),
}

/// Make an Ed25519 key to sign with
///
/// Writes an OpenSSH key pair, FILE and FILE.pub, and prints the public half. Nothing is overwritten. The
/// private half is not encrypted; for a key with a passphrase or on a token use ssh-keygen and ssh-agent.
#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// Where to write the private key [default: `key` in the directory of settings]
    file: Option<PathBuf>,

    /// Whose key it is, for people (USER@MACHINE where nothing is said)
    #[arg(long, value_name = "C")]
    comment: Option<String>,
}

/// Print the public half of your own key
///
/// The line goes to whoever is to trust what you sign: `host trust add LINE --owner NAME`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {}

/// Runs `host key`.
pub(crate) fn run(context: &Context, command: &KeyCommand) -> Result<Exit, Failure> {
    match command {
        KeyCommand::New(arguments) => new(context, arguments),
        KeyCommand::Show(_) => show(context),
    }
}

/// The own key, if there is one.
pub(crate) fn own(context: &Context) -> Result<Option<KeyFile>, Failure> {
    let path = own_path(context);
    match read_owned(&path, KEY_FILE_BYTES_MAX as u64, Privacy::Private) {
        Ok(bytes) => parse(&path, &bytes).map(Some),
        Err(ReadOwnedError::Missing { .. }) => Ok(None),
        Err(error) => Err(Failure::new(Exit::Usage, &error)),
    }
}

/// The private key in a file that a person named.
pub(crate) fn read(path: &Path) -> Result<KeyFile, Failure> {
    let absolute = std::path::absolute(path).map_err(|error| unread(path, &error))?;
    let bytes = read_owned(&absolute, KEY_FILE_BYTES_MAX as u64, Privacy::Private);
    let bytes = bytes.or_else(|error| match error {
        // Only a private key is to be hidden; what else it is says better than its mode what is wrong.
        ReadOwnedError::Readable { .. } => {
            let bytes = read_owned(&absolute, KEY_FILE_BYTES_MAX as u64, Privacy::Public);
            bytes.ok().filter(|bytes| !is_private(bytes)).ok_or(error)
        }
        error => Err(error),
    });
    let bytes = bytes.map_err(|error| match error {
        ReadOwnedError::Missing { .. } => missing(path),
        ReadOwnedError::Directory(_) => Failure::new(Exit::Usage, &error)
            .within(format!("the key `{}` cannot be used", shown(path))),
        error => Failure::new(Exit::Usage, &error),
    })?;
    parse(path, &bytes)
}

fn own_path(context: &Context) -> PathBuf {
    context.settings.places.config.join(OWN)
}

/// Whether the file holds a private key, whether or not it can be read.
fn is_private(bytes: &[u8]) -> bool {
    bytes
        .trim_ascii_start()
        .starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----")
}

fn is_public(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.parse::<PublicKey>().is_ok())
}

fn parse(path: &Path, bytes: &[u8]) -> Result<KeyFile, Failure> {
    let text = String::from_utf8_lossy(bytes);
    KeyFile::read(&text).map_err(|error| {
        let failure =
            Failure::new(Exit::Usage, &error).within(format!("cannot sign with `{}`", shown(path)));
        match error {
            KeyFileError::NotAKey if is_public(bytes) => failure
                .hint("this is the public half: name the private one, or use --agent COMMENT"),
            _ => failure,
        }
    })
}

fn new(context: &Context, arguments: &NewArgs) -> Result<Exit, Failure> {
    let path = match &arguments.file {
        Some(file) if file.is_dir() || file.as_os_str().as_bytes().ends_with(b"/") => {
            return Err(
                Failure::usage(format!("`{}` is a directory and no file", shown(file)))
                    .hint(format!("name the file too: {}", shown(&file.join(OWN)))),
            );
        }
        Some(file) => std::path::absolute(file).map_err(|error| unwritten(file, &error))?,
        None => {
            let config = &context.settings.places.config;
            OwnedDir::create(config).map_err(|error| Failure::new(Exit::Machine, &error))?;
            own_path(context)
        }
    };
    let comment = arguments
        .comment
        .clone()
        .unwrap_or_else(|| usual_comment(context));
    let key = KeyFile::generate(&clock::random()?, &comment)
        .map_err(|error| Failure::new(Exit::Usage, &error))?;
    let text = key
        .to_text()
        .map_err(|error| Failure::new(Exit::Bug, &error))?;
    let line = format!("{}\n", key.public_key());
    write_pair(&path, text.as_bytes(), line.as_bytes())?;
    report(context, key.public_key(), &path);
    if context.printer.mode() == OutputMode::Human {
        context.printer.note(&format!(
            "written to {} and {}",
            shown(&path),
            shown(&public_path(&path))
        ));
        context.printer.hint(&format!(
            "whoever is to trust what you sign adds the public half:\n        host trust add {}",
            shown(&public_path(&path))
        ));
    }
    Ok(Exit::Done)
}

fn usual_comment(context: &Context) -> String {
    let environment = &context.settings.environment;
    let user = environment
        .get("USER")
        .or_else(|| environment.get("LOGNAME"))
        .unwrap_or("user");
    let machine = rustix::system::uname();
    format!("{user}@{}", machine.nodename().to_string_lossy())
}

fn public_path(path: &Path) -> PathBuf {
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    public.into()
}

/// Writes both halves, or neither; never over a file that is there.
fn write_pair(path: &Path, private: &[u8], public: &[u8]) -> Result<(), Failure> {
    let public_path = public_path(path);
    let [private_mode, public_mode] = MODES;
    let private = half(path, private, private_mode).map_err(|error| unwritten(path, &error))?;
    let public =
        half(&public_path, public, public_mode).map_err(|error| unwritten(&public_path, &error))?;
    let placed = private
        .persist_noclobber(path)
        .map_err(|error| unwritten(path, &error.error))?;
    // Until the other half is there too, this one is on probation: dropping it removes the file.
    let probation = TempPath::try_from_path(path).map_err(|error| unwritten(path, &error))?;
    public
        .persist_noclobber(&public_path)
        .map_err(|error| unwritten(&public_path, &error.error))?;
    probation
        .keep()
        .map_err(|error| unwritten(path, &error.error))?;
    drop(placed);
    bundle::sync_parent(path).map_err(|error| unwritten(path, &error))
}

fn half(path: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    let mut file = Builder::new().prefix(".host-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    if error.kind() != io::ErrorKind::AlreadyExists {
        return bundle::unwritten(path, error);
    }
    Failure::usage(format!(
        "there is a `{}` already, and a key is never overwritten",
        shown(path)
    ))
    .hint("`host key show` prints your own; name another FILE for a second one")
}

fn show(context: &Context) -> Result<Exit, Failure> {
    let path = own_path(context);
    let Some(own) = own(context)? else {
        return Err(
            Failure::usage(format!("you have no key: there is no `{}`", shown(&path)))
                .hint("make one with `host key new`"),
        );
    };
    report(context, own.public_key(), &path);
    Ok(Exit::Done)
}

fn report(context: &Context, key: &PublicKey, path: &Path) {
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        printer.line(&Shown(&key.to_string()).to_string());
        printer.note(&key.fingerprint().to_string());
    } else {
        printer.json(&json!({
            "format": "host.key/1",
            "key": key.to_string(),
            "fingerprint": key.fingerprint().to_string(),
            "comment": key.comment(),
            "file": path,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let names = directory
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_pair_is_written_with_the_private_half_for_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        write_pair(&path, b"private", b"public").unwrap();
        assert_eq!(names(directory.path()), ["key", "key.pub"]);
        assert_eq!((mode(&path), mode(&public_path(&path))), (0o600, 0o644));
    }

    #[test]
    fn neither_half_replaces_a_file_and_neither_is_left_alone() {
        for taken in ["key", "key.pub"] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::File::create(directory.path().join(taken)).unwrap();
            let failure =
                write_pair(&directory.path().join("key"), b"private", b"public").unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert_eq!(names(directory.path()), [taken]);
            assert_eq!(directory.path().join(taken).metadata().unwrap().len(), 0);
        }
    }

    #[test]
    fn a_public_half_is_told_from_a_private_one() {
        let key = KeyFile::generate(&[1; 32], "ann").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let line = format!("{}\n", key.public_key());
        write_pair(&path, key.to_text().unwrap().as_bytes(), line.as_bytes()).unwrap();
        assert_eq!(read(&path).unwrap().public_key(), key.public_key());
        let failure = read(&public_path(&path)).unwrap_err();
        assert!(failure.hint.unwrap().starts_with("this is the public half"));
    }

    /// `--key /etc/passwd` was answered with the advice to hide it from everyone.
    #[test]
    fn only_a_private_key_is_to_be_hidden_from_others() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = KeyFile::generate(&[1; 32], "ann").unwrap();
        for (text, said) in [
            (key.to_text().unwrap().to_string(), "`chmod go= "),
            ("root:x:0:0::/root:/bin/sh\n".to_owned(), "cannot sign with"),
        ] {
            let mut file = std::fs::File::create(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.set_permissions(Permissions::from_mode(0o644)).unwrap();
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
            assert_eq!(message.contains("chmod"), said.contains("chmod"));
        }
    }
}
