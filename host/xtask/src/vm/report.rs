//! What the machine said, line by line, made into what ran as whom, what failed, and why.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::table;

/// Lines of a failed test's own words that are shown of each.
const WORDS_LINES_MAX: usize = 12;

/// How a test ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ended {
    Passed,
    Failed,
    Ignored,
}

/// The tests as one user.
#[derive(Debug, Default)]
struct Round {
    user: String,
    tests: BTreeMap<String, Ended>,
    /// What failed tests said.
    words: BTreeMap<String, Vec<String>>,
    /// The exit code of the test program, and the seconds that it took.
    ended: Option<(i32, u64)>,
    /// Whose words are being read.
    speaker: Option<String>,
}

/// Everything so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    facts: Vec<Vec<String>>,
    rounds: Vec<Round>,
    broken: Option<String>,
    is_done: bool,
}

impl Report {
    /// Takes in a line; says whether it is one for people too.
    pub(crate) fn hear(&mut self, line: &str) -> bool {
        let Some(said) = line.strip_prefix("::") else {
            if let Some(round) = self.rounds.last_mut() {
                round.hear(line);
            }
            return true;
        };
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        match (word, self.rounds.last_mut()) {
            ("is", _) => {
                let (name, value) = rest.split_once(' ').unwrap_or((rest, "none"));
                self.facts.push(vec![name.to_owned(), value.to_owned()]);
            }
            ("as", _) => self.rounds.push(Round {
                user: rest.to_owned(),
                ..Round::default()
            }),
            ("ended", Some(round)) => round.ended = numbers(rest),
            ("broken", _) => self.broken = Some(rest.to_owned()),
            ("done", _) => self.is_done = true,
            _ => {}
        }
        false
    }

    /// Prints what became of these tests, and what the machine is.
    ///
    /// # Errors
    ///
    /// When one of them failed, or did not end, as one of the users.
    pub(crate) fn finish(&self, names: &[String]) -> Result<()> {
        println!("\n=== the machine");
        table::print(&self.facts);
        if let Some(broken) = &self.broken {
            bail!("the machine did not come to run tests: {broken}");
        }
        println!("\n=== summary");
        let rows: Vec<Vec<String>> = self.rounds.iter().map(|round| round.row(names)).collect();
        table::print(&rows);
        let mut unfit = 0;
        for round in &self.rounds {
            unfit += round.print_unfit(names);
        }
        // Whatever else there is to say, a machine that did not come to its end has a reason for that.
        if !self.is_done || self.rounds.is_empty() {
            bail!(
                "its tests did not come to their end; console.log has the last words of the kernel"
            );
        }
        if unfit > 0 {
            bail!("{unfit} tests failed or did not end on this kernel");
        }
        Ok(())
    }
}

impl Round {
    fn hear(&mut self, line: &str) {
        if let Some((name, ended)) = outcome(line) {
            self.tests.insert(name.to_owned(), ended);
        } else if let Some(name) = speaker(line) {
            self.speaker = Some(name.to_owned());
        } else if line == "failures:" || line.starts_with("test result:") {
            self.speaker = None;
        } else if let Some(name) = &self.speaker {
            self.words
                .entry(name.clone())
                .or_default()
                .push(line.to_owned());
        }
    }

    fn count(&self, wanted: Ended) -> usize {
        self.tests
            .values()
            .filter(|ended| **ended == wanted)
            .count()
    }

    fn row(&self, names: &[String]) -> Vec<String> {
        let seconds = self.ended.map_or(0, |(_, seconds)| seconds);
        vec![
            format!("as {}", self.user),
            format!("{} passed", self.count(Ended::Passed)),
            format!("{} failed", self.count(Ended::Failed)),
            format!("{} ignored", self.count(Ended::Ignored)),
            format!("{} did not end", self.unended(names).count()),
            format!("{seconds} s"),
        ]
    }

    fn unended<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a String> {
        names.iter().filter(|name| !self.tests.contains_key(*name))
    }

