//! Runs that rules refuse: nothing of them starts, and one line of the journal says what decided, and on what.

use serde_json::{Value, json};

use super::{RUN, decided_by, fails, marking, marking_set, permits, refuses, ruled};
use crate::lab::Lab;

#[test]
fn what_no_rule_permits_does_not_run() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", "");
    let (ran, line) = refuses(&lab, &module, &set, &["--reason", "why not"]);
    ran.says(&[
        "no rule permits it",
        "permit (principal == Caller::\"alice\"",
    ])
    .hints("explain");
    assert_eq!(line["policy"]["set"], "rules");
    assert_eq!(decided_by(&line), ["mark"]);
    assert_eq!(line["request"]["reason"], "why not");
    assert_eq!(
        line["record"]["outcome"]["reason"],
        "the run is permitted by no rule"
    );
    // The rule that is offered is all that was missing.
    let offered = ran_rule(&lab, &module, &set);
    let set = marking_set(&lab, "offered", &offered);
    permits(&lab, &module, &set, &[]);
}

/// The rules that a refusal offers.
fn ran_rule(lab: &Lab, module: &str, set: &str) -> String {
    let (ran, _) = refuses(lab, module, set, &[]);
    let (_, rules) = ran.stderr.split_once("smallest rules").unwrap();
    let (_, rules) = rules.split_once('\n').unwrap();
    let (rules, _) = rules.split_once("\n\n").unwrap();
    rules.to_owned()
}

#[test]
fn the_rules_that_a_refusal_offers_open_what_is_missing() {
    let lab = Lab::new();
    let data = lab.directory("data here");
    let asks = [
        json!(format!("fs.read:'{data}'")),
        json!({"capability": "fs.read:/nonexistent", "optional": true}),
    ];
    let module = marking(&lab, &asks, "");
    let set = super::set(
        &lab,
        "rules",
        "permit (principal, action == Action::\"run\", resource == Task::\"other\");",
    );
    let offered = ran_rule(&lab, &module, &set);
    assert_eq!(offered.matches("permit").count(), 3, "{offered}");
    let record = permits(&lab, &module, &super::set(&lab, "offered", &offered), &[]);
    assert_eq!(record["grant"].as_array().unwrap().len(), 2);
}

#[test]
fn a_forbid_outweighs_a_permit_and_is_named_with_its_place() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let rules = format!("{RUN}\n@id(\"never\")\nforbid (principal, action, resource);");
    let set = marking_set(&lab, "rules", &rules);
    let (ran, line) = refuses(&lab, &module, &set, &[]);
    ran.says(&["forbidden by never", "rules.cedar:4"])
        .never_says("smallest");
    assert_eq!(decided_by(&line), ["never"]);
}

/// Cedar passes over a rule that it cannot evaluate, and a forbid that is passed over fails open.
#[test]
fn a_rule_that_cannot_be_evaluated_refuses() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    for effect in ["permit", "forbid"] {
        let rules = format!(
            "{RUN}@id(\"much\") {effect} (principal, action == Action::\"run\", resource) when {{ context.limits.memory * 9223372036854775807 == 1 }};"
        );
        let set = marking_set(&lab, effect, &rules);
        let (ran, line) = refuses(&lab, &module, &set, &[]);
        ran.says(&["overflow", "rules.cedar:"]);
        assert!(decided_by(&line).contains(&"much"), "{line:#}");
    }
}

#[test]
fn a_rule_for_another_time_does_not_count() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let at = |condition: &str| {
        let rules = format!(
            "@id(\"then\") permit (principal, action == Action::\"run\", resource) when {{ {condition} }};"
        );
        marking_set(&lab, "rules", &rules)
    };
    let past = at("context.time < datetime(\"2020-01-01\")");
    refuses(&lab, &module, &past, &[]);
    let host = ruled(&lab, &module, &past, &[]);
    // Nobody but the clock says what time it is.
    let told = host
        .env("HOST_TIME", "2019-01-01T00:00:00Z")
        .env("SOURCE_DATE_EPOCH", "0");
    told.run().exits(3);
    assert!(!super::ran(&lab));
    let since = at("context.time > datetime(\"2020-01-01\")");
    permits(&lab, &module, &since, &[]);
}

