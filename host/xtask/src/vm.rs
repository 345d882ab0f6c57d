//! `cargo xtask vm`: the tests of the jail on the kernel of a distribution, in an emulated machine.
//!
//! Most machines that `host` is developed on have a kernel of their own. This one starts Debian's under qemu, without
//! hardware acceleration and without network, with the system of this machine to be read and an empty disk, and runs
//! there, as root and as an ordinary user, the process-level tests of `host-cli` that are about the jail. Everything is
//! in `vm/` below the build directory: packages, which are unpacked and not installed, and what the last machine said.
//!
//! Start at [`vm`]. What the machine does from its first program on is in `vm/init.sh` and `vm/tests.sh`.

mod packages;

mod initramfs;
mod kernel;
mod stage;

mod boot;
mod report;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::kernel::Kernel;
use self::packages::Emulator;
use self::report::Report;
use self::stage::stage;
use crate::machine::{has_program, is_root, now};
use crate::packages::{Tool, ensure as ensure_tools};
use crate::workspace::{Workspace, lock};

/// What is started on this machine for the other.
const TOOLS: &[Tool] = &[
    Tool {
        program: "mkfs.ext4",
        package: "e2fsprogs",
    },
    Tool {
        program: "unshare",
        package: "util-linux",
    },
    // The tests start it in the machine, which has the programs of this one.
    Tool {
        program: "python3",
        package: "python3",
    },
];

const KERNEL: &str = "linux-image-cloud-amd64";
/// The longest that the tests of one user take, where nothing else is said.
const TEST_SECONDS_MAX: u64 = 600;
/// The machine starts, and says what it is, in much less.
const START_SECONDS_MAX: u64 = 120;

/// Run the jail's tests on Debian's kernel, in an emulated machine
///
/// The machine has control groups of version 2, Landlock, Yama and AppArmor as Debian has them, the system of this one
/// to be read, an empty disk, and no network. Says what `host doctor` finds there, then runs the tests as root and as an
/// ordinary user.
///
/// Needs root, and Debian's apt-get to fetch the kernel and qemu, which are unpacked in target/vm, once for each version,
/// and not installed. Needs no hardware acceleration, so it takes some minutes. Leaves nothing but target/vm.
#[derive(Debug, clap::Args)]
pub(crate) struct VmArguments {
    /// Only tests whose names contain one of these, of all of host-cli; by default those that concern the jail
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// The kernel's package, or one that depends on it, such as linux-image-amd64
    #[arg(long, value_name = "PACKAGE", default_value = KERNEL)]
    kernel: String,
    /// Fetch the kernel from here alone, such as `deb http://mirror.example/debian trixie main`
    #[arg(long, value_name = "LINE")]
    source: Option<String>,
    /// Stop the tests of each of the two users after so many seconds
    #[arg(long, value_name = "N", default_value_t = TEST_SECONDS_MAX, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Test this program, which is `host` of another build
    #[arg(long, value_name = "FILE", requires = "tests")]
    host: Option<PathBuf>,
    /// Take the tests from this program, which is one of them built
    #[arg(long, value_name = "FILE", requires = "host")]
    tests: Option<PathBuf>,
}

impl VmArguments {
    /// What is typed where only filters are.
    pub(crate) fn of(filters: &[&str]) -> Self {
        Self {
            filters: filters.iter().copied().map(str::to_owned).collect(),
            kernel: KERNEL.to_owned(),
            source: None,
            seconds: TEST_SECONDS_MAX,
            host: None,
            tests: None,
        }
    }
}

/// Whether there can be such a machine here: its kernel and what emulates it come from Debian's packages.
pub(crate) fn is_possible() -> bool {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let is_debian = system.lines().any(|line| line == "ID=debian");
    cfg!(target_arch = "x86_64") && is_root() && is_debian && has_program("apt-get")
}

/// Starts the machine and tells what became of the tests.
///
/// # Errors
///
/// When something is not to be had, the machine does not start, or a test fails.
pub(crate) fn vm(workspace: &Workspace, arguments: &VmArguments) -> Result<()> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the machine is an x86-64 one and runs programs of this machine: there is nothing to do here"
    );
    ensure!(
        is_root(),
        "the machine is shown directories of this one, which takes root\nhint: sudo cargo xtask vm"
    );
    ensure_tools(TOOLS)?;
    let work = workspace.target.join("vm");
    fs::create_dir_all(&work).with_context(|| format!("{}", work.display()))?;
    let _lock = lock(&work.join("lock"), "waiting for another machine to end")?;
    let emulator = Emulator::ready(&work)?;
    let kernel = Kernel::find(&packages::kernel(&work, arguments)?)?;
    let modules = kernel.modules(&emulator.busybox, &work)?;
    initramfs::write(&work.join("initramfs"), &emulator.busybox, &modules)?;
    let names = stage(workspace, arguments, &emulator.busybox, &work.join("stage"))?;
    println!(
        "starting {} for {} tests as root and as an ordinary user",
        kernel.image.display(),
        names.len()
    );
    let mut report = Report::default();
    let limit = Duration::from_secs(START_SECONDS_MAX + 2 * arguments.seconds);
    let started = now();
    let ended = boot::boot(&work, &kernel, &emulator, limit, |line| {
        if report.hear(line) {
            println!("{line}");
        }
    });
    // What was said counts however the machine ended.
    let finished = report.finish(&names);
    println!(
        "\n{:.0} s from its start to its end",
        started.elapsed().as_secs_f64()
    );
    match (ended, finished) {
        (Err(ended), Err(finished)) => Err(finished.context(format!("{ended:#}"))),
        (ended, finished) => ended.and(finished),
    }
}
