//! The end of a run: the last output, how it is judged, what it left, and letting go of everything.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use host_core::LimitName;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Resource, WaitId, WaitIdOptions};
use rustix::time::Timespec;

use super::recorder::{Recorded, Recorder};
use super::watch::spoiled;
use super::{LAST_WORDS_BYTES_MAX, Run};
use crate::cgroup::Controller;
use crate::clock::now;
use crate::collect;
use crate::egress::Told;
use crate::report::{Ending, REPORT_FORMAT, Refused, Report};
use crate::sys;

impl Run<'_> {
    /// Gathers what is left to gather and lets go of everything.
    pub(super) fn conclude(mut self, artifacts: Option<&OwnedFd>, piece: &mut [u8]) -> Report {
        let runtime = self
            .started
            .map_or(Duration::ZERO, |started| now() - started);
        let died = rustix::process::waitid(
            WaitId::PidFd(self.init.pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
        let unkillable = !matches!(died, Ok(Some(_)));
        // Init's last word may still stand in the channel.
        while self.ending.is_none() && !unkillable && self.heard_more() {}
        self.drain(piece);
        let last_words = self.last_words();
        let ending = self.judge(unkillable, &last_words);
        let mut usage = self.usage();
        // ORDER: behind the look at CPU time, which counts every child that was waited for.
        let (refused, learned) = match self.recorder.take().map(Recorder::end) {
            Some(Recorded { refused, learned }) => (self.heard_of(refused), learned),
            None => (self.refusals.told(), None),
        };
        let told = self.connections(&mut usage);
        let refused = refused.into_iter().chain(told.refused).collect();
        let collected = match (&self.out, artifacts) {
            (Some(out), Some(artifacts)) if !unkillable => {
                scratch_usage(out, &mut usage);
                collect::collect(out, artifacts, self.recipe.limits.scratch().bytes())
            }
            _ => Ok(collect::Collected::default()),
        };
        let reached = self.reached();
        let kept = collected.and_then(|collected| {
            self.stdout.settle()?;
            self.stderr.settle()?;
            Ok(collected)
        });
        let (ending, collected) = match kept {
            Ok(collected) => (ending, collected),
            Err(cause) => (
                Ending::OutputLost {
                    cause: cause.to_string(),
                },
                collect::Collected::default(),
            ),
        };
        // Groups with a process in them cannot be removed; whoever looks after the run later tries again.
        if !unkillable {
            self.groups.remove();
        }
        let not_opened = self.not_opened_capabilities();
        self.note_missing_parts();
        let stood = !matches!(ending, Ending::NotStarted(_));
        Report {
            format: REPORT_FORMAT.to_owned(),
            ending,
            runtime_ms: u64::try_from(runtime.as_millis()).unwrap_or(u64::MAX),
            stdout: self.stdout.kept(),
            stderr: self.stderr.kept(),
            left: collected.left,
            left_out: collected.left_out,
            refused,
            connections: told.connections,
            learned,
            not_opened,
            // Of a jail that did not come to stand nobody knows which walls it has.
            walls: if stood { self.walls } else { Vec::new() },
            usage,
            reached,
            last_words,
        }
    }

    /// What was connected to, and what was refused of that.
    fn connections(&mut self, usage: &mut Vec<(String, u64)>) -> Told {
        let Some(relay) = self.relay.take() else {
            return Told::default();
        };
        let told = relay.end();
        if told.is_whole {
            let count = told.connections.len() as u64;
            usage.push(("connections".to_owned(), count.saturating_add(told.beyond)));
        } else {
            let gone = "was gone before the run: what it told until then may not be all".to_owned();
            self.walls.push(("relay".to_owned(), gone));
        }
        told
    }

    /// What a recorder has said of refusals. Where it did not come to that, nobody may take it that there were none.
    fn heard_of(&mut self, refused: Option<Vec<Refused>>) -> Vec<Refused> {
        if refused.is_none() {
            let lost = "lost: who took note of the run did not say any".to_owned();
            self.walls.push(("refusals".to_owned(), lost));
        }
        refused.unwrap_or_default()
    }

    /// What a function left in its pipe, if that is text.
    fn last_words(&self) -> String {
        let mut bytes = [0; LAST_WORDS_BYTES_MAX];
        let read = rustix::io::read(&self.last_words, &mut bytes[..]).unwrap_or(0);
        let said = bytes.get(..read).unwrap_or_default();
        String::from_utf8(said.to_vec()).unwrap_or_default()
    }

    /// What could not be opened, as the capabilities that it stands for.
    fn not_opened_capabilities(&self) -> Vec<(String, String)> {
        let opened = self
            .not_opened
            .iter()
            .filter_map(|(index, cause)| Some((self.recipe.openings.get(*index)?, cause)));
        opened
            .flat_map(|(opening, cause)| {
                opening
                    .capabilities
                    .iter()
                    .map(|name| (name.clone(), cause.clone()))
            })
            .collect()
    }

    /// What grants that were mounted in parts could not show, each by the name of its tree.
    fn note_missing_parts(&mut self) {
        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (index, cause) in &self.not_opened {
            let opening = self.recipe.openings.get(*index);
            let Some(part) = opening.filter(|opening| opening.is_part()) else {
                continue;
            };
            if let Some((tree, _)) = self.recipe.apart.tree_of(&part.path) {
                let tree = format!("fs.read:{}", tree.display());
                let part = format!("`{}`: {cause}", part.path.display());
                missing.entry(tree).or_default().push(part);
            }
        }
        let notes = missing
            .into_iter()
            .map(|(tree, parts)| (tree, format!("without {}", parts.join(", "))));
        self.walls.extend(notes);
    }

    fn heard_more(&mut self) -> bool {
        let mut polled = [PollFd::new(&self.channel, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let waits = rustix::event::poll(&mut polled, Some(&now)).is_ok_and(|ready| ready > 0)
            && polled
                .iter()
                .any(|poll| poll.revents().contains(PollFlags::IN));
        waits && self.listen()
    }

    fn drain(&mut self, piece: &mut [u8]) {
        for moved in [self.stdout.drain(piece), self.stderr.drain(piece)] {
            if let Some(ending) = spoiled(moved) {
                self.overrule(ending);
            }
        }
    }

    /// The ending, with what the kernel counted taken into account.
    fn judge(&mut self, unkillable: bool, last_words: &str) -> Ending {
        // What was waited for is known to the millisecond, and also where nothing can be looked at.
        let seen = || self.tree.cpu_used().max(sys::cpu_of_children());
        self.cpu_used = self.groups.cpu_used().unwrap_or_else(seen);
        let by_itself = self.ended_by_itself();
        if unkillable {
            Ending::Unkillable
        } else if by_itself && self.groups.memory_kills() > 0 {
            Ending::Limit {
                name: LimitName::Memory,
            }
        } else if by_itself && self.cpu_used >= self.cpu_limit() {
            Ending::Limit {
                name: LimitName::Cpu,
            }
        } else if self.had_no_memory_left(last_words) {
            Ending::Limit {
                name: LimitName::Memory,
            }
        } else {
            // Without a word init was killed from outside.
            self.ending.take().unwrap_or(Ending::Signalled {
                signal: libc::SIGKILL,
            })
        }
    }

    /// Whether a function ended itself because it got no more memory, as it does without a word where no control group
    /// binds; less than its limit may be all that whoever started us has.
    fn had_no_memory_left(&self, last_words: &str) -> bool {
        let aborted = matches!(
            self.ending,
            Some(Ending::Signalled {
                signal: libc::SIGABRT
            })
        );
        let most = rustix::process::getrlimit(Resource::Data).maximum;
        aborted
            && last_words.is_empty()
            && self.recipe.is_function()
            && !self.groups.binds(Controller::Memory)
            && most.is_none_or(|most| most >= self.recipe.memory_bytes())
    }

    fn usage(&self) -> Vec<(String, u64)> {
        let cpu = u64::try_from(self.cpu_used.as_millis()).unwrap_or(u64::MAX);
        let mut usage = vec![("cpu_ms".to_owned(), cpu)];
        if let Some(peak) = self.groups.memory_peak() {
            usage.push(("memory_peak_bytes".to_owned(), peak));
        }
        usage
    }

    fn reached(&self) -> Vec<LimitName> {
        let mut reached = Vec::new();
        if self.groups.processes_refused() > 0 {
            reached.push(LimitName::Processes);
        }
        if let Some(space) = self
            .out
            .as_ref()
            .and_then(|out| rustix::fs::fstatfs(out).ok())
        {
            if space.f_bavail == 0 {
                reached.push(LimitName::Scratch);
            }
            if space.f_ffree == 0 {
                reached.push(LimitName::Inodes);
            }
        }
        reached
    }
}

fn scratch_usage(out: &OwnedFd, usage: &mut Vec<(String, u64)>) {
    if let Ok(space) = rustix::fs::fstatfs(out) {
        let block = u64::try_from(space.f_bsize).unwrap_or(0);
        usage.push((
            "scratch_bytes".to_owned(),
            (space.f_blocks - space.f_bfree) * block,
        ));
    }
}
