//! A shell task that does nothing, and a bundle with many bytes in it.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result};

use super::arena::Arena;
use super::bwrap;
use super::contest::{Contest, Entry};
use crate::machine::program;

pub(crate) const TRUE_BUNDLE: &str = "true.tar";
const TRUE_SCRIPT: &str = "true/tasks/init.sh";

const BIG_BUNDLE: &str = "big.tar";
const BIG_FILE: &str = "big/files/random";
const BIG_BYTES: u64 = 100 << 20;

/// Makes the task.
///
/// # Errors
///
/// When the disk does not allow it, or `host` does not do its part.
pub(crate) fn prepare_starting(arena: &mut Arena<'_>) -> Result<()> {
    module(arena, "true")?;
    arena.pack("true", TRUE_BUNDLE)?;
    arena.share(TRUE_SCRIPT);
    Ok(())
}

/// Makes the bundle.
///
/// # Errors
///
/// When the disk does not allow it, or `host` does not do its part.
pub(crate) fn prepare_verifying(arena: &mut Arena<'_>) -> Result<()> {
    module(arena, "big")?;
    arena.write(BIG_FILE, "")?;
    let mut random = File::open("/dev/urandom")?.take(BIG_BYTES);
    let file = arena.path(BIG_FILE);
    File::create(&file)
        .and_then(|mut file| std::io::copy(&mut random, &mut file))
        .with_context(|| file.display().to_string())?;
    arena.pack("big", BIG_BUNDLE)
}

/// A module with one task, which does nothing.
fn module(arena: &Arena<'_>, name: &str) -> Result<()> {
    let metadata = format!("{{\"name\": \"bench-{name}\", \"version\": \"1.0.0\"}}\n");
    arena.write(&format!("{name}/metadata.json"), &metadata)?;
    arena.write_script(&format!("{name}/tasks/init.sh"), "#!/bin/sh\ntrue\n")
}

/// A shell task that does nothing.
pub(crate) fn starting(arena: &Arena<'_>) -> Contest {
    let script = arena.path(TRUE_SCRIPT);
    let mut bwrap = bwrap::command();
    bwrap
        .arg("--ro-bind")
        .arg(&script)
        .args(["/task.sh", "/task.sh"]);
    let mut run = arena.host();
    run.arg("run").arg(arena.path(TRUE_BUNDLE));
    Contest {
        title: "start a shell task".to_owned(),
        ours: vec![Entry::new("host run true.tar", run)],
        peers: vec![
            Entry::new("/bin/true", arena.peer(program("/bin/true"))),
            Entry::new("true.sh", arena.peer(program(&script))),
            Entry::new("bwrap .. true.sh", arena.peer(bwrap)),
        ],
    }
}

/// 100 MiB of a bundle against as many bytes of a file.
pub(crate) fn verifying(arena: &Arena<'_>) -> Contest {
    let bundle = arena.path(BIG_BUNDLE);
    let mut sum = program("sha256sum");
    sum.arg(&bundle);
    let mut verify = arena.host();
    verify.args(["bundle", "verify"]).arg(&bundle);
    Contest {
        title: "verify a bundle of 100 MiB".to_owned(),
        ours: vec![Entry::new("host bundle verify big.tar", verify)],
        peers: vec![Entry::new("sha256sum big.tar", arena.peer(sum))],
    }
}
