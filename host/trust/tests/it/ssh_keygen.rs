//! What we sign, `ssh-keygen` verifies, and what it signs, we verify.

use ed25519_dalek::Signer as _;
use host_trust::sshsig::{self, Namespace};
use host_trust::{
    AllowedSigner, KeyFile, KeyFileError, PublicKey, PublicKeyError, RawSignature, SignError,
    Signer, Touch,
};
use sha2::{Digest as _, Sha256};

use crate::openssh::Bench;

const MESSAGE: &[u8] = b"{\"format\":\"host.bundle/1\"}\n\x00\xff";

/// Asks `ssh-keygen` whether `sig` over `message` is by a key of `allowed_signers`.
fn keygen_verifies(bench: &Bench, namespace: &str) -> bool {
    let line = format!("ssh-keygen -Y verify -n {namespace} -f allowed_signers -I ann -s sig");
    bench.run_on("message", &line).status.success()
}

/// Lays out a signature for `ssh-keygen -Y verify`.
fn lay_out(bench: &Bench, key: &PublicKey, signature: &str) {
    bench.put("message", MESSAGE);
    bench.put("sig", signature);
    bench.put(
        "allowed_signers",
        format!("ann namespaces=\"bundle@host\" {key}\n"),
    );
}

#[test]
fn ssh_keygen_verifies_what_we_sign() {
    let bench = Bench::new();
    let mut key = KeyFile::generate(&[1; 32], "ann").unwrap();
    let signature = sshsig::sign(&mut key, Namespace::Bundle, MESSAGE).unwrap();
    lay_out(&bench, key.public_key(), signature.armored());
    assert!(keygen_verifies(&bench, "bundle@host"));
    assert!(!keygen_verifies(&bench, "order@host"));
    bench.put("message", b"other");
    assert!(!keygen_verifies(&bench, "bundle@host"));
    let other = KeyFile::generate(&[2; 32], "ann").unwrap();
    lay_out(&bench, other.public_key(), signature.armored());
    assert!(!keygen_verifies(&bench, "bundle@host"));
}

/// Whoever has the public key checks the checkpoints of an audit log without us.
#[test]
fn ssh_keygen_verifies_a_checkpoint_of_an_audit_log() {
    let bench = Bench::new();
    let mut key = KeyFile::generate(&[1; 32], "audit@db-03").unwrap();
    let checkpoint = b"host/audit db-03\n256\nqN5Ydmpzf8pFWP1UV0N7J8+vQ7uSXJd5pvw5wV2f6dk=\n";
    let signature = sshsig::sign(&mut key, Namespace::Audit, checkpoint).unwrap();
    bench.put("message", checkpoint);
    bench.put("sig", signature.armored());
    let line = format!("ann namespaces=\"audit@host\" {}\n", key.public_key());
    bench.put("allowed_signers", line);
    assert!(keygen_verifies(&bench, "audit@host"));
    assert!(!keygen_verifies(&bench, "receipt@host"));
    bench.put("message", &checkpoint[..checkpoint.len() - 1]);
    assert!(!keygen_verifies(&bench, "audit@host"));
}

#[test]
fn we_verify_what_ssh_keygen_signs() {
    let bench = Bench::new();
    bench.run("ssh-keygen -q -t ed25519 -N '' -C ann@fleet -f key");
    let key: PublicKey = bench.text("key.pub").parse().unwrap();
    for hash in ["", " -O hashalg=sha256", " -O hashalg=sha512"] {
        bench.put("message", MESSAGE);
        bench.run(&format!(
            "ssh-keygen -q -Y sign -n bundle@host -f key{hash} message"
        ));
        let text = bench.text("message.sig");
        std::fs::remove_file(bench.path("message.sig")).unwrap();
        assert_eq!(
            sshsig::verify(&text, Namespace::Bundle, MESSAGE).as_ref(),
            Ok(&key)
        );
        assert!(sshsig::verify(&text, Namespace::Order, MESSAGE).is_err());
        assert!(sshsig::verify(&text, Namespace::Bundle, b"other").is_err());
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 0x01;
            let flipped = String::from_utf8(bytes).unwrap();
            assert!(
                sshsig::verify(&flipped, Namespace::Bundle, MESSAGE).is_err(),
                "byte {at}"
            );
        }
    }
}

