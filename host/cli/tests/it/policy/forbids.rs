//! Forbids inside of what is asked: reading goes on without them, writing does not.

use serde_json::{Value, json};

use super::{RUN, decided_by, marking, mode, owned, permits, ran, refuses};
use crate::lab::{Host, Lab, is_root};

/// Parts of a tree that is granted without something in it.
const PARTS: usize = 3_000;

/// Permits to read and write everything, but to `access` what lies at `path` of the lab.
fn all_but(lab: &Lab, access: &str, operator: &str, path: &str) -> String {
    let path = lab.path(path);
    let rules = format!(
        "{RUN}@id(\"read\") permit (principal, action == Action::\"fs.read\", resource);
         @id(\"write\") permit (principal, action == Action::\"fs.write\", resource);
         @id(\"never\") forbid (principal, action == Action::\"{access}\", resource {operator} Path::\"{path}\");"
    );
    super::set(lab, "rules", &rules)
}

/// A directory with something to see and something to hide; returns its path.
fn data(lab: &Lab) -> String {
    lab.write("data/secret/deep/x.txt", "hidden\n");
    lab.write("data/secret/y.txt", "hidden\n");
    lab.write("data/open.txt", "open\n");
    lab.path("data")
}

/// What a record says of `capability` that the run did not have.
fn denied<'r>(record: &'r Value, capability: &str) -> Vec<&'r str> {
    let denials = record["denials"].as_array().unwrap();
    denials
        .iter()
        .filter(|denial| denial["capability"] == capability)
        .map(|denial| denial["reason"].as_str().unwrap())
        .collect()
}

#[test]
fn what_is_forbidden_inside_a_grant_to_read_is_not_there() {
    let lab = Lab::new();
    let data = data(&lab);
    let script = format!(
        "cat {data}/open.txt; ls -A {data}; ls -A {data}/secret 2>/dev/null; cat {data}/secret/y.txt {data}/secret/deep/x.txt 2>/dev/null; true"
    );
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], &script);
    let set = all_but(&lab, "fs.read", "in", "data/secret");
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(record["value"]["_output"], "open\nopen.txt\n");
    let reasons = denied(&record, &format!("fs.read:{data}/secret"));
    assert_eq!(reasons, ["inside a grant, and forbidden by never"]);
    assert_eq!(lab.read("data/secret/y.txt"), "hidden\n");
}

#[test]
fn a_file_that_is_forbidden_inside_a_grant_is_not_there() {
    let lab = Lab::new();
    let data = data(&lab);
    let script = format!("cat {data}/secret/y.txt 2>/dev/null; cat {data}/secret/deep/x.txt");
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], &script);
    let set = all_but(&lab, "fs.read", "==", "data/secret/y.txt");
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(record["value"]["_output"], "hidden\n");
    let reasons = denied(&record, &format!("fs.read:{data}/secret/y.txt"));
    assert_eq!(reasons, ["inside a grant, and forbidden by never"]);
}

/// By whatever name it is reached.
#[test]
fn what_is_forbidden_by_the_name_of_a_link_is_hidden_where_that_leads() {
    let lab = Lab::new();
    let data = data(&lab);
    std::os::unix::fs::symlink("secret", lab.path("data/alias")).unwrap();
    let script = format!("cat {data}/alias/y.txt {data}/secret/y.txt 2>/dev/null; echo went on");
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], &script);
    let set = all_but(&lab, "fs.read", "in", "data/alias");
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(record["value"]["_output"], "went on\n");
}

