//! `cargo xtask bench`: `host` against its peers on this machine, in rounds where each takes its turn.
//!
//! What is measured is whole programs, from start to end, as a caller sees them. Both sides do comparable work:
//! a jail against a jail, a verified bundle against a digest of the same bytes, compiled code against compiled code.

mod arena;
mod contest;

mod bwrap;
mod wasmtime;

mod native;
mod policy;
mod wasi;

mod large;
mod launcher;
mod memory;
mod runc;
mod sizes;

use std::num::NonZero;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use self::arena::Arena;
use self::contest::Rounds;
use self::wasmtime::Wasmtime;
use crate::account::Account;
use crate::guests;
use crate::machine::is_root;
use crate::packages::{self, Tool};
use crate::table;
use crate::workspace::Workspace;

const AS_ROOT: &str = "as root";
const AS_USER: &str = "as an ordinary user";

/// What the numbers mean that do not explain themselves.
const LEGEND: &str = "\
`takes`: the median of ours as a multiple of that peer's. For WASI programs the aims are 1.00 x of wasmtime with its
cache, 0.60 x of it within bwrap, and then 1.00 x of wasmtime precompiled.
`peak`: the most that was resident of one process, which is what the worker's is compared by. `share`: what is resident,
and of what others have too its part. `own`: what of that has no file behind it, so what another one costs at least.";

/// Measure host against its peers on this machine
///
/// Builds with the profile that ships. As root it measures a second time as an ordinary user. Installs bubblewrap
/// when it is missing, builds wasmtime into target/peers, once, in some 10 minutes, and programs in Go and JavaScript with
/// compilers that it fetches into target/guests/.build.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArguments {
    /// How often each program runs
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(30..=10_000))]
    rounds: u32,
    /// How long launchers run at once, in seconds
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Only these parts; all of them by default
    #[arg(long, value_name = "PART", value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Measure this program, which is `host` of another build
    #[arg(long, value_name = "FILE")]
    host: Option<PathBuf>,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Part {
    /// Starting a shell task
    Shell,
    /// Starting a shell task by the rules of a set
    Policy,
    /// Verifying a bundle
    Verify,
    /// Starting a WASI program
    Wasi,
    /// The memory of a WASI program
    Memory,
    /// Compiling and running larger WASI programs
    Sizes,
    /// Runs from a process that is there already
    Launcher,
}

impl BenchArguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn wants_any(&self, parts: &[Part]) -> bool {
        parts.iter().any(|part| self.wants(*part))
    }

    /// The programs of others that are needed.
    fn tools(&self) -> Vec<Tool> {
        let mut tools = Vec::new();
        if self.wants_any(&[Part::Shell, Part::Wasi, Part::Launcher]) {
            tools.push(bwrap::TOOL);
        }
        if self.wants(Part::Launcher) && is_root() {
            tools.push(runc::TOOL);
        }
        if self.wants(Part::Sizes) {
            tools.push(large::TOOL);
        }
        tools
    }
}

/// Measures and prints.
///
/// # Errors
///
/// When something does not build, is missing and cannot be installed, or ends otherwise than it should.
pub(crate) fn bench(workspace: &Workspace, arguments: &BenchArguments) -> Result<()> {
    packages::ensure(&arguments.tools())?;
    let host = match &arguments.host {
        Some(file) => std::path::absolute(file)?,
        None => workspace.build_dist()?,
    };
    let larger = if arguments.wants(Part::Sizes) {
        large::build(workspace)?
    } else {
        Vec::new()
    };
    let mut own = prepare(workspace, arguments, &host)?;
    let who = if is_root() { AS_ROOT } else { AS_USER };
    let mut rows = Vec::new();
    measure(who, &own, arguments, &mut rows)?;
    if is_root() {
        let account = Account::stage()?;
        let other = own.copy_for(&account)?;
        measure(AS_USER, &other, arguments, &mut rows)?;
    }
    if arguments.wants(Part::Sizes) {
        rows.extend(sizes::measure(who, &mut own, &larger, arguments.rounds)?);
    }
    println!(
        "\n{}, {} rounds each, interleaved; {} of what compiles",
        machine_line(arguments)?,
        arguments.rounds,
        sizes::COLD_ROUNDS
    );
    table::print(&rows);
    println!("\n{LEGEND}");
    Ok(())
}

