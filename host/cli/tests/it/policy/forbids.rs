//! Forbids inside of what is asked: reading goes on without them, writing does not.

use serde_json::{Value, json};

use super::{RUN, decided_by, marking, permits, refuses};
use crate::lab::Lab;

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
