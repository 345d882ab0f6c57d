//! Reads a plain tar of a module, made by any tar program, into memory.
//!
//! Only regular files and directories are accepted, under names that a bundle may have. GNU long names
//! and PAX paths are understood, since tar programs write them unasked; sparse files, links, devices,
//! repeated or contradicting records, collisions, and bytes after the end are refused. Such a tar is never
//! trusted: it is its author's own, and is sealed before anything in it is used.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use host_core::Shown;
use tar::{Archive, Entry, EntryType};

use crate::manifest::{FILE_BYTES_MAX, FILES_MAX};
use crate::path::{Clash, PathSet};
use crate::ustar::BLOCK_BYTES;
use crate::{BundlePath, BundlePathError, ModuleSource, SourceFile};

mod pax;

/// Largest plain tar, in bytes.
pub const PLAIN_TAR_BYTES_MAX: u64 = 256 << 20;

/// Most members of a plain tar: files, directories and the records that describe them.
const MEMBERS_MAX: usize = 4 * FILES_MAX;

/// Longest GNU long name or block of PAX records, in bytes.
const RECORD_BYTES_MAX: u64 = 64 << 10;

/// Directories that a module has at its top, and that therefore are no module's own directory.
const LAYOUT: [&str; 8] = [
    "facts.d",
    "files",
    "host",
    "lib",
    "manifests",
    "plans",
    "tasks",
    "types",
];

/// A module that was read from a plain tar.
#[derive(Debug)]
pub struct MemoryModule {
    directory: Option<String>,
    files: BTreeMap<String, MemoryFile>,
}

#[derive(Debug)]
struct MemoryFile {
    executable: bool,
    contents: Vec<u8>,
}

/// Why a plain tar could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlainTarError {
    /// The archive cannot be read.
    #[error("archive cannot be read")]
    Read(#[source] io::Error),
    /// The bytes are not those of a tar. They are not repeated, since they may be anybody's.
    #[error("it is no tar, or a damaged one")]
    NotATar,
    /// The archive is too large.
    #[error("archive has more than {PLAIN_TAR_BYTES_MAX} bytes")]
    TooLarge,
    /// The archive has too many members.
    #[error("archive has more than {max} {what}")]
    TooMany {
        /// How many are allowed.
        max: usize,
        /// What is counted.
        what: &'static str,
    },
    /// The archive has no end mark: something is missing.
    #[error("archive is truncated")]
    Truncated,
    /// There is more behind the end mark than zeros.
    #[error("archive goes on behind its end")]
    Trailing,
    /// A member is something else than a file or a directory.
    #[error("`{}` is {kind}, and only files and directories are accepted", Shown(.path))]
    Kind {
        /// Which member.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A member has a name that no bundle may have.
    #[error("`{}` cannot be in a bundle", Shown(.path))]
    Path {
        /// The name.
        path: String,
        /// What is wrong with it.
        #[source]
        source: BundlePathError,
    },
    /// A member's name is not UTF-8.
    #[error("`{}` is not named in UTF-8", Shown(.path))]
    NotUtf8 {
        /// The name, with unreadable bytes replaced.
        path: String,
    },
    /// The records before a member contradict each other or cannot be read.
    #[error("the {what} before member {place} {fault}")]
    Record {
        /// What kind of record.
        what: &'static str,
        /// Which member it describes, counted from 1.
        place: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// Two members have the same name, or names that differ only by case or Unicode form.
    #[error("`{path}` collides with `{other}`")]
    Clash {
        /// The later name.
        path: String,
        /// What it collides with.
        other: String,
    },
    /// There is no file in the archive.
    #[error("archive has no files")]
    Empty,
}

/// Reads a module from a plain tar.
///
/// A leading `./` is dropped from every name; one directory that holds everything, as `tar` makes it of
/// a module's directory, is dropped too and remembered as [`MemoryModule::directory`].
///
/// # Errors
///
/// When a member is not acceptable, a limit is passed, or the archive does not end properly.
pub fn read_plain_tar(reader: impl Read) -> Result<MemoryModule, PlainTarError> {
    let capped = reader.take(PLAIN_TAR_BYTES_MAX + 1);
    let mut archive = Archive::new(BufReader::new(capped));
    let members = read_members(&mut archive);
    let mut rest = archive.into_inner();
    // Told before anything else: what is cut off here looks truncated to the archive's reader.
    if rest.get_ref().limit() == 0 {
        return Err(PlainTarError::TooLarge);
    }
    let members = members?;
    check_rest(&mut rest)?;
    members.into_module()
}

impl MemoryModule {
    /// The directory that held everything in the archive, if there was one.
    pub fn directory(&self) -> Option<&str> {
        self.directory.as_deref()
    }
}

impl ModuleSource for MemoryModule {
    fn files(&self) -> Vec<SourceFile> {
        let listed = |(path, file): (&String, &MemoryFile)| SourceFile {
            path: path.clone(),
            executable: file.executable,
            size: file.contents.len() as u64,
        };
        self.files.iter().map(listed).collect()
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        let file = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file.contents.as_slice()))
    }
}

