//! Clang, its linker and a C library for WASI: Debian's packages, unpacked where nobody else looks.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Yard;
use crate::archives;
use crate::machine::{SYSTEM_PATH, program};

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

/// The compiler, fetched if it is not there yet.
///
/// # Errors
///
/// When it cannot be fetched.
pub(crate) fn clang(yard: &Yard) -> Result<Command> {
    let root = root(yard);
    if packages(yard).is_none() {
        eprintln!(
            "guests: fetching Debian's clang, lld and wasi-libc, some 50 MB, for this directory alone"
        );
        archives::unpack(&root, &yard.work, |lists| {
            let mut wanted = lists.with_needed(NEEDED)?;
            wanted.push(CLANG.to_owned());
            Ok(wanted)
        })
        .context("C guests need Debian's clang, lld and wasi-libc")?;
    }
    let usr = root.join("usr");
    let mut libraries = archives::libraries(&root)?;
    libraries.push(usr.join("lib/llvm-19/lib"));
    let mut command = program(usr.join("bin").join(CLANG));
    command
        .arg("--sysroot")
        .arg(&usr)
        .env("PATH", with_first(&usr.join("bin"), SYSTEM_PATH))
        .env("LD_LIBRARY_PATH", libraries);
    Ok(command)
}

/// The packages that the compiler is made of, one a line; none before it is there.
pub(crate) fn packages(yard: &Yard) -> Option<String> {
    archives::unpacked(&root(yard))
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
