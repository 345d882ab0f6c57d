//! Lines that are taken over and lines that are not.

use proptest::prelude::*;

use super::*;
use crate::Signer as _;
use crate::sshsig::tests::key_file;

fn key() -> PublicKey {
    key_file(1).public_key().clone()
}

fn read(head: &str) -> Result<AllowedSigner, AllowedSignerError> {
    AllowedSigner::read_line(&format!("{head} {}", key()))
}

#[test]
fn a_line_gives_principals_dates_and_key() {
    let entry = read(
        "ann@fleet,bob namespaces=\"bundle@host,git\",valid-after=\"20260101\",\
         valid-before=\"20261231235959Z\"",
    )
    .unwrap();
    assert_eq!(entry.principals, ["ann@fleet", "bob"]);
    assert_eq!(
        entry.not_before,
        Some("2026-01-01T00:00:00Z".parse().unwrap())
    );
    assert_eq!(
        entry.not_after,
        Some("2026-12-31T23:59:59Z".parse().unwrap())
    );
    assert_eq!(entry.key, key());
    assert_eq!(entry.key.comment(), key().comment());
    assert!(entry.permits(Namespace::Bundle) && !entry.permits(Namespace::Order));
}

#[test]
fn a_line_without_options_is_for_every_namespace() {
    let entry = read("\"ann of fleet\"").unwrap();
    assert_eq!(entry.principals, ["ann of fleet"]);
    assert!(entry.permits(Namespace::Bundle) && entry.permits(Namespace::Receipt));
}

#[test]
fn patterns_of_namespaces_match_as_in_openssh() {
    for (patterns, permitted) in [
        ("bundle@host", true),
        ("*", true),
        ("*@host", true),
        ("b?ndle@*", true),
        ("*n*l*t", true),
        ("git,bundle@host", true),
        ("bundle", false),
        ("bundle@hos", false),
        ("?", false),
        ("*@host?", false),
        ("*,!bundle@host", false),
        ("!order@host", false),
        ("*,!order@host", true),
    ] {
        let entry = read(&format!("ann namespaces=\"{patterns}\"")).unwrap();
        assert_eq!(entry.permits(Namespace::Bundle), permitted, "{patterns}");
    }
}

#[test]
fn what_could_trust_more_than_was_meant_is_refused() {
    use AllowedSignerError as E;
    let unknown = |name: &str| E::UnknownOption {
        name: name.to_owned(),
    };
    let date = |source| E::Date {
        name: "valid-before",
        source,
    };
    for (head, refused) in [
        ("ann cert-authority", E::CertificateAuthority),
        (
            "ann CERT-AUTHORITY,namespaces=\"x\"",
            E::CertificateAuthority,
        ),
        ("ann no-touch-required", unknown("no-touch-required")),
        (
            "ann namespaces=\"a\",namespaces=\"b\"",
            E::Twice { name: "namespaces" },
        ),
        ("ann valid-before=\"soon\"", date(MomentError::Form)),
        (
            "ann valid-before=\"20261399\"",
            date(MomentError::Impossible),
        ),
        ("ann namespaces=\"a", E::Quote),
        ("ann namespaces=\"\"", E::Form),
        ("ann namespaces", E::Form),
        ("ann,", E::Form),
        ("ann namespaces=\"a\",", E::Form),
        ("a\"n\"n", E::Form),
    ] {
        assert_eq!(read(head), Err(refused), "{head}");
    }
    for line in ["ann", "ann namespaces=\"a\"", "", &key().to_string()] {
        assert_eq!(AllowedSigner::read_line(line), Err(E::Form), "{line}");
    }
    let rsa = AllowedSigner::read_line("ann ssh-rsa AAAA").unwrap_err();
    assert!(matches!(rsa, E::Key(PublicKeyError::Algorithm { .. })));
    let many = read(&"a,".repeat(LIST_CHARS_MAX)).unwrap_err();
    assert!(matches!(many, E::ListTooLong { .. }));
}

#[test]
fn one_bad_line_refuses_the_file_and_is_named() {
    let good = format!("# keys\n\nann {}\n  \nbob {}\n", key(), key());
    assert_eq!(AllowedSigner::read_all(&good).unwrap().len(), 2);
    let refused = AllowedSigner::read_all(&format!("{good}eve\n")).unwrap_err();
    assert_eq!(
        refused,
        AllowedSignersError::Line {
            line: 6,
            source: AllowedSignerError::Form
        }
    );
    let long = "#".repeat(ALLOWED_SIGNERS_BYTES_MAX + 1);
    assert!(matches!(
        AllowedSigner::read_all(&long),
        Err(AllowedSignersError::TooLong { .. })
    ));
}

proptest! {
    #[test]
    fn any_line_is_read_or_refused(line in "[ a-z\",=!*@\\t]{0,40}(ssh-ed25519 )?.{0,20}") {
        let _ = AllowedSigner::read_line(&line).map(|entry| entry.permits(Namespace::Bundle));
    }
}
