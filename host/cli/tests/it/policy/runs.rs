//! Runs that rules permit: what they have, what they go without, and what is on record of both.

use serde_json::{Value, json};

use super::{RUN, decided_by, fails, marking, marking_set, permits, refuses, ruled};
use crate::lab::Lab;

const CANARY: &str = "canary-eeth7quo";

#[test]
fn a_run_has_exactly_what_rules_permit() {
    let lab = Lab::new();
    let (open, shut) = (
        lab.write("open/one.txt", "one\n"),
        lab.write("shut/two.txt", "two\n"),
    );
    let asks = [json!(format!("fs.read:{}", lab.path("open")))];
    let script = format!("cat {open}; cat {shut} 2>/dev/null && echo saw; true");
    let module = marking(&lab, &asks, &script);
    let rules = format!(
        "{RUN}@id(\"open\") permit (principal == Caller::\"alice\", action == Action::\"fs.read\", resource in Path::\"{0}/open\");
         @id(\"shut\") permit (principal, action == Action::\"fs.read\", resource in Path::\"{0}/shut\");",
        lab.root().display()
    );
    let set = marking_set(&lab, "rules", &rules);
    let record = permits(&lab, &module, &set, &["--reason", "to see"]);
    assert_eq!(record["value"]["_output"], "one\n");
    let write = format!("fs.write:{}", lab.path("marks"));
    let read = format!("fs.read:{}", lab.path("open"));
    let granted = json!([
        {"capability": write, "origin": "bundle", "rule": "mark", "used": "unknown"},
        {"capability": read, "origin": "bundle", "rule": "open", "used": "unknown"},
    ]);
    assert_eq!(record["grant"], granted);
    let journal = lab.journal();
    let [intended, finished] = journal.as_slice() else {
        panic!("{journal:#?}");
    };
    assert_eq!(
        (&intended["event"], &finished["event"]),
        (&json!("intended"), &json!("finished"))
    );
    assert_eq!(
        (&intended["caller"], &finished["record"]["caller"]),
        (&json!("alice"), &json!("alice"))
    );
    assert_eq!(intended["grant"], granted);
    assert_eq!(intended["policy"], finished["policy"]);
    assert_eq!(intended["policy"]["set"], "rules");
    assert_eq!(intended["policy"]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(decided_by(intended), ["run", "mark", "open"]);
    assert!(finished["request"].is_null(), "the request is kept twice");
    let request = &intended["request"];
    assert_eq!(request["format"], "host.request/1");
    assert_eq!(
        (&request["task"], &request["reason"]),
        (&json!("demo"), &json!("to see"))
    );
    let asks = request["asks"].as_array().unwrap();
    let asks: Vec<&Value> = asks.iter().map(|ask| &ask["capability"]).collect();
    assert_eq!(asks, [write.as_str(), &read]);
}

#[test]
fn another_caller_has_what_rules_permit_to_that_one() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(
        &lab,
        "rules",
        "@id(\"bob\") permit (principal == Caller::\"bob\", action == Action::\"run\", resource);",
    );
    let (_, line) = refuses(&lab, &module, &set, &[]);
    assert_eq!(decided_by(&line), ["mark"]);
    let run = ["run", &module, "--policy", &set, "--as", "bob"];
    lab.run(&run).exits(0);
    assert!(super::ran(&lab));
    assert_eq!(lab.journal()[1]["caller"], "bob");
}

#[test]
fn what_is_secret_is_neither_decided_on_nor_recorded() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {
        "password": {"type": "String", "sensitive": true},
        "options": {"type": "Hash", "sensitive": true},
        "fallback": {"type": "String", "sensitive": true, "default": "default-canary"},
        "name": {"type": "String"},
    }});
    let script = "#!/bin/sh\nprintf %s \"$PT_password\" | wc -c\n";
    let module = lab.module("demo").task("init.sh", script, metadata).build();
    let tags = "context.input.hasTag(\"password\") || context.input.hasTag(\"fallback\") || context.input.hasTag(\"options.token\")";
    let rules = format!(
        "@id(\"named\") permit (principal, action == Action::\"run\", resource) when {{ context.input.hasTag(\"name\") && context.input.getTag(\"name\") == \"web\" }};
         @id(\"secret\") forbid (principal, action == Action::\"run\", resource) when {{ {tags} }};"
    );
    let set = super::set(&lab, "rules", &rules);
    for (name, code) in [("web", 0), ("db", 3)] {
        let input = json!({"password": CANARY, "options": {"token": CANARY}, "name": name});
        for mode in ["human", "json"] {
            let more = ["--input", "-", "--output", mode];
            let host = ruled(&lab, &module, &set, &more).stdin(input.to_string());
            host.run().exits(code).never_says(CANARY);
        }
    }
    let requests: Vec<Value> = lab
        .journal()
        .iter()
        .filter(|line| !line["request"].is_null())
        .map(|line| line["request"]["input"].clone())
        .collect();
    let (web, db) = (json!({"name": "web"}), json!({"name": "db"}));
    assert_eq!(requests, [web.clone(), web, db.clone(), db]);
    lab.nowhere("home", CANARY);
    lab.nowhere("home/state", "default-canary");
}

