//! What others wrote cannot act on a terminal, deceive a reader or make a line of the journal: reasons, names of callers,
//! sets and files, and the text of rules, tables and groups.

use serde_json::json;

use super::{RUN, fails, marking, marking_set, owned, permits, refuses, ruled};
use crate::lab::Lab;
use crate::terminal::{on_terminal, without_progress};

/// Clears a terminal, sets its title, turns the text around, rings, begins a line, and hides a letter.
const EVIL: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{2066}\r\nb\u{200b}\u{2028}c\u{85}d";

/// The same where no line may end.
fn evil_line() -> String {
    EVIL.replace(['\r', '\n', '\u{2028}', '\u{85}'], "")
}

/// Asserts that nothing in `text` acts on a terminal or cannot be seen.
#[track_caller]
fn is_plain(text: &str) {
    let acts = |letter: &char| {
        let plain = ['\n', '\r', '\t'].contains(letter);
        let hidden = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        letter.is_control() && !plain || hidden
    };
    let found: Vec<char> = text.chars().filter(acts).collect();
    assert!(found.is_empty(), "{found:?} in {text:?}");
}

/// What a command shows on a terminal, where it ends with `code` and says `says`.
#[track_caller]
fn shows(lab: &Lab, code: i32, arguments: &[&str], says: &str) {
    let shown = on_terminal(lab, "", "", arguments).env("NO_COLOR", "1");
    let shown = without_progress(&shown.run().exits(code).text());
    is_plain(&shown);
    assert!(shown.contains(says), "no `{says}` in {shown:?}");
    let piped = lab.run(arguments).exits(code);
    is_plain(&piped.text());
    is_plain(&piped.stderr);
    let json = lab.run(&[&["--output", "json"], arguments].concat());
    is_plain(&json.exits(code).text());
}

#[test]
fn a_reason_is_one_text_of_one_line_wherever_it_is_kept() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let none = marking_set(&lab, "none", "");
    let rules = format!(
        "{RUN}@id(\"why\") forbid (principal, action == Action::\"run\", resource) when {{ context.reason == \"\" }};"
    );
    let some = marking_set(&lab, "some", &rules);
    let (ran, line) = refuses(&lab, &module, &none, &["--reason", EVIL]);
    is_plain(&ran.stderr);
    assert_eq!(line["request"]["reason"], EVIL);
    permits(&lab, &module, &some, &["--reason", EVIL]);
    let journal = lab.read("home/state/journal.jsonl");
    assert_eq!(journal.matches('\n').count(), 3, "{journal:?}");
    assert!(
        !journal.contains('\u{1b}') && !journal.contains('\r'),
        "{journal:?}"
    );
    let events: Vec<_> = lab
        .journal()
        .iter()
        .map(|line| line["event"].clone())
        .collect();
    assert_eq!(events, ["refused", "intended", "finished"]);
    let run = [
        "run", &module, "--policy", &none, "--as", "alice", "--reason", EVIL,
    ];
    shows(&lab, 3, &run, "no rule permits it");
}

#[test]
fn a_caller_has_a_plain_name_or_none() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, "rules", RUN);
    let line = evil_line();
    for caller in [
        EVIL,
        &line,
        "alice\n",
        "alice\u{202e}",
        "\u{430}lice",
        " alice",
        "..",
    ] {
        let run = ["run", &module, "--policy", &set, "--as", caller];
        let ran = fails(lab.host(&run), &lab, 2, &["--as", "caller name"]);
        is_plain(&ran.stderr);
        let explain = ["policy", "explain", &set, "--as", caller, "demo"];
        is_plain(&lab.run(&explain).exits(2).stderr);
    }
}

#[test]
fn a_set_with_an_odd_name_is_named_so_that_it_can_be_read() {
    let lab = Lab::new();
    let module = marking(&lab, &[], "");
    let set = marking_set(&lab, EVIL, "");
    let (ran, line) = refuses(&lab, &module, &set, &[]);
    is_plain(&ran.stderr);
    assert_eq!(line["policy"]["set"], EVIL);
    assert_eq!(
        lab.read("home/state/journal.jsonl").matches('\n').count(),
        1
    );
    shows(&lab, 0, &["policy", "check", &set], "1 rule");
    let nowhere = format!("{set}/{EVIL}");
    let host = ruled(&lab, &module, &nowhere, &[]);
    is_plain(&host.run().exits(3).stderr);
    shows(&lab, 2, &["policy", "check", &nowhere], "there is no");
}

