//! A process beside the keeper: forked from it with a few of its descriptors, dies with it, hears when the run is over, and
//! leaves what it has to tell in memory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions};

use crate::clock::timespec;
use crate::streams;
use crate::sys::{self, Forked};

/// Such a process, as its keeper holds it.
#[derive(Debug)]
pub(crate) struct Beside {
    pid: Pid,
    pidfd: OwnedFd,
    /// Closed when the run is over.
    goes_on: OwnedFd,
    told: OwnedFd,
}

/// Which side of the fork this is.
pub(crate) enum Side {
    Keeper(Beside),
    Beside(Own),
}

/// What the process has of its own.
pub(crate) struct Own {
    keeper: Pid,
    /// Closes when the run is over, or the keeper gone.
    pub(crate) over: OwnedFd,
    pub(crate) told: OwnedFd,
}

impl Beside {
    pub(crate) fn fork(name: &str) -> io::Result<Side> {
        let (over, goes_on) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let flags = MemfdFlags::CLOEXEC;
        let told = rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| rustix::fs::memfd_create(name, flags))?;
        let keeper = rustix::process::getpid();
        match sys::fork()? {
            Forked::Child => Ok(Side::Beside(Own { keeper, over, told })),
            Forked::Parent(pid) => match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
                Ok(pidfd) => Ok(Side::Keeper(Self {
                    pid,
                    pidfd,
                    goes_on,
                    told,
                })),
                Err(errno) => {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                    Err(errno.into())
                }
            },
        }
    }

    /// Where to see that it has ended.
    pub(crate) fn as_ended(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// How it has ended, if it has: whether well.
    pub(crate) fn ended(&self) -> Option<bool> {
        // ORDER: it is waited for when the run is over, behind the last look at CPU time.
        let how = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), how) {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.exit_status() == Some(0)),
            Err(_) => Some(false),
        }
    }

    /// Says that the run is over, waits so long for the end of it, and returns what it has told by then, at most `bytes_max`
    /// of it.
    pub(crate) fn end(self, wait_max: Duration, bytes_max: usize) -> Vec<u8> {
        let Self {
            pid,
            pidfd,
            goes_on,
            told,
        } = self;
        drop(goes_on);
        let timeout = timespec(wait_max);
        let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
        while rustix::event::poll(&mut polled, Some(&timeout)) == Err(Errno::INTR) {}
        let ended = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        if !matches!(ended, Ok(Some(_))) {
            // It waits for something that does not answer, and goes when that does.
            let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
        }
        let told = File::from(told);
        let mut bytes = vec![0; bytes_max];
        let mut read = 0;
        while let Some(room) = bytes.get_mut(read..).filter(|room| !room.is_empty()) {
            // By its place: it may still be writing, and its place in the file is the same one.
            match told.read_at(room, read as u64) {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
        bytes.truncate(read);
        bytes
    }
}

impl Own {
    /// Closes everything but what it has itself and `kept`, and arms the signal of the keeper's death.
    pub(crate) fn let_go_of_the_keepers(&self, kept: &[BorrowedFd<'_>]) -> io::Result<()> {
        let own = [self.over.as_fd(), self.told.as_fd()];
        let kept: Vec<BorrowedFd<'_>> = own.into_iter().chain(kept.iter().copied()).collect();
        sys::close_all_but(&kept)?;
        self.die_with_keeper()
    }

    /// A change of ids erases the signal: then it is armed anew.
    pub(crate) fn die_with_keeper(&self) -> io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // ORDER: the keeper may have died before the signal was armed.
        if rustix::process::getppid() == Some(self.keeper) {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }

    /// Leaves something to be told.
    pub(crate) fn tell(&self, bytes: &[u8]) -> io::Result<()> {
        streams::write_all(&self.told, bytes)
    }
}
