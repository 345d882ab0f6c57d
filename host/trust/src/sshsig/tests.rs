//! Signatures that hold and every way in which they do not. OpenSSH's opinion is in `tests/it/ssh_keygen.rs`.

use ed25519_dalek::Signer as _;
use proptest::prelude::*;
use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};

use super::*;
use crate::{KeyFile, Touch};

const MESSAGE: &[u8] = b"{\"format\":\"host.bundle/1\"}";

/// A key made of one byte, so that tests name their keys by number.
pub(crate) fn key_file(byte: u8) -> KeyFile {
    KeyFile::generate(&[byte; 32], "seed").unwrap()
}

/// A security token in software: signs as one does, touched or not.
pub(crate) struct Token {
    key: PublicKey,
    secret: ed25519_dalek::SigningKey,
    pub(crate) flags: u8,
}

pub(crate) fn token(byte: u8) -> Token {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[byte; 32]);
    let point = Ed25519PublicKey(secret.verifying_key().to_bytes());
    let data = KeyData::SkEd25519(SkEd25519::new(point, "ssh:"));
    Token {
        key: PublicKey::from_data(data, "token").unwrap(),
        secret,
        flags: USER_PRESENT,
    }
}

impl Signer for Token {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign_bytes(&mut self, bytes: &[u8]) -> Result<RawSignature, SignError> {
        let counter = 0x0102_0304_u32;
        let mut message = Sha256::digest("ssh:").to_vec();
        message.push(self.flags);
        message.extend(counter.to_be_bytes());
        message.extend(Sha256::digest(bytes));
        let touch = Some(Touch {
            flags: self.flags,
            counter,
        });
        Ok(RawSignature {
            bytes: self.secret.sign(&message).to_bytes(),
            touch,
        })
    }
}

/// Answers with a fixed signature, whatever it is given.
struct Parrot(PublicKey, RawSignature);

impl Signer for Parrot {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign_bytes(&mut self, _bytes: &[u8]) -> Result<RawSignature, SignError> {
        Ok(self.1)
    }
}

fn signed(signer: &mut dyn Signer) -> String {
    sign(signer, Namespace::Bundle, MESSAGE)
        .unwrap()
        .to_string()
}

/// Encodes a signature by parts, with its own version and reserved field.
fn encoded(version: u32, namespace: &str, reserved: &[u8], hash: &str) -> String {
    let mut key = key_file(1);
    let digest = Sha256::digest(MESSAGE);
    let mut message = b"SSHSIG".to_vec();
    for field in [namespace.as_bytes(), reserved, hash.as_bytes(), &digest] {
        put(&mut message, field);
    }
    let raw = key.sign_bytes(&message).unwrap();
    let mut wrapped = Vec::new();
    put(&mut wrapped, b"ssh-ed25519");
    put(&mut wrapped, &raw.bytes);
    let mut blob = b"SSHSIG".to_vec();
    blob.extend(version.to_be_bytes());
    let public = key.public_key().to_blob().unwrap();
    for field in [
        &public,
        namespace.as_bytes(),
        reserved,
        hash.as_bytes(),
        &wrapped,
    ] {
        put(&mut blob, field);
    }
    armored(&blob)
}

fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
    out.extend(field);
}

/// Base64 in lines of 70 between the markers, written here so that the armor is not its own judge.
fn armored(blob: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in blob.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let index = (bits >> (18 - 6 * at)) & 63;
            text.push(if at > chunk.len() {
                '='
            } else {
                char::from(ALPHABET[index as usize])
            });
        }
    }
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(70)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n",
        lines.join("\n")
    )
}

#[test]
fn what_a_key_signed_verifies_as_that_key() {
    let (mut file, mut token) = (key_file(1), token(2));
    let signers: [&mut dyn Signer; 2] = [&mut file, &mut token];
    for signer in signers {
        let text = signed(signer);
        assert_eq!(
            &verify(&text, Namespace::Bundle, MESSAGE).unwrap(),
            signer.public_key()
        );
        let text = text.strip_suffix('\n').unwrap();
        assert!(verify(text, Namespace::Bundle, MESSAGE).is_ok());
    }
}

