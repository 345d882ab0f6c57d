//! The three streams of a program: every byte, in order, and nobody waits for what will not come.

use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::script::{Arg, Script};
use super::{BOTH, lab, program};
use crate::lab::Host;

/// What a run takes at the most that has nothing to wait for.
const QUICK: Duration = Duration::from_secs(10);

/// A megabyte that does not repeat itself within a page.
fn noise(megabytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(megabytes << 20);
    while bytes.len() < megabytes << 20 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

#[test]
fn every_byte_goes_in_and_comes_out_as_it_is() {
    let lab = lab();
    let all: Vec<u8> = (0..=255).chain(*b"\r\n\0\xff\xfe no end").collect();
    for name in BOTH {
        let ran = lab
            .host(&["run", &program(name), "echo"])
            .stdin(all.clone());
        let ran = ran.run().exits(0);
        assert_eq!((ran.stdout, ran.stderr.as_str()), (all.clone(), ""));
    }
    let run = lab.spooled();
    let kept = std::fs::read(lab.spool(&run[0]).join("stdout")).unwrap();
    assert_eq!(kept, all, "the spool has other bytes");
}

#[test]
fn ten_megabytes_are_streamed_through_intact() {
    let lab = lab();
    let bytes = noise(10);
    lab.write("large", &bytes);
    for (name, script) in [
        ("misbehave-p1", "exec \"$@\" < large"),
        ("misbehave-p2", "exec \"$@\" < large"),
        ("misbehave-p1", "cat large | \"$@\""),
        ("misbehave-p2", "cat large | \"$@\""),
    ] {
        let arguments = ["run", &program(name), "--limit", "output=11MiB", "echo"];
        let ran = Host::by_shell(&lab, script, &arguments).run().exits(0);
        assert_eq!(ran.stdout.len(), bytes.len(), "{name}, {script}");
        assert!(ran.stdout == bytes, "{name}, {script}: other bytes");
    }
}

/// More than the limit of a task's input, which is no limit of a stream.
#[test]
fn input_is_no_more_limited_than_it_is_kept() {
    let lab = lab();
    lab.write("large", noise(3));
    let arguments = [
        "run",
        &program("misbehave-p1"),
        "--limit",
        "input=1kB",
        "echo",
    ];
    let ran = Host::by_shell(&lab, "exec \"$@\" < large", &arguments)
        .run()
        .exits(0);
    assert_eq!(ran.stdout.len(), 3 << 20);
}

#[test]
fn input_that_is_empty_closed_or_a_directory_is_at_its_end() {
    let lab = lab();
    for name in BOTH {
        for script in [
            "exec \"$@\" < /dev/null",
            "exec \"$@\" <&-",
            "exec \"$@\" < /",
            "true | \"$@\"",
        ] {
            let ran = Host::by_shell(&lab, script, &["run", &program(name), "echo"]).run();
            let ran = ran.exits(0);
            assert_eq!(
                (ran.text(), ran.stderr.as_str()),
                (String::new(), ""),
                "{script}"
            );
            assert!(ran.took < QUICK, "{script} took {:?}", ran.took);
        }
    }
}

/// Standard input was carried to a program that never asked for it, and was gone for whoever came next.
#[test]
fn what_a_program_does_not_read_stays_for_the_next_who_does() {
    let lab = lab();
    lab.write("lines", "one\ntwo\nthree\n");
    for name in BOTH {
        let arguments = ["run", &program(name), "exit", "0"];
        let script = "while read line; do \"$@\" && echo $line; done < lines";
        let ran = Host::by_shell(&lab, script, &arguments).run().exits(0);
        assert_eq!(ran.text(), "one\ntwo\nthree\n", "{name}");
        // One that reads has what it reads.
        let arguments = ["run", &program(name), "echo"];
        let script = "{ \"$@\"; cat; } < lines";
        let ran = Host::by_shell(&lab, script, &arguments).run().exits(0);
        assert_eq!(ran.text(), "one\ntwo\nthree\n", "{name}");
    }
}

/// A job in the background that reads from its terminal is stopped: one that does not read must not be.
#[test]
fn a_program_in_the_background_of_a_terminal_that_reads_nothing_ends() {
    let lab = lab();
    let script = "exec script -qec \"set -m; $* & wait \\$!; echo ended with \\$?\" /dev/null";
    let arguments = ["run", &program("misbehave-p1"), "exit", "3"];
    let ran = Host::by_shell(&lab, script, &arguments).run().exits(0);
    assert!(ran.text().contains("ended with 3"), "{}", ran.text());
}

#[test]
fn a_program_that_never_reads_holds_nobody_up() {
    let lab = lab();
    lab.write("large", noise(3));
    for name in BOTH {
        let arguments = ["run", &program(name), "stdin-never"];
        let ran = Host::by_shell(&lab, "exec \"$@\" < large", &arguments)
            .run()
            .exits(0);
        assert_eq!(ran.record()["read"], 0);
        assert!(ran.took < QUICK, "it took {:?}", ran.took);
    }
}

#[test]
fn a_program_that_ends_is_over_although_somebody_still_writes() {
    let lab = lab();
    // `yes` ends when nobody reads any more, and would not otherwise.
    for name in BOTH {
        let arguments = ["run", &program(name), "exit", "1"];
        let ran = Host::by_shell(&lab, "yes | \"$@\"", &arguments)
            .run()
            .exits(1);
        assert!(ran.took < QUICK, "it took {:?}", ran.took);
    }
}

#[test]
fn a_program_that_ends_is_over_although_its_input_never_does() {
    let lab = lab();
    let pipe = lab.path("pipe");
    let made = Command::new("/usr/bin/mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let script = "exec 9<>pipe; exec \"$@\" <&9";
    for name in BOTH {
        let ran = Host::by_shell(&lab, script, &["run", &program(name), "exit", "1"]).run();
        let ran = ran.exits(1);
        assert!(ran.took < QUICK, "it took {:?}", ran.took);
    }
    // The same program waits for as long as it may.
    let arguments = [
        "run",
        &program("misbehave-p1"),
        "--limit",
        "wall=300ms",
        "echo",
    ];
    let ran = Host::by_shell(&lab, script, &arguments).run();
    ran.exits(124).says(&["limit `wall`"]);
}

#[test]
fn what_is_printed_is_there_before_the_program_ends() {
    let lab = lab();
    let waits = Script::new()
        .warn("up\n")
        .repeat(0, |script| script.read("", Arg::Int(0)));
    let path = waits.build(&lab, "waits");
    let script = "exec 9<>pipe; exec \"$@\" <&9";
    let made = Command::new("/usr/bin/mkfifo")
        .arg(lab.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    let arguments = ["run", &path, "--limit", "wall=900ms"];
    let mut live = Host::by_shell(&lab, script, &arguments).start();
    let since = Instant::now();
    live.hears("up\n");
    assert!(live.lives(), "it ended after {:?}", since.elapsed());
    live.end().exits(124);
}

#[test]
fn the_two_outputs_stay_apart() {
    let lab = lab();
    for name in BOTH {
        let ran = lab
            .run(&["run", &program(name), "flood-stdout", "100000"])
            .exits(0);
        assert_eq!(ran.stdout.len(), 100_000);
        assert!(
            ran.stderr.starts_with("{\"mode\":\"flood-stdout\""),
            "{}",
            ran.stderr
        );
        let ran = lab
            .run(&["run", &program(name), "flood-stderr", "100000"])
            .exits(0);
        assert_eq!(ran.stderr.len(), 100_000);
        assert_eq!(ran.record()["bytes"], 100_000);
    }
}

/// As of any program in a pipe: it ends by what would have ended it, were the pipe its own.
#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let lab = lab();
    let line = |script: Script| script.write("line", Arg::Int(1), "0123456789\n");
    let endless = Script::new().repeat(0, |script| line(script).pause(20_000_000));
    let path = endless.build(&lab, "lines");
    let script = "{ \"$@\"; echo $? > code; } | head -c 10";
    let ran = Host::by_shell(&lab, script, &["run", &path]).run().exits(0);
    assert_eq!(ran.text(), "0123456789");
    assert!(ran.took < QUICK, "it took {:?}", ran.took);
    assert_eq!(lab.read("code"), "141\n", "{}", ran.stderr);
    let outcome = &lab.journal()[1]["record"]["outcome"];
    assert_eq!(outcome["kind"], "cancelled", "{outcome}");
}

/// As of any program in a pipe, the reader is waited for; the program itself is not kept by it, and an interrupt ends it.
#[test]
fn a_reader_that_never_reads_keeps_no_program_alive() {
    let lab = lab();
    let made = Command::new("/usr/bin/mkfifo")
        .arg(lab.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    let arguments = [
        "run",
        &program("misbehave-p1"),
        "--limit",
        "output=1MiB",
        "flood-stdout",
    ];
    let mut live = Host::by_shell(&lab, "exec 9<>pipe; exec \"$@\" >&9", &arguments).start();
    std::thread::sleep(Duration::from_millis(700));
    assert!(live.lives(), "nobody waits for the reader");
    live.signal(Signal::INT);
    let ran = live.end();
    assert!(
        [130, 137].contains(&ran.code()),
        "exit {}\n{}",
        ran.code(),
        ran.stderr
    );
    assert!(ran.took < QUICK, "it took {:?}", ran.took);
    assert_eq!(lab.journal()[1]["record"]["outcome"]["limit"], "output");
}

/// It said so on standard error, and then that all was well.
#[test]
fn output_that_could_not_be_printed_is_no_success() {
    let lab = lab();
    for name in BOTH {
        let arguments = ["run", &program(name), "env"];
        let ran = Host::by_shell(&lab, "exec \"$@\" > /dev/full", &arguments).run();
        ran.says(&["not everything could be printed"]).exits(125);
    }
    assert_eq!(
        lab.events(),
        ["intended", "finished", "intended", "finished"]
    );
}
