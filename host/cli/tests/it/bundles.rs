//! Bundles: packed, signed, trusted, tampered with, and tars that mean harm.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::lab::Lab;

/// A module with a version, whose task says `ran`.
fn module(lab: &Lab) -> String {
    lab.module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\necho ran\n",
            json!({"description": "Says that it ran"}),
        )
        .file(
            "metadata.json",
            r#"{"name": "author-demo", "version": "1.0.0"}"#,
        )
        .build()
}

/// A new key pair of ssh-keygen's; returns the private half's path.
fn ssh_key(lab: &Lab, name: &str) -> String {
    let path = lab.path(name);
    let comment = format!("{name}@example.com");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", &comment, "-f", &path])
        .status();
    assert!(
        made.expect("this test needs ssh-keygen (package openssh-client)")
            .success()
    );
    path
}

/// The module packed and unsigned.
fn packed(lab: &Lab) -> String {
    let bundle = lab.path("demo.tar");
    lab.run(&["bundle", "pack", &module(lab), "-o", &bundle, "--no-sign"])
        .exits(0);
    bundle
}

/// The module packed, signed by a key that the lab trusts.
fn trusted(lab: &Lab) -> String {
    let bundle = packed(lab);
    let key = ssh_key(lab, "author");
    lab.run(&["bundle", "sign", &bundle, "--key", &key])
        .exits(0);
    lab.run(&[
        "trust",
        "add",
        &format!("{key}.pub"),
        "--owner",
        "author@example.com",
    ])
    .exits(0);
    bundle
}

/// Asserts that nothing of a refused bundle is kept and nothing of it ran.
#[track_caller]
fn nothing_kept(lab: &Lab) {
    assert!(
        lab.files("home/cache").is_empty(),
        "{:?}",
        lab.files("home/cache")
    );
    assert!(
        !lab.events().iter().any(|event| event == "intended"),
        "something ran"
    );
}

#[test]
fn a_bundle_by_a_trusted_key_runs_and_its_signer_is_on_record() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    lab.run(&["bundle", "verify", &bundle]).exits(0);
    let record = lab.record(&[&bundle]);
    assert_eq!(record["value"]["_output"], "ran\n");
    assert_eq!(record["bundle"]["signers"], json!(["author@example.com"]));
    assert_eq!(
        (&record["bundle"]["module"], &record["bundle"]["version"]),
        (&json!("demo"), &json!("1.0.0"))
    );
}

#[test]
fn our_own_key_signs_what_is_packed() {
    let lab = Lab::new();
    let ran = lab
        .run(&["key", "new", "--comment", "me@example.com"])
        .exits(0);
    assert!(ran.text().starts_with("ssh-ed25519 "), "{}", ran.text());
    let public = lab.write("me.pub", ran.text());
    let bundle = lab.path("demo.tar");
    lab.run(&["bundle", "pack", &module(&lab), "-o", &bundle])
        .exits(0);
    lab.run(&["bundle", "verify", &bundle])
        .exits(4)
        .hints("host trust add");
    lab.run(&["trust", "add", &public]).exits(0);
    lab.run(&["bundle", "verify", &bundle]).exits(0);
    assert_eq!(
        lab.record(&[&bundle])["bundle"]["signers"],
        json!(["me@example.com"])
    );
}

#[test]
fn ssh_keygen_verifies_what_host_signed() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let entry = |name: &str| {
        Command::new("tar")
            .args(["-xOf", &bundle, name])
            .output()
            .unwrap()
            .stdout
    };
    let signatures: Value = serde_json::from_slice(&entry("host/signatures.json")).unwrap();
    let text = signatures.to_string();
    assert!(text.contains("SSH SIGNATURE"), "{text}");
    let armoured =
        find_text(&signatures, "-----BEGIN SSH SIGNATURE-----").expect("a signature in armour");
    let signature = lab.write("signature", armoured);
    let manifest = lab.write("manifest.json", entry("host/manifest.json"));
    let public = lab.read("author.pub");
    let signers = lab.write(
        "signers",
        format!("author@example.com namespaces=\"bundle@host\" {public}"),
    );
    let check = |namespace: &str| {
        let arguments = [
            "-Y",
            "verify",
            "-f",
            &signers,
            "-I",
            "author@example.com",
            "-n",
            namespace,
            "-s",
            &signature,
        ];
        Command::new("ssh-keygen")
            .args(arguments)
            .stdin(fs::File::open(&manifest).unwrap())
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(
        check("bundle@host"),
        "ssh-keygen does not accept the signature"
    );
    assert!(
        !check("order@host"),
        "the signature holds in another namespace"
    );
}

