//! Init, process 1 of the jail: puts up the walls from inside, starts the task, reaps, and says how it ended.
//!
//! ORDER (the step numbers of the measured prototype): go byte; descriptors; control groups; groups, group and
//! user id; the signal of the keeper's death, which a change of ids erases; private mounts; the tree attached
//! over `/tmp`, which is why an ordinary user's grants are opened before that; proc, while the machine's own is
//! still visible; pivot; an ordinary user's loopback; limits; bounding set; not dumpable; second go byte; init gives up
//! its own capabilities; fork; then all system calls but those that it needs to wait.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use rustix::process::{DumpableBehavior, Pid, Signal, WaitOptions};
use rustix::thread::{Gid, Uid};
use seccompiler::BpfProgram;

use crate::cgroup;
use crate::channel::{Channel, Exit, FromInit};
use crate::egress::Listeners;
use crate::guard::{self, Hidden};
use crate::keeper::{Call, Payload};
use crate::mountinfo::Mounts;
use crate::mounts::{self, Attach, Base, Tree};
use crate::network;
use crate::places::Places;
use crate::read::read_mountinfo;
use crate::recipe::{JailRecipe, Program, Who};
use crate::rlimits::{self, Fallbacks};
use crate::seccomp::{self, Surface};
use crate::setup::{SetupError, WallStep};
use crate::skeleton::{EMPTY_DIR, EMPTY_FILE, SCRATCH_DIRECTORIES, SCRATCH_PARTS, SCRATCH_STAND};
use crate::sys::{self, Forked, MountChange, Stack};
use crate::task::{self, Streams};

/// Where the root of the jail stands before it becomes the root: a directory that every machine has.
const STAND: &str = "/tmp";

/// Which system calls are left to the task, and to init once the task runs.
#[derive(Debug)]
pub(crate) struct Filters {
    pub(crate) surface: Surface,
    /// Whether the task's tells of what the run uses.
    pub(crate) learn: bool,
    /// A program's, which tells of what it refuses, or a function's.
    pub(crate) task: BpfProgram,
    pub(crate) init: BpfProgram,
}

impl Filters {
    pub(crate) fn of(surface: Surface, learn: bool) -> Self {
        // A function is ours, and has nobody who listens, unless the run learns.
        let task = match surface {
            _ if learn => seccomp::program_that_learns(surface),
            Surface::Function => seccomp::program(surface),
            Surface::Program | Surface::ProgramWithSockets => seccomp::program_that_tells(surface),
        };
        Self {
            surface,
            learn,
            task,
            init: seccomp::program_of_init(),
        }
    }
}

/// What init needs, all made before it was born.
#[derive(Debug)]
pub(crate) struct Init<'a> {
    pub(crate) recipe: &'a JailRecipe,
    pub(crate) channel: Channel,
    pub(crate) streams: Streams,
    pub(crate) filters: &'a Filters,
    pub(crate) fallbacks: Fallbacks,
    /// Whether it is born into a network that is ready.
    pub(crate) has_network: bool,
    /// The version 1 control groups, which init joins before it does anything else.
    pub(crate) groups: Vec<OwnedFd>,
    /// The tree that root made in the machine's namespace; an ordinary user's init makes its own.
    pub(crate) tree: Option<Tree>,
    /// The directories that are the run's own, once the tree is attached.
    pub(crate) scratch: Vec<OwnedFd>,
    /// What to call where the recipe names no file, and what it is given.
    pub(crate) payload: Payload,
    pub(crate) file: Option<OwnedFd>,
    pub(crate) last_words: OwnedFd,
}

