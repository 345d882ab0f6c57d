//! Secrets: where a sensitive value, or a sensitive result, must not be found.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::lab::Lab;

/// How long a keeper may take to end a run whose `host` is gone.
const PATIENCE: Duration = Duration::from_secs(10);
const CANARY: &str = "canary-tu9xohr4";
/// The one that stands on no command line, not even of another test.
const QUIET_CANARY: &str = "quiet-canary-eix5bahw";

/// The module `demo`, whose task takes a secret of at least eight characters and runs `script`.
fn module(lab: &Lab, script: &str) -> String {
    let parameters = json!({
        "password": {"type": "String[8]", "sensitive": true},
        "name": {"type": "Optional[Enum[a, b]]"},
        "fallback": {"type": "String", "sensitive": true, "default": "default-canary"},
    });
    lab.module("demo")
        .task(
            "init.sh",
            &format!("#!/bin/sh\n{script}\n"),
            json!({"parameters": parameters}),
        )
        .build()
}

fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " ") + "\n")
        .collect()
}

#[test]
fn a_secret_reaches_its_task_and_nothing_else() {
    let lab = Lab::new();
    let module = module(
        &lab,
        "test \"$PT_password\" = \"$(cat /proc/self/environ | tr '\\0' '\\n' | sed -n s/^PT_password=//p)\" && echo up >&2; sleep 0.4; printf %s \"$PT_password\" | wc -c",
    );
    let input = format!(
        "@{}",
        lab.write("secret.json", json!({"password": QUIET_CANARY}).to_string())
    );
    let mut live = lab.host(&["run", &module, "--input", &input]).start();
    live.hears("up");
    assert!(
        !command_lines().contains(QUIET_CANARY),
        "a command line holds the secret"
    );
    std::thread::sleep(Duration::from_millis(50));
    let ran = live.end().exits(0).never_says(QUIET_CANARY);
    assert_eq!(ran.text().trim(), QUIET_CANARY.len().to_string());
    lab.nowhere("home", QUIET_CANARY);
    // The default itself is in the sealed metadata, which is content.
    lab.nowhere("home/state", "default-canary");
}

#[test]
fn a_wrong_secret_is_not_repeated_in_the_message() {
    let lab = Lab::new();
    let module = module(&lab, "true");
    for wrong in [
        json!({"password": {"inner": CANARY}}),
        json!({"password": [CANARY]}),
        json!({"password": CANARY, "name": "c"}),
    ] {
        let ran = lab
            .host(&["run", &module, "--input", "-"])
            .stdin(wrong.to_string())
            .run();
        ran.exits(2).never_says(CANARY);
    }
    lab.nowhere("home", CANARY);
}

#[test]
fn a_secret_on_the_command_line_is_warned_of_and_never_repeated() {
    let lab = Lab::new();
    let module = module(&lab, "true");
    let assigned = format!("password={CANARY}");
    let option = format!("--password={CANARY}");
    for argument in [assigned.as_str(), &option] {
        lab.run(&["run", &module, argument])
            .exits(0)
            .says(&["warning:", "`password` is secret"])
            .never_says(CANARY);
        lab.run(&["run", &module, argument, "name=c"])
            .exits(2)
            .never_says(CANARY);
        lab.run(&[
            "run",
            &module,
            argument,
            "--allow",
            "unix.connect:/run/nothing",
        ])
        .exits(3)
        .never_says(CANARY);
    }
    lab.nowhere("home", CANARY);
}

#[test]
fn help_does_not_show_a_secret_default() {
    let lab = Lab::new();
    let module = module(&lab, "true");
    let ran = lab
        .run(&["run", &module, "demo", "--help"])
        .exits(0)
        .never_says("default-canary");
    assert!(ran.text().contains("secret"), "{}", ran.text());
    lab.run(&["--output", "json", "run", &module, "demo", "--help"])
        .exits(0)
        .never_says("default-canary");
}