/// What has been read so far.
#[derive(Default)]
struct Members {
    seen: PathSet,
    files: BTreeMap<String, MemoryFile>,
    /// What the records before the next member say of it.
    records: Records,
}

#[derive(Default)]
struct Records {
    gnu_name: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
}

fn read_members<R: Read>(archive: &mut Archive<R>) -> Result<Members, PlainTarError> {
    let mut members = Members::default();
    // Raw: the records are read here, with limits, and sparse maps are not read at all.
    let entries = archive.entries().map_err(unread)?.raw(true);
    for (place, entry) in entries.enumerate() {
        if place >= MEMBERS_MAX {
            return Err(PlainTarError::TooMany {
                max: MEMBERS_MAX,
                what: "members",
            });
        }
        members.take(place + 1, entry.map_err(unread)?)?;
    }
    let Records {
        gnu_name: None,
        pax: None,
    } = members.records
    else {
        return Err(PlainTarError::Truncated);
    };
    Ok(members)
}

impl Members {
    fn take(&mut self, place: usize, entry: Entry<'_, impl Read>) -> Result<(), PlainTarError> {
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                let name = read_record(entry, place, "GNU long name")?;
                once(&mut self.records.gnu_name, name, place, "GNU long name")
            }
            EntryType::XHeader => {
                let pax = read_record(entry, place, "PAX record")?;
                once(&mut self.records.pax, pax, place, "PAX record")
            }
            EntryType::XGlobalHeader => {
                let bytes = read_record(entry, place, "global PAX record")?;
                pax::check_global(&bytes)
                    .map_err(|fault| record_error("global PAX record", place, fault))
            }
            EntryType::Regular => self.file(place, entry),
            EntryType::Directory => self.directory(place, &entry),
            other => Err(PlainTarError::Kind {
                path: shown(&entry),
                kind: kind(other),
            }),
        }
    }

    fn file(&mut self, place: usize, mut entry: Entry<'_, impl Read>) -> Result<(), PlainTarError> {
        let path = self.path(place, &entry)?;
        // INVARIANT: a tar's size bounds its files, so this cannot exceed what a bundle may hold.
        const { assert!(PLAIN_TAR_BYTES_MAX < FILE_BYTES_MAX) };
        if self.files.len() >= FILES_MAX {
            return Err(PlainTarError::TooMany {
                max: FILES_MAX,
                what: "files",
            });
        }
        self.seen
            .insert_file(&path)
            .map_err(|clash| clashing(&path, clash))?;
        let executable = entry.header().mode().map_err(unread)? & 0o100 != 0;
        // What is missing at its end is missed when the archive's end mark is.
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents).map_err(unread)?;
        self.files.insert(
            path,
            MemoryFile {
                executable,
                contents,
            },
        );
        Ok(())
    }

    fn directory(
        &mut self,
        place: usize,
        entry: &Entry<'_, impl Read>,
    ) -> Result<(), PlainTarError> {
        let path = self.path(place, entry)?;
        if path.is_empty() {
            return Ok(());
        }
        self.seen
            .insert_directory(&path)
            .map_err(|clash| clashing(&path, clash))
    }

    /// The name of a member as its records give it; empty for the directory `.`.
    fn path(
        &mut self,
        place: usize,
        entry: &Entry<'_, impl Read>,
    ) -> Result<String, PlainTarError> {
        let records = std::mem::take(&mut self.records);
        let pax = records.pax.unwrap_or_default();
        let pax_path = pax::path(&pax, entry.size())
            .map_err(|fault| record_error("PAX record", place, fault))?;
        let name = match (records.gnu_name, pax_path) {
            (Some(_), Some(_)) => {
                return Err(record_error(
                    "GNU long name",
                    place,
                    "contradicts a PAX record",
                ));
            }
            (Some(name), None) => name.strip_suffix(b"\0").unwrap_or(&name).to_vec(),
            (None, Some(path)) => path.to_vec(),
            (None, None) => entry.path_bytes().into_owned(),
        };
        let is_directory = entry.header().entry_type() == EntryType::Directory;
        clean(name, is_directory)
    }

    fn into_module(self) -> Result<MemoryModule, PlainTarError> {
        let top = |path: &str| path.split_once('/').map(|(top, _)| top.to_owned());
        let first = self.files.keys().next().ok_or(PlainTarError::Empty)?;
        let directory = top(first)
            .filter(|shared| !LAYOUT.contains(&shared.as_str()))
            .filter(|shared| {
                self.files
                    .keys()
                    .all(|path| top(path).as_ref() == Some(shared))
            });
        let Some(shared) = directory else {
            return Ok(MemoryModule {
                directory: None,
                files: self.files,
            });
        };
        let below = |path: String| path.get(shared.len() + 1..).unwrap_or_default().to_owned();
        let files = self
            .files
            .into_iter()
            .map(|(path, file)| (below(path), file))
            .collect();
        Ok(MemoryModule {
            directory: Some(shared),
            files,
        })
    }
}