#[test]
fn a_signature_for_one_purpose_is_refused_for_every_other() {
    let all = [
        Namespace::Bundle,
        Namespace::Order,
        Namespace::Trust,
        Namespace::Receipt,
        Namespace::Audit,
    ];
    for made in all {
        let signature = sign(&mut key_file(1), made, MESSAGE).unwrap();
        for wanted in all {
            let verified = signature.verify(wanted, MESSAGE);
            assert_eq!(verified.is_ok(), made == wanted, "{made} as {wanted}");
        }
    }
    let refused = verify(
        &encoded(1, "file", b"", "sha256"),
        Namespace::Bundle,
        MESSAGE,
    )
    .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "signature is for `file`, not for `bundle@host`"
    );
}

#[test]
fn both_hashes_are_accepted_and_no_other_form_of_the_fields() {
    let read = |text: &str| text.parse::<Signature>();
    let good = encoded(1, "bundle@host", b"", "sha256");
    assert!(verify(&good, Namespace::Bundle, MESSAGE).is_ok());
    assert_eq!(
        read(&encoded(1, "bundle@host", b"x", "sha256")),
        Err(ReadSignatureError::Reserved)
    );
    assert_eq!(
        read(&encoded(0, "bundle@host", b"", "sha256")),
        Err(ReadSignatureError::Version { version: 0 })
    );
    for (version, namespace, hash) in [
        (2, "bundle@host", "sha256"),
        (1, "", "sha256"),
        (1, "bundle@host", "sha1"),
    ] {
        let text = encoded(version, namespace, b"", hash);
        assert!(
            matches!(read(&text), Err(ReadSignatureError::Damaged(_))),
            "{text}"
        );
    }
}

#[test]
fn the_armor_has_one_form() {
    let good = encoded(1, "bundle@host", b"", "sha256");
    let unwrapped = good
        .replace('\n', "")
        .replace("-----U", "-----\nU")
        .replace("-----E", "\n-----E");
    for other in [
        good.replace('\n', "\r\n"),
        good.clone() + "\n",
        good.clone() + "x",
        format!("\n{good}"),
        format!("x\n{good}"),
        good.replace("SSH SIGNATURE", "SSH MESSAGE"),
        good.replacen("\nU", "\n\nU", 1),
        good.replacen("\nU", "\n U", 1),
        unwrapped,
        good.replace("-----END", "\n-----END"),
        good[..good.len() - 2].to_owned(),
        good.replace('A', "a"),
        String::new(),
    ] {
        assert!(other.parse::<Signature>().is_err(), "{other}");
    }
    let long = good + &"\n".repeat(SIGNATURE_BYTES_MAX);
    assert!(matches!(
        long.parse::<Signature>(),
        Err(ReadSignatureError::TooLong { .. })
    ));
}

#[test]
fn other_bytes_and_other_keys_do_not_fit() {
    let mine = sign(&mut key_file(1), Namespace::Bundle, MESSAGE).unwrap();
    let fingerprint = key_file(1).public_key().fingerprint();
    let mismatch = Err(VerifySignatureError::Mismatch { fingerprint });
    assert_eq!(mine.verify(Namespace::Bundle, b""), mismatch);
    let theirs = sign(&mut key_file(2), Namespace::Bundle, MESSAGE).unwrap();
    let swapped = Signature {
        raw: theirs.raw,
        ..mine
    };
    assert_eq!(swapped.verify(Namespace::Bundle, MESSAGE), mismatch);
}

#[test]
fn a_token_that_was_not_touched_is_refused() {
    for (flags, accepted) in [(0x00, false), (0x04, false), (0x01, true), (0x05, true)] {
        let mut token = token(1);
        token.flags = flags;
        let made = sign(&mut token, Namespace::Bundle, MESSAGE);
        assert_eq!(made.is_ok(), accepted, "flags {flags:#x}");
        token.flags = USER_PRESENT;
        let touched = sign(&mut token, Namespace::Bundle, MESSAGE).unwrap();
        let touch = touched.raw.touch.map(|touch| Touch { flags, ..touch });
        let altered = Signature {
            raw: RawSignature {
                touch,
                ..touched.raw
            },
            ..touched
        };
        let verified = altered.verify(Namespace::Bundle, MESSAGE).map(|_| ());
        assert_eq!(verified.is_ok(), flags == USER_PRESENT, "flags {flags:#x}");
        assert_eq!(
            verified == Err(VerifySignatureError::NoTouch),
            !accepted,
            "flags {flags:#x}"
        );
    }
}

