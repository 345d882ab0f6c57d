//! Attacks on places: grants inside one another while somebody swaps what lies between, grants of the jail's own parts,
//! grants of everything, and what the settings add to the system.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::lab::{Host, Lab, is_root};

/// Runs while a path is being swapped.
const SWAPPED_RUNS: usize = 60;

fn allow(access: &str, path: &str) -> String {
    format!("{access}:{path}")
}

/// A process of the machine that swaps two names as fast as it can, and is killed with the value.
struct Swapper(Child);

impl Swapper {
    fn new(one: &str, other: &str) -> Self {
        let script = format!(
            r#"import ctypes, time
libc = ctypes.CDLL(None)
end = time.time() + 120
while time.time() < end:
    libc.renameat2(-100, b"{one}", -100, b"{other}", 2)"#
        );
        // Not on its command line, where it would be taken for something that a run left behind.
        let mut python = Command::new("/usr/bin/python3")
            .arg("-")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        python
            .stdin
            .take()
            .unwrap()
            .write_all(script.as_bytes())
            .unwrap();
        Self(python)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A mount point below another grant was found by following links, so that one grant was mounted over the programs of
/// the jail.
#[test]
fn a_grant_inside_another_is_never_led_elsewhere_by_a_link() {
    let lab = Lab::new();
    lab.write("data/a/b/bin/sh", "#!/bin/false\n");
    fs::set_permissions(
        lab.path("data/a/b/bin/sh"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    // From `data/a` in the jail to its `/usr`, no step higher: the jail's root is not yet the root when it is followed.
    let depth = Path::new(&lab.path("data/a")).components().count() - 1;
    symlink(
        format!("{}usr", "../".repeat(depth)),
        lab.path("data/a/lnk"),
    )
    .unwrap();
    let module =
        lab.shell("test \"$(ls /usr | head -n 1)\" = bin && test -d /usr/lib && echo whole");
    let outer = allow("fs.read", &lab.path("data/a"));
    let inner = allow("fs.read", &lab.path("data/a/b/bin"));
    let _swapper = Swapper::new(&lab.path("data/a/b"), &lab.path("data/a/lnk"));
    let arguments = ["run", &module, "--allow", &outer, "--allow", &inner];
    let mut whole = 0;
    for _ in 0..SWAPPED_RUNS {
        let ran = lab.run(&arguments);
        // Met in the midst of a swap, the grant cannot be opened; mounted anywhere else it never is.
        match ran.code() {
            0 => {
                assert_eq!(ran.text(), "whole\n");
                whole += 1;
            }
            3 => {}
            code => panic!("ended with {code}: {}", ran.stderr),
        }
    }
    assert!(whole > 0, "not one run went through");
}

/// A grant of `/task` put a program of the machine in the place of the one that was verified.
#[test]
fn no_grant_covers_a_part_of_the_jail() {
    let lab = Lab::new();
    let module = lab.shell("echo sealed");
    for place in ["/task", "/task/init.sh", "/out", "/scratch", "/dev"] {
        let grant = allow("fs.read", place);
        let arguments = ["run", module.as_str(), "--allow", &grant];
        if is_root() {
            let ran = Host::by_shell(&lab, &on_another_root(&lab), &arguments).run();
            ran.exits(3).says(&[place, "one of its own there"]);
        } else {
            // What the machine does not have is not granted, and the run sees its own.
            let ran = lab.run(&arguments);
            assert!(!ran.text().contains("swapped"), "{place}: {}", ran.stderr);
        }
    }
}

/// A shell script that goes on with a root of its own, in which the places of a jail exist too. What the machine has is
/// bound there piece by piece, as any of it may be a file system of its own.
fn on_another_root(lab: &Lab) -> String {
    let root = lab.path("root");
    let program = "printf \"#!/bin/sh\\necho swapped\\n\"";
    format!(
        "exec unshare -m sh -c 'set -e; mount --make-rprivate /; mkdir -p {root}; mount -t tmpfs none {root}; cd {root}; mkdir new; \
         mount --bind new new; \
         for d in /*; do if [ -L $d ]; then cp -P $d new$d; elif [ -d $d ]; then mkdir new$d; mount --rbind $d new$d; fi; done; \
         mkdir -p new/task new/out new/scratch; {program} > new/task/init.sh; chmod 755 new/task/init.sh; \
         cd new; pivot_root . mnt; umount -l /mnt; cd /; exec \"$@\"' sh \"$@\""
    )
}

#[test]
fn nobody_is_given_the_whole_machine_to_write_to() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let ran = lab.run(&["run", &module, "--allow", "fs.write:/"]);
    ran.exits(3)
        .says(&["the whole machine"])
        .hints("name the directories");
    assert_eq!(lab.events(), ["intended", "finished"]);
}

/// What a grant of everything does not show was told nowhere.
#[test]
fn a_grant_to_read_everything_shows_what_is_there_and_says_what_it_does_not() {
    let lab = Lab::new();
    // Below `/tmp` a run has its own.
    let Ok(elsewhere) = tempfile::tempdir_in("/srv") else {
        assert!(!is_root(), "root cannot write `/srv`");
        return;
    };
    let file = elsewhere.path().join("file");
    fs::write(&file, "found\n").unwrap();
    let module = lab.shell(&format!("cat {}", file.display()));
    let record = lab.record(&[&module, "--allow", "fs.read:/"]);
    assert_eq!(record["value"]["_output"], "found\n");
    assert_eq!(record["grant"][0]["capability"], "fs.read:/");
}

/// A path of the settings led into host's own places, and for an ordinary user to its keys.
#[test]
fn a_system_path_opens_none_of_hosts_own_places() {
    let lab = Lab::new();
    let around = lab.root().to_str().unwrap().to_owned();
    lab.write("data.txt", "seen\n");
    lab.write(
        "home/config/config.toml",
        format!("system_paths = [\"{around}\"]\n"),
    );
    for directory in [&around, &lab.path("home"), &lab.path("home/config")] {
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = format!("cat {around}/data.txt; ls {around}/home/* 2>&1 | grep -c journal");
    let module = lab.shell(&script);
    let record = lab.record(&[&module]);
    assert_eq!(record["value"]["_output"], "seen\n0\n", "{record:#}");
}

/// Of mounts of the kernel inside one another the outer one was covered first, and the inner not found any more.
#[test]
fn mounts_of_the_kernel_inside_one_another_are_hidden_together() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let data = lab.directory("data");
    lab.write("data/file", "kept\n");
    let module = lab.shell(&format!("cat {data}/file; ls {data}/sys | wc -l"));
    let grant = allow("fs.read", &data);
    let script = format!(
        "exec unshare -m sh -c 'set -e; mount --make-rprivate /; mkdir {data}/sys; mount --rbind /sys {data}/sys; exec \"$@\"' sh \"$@\""
    );
    let ran = Host::by_shell(&lab, &script, &["run", &module, "--allow", &grant]).run();
    assert_eq!(ran.exits(0).text(), "kept\n0\n");
}

/// The main group of the process was not among those that were looked at.
#[test]
fn a_main_group_that_could_be_anyone_counts_too() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(65_534), Some(42)).unwrap();
    fs::set_permissions(lab.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let module = lab.shell("echo ran");
    let script = format!(
        "HOST_HOME={0}/home HOME={0} exec setpriv --reuid 65534 --regid 42 --clear-groups \"$@\"",
        home.path().display()
    );
    let arguments = ["run", module.as_str(), "--allow", "fs.read:/etc"];
    let ran = Host::by_shell(&lab, &script, &arguments).run();
    ran.exits(3).says(&["shadow"]);
}

#[test]
fn a_low_limit_of_the_callers_stack_does_not_refuse_runs() {
    let lab = Lab::new();
    let module = lab.shell("ulimit -s");
    let script = "ulimit -Ss 4096; ulimit -Hs 4096; exec \"$@\"";
    let ran = Host::by_shell(&lab, script, &["run", &module]).run();
    assert_eq!(ran.exits(0).text(), "4096\n");
}

/// Host's own places below a grant were looked up by their paths, and one that was not there for a moment was not covered.
#[test]
fn what_is_hidden_stays_hidden_while_it_is_moved() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let data = lab.directory("data");
    lab.directory("data/c/b");
    lab.directory("data/d");
    let setup = lab.shell("true");
    lab.run(&["run", &setup]).exits(0);
    lab.write("home/config/key", "secret\n");
    let module = lab.shell(&format!(
        "cat {data}/*/b/key 2>/dev/null; for seen in {data}/*/s/*; do if test -e $seen; then echo $seen; fi; done"
    ));
    let grant = allow("fs.read", &data);
    let script = format!(
        "exec unshare -m sh -c 'set -e; mount --make-rprivate /; mount --bind {home}/config {data}/c/b; mkdir {data}/c/s; mount --rbind /sys {data}/c/s; \
         (timeout 60 python3 -c \"\nimport ctypes\nlibc = ctypes.CDLL(None)\nwhile True:\n    libc.renameat2(-100, b\\\"{data}/c\\\", -100, b\\\"{data}/d\\\", 2)\" & echo $! > {pid}); \
         n=0; while test $n -lt {SWAPPED_RUNS}; do \"$@\" || test $? = 3; n=$((n+1)); done; kill $(cat {pid})' sh \"$@\"",
        home = lab.home().display(),
        pid = lab.path("pid"),
    );
    let ran = Host::by_shell(&lab, &script, &["run", &module, "--allow", &grant]).run();
    assert_eq!(ran.exits(0).text(), "", "something of the machine was seen");
}
