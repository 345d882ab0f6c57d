//! The machine that host runs on: directories that cannot be used, full disks, and several runs at once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::lab::{Host, Lab, is_root};

fn mode(path: &str, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn directories_are_made_where_they_are_missing_and_for_their_owner_alone() {
    let lab = Lab::new();
    lab.run(&["run", &lab.shell("true")]).exits(0);
    for directory in [
        "home",
        "home/state",
        "home/cache",
        "home/state/runs",
        "home/cache/content",
    ] {
        let found = fs::metadata(lab.path(directory))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(found, 0o700, "{directory} has mode {found:o}");
    }
    for file in lab.files("home") {
        let found = fs::metadata(&file).unwrap().permissions().mode() & 0o077;
        assert_eq!(found, 0, "others can use {}", file.display());
    }
}

#[test]
fn a_file_in_the_place_of_a_directory_refuses_the_run() {
    for place in ["state", "cache"] {
        let lab = Lab::new();
        let module = lab.shell("echo ran");
        lab.write(&format!("home/{place}"), "in the way");
        mode(&lab.path("home"), 0o700);
        let ran = lab
            .run(&["run", &module])
            .exits(7)
            .says(&[place, "is not a directory"])
            .hints("record");
        assert_eq!(ran.text(), "");
    }
}

#[test]
fn a_place_where_nothing_can_be_made_refuses_the_run() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let closed = lab.directory("closed");
    mode(&closed, 0o500);
    let home = format!("{closed}/home");
    let ran = lab.host(&["run", &module]).env("HOST_HOME", &home).run();
    if is_root() {
        // Root writes everywhere, so the run goes well.
        ran.exits(0);
    } else {
        ran.exits(7).says(&["cannot make"]);
    }
    mode(&closed, 0o700);
}

#[test]
fn a_read_only_state_directory_refuses_the_run() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    lab.run(&["run", &module]).exits(0);
    if is_root() {
        let script = "mount --bind \"$HOST_HOME/state\" \"$HOST_HOME/state\" && mount -o remount,ro,bind \"$HOST_HOME/state\" && exec \"$@\"";
        let script = format!("exec unshare -m sh -c '{script}' sh \"$@\"");
        let ran = Host::by_shell(&lab, &script, &["run", &module])
            .run()
            .exits(7)
            .says(&["state"]);
        assert_eq!(ran.text(), "");
    } else {
        mode(&lab.path("home/state"), 0o500);
        let ran = lab.run(&["run", &module]).exits(7).says(&["state"]);
        mode(&lab.path("home/state"), 0o700);
        assert_eq!(ran.text(), "");
    }
    assert_eq!(
        lab.events(),
        ["intended", "finished"],
        "only the first run is on record"
    );
}

#[test]
fn a_home_that_others_can_write_is_refused_with_the_command_that_mends_it() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    for bits in [0o770, 0o707, 0o777] {
        let home = lab.directory("home");
        mode(&home, bits);
        let ran = lab
            .run(&["run", &module])
            .says(&["others can write", &format!("chmod go-w '{home}'")]);
        assert_eq!((ran.code(), ran.text().as_str()), (7, ""), "{}", ran.stderr);
    }
    let mended = std::process::Command::new("chmod")
        .args(["go-w", &lab.path("home")])
        .status()
        .unwrap();
    assert!(mended.success());
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn a_disk_with_no_room_for_the_journal_refuses_the_run() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    // A file size limit answers as a full disk does; the signal that it also sends is what a full disk does not do.
    let ran = Host::by_shell(
        &lab,
        "trap '' XFSZ; ulimit -f 1; exec \"$@\"",
        &["run", &module],
    )
    .run()
    .exits(7)
    .says(&["error:"]);
    assert_eq!(ran.text(), "");
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn a_file_size_limit_of_the_caller_does_not_kill_host() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let ran = Host::by_shell(&lab, "ulimit -f 1; exec \"$@\"", &["run", &module])
        .run()
        .exits(7);
    assert_eq!(ran.text(), "");
}

