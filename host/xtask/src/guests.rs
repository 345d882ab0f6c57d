//! `cargo xtask guests`: builds the WASI programs of guest-examples/ and lays them out as `host` runs them.
//!
//! The result is `guests/` below the build directory: `NAME/` is a module in Puppet's layout, `programs/NAME.wasm` a
//! bare program. What a guest is made of is written down with what was made ([`stamp`]), and a guest of which both are
//! as they were is not built again. Everything else, from compilers to half-done work, is in `guests/.build/`.
//!
//! Start at [`build`]; which guests there are is in [`catalogue`].

mod catalogue;

mod compile;
mod debian;
mod stamp;
mod wasm;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use self::catalogue::{GUESTS, Guest};
use self::compile::Compilers;
use crate::machine::now;
use crate::workspace::{Workspace, empty_directory, lock, remove_tree};

/// Where bare programs are, beside the modules.
const PROGRAMS: &str = "programs";

/// Build the WASI guests of guest-examples/
///
/// Puts them into target/guests, as modules for `host run target/guests/NAME`, and as bare programs in
/// target/guests/programs. Adds the WASI targets to a Rust that was installed by rustup, and fetches a C compiler from
/// Debian into target/guests/.build; installs nothing into the system.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestsArguments {
    /// Only these; all of them by default
    #[arg(value_name = "NAME", value_parser = names())]
    only: Vec<String>,
    /// Hold the Rust ones to their lints and run their tests instead
    #[arg(long, conflicts_with = "only")]
    check: bool,
}

/// Builds them, and says where they are.
///
/// # Errors
///
/// When a compiler is not to be had, or a guest does not build.
pub(crate) fn guests(workspace: &Workspace, arguments: &GuestsArguments) -> Result<()> {
    if arguments.check {
        return check(workspace);
    }
    let is_wanted = |guest: &Guest| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == guest.name)
    };
    let directory = build(workspace, is_wanted)?;
    println!("{}", directory.display());
    Ok(())
}

/// Builds every guest, and gives the directory that they are in.
///
/// # Errors
///
/// When a compiler is not to be had, or a guest does not build.
pub(crate) fn build_all(workspace: &Workspace) -> Result<PathBuf> {
    build(workspace, |_| true)
}

/// Builds one guest, and gives its module.
///
/// # Errors
///
/// When there is none of this name, when its compiler is not to be had, or when it does not build.
pub(crate) fn build_one(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let module = build(workspace, |guest| guest.name == name)?.join(name);
    if !module.is_dir() {
        bail!("there is no guest `{name}`");
    }
    Ok(module)
}

/// Holds the sources of the Rust guests to their lints, and runs their tests, which run here and not in WASI.
///
/// # Errors
///
/// When a compiler is not to be had, or one of them complains.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let yard = Yard::new(workspace)?;
    let _lock = yard.lock()?;
    compile::lint(&yard)?;
    compile::test(&yard)
}

/// The directory that they are built into.
pub(crate) fn directory(workspace: &Workspace) -> PathBuf {
    workspace.target.join("guests")
}

/// What is in the directory of the guests once all are built, and nothing that building them needs.
pub(crate) fn contents() -> impl Iterator<Item = &'static str> {
    let modules = GUESTS.iter().filter(|guest| guest.is_module());
    modules.map(|guest| guest.name).chain([PROGRAMS])
}

fn names() -> clap::builder::PossibleValuesParser {
    GUESTS
        .iter()
        .map(|guest| guest.name)
        .collect::<Vec<_>>()
        .into()
}

/// Where sources come from and results go.
#[derive(Debug)]
struct Yard {
    /// The repository.
    root: PathBuf,
    /// The sources of all guests.
    sources: PathBuf,
    /// The results.
    results: PathBuf,
    /// Everything that is of use to this chore alone.
    work: PathBuf,
}

impl Yard {
    fn new(workspace: &Workspace) -> Result<Self> {
        let results = directory(workspace);
        let yard = Self {
            root: workspace.root.clone(),
            sources: workspace.root.join("guest-examples"),
            work: results.join(".build"),
            results,
        };
        for directory in [&yard.work, &yard.results.join(PROGRAMS)] {
            fs::create_dir_all(directory).with_context(|| format!("{}", directory.display()))?;
        }
        Ok(yard)
    }

    /// Keeps other calls out until the file is closed.
    fn lock(&self) -> Result<File> {
        lock(
            &self.work.join("lock"),
            "guests: waiting for another build of them",
        )
    }

    /// An empty directory for work; what was in it is removed.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let directory = self.work.join(name);
        empty_directory(&directory)?;
        Ok(directory)
    }
}

fn build(workspace: &Workspace, is_wanted: impl Fn(&Guest) -> bool) -> Result<PathBuf> {
    let yard = Yard::new(workspace)?;
    let _lock = yard.lock()?;
    let compilers = Compilers::find()?;
    let started = now();
    let (mut built, mut kept) = (0, 0);
    for guest in GUESTS.iter().filter(|guest| is_wanted(guest)) {
        if stamp::is_current(&yard, &compilers, guest)? {
            kept += 1;
            continue;
        }
        eprintln!("guests: building {}", guest.name);
        build_guest(&yard, &compilers, guest).with_context(|| format!("guest {}", guest.name))?;
        built += 1;
    }
    let took = started.elapsed().as_secs_f64();
    match built {
        0 => eprintln!("guests: {kept} up to date"),
        _ => eprintln!("guests: {built} built, {kept} up to date, {took:.1} s"),
    }
    Ok(yard.results)
}

/// Compiles the programs of a guest, looks at each, and puts the guest where the last one was.
fn build_guest(yard: &Yard, compilers: &Compilers, guest: &Guest) -> Result<()> {
    // ORDER: the stamp goes before the results that it speaks of, and comes after them.
    stamp::remove(yard, guest)?;
    let stage = yard.fresh("stage")?;
    for program in guest.programs {
        let compiled = compile::compile(yard, guest, program)?;
        wasm::check(&compiled, program.shape)?;
        for place in program.places {
            copy(&compiled, &stage.join(place))?;
        }
    }
    if guest.is_module() {
        describe(&yard.sources.join(guest.name), &stage.join(guest.name))?;
        let module = yard.results.join(guest.name);
        remove_tree(&module)?;
        fs::rename(stage.join(guest.name), &module)?;
    }
    for program in guest.bare_programs() {
        fs::rename(stage.join(program), yard.results.join(program))?;
    }
    stamp::write(yard, compilers, guest)
}

/// Copies what makes a directory of programs a module: its metadata, what there is to read, its tasks that need no
/// building, the metadata of all tasks, and the files that come along with them.
fn describe(source: &Path, module: &Path) -> Result<()> {
    for name in ["metadata.json", "README.md"] {
        copy(&source.join(name), &module.join(name))?;
    }
    for directory in ["tasks", "files"] {
        let (source, module) = (source.join(directory), module.join(directory));
        if !source.exists() {
            continue;
        }
        for entry in fs::read_dir(&source)? {
            let entry = entry?;
            copy(&entry.path(), &module.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Copies a file, to be read by everybody and to be executed if it was before, and makes the directories above it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = || {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(from, to)?;
        let is_script = fs::metadata(from)?.permissions().mode() & 0o111 != 0;
        let mode = if is_script && !is_wasm(to) {
            0o755
        } else {
            0o644
        };
        fs::set_permissions(to, Permissions::from_mode(mode))
    };
    copied().with_context(|| format!("copying {} to {}", from.display(), to.display()))
}

/// A linker makes its result executable, which no WebAssembly is.
fn is_wasm(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "wasm")
}
