//! The jail: one run of one program, with what its recipe opens and nothing else.
//!
//! A [`JailRecipe`] is plain values. [`start`] forks a keeper, which stays outside the jail: it hears the recipe, makes
//! mounts and control groups, clones init into new namespaces, moves the output into files, keeps the
//! clock, kills on a limit, and leaves a [`Report`]. Init is process 1 inside; it puts up the walls and,
//! once the keeper is told to go, starts the task, which gives up everything it has before the program's
//! first instruction.
//!
//! Nothing goes on when a required wall is missing: the report then says which, and why.
//!
//! Read in this order: [`recipe`], [`keeper`], `init`, `task`; then `mounts`, `guard`, `cgroup`, `seccomp`, `learn`, `egress`.

pub mod keeper;
pub mod probe;
pub mod recipe;
pub mod report;
pub mod setup;

mod cgroup;
mod channel;
mod clock;
mod collect;
mod egress;
mod guard;
mod idmap;
mod init;
mod landlock;
mod learn;
mod mask;
mod mountinfo;
mod mounts;
mod network;
mod order;
mod parts;
mod places;
mod read;
mod rlimits;
mod seccomp;
mod secrets;
mod skeleton;
mod sockaddr;
mod streams;
mod sys;
mod task;
mod tree;

pub use keeper::{
    Call, Event, Guess, Inlets, Keeper, LAST_WORDS_BYTES_MAX, Outlets, Payload, StartError,
    keep_if_asked, remove_left, start, start_afresh,
};
pub use probe::{WallState, landlock_abi, probe};
pub use recipe::{Egress, InstalledFile, JailRecipe, Learn, Opening, Program, SecretFile, Who};
pub use report::{Ending, Learned, LeftFile, Noted, Refused, Report, StreamKept};
pub use setup::{SetupError, SetupKind};
pub use streams::sealed_file;

/// Writes a control file of the kernel in one call, as its format demands.
fn write_file(path: &str, text: &str) -> std::io::Result<()> {
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, rustix::fs::Mode::empty())?;
    rustix::io::write(file, text.as_bytes())?;
    Ok(())
}