#[test]
fn a_full_file_system_refuses_the_run_and_leaves_no_intent_behind() {
    let lab = Lab::new();
    if !is_root() {
        // Only root can mount a small file system; for others the file size limit stands for it.
        let ran = Host::by_shell(
            &lab,
            "trap '' XFSZ; ulimit -f 1; exec \"$@\"",
            &["run", &lab.shell("echo ran")],
        )
        .run()
        .exits(7);
        assert_eq!(ran.text(), "");
        return;
    }
    lab.directory("home/state");
    mode(&lab.path("home"), 0o700);
    let module = lab.shell("echo ran");
    let script = "mount -t tmpfs -o size=64k,mode=700 none \"$HOST_HOME/state\" || exit 99; head -c 200000 /dev/zero > \"$HOST_HOME/state/filler\" 2>/dev/null; \"$@\"; code=$?; cat \"$HOST_HOME/state/journal.jsonl\" 2>/dev/null | wc -l; exit $code";
    let script = format!("exec unshare -m sh -c '{script}' sh \"$@\"");
    let ran = Host::by_shell(&lab, &script, &["run", &module])
        .run()
        .exits(7)
        .says(&["no space left"]);
    assert_eq!(ran.text().trim(), "0", "something was recorded or ran");
}

/// It was said to be a fault of the command line.
#[test]
fn a_bundle_without_room_is_no_fault_of_who_packs_it() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\n", Value::Null);
    let module = module.file("files/large", "x".repeat(100_000)).build();
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let bundle = lab.path("demo.tar");
    let words = [
        "bundle",
        "pack",
        &module,
        "--version",
        "1.0.0",
        "-o",
        &bundle,
    ];
    Host::by_shell(&lab, script, &words).run().exits(7);
    assert!(!lab.root().join("demo.tar").exists());
}

#[test]
fn a_cache_with_no_room_is_no_damage_of_the_bundle() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let ran = Host::by_shell(
        &lab,
        "trap '' XFSZ; ulimit -f 0; exec \"$@\"",
        &["run", &module],
    )
    .run();
    let ran = ran
        .never_says("damaged")
        .never_says("whoever sealed it")
        .exits(7);
    assert_eq!(ran.text(), "");
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn two_runs_at_once_do_not_disturb_each_other() {
    let lab = Lab::new();
    let module = lab.shell("sleep 0.3; echo $PT_n; id -u");
    let numbers = ["n=1", "n=2", "n=3"];
    let live: Vec<_> = numbers
        .iter()
        .map(|number| {
            lab.host(&["--output", "json", "run", &module, number])
                .start()
        })
        .collect();
    let ran: Vec<_> = live
        .into_iter()
        .map(|live| live.end_unsettled().exits(0).record())
        .collect();
    for (number, record) in numbers.iter().zip(&ran) {
        assert_eq!(
            record["value"]["_output"],
            format!("{}\n1000\n", &number[2..])
        );
    }
    let mut runs: Vec<String> = ran
        .iter()
        .map(|record| record["run"].as_str().unwrap().to_owned())
        .collect();
    runs.sort();
    runs.dedup();
    assert_eq!(
        (runs.len(), lab.spooled().len(), lab.events().len()),
        (3, 3, 6)
    );
    let users: std::collections::BTreeSet<String> = ran
        .iter()
        .map(|record| record["walls"]["user"].to_string())
        .collect();
    assert_eq!(users.len(), if is_root() { 3 } else { 1 });
}

#[test]
fn many_first_runs_at_once_share_one_new_home() {
    let lab = Lab::new();
    let module = lab.shell("echo ok");
    let live: Vec<_> = (0..6)
        .map(|_| lab.host(&["run", &module]).start())
        .collect();
    for live in live {
        assert_eq!(live.end_unsettled().exits(0).text(), "ok\n");
    }
    assert_eq!(lab.events().len(), 12);
}

