//! Races: somebody swaps names while `host` looks at them, from outside or from inside another run.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::scenery::Picture;
use crate::lab::{Lab, Live, is_root};

/// For how long each race is run, and how often at the least and the most.
const RACE_MAX: Duration = Duration::from_millis(1_000);
const RUNS_MIN: usize = 8;
const RUNS_MAX: usize = 60;

/// Python that exchanges two names as fast as it can.
fn swapping(one: &str, other: &str, seconds: u32) -> String {
    format!(
        "import ctypes, sys, time
libc = ctypes.CDLL(None)
end = time.time() + {seconds}
print('up', file=sys.stderr, flush=True)
while time.time() < end:
    libc.renameat2(-100, b'{one}', -100, b'{other}', 2)"
    )
}

/// A process of the machine that does it, killed with the value.
struct Swapper(Child);

impl Swapper {
    fn new(one: &str, other: &str) -> Self {
        let mut python = Command::new("/usr/bin/python3")
            .arg("-")
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut script = python.stdin.take().unwrap();
        script
            .write_all(swapping(one, other, 60).as_bytes())
            .unwrap();
        Self(python)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `module` again and again; returns how often it was let in.
#[track_caller]
fn race(lab: &Lab, arguments: &[&str], look: &dyn Fn(&str)) -> usize {
    let since = Instant::now();
    let (mut runs, mut let_in) = (0, 0);
    while runs < RUNS_MIN || (since.elapsed() < RACE_MAX && runs < RUNS_MAX) {
        let ran = lab.run(arguments);
        // Met in the midst of a swap, the grant cannot be opened.
        assert!(
            [0, 3].contains(&ran.code()),
            "{}: {}",
            ran.code(),
            ran.stderr
        );
        look(&ran.text());
        let_in += usize::from(ran.code() == 0);
        runs += 1;
    }
    let_in
}

fn scenery() -> Lab {
    let lab = Lab::new();
    lab.write("victim/inner/file", "outside\n");
    lab.write("victim/file", "outside\n");
    lab.write("data/place/inner/file", "inside\n");
    lab.write("data/place/file", "inside\n");
    symlink(lab.path("victim"), lab.path("data/link")).unwrap();
    lab
}

/// What was asked about was a directory, and what is mounted would be what a link leads to.
#[test]
fn a_granted_directory_that_is_swapped_for_a_link_shows_nothing_else() {
    let lab = scenery();
    let picture = Picture::of(lab.root().join("victim"));
    let place = lab.path("data/place");
    let module = lab.shell(&format!(
        "cat {place}/file; echo x 2>/dev/null > {place}/new; true"
    ));
    let _swapper = Swapper::new(&place, &lab.path("data/link"));
    let mut let_in = 0;
    for access in ["fs.read", "fs.write"] {
        let grant = format!("{access}:{place}");
        let_in += race(&lab, &["run", &module, "--allow", &grant], &|text| {
            assert!(["", "inside\n"].contains(&text), "{text}");
        });
    }
    assert!(let_in > 0, "not one run was let in");
    picture.is_unchanged();
}

#[test]
fn a_directory_above_a_grant_that_is_swapped_for_a_link_leads_nowhere_else() {
    let lab = scenery();
    let picture = Picture::of(lab.root().join("victim"));
    let inner = lab.path("data/place/inner");
    let module = lab.shell(&format!(
        "cat {inner}/file; echo x 2>/dev/null > {inner}/new; true"
    ));
    let _swapper = Swapper::new(&lab.path("data/place"), &lab.path("data/link"));
    let grant = format!("fs.write:{inner}");
    let let_in = race(&lab, &["run", &module, "--allow", &grant], &|text| {
        assert!(["", "inside\n"].contains(&text), "{text}");
    });
    assert!(let_in > 0, "not one run was let in");
    picture.is_unchanged();
}

#[test]
fn a_granted_file_that_is_swapped_for_a_link_is_no_other_file() {
    let lab = scenery();
    symlink(lab.path("victim/file"), lab.path("data/place/link")).unwrap();
    let picture = Picture::of(lab.root().join("victim"));
    let file = lab.path("data/place/file");
    let module = lab.shell(&format!(
        "cat {file}; echo inside 2>/dev/null > {file}; true"
    ));
    let _swapper = Swapper::new(&file, &lab.path("data/place/link"));
    let grant = format!("fs.write:{file}");
    let let_in = race(&lab, &["run", &module, "--allow", &grant], &|text| {
        assert!(["", "inside\n"].contains(&text), "{text}");
    });
    assert!(let_in > 0, "not one run was let in");
    picture.is_unchanged();
}

/// A run that may write swaps what another run is being granted below.
#[test]
fn one_run_cannot_lead_another_out_of_its_grant() {
    let lab = Lab::new();
    let swapper = scenery();
    let picture = Picture::of(swapper.root().join("victim"));
    let place = swapper.path("data/place");
    let module = swapper.python(&swapping(&place, &swapper.path("data/link"), 60));
    let write = format!("fs.write:{}", swapper.path("data"));
    let mut swapping: Live<'_> = swapper.host(&["run", &module, "--allow", &write]).start();
    swapping.hears("up");
    let module = lab.shell(&format!("cat {place}/file {place}/inner/file; true"));
    let grant = format!("fs.read:{place}");
    let let_in = race(&lab, &["run", &module, "--allow", &grant], &|text| {
        assert!(["", "inside\ninside\n"].contains(&text), "{text}");
    });
    assert!(let_in > 0, "not one run was let in");
    assert!(swapping.lives(), "the swapping had ended");
    swapping.signal(rustix::process::Signal::INT);
    swapping.end().exits(130);
    picture.is_unchanged();
}

/// The task swaps what it leaves until it is killed.
#[test]
fn what_is_swapped_until_the_end_comes_back_as_a_file_or_not_at_all() {
    let lab = Lab::new();
    let secret = lab.write("victim/secret", "outside");
    let script = swapping("/out/file", "/out/link", 60);
    let module = lab.python(&format!(
        "import os, threading
open('/out/file', 'w').write('inside')
os.symlink('{secret}', '/out/link')
os.symlink('/etc/passwd', '/out/passwd')
os.makedirs('/out/directory/below')
{script}"
    ));
    for wall in ["200ms", "230ms", "260ms", "290ms"] {
        let limit = format!("wall={wall}");
        let ran = lab.run(&["--output", "json", "run", &module, "--limit", &limit]);
        let record = ran.exits(1).record();
        assert_eq!(record["outcome"]["limit"], "wall");
        let artifacts = record["artifacts"].as_array().unwrap();
        assert!(artifacts.len() <= 1, "{record:#}");
        lab.nowhere("home/state/runs", "outside");
        lab.nowhere("home/state/runs", "root:x:0");
    }
    if is_root() {
        super::scenery::no_throwaway_owners(&[lab.root()]);
    }
}

/// Whoever may write to a module has `host` read what it likes while it is sealed: only files of the module are.
#[test]
fn a_file_of_a_module_that_is_swapped_is_its_own_or_none() {
    let lab = Lab::new();
    let outside = lab.write("victim/init.sh", "#!/bin/sh\necho outside\n");
    let module = lab.shell("echo inside");
    let task = lab.path("modules/demo/tasks/init.sh");
    symlink(&outside, lab.path("modules/demo/link")).unwrap();
    let pipe = lab.path("modules/demo/pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    symlink(lab.path("victim"), lab.path("modules/demo/directory")).unwrap();
    for (one, other) in [
        (task.as_str(), lab.path("modules/demo/link")),
        (task.as_str(), pipe),
        (
            &lab.path("modules/demo/tasks"),
            lab.path("modules/demo/directory"),
        ),
    ] {
        let _swapper = Swapper::new(one, &other);
        for _ in 0..RUNS_MIN {
            let ran = lab.run(&["run", &module]);
            assert!(ran.took < Duration::from_secs(10), "{:?}", ran.took);
            assert!(
                ["", "inside\n"].contains(&ran.text().as_str()),
                "{}",
                ran.text()
            );
        }
    }
    lab.nowhere("home", "echo outside");
}
