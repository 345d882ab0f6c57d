//! What a run does with its grants in ways that are easily missed, and what it did not have whatever its grants say.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use super::{expected, learned, used};
use crate::lab::Lab;

/// How many calls of the last run no note tells of.
fn beyond(lab: &Lab) -> u64 {
    let journal = lab.journal();
    journal.last().unwrap()["learned_beyond"]
        .as_u64()
        .unwrap_or_default()
}

/// A set of one file, in a directory that nobody else can write to.
fn set(lab: &Lab, rules: &str) -> String {
    let file = lab.write("set/rules.cedar", rules);
    let set = lab.path("set");
    fs::set_permissions(&set, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    set
}

/// What was forbidden inside of a grant was noted as granted, and became a rule without `--wanted`.
#[test]
fn what_is_forbidden_inside_a_grant_is_wanted_and_not_had() {
    // Below `/tmp` it would be the run's own.
    let Some(lab) = Lab::elsewhere() else {
        return;
    };
    let (open, shut) = (lab.write("data/open", "1"), lab.write("data/keys", "2"));
    let data = lab.path("data");
    let set = set(
        &lab,
        &format!(
            "@id(\"run\") permit (principal, action == Action::\"run\", resource == Task::\"demo\");\n\
             @id(\"read\") permit (principal, action == Action::\"fs.read\", resource == Path::\"{data}\");\n\
             @id(\"keys\") forbid (principal, action == Action::\"fs.read\", resource == Path::\"{shut}\");\n"
        ),
    );
    let module = lab.shell(&format!("cat {open} {shut}; ls {data}; true"));
    let allow = format!("fs.read:{data}");
    let run = [
        &module, "--learn", "--policy", &set, "--as", "alice", "--allow", &allow,
    ];
    let record = lab.record(&run);
    assert_eq!(record["status"], "success", "{record:#}");
    let noted = learned(&lab);
    assert_eq!(
        noted,
        expected([("fs.read", open.as_str(), true), ("fs.read", &shut, false)])
    );
    assert_eq!(used(&record), ["yes"]);
    assert_eq!(
        beyond(&lab),
        1,
        "the directory without what is hidden has no name"
    );
    let rules = lab.run(&["policy", "learn", "--directories"]).exits(0);
    let text = rules.text();
    let permits: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("//"))
        .collect();
    let permits = permits.join("\n");
    assert!(
        permits.contains(&open) && !permits.contains(&shut),
        "{text}"
    );
    assert!(!permits.contains(&format!("Path::\"{data}\"")), "{text}");
}

#[test]
fn what_a_grant_of_everything_does_not_show_was_not_had() {
    let lab = Lab::new();
    let file = format!("/run/{}file", lab.marker());
    if fs::write(&file, "1").is_err() {
        return;
    }
    let module = lab.shell(&format!("cat {file} /etc/fstab >/dev/null 2>&1; true"));
    let record = lab.record(&[&module, "--learn", "--allow", "fs.read:/"]);
    let noted = learned(&lab);
    fs::remove_file(&file).unwrap();
    assert_eq!(record["status"], "success", "{record:#}");
    assert_eq!(
        noted.get(&format!("fs.read:{file}")),
        Some(&false),
        "{noted:?}"
    );
}

/// Whatever does not lie below `/tmp`, where runs have their own, is wanted by its own name.
#[test]
fn what_lies_outside_of_the_jail_is_wanted() {
    let Some(lab) = Lab::elsewhere() else {
        return;
    };
    let (file, out) = (lab.write("data/file", "1"), lab.directory("out"));
    std::os::unix::fs::symlink("data", lab.path("link")).unwrap();
    let link = lab.path("link/file");
    let module = lab.shell(&format!(
        "cat {file} {link} 2>/dev/null; echo x 2>/dev/null > {out}/new; true"
    ));
    lab.record(&[&module, "--learn"]);
    assert_eq!(
        learned(&lab),
        expected([("fs.read", file.as_str(), false), ("fs.write", &out, false)])
    );
}

/// What was used by a way of the run's own was said not to have been used.
#[test]
fn grants_that_are_used_by_links_of_the_jail_are_used() {
    let lab = Lab::new();
    let file = lab.write("data/file", "1");
    let allow = format!("fs.read:{file}");
    for script in [
        format!("ln -s {file} link; cat link"),
        format!(
            "ln -s {} /tmp/dir; ln -s dir/data /tmp/more; cat /tmp/more/file",
            lab.root().display()
        ),
        format!("cat /proc/self/root{file}"),
        format!("exec 5<{file}; cat /proc/self/fd/5 /dev/fd/5"),
        format!("cd /tmp; ln -s /proc/self/root{file} x; cat x"),
    ] {
        let module = lab.shell(&format!("set -e; {script}"));
        let record = lab.record(&[&module, "--learn", "--allow", &allow]);
        assert_eq!(record["status"], "success", "{script}: {record:#}");
        assert_eq!(
            learned(&lab),
            expected([("fs.read", file.as_str(), true)]),
            "{script}"
        );
        assert_eq!((used(&record), beyond(&lab)), (vec!["yes"], 0), "{script}");
    }
    // Nobody can tell what others hold.
    let module = lab.shell(&format!("set -e; cat /proc/$$/root{file}"));
    let record = lab.record(&[&module, "--learn", "--allow", &allow]);
    assert_eq!((used(&record), beyond(&lab)), (vec!["unknown"], 1));
}

