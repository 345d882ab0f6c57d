//! Grants: a run gets what it asked for and what was allowed, and nothing else of the machine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::lab::{Lab, is_root};

/// The ids that runs of root have, and that no file may keep.
const THROWAWAY_IDS: std::ops::RangeInclusive<u32> = 0x7800_0000..=0x7BFF_FFFF;

/// The module `demo` whose task asks for `asks` and runs `script`.
fn asking(lab: &Lab, asks: Value, script: &str) -> String {
    let metadata = json!({"extensions": {"host": {"asks": asks}}});
    lab.module("demo")
        .task("init.sh", &format!("#!/bin/sh\n{script}\n"), metadata)
        .build()
}

/// The reason of each denial in a record.
fn denials(record: &Value) -> String {
    record["denials"].to_string()
}

#[test]
fn without_a_grant_nothing_of_the_machine_is_there() {
    let lab = Lab::new();
    let secret = lab.write("data/secret.txt", "secret");
    let data = lab.directory("data");
    let module = lab.shell(&format!("ls {data} {secret} /root /home /srv /var/lib /etc/ssh /etc/hostname 2>&1; cat {secret} 2>&1; ls -A /home /var"));
    let output = lab.record(&[&module])["value"]["_output"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        !output.contains("secret\n") && output.contains("No such file"),
        "{output}"
    );
    for path in [&data, "/root", "/srv", "/var/lib", "/etc/ssh"] {
        assert!(
            output.contains(&format!("'{path}': No such file")),
            "`{path}` exists inside:\n{output}"
        );
    }
}

#[test]
fn a_read_grant_shows_a_subtree_and_takes_no_change() {
    let lab = Lab::new();
    lab.write("data/sub/one.txt", "one\n");
    lab.write("other/two.txt", "two\n");
    let (data, other) = (lab.path("data"), lab.path("other"));
    let module = lab.shell(&format!(
        "cat {data}/sub/one.txt; for f in {data}/new {data}/sub/one.txt; do echo x > $f && echo wrote; done 2>/dev/null; rm -f {data}/sub/one.txt 2>/dev/null && echo removed; chmod 0 {data}/sub/one.txt 2>/dev/null && echo changed; ls {other} 2>/dev/null && echo seen; true"
    ));
    let record = lab.record(&[&module, "--allow", &format!("fs.read:{data}")]);
    assert_eq!(record["value"]["_output"], "one\n");
    assert_eq!(lab.read("data/sub/one.txt"), "one\n");
}

#[test]
fn a_grant_of_one_file_shows_that_file_alone() {
    let lab = Lab::new();
    let file = lab.write("data/one.txt", "one\n");
    lab.write("data/two.txt", "two\n");
    let module = lab.shell(&format!("cat {file}; ls {}", lab.path("data")));
    assert_eq!(
        lab.record(&[&module, "--allow", &format!("fs.read:{file}")])["value"]["_output"],
        "one\none.txt\n"
    );
}

#[test]
fn what_is_written_belongs_to_the_owner_of_the_granted_directory() {
    let lab = Lab::new();
    let data = lab.directory("data");
    lab.write("data/old.txt", "old\n");
    let owner = if is_root() {
        4321
    } else {
        rustix::process::geteuid().as_raw()
    };
    if is_root() {
        for path in [&data, &lab.path("data/old.txt")] {
            std::os::unix::fs::chown(path, Some(owner), Some(owner)).unwrap();
        }
    }
    fs::set_permissions(lab.path("data/old.txt"), fs::Permissions::from_mode(0o600)).unwrap();
    let module = lab.shell(&format!("cd {data} && echo new > new.txt && mkdir sub && echo in > sub/in.txt && echo more >> old.txt && ln -s old.txt link && stat -c %u:%g old.txt new.txt"));
    let record = lab.record(&[&module, "--allow", &format!("fs.write:{data}")]);
    assert_eq!(
        record["value"]["_output"], "1000:1000\n1000:1000\n",
        "{}",
        record["stderr"]["text"]
    );
    assert_eq!(
        (
            lab.read("data/new.txt").as_str(),
            lab.read("data/old.txt").as_str()
        ),
        ("new\n", "old\nmore\n")
    );
    for entry in [
        "data",
        "data/new.txt",
        "data/old.txt",
        "data/sub",
        "data/sub/in.txt",
        "data/link",
    ] {
        let found = fs::symlink_metadata(lab.path(entry)).unwrap();
        assert_eq!(found.uid(), owner, "{entry}");
    }
}

