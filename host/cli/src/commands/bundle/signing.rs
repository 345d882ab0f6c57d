//! Signs a bundle, with a key of a file, of the person's own, or of their ssh-agent.
//!
//! Nothing here keeps a private key longer than one signature takes, and a bundle is copied whole, byte
//! for byte compared with its manifest, before a signed one takes its place.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use host_bundle::AddSignatureError;
use host_core::Shown;
use host_trust::sshsig::{self, Namespace, Signature};
use host_trust::{Agent, PublicKey, Signer};

use super::agent::Timely;
use super::draft::Draft;
use super::look::rewind;
use crate::app::Context;
use crate::commands::key;
use crate::commands::patience::Patient;
use crate::commands::source::unopened;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::wording::shown;

/// Which key is to sign.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish<'a> {
    /// The own key, else the only one of the agent.
    Usual,
    /// The private key in this file.
    File(&'a Path),
    /// The agent's key with this fingerprint or comment.
    Agent(&'a str),
}

/// Finds the key that is wished for.
pub(super) fn signer(context: &Context, wish: Wish<'_>) -> Result<Box<dyn Signer>, Failure> {
    match wish {
        Wish::File(path) => Ok(Box::new(key::read(path)?)),
        Wish::Agent(name) => of_agent(context, Some(name)),
        Wish::Usual => match key::own(context)? {
            Some(own) => Ok(Box::new(own)),
            None => of_agent(context, None),
        },
    }
}

/// Signs the manifest of the bundle in `source`; its owner may be asked, which can take a while.
pub(super) fn signature(
    context: &Context,
    name: &Path,
    source: &File,
    signer: &mut dyn Signer,
) -> Result<Signature, Failure> {
    rewind(name, source)?;
    let sealed = host_bundle::open(source).map_err(|error| unopened(name, &error))?;
    if signer.public_key().is_on_token() {
        context.printer.note("touch the security key if it blinks");
    }
    sshsig::sign(signer, Namespace::Bundle, sealed.manifest_bytes())
        .map_err(|error| Failure::new(Exit::Usage, &error))
}

/// Writes the bundle in `source` to `draft`, with this signature more.
pub(super) fn add(
    context: &Context,
    name: &Path,
    source: &File,
    signature: &Signature,
    draft: &Draft,
) -> Result<(), Failure> {
    rewind(name, source)?;
    let doing = format!("signing `{}`", shown(name));
    let mut writer = BufWriter::new(Patient::new(context.printer, draft.file(), doing));
    host_bundle::add_signature(source, &mut writer, signature.armored())
        .map_err(|error| unsigned(name, &error))
}

fn unsigned(name: &Path, error: &AddSignatureError) -> Failure {
    let exit = match error {
        AddSignatureError::Write(_) => Exit::Machine,
        AddSignatureError::Signatures(_) => Exit::Usage,
        _ => Exit::Untrusted,
    };
    let failure = Failure::new(exit, error).within(format!("`{}` cannot be signed", shown(name)));
    match error {
        AddSignatureError::Earlier { .. } => failure
            .hint("no node takes a bundle with it: get the bundle again, or seal the module anew"),
        _ => failure,
    }
}

fn of_agent(context: &Context, name: Option<&str>) -> Result<Box<dyn Signer>, Failure> {
    let Some(socket) = context.settings.environment.get("SSH_AUTH_SOCK") else {
        return Err(no_agent(name.is_some()));
    };
    let failed = |error: &dyn std::error::Error| {
        Failure::new(Exit::Usage, error)
            .within("cannot sign with ssh-agent")
            .hint(format!(
                "SSH_AUTH_SOCK is `{}`; `ssh-add -l` shows whether it works",
                Shown(socket)
            ))
    };
    let mut timely = Timely::connect(socket).map_err(|error| failed(&error))?;
    let keys = Agent::new(&mut timely)
        .keys()
        .map_err(|error| failed(&error))?;
    let key = choose(&keys, name)?;
    Ok(Box::new(timely.into_signer(key)))
}

fn no_agent(is_wished: bool) -> Failure {
    if is_wished {
        return Failure::usage("no ssh-agent: SSH_AUTH_SOCK is not set")
            .hint("start one with `eval \"$(ssh-agent)\"` and add your key with `ssh-add`");
    }
    Failure::usage("there is no key to sign with")
        .hint("make one with `host key new`, or name one with --key FILE or --agent COMMENT")
}

/// The one key that is meant.
fn choose<'k>(keys: &'k [PublicKey], name: Option<&str>) -> Result<&'k PublicKey, Failure> {
    let is_meant = |key: &&PublicKey| {
        name.is_none_or(|name| key.fingerprint().to_string() == name || key.comment() == name)
    };
    let meant: Vec<&PublicKey> = keys.iter().filter(is_meant).collect();
    let lines = |keys: &[&PublicKey]| {
        let line = |key: &&PublicKey| format!("{}  {}", key.fingerprint(), Shown(key.comment()));
        keys.iter().map(line).collect()
    };
    match (meant.as_slice(), name) {
        ([key], _) => Ok(key),
        ([], Some(name)) => Err(Failure::usage(format!(
            "ssh-agent has no key `{}` that can sign: only Ed25519 keys can",
            Shown(name)
        ))
        .details(lines(&keys.iter().collect::<Vec<_>>()))
        .hint(
            "`ssh-add -l` shows what it holds, and of which type; add a key with `ssh-add FILE`",
        )),
        ([], None) => Err(Failure::usage(
            "there is no key to sign with: ssh-agent holds no Ed25519 key",
        )
        .hint("make one with `host key new`, or add one with `ssh-add FILE`")),
        (several, _) => Err(Failure::usage(format!(
            "ssh-agent holds {} keys that could be meant",
            several.len()
        ))
        .details(lines(several))
        .hint("choose one by its fingerprint: host bundle sign FILE --agent SHA256:...")),
    }
}

#[cfg(test)]
mod tests {
    use host_trust::KeyFile;

    use super::*;

    fn key(seed: u8, comment: &str) -> PublicKey {
        KeyFile::generate(&[seed; 32], comment)
            .unwrap()
            .public_key()
            .clone()
    }

    #[test]
    fn a_key_is_chosen_by_comment_or_fingerprint_or_as_the_only_one() {
        let keys = [key(1, "ann"), key(2, "bob"), key(3, "bob")];
        let fingerprint = keys[2].fingerprint().to_string();
        for (keys, name, expected) in [
            (&keys[..1], None, Ok(0)),
            (&keys[..], Some("ann"), Ok(0)),
            (&keys[..], Some(fingerprint.as_str()), Ok(2)),
            (
                &keys[..],
                Some("bob"),
                Err("ssh-agent holds 2 keys that could be meant"),
            ),
            (
                &keys[..],
                None,
                Err("ssh-agent holds 3 keys that could be meant"),
            ),
            (
                &keys[..],
                Some("eve"),
                Err("ssh-agent has no key `eve` that can sign: only Ed25519 keys can"),
            ),
            (
                &keys[..0],
                None,
                Err("there is no key to sign with: ssh-agent holds no Ed25519 key"),
            ),
        ] {
            let chosen = choose(keys, name).map_err(|failure| failure.to_string());
            let expected = expected.map(|at: usize| &keys[at]).map_err(str::to_owned);
            assert_eq!(chosen, expected, "{name:?}");
        }
    }
}