impl Init<'_> {
    /// Runs process 1 to its end.
    pub(crate) fn run(mut self) -> ! {
        if self.channel.await_go().is_err() {
            sys::leave(1);
        }
        if let Err(error) = self.let_go_of_the_keepers() {
            self.fail(error);
        }
        // ORDER: before the limits, which count it.
        let mut stack = match Stack::new().step("make a stack") {
            Ok(stack) => stack,
            Err(error) => self.fail(error),
        };
        if let Err(error) = self.wall_off() {
            self.fail(error);
        }
        // The jail stands; whether the program may start is not yet known.
        if self.channel.await_go().is_err() {
            sys::leave(1);
        }
        // ORDER: before the task is forked, so that there is no moment at which it runs beside a mightier init.
        if let Err(error) = task::drop_capabilities() {
            self.fail(error);
        }
        let recipe = self.recipe;
        let started = match &recipe.program {
            Program::File(program) => {
                let started = sys::fork_to_become(&mut stack, || self.become_program(program));
                drop(stack);
                started
            }
            Program::Function { order, .. } => {
                drop(stack);
                match sys::fork() {
                    Ok(Forked::Child) => self.become_function(order),
                    Ok(Forked::Parent(task)) => Ok(task),
                    Err(cause) => Err(cause),
                }
            }
        };
        match started {
            Ok(task) => self.reap(task),
            Err(cause) => self.fail(SetupError::wall("start a process", cause)),
        }
    }

    /// Does not touch what init goes on with: until the program is executed this is init's own memory.
    fn become_program(&self, program: &Path) -> i32 {
        let (streams, scratch) = (&self.streams, &self.scratch);
        let (filters, channel) = (self.filters, &self.channel);
        let error = task::become_program(self.recipe, program, streams, scratch, filters, channel);
        say_failed(channel, error)
    }

    fn become_function(self, order: &str) -> ! {
        let Self {
            recipe,
            channel,
            streams,
            scratch,
            filters,
            payload,
            file,
            last_words,
            ..
        } = self;
        let call = Call {
            order: order.to_owned(),
            file,
            last_words,
        };
        let error =
            task::become_function(recipe, &streams, &scratch, filters, &channel, payload, call);
        say_failed(&channel, error)
    }

    fn fail(&self, error: SetupError) -> ! {
        say_failed(&self.channel, error)
    }

    /// Closes what it inherited of the keeper, and of whoever started that: the store, the spool, and the sockets whose
    /// closing tells that somebody is gone.
    fn let_go_of_the_keepers(&self) -> Result<(), SetupError> {
        let streams = &self.streams;
        let own = [
            &streams.stdin,
            &streams.stdout,
            &streams.stderr,
            &self.last_words,
        ];
        let tree = self.tree.iter().flat_map(|tree| {
            let attach = tree.system.iter().chain(&tree.attach);
            let mounts = attach.map(|attach| &attach.mount);
            mounts.chain([&tree.root, &tree.scratch])
        });
        let kept: Vec<BorrowedFd<'_>> = own
            .into_iter()
            .chain(&self.groups)
            .chain(&self.file)
            .chain(tree)
            .map(AsFd::as_fd)
            .chain([self.channel.as_fd()])
            .collect();
        sys::close_all_but(&kept).step("close descriptors")
    }

    fn wall_off(&mut self) -> Result<(), SetupError> {
        for group in self.groups.drain(..) {
            cgroup::join(&group).step("join a control group")?;
        }
        self.change_ids()?;
        self.die_with_keeper()?;
        rustix::process::umask(Mode::from_raw_mode(0o022));
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).step("make the mounts private")?;
        let tree = match self.tree.take() {
            Some(tree) => tree,
            None => mounts::prepare(self.recipe, Base::of(self.recipe)?)?,
        };
        let (out, scratch) = attach(&tree)?;
        self.scratch = scratch;
        show_nothing_hidden(&tree)?;
        if !self.recipe.is_function() {
            proc(&tree.root)?;
        }
        pivot(&tree.root)?;
        if !self.has_network {
            network::loopback_up()?;
            self.hand_over_listeners()?;
        }
        rlimits::set(self.recipe, self.fallbacks).step("set the limits")?;
        task::drop_bounding_set()?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .step("hide from tracers")?;
        let ready = FromInit::Ready {
            notes: tree.notes,
            not_opened: tree.not_opened,
        };
        self.channel
            .say(&ready, &[out.as_fd()])
            .step("report to the keeper")
    }

    /// Listens at what was granted of the network, for who is outside of it.
    fn hand_over_listeners(&self) -> Result<(), SetupError> {
        let Some(Listeners { dns, ports }) = network::listeners(self.recipe)? else {
            return Ok(());
        };
        let listeners: Vec<BorrowedFd<'_>> =
            [&dns].into_iter().chain(&ports).map(AsFd::as_fd).collect();
        self.channel
            .say(&FromInit::Listening, &listeners)
            .step("report to the keeper")
    }

    fn change_ids(&self) -> Result<(), SetupError> {
        const STEP: &str = "become the jailed user";
        match &self.recipe.who {
            Who::Throwaway { .. } => rustix::thread::set_thread_groups(&[]).step(STEP)?,
            Who::RunAs { groups, .. } => {
                let groups: Vec<Gid> = groups.iter().copied().map(Gid::from_raw).collect();
                rustix::thread::set_thread_groups(&groups).step(STEP)?;
            }
            // An ordinary user cannot drop its groups in a namespace; `walls` says so.
            Who::Caller { .. } => {}
        }
        let (uid, gid) = self.recipe.inside();
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        rustix::thread::set_thread_res_gid(gid, gid, gid).step(STEP)?;
        rustix::thread::set_thread_res_uid(uid, uid, uid).step(STEP)
    }

    fn die_with_keeper(&self) -> Result<(), SetupError> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .step("die with the keeper")?;
        // ORDER: the keeper may have died before the signal was armed; then its end of the channel is closed.
        let mut polled = [PollFd::new(&self.channel, PollFlags::IN)];
        let now = rustix::time::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut polled, Some(&now)).step("die with the keeper")?;
        if polled
            .iter()
            .any(|poll| poll.revents().contains(PollFlags::HUP))
        {
            sys::leave(1);
        }
        Ok(())
    }

    /// Waits for every process of the jail that is left to init, until the task itself has ended.
    fn reap(self, task: Pid) -> ! {
        let Self {
            channel,
            streams,
            scratch,
            filters,
            file,
            last_words,
            ..
        } = self;
        drop((streams, scratch, file, last_words));
        if let Err(error) = task::filter_calls(&filters.init) {
            let _ = channel.say(&FromInit::Failed(error.bounded()), &[]);
            sys::leave(1);
        }
        loop {
            match rustix::process::wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) if pid == task => {
                    let code = status.exit_status().map(Exit::Code);
                    let exit = code.or_else(|| status.terminating_signal().map(Exit::Signal));
                    let _ = channel.say(&FromInit::Ended(exit.unwrap_or(Exit::Code(1))), &[]);
                    // Whatever else still runs in the jail dies with process 1.
                    sys::leave(0);
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => sys::leave(1),
            }
        }
    }
}