    /// Prints the tests that failed, with their words, and those that did not end; says how many they are.
    fn print_unfit(&self, names: &[String]) -> usize {
        let failed = self
            .tests
            .iter()
            .filter(|(_, ended)| **ended == Ended::Failed);
        let mut unfit = 0;
        for (name, _) in failed {
            unfit += 1;
            println!("\nas {}: {name} failed", self.user);
            let words = self.words.get(name).map_or(&[][..], Vec::as_slice);
            for line in words
                .iter()
                .filter(|line| !line.is_empty())
                .take(WORDS_LINES_MAX)
            {
                println!("    {line}");
            }
        }
        let unended: Vec<&str> = self.unended(names).map(String::as_str).collect();
        if !unended.is_empty() {
            println!(
                "\nas {}, these did not end: {}",
                self.user,
                unended.join(" ")
            );
        }
        unfit + unended.len()
    }
}

/// The test that this line tells the end of, and how it ended.
fn outcome(line: &str) -> Option<(&str, Ended)> {
    let (name, ended) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let name = name.strip_suffix(" - should panic").unwrap_or(name);
    let ended = match ended {
        "ok" => Ended::Passed,
        "FAILED" => Ended::Failed,
        ignored if ignored.starts_with("ignored") => Ended::Ignored,
        _ => return None,
    };
    Some((name, ended))
}

/// The test whose words follow this line.
fn speaker(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

fn numbers(text: &str) -> Option<(i32, u64)> {
    let (code, seconds) = text.split_once(' ')?;
    Some((code.parse().ok()?, seconds.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Report;

    const SAID: &str = "\
::is kernel 6.1.0-48-cloud-amd64
::is controllers
::as root
walls of this machine
::tests
running 3 tests
test walls::one ... ok
test walls::two - should panic ... ok
test walls::three ... FAILED

failures:

---- walls::three stdout ----
thread 'walls::three' panicked at walls.rs:1:
EINVAL

failures:
    walls::three

test result: FAILED. 2 passed; 1 failed
::ended 101 7
";

    fn report(said: &str) -> Report {
        let mut report = Report::default();
        for line in said.lines() {
            report.hear(line);
        }
        report
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_ran_what_failed_and_why_is_read_from_what_was_said() {
        let report = report(&format!("{SAID}::done\n"));
        assert_eq!(
            report.facts,
            [["kernel", "6.1.0-48-cloud-amd64"], ["controllers", "none"]]
        );
        let round = report.rounds.first().unwrap();
        let all = names(&["walls::one", "walls::two", "walls::three", "walls::four"]);
        assert_eq!(
            round.row(&all),
            [
                "as root",
                "2 passed",
                "1 failed",
                "0 ignored",
                "1 did not end",
                "7 s"
            ]
        );
        let words = round.words.get("walls::three").unwrap();
        assert_eq!(
            words.get(..2).unwrap(),
            ["thread 'walls::three' panicked at walls.rs:1:", "EINVAL"]
        );
        assert_eq!(
            report.finish(&all).unwrap_err().to_string(),
            "2 tests failed or did not end on this kernel"
        );
    }

    #[test]
    fn a_machine_passes_when_every_test_did_and_it_came_to_its_end() {
        let said = "::as root\ntest walls::one ... ok\n::ended 0 1\n";
        let all = names(&["walls::one"]);
        let error = report(said).finish(&all).unwrap_err().to_string();
        assert!(
            error.starts_with("its tests did not come to their end"),
            "{error}"
        );
        report(&format!("{said}::done\n")).finish(&all).unwrap();
        let error = report("::broken no disk\n::done\n")
            .finish(&all)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("no disk"), "{error}");
        report("::done\n").finish(&all).unwrap_err();
    }

    #[test]
    fn only_lines_for_people_are_to_be_shown() {
        let mut report = Report::default();
        for (line, is_shown) in [("::as root", false), ("test a ... ok", true), ("", true)] {
            assert_eq!(report.hear(line), is_shown, "{line}");
        }
    }
}