#[test]
fn a_plain_signature_does_not_pass_for_that_of_a_token() {
    let stolen = key_file(1).sign_bytes(b"x").unwrap();
    let mut parrot = Parrot(token(1).public_key().clone(), stolen);
    assert!(matches!(
        sign(&mut parrot, Namespace::Bundle, MESSAGE),
        Err(SignError::Unfit)
    ));
    let mut touched = token(1).sign_bytes(b"x").unwrap();
    touched.touch = None;
    let mut parrot = Parrot(key_file(1).public_key().clone(), touched);
    assert!(matches!(
        sign(&mut parrot, Namespace::Bundle, MESSAGE),
        Err(SignError::Unfit)
    ));
}

#[test]
fn a_signature_with_an_unreduced_scalar_is_refused() {
    let mine = sign(&mut key_file(1), Namespace::Bundle, MESSAGE).unwrap();
    // The order of the group, little-endian; adding it to the scalar keeps the equation and changes the bytes.
    let order = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut bytes = mine.raw.bytes;
    let mut carry = 0_u16;
    for (byte, add) in bytes[32..].iter_mut().zip(order) {
        carry += u16::from(*byte) + add;
        *byte = (carry & 0xff) as u8;
        carry >>= 8;
    }
    let twin = Signature {
        raw: RawSignature { bytes, touch: None },
        ..mine
    };
    assert!(twin.verify(Namespace::Bundle, MESSAGE).is_err());
}

#[test]
fn a_signature_with_a_point_of_small_order_is_refused() {
    let secret = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let signed = SshSig::signed_data("bundle@host", HashAlg::Sha512, MESSAGE).unwrap();
    // With the identity as R, s = k * a satisfies the equation; lenient verifiers accept it.
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let challenge = sha2::Sha512::new()
        .chain_update(&bytes[..32])
        .chain_update(secret.verifying_key().as_bytes())
        .chain_update(&signed)
        .finalize();
    let scalar = secret.to_scalar();
    let mut product = scalar - scalar;
    for bit in (0..512).rev() {
        product += product;
        if challenge[bit / 8] >> (bit % 8) & 1 == 1 {
            product += scalar;
        }
    }
    bytes[32..].copy_from_slice(product.as_bytes());
    let lenient = ed25519_dalek::Signature::from_bytes(&bytes);
    assert!(ed25519_dalek::Verifier::verify(&secret.verifying_key(), &signed, &lenient).is_ok());
    let mine = sign(&mut key_file(1), Namespace::Bundle, MESSAGE).unwrap();
    let forged = Signature {
        raw: RawSignature { bytes, touch: None },
        ..mine
    };
    assert!(forged.verify(Namespace::Bundle, MESSAGE).is_err());
}

#[test]
fn any_flipped_byte_of_a_signature_refuses() {
    for text in [signed(&mut key_file(1)), signed(&mut token(1))] {
        for at in 0..text.len() {
            for flip in [0x01, 0x02, 0x20, 0x40] {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= flip;
                let Ok(flipped) = String::from_utf8(bytes) else {
                    continue;
                };
                assert!(
                    verify(&flipped, Namespace::Bundle, MESSAGE).is_err(),
                    "byte {at}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn signing_then_verifying_is_identity(
        seed in any::<[u8; 32]>(), message in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut key = KeyFile::generate(&seed, "").unwrap();
        let text = sign(&mut key, Namespace::Order, &message).unwrap().to_string();
        let verified = verify(&text, Namespace::Order, &message);
        prop_assert_eq!(verified.as_ref(), Ok(key.public_key()));
    }

    #[test]
    fn any_flipped_bit_of_the_message_refuses(
        message in proptest::collection::vec(any::<u8>(), 1..300),
        at in any::<proptest::sample::Index>(), bit in 0_u8..8,
    ) {
        let text = sign(&mut key_file(1), Namespace::Order, &message).unwrap().to_string();
        let mut other = message;
        let at = at.index(other.len());
        other[at] ^= 1 << bit;
        prop_assert!(verify(&text, Namespace::Order, &other).is_err());
    }

    #[test]
    fn any_blob_in_armor_is_read_or_refused(
        tail in proptest::collection::vec(any::<u8>(), 0..400),
        cut in 0_usize..300, keep in any::<bool>(),
    ) {
        let real = b"SSHSIG\0\0\0\x01\0\0\0\x33\0\0\0\x0bssh-ed25519\0\0\0\x20";
        let head = if keep { &real[..cut.min(real.len())] } else { &[] };
        let text = armored(&[head, &tail].concat());
        prop_assert!(verify(&text, Namespace::Bundle, MESSAGE).is_err());
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        prop_assert!(text.parse::<Signature>().is_err());
    }
}