fn say_failed(channel: &Channel, error: SetupError) -> ! {
    // A keeper that is gone takes this process with it.
    let _ = channel.say(&FromInit::Failed(error.bounded()), &[]);
    sys::leave(127)
}

/// Attaches the tree over `/tmp`; returns the directory for files that come back, and all that are the run's own.
fn attach(tree: &Tree) -> Result<(OwnedFd, Vec<OwnedFd>), SetupError> {
    const OPEN: &str = "open the scratch directories";
    rustix::mount::move_mount(
        &tree.root,
        OsStr::new(""),
        rustix::fs::CWD,
        Path::new(STAND),
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .step("mount the root file system")?;
    let root = &tree.root;
    mount_on_own(&tree.scratch, root, Path::new(SCRATCH_STAND))
        .step("mount the scratch file system")?;
    let out = mounts::open_dir(&tree.scratch, "out").step(OPEN)?;
    let scratch = SCRATCH_DIRECTORIES.map(|part| mounts::open_dir(&tree.scratch, part));
    let scratch = scratch.into_iter();
    let scratch = scratch.collect::<Result<_, _>>().step(OPEN)?;
    rustix::process::fchdir(root).step("enter the root file system")?;
    for (part, place) in SCRATCH_PARTS {
        let from = Path::new(SCRATCH_STAND).join(part);
        rustix::mount::mount_bind(from, mounts::relative(Path::new(place)))
            .step("bind the scratch directories")?;
    }
    rustix::mount::unmount(SCRATCH_STAND, UnmountFlags::DETACH)
        .step("hide the scratch file system")?;
    // ORDER: before anything of the machine is there that somebody could change.
    for Attach { mount, target } in &tree.system {
        mount_on_own(mount, root, target).map_err(|errno| {
            let place = format!("mount `/{}`", target.display());
            SetupError::wall(&place, errno)
        })?;
    }
    for Attach { mount, target } in &tree.attach {
        mount_on(mount, root, target).map_err(|errno| {
            let place = format!("mount `/{}`", target.display());
            SetupError::opening(place, errno)
        })?;
    }
    for hidden in &tree.hidden {
        hide(root, hidden)?;
    }
    Ok((out, scratch))
}

/// Looks at what was mounted below the grants, not at the paths that led to it: between the look at a grant and its mount
/// somebody may have moved what lies in it, and with it a mount that was to be covered.
fn show_nothing_hidden(tree: &Tree) -> Result<(), SetupError> {
    const STEP: &str = "look through what is mounted below the grants";
    if tree.granted.is_empty() {
        return Ok(());
    }
    let mounts = Mounts::read(&read_mountinfo().step(STEP)?);
    let below: Vec<PathBuf> = tree
        .granted
        .iter()
        .map(|target| Path::new(STAND).join(target))
        .collect();
    let seen = mounts.uncovered(
        Path::new(STAND),
        &Places::of(&below),
        &tree.own,
        guard::is_face_of_the_kernel,
    );
    match seen.first() {
        None => Ok(()),
        Some(place) => {
            let place = place.strip_prefix(STAND).unwrap_or(place);
            Err(SetupError::unfit(
                format!("hide `/{}`", place.display()),
                "it was moved while the grant was opened",
            ))
        }
    }
}

/// Mounts the process file system, with everything covered that tells of the machine or changes it. The root is the
/// directory that this process is in.
fn proc(root: &OwnedFd) -> Result<(), SetupError> {
    const DIRECTORIES: [&str; 7] = ["acpi", "asound", "bus", "driver", "fs", "irq", "scsi"];
    const FILES: [&str; 19] = [
        "cmdline",
        "config.gz",
        "interrupts",
        "iomem",
        "ioports",
        "kallsyms",
        "kcore",
        "key-users",
        "keys",
        "kmsg",
        "latency_stats",
        "modules",
        "sched_debug",
        "slabinfo",
        "softirqs",
        "sysrq-trigger",
        "timer_list",
        "timer_stats",
        "vmallocinfo",
    ];
    const COVER: &str = "cover a file of proc";
    const STEP: &str = "mount proc";
    let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).step(STEP)?;
    rustix::mount::fsconfig_set_string(context.as_fd(), "hidepid", "invisible").step(STEP)?;
    rustix::mount::fsconfig_create(context.as_fd()).step(STEP)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
        .step(STEP)?;
    mount_on_own(&mount, root, Path::new("proc")).step(STEP)?;
    for (with, names) in [(EMPTY_DIR, &DIRECTORIES[..]), (EMPTY_FILE, &FILES[..])] {
        for name in names {
            match rustix::mount::mount_bind(with, Path::new("proc").join(name)) {
                // Not every kernel has all of them.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(SetupError::wall(COVER, errno)),
            }
        }
    }
    let sys = clone_of(root, Path::new("proc/sys")).step("make proc/sys read only")?;
    let read_only = MountChange {
        set: libc::MOUNT_ATTR_RDONLY,
        userns: None,
        recursive: true,
    };
    sys::mount_setattr(sys.as_fd(), &read_only).step("make proc/sys read only")?;
    mount_on_own(&sys, root, Path::new("proc/sys")).step("make proc/sys read only")
}