#[test]
fn a_torn_last_line_of_the_journal_is_closed_and_said() {
    let lab = Lab::new();
    let module = lab.shell("true");
    lab.run(&["run", &module]).exits(0);
    let journal = lab.path("home/state/journal.jsonl");
    let mut text = fs::read_to_string(&journal).unwrap();
    text.push_str("{\"format\":\"host.jou");
    fs::write(&journal, text).unwrap();
    let ran = lab.run(&["run", &module]).exits(0);
    let lines: Vec<String> = lab
        .read("home/state/journal.jsonl")
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(
        lines.iter().any(|line| line.contains("\"recovered\"")),
        "{}\n{lines:#?}",
        ran.stderr
    );
    assert!(lines.last().unwrap().contains("\"finished\""));
}

#[test]
fn settings_that_cannot_be_used_say_where_they_are() {
    let lab = Lab::new();
    let module = lab.shell("true");
    for (text, said) in [
        ("outptu = \"json\"\n", "outptu"),
        ("output = \"xml\"\n", "xml"),
        ("[limits]\nwall = \"soon\"\n", "wall"),
        ("[limits]\npatience = \"1s\"\n", "patience"),
        ("system_paths = [\"opt\"]\n", "opt"),
        ("uid_range = [0, 5]\n", "uid"),
        ("output = \n", "config.toml"),
    ] {
        lab.write("home/config/config.toml", text);
        lab.run(&["run", &module])
            .exits(2)
            .says(&["error:", said, "config.toml"]);
    }
    lab.write("home/config/config.toml", "output = \"json\"\n");
    mode(&lab.path("home/config/config.toml"), 0o666);
    lab.run(&["run", &module]).exits(2).says(&["chmod"]);
    mode(&lab.path("home/config/config.toml"), 0o644);
    assert_eq!(
        lab.run(&["run", &module]).exits(0).record()["status"],
        "success"
    );
    lab.run(&["run", &module, "--output", "human"])
        .exits(0)
        .says(&["ok  demo"]);
    let by_variable = lab
        .host(&["run", &module])
        .env("HOST_OUTPUT", "jsonl")
        .run()
        .exits(0);
    assert!(
        by_variable.text().starts_with("{\"event\":"),
        "{}",
        by_variable.text()
    );
}

#[test]
fn system_paths_of_the_settings_are_seen_read_only() {
    let lab = Lab::new();
    let module =
        lab.shell("ls -d /var/lib; touch /var/lib/host-it 2>/dev/null && echo wrote; true");
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "");
    lab.write("home/config/config.toml", "system_paths = [\"/var/lib\"]\n");
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "/var/lib\n");
}

#[test]
fn a_system_path_below_tmp_is_seen_like_any_other() {
    let lab = Lab::new();
    let tools = lab.directory("tools");
    lab.write("tools/version", "7\n");
    let module = lab.shell(&format!(
        "cat {tools}/version; echo x > {tools}/new 2>/dev/null && echo wrote; true"
    ));
    lab.write(
        "home/config/config.toml",
        format!("system_paths = [\"{tools}\"]\n"),
    );
    for path in [
        lab.root().to_str().unwrap(),
        &tools,
        &lab.path("tools/version"),
    ] {
        mode(path, 0o755);
    }
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "7\n");
}

