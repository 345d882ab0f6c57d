//! What is read as a public key and what is not.

use super::*;
use crate::Signer as _;
use crate::sshsig::tests::{key_file, token};

fn line(byte: u8) -> String {
    key_file(byte).public_key().to_string()
}

/// A line with a blob of these bytes under an algorithm name.
fn line_of_point(point: [u8; 32]) -> String {
    let data = KeyData::Ed25519(ssh_key::public::Ed25519PublicKey(point));
    ssh_key::PublicKey::new(data, "").to_openssh().unwrap()
}

#[test]
fn a_key_line_reads_as_it_prints() {
    for key in [key_file(1).public_key(), token(1).public_key()] {
        let again: PublicKey = key.to_string().parse().unwrap();
        assert_eq!(&again, key);
        assert_eq!(again.to_string(), key.to_string());
        assert_eq!(
            PublicKey::from_blob(&key.to_blob().unwrap(), "").unwrap(),
            again
        );
    }
}

#[test]
fn blanks_around_and_between_do_not_matter_and_comments_may_hold_them() {
    let plain = line(1);
    let (head, _) = plain.rsplit_once(' ').unwrap();
    let spaced = format!("\t {}  Ann of  Fleet \r\n", head.replace(' ', "\t  "));
    let key: PublicKey = spaced.parse().unwrap();
    assert_eq!(key.to_string(), format!("{head} Ann of  Fleet"));
    assert_eq!(key.comment(), "Ann of  Fleet");
    assert_eq!(key, plain.parse().unwrap());
}

#[test]
fn keys_differ_by_point_and_by_being_on_a_token_not_by_comment() {
    assert_ne!(line(1).parse::<PublicKey>(), line(2).parse::<PublicKey>());
    let (file, token) = (key_file(1), token(1));
    assert_eq!(file.public_key().raw(), token.public_key().raw());
    assert_ne!(file.public_key(), token.public_key());
    assert_ne!(
        file.public_key().fingerprint(),
        token.public_key().fingerprint()
    );
    assert!(token.public_key().is_on_token());
}

#[test]
fn a_known_key_has_the_fingerprint_that_openssh_prints() {
    // `ssh-keygen -lf` over the key of the first test vector of RFC 8032.
    let point = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];
    let key: PublicKey = line_of_point(point).parse().unwrap();
    assert_eq!(
        key.fingerprint().to_string(),
        "SHA256:bbXpuKG6zhzdmnxq256TlqzFBzRl2f6OOg722cYNbU8"
    );
}

#[test]
fn other_algorithms_are_refused_by_name() {
    for name in [
        "ssh-rsa",
        "ssh-dss",
        "ecdsa-sha2-nistp256",
        "ssh-ed25519-cert-v01@openssh.com",
    ] {
        let refused = format!("{name} AAAA x").parse::<PublicKey>().unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "key algorithm `{name}` is not accepted: use `ssh-ed25519` or \
                 `sk-ssh-ed25519@openssh.com`"
            )
        );
    }
}

#[test]
fn what_is_no_sound_key_is_refused() {
    use PublicKeyError as E;
    let good = line(1);
    let identity = line_of_point(std::array::from_fn(|at| u8::from(at == 0)));
    let of_order_four = line_of_point([0; 32]);
    // 2^255 - 19 + y is y in a second spelling: the identity, and a point of full order.
    let unreduced = |low| {
        line_of_point(std::array::from_fn(|at| match at {
            0 => low,
            31 => 0x7f,
            _ => 0xff,
        }))
    };
    let off_curve = line_of_point(std::array::from_fn(|at| if at == 0 { 2 } else { 0 }));
    let unsound = [
        identity,
        of_order_four,
        unreduced(0xee),
        unreduced(0xf0),
        off_curve,
    ];
    for point in unsound {
        assert_eq!(point.parse::<PublicKey>(), Err(E::UnsoundPoint), "{point}");
    }
    for text in ["", "ssh-ed25519", "\n"] {
        assert_eq!(text.parse::<PublicKey>(), Err(E::NotAKey), "{text}");
    }
    let other_label = good.replace("ssh-ed25519", SK_ED25519);
    let longer = good.replacen(" seed", "AAAA seed", 1);
    for text in [
        other_label,
        longer,
        "ssh-ed25519 AAAA".to_owned(),
        "ssh-ed25519 ?".to_owned(),
    ] {
        assert!(
            matches!(text.parse::<PublicKey>(), Err(E::Damaged(_))),
            "{text}"
        );
    }
    assert_eq!(format!("{good}\nx").parse::<PublicKey>(), Err(E::Comment));
    assert_eq!(
        format!("{good}\u{1b}[2J").parse::<PublicKey>(),
        Err(E::Comment)
    );
    let long = format!("{good}{}", "x".repeat(PUBLIC_KEY_BYTES_MAX));
    assert!(matches!(long.parse::<PublicKey>(), Err(E::TooLong { .. })));
    let blob = key_file(1).public_key().to_blob().unwrap();
    let comment = "x".repeat(PUBLIC_KEY_BYTES_MAX);
    assert!(matches!(
        PublicKey::from_blob(&blob, &comment),
        Err(E::TooLong { .. })
    ));
}

#[test]
fn a_fingerprint_has_one_spelling() {
    let fingerprint = key_file(1).public_key().fingerprint();
    let text = fingerprint.to_string();
    assert_eq!(text.parse(), Ok(fingerprint));
    let bare = text.strip_prefix("SHA256:").unwrap();
    let last_bit = format!(
        "{}{}",
        &text[..49],
        if text.ends_with('E') { 'F' } else { 'B' }
    );
    for other in [
        "",
        bare,
        &text.replace("SHA256", "SHA512"),
        &format!("{text}="),
        &last_bit,
    ] {
        assert_eq!(
            other.parse::<Fingerprint>(),
            Err(FingerprintError),
            "{other}"
        );
    }
}