/// Covers a place of the machine that a grant above it would show. It was looked up when the grant was opened: what is
/// found there now must be the same, or it may have been moved to where it would be seen.
fn hide(root: &OwnedFd, hidden: &Hidden) -> Result<(), SetupError> {
    let step = format!("hide `{}`", hidden.path.display());
    let failed = |errno| SetupError::opening(step.clone(), errno);
    let found = place(root, &mounts::relative(&hidden.path)).map_err(failed)?;
    let stat = rustix::fs::fstat(&found).map_err(failed)?;
    if (stat.st_dev, stat.st_ino) != hidden.identity {
        return Err(SetupError::unfit(
            step,
            "something else has been put in its place meanwhile",
        ));
    }
    cover(root, &found).map_err(failed)
}

/// Covers a directory by an empty one and a file by an empty file.
fn cover(root: &OwnedFd, place: &OwnedFd) -> rustix::io::Result<()> {
    let found = rustix::fs::fstat(place)?;
    let with = if FileType::from_raw_mode(found.st_mode).is_dir() {
        EMPTY_DIR
    } else {
        EMPTY_FILE
    };
    move_mount(&clone_of(root, Path::new(with))?, place, Path::new(""))
}

/// Opens a place in the jail, by no link. Below a grant the path belongs to the machine, where somebody may be changing
/// it: a link there would lead a mount over another part of the jail.
fn place(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let how = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, how, Mode::empty(), resolve)
}

fn mount_on(mount: &OwnedFd, root: &OwnedFd, target: &Path) -> rustix::io::Result<()> {
    move_mount(mount, place(root, target)?, Path::new(""))
}

/// The same where every directory on the way is the jail's own, so that nobody can have put a link there.
fn mount_on_own(mount: &OwnedFd, root: &OwnedFd, target: &Path) -> rustix::io::Result<()> {
    move_mount(mount, root, target)
}

fn pivot(root: &OwnedFd) -> Result<(), SetupError> {
    const STEP: &str = "change the root";
    rustix::process::fchdir(root).step(STEP)?;
    rustix::process::pivot_root(".", ".").step(STEP)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step(STEP)?;
    rustix::process::chdir("/").step(STEP)
}

fn move_mount(mount: &OwnedFd, place: impl AsFd, below: &Path) -> rustix::io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, OsStr::new(""), place, below, flags)
}

fn clone_of(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::mount::open_tree(
        root,
        path,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
}
