//! What the oracles edit: a small module, keys, a signed bundle, and a list that trusts its signer.
//!
//! The keys come from fixed seeds, are made when they are needed, and are worth nothing.

use std::sync::LazyLock;

use host_bundle::{ModuleSource, PackRequest, add_signature, open, pack};
use host_trust::sshsig::{Namespace, sign};
use host_trust::{Author, KeyFile, Modules, Signer as _, TrustList};

use crate::received::Received;

/// The second at which everything happens, in Unix time.
pub(crate) const NOW_UNIX: u64 = 1_795_000_000;

/// The module that the sound bundle holds.
pub(crate) const MODULE: &str = "disk";

/// The version of that module.
pub(crate) const VERSION: &str = "1.0.0";

/// A bundle of two files, of which one fills its block, signed with the key of seed 1.
pub(crate) static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let bundle = sealed(&module()).expect("a small module");
    let manifest = open(bundle.as_slice())
        .expect("our own bundle")
        .manifest_bytes()
        .to_vec();
    let mut bytes = Vec::new();
    let armored = signature(1, Namespace::Bundle, &manifest);
    add_signature(bundle.as_slice(), &mut bytes, &armored).expect("our own signature");
    bytes
});

/// A list that trusts the key of seed 1 with every module.
pub(crate) static TRUSTING: LazyLock<TrustList> = LazyLock::new(|| {
    let mut list = TrustList::empty();
    let author = Author {
        owner: "alice".parse().expect("an owner"),
        key: key(1).public_key().clone(),
        modules: Modules::All,
        not_before: None,
        not_after: None,
        comment: None,
    };
    list.add_author(author).expect("room in an empty list");
    list
});

/// The two files of the sound bundle.
pub(crate) fn module() -> Received {
    let mut module = Received::default();
    module
        .0
        .insert("tasks/init.json".to_owned(), (false, b"{}\n".to_vec()));
    module
        .0
        .insert("tasks/init.sh".to_owned(), (true, vec![b'#'; 512]));
    module
}

/// Seals files as the module [`MODULE`]; `None` when they make no bundle.
pub(crate) fn sealed(source: &dyn ModuleSource) -> Option<Vec<u8>> {
    sealed_as(source, MODULE, VERSION)
}

/// Seals files as any module; `None` when they make no bundle.
pub(crate) fn sealed_as(source: &dyn ModuleSource, module: &str, version: &str) -> Option<Vec<u8>> {
    let request = PackRequest {
        module: module.parse().ok()?,
        version: version.parse().ok()?,
        source,
        needs: Vec::new(),
        overlay: None,
    };
    let mut bytes = Vec::new();
    let packed = pack(&request, &mut bytes).ok()?;
    assert_eq!(packed.bytes, bytes.len() as u64);
    Some(bytes)
}

/// The key of a seed.
pub(crate) fn key(seed: u8) -> KeyFile {
    KeyFile::generate(&[seed; 32], "fuzz").expect("a plain comment")
}

/// The armored signature of a seed's key.
pub(crate) fn signature(seed: u8, namespace: Namespace, message: &[u8]) -> String {
    sign(&mut key(seed), namespace, message)
        .expect("a key in memory signs")
        .armored()
        .to_owned()
}