#[test]
fn the_text_of_rules_is_shown_and_never_obeyed() {
    let lab = Lab::new();
    let evil = evil_line();
    let module = marking(
        &lab,
        &[json!({"capability": "fs.read:/etc/x", "optional": true})],
        "",
    );
    let rules = format!(
        "// {evil}
@id(\"run\") @source(\"{evil}\") permit (principal, action == Action::\"run\", resource) when {{ context.reason != \"{evil}\" }};
@id(\"near\") permit (principal, action == Action::\"fs.read\", resource in Path::\"/etc\") when {{ context.reason == \"{evil}\" && context.input.hasTag(\"{evil}\") }};
@id(\"never\") // {evil}
forbid (principal, action == Action::\"run\", resource) when {{ context.reason == \"no {evil}\" }};"
    );
    let set = marking_set(&lab, "rules", &rules);
    let explain = ["policy", "explain", &set, "--as", "alice", &module];
    let no = format!("no {evil}");
    let refused = [&explain[..], &["--reason", &no]].concat();
    shows(&lab, 0, &explain, "nearest rule for fs.read:/etc/x:");
    shows(&lab, 3, &refused, "decided here");
    shows(&lab, 0, &["policy", "check", &set], "warning:");
    shows(
        &lab,
        0,
        &["policy", "who-can", &set, &module],
        "everybody else",
    );
    let (ran, _) = refuses(&lab, &module, &set, &["--reason", &no]);
    is_plain(&ran.stderr);
}

#[test]
fn what_is_wrong_with_a_set_is_told_in_letters_that_show() {
    let lab = Lab::new();
    let evil = evil_line();
    let module = marking(&lab, &[], "");
    let rules = format!(
        "@id(\"{evil}\") permit (principal, action == Action::\"run {evil}\", resource);
permit (principal, action == Action::\"run\", resource) when {{ context.{evil} }};
forbid (principal in Group::\"{evil}\", action == Action::\"fs.read\", resource in Path::\"/{evil}\");
permit (principal, action == Action::\"run\", resource) when {{ context.predicates.contains(\"{evil}\") }};"
    );
    let set = marking_set(&lab, "rules", &rules);
    let escaped = "a\\u001b[2J\\u202e";
    let groups = format!(
        "format = \"host.groups/1\"\n[groups]\n\"{escaped}\" = [\"{escaped}\", \"@{escaped}\"]\n"
    );
    owned(&lab, "sets/rules/groups.toml", groups);
    owned(&lab, &format!("sets/rules/{evil}"), "x");
    shows(&lab, 3, &["policy", "check", &set], "cannot be used");
    let host = ruled(&lab, &module, &set, &[]);
    is_plain(&fails(host, &lab, 3, &["cannot be used"]).stderr);
    let run = ["run", &module, "--policy", &set, "--as", "alice"];
    shows(&lab, 3, &run, "cannot be used");
}

#[test]
fn the_cases_of_a_table_have_names_that_show() {
    let lab = Lab::new();
    let set = super::set(&lab, "rules", RUN);
    let escaped = "a\\e[2J\\u202e\\nb";
    let table = format!(
        "format: host.decisions/1
cases:
  - {{name: \"{escaped}\", as: alice, task: demo, expect: refused, because: [\"{escaped}\"], missing: [\"{escaped}\"]}}
"
    );
    let file = format!("{}.decisions.yaml", evil_line());
    owned(&lab, &format!("sets/rules/{file}"), table);
    shows(&lab, 1, &["policy", "test", &set], "0 passed, 1 failed");
    let other = super::set(
        &lab,
        "other",
        "permit (principal, action == Action::\"run\", resource == Task::\"other\");",
    );
    shows(&lab, 1, &["policy", "diff", &set, &other], "1 difference");
    owned(
        &lab,
        &format!("sets/rules/{file}"),
        format!("format: \"{escaped}\"\ncases: []\n"),
    );
    shows(
        &lab,
        3,
        &["policy", "check", &set],
        "a table cannot be read",
    );
}

#[test]
fn old_policies_are_reported_in_letters_that_show() {
    let lab = Lab::new();
    let evil = evil_line();
    for text in [
        format!("policy default deny\nallow\tchoria=alice\t*\tfact={evil}\t*\n{evil}\n"),
        format!("policy default deny\n# {evil}\nallow\tchoria={evil}\t{evil}\t*\t*\n"),
    ] {
        owned(&lab, "old/service.policy", text);
        let import = ["policy", "import", "choria", "old", "--dry-run"];
        shows(&lab, 2, &import, "service.policy:");
    }
}
