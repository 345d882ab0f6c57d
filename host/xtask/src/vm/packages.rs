//! The kernel and the emulator: Debian's packages, unpacked below the build directory and fetched anew when Debian
//! has others.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::VmArguments;
use crate::archives::{self, Lists};

/// What emulates the machine, and the shell that it starts with. The parts of the emulator are named one by one: what
/// the system has of them would not be unpacked otherwise.
const EMULATOR: &[&str] = &[
    "busybox-static",
    "qemu-system-common",
    "qemu-system-data",
    "qemu-system-x86",
    "seabios",
];

/// What shares directories with the machine, where Debian has it apart from the emulator.
const SHARER: &str = "virtiofsd";

/// Where what shares directories is, in the package of the emulator or in its own.
const SHARER_PLACES: &[&str] = &["usr/lib/qemu/virtiofsd", "usr/libexec/virtiofsd"];

/// Where the shell is, before and after `/bin` became a link.
const BUSYBOX_PLACES: &[&str] = &["bin/busybox", "usr/bin/busybox"];

/// What the packages of kernels are called, which those that only name the newest one depend on.
const KERNELS: &str = "linux-image-";

/// What the lists of the system offered when the packages were fetched.
const OFFERED: &str = "offered.txt";

/// The emulator with all that it takes, unpacked.
#[derive(Debug)]
pub(crate) struct Emulator {
    root: PathBuf,
    /// What shares directories with the machine.
    pub(crate) sharer: PathBuf,
    /// A shell and its tools in one file that needs no other.
    pub(crate) busybox: PathBuf,
    /// Where the libraries are that the system may not have.
    pub(crate) libraries: OsString,
}

impl Emulator {
    /// Fetches it unless it is there.
    ///
    /// # Errors
    ///
    /// When it is not to be had.
    pub(crate) fn ready(work: &Path) -> Result<Self> {
        let root = work.join("emulator");
        ensure(
            &root,
            work,
            "Debian's qemu and busybox, some 20 MB",
            |lists| {
                let mut packages = EMULATOR.to_vec();
                if lists.has(SHARER) {
                    packages.push(SHARER);
                }
                lists.with_needed(&packages)
            },
        )?;
        Ok(Self {
            sharer: one_of(&root, SHARER_PLACES)?,
            busybox: one_of(&root, BUSYBOX_PLACES)?,
            libraries: archives::libraries(&root)?,
            root,
        })
    }

    /// The program that is the machine.
    pub(crate) fn program(&self) -> PathBuf {
        self.root.join("usr/bin/qemu-system-x86_64")
    }

    /// Where it finds its firmware.
    pub(crate) fn firmware(&self) -> [PathBuf; 2] {
        ["usr/share/qemu", "usr/share/seabios"].map(|place| self.root.join(place))
    }

    /// Where it finds its own parts.
    ///
    /// # Errors
    ///
    /// When it has none.
    pub(crate) fn parts(&self) -> Result<PathBuf> {
        let places = std::env::split_paths(&self.libraries).map(|place| place.join("qemu"));
        let mut found = places.filter(|place| place.is_dir());
        found
            .next()
            .context("the emulator's packages have no parts of it")
    }
}

/// Fetches a kernel unless it is there, and gives the directory that it is unpacked into.
///
/// # Errors
///
/// When it is not to be had.
pub(crate) fn kernel(work: &Path, arguments: &VmArguments) -> Result<PathBuf> {
    let package = &arguments.kernel;
    let what = format!("{package}, some 30 MB");
    let choose = |lists: &Lists| {
        let depends = lists.depends(package)?;
        let real = depends.into_iter().find(|name| name.starts_with(KERNELS));
        Ok(vec![real.unwrap_or_else(|| package.clone())])
    };
    let root = work.join("kernels").join(directory_name(package));
    let Some(source) = &arguments.source else {
        ensure(&root, work, &what, choose)?;
        return Ok(root);
    };
    // Whether there is a newer one would take lists of packages that are larger than most kernels.
    let root = root.with_extension(directory_name(source));
    if archives::unpacked(&root).is_none() {
        say(&what, work);
        archives::unpack_from(&root, work, source, choose)
            .with_context(|| format!("fetching {package} from `{source}`"))?;
    }
    Ok(root)
}

/// Unpacks packages into `root` unless they are there, and are what the system's lists offer: then, and where the
/// system has no lists, there is nothing to do.
fn ensure(
    root: &Path,
    work: &Path,
    what: &str,
    choose: impl Fn(&Lists) -> Result<Vec<String>>,
) -> Result<()> {
    let lists = Lists::system();
    let offered = choose(&lists).and_then(|wanted| lists.offers(&wanted));
    let offered = offered.unwrap_or_default();
    let stamp = root.join(OFFERED);
    let had = archives::unpacked(root).and_then(|_| fs::read_to_string(&stamp).ok());
    if had.is_some_and(|had| offered.is_empty() || offered == had) {
        return Ok(());
    }
    say(what, work);
    archives::unpack(root, work, choose).map_err(|error| {
        anyhow!("fetching {what}: {error:#}\nhint: `apt-cache policy PACKAGE` says what this machine's sources have; `--source` names another for the kernel")
    })?;
    File::create(&stamp)
        .and_then(|mut file| file.write_all(offered.as_bytes()))
        .with_context(|| format!("{}", stamp.display()))
}

fn say(what: &str, work: &Path) {
    println!("fetching {what}, for {} alone", work.display());
}

/// A text as the name of a directory.
fn directory_name(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-+_".contains(character);
    text.chars()
        .map(|character| if plain(character) { character } else { '_' })
        .collect()
}

fn one_of(root: &Path, places: &[&str]) -> Result<PathBuf> {
    places
        .iter()
        .map(|place| root.join(place))
        .find(|place| place.is_file())
        .with_context(|| format!("{} has none of {}", root.display(), places.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::directory_name;

    #[test]
    fn a_source_is_one_directory_whatever_is_in_it() {
        let name = directory_name("deb [trusted=no] http://mirror.example/debian ../..");
        assert_eq!(name, "deb__trusted_no__http___mirror_example_debian______");
        assert_eq!(
            directory_name("linux-image-6.12.95+deb12"),
            "linux-image-6_12_95+deb12"
        );
    }
}
