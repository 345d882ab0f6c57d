//! The directories of a guest: one for each that was granted, and the parent of each file.
//!
//! A directory of the jail holds nothing but what was granted, so the parent of a file shows that file alone. What may
//! be written is decided twice: here, and by how it is mounted.

use std::collections::BTreeSet;
use std::path::Path;

use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use crate::order::Preopen;

/// Opens `preopens` to the guest that `builder` describes.
pub(crate) fn open(preopens: &[Preopen], builder: &mut WasiCtxBuilder) -> wasmtime::Result<()> {
    let mut opened = BTreeSet::new();
    for Preopen {
        place,
        name,
        writable,
    } in directories(preopens)
    {
        if !opened.insert(name.clone()) {
            continue;
        }
        let perms = if writable {
            FsPerms::ReadWrite
        } else {
            FsPerms::ReadOnly
        };
        builder.preopened_dir(&place, &name, perms)?;
    }
    Ok(())
}

/// Each directory once, writable if anything in it is.
fn directories(preopens: &[Preopen]) -> Vec<Preopen> {
    let mut directories: Vec<Preopen> = Vec::new();
    for preopen in preopens {
        let Some(directory) = directory(preopen) else {
            // What is optional, or only read, may not be there.
            continue;
        };
        let known = directories
            .iter_mut()
            .find(|known| known.name == directory.name && known.place == directory.place);
        match known {
            Some(known) => known.writable |= directory.writable,
            None => directories.push(directory),
        }
    }
    directories
}

fn directory(preopen: &Preopen) -> Option<Preopen> {
    if std::fs::metadata(&preopen.place).ok()?.is_dir() {
        return Some(preopen.clone());
    }
    let parent = |path: &str| {
        let parent = Path::new(path).parent()?;
        Some(parent.to_str()?.to_owned())
    };
    Some(Preopen {
        place: parent(&preopen.place)?,
        name: parent(&preopen.name)?,
        writable: preopen.writable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preopen(place: &Path, writable: bool) -> Preopen {
        Preopen {
            place: place.to_str().unwrap().to_owned(),
            name: place.to_str().unwrap().to_owned(),
            writable,
        }
    }

    #[test]
    fn a_file_is_opened_by_its_directory_and_what_is_not_there_is_left_out() {
        let lab = tempfile::tempdir().unwrap();
        let (file, other) = (lab.path().join("a"), lab.path().join("b"));
        for path in [&file, &other] {
            std::fs::File::create_new(path).unwrap();
        }
        let found = directories(&[
            preopen(&file, false),
            preopen(&other, true),
            preopen(&lab.path().join("missing"), true),
        ]);
        assert_eq!(found, [preopen(lab.path(), true)]);
    }
}