/// Drops a leading `./`, and a directory's trailing slash, and refuses what no bundle may have.
fn clean(name: Vec<u8>, is_directory: bool) -> Result<String, PlainTarError> {
    let name = String::from_utf8(name).map_err(|error| PlainTarError::NotUtf8 {
        path: String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })?;
    let mut path = name.as_str();
    if is_directory {
        path = path.strip_suffix('/').unwrap_or(path);
        if path == "." {
            return Ok(String::new());
        }
    }
    path = path.strip_prefix("./").unwrap_or(path);
    match path.parse::<BundlePath>() {
        Ok(path) => Ok(path.as_str().to_owned()),
        Err(source) => Err(PlainTarError::Path { path: name, source }),
    }
}

fn read_record(
    mut entry: Entry<'_, impl Read>,
    place: usize,
    what: &'static str,
) -> Result<Vec<u8>, PlainTarError> {
    if entry.size() > RECORD_BYTES_MAX {
        return Err(record_error(what, place, "is too long"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}

fn once(
    slot: &mut Option<Vec<u8>>,
    bytes: Vec<u8>,
    place: usize,
    what: &'static str,
) -> Result<(), PlainTarError> {
    if slot.replace(bytes).is_some() {
        return Err(record_error(what, place, "is there twice"));
    }
    Ok(())
}

/// Accepts zeros only: the second block of the end mark, and what fills a tar program's last record.
fn check_rest(rest: &mut BufReader<io::Take<impl Read>>) -> Result<(), PlainTarError> {
    let (mut buffer, mut bytes) = ([0; 8192], 0);
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if buffer.iter().take(count).any(|byte| *byte != 0) => {
                return Err(PlainTarError::Trailing);
            }
            Ok(count) => bytes += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(PlainTarError::Read(error)),
        }
    }
    if rest.get_ref().limit() == 0 {
        return Err(PlainTarError::TooLarge);
    }
    // The archive's reader has taken the first block of the mark.
    if bytes < BLOCK_BYTES {
        return Err(PlainTarError::Truncated);
    }
    Ok(())
}

/// Tells what the system says from what the archive's reader says, whose texts repeat bytes of the file.
fn unread(error: io::Error) -> PlainTarError {
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            if error.raw_os_error().is_none() =>
        {
            PlainTarError::NotATar
        }
        _ => PlainTarError::Read(error),
    }
}

fn kind(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Symlink | EntryType::GNULongLink => "a symbolic link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        _ => "of an unknown kind",
    }
}

fn shown(entry: &Entry<'_, impl Read>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

fn clashing(path: &str, clash: Clash) -> PlainTarError {
    PlainTarError::Clash {
        path: path.to_owned(),
        other: clash.other,
    }
}

fn record_error(what: &'static str, place: usize, fault: &'static str) -> PlainTarError {
    PlainTarError::Record { what, place, fault }
}
