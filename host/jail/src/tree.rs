//! What a whole run uses where no control group counts it: looked up process by process below init.
//!
//! It is looked at from time to time, so a limit that it holds is passed a little before it bites; `walls` says
//! so. CPU time never goes down: a process that ended unseen by its parent still counts with what it had.

use std::collections::BTreeMap;
use std::time::Duration;

use rustix::process::Pid;

use crate::read::read_text;

/// Processes that are looked at, at the most.
const PROCESSES_MAX: usize = 8_192;
/// Ended processes that are remembered one by one; older ones are remembered as a sum.
const REMEMBERED_MAX: usize = 16_384;
/// The kernel reports these times in hundredths of a second on every machine (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// What was seen of a run so far.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The own CPU time of each process, by its id and its start, in ticks.
    own: BTreeMap<(i32, u64), u64>,
    forgotten: u64,
    /// The most that init and its living descendants had at one look, with those that were waited for.
    counted: u64,
    memory: u64,
}

/// One line of `/proc/PID/stat`, as far as it matters here; times are in ticks.
#[derive(Debug, Eq, PartialEq)]
struct Stat {
    own: u64,
    waited_for: u64,
    start: u64,
}

impl Tree {
    /// Whether `/proc` shows the run at all: mounted with `hidepid`, it hides an init that hides from tracers.
    pub(crate) fn sees(init: Pid) -> bool {
        read_text(format!("/proc/{}/stat", init.as_raw_nonzero())).is_ok()
    }

    /// Looks at init and everything below it.
    pub(crate) fn look(&mut self, init: Pid) {
        let mut waiting = vec![init.as_raw_nonzero().get()];
        let (mut seen, mut counted, mut memory) = (0, 0u64, 0u64);
        while let Some(process) = waiting.pop() {
            seen += 1;
            if seen > PROCESSES_MAX {
                break;
            }
            if let Some(stat) = read_text(format!("/proc/{process}/stat"))
                .ok()
                .as_deref()
                .and_then(read_stat)
            {
                counted = counted
                    .saturating_add(stat.own)
                    .saturating_add(stat.waited_for);
                let own = self.own.entry((process, stat.start)).or_default();
                *own = stat.own.max(*own);
            }
            memory = memory.saturating_add(held_by(process));
            let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
                continue;
            };
            for thread in threads.flatten() {
                let children = read_text(thread.path().join("children")).unwrap_or_default();
                waiting.extend(
                    children
                        .split_ascii_whitespace()
                        .filter_map(|child| child.parse::<i32>().ok()),
                );
            }
        }
        self.counted = self.counted.max(counted);
        self.memory = memory;
        while self.own.len() > REMEMBERED_MAX {
            let (_, ticks) = self.own.pop_first().unwrap_or_default();
            self.forgotten = self.forgotten.saturating_add(ticks);
        }
    }

    /// The CPU time that was seen to be used.
    pub(crate) fn cpu_used(&self) -> Duration {
        let own = self
            .own
            .values()
            .sum::<u64>()
            .saturating_add(self.forgotten);
        TICK.saturating_mul(u32::try_from(own.max(self.counted)).unwrap_or(u32::MAX))
    }

    /// The memory that the run held at the last look, shared parts counted once, in bytes.
    pub(crate) fn memory_held(&self) -> u64 {
        self.memory
    }
}

/// What one process holds of its own and its share of what it shares, files aside.
fn held_by(process: i32) -> u64 {
    let rollup = read_text(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    let kilobytes = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|rest| rest.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    (kilobytes("Pss_Anon:") + kilobytes("Pss_Shmem:")).saturating_mul(1024)
}

fn read_stat(line: &str) -> Option<Stat> {
    // The name of the program stands in parentheses and may hold anything, parentheses too.
    let (_, fields) = line.rsplit_once(')')?;
    let mut fields = fields
        .split_ascii_whitespace()
        .skip(11)
        .map(|field| field.parse::<u64>().unwrap_or(0));
    let mut next = || fields.next();
    let (user, system, waited_user, waited_system) = (next()?, next()?, next()?, next()?);
    let start = fields.nth(4)?;
    Some(Stat {
        own: user + system,
        waited_for: waited_user + waited_system,
        start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 555 6 7";
        let expected = Stat {
            own: 33,
            waited_for: 77,
            start: 555,
        };
        assert_eq!(read_stat(stat), Some(expected));
        assert_eq!(read_stat("nonsense"), None);
    }

    #[test]
    fn cpu_time_of_the_dead_still_counts() {
        let mut tree = Tree::default();
        tree.own.insert((7, 1), 40);
        tree.own.insert((8, 2), 2);
        tree.counted = 10;
        assert_eq!(tree.cpu_used(), Duration::from_millis(420));
        tree.counted = 50;
        assert_eq!(tree.cpu_used(), Duration::from_millis(500));
    }

    #[test]
    fn this_process_holds_memory_and_uses_time() {
        let mut tree = Tree::default();
        tree.look(rustix::process::getpid());
        assert!(tree.memory_held() > 100_000);
    }
}
