//! A kernel as its package has it, and the modules of it that a machine with virtio devices starts with.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::machine::{program, run};

/// What the machine's devices need: its bus, the disk, the shared directories, and what is on the disk.
const WANTED: &[&str] = &["virtio_pci", "virtio_blk", "virtiofs", "ext4"];

/// What the names of images begin with.
const IMAGE: &str = "vmlinuz-";

/// Where modules are, before and after `/lib` became a link.
const MODULES: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// Directories of modules, and their dependencies on each other, may nest this deep.
const DEPTH_MAX: usize = 12;

/// A module that is longer than this is none.
const MODULE_BYTES_MAX: u64 = 64 << 20;

/// A kernel, unpacked.
#[derive(Debug)]
pub(crate) struct Kernel {
    /// The file that is started.
    pub(crate) image: PathBuf,
    modules: PathBuf,
}

/// A module, ready to be loaded.
#[derive(Debug)]
pub(crate) struct Module {
    /// Its name, with `_` and no ending.
    pub(crate) name: String,
    /// What is loaded.
    pub(crate) bytes: Vec<u8>,
}

impl Kernel {
    /// Looks for one below the directory that its package was unpacked into.
    ///
    /// # Errors
    ///
    /// When the package has none.
    pub(crate) fn find(root: &Path) -> Result<Self> {
        const NONE: &str = "the package has no kernel in it";
        for entry in fs::read_dir(root.join("boot")).context(NONE)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(release) = name.strip_prefix(IMAGE) else {
                continue;
            };
            let places = MODULES.map(|place| root.join(place).join(release));
            let modules = places.into_iter().find(|place| place.is_dir());
            return Ok(Self {
                image: entry.path(),
                modules: modules.with_context(|| format!("kernel {release} has no modules"))?,
            });
        }
        bail!(NONE);
    }

    /// The modules that the machine needs, each after those that it depends on. `busybox` unpacks those that are
    /// compressed, by way of a file in `work`.
    ///
    /// # Errors
    ///
    /// When the kernel has not got one of them.
    pub(crate) fn modules(&self, busybox: &Path, work: &Path) -> Result<Vec<Module>> {
        let mut files = Vec::new();
        gather(&self.modules, 0, &mut files)?;
        // Debian's packages have no modules.dep, which is made where they are installed; the modules say it themselves.
        let built_in = fs::read_to_string(self.modules.join("modules.builtin")).unwrap_or_default();
        let built_in = built_in
            .lines()
            .filter_map(|line| module_name(Path::new(line)));
        let mut choice = Choice {
            files,
            built_in: built_in.collect(),
            chosen: Vec::new(),
        };
        let read = |file: &Path| read_module(file, busybox, &work.join("module.ko"));
        for name in WANTED {
            choice.choose(name, 0, &read)?;
        }
        Ok(choice.chosen)
    }
}

/// What was chosen so far, and from what.
#[derive(Debug)]
struct Choice {
    files: Vec<PathBuf>,
    built_in: Vec<String>,
    chosen: Vec<Module>,
}