/// A cover over the file was taken away by whoever put another one in its place.
#[test]
fn what_is_forbidden_stays_hidden_when_another_file_takes_its_place() {
    let lab = Lab::new();
    let data = data(&lab);
    let go = lab.directory("data/go");
    let script = format!(
        "while [ ! -e {go}/now ]; do sleep 0.02; done; cat {data}/shadow {data}/later 2>/dev/null; ls {data}"
    );
    lab.write("data/shadow", "hidden\n");
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], &script);
    let rules = format!(
        "{RUN}@id(\"read\") permit (principal, action == Action::\"fs.read\", resource);
         @id(\"write\") permit (principal, action == Action::\"fs.write\", resource);
         @id(\"shadow\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"{data}/shadow\");
         @id(\"later\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"{data}/later\");"
    );
    let set = super::set(&lab, "rules", &rules);
    let line = ["--output", "json"];
    let live = super::ruled(&lab, &module, &set, &line).start();
    let mark = std::path::PathBuf::from(lab.path("marks/ran"));
    for _ in 0..500 {
        if mark.exists() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    for name in ["shadow", "later"] {
        lab.write("data/new", "hidden too\n");
        std::fs::rename(lab.path("data/new"), lab.path(&format!("data/{name}"))).unwrap();
    }
    lab.write("data/go/now", "");
    let record = live.end().exits(0).record();
    assert_eq!(record["value"]["_output"], "go\nopen.txt\nsecret\n");
}

/// What is asked for by itself and forbidden is not granted because something broader is.
#[test]
fn an_optional_ask_inside_a_grant_that_is_forbidden_is_not_granted() {
    let lab = Lab::new();
    let data = data(&lab);
    let asks = [
        json!(format!("fs.read:{data}")),
        json!({"capability": format!("fs.read:{data}/secret"), "optional": true}),
    ];
    let module = marking(&lab, &asks, "echo \"$HOST_NOT_GRANTED\"");
    let set = all_but(&lab, "fs.read", "in", "data/secret");
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(
        record["value"]["_output"],
        format!("fs.read:{data}/secret\n")
    );
    let granted: Vec<&str> = record["grant"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["capability"].as_str().unwrap())
        .collect();
    assert!(
        !granted.contains(&format!("fs.read:{data}/secret").as_str()),
        "{granted:?}"
    );
}

/// A run that may write the rules decides on the next one.
#[test]
fn no_run_may_write_the_rules_that_decided_on_it() {
    let lab = Lab::new();
    let set = super::set(
        &lab,
        "rules",
        &format!(
            "{RUN}@id(\"write\") permit (principal, action == Action::\"fs.write\", resource);"
        ),
    );
    for asked in [set.clone(), lab.path("")] {
        let asked = asked.trim_end_matches('/');
        let script = format!("echo '// mine' >> {set}/rules.cedar");
        let module = marking(&lab, &[json!(format!("fs.write:{asked}"))], &script);
        let ran = super::ruled(&lab, &module, &set, &[]).run();
        assert_ne!(ran.code(), 0);
        assert!(!super::ran(&lab), "it ran");
    }
}

#[test]
fn a_forbid_inside_an_ask_to_write_refuses_it() {
    for access in ["fs.write", "fs.read"] {
        let lab = Lab::new();
        let data = data(&lab);
        let module = marking(&lab, &[json!(format!("fs.write:{data}"))], "");
        let set = all_but(&lab, access, "in", "data/secret");
        let (ran, line) = refuses(&lab, &module, &set, &[]);
        ran.says(&[
            &format!("fs.write:{data}"),
            "never",
            &format!("{data}/secret"),
        ]);
        assert_eq!(decided_by(&line), ["run", "write", "never"], "{access}");
        let reasons = denied(&line["record"], &format!("fs.write:{data}"));
        assert!(
            reasons.len() == 1 && reasons[0].contains("never"),
            "{reasons:?}"
        );
    }
}

#[test]
fn what_is_asked_for_inside_a_forbid_is_refused() {
    let lab = Lab::new();
    let data = data(&lab);
    for below in ["secret", "secret/deep/x.txt"] {
        let module = marking(&lab, &[json!(format!("fs.read:{data}/{below}"))], "");
        let set = all_but(&lab, "fs.read", "in", "data/secret");
        let (ran, line) = refuses(&lab, &module, &set, &[]);
        ran.says(&["forbidden by never", "rules.cedar:"]);
        assert!(decided_by(&line).contains(&"never"));
    }
}

/// What is told and recorded of it is another matter; the run never sees it.
#[test]
fn a_forbidden_thing_asked_for_beside_what_holds_it_is_not_seen() {
    let lab = Lab::new();
    let data = data(&lab);
    let asks = [
        json!(format!("fs.read:{data}")),
        json!({"capability": format!("fs.read:{data}/secret/y.txt"), "optional": true}),
        json!({"capability": format!("fs.read:{data}/secret"), "optional": true}),
        json!({"capability": format!("fs.write:{data}/secret/deep"), "optional": true}),
    ];
    let script = format!(
        "cat {data}/secret/y.txt {data}/secret/deep/x.txt 2>/dev/null; touch {data}/secret/deep/new 2>/dev/null; echo went on"
    );
    let module = marking(&lab, &asks, &script);
    let set = all_but(&lab, "fs.read", "in", "data/secret");
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(record["value"]["_output"], "went on\n");
    assert!(
        std::fs::read_dir(lab.path("data/secret/deep"))
            .unwrap()
            .count()
            == 1
    );
}

/// The command line of a run by a set, for a shell that goes on with it.
fn line<'a>(module: &'a str, set: &'a str) -> [&'a str; 8] {
    let output = ["--output", "json", "run"];
    let [a, b, c] = output;
    [a, b, c, module, "--policy", set, "--as", "alice"]
}

/// A name that is no UTF-8 was compared as text, so that what was mounted below it was neither covered nor found.
#[test]
fn a_kernels_file_system_is_hidden_below_a_name_that_is_no_text() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    // Below `/tmp` a tree is looked through for pipes, and with a file system of the kernel in it refused.
    let elsewhere = tempfile::tempdir_in("/srv").unwrap();
    let np = elsewhere.path().to_str().unwrap();
    // A pattern of the shell would not match the name.
    let script = format!("find {np} -mindepth 1 -maxdepth 3 2>/dev/null | wc -l");
    let module = marking(&lab, &[json!(format!("fs.read:{np}"))], &script);
    let rules = format!(
        "{RUN}@id(\"read\") permit (principal, action == Action::\"fs.read\", resource);
         @id(\"never\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"{np}/hidden\");"
    );
    let set = super::marking_set(&lab, "rules", &rules);
    let mounting = format!(
        "exec unshare -m sh -c 'set -e; mount --make-rprivate /; d=$(printf \"{np}/\\377\"); mkdir -p \"$d/p\"; \
         mount -t proc none \"$d/p\"; exec \"$@\"' sh \"$@\""
    );
    let ran = Host::by_shell(&lab, &mounting, &line(&module, &set)).run();
    assert_eq!(ran.exits(0).record()["value"]["_output"], "2\n");
}

/// It was an error of the whole run, also where the run could do without what was asked.
#[test]
fn a_forbid_inside_of_what_is_not_there_or_no_directory_changes_nothing() {
    let lab = Lab::new();
    let data = data(&lab);
    for (asked, is_optional) in [("gone", true), ("gone", false), ("open.txt", false)] {
        let asked = format!("{data}/{asked}");
        let ask = json!({"capability": format!("fs.read:{asked}"), "optional": is_optional});
        let script = format!("cat {asked} 2>/dev/null; echo went on");
        let module = marking(&lab, &[ask], &script);
        let outcome = |forbidden: &str| {
            let set = all_but(&lab, "fs.read", "in", forbidden);
            let record = permits(&lab, &module, &set, &[]);
            let denials = denied(&record, &format!("fs.read:{asked}"));
            (record["value"]["_output"].clone(), denials.concat())
        };
        let inside = asked.strip_prefix(&lab.path("")).unwrap();
        assert_eq!(outcome(&format!("{inside}/private")), outcome("elsewhere"));
    }
}

/// It was looked through by the link, its parts could not be opened by that, and the run saw an empty tree.
#[test]
fn a_link_with_something_forbidden_below_it_refuses_the_run() {
    let lab = Lab::new();
    data(&lab);
    let alias = lab.path("alias");
    std::os::unix::fs::symlink("data", &alias).unwrap();
    let module = marking(&lab, &[json!(format!("fs.read:{alias}"))], "true");
    for forbidden in ["alias/secret", "elsewhere"] {
        let set = all_but(&lab, "fs.read", "in", forbidden);
        let ended = super::ruled(&lab, &module, &set, &[]).run().exits(3);
        ended.says(&["is a link to"]).hints(&lab.path("data"));
        assert!(!ran(&lab), "{forbidden}");
    }
}

/// There was no such directory in the jail.
#[test]
fn a_directory_is_there_though_all_that_it_could_hold_is_forbidden() {
    let lab = Lab::new();
    let inbox = lab.directory("data/inbox");
    std::os::unix::fs::symlink("inbox", lab.path("data/link")).unwrap();
    let script = format!("ls -A {inbox} && cd {inbox}/.. && ls -d * && readlink link || true");
    for (asked, seen) in [("data/inbox", "inbox\n"), ("data", "inbox\nlink\ninbox\n")] {
        let asked = lab.path(asked);
        let module = marking(&lab, &[json!(format!("fs.read:{asked}"))], &script);
        let set = all_but(&lab, "fs.read", "in", "data/inbox/private");
        let record = permits(&lab, &module, &set, &[]);
        assert_eq!(record["value"]["_output"], seen);
    }
}

/// Parts were shown with the rights of whoever owns each, so that a forbid opened what the grant without it did not.
#[test]
fn a_forbid_opens_nothing_else_of_the_tree_that_it_is_in() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    let data = data(&lab);
    lab.write("data/theirs/private", "theirs\n");
    lab.write("data/theirs/open", "open\n");
    mode(&lab.path("data/theirs/private"), 0o600);
    for below in ["theirs", "theirs/private"] {
        let path = lab.path(&format!("data/{below}"));
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    let script = format!(
        "cd {data}/theirs 2>/dev/null; cat {data}/theirs/private {data}/theirs/open 2>/dev/null; echo went on"
    );
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], &script);
    for (theirs, seen) in [(0o755, "open\nwent on\n"), (0o700, "went on\n")] {
        mode(&lab.path("data/theirs"), theirs);
        for forbidden in ["elsewhere", "data/theirs/keys"] {
            let set = all_but(&lab, "fs.read", "in", forbidden);
            let record = permits(&lab, &module, &set, &[]);
            assert_eq!(record["value"]["_output"], seen, "{theirs:o} {forbidden}");
        }
    }
}

