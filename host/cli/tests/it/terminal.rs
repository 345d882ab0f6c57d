//! What a terminal shows: a sign of life that goes away, colours, and nothing that a task could act on it with.

use serde_json::json;

use crate::lab::{Host, Lab, Ran, binary};

/// Gives a program a terminal of its own and prints what that gets.
const TERMINAL: &str = include_str!("terminal.py");

/// `host` on a terminal; `typed` is typed as soon as `wait` has been shown.
pub(crate) fn on_terminal<'l>(
    lab: &'l Lab,
    wait: &str,
    typed: &str,
    arguments: &[&str],
) -> Host<'l> {
    let script = "script=$1; shift; exec /usr/bin/python3 -c \"$script\" \"$@\"";
    let host = binary();
    let words = [&[TERMINAL, wait, typed, host.to_str().unwrap()], arguments].concat();
    Host::by_shell(lab, &format!("shift; {script}"), &words)
}

fn shown(lab: &Lab, arguments: &[&str]) -> Ran {
    on_terminal(lab, "", "", arguments).run()
}

/// The lines that stand on a terminal of 80 columns after it got `text`. Colours are left out.
fn screen(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                let end = rest
                    .find(|letter: char| letter.is_ascii_alphabetic())
                    .unwrap();
                if rest.starts_with("[K") {
                    let kept: String = lines[row].chars().take(column).collect();
                    lines[row] = kept;
                }
                rest = &rest[end + 1..];
            }
            letter => {
                if column == 80 {
                    (row, column) = (row + 1, 0);
                    lines.resize(lines.len().max(row + 1), String::new());
                }
                let mut letters: Vec<char> = lines[row].chars().collect();
                letters.resize(letters.len().max(column + 1), ' ');
                letters[column] = letter;
                lines[row] = letters.into_iter().collect();
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), String::new());
    }
    lines
}

/// Asserts that a sign of life was shown, and that nothing of it stands there any more.
#[track_caller]
fn went_away(ran: &Ran) {
    let text = ran.text();
    assert!(text.contains("- demo  0 s"), "no sign of life in {text:?}");
    for line in screen(&text) {
        let is_sign = ["-", "\\", "|", "/"]
            .iter()
            .any(|glyph| line.starts_with(&format!("{glyph} demo")));
        assert!(!is_sign, "`{line}` is left in {text:?}");
    }
}

/// A terminal's text without what takes the sign of life away again, which a busy machine brings forth in any run.
pub(crate) fn without_progress(text: &str) -> String {
    text.replace("\r\u{1b}[K", "")
}

#[test]
fn a_silent_run_shows_a_sign_of_life_that_goes_away() {
    let lab = Lab::new();
    let module = lab.shell("sleep 0.9");
    went_away(&shown(&lab, &["run", &module]).exits(0));
    let module = lab.shell("sleep 0.9; echo words; sleep 0.9; printf unfinished; sleep 0.6");
    let ran = shown(&lab, &["run", &module]).exits(0);
    went_away(&ran);
    let lines = screen(&ran.text());
    for line in ["words", "unfinished"] {
        assert!(lines.iter().any(|shown| shown == line), "{lines:?}");
    }
}

/// The spinner filled the line up, so that the `^C` behind it was folded and the line stayed.
#[test]
fn an_interrupt_leaves_nothing_of_the_sign_of_life() {
    let lab = Lab::new();
    let module = lab.shell("sleep 30");
    let ran = on_terminal(&lab, "demo  0 s", "\\x03", &["run", &module])
        .run()
        .exits(130);
    went_away(&ran);
    let text = ran.text();
    assert!(text.contains("^C"), "{text:?}");
    assert!(text.contains("stopping `demo`"), "{text:?}");
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let lab = Lab::new();
    let module = lab.shell("true");
    let text = shown(&lab, &["run", &module]).text();
    assert!(text.contains("\u{1b}[32mok\u{1b}[0m"), "{text:?}");
    let plain = on_terminal(&lab, "", "", &["run", &module])
        .env("NO_COLOR", "1")
        .run();
    let plain = without_progress(&plain.text());
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let piped = lab.run(&["run", &module]);
    assert!(!piped.stderr.contains('\u{1b}'), "{:?}", piped.stderr);
}

