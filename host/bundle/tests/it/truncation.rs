//! A bundle that ends early never gives a verified bundle, nor a file that is not whole.

use proptest::prelude::*;

use crate::fixtures::{Files, receive, sealed};

fn bundle() -> Vec<u8> {
    sealed(&Files::of(&[
        ("a/empty", false, b""),
        ("a/large", false, &[1; 70_000]),
        ("tasks/init.sh", true, &[b'#'; 512]),
        ("z", false, b"end"),
    ]))
}

#[test]
fn a_bundle_cut_between_blocks_is_refused() {
    let whole = bundle();
    for end in (0..whole.len()).step_by(512) {
        // The sink checks each file that is finished.
        let error = receive(&whole[..end]).unwrap_err();
        assert!(
            error.ends_with("the archive is truncated"),
            "{end}: {error}"
        );
    }
    assert!(receive(whole.as_slice()).is_ok());
}

proptest! {
    #[test]
    fn a_bundle_cut_anywhere_is_refused(cut in any::<proptest::sample::Index>()) {
        let whole = bundle();
        let end = cut.index(whole.len());
        let error = receive(&whole[..end]).unwrap_err();
        prop_assert!(error.ends_with("the archive is truncated"), "{}: {}", end, error);
    }
}