/// It was said of a grant of everything, whatever had been granted.
#[test]
fn a_part_that_cannot_be_shown_is_told_of_the_tree_that_it_is_in() {
    let lab = Lab::new();
    let data = data(&lab);
    let theirs = lab.directory("data/theirs");
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], "true");
    if is_root() {
        std::os::unix::fs::chown(&theirs, Some(65_534), Some(65_534)).unwrap();
        mode(&theirs, 0o700);
    } else {
        mode(&theirs, 0o000);
    }
    let set = all_but(&lab, "fs.read", "in", "data/theirs/keys");
    let record = permits(&lab, &module, &set, &[]);
    let note = record["walls"][format!("fs.read:{data}")]
        .as_str()
        .unwrap_or_default();
    assert_eq!(
        note,
        format!("without `{theirs}`: permission denied"),
        "{}",
        record["walls"]
    );
    mode(&theirs, 0o700);
}

/// The record said that they were forbidden, and the run read them.
#[test]
fn what_every_run_sees_of_etc_is_hidden_where_it_is_forbidden() {
    let lab = Lab::new();
    let (directory, inner, file) = (
        "/etc/alternatives",
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/ld.so.cache",
    );
    let script = format!(
        "for path in {directory} {inner} {file}; do if test -e $path; then echo $path; fi; done; test -d /etc/ssl/certs && echo certs"
    );
    let forbid = |path: &str| {
        format!(
            "@id(\"{}\") forbid (principal, action == Action::\"fs.read\", resource in Path::\"{path}\");",
            path.replace('/', "-")
        )
    };
    let read = "@id(\"read\") permit (principal, action == Action::\"fs.read\", resource);\n";
    let open = super::marking_set(&lab, "open", &format!("{RUN}{read}"));
    let forbids = format!(
        "{RUN}{read}{}{}{}",
        forbid(directory),
        forbid(inner),
        forbid(file)
    );
    let shut = super::marking_set(&lab, "shut", &forbids);
    for asks in [vec![], vec![json!("fs.read:/etc")]] {
        let module = marking(&lab, &asks, &script);
        let record = permits(&lab, &module, &open, &[]);
        let seen = record["value"]["_output"].as_str().unwrap();
        assert!(seen.contains(file), "{seen}");
        let record = permits(&lab, &module, &shut, &[]);
        let certs = seen.lines().filter(|line| *line == "certs");
        let left: String = certs.map(|line| format!("{line}\n")).collect();
        assert_eq!(record["value"]["_output"], left, "{asks:?}");
        // What was asked is told, and true.
        for path in [directory, inner, file] {
            let told = denied(&record, &format!("fs.read:{path}")).len();
            assert_eq!(told, asks.len(), "{path}");
        }
    }
}

