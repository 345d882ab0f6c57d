//! What memory a WASI program costs that does nothing: how much its processes hold while it waits.
//!
//! The kernel is asked, as it answers anybody: the peak of what was resident in each process. What is shared among
//! processes it tells only those who may look into them; where we may not, there is nothing in that column.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::arena::Arena;
use super::wasi::Form;
use super::wasmtime::Wasmtime;
use crate::machine::{read, run, shown};

/// How often each is looked at; of these the one in the middle counts.
const ROUNDS: usize = 5;

/// How often we look whether something has changed.
const LOOK: Duration = Duration::from_millis(50);

/// Nothing changes any more when so many looks have seen the same.
const LOOKS_ALIKE: u32 = 10;

/// How many looks there are at most.
const LOOKS_MAX: u32 = 400;

/// The headings of the columns.
const HEADINGS: [&str; 4] = ["peak", "share", "own", "worker takes"];

/// Measures the guest in this form, and gives a row of headings and one for each way to run it.
///
/// # Errors
///
/// When a program ends otherwise than it should, or does not come to rest.
pub(crate) fn measure(
    title: String,
    arena: &Arena<'_>,
    wasmtime: &Wasmtime<'_>,
    form: &Form,
) -> Result<Vec<Vec<String>>> {
    let whole = look_at(&mut form.run(arena), &["--", "wait"])?;
    let cached = look_at(&mut wasmtime.cached(form.program), &["wait"])?;
    let precompiled = look_at(&mut wasmtime.precompiled(form.compiled), &["wait"])?;
    let worker = whole.worker;
    let mut headings = vec![title];
    headings.extend(HEADINGS.map(str::to_owned));
    let mut rows = vec![headings];
    for (name, peer) in [
        ("  wasmtime, its cache", cached.worker),
        ("  wasmtime, precompiled", precompiled.worker),
    ] {
        let mut row = peer.row(name);
        row.push(times(worker.peak_kib, peer.peak_kib));
        rows.push(row);
    }
    rows.push(worker.row("  the worker of host run"));
    rows.push(whole.all.row("  all processes of host run"));
    if let Some(bytes) = group_peak(arena, form)? {
        rows.push(vec![
            "  the control group of that run".to_owned(),
            shown_kib(Some(bytes / 1024)),
        ]);
    }
    Ok(rows)
}

/// The memory of a process, or of several.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
struct Memory {
    /// The most that was resident; of several processes there is no such moment.
    peak_kib: Option<u64>,
    /// What is resident now, and of what others have too its part.
    share_kib: Option<u64>,
    /// What of that share has no file behind it.
    own_kib: Option<u64>,
}

impl Memory {
    fn row(self, name: &str) -> Vec<String> {
        let mut row = vec![name.to_owned()];
        row.extend([self.peak_kib, self.share_kib, self.own_kib].map(shown_kib));
        row
    }
}

/// What a program and all below it hold.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Held {
    /// The process that runs the guest.
    worker: Memory,
    /// All of them.
    all: Memory,
}

