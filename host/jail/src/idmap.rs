//! User namespaces that show one owner of the machine as the jailed user, for id-mapped mounts.
//!
//! A file written through such a mount belongs to the owner of the granted directory, and a throw-away id
//! never reaches the disk. A namespace is made by a child that waits, is described by its two maps, and is
//! kept by a descriptor after the child is gone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::recipe::{JailRecipe, Who};
use crate::setup::{SetupError, WallStep};
use crate::sys::{self, Forked};

/// The namespaces of one run, made as they are needed: one for each owner.
#[derive(Debug)]
pub(crate) struct IdMaps {
    shown_as: Option<u32>,
    made: BTreeMap<(u32, u32), OwnedFd>,
}

impl IdMaps {
    /// Only a throw-away user needs maps; a real one has its plain rights.
    pub(crate) fn for_recipe(recipe: &JailRecipe) -> Self {
        let shown_as = match recipe.who {
            Who::Throwaway { id } => Some(id),
            Who::RunAs { .. } | Who::Caller { .. } => None,
        };
        Self {
            shown_as,
            made: BTreeMap::new(),
        }
    }

    /// The namespace that shows `owner` as the jailed user, if this run maps owners at all.
    pub(crate) fn of(&mut self, owner: (u32, u32)) -> Result<Option<&OwnedFd>, SetupError> {
        let Some(id) = self.shown_as else {
            return Ok(None);
        };
        let made = match self.made.entry(owner) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => {
                place.insert(make(owner, id).step("map the owner of a granted directory")?)
            }
        };
        Ok(Some(made))
    }
}

pub(crate) fn make((user, group): (u32, u32), id: u32) -> std::io::Result<OwnedFd> {
    let parent = rustix::process::getpid();
    let cloned = match sys::clone_into(sys::USER_NAMESPACE, None)? {
        Forked::Child => wait_to_be_killed(parent),
        Forked::Parent(cloned) => cloned,
    };
    let proc = format!("/proc/{}", cloned.pid.as_raw_nonzero());
    let described = (|| {
        crate::write_file(&format!("{proc}/uid_map"), &format!("{user} {id} 1"))?;
        crate::write_file(&format!("{proc}/gid_map"), &format!("{group} {id} 1"))?;
        Ok(rustix::fs::open(
            format!("{proc}/ns/user"),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    })();
    rustix::process::pidfd_send_signal(&cloned.pidfd, Signal::KILL)?;
    rustix::process::waitid(WaitId::Pid(cloned.pid), WaitIdOptions::EXITED)?;
    described
}

/// Lives until the parent has described the namespace, or has died.
fn wait_to_be_killed(parent: Pid) -> ! {
    let armed = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_ok();
    // ORDER: the parent may have died before the signal was armed.
    if !armed || rustix::process::getppid() != Some(parent) {
        sys::leave(0);
    }
    loop {
        rustix::event::pause();
    }
}
