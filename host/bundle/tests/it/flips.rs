//! Whatever byte of a signed bundle is changed, it is refused.

use host_bundle::FileMode;
use host_trust::Modules;

use crate::fixtures::{Files, receive_signed, sealed, signed, trusting};

#[test]
fn every_changed_byte_refuses_the_bundle() {
    let bundle = signed(&sealed(&Files::small()), 1);
    let list = trusting(&[1], Modules::All);
    let (verified, kept) = receive_signed(&bundle, &list).unwrap();
    assert_eq!(verified.signers().len(), 1);
    assert_eq!(kept.files["tasks/init.sh"].0, FileMode::Executable);
    let mut changed = bundle;
    for place in 0..changed.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            changed[place] ^= mask;
            assert!(
                receive_signed(&changed, &list).is_err(),
                "byte {place} ^ {mask:#x}"
            );
            changed[place] ^= mask;
        }
    }
    assert!(receive_signed(&changed, &list).is_ok());
}

#[test]
fn every_removed_or_doubled_byte_refuses_the_bundle() {
    let bundle = signed(&sealed(&Files::small()), 1);
    let list = trusting(&[1], Modules::All);
    for place in 0..bundle.len() {
        let mut changed = bundle.clone();
        let byte = changed.remove(place);
        assert!(
            receive_signed(&changed, &list).is_err(),
            "without byte {place}"
        );
        changed.splice(place..place, [byte, byte]);
        assert!(
            receive_signed(&changed, &list).is_err(),
            "with byte {place} twice"
        );
    }
}
