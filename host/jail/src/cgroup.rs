//! Control groups of one run: version 2 where its controllers can be had, else version 1, else none.
//!
//! The version 2 directory is made even where it has no controllers, because it alone kills a whole tree
//! at once and counts its CPU time. Groups are made below a parent of ours (as root) or below the group
//! that this process is in, and removed when the run has ended; [`RunGroups::remove_left`] removes those
//! of a keeper that was killed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host_core::RunId;
use rustix::fs::{Mode, OFlags};

use crate::read::{read_mountinfo, read_number, read_text};

/// How long removing a group is tried while the kernel still empties it.
const REMOVE_WAIT_MAX: Duration = Duration::from_secs(2);
/// The pause between two tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(2);
/// The directory at the root of version 2 that holds the groups of all runs, when root makes them.
const PARENT: &str = "host";

/// How often a share of processors is counted anew, in microseconds, as the kernel does by itself.
const SHARE_PERIOD_US: u64 = 100_000;

/// The files that set it, in version 2 and in version 1.
const SHARE_FILE: &str = "cpu.max";
const SHARE_FILE_LEGACY: &str = "cpu.cfs_quota_us";

/// What the groups of a run bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) memory_bytes: u64,
    pub(crate) processes: u64,
    /// Hundredths of a processor.
    pub(crate) share: Option<u64>,
}

/// What a controller limits.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Controller {
    Memory,
    Pids,
    /// Counts the time.
    Cpu,
    /// Bounds how much of it there is at one time.
    Share,
}

impl Controller {
    const NAMES_V2: [&str; 3] = ["memory", "pids", "cpu"];
    const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::Share];

    fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpuacct",
            Self::Share => "cpu",
        }
    }

    /// Whether a group has what a share is set by, for the one controller of which a kernel may lack a part.
    fn has_file(self, group: &Path, of_share: &str) -> bool {
        self != Self::Share || group.join(of_share).exists()
    }

    fn name_v2(self) -> &'static str {
        if self == Self::Cpu {
            "cpu"
        } else {
            self.name()
        }
    }
}

/// Where control groups can be made on this machine.
#[derive(Debug, Default)]
pub(crate) struct Hierarchies {
    unified: Option<PathBuf>,
    unified_controllers: Vec<Controller>,
    legacy: BTreeMap<Controller, PathBuf>,
}

impl Hierarchies {
    /// Looks up what is mounted and where this process is.
    pub(crate) fn discover(by_root: bool) -> io::Result<Self> {
        // A mount point that is not UTF-8 must not hide the others; none of those looked for here is one.
        let mounts = read_mountinfo()?;
        let mounts = String::from_utf8_lossy(&mounts);
        let memberships = read_text("/proc/self/cgroup")?;
        let mut found = Self::default();
        for membership in memberships.lines() {
            let mut fields = membership.splitn(3, ':');
            let (Some(_), Some(names), Some(path)) = (fields.next(), fields.next(), fields.next())
            else {
                continue;
            };
            if names.is_empty() {
                found.unified =
                    directory_of(&mounts, "cgroup2", "", if by_root { "/" } else { path });
                continue;
            }
            for controller in Controller::ALL {
                if names.split(',').any(|name| name == controller.name())
                    && let Some(directory) =
                        directory_of(&mounts, "cgroup", controller.name(), path)
                    && controller.has_file(&directory, SHARE_FILE_LEGACY)
                {
                    found.legacy.insert(controller, directory);
                }
            }
        }
        if by_root {
            found.prepare_parent();
        }
        Ok(found)
    }