impl Choice {
    /// Chooses a module, after what it depends on, unless the kernel has it or it is chosen already.
    fn choose(
        &mut self,
        name: &str,
        depth: usize,
        read: &impl Fn(&Path) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let is_chosen = self.chosen.iter().any(|module| module.name == name);
        if is_chosen || self.built_in.iter().any(|known| known == name) {
            return Ok(());
        }
        ensure!(
            depth <= DEPTH_MAX,
            "the modules that `{name}` depends on depend on it"
        );
        let file = self
            .files
            .iter()
            .find(|file| module_name(file).as_deref() == Some(name))
            .with_context(|| format!("this kernel has no `{name}`, which the machine needs"))?;
        let bytes = read(file)?;
        for needed in depends(&bytes) {
            self.choose(&needed, depth + 1, read)?;
        }
        self.chosen.push(Module {
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }
}

/// What the kernel calls a module: `virtio_pci` for `drivers/virtio-pci.ko.xz`, and nothing for what is no module.
fn module_name(file: &Path) -> Option<String> {
    let (name, ending) = file.file_name()?.to_str()?.split_once(".ko")?;
    (ending.is_empty() || ending.starts_with('.')).then(|| name.replace('-', "_"))
}

/// The names of the modules that have to be loaded before this one, which stands in it as `depends=one,two`.
fn depends(module: &[u8]) -> Vec<String> {
    let mut texts = module.split(|byte| *byte == 0);
    let names = texts.find_map(|text| text.strip_prefix(b"depends="));
    String::from_utf8_lossy(names.unwrap_or_default())
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

fn gather(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    ensure!(
        depth <= DEPTH_MAX,
        "{}: more than {DEPTH_MAX} directories deep",
        directory.display()
    );
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), depth + 1, files)?;
        } else if module_name(&entry.path()).is_some() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn read_module(file: &Path, busybox: &Path, plain: &Path) -> Result<Vec<u8>> {
    let read = |file: &Path| -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(file)?
            .take(MODULE_BYTES_MAX)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    if file.extension().is_none_or(|ending| ending != "xz") {
        return read(file).with_context(|| format!("{}", file.display()));
    }
    run(program(busybox)
        .arg("xzcat")
        .arg(file)
        .stdout(File::create(plain)?))?;
    let bytes = read(plain)?;
    fs::remove_file(plain)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Choice, depends, module_name};

    fn choice(files: &[&str], built_in: &[&str]) -> Choice {
        Choice {
            files: files.iter().map(PathBuf::from).collect(),
            built_in: built_in.iter().map(|name| (*name).to_owned()).collect(),
            chosen: Vec::new(),
        }
    }

    /// Modules that depend on what their names tell, as `a` on `b` in `a-b.ko`.
    fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
        let needed = match file.to_str() {
            Some("virtiofs.ko") => "fuse,virtio",
            Some("fuse.ko.xz") => "virtio,ext4",
            Some("loop.ko") => "loop2",
            Some("loop2.ko") => "loop",
            _ => "",
        };
        Ok(format!("license=GPL\0depends={needed}\0").into_bytes())
    }

    #[test]
    fn a_module_comes_after_what_it_depends_on_and_once() {
        let mut choice = choice(&["virtiofs.ko", "virtio.ko", "fuse.ko.xz"], &["ext4"]);
        for name in ["virtio", "virtiofs", "ext4"] {
            choice.choose(name, 0, &read).unwrap();
        }
        let names: Vec<&str> = choice.chosen.iter().map(|module| &*module.name).collect();
        assert_eq!(names, ["virtio", "fuse", "virtiofs"]);
    }

    #[test]
    fn a_module_that_is_missing_or_needs_itself_is_named() {
        let mut choice = choice(&["virtiofs.ko", "loop.ko", "loop2.ko"], &[]);
        let error = choice.choose("virtiofs", 0, &read).unwrap_err().to_string();
        assert_eq!(error, "this kernel has no `fuse`, which the machine needs");
        let error = choice.choose("loop", 0, &read).unwrap_err().to_string();
        assert!(error.contains("depend on it"), "{error}");
    }

    #[test]
    fn what_a_module_depends_on_stands_in_it() {
        let module =
            b"\x7fELF\0no depends=here\0license=GPL\0depends=virtio_ring,virtio-pci\0name=x\0";
        assert_eq!(depends(module), ["virtio_ring", "virtio_pci"]);
        assert!(depends(b"\0depends=\0name=x\0").is_empty());
        assert!(depends(b"\x7fELF").is_empty());
    }

    #[test]
    fn a_file_is_a_module_by_its_ending() {
        for (file, expected) in [
            ("kernel/drivers/virtio/virtio-pci.ko.xz", Some("virtio_pci")),
            ("kernel/fs/ext4/ext4.ko", Some("ext4")),
            ("modules.order", None),
            ("some.kombu", None),
        ] {
            assert_eq!(module_name(Path::new(file)).as_deref(), expected, "{file}");
        }
    }
}
