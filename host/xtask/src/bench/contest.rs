//! Times programs in turns, so that what slows the machine for a while slows all of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::machine::{now, shown};
use crate::workspace::remove_tree;

/// How often the programs take their turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rounds {
    /// Before those that count: caches fill, lazy things are made.
    pub(crate) warming: u32,
    /// Those that count.
    pub(crate) counted: u32,
}

impl Rounds {
    /// So many, once all is warm.
    pub(crate) fn warm(counted: u32) -> Self {
        Self {
            warming: 3,
            counted,
        }
    }

    /// So many, of what is to be cold.
    pub(crate) fn cold(counted: u32) -> Self {
        Self {
            warming: 0,
            counted,
        }
    }
}

/// Programs that are timed against each other.
pub(crate) struct Contest {
    /// What they do.
    pub(crate) title: String,
    /// Those of `host`.
    pub(crate) ours: Vec<Entry>,
    /// The others.
    pub(crate) peers: Vec<Entry>,
}

impl Contest {
    /// Runs so many rounds and gives a row of headings, then one for each entry: name, median, p10, and for a peer how
    /// many times as long each of ours takes.
    ///
    /// # Errors
    ///
    /// When a program cannot be started or ends with anything but 0.
    pub(crate) fn run(mut self, rounds: Rounds) -> Result<Vec<Vec<String>>> {
        self.time(rounds)?;
        Ok(self.rows())
    }

    /// Runs so many rounds.
    ///
    /// # Errors
    ///
    /// As for [`Self::run`].
    pub(crate) fn time(&mut self, rounds: Rounds) -> Result<()> {
        for round in 0..rounds.warming + rounds.counted {
            for entry in self.ours.iter_mut().chain(&mut self.peers) {
                let took = entry.time()?;
                if round >= rounds.warming {
                    entry.times.push(took);
                }
            }
        }
        Ok(())
    }

    /// How much longer each of ours takes than the first of the peers, in time.
    pub(crate) fn more_than_first_peer(&self) -> Vec<Vec<String>> {
        let Some(peer) = self.peers.first() else {
            return Vec::new();
        };
        let more = |entry: &Entry, percent| {
            let more = entry
                .quantile(percent)
                .saturating_sub(peer.quantile(percent));
            format!("+ {}", shown_time(more))
        };
        let rows = self.ours.iter().map(|entry| {
            let name = format!("  {}, over {}", entry.name, peer.name);
            vec![name, more(entry, 50), more(entry, 10)]
        });
        rows.collect()
    }

    /// What has been measured.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let mut headings = vec![self.title.clone(), "median".to_owned(), "p10".to_owned()];
        headings.extend(
            self.ours
                .iter()
                .map(|entry| format!("{} takes", entry.role)),
        );
        let mut rows = vec![headings];
        rows.extend(self.peers.iter().map(|peer| {
            let mut row = peer.row();
            row.extend(self.ours.iter().map(|ours| ours.times_that_of(peer)));
            row
        }));
        rows.extend(self.ours.iter().map(Entry::row));
        rows
    }
}

/// One program.
pub(crate) struct Entry {
    name: &'static str,
    /// What it is called in the heading above its ratios, if it is ours.
    role: &'static str,
    how: How,
    /// A file that is its standard input.
    input: Option<PathBuf>,
    /// What it must not find when it starts.
    without: Option<PathBuf>,
    /// What it must have kept something in when it has ended.
    cache: Option<PathBuf>,
    times: Vec<Duration>,
}

/// How a program is timed.
enum How {
    /// It is started.
    Started(Command),
    /// Somebody else starts it and says how long it took.
    Told(Box<dyn FnMut() -> Result<Duration>>),
}

impl Entry {
    /// A program of which the output is of no interest, and that ends with 0.
    pub(crate) fn new(name: &'static str, mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self::of(name, How::Started(command))
    }

    /// One that somebody else times.
    pub(crate) fn timed(
        name: &'static str,
        time: impl FnMut() -> Result<Duration> + 'static,
    ) -> Self {
        Self::of(name, How::Told(Box::new(time)))
    }

    fn of(name: &'static str, how: How) -> Self {
        Self {
            name,
            role: "host",
            how,
            input: None,
            without: None,
            cache: None,
            times: Vec::new(),
        }
    }

    /// The same, told from others of ours.
    pub(crate) fn called(self, role: &'static str) -> Self {
        Self { role, ..self }
    }

    /// The same, reading this file.
    pub(crate) fn fed(self, input: &Path) -> Self {
        Self {
            input: Some(input.to_owned()),
            ..self
        }
    }

    /// The same, for which this tree is removed before every start.
    pub(crate) fn without(self, tree: PathBuf) -> Self {
        Self {
            without: Some(tree),
            ..self
        }
    }

