//! `cargo xtask bench`: `host` against its peers on this machine, in rounds where each takes its turn.
//!
//! What is measured is whole programs, from start to end, as a caller sees them. Both sides do comparable work:
//! a jail against a jail, a verified bundle against a digest of the same bytes.

mod arena;
mod contest;

use std::num::NonZero;
use std::path::Path;

use anyhow::{Context, Result};

use crate::account::Account;
use crate::bench::arena::Arena;
use crate::bench::contest::{Contest, Entry};
use crate::machine::{is_root, program};
use crate::packages::{self, Tool};
use crate::table;
use crate::workspace::Workspace;

/// The peers that Debian has.
const PEERS: &[Tool] = &[Tool {
    program: "bwrap",
    package: "bubblewrap",
}];

/// How a typical caller starts bubblewrap: a read-only system, everything unshared, dying with the caller.
const BWRAP: &[&str] = &[
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
];

/// Measure host against its peers on this machine
///
/// Builds with the profile that ships. As root it measures a second time as an ordinary user. Installs bubblewrap
/// when it is missing.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// How often each program runs
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(30..=10_000))]
    rounds: u32,
}

/// Measures and prints.
///
/// # Errors
///
/// When something does not build, is missing and cannot be installed, or ends otherwise than it should.
pub(crate) fn bench(workspace: &Workspace, arguments: &BenchArguments) -> Result<()> {
    packages::ensure(PEERS)?;
    let host = workspace.build_host("dist")?;
    let directory = workspace.fresh("bench")?;
    println!("making the bundles");
    let own = Arena::prepare(&host, &directory)?;
    let mut rows = vec![
        ["", "median", "p10", "host takes"]
            .map(str::to_owned)
            .to_vec(),
    ];
    if is_root() {
        let account = Account::stage()?;
        let other = own.copy_for(&account)?;
        measure("as root", &own, arguments.rounds, &mut rows)?;
        measure("as an ordinary user", &other, arguments.rounds, &mut rows)?;
    } else {
        measure("as an ordinary user", &own, arguments.rounds, &mut rows)?;
    }
    println!(
        "\n{}, {} rounds each, interleaved\n",
        machine_line()?,
        arguments.rounds
    );
    table::print(&rows);
    println!("\n`host takes`: its median as a multiple of that peer's");
    Ok(())
}

fn measure(who: &str, arena: &Arena<'_>, rounds: u32, rows: &mut Vec<Vec<String>>) -> Result<()> {
    for contest in [starting(arena), verifying(arena)] {
        println!("measuring {who}: {}", contest.title);
        rows.push(vec![String::new()]);
        rows.push(vec![format!("{}, {who}", contest.title)]);
        rows.extend(contest.run(rounds)?);
    }
    Ok(())
}

/// A shell task that does nothing.
fn starting(arena: &Arena<'_>) -> Contest {
    let script = arena.path(arena::TRUE_SCRIPT);
    let mut bwrap = program("bwrap");
    bwrap
        .args(BWRAP)
        .arg("--ro-bind")
        .arg(&script)
        .args(["/task.sh", "/task.sh"]);
    let mut run = arena.host();
    run.arg("run").arg(arena.path(arena::TRUE_BUNDLE));
    Contest {
        title: "start a shell task",
        host: Entry::new("host run true.tar", run),
        peers: vec![
            Entry::new("/bin/true", arena.peer(program("/bin/true"))),
            Entry::new("true.sh", arena.peer(program(&script))),
            Entry::new("bwrap .. true.sh", arena.peer(bwrap)),
        ],
    }
}

/// 100 MiB of a bundle against as many bytes of a file.
fn verifying(arena: &Arena<'_>) -> Contest {
    let bundle = arena.path(arena::BIG_BUNDLE);
    let mut sum = program("sha256sum");
    sum.arg(&bundle);
    let mut verify = arena.host();
    verify.args(["bundle", "verify"]).arg(&bundle);
    Contest {
        title: "verify a bundle of 100 MiB",
        host: Entry::new("host bundle verify big.tar", verify),
        peers: vec![Entry::new("sha256sum big.tar", arena.peer(sum))],
    }
}

/// The machine in one line.
fn machine_line() -> Result<String> {
    let release = Path::new("/proc/sys/kernel/osrelease");
    let kernel = std::fs::read_to_string(release).with_context(|| release.display().to_string())?;
    let cores = std::thread::available_parallelism().map_or(0, NonZero::get);
    Ok(format!(
        "kernel {}, {cores} cores, profile dist",
        kernel.trim()
    ))
}
