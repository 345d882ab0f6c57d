//! The walls as the machine sees them: what the kernel says of the processes of a run while it goes on, natively and for a
//! WASI program, whatever the run would say itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::scenery::THROWAWAY_IDS;
use crate::lab::{Host, Lab, Live, is_root};
use crate::wasm;

/// How long a worker may take to be there.
const BIRTH_WAIT_MAX: Duration = Duration::from_secs(20);

/// A process by its number, and what the kernel says of it.
#[derive(Debug)]
struct Seen {
    place: PathBuf,
    status: BTreeMap<String, String>,
}

impl Seen {
    fn process(pid: &str) -> Self {
        let place = PathBuf::from("/proc").join(pid);
        let text = fs::read_to_string(place.join("status")).unwrap();
        let lines = text.lines().filter_map(|line| line.split_once(":\t"));
        let status = lines.map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self {
            status: status.collect(),
            place,
        }
    }

    fn of(pid: Pid) -> Self {
        Self::process(&pid.as_raw_nonzero().to_string())
    }

    fn only_child(&self) -> Self {
        let pid = self.place.file_name().unwrap();
        let children = fs::read_to_string(self.place.join("task").join(pid).join("children"));
        let children = children.unwrap();
        let children: Vec<&str> = children.split_whitespace().collect();
        assert_eq!(children.len(), 1, "{self:?}");
        Self::process(children[0])
    }

    fn namespace(&self, kind: &str) -> Option<PathBuf> {
        fs::read_link(self.place.join("ns").join(kind)).ok()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.place.join(name)).unwrap()
    }

    /// Asserts that it has nothing that it could not have inside.
    #[track_caller]
    fn is_walled(&self) {
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(self.status[set], "0".repeat(16), "{set}: {self:#?}");
        }
        assert_eq!(self.status["NoNewPrivs"], "1", "{self:#?}");
        assert_eq!(self.status["Seccomp"], "2", "{self:#?}");
        let own = rustix::process::geteuid().as_raw();
        for ids in ["Uid", "Gid"] {
            for id in self.status[ids].split_whitespace() {
                let id: u32 = id.parse().unwrap();
                assert_ne!(id, 0, "{self:#?}");
                assert!(!is_root() || THROWAWAY_IDS.contains(&id), "{self:#?}");
                assert!(is_root() || ids == "Gid" || id == own, "{self:#?}");
            }
        }
        if is_root() {
            assert_eq!(self.status["Groups"], "", "{self:#?}");
        }
        let numbers: Vec<&str> = self.status["NSpid"].split_whitespace().collect();
        assert_eq!(
            numbers.len(),
            2,
            "one namespace of processes below ours: {self:#?}"
        );
        let limits = self.read("limits");
        let core = limits
            .lines()
            .find(|line| line.starts_with("Max core file size"));
        let core: Vec<&str> = core.unwrap().split_whitespace().collect();
        assert_eq!(core[4], core[5], "{limits}");
        for line in ["Max msgqueue size         0", "Max realtime priority     0"] {
            assert!(limits.contains(line), "{limits}");
        }
    }

    /// Asserts that it shares no namespace with the machine. What hides from tracers hides these from an ordinary user.
    #[track_caller]
    fn is_apart(&self) {
        for kind in ["user", "mnt", "pid", "ipc", "uts", "cgroup", "net"] {
            let machine = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            match self.namespace(kind) {
                Some(own) => assert_ne!(own, machine, "{kind}"),
                None => assert!(!is_root(), "{kind}: {self:#?}"),
            }
        }
    }

    /// The places that are mounted for it, with their options; nothing where they cannot be seen.
    fn mounts(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.place.join("mountinfo")).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words[4].to_owned(), words[5].to_owned())
        });
        lines.collect()
    }
}

#[track_caller]
fn ended(live: Live<'_>) {
    live.signal(Signal::INT);
    live.end().exits(130);
}

#[test]
fn a_task_is_walled_in_as_the_machine_sees_it() {
    let lab = Lab::new();
    lab.write("data/file", "");
    let linger = lab.lingerer();
    let module = lab.shell(&format!("echo up >&2; exec {linger}"));
    let grant = format!("fs.read:{}", lab.path("data"));
    let mut live = lab.host(&["run", &module, "--allow", &grant]).start();
    live.hears("up");
    let init = Seen::of(live.keeper()).only_child();
    let task = init.only_child();
    for process in [&init, &task] {
        process.is_walled();
        process.is_apart();
    }
    let mounts = task.mounts();
    assert!(!mounts.is_empty());
    for (place, options) in &mounts {
        let has = |option: &str| options.split(',').any(|given| given == option);
        let is_own = ["/tmp", "/var/tmp", "/scratch", "/out", "/dev/shm"].contains(&place.as_str());
        let is_device = ["null", "zero", "full", "random", "urandom"]
            .iter()
            .any(|name| *place == format!("/dev/{name}"));
        let is_face = place.starts_with("/proc");
        assert!(has("nosuid"), "{place}: {options}");
        assert!(has("nodev") || is_device || is_face, "{place}: {options}");
        assert!(
            has("ro") || is_own || is_device || is_face,
            "{place}: {options}"
        );
    }
    assert!(mounts[&lab.path("data")].contains("ro"));
    assert!(mounts["/proc/sys"].contains("ro"));
    ended(live);
}

