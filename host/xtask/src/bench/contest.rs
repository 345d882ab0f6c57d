//! Times programs in turns, so that what slows the machine for a while slows all of them.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::machine::{now, shown};

/// Rounds before those that count: caches fill, lazy things are made.
const WARMING_ROUNDS: u32 = 3;

/// Programs that are timed against each other.
#[derive(Debug)]
pub(crate) struct Contest {
    /// What they do.
    pub(crate) title: &'static str,
    /// Ours.
    pub(crate) host: Entry,
    /// The others.
    pub(crate) peers: Vec<Entry>,
}

impl Contest {
    /// Runs so many rounds and gives a row for each entry: name, median, p10, and how many times as long ours takes.
    ///
    /// # Errors
    ///
    /// When a program cannot be started or ends with anything but 0.
    pub(crate) fn run(mut self, rounds: u32) -> Result<Vec<Vec<String>>> {
        for round in 0..WARMING_ROUNDS + rounds {
            for entry in std::iter::once(&mut self.host).chain(&mut self.peers) {
                let took = entry.time()?;
                if round >= WARMING_ROUNDS {
                    entry.times.push(took);
                }
            }
        }
        let host = self.host.quantile(50);
        let rows = self.peers.iter().chain([&self.host]).map(|entry| {
            let median = entry.quantile(50);
            let ratio = host.as_secs_f64() / median.as_secs_f64();
            let is_host = std::ptr::eq(entry, &self.host);
            let ratio = if is_host {
                String::new()
            } else {
                format!("{ratio:.2} x")
            };
            vec![
                format!("  {}", entry.name),
                shown_ms(median),
                shown_ms(entry.quantile(10)),
                ratio,
            ]
        });
        Ok(rows.collect())
    }
}

/// One program.
#[derive(Debug)]
pub(crate) struct Entry {
    name: &'static str,
    command: Command,
    times: Vec<Duration>,
}

impl Entry {
    /// A program that says nothing and ends with 0.
    pub(crate) fn new(name: &'static str, mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self {
            name,
            command,
            times: Vec::new(),
        }
    }

    /// Runs it once, from start to end.
    fn time(&mut self) -> Result<Duration> {
        let started = now();
        let status = self
            .command
            .status()
            .with_context(|| format!("`{}` did not start", shown(&self.command)))?;
        let took = started.elapsed();
        ensure!(
            status.success(),
            "`{}` ended with {status}",
            shown(&self.command)
        );
        Ok(took)
    }

    /// The time that so many percent of the runs did not pass.
    fn quantile(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = times.len().saturating_sub(1) * percent / 100;
        times.get(at).copied().unwrap_or_default()
    }
}

fn shown_ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Entry;
    use crate::machine::program;

    #[test]
    fn quantiles_come_from_the_sorted_times() {
        let mut entry = Entry::new("true", program("true"));
        assert_eq!(entry.quantile(50), Duration::ZERO);
        entry.times = (1..=31).rev().map(Duration::from_millis).collect();
        assert_eq!(entry.quantile(50), Duration::from_millis(16));
        assert_eq!(entry.quantile(10), Duration::from_millis(4));
    }
}