/// A path of the settings was shown whole where it lay in what was forbidden, and where nothing around it was asked for.
#[test]
fn a_system_path_shows_nothing_that_is_forbidden_whatever_is_asked() {
    let lab = Lab::new();
    let tools = lab.directory("opt/tools");
    owned(&lab, "opt/tools/version", "7\n");
    owned(&lab, "opt/tools/keys/key", "hidden\n");
    owned(
        &lab,
        "home/config/config.toml",
        format!("system_paths = [\"{tools}\"]\n"),
    );
    mode(lab.root().to_str().unwrap(), 0o755);
    for below in ["home", "home/config"] {
        mode(&lab.path(below), 0o700);
    }
    let script = format!("cat {tools}/version {tools}/keys/key 2>/dev/null; echo went on");
    for (forbidden, seen) in [
        ("opt/tools/keys", "7\nwent on\n"),
        ("opt", "went on\n"),
        ("opt/tools", "went on\n"),
        ("elsewhere", "7\nhidden\nwent on\n"),
    ] {
        let opt = lab.path("opt");
        let asked = if forbidden.starts_with("opt/") {
            vec![json!(format!("fs.read:{opt}"))]
        } else {
            vec![]
        };
        for asks in [vec![], asked] {
            let module = marking(&lab, &asks, &script);
            let set = all_but(&lab, "fs.read", "in", forbidden);
            let record = permits(&lab, &module, &set, &[]);
            assert_eq!(record["value"]["_output"], seen, "{forbidden} {asks:?}");
        }
    }
}