#[test]
fn what_is_allowed_at_the_keyboard_is_asked_for_and_nothing_more() {
    let lab = Lab::new();
    let data = lab.directory("data");
    lab.write("data/one.txt", "one\n");
    let read = format!("fs.read:{data}");
    let module = marking(&lab, &[], &format!("cat {data}/one.txt"));
    let shut = marking_set(&lab, "shut", RUN);
    let (ran, line) = refuses(&lab, &module, &shut, &["--allow", &read]);
    ran.says(&[&read, "no rule permits it"]);
    let asks = &line["request"]["asks"];
    assert_eq!(
        asks[1],
        json!({"capability": read, "origin": "caller", "optional": false})
    );
    let rules = format!(
        "{RUN}@id(\"data\") permit (principal, action == Action::\"fs.read\", resource in Path::\"{data}\") when {{ context.origin == \"caller\" }};"
    );
    let open = marking_set(&lab, "open", &rules);
    let record = permits(&lab, &module, &open, &["--allow", &read]);
    assert_eq!(record["value"]["_output"], "one\n");
    assert_eq!(
        record["grant"][1],
        json!({"capability": read, "origin": "caller", "rule": "data", "used": "unknown"})
    );
}

#[test]
fn allowing_all_does_not_give_the_bundle_what_rules_refuse() {
    let lab = Lab::new();
    let data = lab.directory("data");
    let module = marking(&lab, &[json!(format!("fs.read:{data}"))], "");
    let set = marking_set(&lab, "rules", RUN);
    for more in [
        ["--allow", "fs.read:/"],
        ["--allow", &format!("fs.read:{data}")],
        ["--allow", "host.full"],
    ] {
        refuses(&lab, &module, &set, &more);
    }
    let host = ruled(&lab, &module, &set, &["--allow-asked"]);
    fails(
        host,
        &lab,
        2,
        &["`--policy` cannot be used with `--allow-asked`"],
    );
}

#[test]
fn without_rules_a_run_has_no_caller_and_no_policy_on_record() {
    let lab = Lab::new();
    let module = lab.shell("echo ${HOST_NOT_GRANTED-unset}");
    let record = lab.record(&[&module]);
    assert_eq!(
        (&record["caller"], &record["value"]["_output"]),
        (&json!(""), &json!("unset\n"))
    );
    for line in lab.journal() {
        assert!(
            line["policy"].is_null() && line["request"].is_null(),
            "{line:#}"
        );
    }
}

/// The asks that a run goes without: one that rules say nothing of, one that they forbid, and one with a blank.
fn optional(lab: &Lab) -> (Vec<Value>, String, String) {
    let silent = format!("fs.read:{}", lab.directory("silent"));
    let never = format!("fs.write:{}", lab.directory("never"));
    let blank = format!("fs.read:'{}'", lab.directory("two words"));
    let asks = [&silent, &never, &blank]
        .map(|capability| json!({"capability": capability, "optional": true}));
    let rules = format!(
        "{RUN}@id(\"all\") permit (principal, action == Action::\"fs.write\", resource);
         @id(\"never\") forbid (principal, action == Action::\"fs.write\", resource in Path::\"{}\");",
        lab.path("never")
    );
    (asks.into(), rules, [silent, never, blank].join("\n"))
}

#[test]
fn a_task_is_told_what_it_goes_without() {
    let lab = Lab::new();
    let (asks, rules, names) = optional(&lab);
    let module = marking(&lab, &asks, "printf %s \"$HOST_NOT_GRANTED\"");
    let set = super::set(&lab, "rules", &rules);
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(record["value"]["_output"], names.as_str());
    let denied = record["denials"].as_array().unwrap();
    let denied: Vec<&str> = denied
        .iter()
        .filter(|denial| denial["reason"] == "optional, and not granted")
        .map(|denial| denial["capability"].as_str().unwrap())
        .collect();
    assert_eq!(denied.join("\n"), names);
    assert_eq!(record["grant"].as_array().unwrap().len(), 1);
    let module = marking(&lab, &[], "echo ${HOST_NOT_GRANTED-unset}");
    let record = permits(&lab, &module, &set, &[]);
    assert_eq!(record["value"]["_output"], "unset\n");
}

#[test]
fn a_task_cannot_be_told_otherwise() {
    let lab = Lab::new();
    let (asks, rules, names) = optional(&lab);
    let module = marking(&lab, &asks, "printf %s \"$HOST_NOT_GRANTED\"");
    let set = super::set(&lab, "rules", &rules);
    let host = ruled(&lab, &module, &set, &[]).env("HOST_NOT_GRANTED", "nothing");
    assert_eq!(host.run().exits(0).text(), names);
}

#[test]
fn a_program_of_a_task_is_told_what_it_goes_without() {
    let lab = crate::wasm::lab();
    let (asks, rules, names) = optional(&lab);
    let set = super::set(&lab, "rules", &rules);
    let metadata =
        json!({"input_method": "environment", "extensions": {"host": {"asks": asks}}}).to_string();
    for name in crate::wasm::BOTH {
        let program = std::fs::read(crate::wasm::program(name)).unwrap();
        let module = lab
            .module("demo")
            .file("tasks/init.wasm", program)
            .file("tasks/init.json", &metadata)
            .build();
        let more = ["mode=env", "--output", "json"];
        let record = ruled(&lab, &module, &set, &more).run().exits(0).record();
        let environment = &record["value"]["environment"];
        assert_eq!(
            environment["HOST_NOT_GRANTED"],
            names.as_str(),
            "{record:#}"
        );
        assert_eq!(record["grant"], json!([]));
    }
}
