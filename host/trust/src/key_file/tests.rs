//! What is read as a private key and what is not. Real key files are read in `tests/it/ssh_keygen.rs`.

use super::*;

#[test]
fn a_key_file_reads_as_it_was_written() {
    let key = KeyFile::generate(&[7; 32], "ann@fleet").unwrap();
    let text = key.to_text().unwrap();
    let again = KeyFile::read(&text).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(again.public_key().comment(), "ann@fleet");
    assert_eq!(*again.to_text().unwrap(), *text);
}

#[test]
fn the_same_seed_gives_the_same_key_and_another_seed_another() {
    let key = |byte| {
        KeyFile::generate(&[byte; 32], "")
            .unwrap()
            .public_key()
            .clone()
    };
    assert_eq!(key(1), key(1));
    assert_ne!(key(1), key(2));
}

#[test]
fn debug_output_keeps_the_private_half() {
    let key = KeyFile::generate(&[7; 32], "").unwrap();
    assert_eq!(format!("{key:?}"), format!("KeyFile({})", key.public_key()));
}

#[test]
fn what_is_no_private_key_is_refused() {
    let key = KeyFile::generate(&[7; 32], "").unwrap();
    for text in [
        "",
        &key.public_key().to_string(),
        "-----BEGIN RSA PRIVATE KEY-----\n",
    ] {
        assert!(
            matches!(KeyFile::read(text), Err(KeyFileError::NotAKey)),
            "{text}"
        );
    }
    let text = key.to_text().unwrap().clone();
    let cut = &text[..text.len() / 2];
    assert!(matches!(KeyFile::read(cut), Err(KeyFileError::Damaged(_))));
    let long = text.clone() + &"\n".repeat(KEY_FILE_BYTES_MAX);
    assert!(matches!(
        KeyFile::read(&long),
        Err(KeyFileError::TooLong { .. })
    ));
    assert!(matches!(
        KeyFile::generate(&[7; 32], "a\nb"),
        Err(KeyFileError::Public(_))
    ));
}
