//! Debian's packages, downloaded and unpacked where nobody else looks.
//!
//! Nothing is installed and nothing of the system is changed, so this needs no root: the packages are fetched by
//! apt-get, which checks what it fetches, and unpacked by dpkg. Where the system has no lists of packages, or they are
//! too old to fetch by, there are lists of our own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::machine::{has_program, program, read, run};
use crate::workspace::{empty_directory, remove_tree};

/// The list of what was unpacked, which is there when all of it is.
const LIST: &str = "packages.txt";

/// The packages that were unpacked into `root`, one a line; none before they are all there.
pub(crate) fn unpacked(root: &Path) -> Option<String> {
    fs::read_to_string(root.join(LIST)).ok()
}

/// Fetches the packages that `choose` names by the lists that it is given, and unpacks them into `root`, where they
/// replace what was there. `work` is for what is needed meanwhile.
///
/// # Errors
///
/// When this is no Debian, or the packages are not to be had.
pub(crate) fn unpack(
    root: &Path,
    work: &Path,
    choose: impl Fn(&Lists) -> Result<Vec<String>>,
) -> Result<()> {
    ensure_tools()?;
    let archives = work.join("archives");
    let fetch = |lists: &Lists| lists.download(&choose(lists)?, &archives);
    if let Err(with_system) = fetch(&Lists::system()) {
        eprintln!("not with the system's lists of packages; reading lists of our own");
        Lists::own(&work.join("apt"))?
            .updated()
            .and_then(|lists| fetch(&lists))
            .with_context(|| format!("with the system's own lists: {with_system:#}\nthen"))?;
    }
    unpack_all(&archives, root, work)
}

/// The same from a source that need not be one of the system's, such as `deb http://mirror.example/debian trixie main`.
///
/// # Errors
///
/// When this is no Debian, or the packages are not to be had there.
pub(crate) fn unpack_from(
    root: &Path,
    work: &Path,
    source: &str,
    choose: impl Fn(&Lists) -> Result<Vec<String>>,
) -> Result<()> {
    ensure_tools()?;
    let archives = work.join("archives");
    let lists = Lists::of(source, &work.join("apt"))?.updated()?;
    lists.download(&choose(&lists)?, &archives)?;
    unpack_all(&archives, root, work)
}

fn ensure_tools() -> Result<()> {
    if !["apt-get", "dpkg"].into_iter().all(has_program) {
        bail!("this machine has no apt-get and dpkg to fetch them with");
    }
    Ok(())
}

fn unpack_all(archives: &Path, root: &Path, work: &Path) -> Result<()> {
    let fresh = work.join("unpacked");
    empty_directory(&fresh)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(archives)? {
        let entry = entry?;
        run(program("dpkg").arg("-x").arg(entry.path()).arg(&fresh))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    File::create(fresh.join(LIST))
        .and_then(|mut list| list.write_all((names.join("\n") + "\n").as_bytes()))?;
    remove_tree(root)?;
    root.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::rename(&fresh, root)?;
    remove_tree(archives)?;
    remove_tree(&work.join("apt"))
}

/// Where the libraries among unpacked packages are: below the two directories for this machine, whatever it is called.
///
/// # Errors
///
/// When the directories cannot be read.
pub(crate) fn libraries(root: &Path) -> Result<OsString> {
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
    Ok(path)
}

/// Lists of packages that apt-get can work with.
#[derive(Debug)]
pub(crate) struct Lists(Vec<String>);

impl Lists {
    /// Those of the system, as they are.
    pub(crate) fn system() -> Self {
        // apt-get would hand the work to a user who cannot write to a directory of ours.
        Self(vec!["APT::Sandbox::User=root".to_owned()])
    }

    /// Those in a directory of ours, empty at first.
    fn own(directory: &Path) -> Result<Self> {
        empty_directory(directory)?;
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

    /// Those of one source, in a directory of ours.
    fn of(source: &str, directory: &Path) -> Result<Self> {
        let mut lists = Self::own(directory)?;
        let file = directory.join("sources.list");
        File::create(&file).and_then(|mut file| writeln!(file, "{source}"))?;
        lists
            .0
            .push(format!("Dir::Etc::sourcelist={}", file.display()));
        lists.0.push("Dir::Etc::sourceparts=/dev/null".to_owned());
        Ok(lists)
    }

    /// Fetches the lists.
    fn updated(self) -> Result<Self> {
        run(self.apt_get().args(["-q", "update"]))?;
        Ok(self)
    }

    fn apt(&self, name: &str) -> Command {
        let mut command = program(name);
        command.env("LC_ALL", "C");
        for option in &self.0 {
            command.args(["-o", option]);
        }
        command
    }

    fn apt_get(&self) -> Command {
        self.apt("apt-get")
    }

    /// These packages, and of those that they need the ones that the system does not have.
    ///
    /// # Errors
    ///
    /// When apt-get knows no way to install them.
    pub(crate) fn with_needed(&self, packages: &[&str]) -> Result<Vec<String>> {
        let simulate = ["--simulate", "--no-install-recommends", "install"];
        let plan = read(self.apt_get().args(simulate).args(packages))?;
        let named = packages.iter().copied();
        let mut wanted: Vec<String> = named.chain(to_install(&plan)).map(str::to_owned).collect();
        wanted.sort_unstable();
        wanted.dedup();
        Ok(wanted)
    }

    /// What a package depends on by name, whatever the system has.
    ///
    /// # Errors
    ///
    /// When there is no such package.
    pub(crate) fn depends(&self, package: &str) -> Result<Vec<String>> {
        let said = read(self.apt("apt-cache").args(["depends", package]))?;
        Ok(dependencies(&said).map(str::to_owned).collect())
    }

    /// Whether there is such a package.
    pub(crate) fn has(&self, package: &str) -> bool {
        // It says so in words and ends with 0 either way.
        read(self.apt("apt-cache").args(["policy", package]))
            .is_ok_and(|said| said.contains("Candidate: ") && !said.contains("Candidate: (none)"))
    }

    /// Where these packages would be fetched from, with their digests: another text when one of them is another.
    ///
    /// # Errors
    ///
    /// When one of them is not in these lists.
    pub(crate) fn offers(&self, packages: &[String]) -> Result<String> {
        // What lies in the working directory already would be left out.
        read(
            self.apt_get()
                .args(["download", "--print-uris"])
                .args(packages)
                .current_dir("/"),
        )
    }

    /// Fetches the packages into a directory; what was in it is removed.
    fn download(&self, packages: &[String], directory: &Path) -> Result<()> {
        empty_directory(directory)?;
        run(self
            .apt_get()
            .args(["-q", "download"])
            .args(packages)
            .current_dir(directory))
    }
}

/// The packages that apt-get says it would install.
fn to_install(plan: &str) -> impl Iterator<Item = &str> {
    plan.lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split_whitespace().next())
}

/// The packages that apt-cache says another depends on.
fn dependencies(said: &str) -> impl Iterator<Item = &str> {
    said.lines()
        .filter_map(|line| line.trim_start().strip_prefix("Depends: "))
}

#[cfg(test)]
mod tests {
    use super::{dependencies, to_install};

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

    #[test]
    fn only_what_a_package_cannot_do_without_is_a_dependency() {
        let said = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-48-cloud-amd64\n  Depends: kmod\n\
            \x20 Recommends: apparmor\n  PreDepends: dpkg\n";
        assert_eq!(
            dependencies(said).collect::<Vec<_>>(),
            ["linux-image-6.1.0-48-cloud-amd64", "kmod"]
        );
    }
}
