//! `host bundle sign`: adds a signature to a bundle, in its place.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use host_bundle::OpenBundleError;
use host_core::Shown;
use host_store::lock_within;
use host_trust::sshsig::Signature;
use serde_json::json;

use super::card::title;
use super::draft::{Draft, unwritten};
use super::look::Look;
use super::signing::{self, Wish};
use crate::app::Context;
use crate::commands::source::{other_format, unread};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;
use crate::wording::{reason, shown};

/// How long another process that signs the same bundle is waited for: it copies two gibibytes at most.
const LOCK_WAIT: Duration = Duration::from_secs(60);
/// How often signing begins again because the bundle was replaced meanwhile.
const TRIES_MAX: usize = 100;

/// Sign a bundle, in its place
///
/// Signs with --key, else with your own key (`host key new`), else with the only Ed25519 key of ssh-agent.
/// Everything else of the bundle stays byte for byte; an earlier signature by the same key is replaced.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host bundle sign service-1.4.0.tar
  host bundle sign service-1.4.0.tar --agent release@example.com")]
pub(crate) struct SignArgs {
    /// A sealed bundle
    bundle: PathBuf,

    /// The file of an OpenSSH Ed25519 private key
    #[arg(long, value_name = "FILE", conflicts_with = "agent")]
    key: Option<PathBuf>,

    /// A key of ssh-agent, by its fingerprint or comment
    #[arg(long, value_name = "FINGERPRINT|COMMENT")]
    agent: Option<String>,
}

pub(super) fn run(context: &Context, arguments: &SignArgs) -> Result<Exit, Failure> {
    let typed = arguments.bundle.as_path();
    // A link stays one: what it leads to is signed.
    let path = typed
        .canonicalize()
        .map_err(|error| unread(typed, &error))?;
    let source = open(&path, typed)?;
    let wish = match (&arguments.key, &arguments.agent) {
        (Some(file), _) => Wish::File(file),
        (None, Some(name)) => Wish::Agent(name),
        (None, None) => Wish::Usual,
    };
    let mut signer = signing::signer(context, wish)?;
    // Before the lock: whoever has to be asked for it keeps no other from signing.
    let signature = signing::signature(context, typed, &source, signer.as_mut())?;
    let source = replace(context, typed, &path, &signature)?;
    let key = signer.public_key();
    let look = Look::of_file(typed, source, true)?;
    if context.printer.mode() == OutputMode::Human {
        let line = format!(
            "signed  {}  by {}  {}",
            title(&look),
            key.fingerprint(),
            Shown(key.comment())
        );
        context.printer.line(line.trim_end());
    } else {
        context.printer.json(&json!({
            "format": "host.sign/1",
            "module": look.manifest.module(),
            "version": look.manifest.version(),
            "id": look.id,
            "fingerprint": key.fingerprint().to_string(),
            "key": key.to_string(),
        }));
    }
    Ok(Exit::Done)
}

/// Puts the bundle with this signature more in its place, after all others who are at it; the answer is the one before.
fn replace(
    context: &Context,
    typed: &Path,
    path: &Path,
    signature: &Signature,
) -> Result<File, Failure> {
    for _ in 0..TRIES_MAX {
        let source = open(path, typed)?;
        lock_within(&source, LOCK_WAIT).map_err(|error| unlocked(path, &error))?;
        // Whoever had the lock before has put another file there, with a signature that must stay.
        if !leads_to(path, &source) {
            continue;
        }
        let draft = Draft::within(path.parent().unwrap_or(Path::new("/")))?;
        draft
            .take_owner_and_mode_of(&source)
            .map_err(|error| unwritten(path, &error))?;
        signing::add(context, typed, &source, signature, &draft)?;
        // Once more, for programs that know nothing of the lock.
        if leads_to(path, &source) {
            draft.place(path)?;
            return Ok(source);
        }
    }
    let message = format!("`{}` was replaced again and again", shown(path));
    Err(Failure::plain(Exit::Machine, message))
}

/// Whether the path still leads to the file that was opened.
fn leads_to(path: &Path, file: &File) -> bool {
    let same =
        |one: Metadata, other: Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    let found = std::fs::symlink_metadata(path);
    found.is_ok_and(|found| file.metadata().is_ok_and(|opened| same(found, opened)))
}

fn unlocked(path: &Path, error: &io::Error) -> Failure {
    let path = shown(path);
    let message = match error.kind() {
        io::ErrorKind::WouldBlock => format!(
            "another process has been signing `{path}` for {} s",
            LOCK_WAIT.as_secs()
        ),
        _ => format!("cannot lock `{path}`: {}", reason(error)),
    };
    Failure::plain(Exit::Machine, message)
}

/// Opens what is to be signed; `typed` is how people call it.
fn open(path: &Path, typed: &Path) -> Result<File, Failure> {
    let unsealed = || {
        Failure::usage(format!("`{}` is not a sealed bundle", shown(typed)))
            .hint("seal and sign a module with `host bundle pack DIR`")
    };
    let file = File::open(path).map_err(|error| unread(typed, &error))?;
    if !file
        .metadata()
        .map_err(|error| unread(typed, &error))?
        .is_file()
    {
        return Err(unsealed());
    }
    match host_bundle::open(&file) {
        Err(OpenBundleError::NotABundle(_)) => Err(other_format(typed).unwrap_or_else(unsealed)),
        // Anything else that is wrong with it is said when it is signed.
        _ => Ok(file),
    }
}
