//! `host bundle verify`: whether trusted keys signed a bundle, and every byte of it is what they signed.
//!
//! The bundle is read once and kept nowhere.

use std::fs::File;
use std::io::{self, Sink};
use std::path::{Path, PathBuf};

use clap::Args;
use host_bundle::{FileEntry, FileSink, OpenBundleError, VerifiedBundle, VerifyBundleError};
use host_core::Shown;
use host_trust::DistrustError;
use host_trust::sshsig::Signature;
use serde_json::json;

use crate::app::Context;
use crate::clock;
use crate::commands::patience::Patient;
use crate::commands::source::{advice, damaged, other_format, unopened, unread};
use crate::commands::trust;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::wording::shown;

/// Verify that trusted keys signed a bundle, and that every byte of it is what they signed
///
/// Exits with 0 if so, and with 4 and the reason if not. Trust keys with `host trust add`.
#[derive(Args, Debug)]
#[command(after_help = "example:
  host bundle verify service-1.4.0.tar && cp service-1.4.0.tar /srv/bundles/")]
pub(crate) struct VerifyArgs {
    /// A sealed bundle
    bundle: PathBuf,
}

pub(super) fn run(context: &Context, arguments: &VerifyArgs) -> Result<Exit, Failure> {
    let verified = verify(context, &arguments.bundle)?;
    let manifest = verified.manifest();
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        let signer = |signed: &host_trust::SignedBy| json!({"owner": signed.owner.to_string(), "fingerprint": signed.fingerprint.to_string()});
        printer.json(&json!({
            "format": "host.verify/1",
            "module": manifest.module(),
            "version": manifest.version(),
            "id": verified.id(),
            "signers": verified.signers().iter().map(signer).collect::<Vec<_>>(),
        }));
        return Ok(Exit::Done);
    }
    let signers: Vec<String> = verified
        .signers()
        .iter()
        .map(|signed| signed.owner.to_string())
        .collect();
    let ok = printer.on_stdout(Paint::Ok, "ok");
    let (module, version) = (manifest.module(), manifest.version());
    printer.line(&format!(
        "{ok}  {module} {version}   {}   signed by {}",
        verified.id(),
        signers.join(", ")
    ));
    Ok(Exit::Done)
}

fn verify(context: &Context, path: &Path) -> Result<VerifiedBundle, Failure> {
    let trust = trust::load(context)?;
    let file = open(path)?;
    let reader = Patient::new(
        context.printer,
        &file,
        format!("verifying `{}`", shown(path)),
    );
    let sealed = host_bundle::open(reader).map_err(|error| match error {
        OpenBundleError::NotABundle(_) => unsealed(path),
        error => unopened(path, &error),
    })?;
    let signatures = sealed.signatures().to_vec();
    let authentic = sealed
        .verify(&trust, clock::now_unix())
        .map_err(|error| distrusted(path, &error, &signatures))?;
    authentic
        .receive(&mut Nowhere)
        .map_err(|error| damaged(path, &error))
}

fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| unread(path, &error))?;
    let metadata = file.metadata().map_err(|error| unread(path, &error))?;
    if metadata.is_dir() {
        Err(unsealed(path))
    } else {
        Ok(file)
    }
}

fn unsealed(path: &Path) -> Failure {
    if let Some(other) = other_format(path) {
        // To whoever asks whether a file may be used, the answer is the same.
        return Failure {
            exit: Exit::Untrusted,
            ..other
        };
    }
    Failure::plain(
        Exit::Untrusted,
        format!("`{}` is not sealed, so nobody signed it", shown(path)),
    )
    .hint("seal and sign a module with `host bundle pack DIR`")
}

fn distrusted(path: &Path, error: &VerifyBundleError, signatures: &[String]) -> Failure {
    let sentence = format!("`{}` is not verified", shown(path));
    let VerifyBundleError::Distrusted { module, source, .. } = error else {
        return Failure::new(Exit::Untrusted, error).within(sentence);
    };
    let failure = Failure::new(Exit::Untrusted, source.as_ref()).within(sentence);
    let hint = match source.as_ref() {
        DistrustError::UnknownKeys { .. } => Some(trust_hint(module, signatures)),
        DistrustError::Unsigned => {
            Some("ask its author to sign it: host bundle sign FILE".to_owned())
        }
        error => advice(module, error),
    };
    Failure { hint, ..failure }
}

/// How to trust the keys that signed; only after asking their owners.
fn trust_hint(module: &str, signatures: &[String]) -> String {
    let keys = signatures
        .iter()
        .filter_map(|armored| armored.parse::<Signature>().ok());
    let lines: Vec<String> = keys
        .map(|signature| {
            let key = Shown(&signature.claimed_key().to_string()).to_string();
            format!("        host trust add '{key}' --module {module} --owner NAME")
        })
        .collect();
    format!(
        "ask its author whether the key is theirs, and if so\n{}",
        lines.join("\n")
    )
}

/// Where the files of a bundle go that is verified and not wanted.
struct Nowhere;

impl FileSink for Nowhere {
    type File = Sink;

    fn begin(&mut self, _: &FileEntry) -> io::Result<Sink> {
        Ok(io::sink())
    }

    fn finish(&mut self, _: &FileEntry, _: Sink) -> io::Result<()> {
        Ok(())
    }
}