/// `host bundle 2>err` on a terminal painted `err`.
#[test]
fn colours_go_by_the_stream_that_they_are_on() {
    let lab = Lab::new();
    let errors = lab.path("errors");
    on_terminal(&lab, "", "", &["bundle"])
        .env("HOST_STDERR", &errors)
        .run()
        .exits(2);
    let text = lab.read("errors");
    assert!(
        text.contains("Usage") && !text.contains('\u{1b}'),
        "{text:?}"
    );
    let data = lab.path("data");
    on_terminal(&lab, "", "", &["bundle", "--help"])
        .env("HOST_STDOUT", &data)
        .run()
        .exits(0);
    let text = lab.read("data");
    assert!(
        text.contains("Usage") && !text.contains('\u{1b}'),
        "{text:?}"
    );
}

#[test]
fn what_a_task_writes_cannot_act_on_a_terminal() {
    let lab = Lab::new();
    let asks = json!({"extensions": {"host": {"asks": [{"capability": "fs.read:/srv", "why": "x\u{1b}]0;title\u{7}"}]}}});
    let script =
        "#!/bin/sh\nprintf 'out\\033[2Jput\\n'; printf 'err\\033]0;x\\007or\\n' >&2; exit 1\n";
    let module = lab.module("demo").task("init.sh", script, asks).build();
    for arguments in [&["run", &module][..], &["run", &module, "--allow-asked"]] {
        let text = on_terminal(&lab, "", "", arguments)
            .env("NO_COLOR", "1")
            .run()
            .text();
        let text = without_progress(&text);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{7}'),
            "{text:?}"
        );
        assert!(text.contains("\\u{1b}"), "{text:?}");
    }
    let piped = lab.run(&["run", &module, "--allow-asked"]);
    assert_eq!(
        piped.text(),
        "out\u{1b}[2Jput\n",
        "a program gets what was written"
    );
}

/// An unfinished line of standard output made an empty line on standard error, wherever the two went.
#[test]
fn an_unfinished_line_is_ended_where_it_would_be_shared() {
    let lab = Lab::new();
    let module = lab.shell("printf unfinished");
    let ran = lab.run(&["run", &module]).exits(0);
    assert_eq!(ran.text(), "unfinished");
    assert!(!ran.stderr.contains("\n\n"), "{:?}", ran.stderr);
    let lines = screen(&shown(&lab, &["run", &module]).text());
    assert!(lines.iter().any(|line| line == "unfinished"), "{lines:?}");
}

/// A program of five megabytes, so that compiling it takes longer than a second.
#[test]
fn compiling_that_takes_long_is_told_of_once_and_can_be_interrupted() {
    let lab = Lab::new();
    let program = crate::lab::guests().join("programs/bomb-function.wasm");
    let program = program.to_str().unwrap();
    let saying = format!("compiling `{program}`, once ...");
    let ran = on_terminal(&lab, "once ...", "\\x03", &["run", program]).run();
    let text = ran.exits(130).text();
    assert_eq!(text.matches(&saying).count(), 1, "{text:?}");
    assert!(text.contains("was interrupted"), "{text:?}");
    assert!(
        lab.files("home/cache/compiled").is_empty(),
        "half a program is kept"
    );
    let ran = shown(&lab, &["run", program]).exits(0);
    assert_eq!(ran.text().matches(&saying).count(), 1);
    assert_eq!(shown(&lab, &["run", program]).exits(0).text(), "");
}

/// A terminal acts on C1 controls as on escapes, and JSON leaves them as they are.
#[test]
fn json_shows_every_character_that_it_holds() {
    let lab = Lab::new();
    let module = lab.shell(r#"printf '{"a": "x\302\2332Jy\342\200\256z \303\251"}'"#);
    for mode in ["json", "jsonl"] {
        let ran = lab.run(&["--output", mode, "run", &module]).exits(0);
        let text = ran.text();
        assert!(text.contains(r"x\u009b2Jy\u202ez é"), "{text}");
        let record: serde_json::Value = serde_json::from_str(
            text.lines()
                .last()
                .filter(|_| mode == "jsonl")
                .unwrap_or(&text),
        )
        .unwrap();
        let value = record.pointer("/record/value").unwrap_or(&record["value"]);
        assert_eq!(value["a"], "x\u{9b}2Jy\u{202e}z é");
    }
}