#[test]
fn no_throwaway_id_stays_on_the_disk() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = lab.shell(&format!(
        "echo x > {data}/a; echo y > $HOST_OUT/b; echo z > /tmp/c; mkdir {data}/d"
    ));
    lab.run(&["run", &module, "--allow", &format!("fs.write:{data}")])
        .exits(0);
    let mut waiting = vec![lab.root().to_owned()];
    while let Some(path) = waiting.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        assert!(
            !THROWAWAY_IDS.contains(&found.uid()) && !THROWAWAY_IDS.contains(&found.gid()),
            "{}",
            path.display()
        );
        if found.is_dir() {
            waiting.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
}

#[test]
fn a_strangers_file_in_a_granted_directory_stays_the_strangers() {
    let lab = Lab::new();
    let file = lab.write("data/private.txt", "private\n");
    let data = lab.path("data");
    if is_root() {
        std::os::unix::fs::chown(&data, Some(4321), Some(4321)).unwrap();
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let module = lab.shell(&format!(
        "cat {file} && echo read; echo x >> {file} && echo wrote; true"
    ));
    let output =
        lab.record(&[&module, "--allow", &format!("fs.write:{data}")])["value"]["_output"].clone();
    // Root's file in the directory of user 4321 is not 4321's; an ordinary user has only files of its own.
    assert_eq!(
        output,
        if is_root() {
            ""
        } else {
            "private\nread\nwrote\n"
        }
    );
}

#[test]
fn a_path_that_does_not_exist_cannot_be_written_and_reads_as_absent() {
    let lab = Lab::new();
    let missing = lab.path("missing");
    let module = lab.shell(&format!("ls {missing} 2>&1; true"));
    let write = format!("fs.write:{missing}");
    lab.run(&["run", &module, "--allow", &write])
        .exits(3)
        .says(&["missing"])
        .hints("must exist");
    assert_eq!(lab.events(), ["intended", "finished"]);
    assert_eq!(lab.journal()[1]["record"]["status"], "refused");
    let read = format!("fs.read:{missing}");
    let ran = lab
        .run(&["run", &module, "--allow", &read])
        .exits(0)
        .says(&["was not opened"]);
    assert!(ran.text().contains("No such file"), "{}", ran.text());
    let record = lab.record(&[&module, "--allow", &read]);
    assert_eq!(record["denials"][0]["capability"], read.as_str());
    assert_eq!(
        record["grant"],
        json!([]),
        "what was not given stands in the grant"
    );
}

#[test]
fn a_link_is_refused_and_its_target_named() {
    let lab = Lab::new();
    let target = lab.directory("target/below");
    symlink(lab.path("target"), lab.path("link")).unwrap();
    let module = lab.shell("true");
    for capability in [
        format!("fs.read:{}", lab.path("link")),
        format!("fs.write:{}", lab.path("link/below")),
    ] {
        let meant = target.trim_end_matches("/below");
        lab.run(&["run", &module, "--allow", &capability])
            .exits(3)
            .says(&["is a link to", meant])
            .hints(meant);
    }
}

#[test]
fn what_is_neither_file_nor_directory_is_refused() {
    let lab = Lab::new();
    let socket = lab.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let module = lab.shell("true");
    for path in [socket.as_str(), "/dev/null", "/dev/zero"] {
        lab.run(&["run", &module, "--allow", &format!("fs.read:{path}")])
            .exits(3)
            .says(&[path]);
    }
}

#[test]
fn faces_of_the_kernel_are_never_opened() {
    let lab = Lab::new();
    let module = lab.shell("true");
    for (path, kind) in [
        ("/proc", "proc"),
        ("/proc/sys", "proc"),
        ("/sys", "sysfs"),
        ("/proc/self/fd", ""),
    ] {
        for access in ["fs.read", "fs.write"] {
            lab.run(&["run", &module, "--allow", &format!("{access}:{path}")])
                .exits(3)
                .says(&[kind]);
        }
    }
}

#[test]
fn the_places_of_host_itself_are_never_opened() {
    let lab = Lab::new();
    let module = lab.shell("true");
    lab.run(&["run", &module]).exits(0);
    let binary = crate::lab::binary();
    for path in [
        "home/config",
        "home/state",
        "home/state/runs",
        "home/state/journal.jsonl",
        "home/cache/content",
        "home/run",
    ] {
        lab.run(&[
            "run",
            &module,
            "--allow",
            &format!("fs.read:{}", lab.path(path)),
        ])
        .exits(3)
        .says(&["host's own"]);
    }
    lab.run(&[
        "run",
        &module,
        "--allow",
        &format!("fs.read:{}", binary.display()),
    ])
    .exits(3)
    .says(&["host's own"]);
}

#[test]
fn the_places_of_host_are_hidden_below_a_grant() {
    let lab = Lab::new();
    lab.write("data.txt", "data\n");
    let root = lab.root().display().to_string();
    let module = lab.shell(&format!(
        "cat {root}/data.txt; for place in config state cache run; do ls -A {root}/home/$place; echo x > {root}/home/$place/x && echo wrote; done 2>/dev/null; true"
    ));
    let record = lab.record(&[&module, "--allow", &format!("fs.read:{root}")]);
    assert_eq!(
        record["value"]["_output"], "data\n",
        "{}",
        record["stderr"]["text"]
    );
    // A cover could be renamed away by whoever may write above it.
    lab.run(&["run", &module, "--allow", &format!("fs.write:{root}")])
        .exits(3)
        .says(&["host's own"]);
}

#[test]
fn a_grant_of_everything_still_keeps_what_no_grant_opens() {
    let lab = Lab::new();
    let secret = lab.write("home/config/key", "our-private-key");
    lab.write("data.txt", "data\n");
    let module = lab.shell(&format!(
        "cat {}; cat {secret}; ls -A {}; head -c 1 /proc/kcore; ls /proc/1/root; ls -A /sys",
        lab.path("data.txt"),
        lab.path("home/state")
    ));
    let record = lab.record(&[&module, "--allow", "fs.read:/"]);
    assert!(!record.to_string().contains("our-private-key"));
    assert!(
        !record["value"]["_output"]
            .as_str()
            .unwrap()
            .contains("journal"),
        "{record:#}"
    );
}

#[test]
fn an_optional_ask_that_cannot_be_had_is_noted_and_the_run_goes_on() {
    let lab = Lab::new();
    let asks = json!([
        {"capability": format!("fs.read:{}", lab.path("missing")), "optional": true, "why": "more detail"},
        {"capability": "secret:password", "optional": true},
        {"capability": "env:IT_NOT_SET", "optional": true},
    ]);
    let module = asking(&lab, asks, "echo went on");
    let record = lab
        .run(&["--output", "json", "run", &module, "--allow-asked"])
        .exits(0)
        .record();
    assert_eq!(record["value"]["_output"], "went on\n");
    for denied in ["missing", "secret:password", "env:IT_NOT_SET"] {
        assert!(denials(&record).contains(denied), "{}", denials(&record));
    }
    assert!(
        record["denials"]
            .as_array()
            .unwrap()
            .iter()
            .all(|denial| denial["reason"] != ""),
        "{}",
        denials(&record)
    );
    let denied: Vec<&str> = record["denials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|denial| denial["capability"].as_str().unwrap())
        .collect();
    assert!(
        denied.contains(&format!("fs.read:{}", lab.path("missing")).as_str()),
        "a denial names no capability: {denied:?}"
    );
    assert_eq!(
        record["grant"],
        json!([]),
        "what was not given stands in the grant"
    );
}

#[test]
fn an_optional_ask_that_is_not_allowed_is_left_out() {
    let lab = Lab::new();
    let file = lab.write("data/one.txt", "one\n");
    let module = asking(
        &lab,
        json!([{"capability": format!("fs.read:{file}"), "optional": true}]),
        &format!("test -e {file} || echo absent"),
    );
    let record = lab
        .run(&["--output", "json", "run", &module])
        .exits(0)
        .record();
    assert_eq!(
        (&record["value"]["_output"], &record["grant"]),
        (&json!("absent\n"), &json!([]))
    );
    assert!(denials(&record).contains(&file), "{}", denials(&record));
}

#[test]
fn a_refusal_names_every_missing_capability_and_the_flags_that_give_it() {
    let lab = Lab::new();
    let (one, two) = (lab.directory("one"), lab.directory("two words"));
    let asks = json!([{"capability": format!("fs.read:{one}"), "why": "counts things"}, format!("fs.write:'{two}'")]);
    let module = asking(&lab, asks, "echo ran");
    let ran = lab.run(&["run", &module]).exits(3).says(&[
        "refused: `demo` needs",
        &one,
        &two,
        "counts things",
        "(asked by the bundle)",
    ]);
    let hint = ran
        .hints("--allow-asked")
        .stderr
        .lines()
        .find(|line| line.contains("--allow "))
        .unwrap()
        .trim()
        .to_owned();
    assert_eq!(lab.events(), ["refused"]);
    assert!(lab.spooled().is_empty());
    // The hint is a command line that works as it stands.
    let again = hint.replacen("host ", "\"$@\" ", 1);
    let again = if again.contains("$@") {
        again
    } else {
        format!("\"$@\" run {module} {again}")
    };
    let ran = crate::lab::Host::by_shell(&lab, &again, &[]).run().exits(0);
    assert_eq!(ran.text(), "ran\n");
    lab.run(&["run", &module, "--allow-asked"])
        .exits(0)
        .says(&["granted", &one]);
}

#[test]
fn a_broader_allowance_covers_a_narrower_ask() {
    let lab = Lab::new();
    let file = lab.write("data/sub/one.txt", "one\n");
    let module = asking(
        &lab,
        json!([format!("fs.read:{file}")]),
        &format!("cat {file}"),
    );
    lab.run(&[
        "run",
        &module,
        "--allow",
        &format!("fs.read:{}", lab.path("data")),
    ])
    .exits(0);
    lab.run(&[
        "run",
        &module,
        "--allow",
        &format!("fs.write:{}", lab.path("data")),
    ])
    .exits(0);
    lab.run(&[
        "run",
        &module,
        "--allow",
        &format!("fs.read:{}", lab.path("data/su")),
    ])
    .exits(3);
    let narrower = asking(&lab, json!([format!("fs.write:{file}")]), "true");
    lab.run(&["run", &narrower, "--allow", &format!("fs.read:{file}")])
        .exits(3);
}

#[test]
fn a_placeholder_opens_what_the_input_names_and_nothing_beside_it() {
    let lab = Lab::new();
    lab.write("logs/web/log.txt", "web\n");
    lab.write("logs/db/log.txt", "db\n");
    let logs = lab.path("logs");
    let metadata = json!({
        "parameters": {"name": {"type": "Optional[Variant[String, Array[String]]]"}},
        "extensions": {"host": {"asks": [format!("fs.read:{logs}/${{name}}")]}},
    });
    let script = format!("#!/bin/sh\ncat {logs}/*/log.txt\n");
    let module = lab
        .module("demo")
        .task("init.sh", &script, metadata)
        .build();
    let run = |name: &str| lab.run(&["run", &module, "--allow-asked", name]);
    assert_eq!(run("name=web").exits(0).text(), "web\n");
    assert_eq!(run(r#"name=["web","db"]"#).exits(0).text(), "db\nweb\n");
    for (name, code) in [
        ("name=../db", 2),
        ("name=..", 2),
        ("name=web/../db", 2),
        ("name=", 2),
        ("name:=null", 2),
        ("name:=[]", 2),
        ("name=none", 1),
    ] {
        let ran = run(name);
        assert!(
            ran.code() == code && !ran.text().contains("db"),
            "{name}: exit {}\n{}",
            ran.code(),
            ran.stderr
        );
    }
}

#[test]
fn allowing_what_is_asked_never_allows_what_is_dangerous() {
    let lab = Lab::new();
    for ask in ["run.as:daemon", "exec:root@/usr/bin/true", "host.full"] {
        let module = asking(&lab, json!([ask]), "echo ran");
        let ran = lab
            .run(&["run", &module, "--allow-asked"])
            .exits(3)
            .says(&[ask]);
        assert_eq!(ran.text(), "");
    }
    assert_eq!(lab.events(), ["refused"; 3]);
}

#[test]
fn a_variable_is_passed_only_when_it_is_granted() {
    let lab = Lab::new();
    let module = lab.shell("echo \"${IT_ONE-unset} ${IT_TWO-unset}\"");
    let run = |arguments: &[&str]| {
        let host = lab.host(&[&["run", &module], arguments].concat());
        host.env("IT_ONE", "one").env("IT_TWO", "two").run()
    };
    assert_eq!(run(&[]).exits(0).text(), "unset unset\n");
    assert_eq!(
        run(&["--allow", "env:IT_ONE"]).exits(0).text(),
        "one unset\n"
    );
    run(&["--allow", "env:IT_THREE"])
        .exits(3)
        .says(&["env:IT_THREE", "not set"]);
}

#[test]
fn no_grant_of_a_variable_replaces_the_input() {
    let lab = Lab::new();
    let module = lab.shell("echo $PT_name $PT__task");
    let ran = lab.host(&[
        "run",
        &module,
        "name=real",
        "--allow",
        "env:PT_name",
        "--allow",
        "env:PT__task",
    ]);
    let ran = ran.env("PT_name", "forged").env("PT__task", "forged").run();
    ran.exits(2)
        .says(&["`env:PT_name` is refused", "set by host alone"]);
}

#[test]
fn looking_like_root_gives_no_power_of_root() {
    let lab = Lab::new();
    let module = asking(
        &lab,
        json!(["appear.root"]),
        "id -u; id -un; grep -c '^Cap[A-Z][a-z]*:\t0000000000000000$' /proc/self/status; mount -t tmpfs none /tmp 2>/dev/null && echo mounted; touch /usr/x 2>/dev/null && echo wrote; touch $HOST_OUT/f; chown 5:5 $HOST_OUT/f 2>/dev/null && echo gave; true",
    );
    assert_eq!(
        lab.run(&["run", &module, "--allow", "appear.root"])
            .exits(0)
            .text(),
        "0\nroot\n5\n"
    );
    lab.run(&["run", &module]).exits(3).says(&["appear.root"]);
}

#[test]
fn a_granted_user_is_the_user_with_its_own_rights() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let closed = lab.write("closed.txt", "closed\n");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o600)).unwrap();
    let module = lab.shell(&format!(
        "id -un; id -u; echo x > {data}/file; cat {closed} 2>/dev/null"
    ));
    let grants = [
        "--allow",
        "run.as:daemon",
        "--allow",
        &format!("fs.write:{data}"),
        "--allow",
        &format!("fs.read:{closed}"),
    ];
    let run = || lab.run(&[&["run", module.as_str()], &grants[..]].concat());
    if !is_root() {
        run().exits(3).says(&["run.as:daemon", "needs root"]);
        return;
    }
    std::os::unix::fs::chown(&data, Some(1), Some(1)).unwrap();
    let ran = run().says(&[]);
    assert_eq!(ran.text(), "daemon\n1\n");
    assert_eq!(fs::metadata(lab.path("data/file")).unwrap().uid(), 1);
}

#[test]
fn no_run_is_root_and_none_is_nobody_known() {
    let lab = Lab::new();
    let module = lab.shell("true");
    lab.run(&["run", &module, "--allow", "run.as:root"])
        .exits(2)
        .says(&["run.as"]);
    let said = if is_root() { "no user" } else { "needs root" };
    lab.run(&["run", &module, "--allow", "run.as:nosuchuser"])
        .exits(3)
        .says(&[said]);
}

#[test]
fn what_this_version_cannot_give_is_refused_with_the_reason() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    for (capability, reason) in [
        ("http.request:GET https://example.com/", "net.connect"),
        ("unix.connect:/run/systemd/private", "socket"),
        ("exec:/usr/bin/true", "commands"),
        ("secret:password", "there is no secret `password`"),
        ("host.full", "jail"),
    ] {
        let ran = lab
            .run(&["run", &module, "--allow", capability])
            .exits(3)
            .says(&["refused:", capability, reason]);
        assert_eq!(ran.text(), "", "{capability}");
        let record = lab
            .run(&["--output", "json", "run", &module, "--allow", capability])
            .exits(3)
            .record();
        assert_eq!(
            (&record["status"], &record["outcome"]["kind"]),
            (&json!("refused"), &json!("refused"))
        );
    }
    assert!(lab.spooled().is_empty() && lab.events().iter().all(|event| event == "refused"));
}

#[test]
fn an_overlapping_pair_of_grants_keeps_each_its_own_access() {
    let lab = Lab::new();
    lab.write("data/in/file.txt", "one\n");
    let (outer, inner) = (lab.path("data"), lab.path("data/in"));
    let module = lab.shell(&format!(
        "echo x > {outer}/new 2>/dev/null && echo outer; echo x > {inner}/new && echo inner"
    ));
    let grants = [
        "--allow",
        &format!("fs.read:{outer}"),
        "--allow",
        &format!("fs.write:{inner}"),
    ];
    assert_eq!(
        lab.run(&[&["run", module.as_str()], &grants[..]].concat())
            .exits(0)
            .text(),
        "inner\n"
    );
}