#[test]
fn a_secret_cannot_stand_in_an_ask() {
    let lab = Lab::new();
    let metadata = json!({
        "parameters": {"password": {"type": "String", "sensitive": true}},
        "extensions": {"host": {"asks": ["fs.read:/srv/${password}"]}},
    });
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\n", metadata)
        .build();
    lab.host(&["run", &module, "--input", "-"])
        .stdin(json!({"password": CANARY}).to_string())
        .run()
        .never_says(CANARY)
        .says(&["sensitive"]);
    lab.nowhere("home", CANARY);
}

#[test]
fn a_sensitive_result_is_redacted_wherever_it_would_be_kept_or_shown() {
    for mode in ["human", "json", "jsonl"] {
        let lab = Lab::new();
        let script = format!(r#"echo '{{"_sensitive": {{"token": "{CANARY}"}}, "id": 7}}'"#);
        let ran = lab
            .run(&["--output", mode, "run", &lab.shell(&script)])
            .exits(0)
            .never_says(CANARY);
        assert!(
            ran.text().contains("Sensitive [value redacted]"),
            "{mode}: {}",
            ran.text()
        );
        lab.nowhere("home/state", CANARY);
        let run = &lab.spooled()[0];
        let spooled: Value =
            serde_json::from_slice(&fs::read(lab.spool(run).join("stdout")).unwrap()).unwrap();
        assert_eq!(
            spooled,
            json!({"_sensitive": "Sensitive [value redacted]", "id": 7})
        );
    }
}

/// Nobody was left to see to the output of a run whose `host` was killed.
#[test]
fn a_sensitive_result_of_a_run_that_was_lost_is_not_kept_either() {
    let lab = Lab::new();
    let linger = lab.lingerer();
    let script =
        format!(r#"echo '{{"_sensitive": {{"token": "{CANARY}"}}}}'; echo up >&2; {linger}"#);
    let module = lab.shell(&script);
    let mut live = lab.host(&["run", &module]).start();
    live.hears("up");
    let keeper = live.keeper();
    live.signal(Signal::KILL);
    live.end_swept_later().exits(-9);
    let since = Instant::now();
    while rustix::process::test_kill_process(keeper).is_ok() {
        assert!(since.elapsed() < PATIENCE, "the keeper lives");
        std::thread::sleep(Duration::from_millis(5));
    }
    let next = lab.host(&["run", &lab.shell("true")]).start();
    next.end_unsettled().exits(0);
    assert!(lab.journal().iter().any(|line| line["outcome"] == "lost"));
    lab.nowhere("home/state", CANARY);
}

/// A result with something in it that was not read was once kept and shown as text.
#[test]
fn a_sensitive_result_that_cannot_be_read_is_nowhere_kept_or_shown() {
    let secret = format!(r#""_sensitive": {{"token": "{CANARY}"}}"#);
    for (output, code) in [
        (format!(r#"{{"file": "caf\udce9", {secret}}}"#), 0),
        (format!(r#"{{"size": 1e999, {secret}}}"#), 0),
        (format!("\u{feff}{{{secret}}}"), 0),
        (format!(r#"{{"size": NaN, {secret}}}"#), 1),
        (format!(r#"{{{secret}, "size": "#), 1),
    ] {
        for mode in ["human", "json", "jsonl"] {
            let lab = Lab::new();
            let script = format!("cat <<'EOF'\n{output}\nEOF");
            lab.run(&["--output", mode, "run", &lab.shell(&script)])
                .exits(code)
                .never_says(CANARY);
            lab.nowhere("home/state", CANARY);
        }
    }
}

#[test]
fn equal_secrets_leave_no_digest_that_tells_them_apart() {
    let lab = Lab::new();
    let module = module(&lab, "true");
    for password in ["first-secret", "other-secret"] {
        lab.host(&["run", &module, "--input", "-"])
            .stdin(json!({"password": password}).to_string())
            .run()
            .exits(0);
    }
    let journal = lab.journal();
    let digests: Vec<&Value> = journal
        .iter()
        .filter(|line| line["event"] == "intended")
        .map(|line| &line["input"])
        .collect();
    assert_eq!(digests.len(), 2);
    assert_eq!(
        digests[0], digests[1],
        "the digest of the input depends on a secret"
    );
}