#[test]
fn a_granted_program_is_used_with_however_many_arguments() {
    let lab = Lab::new();
    let tool = lab.write("tool", "#!/bin/sh\nexit 0\n");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let module = lab.shell(&format!(
        "{tool} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18"
    ));
    let record = lab.record(&[&module, "--learn", "--allow", &format!("fs.read:{tool}")]);
    assert_eq!(record["status"], "success", "{record:#}");
    assert_eq!((used(&record), beyond(&lab)), (vec!["yes"], 0));
}

#[test]
fn what_is_said_of_a_file_is_changed_by_any_call() {
    let lab = Lab::new();
    let file = lab.write("data/file", "1");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let allow = format!("fs.write:{file}");
    for call in [
        "libc.setxattr(path, b'user.x', b'1', 1, 0)",
        "libc.lremovexattr(path, b'user.x')",
        "libc.fchownat(place, b'', -1, -1, 0x1000)",
        "libc.utimensat(place, b'', None, 0x1000)",
        "libc.utimensat(-100, path, None, 0x100)",
        "libc.syscall(ctypes.c_long(452), place, b'', 0o666, 0x1000)",
    ] {
        let module = lab.python(&format!(
            "import ctypes, os\nlibc = ctypes.CDLL(None)\npath = b'{file}'\nplace = os.open(path, os.O_PATH)\n{call}"
        ));
        let record = lab.record(&[&module, "--learn", "--allow", &allow]);
        assert_eq!(
            learned(&lab),
            expected([("fs.write", file.as_str(), true)]),
            "{call}"
        );
        assert_eq!(used(&record), ["yes"], "{call}");
    }
}

/// One call erased all that was noted and all that the run had been refused.
#[test]
fn a_name_that_no_capability_can_have_costs_the_record_nothing_else() {
    let lab = Lab::new();
    let file = lab.write("data/file", "1");
    let data = lab.path("data");
    let module = lab.python(&format!(
        r#"import ctypes, os
libc = ctypes.CDLL(None)
libc.unshare(0x10000000)
for name in ("${{a}}", "'" * 250):
    try: open("{data}/" + name)
    except OSError: pass
try: os.open("{data}/" + "'/" * 1900, 0)
except OSError: pass
open("{file}").read()"#
    ));
    let record = lab.record(&[&module, "--learn", "--allow", &format!("fs.read:{data}")]);
    assert_eq!(record["status"], "success", "{record:#}");
    let denials = record["denials"].as_array().unwrap();
    assert!(
        denials
            .iter()
            .any(|denial| denial["reason"].as_str().unwrap().contains("unshare")),
        "{record:#}"
    );
    let noted = learned(&lab);
    assert_eq!(
        noted.get(&format!("fs.read:{file}")),
        Some(&true),
        "{noted:?}"
    );
    assert!(beyond(&lab) >= 2, "{noted:?}");
}

/// Each of many names went through many links, and each link was looked up from the root on, so that the recorder was late
/// with all that it had.
#[test]
fn deep_ways_by_links_cost_the_record_no_denial() {
    let lab = Lab::new();
    let data = lab.directory("data/1/2/3/4/5/6/7/8");
    std::os::unix::fs::symlink(".", lab.path("data/1/2/3/4/5/6/7/8/l")).unwrap();
    let module = lab.python(&format!(
        r#"import ctypes, os
libc = ctypes.CDLL(None)
libc.unshare(0x10000000)
for number in range(4_000):
    libc.openat(-100, b"{data}/" + b"l/./" * 38 + b"x/" * 100 + b"%d" % number, 0)"#
    ));
    let record = lab.record(&[&module, "--learn", "--allow", &format!("fs.read:{data}")]);
    let denials = record["denials"].to_string();
    assert!(denials.contains("unshare"), "{record:#}");
    assert!(!learned(&lab).is_empty());
    assert_eq!(used(&record), ["yes"]);
}

/// What a variable says is no secret to the run, and is one to whoever reads the record.
#[test]
fn what_a_granted_variable_says_is_in_no_note() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = lab.shell(&format!(
        "cat {data}/$IT_TOKEN {data}/open {data}/$IT_SHORT 2>/dev/null; cat $IT_PLACE/named 2>/dev/null; true"
    ));
    let allow = format!("fs.read:{data}");
    let run = [
        "run",
        &module,
        "--learn",
        "--allow",
        &allow,
        "--allow",
        "env:IT_TOKEN",
        "--allow",
        "env:IT_SHORT",
        "--allow",
        "env:IT_PLACE",
    ];
    lab.host(&run)
        .env("IT_TOKEN", "t0k3n")
        .env("IT_SHORT", "abc")
        .env("IT_PLACE", &data)
        .run()
        .exits(0)
        .never_says("t0k3n");
    let of = |name: &str| format!("{data}/{name}");
    assert_eq!(
        learned(&lab),
        expected([
            ("fs.read", of("abc").as_str(), true),
            ("fs.read", &of("named"), true),
            ("fs.read", &of("open"), true)
        ])
    );
    assert_eq!(beyond(&lab), 1);
    lab.nowhere("home", "t0k3n");
}

/// A recorder that may not read a process says so, and says of nothing that it was not used.
#[test]
fn what_a_process_hides_is_unknown() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = lab.python(
        "import ctypes, os\nlibc = ctypes.CDLL(None)\nlibc.prctl(4, 0)\ntry: os.stat('/'); open('/etc/passwd')\nexcept OSError: pass",
    );
    let record = lab.record(&[&module, "--learn", "--allow", &format!("fs.read:{data}")]);
    let journal = lab.journal();
    let is_blind = journal.last().unwrap()["learned_blind"] == Value::Bool(true);
    // Root reads all that a process hides from others.
    assert_eq!(is_blind, !crate::lab::is_root(), "{record:#}");
    let expected = if is_blind { "unknown" } else { "no" };
    assert_eq!(used(&record), [expected], "{record:#}");
}
