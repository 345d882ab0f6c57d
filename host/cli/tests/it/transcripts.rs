//! What people see: the sessions in `tests/cmd`, typed again.
//!
//! Each file of `tests/cmd/COMMAND/` is one session, in a directory of its own that holds the fixtures below and a
//! `HOST_HOME`. With `TRYCMD=overwrite` the files take what was printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::lab::{Lab, binary, data};

/// The module `service`, as most sessions know it.
fn service(lab: &Lab, version: &str) -> String {
    let asks = json!([
        {"capability": "fs.read:/var/log", "why": "find its last messages"},
        {"capability": "fs.read:/var/log/units/${name}", "optional": true, "why": "show its own log on failure"},
    ]);
    let parameters = json!({
        "action": {"type": "Enum[start, stop, restart, status]", "description": "What to do"},
        "name": {"type": "Pattern[/^[a-z][a-z0-9@._-]*$/]", "description": "Which service"},
        "force": {"type": "Optional[Boolean]", "description": "Do not ask it politely first", "default": false},
    });
    let metadata = json!({
        "description": "Start, stop or restart a service, or show its status",
        "supports_noop": true,
        "parameters": parameters,
        "extensions": {"host": {"asks": if version == "1.3.0" { json!(["fs.read:/var"]) } else { asks }}},
    });
    let script = "#!/bin/sh\ncase $PT_action in\n  status) echo \"{\\\"name\\\": \\\"$PT_name\\\", \\\"status\\\": \\\"running\\\"}\" ;;\n  stop) echo \"could not stop $PT_name\" >&2; exit 1 ;;\n  start) sleep 30 ;;\n  *) echo \"$PT_action of $PT_name\" ;;\nesac\n";
    let script = if version == "1.3.0" {
        "#!/bin/sh\necho old\n"
    } else {
        script
    };
    lab.module(&format!("{version}/service"))
        .task("init.sh", script, metadata)
        .task(
            "report.sh",
            "#!/bin/sh\necho '{\"failed\": []}'\n",
            json!({"description": "List services that should run and do not"}),
        )
        .file(
            "metadata.json",
            json!({"name": "example-service", "version": version}).to_string(),
        )
        .build()
}

/// The module `report`, whose task says what it goes without.
fn report(lab: &Lab) -> String {
    let asks = json!([{"capability": "fs.read:/srv", "optional": true, "why": "count files too"}]);
    let metadata = json!({
        "description": "Counts what is served",
        "extensions": {"host": {"asks": asks}},
    });
    let script = "#!/bin/sh\necho \"went without $HOST_NOT_GRANTED\"\n";
    lab.module("report")
        .task("init.sh", script, metadata)
        .build()
}

/// What lies in the directory of a session.
fn fixtures(lab: &Lab) -> PathBuf {
    let directory = PathBuf::from(lab.directory("fixtures"));
    let at = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    let keygen = Command::new("ssh-keygen")
        .args([
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-C",
            "release@example.com",
            "-f",
            &at("release"),
        ])
        .status();
    assert!(
        keygen
            .expect("transcripts need ssh-keygen (package openssh-client)")
            .success()
    );
    for version in ["1.3.0", "1.4.0"] {
        let bundle = at(&format!("service-{version}.tar"));
        let key = format!("--sign={}", at("release"));
        lab.run(&[
            "bundle",
            "pack",
            &service(lab, version),
            "-o",
            &bundle,
            &key,
        ])
        .exits(0);
    }
    fs::rename(at("service-1.4.0.tar"), at("service.tar")).unwrap();
    copy(
        Path::new(&service(lab, "1.4.0")),
        &directory.join("service"),
    );
    copy(Path::new(&report(lab)), &directory.join("report"));
    // Policy sets, each by its name.
    copy(&data().join("policies"), &directory);
    directory
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The sessions, copied beside directories with the fixtures: the file, and its copy.
fn sessions(lab: &Lab) -> Vec<(PathBuf, PathBuf)> {
    let fixtures = fixtures(lab);
    let mut sessions = Vec::new();
    for command in fs::read_dir(data().join("cmd"))
        .expect("tests/cmd")
        .map(Result::unwrap)
    {
        for session in fs::read_dir(command.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            let place = PathBuf::from(lab.directory("cmd")).join(command.file_name());
            fs::create_dir_all(&place).unwrap();
            let here = place.join(session.file_name().unwrap());
            fs::copy(&session, &here).unwrap();
            copy(&fixtures, &here.with_extension("in"));
            sessions.push((session, here));
        }
    }
    sessions
}

#[test]
fn sessions_go_as_they_are_written_down() {
    let lab = Lab::new();
    let sessions = sessions(&lab);
    assert!(!sessions.is_empty(), "there are no sessions");
    let cases = trycmd::TestCases::new();
    cases.register_bin("host", binary());
    for (name, value) in [
        ("HOST_HOME", "home"),
        ("NO_COLOR", "1"),
        ("LANG", "C.UTF-8"),
    ] {
        cases.env(name, value);
    }
    for (_, session) in &sessions {
        cases.case(session);
    }
    cases.run();
    if std::env::var_os("TRYCMD").is_some_and(|wish| wish == "overwrite") {
        for (written, here) in &sessions {
            fs::copy(here, written).unwrap();
        }
    }
}