    /// The same, which is no good when there is nothing in this directory after it.
    pub(crate) fn caching(self, directory: PathBuf) -> Self {
        Self {
            cache: Some(directory),
            ..self
        }
    }

    /// Runs it once, from start to end.
    fn time(&mut self) -> Result<Duration> {
        let command = match &mut self.how {
            How::Told(time) => return time(),
            How::Started(command) => command,
        };
        if let Some(tree) = &self.without {
            remove_tree(tree)?;
        }
        if let Some(input) = &self.input {
            let input = File::open(input).with_context(|| input.display().to_string())?;
            command.stdin(input);
        }
        let started = now();
        let status = command
            .status()
            .with_context(|| format!("`{}` did not start", shown(command)))?;
        let took = started.elapsed();
        ensure!(status.success(), "`{}` ended with {status}", shown(command));
        if let Some(cache) = &self.cache {
            ensure!(
                holds_something(cache),
                "`{}` kept nothing in {}",
                shown(command),
                cache.display()
            );
        }
        Ok(took)
    }

    /// The time that so many percent of the runs did not pass.
    fn quantile(&self, percent: usize) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = times.len().saturating_sub(1) * percent / 100;
        times.get(at).copied().unwrap_or_default()
    }

    /// Its name and what it took.
    fn row(&self) -> Vec<String> {
        let times = [50, 10].map(|percent| shown_time(self.quantile(percent)));
        let mut row = vec![format!("  {}", self.name)];
        row.extend(times);
        row
    }

    /// Its median as a multiple of another's.
    fn times_that_of(&self, other: &Self) -> String {
        let (own, other) = (self.quantile(50), other.quantile(50));
        format!("{:.2} x", own.as_secs_f64() / other.as_secs_f64())
    }
}

fn holds_something(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some())
}

fn shown_time(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.2} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test writes files of its own")]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::{Contest, Entry, Rounds, shown_time};
    use crate::machine::program;

    fn timed(name: &'static str, milliseconds: impl Iterator<Item = u64>) -> Entry {
        let mut entry = Entry::new(name, program("true"));
        entry.times = milliseconds.map(Duration::from_millis).collect();
        entry
    }

    #[test]
    fn quantiles_come_from_the_sorted_times() {
        let entry = timed("true", std::iter::empty());
        assert_eq!(entry.quantile(50), Duration::ZERO);
        let entry = timed("true", (1..=31).rev());
        assert_eq!(entry.quantile(50), Duration::from_millis(16));
        assert_eq!(entry.quantile(10), Duration::from_millis(4));
    }

    #[test]
    fn every_peer_is_compared_with_each_of_ours() {
        let contest = Contest {
            title: "start".to_owned(),
            ours: vec![
                timed("a.tar", [3].into_iter()).called("task"),
                timed("a.wasm", [1].into_iter()).called("program"),
            ],
            peers: vec![timed("other", [2].into_iter())],
        };
        assert_eq!(
            contest.rows(),
            [
                vec!["start", "median", "p10", "task takes", "program takes"],
                vec!["  other", "2.00 ms", "2.00 ms", "1.50 x", "0.50 x"],
                vec!["  a.tar", "3.00 ms", "3.00 ms"],
                vec!["  a.wasm", "1.00 ms", "1.00 ms"],
            ]
        );
    }

    #[test]
    fn a_time_is_shown_in_the_unit_that_suits_it() {
        assert_eq!(shown_time(Duration::from_micros(7_256)), "7.26 ms");
        assert_eq!(shown_time(Duration::from_micros(999_990)), "999.99 ms");
        assert_eq!(shown_time(Duration::from_millis(15_204)), "15.20 s");
    }

    #[test]
    fn an_entry_is_started_without_its_cache_and_must_fill_it() {
        let directory = tempfile::tempdir().unwrap();
        let (cache, input) = (
            directory.path().join("cache"),
            directory.path().join("input"),
        );
        fs::write(&input, "text\n").unwrap();
        let entry = |script: &str| {
            let mut command = program("sh");
            command.args(["-euc", script]).current_dir(directory.path());
            Entry::new("sh", command)
                .fed(&input)
                .without(cache.clone())
                .caching(cache.clone())
        };
        let run = |script: &str| {
            let contest = Contest {
                title: String::new(),
                ours: vec![entry(script)],
                peers: Vec::new(),
            };
            contest
                .run(Rounds::cold(2))
                .map(drop)
                .map_err(|error| error.to_string())
        };
        run("mkdir cache; read -r line; test \"$line\" = text; touch cache/code").unwrap();
        let error = run("mkdir cache").unwrap_err();
        assert!(error.contains("kept nothing in"), "{error}");
        let error = run("exit 7").unwrap_err();
        assert!(error.ends_with("ended with exit status: 7"), "{error}");
    }
}
