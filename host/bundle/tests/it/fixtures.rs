//! A small module, a sink that remembers, and tar entries written by hand.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Read};

use host_bundle::{
    FileEntry, FileMode, FileSink, ModuleSource, PackRequest, Packed, SourceFile, VerifiedBundle,
    add_signature, open, pack,
};
use host_core::Digest;
use host_trust::sshsig::{Namespace, sign};
use host_trust::{Author, KeyFile, Modules, Signer as _, TrustList};
use sha2::{Digest as _, Sha256};

/// The second at which everything in these tests happens.
pub(crate) const NOW: u64 = 1_795_000_000;

/// A module in memory: path, executable, contents.
#[derive(Clone, Debug)]
pub(crate) struct Files(pub(crate) Vec<(String, bool, Vec<u8>)>);

impl Files {
    pub(crate) fn of(files: &[(&str, bool, &[u8])]) -> Self {
        let owned = |(path, executable, contents): &(&str, bool, &[u8])| {
            ((*path).to_owned(), *executable, contents.to_vec())
        };
        Self(files.iter().map(owned).collect())
    }

    /// Two files, of which one has padding and the other exactly one block.
    pub(crate) fn small() -> Self {
        Self::of(&[
            ("tasks/init.json", false, b"{}\n"),
            ("tasks/init.sh", true, &[b'#'; 512]),
        ])
    }
}

impl ModuleSource for Files {
    fn files(&self) -> Vec<SourceFile> {
        let listed = |(path, executable, contents): &(String, bool, Vec<u8>)| SourceFile {
            path: path.clone(),
            executable: *executable,
            size: contents.len() as u64,
        };
        self.0.iter().map(listed).collect()
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        let file = self
            .0
            .iter()
            .find(|file| file.0 == path)
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file.2.as_slice()))
    }
}

pub(crate) fn request(source: &dyn ModuleSource) -> PackRequest<'_> {
    PackRequest {
        module: "disk".parse().unwrap(),
        version: "1.0.0".parse().unwrap(),
        source,
        needs: Vec::new(),
        overlay: None,
    }
}

pub(crate) fn packed(source: &dyn ModuleSource) -> (Vec<u8>, Packed) {
    let mut bytes = Vec::new();
    let packed = pack(&request(source), &mut bytes).unwrap();
    assert_eq!(packed.bytes, bytes.len() as u64);
    (bytes, packed)
}

pub(crate) fn sealed(source: &dyn ModuleSource) -> Vec<u8> {
    packed(source).0
}

/// A sink that remembers what was finished, and insists that it is what its entry says.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) files: BTreeMap<String, (FileMode, Vec<u8>)>,
}

impl FileSink for Kept {
    type File = Vec<u8>;

    fn begin(&mut self, _: &FileEntry) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn finish(&mut self, entry: &FileEntry, file: Vec<u8>) -> io::Result<()> {
        assert_eq!(file.len() as u64, entry.size, "{}", entry.path);
        assert_eq!(sha256(&file), entry.sha256, "{}", entry.path);
        self.files
            .insert(entry.path.to_string(), (entry.mode, file));
        Ok(())
    }
}

/// Opens and receives a bundle as its author; an error is the whole chain of messages.
pub(crate) fn receive(reader: impl Read) -> Result<(VerifiedBundle, Kept), String> {
    let sealed = open(reader).map_err(|error| chain(&error))?;
    let mut kept = Kept::default();
    let verified = sealed
        .of_local_author()
        .receive(&mut kept)
        .map_err(|error| chain(&error))?;
    Ok((verified, kept))
}

/// Opens, verifies and receives a bundle as a stranger.
pub(crate) fn receive_signed(
    bytes: &[u8],
    trust: &TrustList,
) -> Result<(VerifiedBundle, Kept), String> {
    let sealed = open(bytes).map_err(|error| chain(&error))?;
    let authentic = sealed.verify(trust, NOW).map_err(|error| chain(&error))?;
    let mut kept = Kept::default();
    let verified = authentic
        .receive(&mut kept)
        .map_err(|error| chain(&error))?;
    Ok((verified, kept))
}

pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

pub(crate) fn key(seed: u8) -> KeyFile {
    KeyFile::generate(&[seed; 32], "a test").unwrap()
}

pub(crate) fn signature(key: &mut KeyFile, manifest: &[u8]) -> String {
    sign(key, Namespace::Bundle, manifest)
        .unwrap()
        .armored()
        .to_owned()
}

pub(crate) fn manifest_of(bundle: &[u8]) -> Vec<u8> {
    open(bundle).unwrap().manifest_bytes().to_vec()
}

pub(crate) fn signed(bundle: &[u8], seed: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let signature = signature(&mut key(seed), &manifest_of(bundle));
    add_signature(bundle, &mut bytes, &signature).unwrap();
    bytes
}

pub(crate) fn trusting(seeds: &[u8], modules: Modules) -> TrustList {
    let mut list = TrustList::empty();
    for seed in seeds {
        list.add_author(Author {
            owner: format!("owner{seed}").parse().unwrap(),
            key: key(*seed).public_key().clone(),
            modules: modules.clone(),
            not_before: None,
            not_after: None,
            comment: None,
        })
        .unwrap();
    }
    list
}

/// Where the headers of a well-formed archive begin, and after them where its end mark begins.
pub(crate) fn headers(archive: &[u8]) -> Vec<usize> {
    let mut places = vec![0];
    let mut place = 0;
    while archive[place..place + 512].iter().any(|byte| *byte != 0) {
        let size = std::str::from_utf8(&archive[place + 124..place + 135]).unwrap();
        let size = usize::from_str_radix(size, 8).unwrap();
        place += 512 + size.next_multiple_of(512);
        places.push(place);
    }
    places
}

/// A ustar entry as a tar program might write it, whatever its kind.
pub(crate) fn entry(path: &[u8], kind: u8, contents: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..path.len()].copy_from_slice(path);
    block[100..108].copy_from_slice(b"0000644\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[329..337].copy_from_slice(b"0000000\0");
    block[337..345].copy_from_slice(b"0000000\0");
    checksum(&mut block);
    block.extend_from_slice(contents);
    block.resize(512 + contents.len().next_multiple_of(512), 0);
    block
}

/// Puts the right checksum into the header at the start.
pub(crate) fn checksum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// One PAX record with its own length in front.
pub(crate) fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}