    /// Makes the parent of all runs in version 2 and passes it the controllers that are to be had.
    fn prepare_parent(&mut self) {
        let Some(root) = self.unified.take() else {
            return;
        };
        let parent = root.join(PARENT);
        if let Err(error) = fs::create_dir(&parent)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return;
        }
        let passes = |name: &str| {
            let enable = format!("+{name}");
            [&root, &parent]
                .iter()
                .all(|group| write(&group.join("cgroup.subtree_control"), &enable).is_ok())
        };
        for name in Controller::NAMES_V2 {
            if passes(name) {
                let passed = Controller::ALL.into_iter().filter(|controller| {
                    controller.name_v2() == name && controller.has_file(&parent, SHARE_FILE)
                });
                self.unified_controllers.extend(passed);
            }
        }
        self.unified = Some(parent);
    }

    /// Where `controller` comes from: `cgroup v2`, `cgroup v1`, or nothing.
    pub(crate) fn source(&self, controller: Controller) -> Option<&'static str> {
        let counts = controller == Controller::Cpu && self.unified.is_some();
        if counts || self.unified_controllers.contains(&controller) {
            Some("cgroup v2")
        } else {
            self.legacy.contains_key(&controller).then_some("cgroup v1")
        }
    }

    /// Whether a whole tree can be killed by one write.
    pub(crate) fn kills(&self) -> bool {
        self.unified.is_some()
    }

    /// Makes the groups of `run` and sets the limits; a limit whose controller is missing is left to the caller.
    pub(crate) fn make(&self, run: &RunId, bounds: Bounds) -> io::Result<RunGroups> {
        let name = name_of(run);
        let mut groups = RunGroups::default();
        if let Some(parent) = &self.unified {
            let path = parent.join(&name);
            // An ordinary user may not make groups here, or may not move processes out of where they are: then the
            // namespace alone kills the tree.
            if may_move_from(parent) && fs::create_dir(&path).is_ok() {
                let how = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let opened = rustix::fs::open(&path, how, Mode::empty());
                groups.unified = Some(path);
                groups.unified_fd = Some(opened.inspect_err(|_| groups.remove())?);
            }
        }
        for (controller, parent) in &self.legacy {
            let path = parent.join(&name);
            // Version 2 counts the CPU time of every group, whatever controllers it has.
            let needs_none = self.unified_controllers.contains(controller)
                || match controller {
                    Controller::Cpu => groups.unified.is_some(),
                    Controller::Share => bounds.share.is_none(),
                    Controller::Memory | Controller::Pids => false,
                };
            if needs_none {
                continue;
            }
            // Two controllers may be in one hierarchy.
            let is_made = groups.legacy.values().any(|made| *made == path);
            if is_made || fs::create_dir(&path).is_ok() {
                groups.legacy.insert(*controller, path);
            }
        }
        for controller in &self.unified_controllers {
            if let Some(path) = &groups.unified {
                groups.limited.insert(*controller, path.clone());
            }
        }
        groups.limit(bounds).inspect_err(|_| groups.remove())?;
        // A kernel may not know it, and a group cannot have more than the one around it: then there is none.
        if bounds
            .share
            .is_none_or(|share| groups.bind_share(share).is_err())
        {
            groups.do_without(Controller::Share);
        }
        Ok(groups)
    }

    /// The directories that a run of this id would have had.
    pub(crate) fn groups_of(&self, run: &RunId) -> Vec<PathBuf> {
        let name = name_of(run);
        self.unified
            .iter()
            .chain(self.legacy.values())
            .map(|parent| parent.join(&name))
            .collect()
    }
}

/// The name of the groups of a run.
fn name_of(run: &RunId) -> String {
    format!("run-{run}")
}

/// The control groups of one run.
#[derive(Debug, Default)]
pub(crate) struct RunGroups {
    unified: Option<PathBuf>,
    unified_fd: Option<OwnedFd>,
    limited: BTreeMap<Controller, PathBuf>,
    legacy: BTreeMap<Controller, PathBuf>,
}

impl RunGroups {
    fn limit(&self, bounds: Bounds) -> io::Result<()> {
        let memory = bounds.memory_bytes.to_string();
        // Init is one of them.
        let processes = bounds.processes.saturating_add(1).to_string();
        if let Some(group) = self.limited.get(&Controller::Memory) {
            write(&group.join("memory.max"), &memory)?;
            write(&group.join("memory.oom.group"), "1")?;
            write_where_present(&group.join("memory.swap.max"), "0")?;
        }
        if let Some(group) = self.limited.get(&Controller::Pids) {
            write(&group.join("pids.max"), &processes)?;
        }
        if let Some(group) = self.legacy.get(&Controller::Memory) {
            write(&group.join("memory.limit_in_bytes"), &memory)?;
            write_where_present(&group.join("memory.memsw.limit_in_bytes"), &memory)?;
            // What waits in TCP and UDP sockets is counted only if it has a limit of its own here.
            write_where_present(&group.join("memory.kmem.tcp.limit_in_bytes"), &memory)?;
        }
        if let Some(group) = self.legacy.get(&Controller::Pids) {
            write(&group.join("pids.max"), &processes)?;
        }
        Ok(())
    }

