//! The keeper while a run lives: it moves output, hears init and whoever started it, and keeps the clock.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use host_core::LimitName;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::Signal;

use super::birth::blind;
use super::recorder::Recorder;
use super::{DEATH_WAIT_MAX, GO_WAIT_MAX, HEAR_GO, Run, SAY_OUTPUT};
use crate::cgroup::Controller;
use crate::channel::{Exit, FromInit};
use crate::clock::{now, timespec};
use crate::egress::{Listeners, Relay, Rules, Way};
use crate::report::{Ending, Report};
use crate::setup::SetupError;
use crate::streams::{self, Moved};
use crate::tree::Tree;

/// The longest pause between two looks at the CPU time that was used.
const CPU_LOOK_MAX: Duration = Duration::from_secs(1);
/// The same where memory has to be looked at too.
const TREE_LOOK_MAX: Duration = Duration::from_millis(100);
/// The shortest pause between two looks at every process.
const TREE_LOOK_MIN: Duration = Duration::from_millis(40);
/// The shortest, so that looking costs little.
const CPU_LOOK_MIN: Duration = Duration::from_millis(20);

impl<'a> Run<'a> {
    /// Waits until the last process of the run is dead and everything of it is in the spool.
    pub(super) fn watch(mut self, parent: &OwnedFd, artifacts: Option<&OwnedFd>) -> Report {
        let mut piece = streams::piece();
        let mut called_off = false;
        loop {
            let (ready, died) = self.wait(parent, called_off);
            // ORDER: before anything that the task did because nobody answered it any more.
            if ready.recorder {
                self.look_at_recorder();
            }
            if ready.parent && !self.let_go(parent) {
                called_off = true;
                self.kill(Ending::Cancelled);
            }
            if ready.channel {
                self.listen();
            }
            if ready.refused {
                self.refusals.answer(None);
            }
            self.move_output(&ready, &mut piece, parent);
            if died {
                break;
            }
            if self.keep_the_clock() {
                break;
            }
        }
        self.conclude(artifacts, &mut piece)
    }

    fn wait(&self, parent: &OwnedFd, called_off: bool) -> (Ready, bool) {
        // What has closed stands in the list as init's own descriptor, which changes nothing: a closed one would be
        // ready at every look, whatever was asked of it.
        let died = self.init.pidfd.as_fd();
        let channel = if self.channel_closed {
            died
        } else {
            self.channel.as_fd()
        };
        let parent = if called_off { died } else { parent.as_fd() };
        let stdout = self.stdout.waiting().unwrap_or(died);
        let stderr = self.stderr.waiting().unwrap_or(died);
        let refused = self.refusals.waiting().unwrap_or(died);
        let recorder = self.recorder.as_ref().and_then(Recorder::waiting);
        let recorder = recorder.unwrap_or(died);
        let mut polled = [died, channel, stdout, stderr, parent, refused, recorder]
            .map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        let timeout = timespec(self.patience());
        let _ = rustix::event::poll(&mut polled, Some(&timeout));
        let [died, channel, stdout, stderr, parent, refused, recorder] =
            polled.map(|poll| !poll.revents().is_empty());
        (
            Ready {
                channel: channel && !self.channel_closed,
                stdout,
                stderr,
                parent: parent && !called_off,
                refused,
                recorder,
            },
            died,
        )
    }

    /// Takes a word of whoever started the run, and lets the program start if it says so; anything else, and silence
    /// for ever, ends the run.
    fn let_go(&mut self, parent: &OwnedFd) -> bool {
        let mut word = [0u8; 1];
        match rustix::net::recv(parent, &mut word[..], RecvFlags::DONTWAIT) {
            Ok((1, _)) if word == [HEAR_GO] => self.started = Some(now()),
            Err(Errno::AGAIN | Errno::INTR) => return true,
            Ok(_) | Err(_) => return false,
        }
        self.go();
        true
    }

    /// Lets init go on, once that was said and whoever connects for the run can.
    fn go(&mut self) {
        let Some(relay) = &self.relay else {
            if self.recipe.egress.is_empty() && self.started.is_some() {
                // An init that is gone has said why, or its death does.
                let _ = self.channel.go();
            }
            return;
        };
        if self.started.is_none() {
            return;
        }
        match relay.await_ready() {
            Ok(()) => {
                let _ = self.channel.go();
            }
            Err(error) => self.kill(Ending::NotStarted(error)),
        }
    }