fn find_text<'v>(value: &'v Value, start: &str) -> Option<&'v str> {
    match value {
        Value::String(text) => text.starts_with(start).then_some(text),
        Value::Array(items) => items.iter().find_map(|item| find_text(item, start)),
        Value::Object(fields) => fields.values().find_map(|item| find_text(item, start)),
        _ => None,
    }
}

#[test]
fn an_unsigned_bundle_is_not_run() {
    let lab = Lab::new();
    let bundle = packed(&lab);
    let ran = lab
        .run(&["run", &bundle])
        .exits(4)
        .says(&["not trusted", "not signed"])
        .hints("host bundle sign");
    assert_eq!(ran.text(), "");
    nothing_kept(&lab);
}

#[test]
fn a_bundle_by_an_unknown_key_is_not_run_and_the_key_is_named() {
    let lab = Lab::new();
    let bundle = packed(&lab);
    let key = ssh_key(&lab, "stranger");
    lab.run(&["bundle", "sign", &bundle, "--key", &key])
        .exits(0);
    for command in [&["run", &bundle][..], &["bundle", "verify", &bundle]] {
        lab.run(command)
            .exits(4)
            .says(&["SHA256:"])
            .hints("host trust add");
    }
    nothing_kept(&lab);
}

#[test]
fn a_key_that_is_trusted_for_another_module_is_not_enough() {
    let lab = Lab::new();
    let bundle = packed(&lab);
    let key = ssh_key(&lab, "author");
    lab.run(&["bundle", "sign", &bundle, "--key", &key])
        .exits(0);
    lab.run(&[
        "trust",
        "add",
        &format!("{key}.pub"),
        "--owner",
        "author",
        "--module",
        "other",
    ])
    .exits(0);
    lab.run(&["run", &bundle])
        .exits(4)
        .says(&["`author`", "`demo`"]);
    nothing_kept(&lab);
}

/// It was once advised to trust the key, revoked or not.
#[test]
fn what_was_decided_against_is_not_advised() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let list = lab.home().join("config/trust.json");
    let trusting: Value = serde_json::from_slice(&fs::read(&list).unwrap()).unwrap();
    let shown = lab.run(&["trust", "show", "--output", "json"]).exits(0);
    let fingerprint = shown
        .text()
        .split('"')
        .find(|word| word.starts_with("SHA256:"))
        .unwrap()
        .to_owned();
    for (member, value, advice) in [
        (
            "revoked",
            json!({"keys": [fingerprint]}),
            "get a newer bundle from its author, signed by a key that is not revoked",
        ),
        (
            "least",
            json!({"demo": "9.0.0"}),
            "get a newer bundle from its author",
        ),
        (
            "threshold",
            json!(2),
            "another owner of a trusted key must sign it",
        ),
    ] {
        let mut changed = trusting.clone();
        changed[member] = value;
        fs::write(&list, changed.to_string()).unwrap();
        for command in [
            &["run", &bundle][..],
            &["run", &bundle, "--help"],
            &["bundle", "verify", &bundle],
        ] {
            lab.run(command)
                .exits(4)
                .hints(advice)
                .never_says("host trust add");
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_is_noticed_and_nothing_is_kept() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let good = fs::read(&bundle).unwrap();
    let size = good.len();
    let step = size / 12;
    for place in (0..size).step_by(step).chain([size - 1, size - 1025]) {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        let bad = lab.write("bad.tar", bytes);
        let ran = lab.run(&["run", &bad]).says(&["error:"]);
        assert!(
            [2, 4].contains(&ran.code()) && ran.text().is_empty(),
            "byte {place} of {size}: exit {}\n{}",
            ran.code(),
            ran.stderr
        );
        nothing_kept(&lab);
    }
    lab.run(&["run", &bundle]).exits(0);
}

#[test]
fn a_changed_program_is_damage_and_no_distrust() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let text = fs::read(&bundle).unwrap();
    let place = text
        .windows(8)
        .position(|window| window == b"echo ran")
        .unwrap();
    let mut bytes = text;
    bytes[place..place + 8].copy_from_slice(b"echo bad");
    let bad = lab.write("bad.tar", bytes);
    for command in [&["run", &bad][..], &["bundle", "verify", &bad]] {
        lab.run(command)
            .exits(4)
            .says(&["tasks/init.sh"])
            .never_says("echo bad");
    }
    nothing_kept(&lab);
}

#[test]
fn a_truncated_bundle_is_refused_at_every_length() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let good = fs::read(&bundle).unwrap();
    for length in (0..good.len())
        .step_by(good.len() / 9)
        .chain([1, 511, 512, good.len() - 1])
    {
        let short = lab.write("short.tar", &good[..length]);
        let ran = lab.run(&["run", &short]).says(&["error:"]);
        assert!(
            [2, 4].contains(&ran.code()) && ran.text().is_empty(),
            "{length} bytes: exit {}\n{}",
            ran.code(),
            ran.stderr
        );
        nothing_kept(&lab);
    }
}