    fn bind_share(&self, percent: u64) -> io::Result<()> {
        let quota = percent.saturating_mul(SHARE_PERIOD_US / 100).to_string();
        if let Some(group) = self.limited.get(&Controller::Share) {
            write(
                &group.join(SHARE_FILE),
                &format!("{quota} {SHARE_PERIOD_US}"),
            )?;
        }
        if let Some(group) = self.legacy.get(&Controller::Share) {
            write(
                &group.join("cpu.cfs_period_us"),
                &SHARE_PERIOD_US.to_string(),
            )?;
            write(&group.join(SHARE_FILE_LEGACY), &quota)?;
        }
        Ok(())
    }

    fn do_without(&mut self, controller: Controller) {
        self.limited.remove(&controller);
        if let Some(group) = self.legacy.remove(&controller)
            && !self.legacy.values().any(|other| *other == group)
        {
            remove_group(&group, REMOVE_WAIT_MAX);
        }
    }

    /// Gives a run that is to die all processors to die on: kernels before 6.18 let it wait for its share even then.
    pub(crate) fn lift_share(&self) {
        for group in self.unified.iter().chain(self.legacy.values()) {
            lift_share(group);
        }
    }

    /// Whether `controller` binds this run.
    pub(crate) fn binds(&self, controller: Controller) -> bool {
        self.limited.contains_key(&controller) || self.legacy.contains_key(&controller)
    }

    /// The version 2 group to be born into.
    pub(crate) fn birth(&self) -> Option<BorrowedFd<'_>> {
        self.unified_fd.as_ref().map(AsFd::as_fd)
    }

    /// The version 1 groups, opened for init to [`join`].
    pub(crate) fn to_join(&self) -> io::Result<Vec<OwnedFd>> {
        let mut groups: Vec<&PathBuf> = self.legacy.values().collect();
        groups.sort();
        groups.dedup();
        let open = |group: &PathBuf| -> io::Result<OwnedFd> {
            let how = OFlags::WRONLY | OFlags::CLOEXEC;
            Ok(rustix::fs::open(group.join("tasks"), how, Mode::empty())?)
        };
        groups.into_iter().map(open).collect()
    }

    /// Kills everything in the run at once, where version 2 can; the caller kills init too.
    pub(crate) fn kill(&self) {
        self.lift_share();
        if let Some(group) = &self.unified {
            // Older kernels have no such file; init's namespace then takes everything along.
            let _ = write(&group.join("cgroup.kill"), "1");
        }
    }

    /// Whether a group counts the CPU time of the whole tree.
    pub(crate) fn counts_cpu(&self) -> bool {
        self.unified.is_some() || self.legacy.contains_key(&Controller::Cpu)
    }

    /// The CPU time that the whole tree has used, where a group counts it.
    pub(crate) fn cpu_used(&self) -> Option<Duration> {
        if let Some(group) = self.legacy.get(&Controller::Cpu) {
            return read_number(&group.join("cpuacct.usage")).map(Duration::from_nanos);
        }
        let stat = read_text(self.unified.as_ref()?.join("cpu.stat")).ok()?;
        keyed_number(&stat, "usage_usec").map(Duration::from_micros)
    }

    /// How many processes the kernel killed for want of memory.
    pub(crate) fn memory_kills(&self) -> u64 {
        let file = match (
            self.limited.get(&Controller::Memory),
            self.legacy.get(&Controller::Memory),
        ) {
            (Some(group), _) => group.join("memory.events"),
            (None, Some(group)) => group.join("memory.oom_control"),
            (None, None) => return 0,
        };
        read_text(file)
            .ok()
            .and_then(|text| keyed_number(&text, "oom_kill"))
            .unwrap_or(0)
    }

    /// The most memory that the run held, in bytes.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        let limited = self
            .limited
            .get(&Controller::Memory)
            .map(|group| group.join("memory.peak"));
        let legacy = self
            .legacy
            .get(&Controller::Memory)
            .map(|group| group.join("memory.max_usage_in_bytes"));
        read_number(&limited.or(legacy)?)
    }

    /// How often a process could not be made for the limit.
    pub(crate) fn processes_refused(&self) -> u64 {
        let group = self
            .limited
            .get(&Controller::Pids)
            .or_else(|| self.legacy.get(&Controller::Pids));
        let events = group.and_then(|group| read_text(group.join("pids.events")).ok());
        events
            .and_then(|events| keyed_number(&events, "max"))
            .unwrap_or(0)
    }

    /// Removes the groups of a run whose processes are dead.
    pub(crate) fn remove(&self) {
        for group in self.unified.iter().chain(self.legacy.values()) {
            remove_group(group, REMOVE_WAIT_MAX);
        }
    }
}

