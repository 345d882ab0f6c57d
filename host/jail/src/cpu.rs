//! The CPU time of a whole run where no control group counts it: summed over the processes below init.

use std::time::Duration;

use rustix::process::Pid;

use crate::read::read_text;

/// Processes that are looked at, at the most.
const PROCESSES_MAX: usize = 8_192;
/// The kernel reports these times in hundredths of a second on every machine (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// What init and everything below it have used, those that were waited for included.
pub(crate) fn of_tree(init: Pid) -> Duration {
    let mut waiting = vec![init.as_raw_nonzero().get()];
    let mut ticks = 0u64;
    let mut seen = 0;
    while let Some(process) = waiting.pop() {
        seen += 1;
        if seen > PROCESSES_MAX {
            break;
        }
        let stat = read_text(format!("/proc/{process}/stat")).unwrap_or_default();
        ticks = ticks.saturating_add(used(&stat));
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
    TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// Own and waited-for time of one line of `/proc/PID/stat`, in ticks.
fn used(stat: &str) -> u64 {
    // The name of the program stands in parentheses and may hold anything, parentheses too.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return 0;
    };
    fields
        .split_ascii_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 5 6 7";
        assert_eq!(super::used(stat), 110);
        assert_eq!(super::used("nonsense"), 0);
    }
}
