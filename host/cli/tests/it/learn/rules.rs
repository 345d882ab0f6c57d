//! What `host policy learn` makes of an audit log, also of one that has something else in it than it should.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::lab::{Lab, Ran};

/// A lab whose audit log has these lines.
fn lab(lines: &[String]) -> Lab {
    let lab = Lab::new();
    let module = lab.shell("true");
    lab.record(&[&module]);
    lab.write("home/state/journal.jsonl", lines.join("\n") + "\n");
    lab
}

/// A line for a run that learned.
fn line(run: u8, caller: &str, grant: &Value, learned: &Value) -> Value {
    json!({
        "format": "host.journal/1",
        "seq": run,
        "time": "2026-01-01T00:00:00.000Z",
        "event": "finished",
        "record": {
            "run": format!("0192f3c1a2b4714f8c6e1f0a9d3b5c{run:02x}"),
            "caller": caller,
            "task": "demo",
            "grant": grant,
            "denials": [],
        },
        "learned": learned,
    })
}

fn granted(capability: &str, used: &str) -> Value {
    json!({"capability": capability, "origin": "caller", "rule": "r", "used": used})
}

fn noted(capability: &str, granted: bool) -> Value {
    json!({"capability": capability, "granted": granted, "file": true, "times": 1})
}

fn learn(lab: &Lab, arguments: &[&str]) -> Ran {
    let arguments = [&["policy", "learn"], arguments].concat();
    // The log is made up, and would not be found whole.
    lab.host(&arguments).start().end_unsettled().exits(0)
}

/// The permits that were learned, without comments.
fn permits(ran: &Ran) -> String {
    let text = ran.text();
    let lines = text.lines().filter(|line| !line.starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What could not be seen to be used was taken for used: a run of which nothing was seen learned its whole grant.
#[test]
fn a_run_that_could_not_be_seen_is_not_learned_as_its_grant() {
    let grant = json!([
        granted("fs.read:/srv/all", "unknown"),
        granted("env:LANG", "unknown")
    ]);
    let mut blind = line(1, "", &grant, &json!([noted("fs.read:/srv/all/a", true)]));
    blind["learned_blind"] = json!(true);
    let lab = lab(&[blind.to_string()]);
    let ran = learn(&lab, &[]).says(&["could not be seen"]);
    let permits = permits(&ran);
    assert!(permits.contains("\"/srv/all/a\"") && permits.contains("\"LANG\""));
    assert!(!permits.contains("\"/srv/all\""), "{permits}");
    assert!(
        ran.text().contains("// nobody was named who ran this"),
        "{}",
        ran.text()
    );
}

#[test]
fn what_cannot_be_read_of_a_log_is_left_out_and_said() {
    let notes = json!([noted("fs.read:/${a}", true), noted("fs.read:/srv/a", true)]);
    let lines = [
        line(
            1,
            "alice",
            &json!([granted("fs.write:relative", "yes")]),
            &notes,
        )
        .to_string(),
        "{\"format\":\"host.journal/1\",\"seq\"".to_owned(),
    ];
    let lab = lab(&lines);
    let ran = learn(&lab, &[]).says(&[
        "1 lines of the audit log cannot be read",
        "2 things that stand in the records of these runs cannot be read",
    ]);
    let permits = permits(&ran);
    assert!(permits.contains("\"/srv/a\"") && permits.contains("Caller::\"alice\""));
}

#[test]
fn a_log_that_cannot_be_opened_is_no_log_without_runs() {
    let lab = lab(&[]);
    let state = lab.home().join("state");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let ran = lab.host(&["policy", "learn"]).start().end_unsettled();
    ran.exits(7).never_says("no run on record");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
}

/// Directories counted as files of the directory above, what was only wanted counted too, and what was permitted was more
/// than any run had had.
#[test]
fn directories_stand_for_files_that_were_had_with_all_of_their_directory() {
    let four = |directory: &str, granted: bool| {
        let names = ["a", "b", "c", "d"].iter();
        names
            .map(|name| noted(&format!("fs.read:{directory}/{name}"), granted))
            .collect::<Vec<Value>>()
    };
    let whole = |directory: &str| format!("\"{directory}\"");
    let directories = |grant: &Value, notes: &[Value], hidden: Option<&str>| {
        let mut line = line(1, "alice", grant, &json!(notes));
        if let Some(hidden) = hidden {
            line["record"]["denials"] =
                json!([{"capability": hidden, "reason": "inside a grant, and forbidden by x"}]);
        }
        let lab = lab(&[line.to_string()]);
        let ran = learn(&lab, &["--directories", "--wanted"]);
        (permits(&ran), ran.text())
    };
    let grant = json!([granted("fs.read:/srv/d", "yes")]);
    let (permits, text) = directories(&grant, &four("/srv/d", true), None);
    assert!(
        permits.contains(&whole("/srv/d")) && !permits.contains("/srv/d/a"),
        "{text}"
    );
    assert!(text.contains("// this is in place of 4 files"), "{text}");
    // More than the grant.
    let (permits, text) = directories(&grant, &four("/srv", true), None);
    assert!(!permits.contains(&whole("/srv")), "{text}");
    // Only wanted.
    let (permits, text) = directories(
        &json!([granted("fs.read:/srv", "no")]),
        &four("/srv/d", false),
        None,
    );
    assert!(!permits.contains(&whole("/srv/d")), "{text}");
    // Not all of it was there.
    let (permits, text) = directories(&grant, &four("/srv/d", true), Some("fs.read:/srv/d/keys/k"));
    assert!(!permits.contains(&whole("/srv/d")), "{text}");
    // No files.
    let mut notes = four("/srv/d", true);
    notes[0]["file"] = json!(false);
    let (permits, text) = directories(&grant, &notes, None);
    assert!(!permits.contains(&whole("/srv/d")), "{text}");
}

#[test]
fn nobody_learns_what_only_others_used() {
    let grant = json!([]);
    let of = |run, caller, path: &str| {
        line(
            run,
            caller,
            &grant,
            &json!([noted(&format!("fs.read:/srv/{path}"), true)]),
        )
        .to_string()
    };
    let lab = lab(&[of(1, "alice", "a"), of(2, "bob", "b")]);
    let ran = learn(&lab, &[]);
    for line in permits(&ran).lines().filter(|line| line.contains("/srv/")) {
        let is_hers = line.contains("Caller::\"alice\"") && line.contains("/srv/a");
        let is_his = line.contains("Caller::\"bob\"") && line.contains("/srv/b");
        assert!(is_hers || is_his, "{line}");
    }
    assert!(!ran.text().contains("nobody was named"));
}
