//! The peer for WASI programs: the `wasmtime` command of the version that `host` has inside.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::arena::Arena;
use super::bwrap;
use crate::machine::{program, read, run};
use crate::workspace::Workspace;

/// The version of the crate that `host` is built with.
const VERSION: &str = "48.0.8";

/// What a run of a program, its cache and its compiler need, and nothing that would only make it start later.
const FEATURES: &str =
    "run,component-model,cranelift,cache,compile,pooling-allocator,parallel-compilation,addr2line";

/// Where the program is in every arena.
const PROGRAM: &str = "bin/wasmtime";

/// Where it is told about its cache.
const CONFIGURATION: &str = "wasmtime.toml";

/// The program, built if it is not there yet.
///
/// # Errors
///
/// When it does not build.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let peers = workspace.target.join("peers");
    let root = peers.join(format!("wasmtime-{VERSION}"));
    let built = root.join(PROGRAM);
    if built.exists() {
        return Ok(built);
    }
    println!("building wasmtime {VERSION} to compare with, once, which takes some 10 minutes");
    let builds = peers.join("build");
    let mut command = program("cargo");
    command
        .args(["install", "wasmtime-cli", "--version"])
        .arg(format!("={VERSION}"))
        // Quiet about PATH, into which nobody is to put it.
        .args(["--locked", "--no-track", "--no-default-features"])
        .args(["--features", FEATURES])
        .arg("--root")
        .arg(&root)
        .arg("--target-dir")
        .arg(&builds);
    fs::create_dir_all(&peers).with_context(|| peers.display().to_string())?;
    run(command.current_dir(&peers))?;
    fs::remove_dir_all(&builds)?;
    Ok(built)
}

/// The program in an arena, with a cache there that is all its own.
#[derive(Debug)]
pub(crate) struct Wasmtime<'a> {
    arena: &'a Arena<'a>,
}

impl<'a> Wasmtime<'a> {
    /// Puts the program into an arena, to be copied from there too.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it.
    pub(crate) fn bring(arena: &mut Arena<'_>, built: &Path) -> Result<()> {
        arena.bring(built, PROGRAM)
    }

    /// Gives the program a cache in an arena that it is in.
    ///
    /// # Errors
    ///
    /// When the disk does not allow it, or the program is another than it should be.
    pub(crate) fn prepare(arena: &'a Arena<'a>) -> Result<Self> {
        let wasmtime = Self { arena };
        let cache = wasmtime.cache();
        // Paths of ours have no quote in them that would end this one.
        arena.write(
            CONFIGURATION,
            &format!("[cache]\ndirectory = '{}'\n", cache.display()),
        )?;
        let version = read(wasmtime.command().arg("--version"))?;
        ensure!(
            version.split_whitespace().nth(1) == Some(VERSION),
            "expected wasmtime {VERSION}, and it says it is {version}"
        );
        Ok(wasmtime)
    }

    /// Where it keeps what it compiled.
    pub(crate) fn cache(&self) -> PathBuf {
        self.arena.own_path("wasmtime-cache")
    }

    /// Below that, what is there only once something was compiled.
    pub(crate) fn cached_modules(&self) -> PathBuf {
        self.cache().join("modules")
    }

    /// Runs a program as it is, from the cache if it is there.
    pub(crate) fn cached(&self, wasm: &str) -> Command {
        let mut configuration = OsString::from("cache-config=");
        configuration.push(self.arena.path(CONFIGURATION));
        let mut command = self.command();
        command
            .args(["run", "-C", "cache", "-C"])
            .arg(configuration)
            .arg(self.arena.path(wasm));
        command
    }

    /// Runs what was compiled before.
    pub(crate) fn precompiled(&self, compiled: &str) -> Command {
        let mut command = self.command();
        command
            .args(["run", "--allow-precompiled"])
            .arg(self.arena.path(compiled));
        command
    }

    /// The first of these, within bubblewrap.
    pub(crate) fn cached_in_bwrap(&self, wasm: &str) -> Command {
        let readable = [PROGRAM, CONFIGURATION, wasm].map(|name| self.arena.path(name));
        let inner = self.cached(wasm);
        let command = bwrap::around(
            &inner,
            &readable.each_ref().map(PathBuf::as_path),
            &[&self.cache()],
        );
        self.arena.peer(command)
    }

    /// The second of these, within bubblewrap.
    pub(crate) fn precompiled_in_bwrap(&self, compiled: &str) -> Command {
        let readable = [PROGRAM, compiled].map(|name| self.arena.path(name));
        let inner = self.precompiled(compiled);
        let command = bwrap::around(&inner, &readable.each_ref().map(PathBuf::as_path), &[]);
        self.arena.peer(command)
    }

    /// Compiles a program to `compiled`, where whoever measures may write.
    pub(crate) fn compile(&self, wasm: &str, compiled: &Path) -> Command {
        let mut command = self.command();
        command
            .arg("compile")
            .arg(self.arena.path(wasm))
            .arg("-o")
            .arg(compiled);
        command
    }

    fn command(&self) -> Command {
        self.arena.peer(program(self.arena.path(PROGRAM)))
    }
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn the_peer_is_of_the_version_that_is_built_in() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let wasmtime = &manifest["workspace"]["dependencies"]["wasmtime"]["version"];
        assert_eq!(wasmtime.as_str(), Some(&*format!("={VERSION}")));
    }
}
