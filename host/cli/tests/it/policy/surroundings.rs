//! What rules know of the machine: facts, groups and names are the node's own, and nobody else's word for them counts.

use std::fs;

use serde_json::json;

use super::{fails, marking, marking_set, mode, owned, permits, refuses, ruled};
use crate::lab::Lab;

/// Lets run where the fact `role` is `app`.
const ROLE: &str = "@id(\"app\") permit (principal, action == Action::\"run\", resource) when { context.facts.hasTag(\"role\") && context.facts.getTag(\"role\") == \"app\" };";

/// A file among the settings of a lab.
fn setting(lab: &Lab, below: &str, text: &str) -> String {
    let path = owned(lab, &format!("home/config/{below}"), text);
    for private in ["home", "home/config"] {
        mode(&lab.path(private), 0o700);
    }
    path
}

#[test]
fn a_fact_of_the_node_permits_and_without_it_nothing_runs() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", ROLE);
    refuses(&lab, &module, &set, &[]);
    for (name, text) in [
        ("role.json", "{\"role\": \"app\"}"),
        ("role.yaml", "role: app"),
        ("role.toml", "role = 'app'"),
    ] {
        let file = setting(&lab, &format!("facts.d/{name}"), text);
        permits(&lab, &module, &set, &[]);
        fs::remove_file(file).unwrap();
    }
    setting(&lab, "facts.d/role.json", "{\"role\": \"db\"}");
    let (_, line) = refuses(&lab, &module, &set, &[]);
    assert_eq!(line["request"]["facts"]["role"], "db");
    assert!(line["request"]["facts"]["kernel"]["release"].is_string());
}

#[test]
fn facts_that_others_could_have_written_refuse_every_run_by_rules() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", super::RUN);
    let file = setting(&lab, "facts.d/role.json", "{\"role\": \"app\"}");
    let directory = lab.path("home/config/facts.d");
    for (path, open, usual) in [(&file, 0o666, 0o644), (&directory, 0o777, 0o755)] {
        mode(path, open);
        let host = ruled(&lab, &module, &set, &[]);
        fails(host, &lab, 7, &["facts", &format!("mode {open:04o}")]);
        mode(path, usual);
    }
    for (name, text) in [
        ("more.sh", "echo role=app"),
        ("more.json", "[1]"),
        ("more.json", "{"),
    ] {
        let more = setting(&lab, &format!("facts.d/{name}"), text);
        let host = ruled(&lab, &module, &set, &[]);
        fails(host, &lab, 7, &[name]);
        fs::remove_file(more).unwrap();
    }
    permits(&lab, &module, &set, &[]);
    // Whoever decides at the keyboard needs no facts.
    mode(&directory, 0o777);
    lab.run(&["run", &module, "--allow-asked"]).exits(0);
}

#[test]
fn nobody_claims_a_fact_by_input_or_environment() {
    let lab = Lab::new();
    let metadata = json!({
        "parameters": {"role": {"type": "String"}, "facts": {"type": "Hash"}, "groups": {"type": "Array"}},
    });
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\necho ran\n", metadata)
        .build();
    let set = super::set(
        &lab,
        "rules",
        &format!(
            "{ROLE}
             @id(\"ops\") permit (principal in Group::\"ops\", action == Action::\"run\", resource);
             @id(\"web\") permit (principal, action == Action::\"run\", resource) when {{ context.node.name == \"web-01\" || context.node.groups.contains(\"web\") }};"
        ),
    );
    owned(
        &lab,
        "sets/rules/groups.toml",
        "format = \"host.groups/1\"\n[groups]\nops = ['bob']\n",
    );
    let words = [
        "role=app",
        "facts:={\"role\": \"app\"}",
        "groups:=[\"ops\", \"web\"]",
        "--reason",
        "role=app",
    ];
    for caller in ["alice", "ops", "web-01"] {
        let line = ["run", &module, "--policy", &set, "--as", caller];
        let mut host = lab.host(&[&line[..], &words].concat());
        for (name, value) in [
            ("role", "app"),
            ("FACTER_role", "app"),
            ("HOST_FACT_role", "app"),
            ("HOST_NODE", "web-01"),
            ("HOST_NODE_NAME", "web-01"),
            ("HOST_GROUPS", "ops"),
        ] {
            host = host.env(name, value);
        }
        let ran = host.run().exits(3).says(&["no rule permits it"]);
        assert_eq!(ran.text(), "", "{caller}");
    }
    assert_eq!(lab.events(), ["refused"; 3]);
    let line = ["run", &module, "--policy", &set, "--as", "bob"];
    lab.run(&[&line[..], &words].concat()).exits(0);
}

#[test]
fn the_node_is_what_its_settings_say() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let rules = "@id(\"web\") permit (principal, action == Action::\"run\", resource) when {
        context.node.name == \"web-01\" && context.node.groups.contains(\"web\") && context.node.classes.contains(\"role::web\") };";
    let set = marking_set(&lab, "rules", rules);
    let (_, line) = refuses(&lab, &module, &set, &[]);
    assert_eq!(
        line["request"]["node"],
        json!({"groups": [], "classes": []})
    );
    let settings = "[node]\nname = \"web-01\"\ngroups = [\"web\"]\nclasses = [\"role::web\"]\n";
    setting(&lab, "config.toml", settings);
    permits(&lab, &module, &set, &[]);
    let intended = &lab.journal()[1];
    assert_eq!(
        intended["request"]["node"],
        json!({"name": "web-01", "groups": ["web"], "classes": ["role::web"]})
    );
    setting(&lab, "config.toml", &settings.replace("web-01", "web-02"));
    refuses(&lab, &module, &set, &[]);
    setting(&lab, "config.toml", "[node]\nname = \"we b\"\n");
    let host = ruled(&lab, &module, &set, &[]);
    let ran = host.run().exits(2).says(&["node.name"]);
    assert_eq!(ran.text(), "");
    assert!(!super::ran(&lab));
}

#[test]
fn rules_see_the_limits_that_the_run_would_have() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let rules = "@id(\"small\") permit (principal, action == Action::\"run\", resource) when { context.limits.wall <= 5000 && context.limits.files <= 64 };";
    let set = marking_set(&lab, "rules", rules);
    refuses(&lab, &module, &set, &[]);
    refuses(&lab, &module, &set, &["--limit", "wall=5s"]);
    permits(
        &lab,
        &module,
        &set,
        &["--timeout", "5s", "--limit", "files=64"],
    );
}