    /// Has somebody connect for the run who takes what comes to these listeners; the first is of DNS.
    fn connect_for(&mut self, listeners: Vec<OwnedFd>) {
        let mut listeners = listeners.into_iter();
        let Some(dns) = listeners.next() else {
            return;
        };
        let listeners = Listeners {
            dns,
            ports: listeners.collect(),
        };
        if listeners.ports.len() != Rules::of(&self.recipe.egress).listened().len() {
            let missing = io::Error::other("a listener is missing");
            return self.kill(Ending::NotStarted(SetupError::wall(
                "start the relay",
                missing,
            )));
        }
        match Relay::start(&self.recipe.egress, listeners, &Way::default()) {
            Ok(relay) => {
                self.relay = Some(relay);
                self.go();
            }
            Err(error) => self.kill(Ending::NotStarted(error)),
        }
    }

    /// How long nothing needs to be looked at.
    fn patience(&self) -> Duration {
        if let Some(killed) = self.killed {
            return DEATH_WAIT_MAX.saturating_sub(now() - killed);
        }
        let Some(started) = self.started else {
            return GO_WAIT_MAX.saturating_sub(now() - self.born);
        };
        let wall = self.wall_limit().saturating_sub(now() - started);
        let left = self.cpu_limit().saturating_sub(self.cpu_used);
        // Asked of the kernel alone: the standard library would read the control groups' files, each time.
        let cores = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count());
        let soonest = left / cores.max(1);
        let longest = if self.groups.binds(Controller::Memory) {
            CPU_LOOK_MAX
        } else {
            TREE_LOOK_MAX
        };
        wall.min(soonest.clamp(CPU_LOOK_MIN, longest))
    }

    fn wall_limit(&self) -> Duration {
        Duration::from_millis(self.recipe.limits.wall().ms())
    }

    pub(super) fn cpu_limit(&self) -> Duration {
        Duration::from_millis(self.recipe.limits.cpu().ms())
    }

    /// Takes one message of init; says whether there was one.
    pub(super) fn listen(&mut self) -> bool {
        match self.channel.hear() {
            Ok(Some((FromInit::Ready { notes, not_opened }, out))) => {
                self.walls.extend(notes);
                self.not_opened = not_opened;
                self.out = out.into_iter().next();
                if self.needs_tree() && !Tree::sees(self.init.pid) {
                    self.walls.extend(blind(self.recipe));
                }
            }
            Ok(Some((FromInit::Listening, listeners))) => self.connect_for(listeners),
            Ok(Some((FromInit::Tells, listener))) => {
                let listener = listener.into_iter().next();
                if listener.is_none() {
                    let none = "this kernel tells of none".to_owned();
                    self.walls.push(("refusals".to_owned(), none));
                }
                self.hear_of_calls(listener);
            }
            Ok(Some((FromInit::Failed(error), _))) => self.ended(Ending::NotStarted(error)),
            Ok(Some((FromInit::Ended(Exit::Code(code)), _))) => self.ended(Ending::Exited { code }),
            Ok(Some((FromInit::Ended(Exit::Signal(signal)), _))) => {
                self.ended(Ending::Signalled { signal });
            }
            // Init is going; its descriptor says so next, and this one never says anything again.
            Ok(None) => {
                self.lift_share();
                self.channel_closed = true;
                return false;
            }
            // Nobody knows what was said, so nothing of it may be believed.
            Err(cause) => {
                self.channel_closed = true;
                self.kill(Ending::NotStarted(SetupError::wall(
                    "hear from init",
                    cause,
                )));
                return false;
            }
        }
        true
    }

    /// Listens from now on at `listener`, or has somebody listen who takes note of what is allowed as well.
    fn hear_of_calls(&mut self, listener: Option<OwnedFd>) {
        let listener = match listener {
            Some(listener) if self.recipe.learn.is_some() => listener,
            listener => return self.refusals.listen(listener),
        };
        let not_opened: Vec<usize> = self.not_opened.iter().map(|(index, _)| *index).collect();
        match Recorder::start(listener, self.recipe, self.refusals.surface(), &not_opened) {
            Ok(recorder) => self.recorder = Some(recorder),
            // Without one the run goes on, and nobody learns of it.
            Err(listener) => self.refusals.listen(Some(listener)),
        }
    }

    /// A run that nobody answers for is refused what it is allowed, and what it tries is told to nobody: it ends.
    fn look_at_recorder(&mut self) {
        if self.recorder.as_mut().is_some_and(Recorder::has_died) {
            self.kill(Ending::RecorderLost);
        }
    }

    /// The task has ended by itself: what is left of the run dies now, and has so long to do it.
    fn ended(&mut self, ending: Ending) {
        self.lift_share();
        self.end(ending);
        self.killed.get_or_insert_with(now);
    }

    fn lift_share(&self) {
        if self.recipe.limits.share().is_some() {
            self.groups.lift_share();
        }
    }

    /// The first ending stands.
    fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    /// Whether nothing but the task itself, or the kernel, has ended it so far.
    pub(super) fn ended_by_itself(&self) -> bool {
        matches!(
            self.ending,
            None | Some(Ending::Exited { .. } | Ending::Signalled { .. })
        )
    }

    /// Takes an ending whose reason the task gave before it ended by itself: what it wrote may be read after it is gone.
    /// What had ended it otherwise still did.
    pub(super) fn overrule(&mut self, ending: Ending) {
        if self.ended_by_itself() {
            self.ending = Some(ending);
        }
    }

    fn kill(&mut self, ending: Ending) {
        self.end(ending);
        self.kill_all();
    }

    fn kill_all(&mut self) {
        self.groups.kill();
        // The death of process 1 takes everything in its namespace along.
        let _ = rustix::process::pidfd_send_signal(&self.init.pidfd, Signal::KILL);
        self.killed.get_or_insert_with(now);
    }

    fn move_output(&mut self, ready: &Ready, piece: &mut [u8], parent: &OwnedFd) {
        let stdout = if ready.stdout {
            self.stdout.step(piece)
        } else {
            Ok(Moved::Nothing)
        };
        let stderr = if ready.stderr {
            self.stderr.step(piece)
        } else {
            Ok(Moved::Nothing)
        };
        for moved in [stdout, stderr] {
            if matches!(moved, Ok(Moved::Some)) {
                // A reader that is behind hears of the next piece; what it reads is the file.
                let _ = rustix::net::send(
                    parent,
                    &[SAY_OUTPUT],
                    SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
                );
            }
            if let Some(ending) = spoiled(moved) {
                self.overrule(ending);
                self.kill_all();
            }
        }
    }

    /// Kills on time; says whether waiting for death has been given up.
    fn keep_the_clock(&mut self) -> bool {
        if let Some(killed) = self.killed {
            return now() - killed >= DEATH_WAIT_MAX;
        }
        let Some(started) = self.started else {
            if now() - self.born >= GO_WAIT_MAX {
                let silent = io::Error::other("nobody said that it may start");
                self.kill(Ending::NotStarted(SetupError::wall(
                    "wait for a word",
                    silent,
                )));
            }
            return false;
        };
        if now() - started >= self.wall_limit() {
            self.kill(Ending::Limit {
                name: LimitName::Wall,
            });
        } else if now() - self.looked >= self.pause() {
            self.looked = now();
            self.look_at_usage();
        }
        false
    }

    /// The shortest pause between two looks at what was used: a run that says much is not looked at with every word.
    fn pause(&self) -> Duration {
        if self.needs_tree() {
            TREE_LOOK_MIN
        } else {
            CPU_LOOK_MIN
        }
    }

    /// Whether something is bounded by looking at every process of the run.
    fn needs_tree(&self) -> bool {
        !self.groups.counts_cpu() || !self.groups.binds(Controller::Memory)
    }

    /// Reads what the run has used, from its control groups or process by process, which costs more, and kills it if that
    /// is too much.
    fn look_at_usage(&mut self) {
        if self.needs_tree() {
            self.tree.look(self.init.pid);
        }
        let counted = self.groups.cpu_used();
        self.cpu_used = counted.unwrap_or_else(|| self.tree.cpu_used());
        let too_much_memory = self.groups.memory_kills() > 0
            || (!self.groups.binds(Controller::Memory)
                && self.tree.memory_held() > self.recipe.memory_bytes());
        let passed = if self.cpu_used >= self.cpu_limit() {
            Some(LimitName::Cpu)
        } else {
            too_much_memory.then_some(LimitName::Memory)
        };
        if let Some(name) = passed {
            self.kill(Ending::Limit { name });
        }
    }
}

/// The ending that output brings about, if it does.
pub(super) fn spoiled(moved: io::Result<Moved>) -> Option<Ending> {
    match moved {
        Ok(Moved::Some | Moved::Nothing | Moved::End) => None,
        Ok(Moved::OverLimit) => Some(Ending::Limit {
            name: LimitName::Output,
        }),
        Err(cause) => Some(Ending::OutputLost {
            cause: cause.to_string(),
        }),
    }
}

/// Which descriptors have something to say.
struct Ready {
    channel: bool,
    stdout: bool,
    stderr: bool,
    parent: bool,
    refused: bool,
    recorder: bool,
}
