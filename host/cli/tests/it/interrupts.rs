//! Interrupts: whoever is killed or calls off, the whole tree of the run is gone and the journal tells what is known.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::lab::{Lab, Live, cgroups_of};

/// A module whose task says `up`, ignores every signal that it can, and would stay for ever with two daemons.
fn stubborn(lab: &Lab) -> String {
    let linger = lab.lingerer();
    lab.shell(&format!("trap '' INT TERM HUP; setsid {linger} & setsid {linger} & echo partly; echo up >&2; {linger}"))
}

fn started(lab: &Lab) -> Live<'_> {
    let module = stubborn(lab);
    let mut live = lab.host(&["run", &module]).start();
    live.hears("up");
    live
}

#[test]
fn an_interrupt_ends_the_whole_tree_and_is_recorded() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let lab = Lab::new();
        let live = started(&lab);
        let since = Instant::now();
        live.signal(signal);
        live.end()
            .exits(code)
            .says(&["interrupted", "nothing of it is left running"]);
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "it took {:?}",
            since.elapsed()
        );
        let finished = &lab.journal()[1]["record"];
        assert_eq!(
            (&finished["outcome"]["kind"], &finished["status"]),
            (&json!("cancelled"), &json!("failure"))
        );
        assert_eq!(
            finished["value"]["_output"], "partly\n",
            "what came before is kept"
        );
    }
}

#[test]
fn a_second_interrupt_changes_nothing() {
    let lab = Lab::new();
    let live = started(&lab);
    for signal in [Signal::INT, Signal::TERM, Signal::INT] {
        live.signal(signal);
    }
    let ran = live.end();
    assert!([130, 143].contains(&ran.code()), "exit {}", ran.code());
    assert_eq!(lab.events(), ["intended", "finished"]);
}

#[test]
fn an_interrupt_is_recorded_in_json_too() {
    let lab = Lab::new();
    let module = stubborn(&lab);
    let mut live = lab.host(&["--output", "json", "run", &module]).start();
    live.hears("up");
    live.signal(Signal::TERM);
    let ran = live.end().exits(143);
    let json = ran.text();
    assert_eq!(ran.record()["outcome"]["kind"], "cancelled", "{json}");
}

#[test]
fn a_killed_host_takes_its_run_along() {
    let lab = Lab::new();
    let live = started(&lab);
    live.signal(Signal::KILL);
    // Asserts that no process, mount or control group is left.
    live.end_unsettled().exits(-9);
    assert_eq!(lab.events()[0], "intended");
    let run = lab.journal()[0]["run"].as_str().unwrap().to_owned();
    assert!(cgroups_of(&[run]).is_empty());
}

#[test]
fn a_killed_keeper_loses_the_outcome_and_nothing_else() {
    let lab = Lab::new();
    let live = started(&lab);
    rustix::process::kill_process(live.keeper(), Signal::KILL).unwrap();
    live.end().exits(5).says(&["nobody knows how `demo` ended"]);
    let finished = &lab.journal()[1]["record"];
    assert_eq!(
        (&finished["status"], &finished["outcome"]["kind"]),
        (&json!("lost"), &json!("lost"))
    );
    let run = finished["run"].as_str().unwrap().to_owned();
    assert!(cgroups_of(&[run]).is_empty());
}

#[test]
fn a_stopped_host_does_not_stop_the_clock_of_its_run() {
    let lab = Lab::new();
    let module = stubborn(&lab);
    let mut live = lab.host(&["run", &module, "--limit", "wall=600ms"]).start();
    live.hears("up");
    live.signal(Signal::STOP);
    std::thread::sleep(Duration::from_millis(900));
    live.signal(Signal::CONT);
    live.end().exits(1).says(&["stopped by limit `wall`"]);
    let runtime = lab.journal()[1]["record"]["runtime"].as_f64().unwrap();
    assert!(runtime < 0.85, "the run went on for {runtime} s");
}

#[test]
fn a_host_killed_while_it_starts_leaves_nothing() {
    for delay_ms in [0, 2, 4, 6, 8, 12, 20] {
        let lab = Lab::new();
        let module = stubborn(&lab);
        let live = lab.host(&["run", &module]).start();
        std::thread::sleep(Duration::from_millis(delay_ms));
        live.signal(Signal::KILL);
        live.end_unsettled();
    }
}

#[test]
fn a_host_interrupted_while_it_starts_ends_in_order() {
    for delay_ms in [10, 20, 30] {
        let lab = Lab::new();
        let module = stubborn(&lab);
        let live = lab.host(&["run", &module]).start();
        std::thread::sleep(Duration::from_millis(delay_ms));
        live.signal(Signal::INT);
        let ran = live.end();
        // Before host listens, the signal has its plain effect.
        assert!(
            [130, -2].contains(&ran.code()),
            "exit {} after {delay_ms} ms:\n{}",
            ran.code(),
            ran.stderr
        );
    }
}