#[test]
fn we_read_the_key_files_of_ssh_keygen_and_it_reads_ours() {
    let bench = Bench::new();
    bench.run("ssh-keygen -q -t ed25519 -N '' -C ann@fleet -f theirs");
    let theirs = KeyFile::read(&bench.text("theirs")).unwrap();
    assert_eq!(
        theirs.public_key().to_string(),
        bench.text("theirs.pub").trim_end()
    );
    let ours = KeyFile::generate(&[3; 32], "bob@fleet").unwrap();
    bench.put("ours", ours.to_text().unwrap().as_str());
    assert_eq!(
        bench.run("ssh-keygen -y -f ours").trim_end(),
        ours.public_key().to_string()
    );
    let listed = bench.run("ssh-keygen -l -f ours");
    assert!(
        listed.contains(&ours.public_key().fingerprint().to_string()),
        "{listed}"
    );
}

#[test]
fn encrypted_and_other_key_files_are_refused() {
    let bench = Bench::new();
    bench.run("ssh-keygen -q -t ed25519 -N passphrase -f locked");
    let refused = KeyFile::read(&bench.text("locked")).unwrap_err();
    assert!(matches!(refused, KeyFileError::Encrypted), "{refused}");
    assert!(refused.to_string().contains("ssh-agent"));
    for (kind, name) in [("rsa -b 2048", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256")] {
        let file = name.replace('-', "_");
        bench.run(&format!("ssh-keygen -q -t {kind} -N '' -f {file}"));
        let refused = KeyFile::read(&bench.text(&file)).unwrap_err();
        assert!(matches!(refused, KeyFileError::Algorithm), "{refused:?}");
        let refused = bench.text(&format!("{file}.pub")).parse::<PublicKey>();
        assert_eq!(
            refused,
            Err(PublicKeyError::Algorithm {
                name: name.to_owned()
            })
        );
        bench.put("message", MESSAGE);
        bench.run(&format!(
            "ssh-keygen -q -Y sign -n bundle@host -f {file} message"
        ));
        let signature = bench.text("message.sig");
        std::fs::remove_file(bench.path("message.sig")).unwrap();
        assert!(sshsig::verify(&signature, Namespace::Bundle, MESSAGE).is_err());
    }
}

#[test]
fn a_line_that_ssh_keygen_follows_is_read_alike() {
    let bench = Bench::new();
    let mut key = KeyFile::generate(&[1; 32], "ann").unwrap();
    let signature = sshsig::sign(&mut key, Namespace::Bundle, MESSAGE).unwrap();
    for options in [
        "",
        "namespaces=\"*@host\" ",
        "namespaces=\"b?ndle@host,git\" ",
        "namespaces=\"*,!bundle@host\" ",
        "namespaces=\"git\" ",
        "NAMESPACES=\"bundle@host\" ",
    ] {
        lay_out(&bench, key.public_key(), signature.armored());
        let line = format!("ann {options}{}", key.public_key());
        bench.put("allowed_signers", format!("{line}\n"));
        let ours = AllowedSigner::read_line(&line)
            .unwrap()
            .permits(Namespace::Bundle);
        assert_eq!(ours, keygen_verifies(&bench, "bundle@host"), "{line}");
    }
}

/// A security token in software.
struct Token {
    key: PublicKey,
    secret: ed25519_dalek::SigningKey,
}

impl Signer for Token {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign_bytes(&mut self, bytes: &[u8]) -> Result<RawSignature, SignError> {
        let touch = Touch {
            flags: 0x01,
            counter: 77,
        };
        let mut message = Sha256::digest("ssh:host").to_vec();
        message.push(touch.flags);
        message.extend(touch.counter.to_be_bytes());
        message.extend(Sha256::digest(bytes));
        let bytes = self.secret.sign(&message).to_bytes();
        Ok(RawSignature {
            bytes,
            touch: Some(touch),
        })
    }
}

#[test]
fn ssh_keygen_verifies_what_a_token_signs_for_us() {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    let point = ssh_key::public::Ed25519PublicKey(secret.verifying_key().to_bytes());
    let data = ssh_key::public::SkEd25519::new(point, "ssh:host");
    let line = ssh_key::PublicKey::from(data).to_openssh().unwrap();
    let mut token = Token {
        key: line.parse().unwrap(),
        secret,
    };
    let signature = sshsig::sign(&mut token, Namespace::Bundle, MESSAGE).unwrap();
    let bench = Bench::new();
    lay_out(&bench, token.public_key(), signature.armored());
    assert!(keygen_verifies(&bench, "bundle@host"));
    assert!(!keygen_verifies(&bench, "order@host"));
}
