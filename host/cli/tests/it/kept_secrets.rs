//! Secrets of an installation: kept by `host secret`, given to runs that were granted them, and found nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::lab::{Lab, is_root};

/// Nothing else on the machine has this text.
const CANARY: &str = "canary-3f9b1c7e5a";

fn kept(lab: &Lab) {
    lab.host(&["secret", "set", "db"])
        .stdin(format!("{CANARY}\n"))
        .run()
        .exits(0)
        .never_says(CANARY);
}

#[test]
fn a_secret_is_kept_listed_and_removed_and_never_shown() {
    let lab = Lab::new();
    lab.run(&["secret", "list"])
        .exits(0)
        .says(&["there is no secret"]);
    kept(&lab);
    let file = lab.home().join("config/secrets/db");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        CANARY,
        "without its newline"
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let whole = lab.write("whole", "a\n\n");
    lab.run(&["secret", "set", "pem", "--from", &whole])
        .exits(0);
    assert_eq!(
        fs::read(lab.home().join("config/secrets/pem")).unwrap(),
        b"a\n\n"
    );
    assert_eq!(lab.run(&["secret", "list"]).exits(0).text(), "db\npem\n");
    let listed = lab
        .run(&["--output", "json", "secret", "list"])
        .exits(0)
        .record();
    assert_eq!(listed["secrets"], json!(["db", "pem"]));
    lab.run(&["secret", "rm", "db"]).exits(0);
    lab.run(&["secret", "rm", "db"])
        .exits(2)
        .says(&["there is no secret `db`"])
        .hints("host secret list");
    assert!(!file.exists());
}

#[test]
fn what_is_no_secret_is_not_kept() {
    let lab = Lab::new();
    for (name, bytes) in [
        ("db", Vec::new()),
        ("db", b"\n".to_vec()),
        ("db", vec![b'x'; 70_000]),
    ] {
        lab.host(&["secret", "set", name])
            .stdin(bytes)
            .run()
            .exits(2)
            .says(&["one has 1 to 65536"]);
    }
    for name in ["../db", "a b", ".db", ""] {
        lab.host(&["secret", "set", name])
            .stdin("x")
            .run()
            .exits(2)
            .says(&["secret name"]);
    }
    assert!(!lab.home().join("config/secrets/db").exists());
}

#[test]
fn a_run_that_was_granted_a_secret_reads_it_and_no_other() {
    let lab = Lab::new();
    kept(&lab);
    lab.host(&["secret", "set", "other"])
        .stdin("other-secret")
        .run()
        .exits(0);
    let module = lab.shell(
        "cd /run/host/secrets; ls; wc -c < db; rm -f db 2>/dev/null; echo x 2>/dev/null > new; stat -c %a db; \
         cat other 2>/dev/null; grep -c noswap /proc/self/mountinfo >/dev/null; true",
    );
    let record = lab.record(&[&module, "--allow", "secret:db"]);
    assert_eq!(
        record["value"]["_output"],
        format!("db\n{}\n400\n", CANARY.len())
    );
    let without = lab.record(&[&lab.shell("ls /run/host 2>&1; true")]);
    let output = without["value"]["_output"].as_str().unwrap().to_owned();
    assert!(output.contains("No such file"), "{output}");
}

#[test]
fn a_secret_is_found_nowhere_but_in_its_run() {
    let lab = Lab::new();
    kept(&lab);
    let script = "s=$(cat /run/host/secrets/db)
printf 'it is %s\\n' \"$s\"
printf 'err %s\\n' \"$s\" >&2
printf '%s' \"$(printf %s \"$s\" | cut -c1-5)\"; sleep 0.1; printf '%s\\n' \"$(printf %s \"$s\" | cut -c6-)\"
env | grep -c canary
tr '\\0' ' ' < /proc/self/cmdline >/dev/null
exit 3";
    let module = lab.shell(script);
    let ran = lab
        .run(&["--output", "json", "run", &module, "--allow", "secret:db"])
        .exits(1)
        .never_says(CANARY);
    let record = ran.record();
    assert_eq!(record["value"]["_output"], "it is ***\n***\n0\n");
    assert_eq!(record["stderr"]["text"], "err ***\n");
    // Kept with a newline, which a shell drops.
    let whole = lab.write("whole", format!("{CANARY}\nsecond-line\n"));
    lab.run(&["secret", "set", "db", "--from", &whole]).exits(0);
    let module = lab.shell(
        "s=$(head -1 /run/host/secrets/db); echo \"pw=$s;host=x\"; tail -1 /run/host/secrets/db",
    );
    let record = lab.record(&[&module, "--allow", "secret:db"]);
    assert_eq!(record["value"]["_output"], "pw=***;host=x\n***\n");
    fs::remove_file(lab.home().join("config/secrets/db")).unwrap();
    lab.nowhere("home", CANARY);
}

#[test]
fn a_secret_that_is_not_there_or_that_others_read_refuses_the_run() {
    let lab = Lab::new();
    kept(&lab);
    let module = lab.shell("echo ran");
    let refused = |says: &str| {
        let ran = lab
            .run(&["run", &module, "--allow", "secret:db"])
            .exits(3)
            .says(&[says]);
        assert_eq!(ran.text(), "");
    };
    let file = lab.home().join("config/secrets/db");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    refused("secret `db` cannot be read");
    fs::remove_file(&file).unwrap();
    refused("there is no secret `db`");
}

#[test]
fn a_grant_that_would_cover_the_secrets_is_refused_beside_them() {
    if !is_root() {
        return;
    }
    let lab = Lab::new();
    kept(&lab);
    let module = lab.shell("echo ran");
    lab.run(&[
        "run",
        &module,
        "--allow",
        "secret:db",
        "--allow",
        "fs.read:/run",
    ])
    .exits(3)
    .says(&["the secrets of the run would be covered"]);
}

#[test]
fn a_credential_of_the_service_manager_is_a_secret() {
    let lab = Lab::new();
    let directory = lab.directory("credentials");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    let file = lab.write("credentials/token", CANARY);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    let module = lab.shell("wc -c < /run/host/secrets/token");
    let ran = lab
        .host(&[
            "run",
            &module,
            "--allow",
            "secret:token",
            "--output",
            "json",
        ])
        .env("CREDENTIALS_DIRECTORY", &directory)
        .run()
        .exits(0);
    assert_eq!(
        ran.record()["value"]["_output"],
        format!("{}\n", CANARY.len())
    );
}