#[test]
fn a_bundle_with_something_behind_its_end_is_refused() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let mut bytes = fs::read(&bundle).unwrap();
    bytes.extend_from_slice(b"more");
    let longer = lab.write("longer.tar", bytes);
    lab.run(&["run", &longer]).exits(4).says(&["error:"]);
    nothing_kept(&lab);
}

/// Python that writes hostile tars, each a module with a good task and one member that means harm.
const HOSTILE: &str = include_str!("hostile_tars.py");

#[test]
fn a_tar_that_means_harm_is_refused_and_leaves_nothing() {
    let lab = Lab::new();
    let tars = lab.directory("tars");
    let made = Command::new("/usr/bin/python3")
        .args(["-c", HOSTILE, &tars])
        .status()
        .expect("this test needs python3");
    assert!(made.success());
    let mut seen = 0;
    for tar in lab.files("tars") {
        let name = tar.file_stem().unwrap().to_str().unwrap().to_owned();
        let ran = lab.run(&["run", tar.to_str().unwrap()]).says(&["error:"]);
        assert!(
            [2, 4].contains(&ran.code()),
            "{name}: exit {}\n{}\n{}",
            ran.code(),
            ran.text(),
            ran.stderr
        );
        assert!(
            ran.text().is_empty() && !ran.stderr.contains('\u{1b}'),
            "{name}: {}",
            ran.stderr
        );
        nothing_kept(&lab);
        seen += 1;
    }
    assert_eq!(seen, 16);
    assert!(!std::path::Path::new("/tmp/host-it-evil").exists());
    let entries: Vec<_> = fs::read_dir(lab.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(
        entries.iter().all(|name| name == "tars" || name == "home"),
        "{entries:?}"
    );
}

#[test]
fn a_plain_tar_of_a_module_runs_as_its_directory_does() {
    let lab = Lab::new();
    let module = module(&lab);
    let tar = lab.path("plain.tar");
    let parent = std::path::Path::new(&module).parent().unwrap();
    for arguments in [
        &["-cf", &tar, "-C", parent.to_str().unwrap(), "demo"][..],
        &["-cf", &tar, "-C", &module, "."],
    ] {
        assert!(
            Command::new("tar")
                .args(arguments)
                .status()
                .unwrap()
                .success()
        );
        let record = lab.record(&[&tar]);
        assert_eq!(
            (&record["value"]["_output"], &record["bundle"]["signers"]),
            (&json!("ran\n"), &json!([]))
        );
        // Whoever takes the signatures out of a bundle makes a plain tar of it.
        lab.run(&["run", &tar]).exits(0).says(&["nobody signed it"]);
    }
    lab.run(&["run", &module])
        .exits(0)
        .never_says("nobody signed it");
}

#[test]
fn packing_twice_gives_the_same_bytes() {
    let lab = Lab::new();
    let first = fs::read(packed(&lab)).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(20));
    let module = module(&lab);
    for file in lab.files("modules") {
        fs::File::open(file)
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
    }
    let again = lab.path("again.tar");
    lab.run(&["bundle", "pack", &module, "-o", &again, "--no-sign"])
        .exits(0);
    assert!(first == fs::read(again).unwrap(), "two packs differ");
}