/// Runs a program with these words several times, and looks at it while it waits for the end of its input.
fn look_at(command: &mut Command, words: &[&str]) -> Result<Held> {
    command.args(words).stdout(Stdio::null());
    // Once for its cache: it has no input, so it does not wait.
    run(command.stdin(Stdio::null()))?;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let mut child = command
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{}` did not start", shown(command)))?;
        let held = at_rest(&mut child);
        // The guest ends when its input does.
        drop(child.stdin.take());
        let status = child.wait()?;
        ensure!(status.success(), "`{}` ended with {status}", shown(command));
        seen.push(held.with_context(|| shown(command))?);
    }
    seen.sort_unstable();
    let middle = seen.get(ROUNDS / 2).copied();
    middle.context("there was nothing to see")
}

/// Waits until nothing changes any more, and says what is there then.
fn at_rest(child: &mut Child) -> Result<Held> {
    let (mut before, mut alike) = (Vec::new(), 0);
    for _ in 0..LOOKS_MAX {
        sleep(LOOK);
        ensure!(child.try_wait()?.is_none(), "it did not wait");
        let tree = below(child.id(), &processes()?);
        alike = if tree == before { alike + 1 } else { 0 };
        if alike == LOOKS_ALIKE {
            return held(&tree);
        }
        before = tree;
    }
    bail!("it does not come to rest")
}

fn held(tree: &[Process]) -> Result<Held> {
    let worker = worker(tree).context("there is no process")?;
    let mut all = Memory {
        peak_kib: None,
        share_kib: Some(0),
        own_kib: Some(0),
    };
    for process in tree {
        let memory = process.memory();
        all.share_kib = sum(all.share_kib, memory.share_kib);
        all.own_kib = sum(all.own_kib, memory.own_kib);
    }
    Ok(Held {
        worker: worker.memory(),
        all,
    })
}

/// A sum that is known when both parts are.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one? + other?)
}

/// What the kernel tells everybody of a process.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Process {
    id: u32,
    parent: u32,
    peak_kib: u64,
}

impl Process {
    /// Reads what `/proc/ID/status` says of a process that has memory.
    fn read(id: u32, status: &str) -> Option<Self> {
        Some(Self {
            id,
            parent: u32::try_from(number(status, "PPid:")?).ok()?,
            peak_kib: number(status, "VmHWM:")?,
        })
    }

    fn memory(&self) -> Memory {
        let shares = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id));
        let shares = shares.unwrap_or_default();
        Memory {
            peak_kib: Some(self.peak_kib),
            share_kib: number(&shares, "Pss:"),
            own_kib: sum(number(&shares, "Pss_Anon:"), number(&shares, "Pss_Shmem:")),
        }
    }
}

/// All processes of this machine that can be seen and have memory.
fn processes() -> Result<Vec<Process>> {
    let mut found = Vec::new();
    let proc = Path::new("/proc");
    for entry in fs::read_dir(proc).context("/proc")? {
        let entry = entry?;
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that has ended meanwhile has nothing to say.
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        found.extend(Process::read(id, &status));
    }
    found.sort_unstable_by_key(|process| process.id);
    Ok(found)
}

/// A process and all that it and those below it have started.
fn below(root: u32, processes: &[Process]) -> Vec<Process> {
    let mut tree: Vec<Process> = Vec::new();
    let is_root = |process: &&Process| process.id == root;
    tree.extend(processes.iter().find(is_root).cloned());
    let mut next = 0;
    while let Some(parent) = tree.get(next).map(|process| process.id) {
        tree.extend(processes.iter().filter(|one| one.parent == parent).cloned());
        next += 1;
    }
    tree
}

/// The one that has started none, and of several the largest.
fn worker(tree: &[Process]) -> Option<&Process> {
    let is_parent = |process: &Process| tree.iter().any(|other| other.parent == process.id);
    tree.iter()
        .filter(|process| !is_parent(process))
        .max_by_key(|process| process.peak_kib)
}

/// The number behind a name at the start of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What the control group of a run held at most, as its record says, where there is such a group.
fn group_peak(arena: &Arena<'_>, form: &Form) -> Result<Option<u64>> {
    let record = read(form.run(arena).args(["--output", "json"]))?;
    let record: Value = serde_json::from_str(&record).context("the record of a run")?;
    let peak = record.pointer("/usage/memory_peak_bytes");
    Ok(peak.and_then(Value::as_u64))
}

fn shown_kib(kib: Option<u64>) -> String {
    kib.map_or_else(|| "-".to_owned(), |kib| format!("{kib} KiB"))
}

fn times(own: Option<u64>, other: Option<u64>) -> String {
    let text = || -> Option<String> {
        let (own, other) = (u32::try_from(own?).ok()?, u32::try_from(other?).ok()?);
        Some(format!("{:.2} x", f64::from(own) / f64::from(other)))
    };
    text().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Memory, Process, at_rest, below, number, shown_kib, sum, times, worker};
    use crate::machine::program;

    fn process(id: u32, parent: u32, peak_kib: u64) -> Process {
        Process {
            id,
            parent,
            peak_kib,
        }
    }

    #[test]
    fn the_worker_is_the_largest_that_started_none() {
        let processes = [
            process(1, 0, 900),
            process(20, 1, 100),
            process(30, 40, 50),
            process(40, 20, 90),
            process(31, 40, 60),
            process(50, 1, 500),
        ];
        let tree = below(20, &processes);
        let ids: Vec<u32> = tree.iter().map(|process| process.id).collect();
        assert_eq!(ids, [20, 40, 30, 31]);
        assert_eq!(worker(&tree).unwrap().id, 31);
        assert_eq!(below(21, &processes), []);
        assert_eq!(worker(&[]), None);
    }

    #[test]
    fn a_process_is_read_from_what_the_kernel_says() {
        let status = "Name:\thost\nPid:\t7\nPPid:\t3\nVmPeak:\t  90 kB\nVmHWM:\t   11484 kB\n";
        assert_eq!(Process::read(7, status), Some(process(7, 3, 11484)));
        assert_eq!(Process::read(2, "Name:\tkthreadd\nPPid:\t0\n"), None);
        assert_eq!(
            number("Pss_Dirty: 3 kB\nPss:  6186 kB\n", "Pss:"),
            Some(6186)
        );
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        assert_eq!(sum(Some(1), Some(2)), Some(3));
        assert_eq!(sum(Some(1), None), None);
        assert_eq!(times(Some(3), Some(2)), "1.50 x");
        assert_eq!(times(Some(3), None), "");
        assert_eq!(shown_kib(None), "-");
        assert_eq!(Memory::default().row("x"), ["x", "-", "-", "-"]);
    }

    #[test]
    fn a_program_that_does_not_wait_is_told_from_one_that_does() {
        let mut ends = program("true").spawn().unwrap();
        let error = at_rest(&mut ends).unwrap_err();
        assert_eq!(error.to_string(), "it did not wait");
        let mut waits = program("sleep").arg("60").spawn().unwrap();
        let held = at_rest(&mut waits);
        waits.kill().unwrap();
        waits.wait().unwrap();
        let held = held.unwrap();
        assert!(held.worker.peak_kib > Some(0));
        assert_eq!(held.all.own_kib, held.worker.own_kib);
    }
}