/// Makes what is wanted of the things to measure with.
fn prepare(
    workspace: &Workspace,
    arguments: &BenchArguments,
    host: &Path,
) -> Result<Arena<'static>> {
    let mut arena = Arena::prepare(host, &workspace.fresh("bench")?)?;
    println!("making the bundles");
    if arguments.wants_any(&[Part::Shell, Part::Policy]) {
        native::prepare_starting(&mut arena)?;
    }
    if arguments.wants(Part::Policy) {
        policy::prepare(&mut arena)?;
    }
    if arguments.wants(Part::Verify) {
        native::prepare_verifying(&mut arena)?;
    }
    if arguments.wants_any(&[Part::Wasi, Part::Memory, Part::Sizes, Part::Launcher]) {
        let module = guests::build_one(workspace, wasi::GUEST)?;
        wasi::bring(&mut arena, &module)?;
        if arguments.wants_any(&[Part::Wasi, Part::Memory, Part::Sizes]) {
            let wasmtime = wasmtime::build(workspace)?;
            wasi::prepare(&mut arena, &module, &wasmtime)?;
        }
    }
    if arguments.wants(Part::Launcher) {
        launcher::prepare(workspace, &mut arena)?;
    }
    Ok(arena)
}

fn measure(
    who: &str,
    arena: &Arena<'_>,
    arguments: &BenchArguments,
    rows: &mut Vec<Vec<String>>,
) -> Result<()> {
    let mut contests = Vec::new();
    if arguments.wants(Part::Shell) {
        contests.push(native::starting(arena));
    }
    if arguments.wants(Part::Policy) {
        contests.push(policy::starting(arena));
    }
    if arguments.wants(Part::Verify) {
        contests.push(native::verifying(arena));
    }
    if arguments.wants(Part::Wasi) {
        let wasmtime = Wasmtime::prepare(arena)?;
        contests.extend(
            wasi::FORMS
                .iter()
                .map(|form| wasi::starting(arena, &wasmtime, form)),
        );
    }
    for mut contest in contests {
        contest.title = format!("{}, {who}", contest.title);
        println!("measuring: {}", contest.title);
        rows.push(Vec::new());
        rows.extend(contest.run(Rounds::warm(arguments.rounds))?);
    }
    if arguments.wants(Part::Launcher) {
        rows.push(Vec::new());
        let (rounds, seconds) = (arguments.rounds, arguments.seconds);
        rows.extend(launcher::measure(who, arena, rounds, seconds)?);
    }
    if arguments.wants(Part::Memory) {
        let wasmtime = Wasmtime::prepare(arena)?;
        for form in wasi::FORMS {
            let title = format!("memory of a WASI program, {}, {who}", form.name);
            println!("measuring: {title}");
            rows.push(Vec::new());
            rows.extend(memory::measure(title, arena, &wasmtime, form)?);
        }
    }
    Ok(())
}

/// The machine, and what was measured there, in one line.
fn machine_line(arguments: &BenchArguments) -> Result<String> {
    let release = Path::new("/proc/sys/kernel/osrelease");
    let kernel = std::fs::read_to_string(release).with_context(|| release.display().to_string())?;
    let cores = std::thread::available_parallelism().map_or(0, NonZero::get);
    let build = arguments.host.as_ref().map_or_else(
        || "profile dist".to_owned(),
        |file| file.display().to_string(),
    );
    Ok(format!("kernel {}, {cores} cores, {build}", kernel.trim()))
}

#[cfg(test)]
mod tests {
    use super::{BenchArguments, Part, is_root};

    #[test]
    fn only_what_is_measured_is_needed() {
        let tools = |only: &[Part]| {
            let arguments = BenchArguments {
                rounds: 30,
                seconds: 60,
                only: only.to_vec(),
                host: None,
            };
            let tools = arguments.tools();
            tools.iter().map(|tool| tool.package).collect::<Vec<_>>()
        };
        let runc = is_root().then_some("runc");
        let all = [Some("bubblewrap"), runc, Some("python3-venv")];
        assert_eq!(tools(&[]), all.into_iter().flatten().collect::<Vec<_>>());
        assert_eq!(tools(&[Part::Verify, Part::Wasi]), ["bubblewrap"]);
        assert_eq!(tools(&[Part::Sizes]), ["python3-venv"]);
        assert!(tools(&[Part::Memory]).is_empty());
    }
}