#[test]
fn a_cached_file_that_was_damaged_is_never_run() {
    for damage in ["other", "empty", "link", "gone"] {
        let lab = Lab::new();
        let module = lab.shell("echo good");
        lab.run(&["run", &module]).exits(0);
        let evil = lab.write("evil.sh", "#!/bin/sh\necho evil\n");
        let cached = lab
            .files("home/cache/content")
            .into_iter()
            .find(|file| fs::read_to_string(file).unwrap().contains("echo good"))
            .unwrap();
        fs::remove_file(&cached).unwrap();
        match damage {
            "other" => fs::write(&cached, "#!/bin/sh\necho evil\n").unwrap(),
            "empty" => fs::write(&cached, "").unwrap(),
            "link" => std::os::unix::fs::symlink(&evil, &cached).unwrap(),
            _ => {}
        }
        let ran = lab.run(&["run", &module]).never_says("evil");
        assert!(
            (ran.code() == 0 && ran.text() == "good\n") || ran.code() == 7,
            "{damage}: exit {}\n{}",
            ran.code(),
            ran.stderr
        );
        assert_eq!(
            lab.run(&["run", &module]).exits(0).text(),
            "good\n",
            "{damage} was not healed"
        );
    }
}

/// As an ordinary user such a file was found to be there, and never replaced.
#[test]
fn a_cached_file_that_cannot_be_read_is_replaced() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    lab.run(&["run", &module]).exits(0);
    for file in lab.files("home/cache/content") {
        mode(file.to_str().unwrap(), 0o000);
    }
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "ran\n");
}

#[test]
fn an_exclusive_task_does_not_overlap_itself() {
    let lab = Lab::new();
    let metadata = json!({"extensions": {"host": {"exclusive": true}}});
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\necho up >&2\nsleep 1\necho done\n",
            metadata,
        )
        .build();
    let mut first = lab.host(&["run", &module]).start();
    first.hears("up");
    let second = lab.host(&["run", &module]).start().end_unsettled();
    let first = first.end().exits(0);
    assert_eq!(first.text(), "done\n");
    second.exits(7).says(&["going on"]);
}

#[test]
fn nothing_is_written_outside_of_home() {
    let lab = Lab::new();
    let module = lab.shell("echo ok");
    let before: Vec<String> = listing(&lab);
    lab.run(&["run", &module]).exits(0);
    let after: Vec<String> = listing(&lab);
    let new: Vec<&String> = after.iter().filter(|path| !before.contains(path)).collect();
    assert_eq!(new, ["home"]);
}

fn listing(lab: &Lab) -> Vec<String> {
    fs::read_dir(lab.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_journal_tells_the_same_as_the_record() {
    let lab = Lab::new();
    let record = lab.record(&[&lab.shell("echo text; exit 3")]);
    let journal = lab.journal();
    assert_eq!(journal[1]["record"], record);
    let shared = ["run", "task", "bundle", "started", "grant"];
    let intended: Vec<&Value> = shared.iter().map(|key| &journal[0][key]).collect();
    assert_eq!(
        intended,
        shared.iter().map(|key| &record[key]).collect::<Vec<_>>()
    );
}

/// It said that tasks could run where each was refused: what stands by itself does not always stand together.
#[test]
fn doctor_runs_a_program_before_it_says_that_tasks_can_run() {
    let lab = Lab::new();
    let ran = lab.run(&["doctor"]).exits(0);
    assert!(
        ran.text()
            .contains("ok       a run of a program that does nothing"),
        "{}",
        ran.text()
    );
    assert!(lab.events().is_empty(), "a trial is nobody's run");
    if !is_root() {
        return;
    }
    // As in a container: a part of /proc is covered, so that no other can be mounted in a namespace below.
    let script = "exec unshare -m sh -c 'mount -t tmpfs none /proc/irq; exec setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"' sh \"$@\"";
    let home = lab.path("nobody");
    std::fs::create_dir(&home).unwrap();
    std::os::unix::fs::chown(&home, Some(65534), Some(65534)).unwrap();
    std::fs::set_permissions(lab.root(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let doctor = Host::by_shell(
        &lab,
        &format!("export HOST_HOME={home}; {script}"),
        &["doctor"],
    );
    let ran = doctor.run().exits(7);
    assert!(
        ran.text()
            .contains("missing  a run of a program that does nothing"),
        "{}",
        ran.text()
    );
    assert!(ran.text().contains("mount proc"), "{}", ran.text());
    assert!(ran.text().contains("native tasks: no"), "{}", ran.text());
}
