//! Debian packages that a chore needs: installed when their program is missing, never otherwise.

use anyhow::{Result, bail};

use crate::machine::{has_program, is_root, program, run};

/// A program and the package that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// The program's name.
    pub(crate) program: &'static str,
    /// The package's name.
    pub(crate) package: &'static str,
}

/// Installs the packages of those programs that the system does not have.
///
/// # Errors
///
/// When one is missing and we are not root, or the installation fails.
pub(crate) fn ensure(tools: &[Tool]) -> Result<()> {
    let missing: Vec<&Tool> = tools
        .iter()
        .filter(|tool| !has_program(tool.program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    let wanted = packages.join(" ");
    if !is_root() {
        bail!("missing here: {wanted}\nhint: as root, apt-get install {wanted}");
    }
    println!("installing {wanted}, which this machine does not have");
    run(program("apt-get").args(["-qq", "update"]))?;
    run(program("apt-get")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["-qq", "install", "--yes", "--no-install-recommends"])
        .args(packages))
}
