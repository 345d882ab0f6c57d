//! `cargo xtask demo`: from nothing to a task that ran with two openings and no more, as a transcript.

use std::path::Path;

use anyhow::Result;

use crate::guests;
use crate::transcript::Transcript;
use crate::workspace::Workspace;

/// The module that is packed first, from the root: a shell script.
pub(crate) const MODULE: &str = "guest-examples/disk-report";

/// The one that is packed then: a WASI program.
pub(crate) const GUEST: &str = "disk_report";

/// What `host` answers when a run was refused.
const REFUSED: i32 = 3;

/// Builds `host` and shows it.
///
/// # Errors
///
/// When it does not build, or a command does not end as it should.
pub(crate) fn demo(workspace: &Workspace) -> Result<()> {
    println!("building host (the first time takes some minutes)");
    let host = workspace.build_host()?;
    let guest = guests::build_one(workspace, GUEST)?;
    let directory = workspace.fresh("demo")?;
    println!("\nin {}, with HOST_HOME=$PWD/home", directory.display());
    steps(
        &Transcript::new(&host, &directory),
        &workspace.root.join(MODULE),
        &guest,
    )?;
    next_steps(workspace);
    Ok(())
}

/// Types the commands, with the two modules at these places.
///
/// # Errors
///
/// When a command does not end as it should.
pub(crate) fn steps(transcript: &Transcript<'_>, module: &Path, guest: &Path) -> Result<()> {
    println!("\n# a key to sign with, on the list of those that are trusted here");
    transcript.host("key new --comment demo@example.com", 0)?;
    transcript.host("trust add home/config/key.pub --module disk_report", 0)?;

    println!("\n# a module in Puppet's layout, sealed into one file and signed with that key");
    transcript.copy(module)?;
    transcript.host("bundle pack disk-report -o bundle.tar", 0)?;
    transcript.host("bundle show bundle.tar", 0)?;

    println!("\n# nothing was granted, so nothing runs");
    transcript.host("run bundle.tar", REFUSED)?;

    println!("\n# with what it asks for, and nothing else");
    transcript.host("run bundle.tar --allow-asked count=3", 0)?;

    println!(
        "\n# version 2 of it is a WASI program: sealed alike, and run in wasmtime, within the same walls"
    );
    transcript.copy(guest)?;
    transcript.host("bundle pack disk_report -o wasi.tar", 0)?;
    transcript.host("run wasi.tar", REFUSED)?;
    transcript.host("run wasi.tar --allow fs.read:/var/log top=3", 0)
}

fn next_steps(workspace: &Workspace) {
    let host = workspace.target.join("ci").join("host");
    println!(
        "\ndone. What to try next, in that directory, with `host` being {}:

    export HOST_HOME=$PWD/home
    host run bundle.tar --help                       the task's own parameters and asks
    host run bundle.tar --allow fs.read:/var/log     one opening of the two
    host run bundle.tar --allow-asked threshold=200  input that does not fit its type
    host run bundle.tar --allow-asked --limit wall=1ms --output json
    host run wasi.tar --allow fs.read:/etc path=/etc another directory, for the WASI program
    host bundle verify bundle.tar
    host doctor                                      the walls that this machine can build",
        host.display()
    );
}
