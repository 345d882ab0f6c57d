//! Whether this store has been used since the machine was started, so that what a power failure ended is looked for once.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{OFlags, ftruncate};
use rustix::io::Errno;

use crate::disk::{DiskError, FILE_MODE, open_file, read_whole};
use crate::lock::try_lock;
use crate::store::Store;

/// The file in the state directory.
const BOOT: &str = "boot";
/// The longest name of a boot, in bytes; the kernel's has 36.
const NAME_BYTES_MAX: u64 = 64;

/// The right to look after what was under way when the machine went down.
#[derive(Debug)]
pub struct NewBoot {
    file: File,
    name: String,
}

impl Store {
    /// Whether nobody has used this store since the machine was started, as the kernel names its starts; the answer is
    /// held by one process at a time.
    ///
    /// # Errors
    /// [`DiskError`] when that cannot be kept.
    pub fn new_boot(&self, name: &str) -> Result<Option<NewBoot>, DiskError> {
        const DOING: &str = "look up when this store was last used";
        let how = OFlags::RDWR | OFlags::CREATE;
        let file =
            open_file(self.state().dir(), BOOT, how, FILE_MODE).map_err(DiskError::when(DOING))?;
        if is_known(&file, name).map_err(DiskError::when(DOING))? {
            return Ok(None);
        }
        match try_lock(&file) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            taken => taken.map_err(DiskError::when(DOING))?,
        }
        // Whoever had the lock may just have written it.
        let is_known = is_known(&file, name).map_err(DiskError::when(DOING))?;
        let name = name.to_owned();
        Ok((!is_known).then_some(NewBoot { file, name }))
    }
}

impl NewBoot {
    /// Notes that everything has been looked after. It need not last: then it is looked after once more.
    ///
    /// # Errors
    /// [`DiskError`] when it cannot be written.
    pub fn done(self) -> Result<(), DiskError> {
        const DOING: &str = "write down when this store was used";
        ftruncate(&self.file, 0).map_err(DiskError::when(DOING))?;
        let written = self.file.write_all_at(self.name.as_bytes(), 0);
        written.map_err(DiskError::when(DOING))
    }
}

fn is_known(file: &File, name: &str) -> std::io::Result<bool> {
    use std::io::Seek;
    let mut reader = file;
    reader.rewind()?;
    let known = read_whole(file, 0, NAME_BYTES_MAX)?;
    Ok(known.as_deref() == Some(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use crate::lab::Lab;

    #[test]
    fn each_start_of_the_machine_is_new_once() {
        let lab = Lab::new();
        let store = lab.store();
        let first = store.new_boot("one").unwrap().unwrap();
        assert!(
            store.new_boot("one").unwrap().is_none(),
            "it is being looked after"
        );
        first.done().unwrap();
        assert!(store.new_boot("one").unwrap().is_none());
        let second = store.new_boot("two").unwrap();
        assert!(second.is_some());
        drop(second);
        assert!(
            store.new_boot("two").unwrap().is_some(),
            "what was not done is done again"
        );
    }
}
