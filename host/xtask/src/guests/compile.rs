//! Turns a source into a program, with the compiler that it needs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Yard;
use super::catalogue::{Guest, P1, P2, Program, Source};
use super::debian;
use crate::machine::{program, read, run, works};

/// What the environment may say about the building of `host`, and not of its guests.
const NOT_FOR_GUESTS: &[&str] = &[
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
];

/// How a program of others is built: small, since whoever runs it compiles it first.
const CRATE_PROFILE: &[(&str, &str)] = &[
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
];

/// The compilers, by their versions.
#[derive(Debug)]
pub(crate) struct Compilers {
    /// What Rust's says of itself.
    rust: String,
}

impl Compilers {
    /// Asks Rust's for its version.
    ///
    /// # Errors
    ///
    /// When there is no Rust.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self {
            rust: read(program("rustc").arg("-vV"))?,
        })
    }

    #[cfg(test)]
    pub(crate) fn made_up(rust: &str) -> Self {
        Self {
            rust: rust.to_owned(),
        }
    }

    /// The versions of those that a guest needs; nothing of one that is not there yet.
    pub(crate) fn versions(&self, yard: &Yard, guest: &Guest) -> String {
        let is_c = |source| matches!(source, Source::C { .. } | Source::Assembly { .. });
        if guest.programs.iter().all(|program| is_c(program.source)) {
            debian::packages(yard).unwrap_or_default()
        } else {
            self.rust.clone()
        }
    }
}

/// Builds a program, and gives the file.
///
/// # Errors
///
/// When the compiler is not to be had, or complains.
pub(crate) fn compile(yard: &Yard, guest: &Guest, program: &Program) -> Result<PathBuf> {
    match program.source {
        Source::Package { target } => {
            ensure_target(target)?;
            package(yard, guest.name, target)
        }
        Source::Crate {
            name,
            version,
            target,
        } => {
            ensure_target(target)?;
            third_party(yard, name, version, target)
        }
        Source::C { file } => {
            let words = [
                "-std=c11",
                "-Os",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-Wl,--strip-all",
            ];
            clang(yard, guest, file, "wasm32-wasi", &words)
        }
        Source::Assembly { file } => {
            let words = ["-mreference-types", "-nostdlib", "-Wl,--strip-all"];
            clang(yard, guest, file, "wasm32", &words)
        }
    }
}

/// Runs clippy over all packages of the guests, for both targets.
///
/// # Errors
///
/// When it complains, or a target is not to be had.
pub(crate) fn lint(yard: &Yard) -> Result<()> {
    for target in [P1, P2] {
        ensure_target(target)?;
        let mut command = packages(yard, &["clippy", "--workspace", "--all-targets"]);
        command.args(["--target", target, "--", "--deny", "warnings"]);
        run(&mut command)?;
    }
    Ok(())
}

/// Runs the tests of those packages that are not about WASI itself.
///
/// # Errors
///
/// When one fails.
pub(crate) fn test(yard: &Yard) -> Result<()> {
    let words = ["test", "--workspace", "--exclude", "misbehave"];
    run(&mut packages(yard, &words))
}

fn package(yard: &Yard, name: &str, target: &str) -> Result<PathBuf> {
    let words = ["build", "--release", "--package", name, "--target", target];
    run(&mut packages(yard, &words))?;
    let built = package_builds(yard).join(target).join("release");
    Ok(built.join(format!("{name}.wasm")))
}

fn package_builds(yard: &Yard) -> PathBuf {
    yard.work.join("packages")
}

/// Cargo in the workspace of the guests.
fn packages(yard: &Yard, words: &[&str]) -> Command {
    let mut command = cargo(words);
    command
        .args(["--locked", "--target-dir"])
        .arg(package_builds(yard))
        .current_dir(&yard.sources);
    command
}

fn third_party(yard: &Yard, name: &str, version: &str, target: &str) -> Result<PathBuf> {
    eprintln!("guests: building {name} {version} as it was published, which takes a minute");
    let installed = yard.work.join(name);
    let mut command = cargo(&["install", name, "--version"]);
    command
        .arg(format!("={version}"))
        // Quiet, or it would ask for the directory to be put into PATH.
        .args([
            "--quiet",
            "--locked",
            "--no-default-features",
            "--force",
            "--no-track",
        ])
        .args(["--target", target, "--target-dir"])
        .arg(yard.work.join("crates"))
        .arg("--root")
        .arg(&installed)
        .envs(CRATE_PROFILE.iter().copied())
        // The configuration of the workspace is not for it.
        .current_dir(&yard.work);
    run(&mut command)?;
    Ok(installed.join("bin").join(format!("{name}.wasm")))
}

fn cargo(words: &[&str]) -> Command {
    let mut command = program("cargo");
    command.args(words);
    for name in NOT_FOR_GUESTS {
        command.env_remove(name);
    }
    command
}

fn clang(yard: &Yard, guest: &Guest, file: &str, target: &str, words: &[&str]) -> Result<PathBuf> {
    let mut command = debian::clang(yard)?;
    let built = yard.fresh("c")?.join("built.wasm");
    command
        .arg(format!("--target={target}"))
        .args(words)
        .arg(file)
        .arg("-o")
        .arg(&built)
        .current_dir(yard.sources.join(guest.name));
    run(&mut command)?;
    Ok(built)
}

/// Sees to it that Rust has a standard library for the target.
fn ensure_target(target: &str) -> Result<()> {
    let sysroot = read(program("rustc").args(["--print", "sysroot"]))?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib").join(target);
    if library.is_dir() {
        return Ok(());
    }
    if !works(program("rustup").arg("--version")) {
        bail!(
            "this Rust has no standard library for {target}, and no rustup to add one\n\
             hint: install Rust by rustup, or the package of your distribution that has it \
             (Debian: libstd-rust-dev-wasm32)"
        );
    }
    eprintln!("guests: adding the targets {P1} and {P2} to Rust");
    run(program("rustup").args(["target", "add", P1, P2]))
        .with_context(|| format!("Rust has no standard library for {target}"))
}
