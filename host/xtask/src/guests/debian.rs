//! Clang, its linker and a C library for WASI: Debian's packages, unpacked where nobody else looks.
//!
//! Nothing is installed and nothing of the system is changed, so this needs no root: the packages are fetched by
//! apt-get, which checks what it fetches, and unpacked by dpkg. Where the system has no lists of packages, or they are
//! too old to fetch by, there are lists of our own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Yard, remove};
use crate::machine::{SYSTEM_PATH, has_program, program, read, run};

/// The program. Its package is fetched without what it depends on, most of which is for building native programs.
const CLANG: &str = "clang-19";

/// What it needs, for this machine and for WASI; what these need and the system has not comes with them.
const NEEDED: &[&str] = &[
    "libclang-common-19-dev",
    "libclang-cpp19",
    "libclang-rt-19-dev-wasm32",
    "libllvm19",
    "lld-19",
    "wasi-libc",
];

/// The list of what was unpacked, which is there when all of it is.
const LIST: &str = "packages.txt";

/// The compiler, fetched if it is not there yet.
///
/// # Errors
///
/// When it cannot be fetched.
pub(crate) fn clang(yard: &Yard) -> Result<Command> {
    let root = root(yard);
    if packages(yard).is_none() {
        fetch(yard).context("C guests need Debian's clang, lld and wasi-libc")?;
    }
    let usr = root.join("usr");
    let mut command = program(usr.join("bin").join(CLANG));
    command
        .arg("--sysroot")
        .arg(&usr)
        .env("PATH", with_first(&usr.join("bin"), SYSTEM_PATH))
        .env("LD_LIBRARY_PATH", libraries(&root)?);
    Ok(command)
}

/// The packages that the compiler is made of, one a line; none before it is there.
pub(crate) fn packages(yard: &Yard) -> Option<String> {
    fs::read_to_string(root(yard).join(LIST)).ok()
}

fn root(yard: &Yard) -> PathBuf {
    yard.work.join("clang")
}

fn with_first(first: &Path, rest: &str) -> OsString {
    let mut path = first.as_os_str().to_owned();
    path.push(":");
    path.push(rest);
    path
}

/// Where the compiler's own libraries are: below the two directories for this machine, whatever it is called.
fn libraries(root: &Path) -> Result<OsString> {
    let mut path = OsString::new();
    for directory in ["usr/lib", "lib"].map(|name| root.join(name)) {
        if !directory.is_dir() {
            continue;
        }
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry
                .file_name()
                .as_encoded_bytes()
                .ends_with(b"-linux-gnu")
            {
                path.push(entry.path());
                path.push(":");
            }
        }
    }
    path.push(root.join("usr/lib/llvm-19/lib"));
    Ok(path)
}

fn fetch(yard: &Yard) -> Result<()> {
    if !["apt-get", "dpkg"].into_iter().all(has_program) {
        bail!("this machine has no apt-get and dpkg to fetch them with");
    }
    eprintln!(
        "guests: fetching Debian's clang, lld and wasi-libc, some 50 MB, for this directory alone"
    );
    let archives = yard.fresh("archives")?;
    if let Err(with_system) = download(&Lists::system(), &archives) {
        eprintln!("guests: not with the system's lists of packages; reading lists of our own");
        let lists = Lists::own(yard)?;
        run(lists.apt_get().args(["-q", "update"]))
            .and_then(|()| download(&lists, &archives))
            .with_context(|| format!("with the system's own lists: {with_system:#}\nthen"))?;
    }
    let unpacked = yard.fresh("clang-new")?;
    let mut names = Vec::new();
    for entry in fs::read_dir(&archives)? {
        let entry = entry?;
        run(program("dpkg").arg("-x").arg(entry.path()).arg(&unpacked))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    File::create(unpacked.join(LIST))
        .and_then(|mut list| list.write_all((names.join("\n") + "\n").as_bytes()))?;
    let root = root(yard);
    remove(&root)?;
    fs::rename(&unpacked, &root)?;
    remove(&archives)?;
    remove(&yard.work.join("apt"))
}

/// Lists of packages that apt-get can work with.
#[derive(Debug)]
struct Lists(Vec<String>);

impl Lists {
    /// Those of the system, as they are.
    fn system() -> Self {
        // apt-get would hand the work to a user who cannot write to a directory of ours.
        Self(vec!["APT::Sandbox::User=root".to_owned()])
    }

    /// Those in a directory of ours, empty at first.
    fn own(yard: &Yard) -> Result<Self> {
        let directory = yard.fresh("apt")?;
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(directory.join(name))?;
        }
        let mut lists = Self::system();
        lists.0.push("Acquire::Languages=none".to_owned());
        for (option, name) in [("Dir::State::lists", "lists"), ("Dir::Cache", "cache")] {
            lists
                .0
                .push(format!("{option}={}", directory.join(name).display()));
        }
        Ok(lists)
    }

    fn apt_get(&self) -> Command {
        let mut command = program("apt-get");
        command.env("LC_ALL", "C");
        for option in &self.0 {
            command.args(["-o", option]);
        }
        command
    }
}

/// Fetches the packages into a directory.
fn download(lists: &Lists, directory: &Path) -> Result<()> {
    let simulate = ["--simulate", "--no-install-recommends", "install"];
    let plan = read(lists.apt_get().args(simulate).args(NEEDED))?;
    let mut wanted: Vec<&str> = NEEDED
        .iter()
        .copied()
        .chain([CLANG])
        .chain(to_install(&plan))
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    run(lists
        .apt_get()
        .args(["-q", "download"])
        .args(wanted)
        .current_dir(directory))
}

/// The packages that apt-get says it would install.
fn to_install(plan: &str) -> impl Iterator<Item = &str> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::to_install;

    #[test]
    fn what_would_be_installed_or_replaced_is_read_from_the_plan() {
        let plan = "Reading package lists...\n\
            The following NEW packages will be installed:\n  libllvm19\n\
            Inst libllvm19 (1:19.1.7-3~deb12u1 Debian:12.15/oldstable [amd64])\n\
            Inst libxml2 [2.9.14-1] (2.9.14+dfsg-1.3 Debian:12.15/oldstable [amd64]) []\n\
            Conf libllvm19 (1:19.1.7-3~deb12u1 Debian:12.15/oldstable [amd64])\n";
        assert_eq!(
            to_install(plan).collect::<Vec<_>>(),
            ["libllvm19", "libxml2"]
        );
    }
}
