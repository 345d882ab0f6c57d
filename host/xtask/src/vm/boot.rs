//! Starts the machine, hears what it says on its serial line, and ends it.
//!
//! The machine and what shares directories with it are in namespaces of their own, of which the first process is killed
//! when this one ends, however it ends; with it goes everything in them. So there is nothing to clean up.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::kernel::Kernel;
use super::packages::Emulator;
use crate::machine::{now, program, run};

/// What runs the machine in the namespaces.
const PEN: &str = include_str!("pen.sh");

const MEMORY: &str = "2G";
const PROCESSORS: &str = "2";
/// All that can be emulated but `cmpxchg16b`: after that one the emulator of Debian 12 has an address in the place of its
/// flags, on which Linux 6.12 panics within seconds.
const PROCESSOR: &str = "max,cx16=off";
/// The disk, of which only what is written takes room.
const DISK_BYTES: u64 = 2 << 30;

/// What the kernel is told: its words go to the first line, and a panic ends the machine.
const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1";

/// What the machine says is not read further than this.
const SAID_BYTES_MAX: u64 = 64 << 20;
/// Lines that may wait to be looked at.
const LINES_MAX: usize = 1024;

/// Runs the machine in `work`, where its initramfs and what it shares are, and gives each line that it says to `hear`.
///
/// # Errors
///
/// When it does not start, or has not ended of itself after `limit`.
pub(crate) fn boot(
    work: &Path,
    kernel: &Kernel,
    emulator: &Emulator,
    limit: Duration,
    mut hear: impl FnMut(&str),
) -> Result<()> {
    let deadline = now() + limit;
    make_disk(&work.join("disk"))?;
    let mut pen = pen();
    pen.args(["sh", "-c", PEN, "pen"])
        .arg(emulator.program())
        .args(machine(kernel, emulator))
        .env("LIBRARIES", &emulator.libraries)
        .env("SHARER", &emulator.sharer)
        .env("QEMU_MODULE_DIR", emulator.parts()?)
        .current_dir(work)
        .stdout(Stdio::piped());
    let mut pen = pen
        .spawn()
        .context("`setpriv` and `unshare` (package util-linux) did not start")?;
    let lines = lines(pen.stdout.take().context("the machine says nothing")?);
    let is_late = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(now())) {
            Ok(line) => hear(&line),
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => break true,
        }
    };
    if is_late {
        pen.kill()?;
        pen.wait()?;
        bail!("the machine had not ended after {} s", limit.as_secs());
    }
    let status = pen.wait()?;
    if !status.success() {
        bail!(
            "the machine ended with {status}; if it said nothing above, see console.log and share.log in {}",
            work.display()
        );
    }
    Ok(())
}

/// An empty disk. A new one each time: what the last machine wrote is of no interest.
fn make_disk(disk: &Path) -> Result<()> {
    File::create(disk)
        .and_then(|file| file.set_len(DISK_BYTES))
        .with_context(|| format!("{}", disk.display()))?;
    run(program("mkfs.ext4").args(["-q", "-F"]).arg(disk))
}

/// What starts a program as the first process of namespaces of its own, and kills it when this process ends.
fn pen() -> Command {
    let mut command = program("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(["--mount", "--propagation", "private"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command
}

/// The machine as the emulator is told of it: no display, no network, and no hardware acceleration, so that it is the
/// same everywhere.
fn machine(kernel: &Kernel, emulator: &Emulator) -> Vec<OsString> {
    let memory = format!("memory-backend-memfd,id=memory,size={MEMORY},share=on");
    let mut words: Vec<OsString> = Vec::new();
    for place in emulator.firmware() {
        words.extend(["-L".into(), place.into()]);
    }
    words.extend(["-kernel".into(), kernel.image.clone().into()]);
    let fixed = [
        "-nodefaults -no-user-config -no-reboot -display none",
        "-machine q35,memory-backend=memory -accel tcg,thread=multi",
        "-cpu",
        PROCESSOR,
        "-smp",
        PROCESSORS,
        "-m",
        MEMORY,
        "-object",
        &memory,
        "-chardev socket,id=share,path=share.socket -device vhost-user-fs-pci,chardev=share,tag=share",
        "-drive file=disk,format=raw,if=virtio,cache=unsafe",
        "-serial file:console.log -serial stdio",
        "-initrd initramfs",
    ];
    let fixed = fixed.iter().flat_map(|part| part.split(' '));
    words.extend(fixed.map(OsString::from));
    words.extend(["-append".into(), KERNEL_WORDS.into()]);
    words
}

/// The lines that a program says, read by a thread of their own, until it says no more.
fn lines(said: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        let said = BufReader::new(said.take(SAID_BYTES_MAX));
        for line in said.split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            // Whoever listened has given up.
            if sender.send(line.trim_end_matches('\r').to_owned()).is_err() {
                return;
            }
        }
    });
    lines
}