#[test]
fn a_worker_is_walled_in_as_the_machine_sees_it() {
    let lab = wasm::lab();
    let program = wasm::program("misbehave-p1");
    let live = lab.host(&["run", &program, "sleep-forever"]).start();
    let since = Instant::now();
    // It says nothing: it is there as soon as it has a filter.
    let worker = loop {
        assert!(since.elapsed() < BIRTH_WAIT_MAX, "no worker");
        if let Some(worker) = worker_of(live.pid()) {
            break worker;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    worker.is_walled();
    worker.is_apart();
    let mounts = worker.mounts();
    for place in mounts.keys() {
        for absent in ["/usr", "/bin", "/lib", "/etc", "/proc", "/sys", "/home"] {
            assert!(!place.starts_with(absent), "{mounts:#?}");
        }
    }
    if is_root() {
        let open = fs::read_dir(worker.place.join("fd")).unwrap();
        let leads: Vec<String> = open
            .map(|entry| fs::read_link(entry.unwrap().path()).unwrap())
            .map(|target| target.display().to_string())
            .collect();
        // Streams, last words, machine code: nothing that has a name on the machine.
        let named = leads
            .iter()
            .find(|lead| lead.starts_with('/') && !lead.starts_with("/memfd:"));
        assert_eq!(named, None, "{leads:#?}");
        assert!(leads.len() <= 12, "{leads:#?}");
    }
    ended(live);
}

/// Whoever has only some walls would have to say how much of a jail is left (sandbox-runtime went on without its filter).
#[test]
fn a_run_that_lacks_a_wall_is_refused() {
    // It takes root to make such a user whose namespace has a root directory that can be relied on.
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    for kind in ["", "user", "mnt", "pid", "ipc", "uts", "cgroup", "net"] {
        // A user who can make none of a kind, or no second user namespace.
        let most = u8::from(kind == "user");
        let lower = if kind.is_empty() {
            "true".to_owned()
        } else {
            format!("echo {most} > /proc/sys/user/max_{kind}_namespaces")
        };
        let script = format!(
            "exec unshare --user --map-root-user sh -c 'set -e; {lower}; exec unshare --user --map-user=1000 --map-group=1000 \"$@\"' sh \"$@\""
        );
        let ran = Host::by_shell(&lab, &script, &["run", &module]).run();
        if kind.is_empty() {
            assert_eq!(ran.exits(0).text(), "ran\n");
            continue;
        }
        let ran = ran.exits(7).says(&["was not started"]);
        assert_eq!(ran.text(), "", "{kind}");
        let record = &lab.journal().pop().unwrap()["record"];
        assert_eq!(record["status"], "refused", "{kind}: {record:#}");
    }
}

/// Root's keeper makes it before it knows for what, and not with the other namespaces.
#[test]
fn root_without_a_network_for_the_run_runs_nothing() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let script = "exec unshare --user --map-root-user sh -c 'set -e; echo 0 > /proc/sys/user/max_net_namespaces; exec \"$@\"' sh \"$@\"";
    let ran = Host::by_shell(&lab, script, &["run", &module]).run();
    let ran = ran.exits(7).says(&["make a network namespace"]);
    assert_eq!(ran.text(), "");
}

/// What was not there when a run began was left out of what it hides (sandbox-runtime skipped such paths).
#[test]
fn what_host_writes_to_its_own_places_during_a_run_stays_hidden() {
    let lab = Lab::new();
    let root = lab.root().display().to_string();
    let module = lab.shell(&format!(
        "echo up >&2; n=0; until test -e {root}/go || test $n -gt 200; do sleep 0.05; n=$((n+1)); done; \
         cat {root}/new; find {root}/home -type f | wc -l; cat {root}/home/config/key 2>/dev/null; true"
    ));
    let grant = format!("fs.read:{root}");
    let mut live = lab.host(&["run", &module, "--allow", &grant]).start();
    live.hears("up");
    lab.write("home/config/key", "secret");
    lab.write("new", "new\n");
    lab.write("go", "");
    assert_eq!(live.end().exits(0).text(), "new\n0\n");
}

/// The worker of a WASI program, once its filter is up: below host, keeper and init.
fn worker_of(host: Pid) -> Option<Seen> {
    let child = |pid: String| {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        Some(children.split_whitespace().next()?.to_owned())
    };
    let worker = child(child(child(host.as_raw_nonzero().to_string())?)?)?;
    let status = fs::read_to_string(format!("/proc/{worker}/status")).ok()?;
    let is_up = status.contains("Seccomp:\t2");
    is_up.then(|| Seen::process(&worker))
}
