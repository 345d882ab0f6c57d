//! The key that signs the checkpoints of the audit log: `audit.key` in the directory of state, made on first use.
//!
//! It is an OpenSSH key without a passphrase, for its owner alone. A key that is there and cannot be used is an error:
//! nothing is started that could not be sealed.

use std::sync::Mutex;

use host_store::{Privacy, ReadOwnedError, Sealer, Store};
use host_trust::sshsig::{self, Namespace};
use host_trust::{KEY_FILE_BYTES_MAX, KeyFile, PublicKey, Signer as _};

use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;

/// The file in the directory of state.
const KEY: &str = "audit.key";

/// Has the checkpoints of this store's log signed with its key.
pub(crate) fn seal(store: &mut Store) -> Result<(), Failure> {
    let key = match read(store)? {
        Some(key) => key,
        None => make(store)?,
    };
    store.seal_with(Box::new(KeySealer::new(key)));
    Ok(())
}

/// The public half of this store's key, if there is one.
pub(super) fn public(store: &Store) -> Result<Option<PublicKey>, Failure> {
    Ok(read(store)?.map(|key| key.public_key().clone()))
}

/// What signs with this store's key, if there is one.
pub(super) fn sealer(store: &Store) -> Result<Option<impl Sealer + use<>>, Failure> {
    Ok(read(store)?.map(KeySealer::new))
}

/// What this machine calls itself.
pub(super) fn machine() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Whether a signature over a checkpoint is by this key; else why not.
pub(super) fn check(key: &PublicKey, checkpoint: &str, signature: &str) -> Result<(), String> {
    let signer = sshsig::verify(signature, Namespace::Audit, checkpoint.as_bytes());
    match signer {
        Ok(signer) if signer == *key => Ok(()),
        Ok(signer) => Err(format!(
            "it is signed by {}, and not by the key of this log",
            signer.fingerprint()
        )),
        Err(error) => Err(error.to_string()),
    }
}

fn read(store: &Store) -> Result<Option<KeyFile>, Failure> {
    let bytes = store
        .state()
        .read(KEY, KEY_FILE_BYTES_MAX as u64, Privacy::Private);
    parsed(bytes)
}

fn parsed(bytes: Result<Vec<u8>, ReadOwnedError>) -> Result<Option<KeyFile>, Failure> {
    match bytes {
        Ok(bytes) => KeyFile::read(&String::from_utf8_lossy(&bytes))
            .map(Some)
            .map_err(|error| unusable(&error)),
        Err(ReadOwnedError::Missing { .. }) => Ok(None),
        Err(error) => Err(unusable(&error)),
    }
}

/// Makes the key, unless another process has just made it.
fn make(store: &Store) -> Result<KeyFile, Failure> {
    let held = store.state().hold(KEY).map_err(|error| unusable(&error))?;
    // ORDER: what is read here is still there when it is written, because the lock is held in between.
    if let Some(key) = parsed(held.read(KEY_FILE_BYTES_MAX as u64, Privacy::Private))? {
        return Ok(key);
    }
    let key = KeyFile::generate(&clock::random()?, "audit").map_err(|error| unusable(&error))?;
    let text = key.to_text().map_err(|error| unusable(&error))?;
    held.write(text.as_bytes(), Privacy::Private)
        .map_err(|error| unusable(&error))?;
    drop(text);
    Ok(key)
}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Machine, error)
        .within("the key that signs the audit log cannot be used, so nothing is recorded")
        .hint("move `audit.key` in the directory of state away, and another one is made")
}

/// Signs with a key that is in memory.
#[derive(Debug)]
struct KeySealer {
    name: String,
    key: Mutex<KeyFile>,
}

impl KeySealer {
    fn new(key: KeyFile) -> Self {
        Self {
            name: machine(),
            key: Mutex::new(key),
        }
    }
}

impl Sealer for KeySealer {
    fn name(&self) -> &str {
        &self.name
    }

    fn seal(&self, checkpoint: &str) -> Option<String> {
        let mut key = self.key.lock().ok()?;
        let signature = sshsig::sign(&mut *key, Namespace::Audit, checkpoint.as_bytes()).ok()?;
        Some(signature.armored().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_by_the_key_that_sealed_it() {
        let key = || KeyFile::generate(&[1; 32], "audit").unwrap();
        let sealer = KeySealer::new(key());
        let text = "host/audit db-03\n1\n";
        let signature = sealer.seal(text).unwrap();
        assert_eq!(check(key().public_key(), text, &signature), Ok(()));
        let other = KeyFile::generate(&[2; 32], "audit").unwrap();
        let refused = check(other.public_key(), text, &signature).unwrap_err();
        assert!(refused.starts_with("it is signed by SHA256:"), "{refused}");
        assert!(check(key().public_key(), "other", &signature).is_err());
        assert!(check(key().public_key(), text, "no signature").is_err());
    }
}