#[test]
fn a_refusal_is_a_record_where_a_program_asks() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", "");
    let ran = ruled(&lab, &module, &set, &["--output", "json"])
        .run()
        .exits(3);
    let record = ran.record();
    assert_eq!(record, lab.journal()[0]["record"]);
    assert_eq!(
        (&record["status"], &record["outcome"]["kind"]),
        (&json!("refused"), &json!("refused"))
    );
    assert_eq!(record["caller"], "alice");
    assert!(!super::ran(&lab) && lab.spooled().is_empty());
}

#[test]
fn flags_that_belong_together_are_not_taken_apart() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    for (arguments, says) in [
        (&["--policy", set.as_str()][..], "--as is missing"),
        (&["--as", "alice"], "--policy is missing"),
        (&["--reason", "because"], "missing"),
        (&["--policy", &set, "--as", ""], "`--as`"),
        (&["--policy", &set, "--as", "al ice"], "caller name"),
        (&["--policy", &set, "--as", "a/b"], "caller name"),
        (&["--policy", &set, "--as=-a"], "caller name"),
        (&["--policy", "", "--as", "alice"], "--policy"),
    ] {
        let host = lab.host(&[&["run", module.as_str()], arguments].concat());
        fails(host, &lab, 2, &["error:", says]);
    }
    let long = "x".repeat(1_025);
    let host = ruled(&lab, &module, &set, &["--reason", &long]);
    fails(host, &lab, 2, &["--reason"]);
    permits(&lab, &module, &set, &["--reason", &long[1..]]);
}

#[test]
fn what_asks_for_too_much_to_be_written_down_is_on_record_all_the_same() {
    let lab = Lab::new();
    let deep = "x".repeat(200);
    let deep = [deep.as_str(); 10].join("/");
    let asks: Vec<Value> = (0..16)
        .map(|number| json!(format!("fs.read:/{number}/{deep}/${{name}}")))
        .collect();
    let metadata = json!({
        "parameters": {"name": {"type": "Array[String]"}},
        "extensions": {"host": {"asks": asks}},
    });
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\necho ran\n", metadata)
        .build();
    let set = super::set(&lab, "rules", RUN);
    let names: Vec<String> = (0..64).map(|number| format!("n{number}")).collect();
    let input = json!({"name": names}).to_string();
    let ran = ruled(&lab, &module, &set, &["--input", &input])
        .run()
        .exits(3);
    assert_eq!(ran.text(), "");
    let journal = lab.journal();
    let [line] = journal.as_slice() else {
        panic!("{} lines", journal.len())
    };
    assert_eq!(
        (&line["event"], &line["caller"]),
        (&json!("refused"), &json!("alice"))
    );
    assert_eq!(line["denied"], 1_024);
    assert!(line["reason"].as_str().unwrap().starts_with("fs.read:/0/"));
    assert_eq!(line["policy"]["set"], "rules");
    assert_eq!(
        line["input"].as_str().unwrap().len(),
        64,
        "the digest of the input"
    );
    lab.run(&["audit", "verify"]).exits(0);
}

#[test]
fn an_ask_that_cannot_be_filled_turns_a_caller_away_on_record() {
    let lab = Lab::new();
    let metadata = json!({
        "parameters": {"name": {"type": "String"}},
        "extensions": {"host": {"asks": ["fs.read:/srv/${name}"]}},
    });
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\necho ran\n", metadata)
        .build();
    let set = super::set(&lab, "rules", RUN);
    for name in ["", "..", "-rf/x"] {
        let before = lab.journal().len();
        let input = json!({"name": name}).to_string();
        let ran = ruled(&lab, &module, &set, &["--input", &input]).run();
        assert!([2, 3].contains(&ran.code()), "{}", ran.stderr);
        let journal = lab.journal();
        assert_eq!(journal.len(), before + 1, "{name:?}");
        assert_eq!(journal[before]["event"], "refused");
        assert_eq!(journal[before]["task"], "demo");
    }
}

#[test]
fn rules_decide_also_on_what_this_machine_cannot_give() {
    let lab = Lab::new();
    let asks = [
        json!("unix.connect:/run/nothing"),
        json!("fs.read:/nowhere"),
    ];
    let module = marking(&lab, &asks, "");
    let set = super::set(&lab, "rules", RUN);
    let (ran, line) = refuses(&lab, &module, &set, &[]);
    ran.says(&["unix.connect:/run/nothing", "fs.read:/nowhere"]);
    let asked = line["request"]["asks"].to_string();
    assert!(asked.contains("unix.connect:/run/nothing"), "{asked}");
    let denied = line["record"]["denials"].to_string();
    assert!(denied.contains("unix.connect:/run/nothing") && denied.contains("fs.read:/nowhere"));
}