#[test]
fn a_link_in_a_module_is_not_packed() {
    let lab = Lab::new();
    let module = module(&lab);
    fs::create_dir_all(format!("{module}/files")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", format!("{module}/files/link")).unwrap();
    let bundle = lab.path("demo.tar");
    lab.run(&["bundle", "pack", &module, "-o", &bundle, "--no-sign"])
        .exits(2)
        .says(&["files/link", "a link"]);
    lab.run(&["run", &module]).exits(2).says(&["a link"]);
    assert!(!std::path::Path::new(&bundle).exists());
}

#[test]
fn what_cannot_be_used_is_not_packed_and_nothing_is_left() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\n", Value::Null)
        .file("tasks/init.json", "{\"input_method\": \"telepathy\"}")
        .file("metadata.json", r#"{"version": "1.0.0"}"#)
        .build();
    let out = lab.directory("out");
    lab.run(&[
        "bundle",
        "pack",
        &module,
        "-o",
        &format!("{out}/demo.tar"),
        "--no-sign",
    ])
    .exits(2)
    .says(&["input_method"]);
    assert!(lab.files("out").is_empty());
    let versionless = lab
        .module("other")
        .task("init.sh", "#!/bin/sh\n", Value::Null)
        .build();
    lab.run(&[
        "bundle",
        "pack",
        &versionless,
        "-o",
        &format!("{out}/other.tar"),
        "--no-sign",
    ])
    .exits(2)
    .says(&["version"])
    .hints("--version");
    assert!(lab.files("out").is_empty());
}

#[test]
fn an_overlay_gives_an_unchanged_module_its_asks() {
    let lab = Lab::new();
    let module = module(&lab);
    let data = lab.directory("data");
    let asks = lab.write(
        "asks.json",
        json!({"format": "host.asks/1", "tasks": {"demo": {"asks": [format!("fs.read:{data}")]}}})
            .to_string(),
    );
    let bundle = lab.path("demo.tar");
    let key = ssh_key(&lab, "author");
    lab.run(&[
        "bundle",
        "pack",
        &module,
        "-o",
        &bundle,
        "--asks",
        &asks,
        &format!("--sign={key}"),
    ])
    .exits(0);
    lab.run(&["trust", "add", &format!("{key}.pub")]).exits(0);
    lab.run(&["run", &bundle])
        .exits(3)
        .says(&[&data, "(asked by the overlay)"]);
    let record = lab.record(&[&bundle, "--allow-asked"]);
    assert_eq!(record["grant"][0]["origin"], "overlay");
}

#[test]
fn showing_a_bundle_needs_no_trust_and_runs_nothing() {
    let lab = Lab::new();
    let bundle = packed(&lab);
    let shown = lab.run(&["bundle", "show", &bundle]).exits(0).text();
    assert!(shown.contains("demo") && shown.contains("1.0.0"), "{shown}");
    let record = lab
        .run(&["--output", "json", "bundle", "show", &bundle])
        .exits(0)
        .record();
    assert!(record.is_object());
    nothing_kept(&lab);
}

#[test]
fn a_difference_shows_asks_and_files() {
    let lab = Lab::new();
    let old = packed(&lab);
    let metadata = json!({"extensions": {"host": {"asks": ["fs.read:/etc/hostname"]}}});
    let newer = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\necho ran\necho more\n", metadata)
        .file("files/new.txt", "new\n")
        .build();
    let new = lab.path("new.tar");
    lab.run(&[
        "bundle",
        "pack",
        &newer,
        "-o",
        &new,
        "--version",
        "1.1.0",
        "--no-sign",
    ])
    .exits(0);
    let shown = lab.run(&["bundle", "diff", &old, &new]).exits(0).text();
    for part in ["fs.read:/etc/hostname", "tasks/init.sh", "files/new.txt"] {
        assert!(shown.contains(part), "no `{part}` in\n{shown}");
    }
}

#[test]
fn a_second_signature_stands_beside_the_first() {
    let lab = Lab::new();
    let bundle = trusted(&lab);
    let second = ssh_key(&lab, "second");
    lab.run(&["bundle", "sign", &bundle, "--key", &second])
        .exits(0);
    lab.run(&["bundle", "verify", &bundle]).exits(0);
    lab.run(&[
        "trust",
        "add",
        &format!("{second}.pub"),
        "--owner",
        "second@example.com",
    ])
    .exits(0);
    let record = lab.record(&[&bundle]);
    let mut signers: Vec<&str> = record["bundle"]["signers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| owner.as_str().unwrap())
        .collect();
    signers.sort_unstable();
    assert_eq!(signers, ["author@example.com", "second@example.com"]);
}

#[test]
fn a_key_is_never_overwritten_and_stays_private() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.run(&["key", "new"]).exits(0);
    let private = lab.path("home/config/key");
    assert_eq!(
        fs::metadata(&private).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let before = fs::read(&private).unwrap();
    let ran = lab.run(&["key", "new"]).says(&["key"]);
    assert_ne!(ran.code(), 0);
    assert!(
        before == fs::read(&private).unwrap(),
        "the key was overwritten"
    );
    let public = Command::new("ssh-keygen")
        .args(["-y", "-f", &private])
        .output()
        .unwrap();
    let shown = lab.run(&["key", "show"]).exits(0).text();
    let body = String::from_utf8(public.stdout)
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .to_owned();
    assert!(shown.contains(&body), "ssh-keygen reads another key");
}

#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    let lab = Lab::new();
    let path = lab.path("rsa");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", &path])
        .status()
        .unwrap();
    assert!(made.success());
    lab.run(&["trust", "add", &format!("{path}.pub"), "--owner", "x"])
        .says(&["ssh-rsa"])
        .exits(2);
    let bundle = packed(&lab);
    let before = fs::read(&bundle).unwrap();
    let ran = lab
        .run(&["bundle", "sign", &bundle, "--key", &path])
        .says(&["error:"]);
    assert!(
        ran.code() != 0 && before == fs::read(&bundle).unwrap(),
        "exit {}",
        ran.code()
    );
}