/// Each part is an open file of the keeper, which had as few of them as whoever called.
#[test]
fn a_tree_may_have_more_parts_than_the_caller_may_have_files() {
    let lab = Lab::new();
    let many = lab.directory("many");
    for number in 0..PARTS {
        std::fs::write(lab.path(&format!("many/{number}")), "").unwrap();
    }
    let script = format!("ls {many} | wc -l; ulimit -n");
    let module = marking(&lab, &[json!(format!("fs.read:{many}"))], &script);
    let set = all_but(&lab, "fs.read", "in", "many/hidden");
    let soft = Host::by_shell(&lab, "ulimit -Sn 256; exec \"$@\"", &line(&module, &set));
    let record = soft.run().exits(0).record();
    let output = format!("{PARTS}\n1024\n");
    assert_eq!(record["value"]["_output"], output);
    assert!(ran(&lab));
    let plain = ["run", &module, "--policy", &set, "--as", "alice"];
    let hard = Host::by_shell(&lab, "ulimit -n 512; exec \"$@\"", &plain);
    let ended = hard.run().exits(3);
    // The directory of the mark is one more.
    let places = format!("open {} places", PARTS + 1);
    ended
        .says(&[&places, "512 files", "RLIMIT_NOFILE"])
        .hints("ulimit -Hn");
    assert!(!ran(&lab));
}