/// Whether processes of the group may be moved to another below it.
fn may_move_from(group: &Path) -> bool {
    let access = rustix::fs::Access::WRITE_OK;
    rustix::fs::access(group.join("cgroup.procs"), access).is_ok()
}

/// Moves this process, which has one thread, into an opened group of version 1.
///
/// A process that moves itself, by thread, is moved in microseconds. For any other the kernel first waits until no
/// process of the machine is in the midst of a fork or an exec, which took 8 ms here (`cgroup_threadgroup_rwsem`).
pub(crate) fn join(group: &OwnedFd) -> io::Result<()> {
    rustix::io::write(group, b"0")?;
    Ok(())
}

/// Kills and removes what a killed keeper left of `run`; says whether all of it is gone.
///
/// Where groups are made depends on where their maker is, so those that it noted are looked at too.
pub(crate) fn remove_left(
    by_root: bool,
    run: &RunId,
    noted: Vec<PathBuf>,
    wait_max: Duration,
) -> bool {
    let Ok(hierarchies) = Hierarchies::discover(by_root) else {
        return false;
    };
    let name = name_of(run);
    let noted = noted.into_iter().filter(|group| group.ends_with(&name));
    let mut all = true;
    for group in noted.chain(hierarchies.groups_of(run)) {
        if group.is_dir() {
            lift_share(&group);
            let _ = write(&group.join("cgroup.kill"), "1");
            all &= remove_group(&group, wait_max);
        }
    }
    all
}

/// Does nothing where there is no share.
fn lift_share(group: &Path) {
    let _ = write(&group.join(SHARE_FILE), "max");
    let _ = write(&group.join(SHARE_FILE_LEGACY), "-1");
}

/// Removes a group; the kernel may need a moment to forget the processes that were in it.
fn remove_group(group: &Path, wait_max: Duration) -> bool {
    let tries = wait_max.as_millis() / REMOVE_PAUSE.as_millis();
    for _ in 0..=tries {
        match fs::remove_dir(group) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                std::thread::sleep(REMOVE_PAUSE);
            }
            Err(error) => return error.kind() == io::ErrorKind::NotFound,
            Ok(()) => return true,
        }
    }
    false
}

/// The directory, below its mount point, of the group `path` in the hierarchy of this type and option.
fn directory_of(mounts: &str, kind: &str, option: &str, path: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (place, file_system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut file_system = file_system.split(' ');
        let (found, _, options) = (
            file_system.next()?,
            file_system.next()?,
            file_system.next()?,
        );
        let fits =
            found == kind && (option.is_empty() || options.split(',').any(|name| name == option));
        let below = Path::new(path).strip_prefix(root).ok()?;
        fits.then(|| {
            if below.as_os_str().is_empty() {
                PathBuf::from(point)
            } else {
                Path::new(point).join(below)
            }
        })
    })
}

/// The number behind `key ` at the start of a line.
fn keyed_number(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(key)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

fn write(file: &Path, text: &str) -> io::Result<()> {
    let fd = rustix::fs::open(file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(fd, text.as_bytes())?;
    Ok(())
}

fn write_where_present(file: &Path, text: &str) -> io::Result<()> {
    match write(file, text) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 23 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 23 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 23 0:28 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 23 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn a_group_is_found_below_its_mount_point() {
        for (kind, option, path, expected) in [
            (
                "cgroup",
                "memory",
                "/a/b",
                Some("/sys/fs/cgroup/memory/a/b"),
            ),
            ("cgroup", "cpuacct", "/", Some("/sys/fs/cgroup/cpu,cpuacct")),
            (
                "cgroup",
                "pids",
                "/docker/abc/x",
                Some("/sys/fs/cgroup/pids/x"),
            ),
            ("cgroup", "pids", "/elsewhere", None),
            ("cgroup2", "", "/u", Some("/sys/fs/cgroup/unified/u")),
            ("cgroup", "rdma", "/", None),
        ] {
            assert_eq!(
                directory_of(MOUNTS, kind, option, path),
                expected.map(PathBuf::from),
                "{kind} {option} {path}"
            );
        }
    }

    #[test]
    fn counters_are_read_by_their_whole_key() {
        let text = "low 0\noom 3\noom_kill 2\noom_group_kill 1\n";
        assert_eq!(keyed_number(text, "oom_kill"), Some(2));
        assert_eq!(keyed_number(text, "oom"), Some(3));
        assert_eq!(keyed_number(text, "high"), None);
    }
}
