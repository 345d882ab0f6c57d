//! What a program finds when it looks for more of the world than it was given: threads, the network, other ends.

use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use serde_json::json;

use super::{BOTH, program, record};
use crate::lab::Lab;
use crate::wasm::script::{Arg, FIRST_DIR, Script, WRITE, told};
use crate::wasm::{lab, unstarted, wat};

#[test]
fn there_are_no_threads() {
    let lab = lab();
    for name in BOTH {
        let said = lab
            .run(&["run", &program(name), "threads"])
            .exits(0)
            .record();
        assert_eq!(said["started"], false, "{said:#}");
    }
    let text = r#"(module (import "wasi" "thread-spawn" (func (param i32) (result i32))) (func (export "_start")))"#;
    let ran = unstarted(&lab, &["run", &wat(&lab, "threads", text)]);
    ran.exits(125).says(&["`wasi`"]);
}

/// GHSA-hmmr-87qq-258j: connecting a datagram socket was not held against what may be sent to.
#[test]
fn no_byte_reaches_the_network() {
    let lab = lab();
    let stream = TcpListener::bind("127.0.0.1:0").unwrap();
    stream.set_nonblocking(true).unwrap();
    let port = stream.local_addr().unwrap().port();
    let datagrams = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let address = format!("127.0.0.1:{port}");
    for name in BOTH {
        let said = lab
            .run(&["run", &program(name), "network", &address])
            .exits(0)
            .record();
        assert_eq!(said["managed"], 0, "{said:#}");
        let tried = said["tried"].as_array().unwrap();
        let errors = tried.iter().map(|one| one["error"].as_str().unwrap());
        if name.ends_with("p2") {
            assert_eq!(tried.len(), 11, "{said:#}");
            assert!(
                errors
                    .clone()
                    .all(|error| ["access-denied", "permanent-resolver-failure"].contains(&error)),
                "{said:#}"
            );
        }
        assert!(errors.clone().count() >= 2);
    }
    assert!(stream.accept().is_err(), "something connected");
    assert!(datagrams.recv(&mut [0]).is_err(), "something was sent");
}

#[test]
fn what_a_component_tried_with_the_network_is_told_as_the_capability_that_was_missing() {
    let lab = lab();
    let (_, record) = record(&lab, &program("misbehave-p2"), &["network", "127.0.0.1:1"]);
    let tried: Vec<(&str, &str)> = record["denials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|denial| {
            let text = |field: &str| denial[field].as_str().unwrap();
            (text("capability"), text("reason"))
        })
        .collect();
    let told = |reason| ("net.connect", reason);
    assert_eq!(
        tried,
        [
            told("tried 4 times, and not granted: a TCP socket"),
            told("tried 5 times, and not granted: a UDP socket"),
            told("tried once, and not granted: the look-up of `localhost`"),
            told("tried once, and not granted: the look-up of `example.com`"),
        ]
    );
}

/// A process passes eight bits of it on; the record has all of them.
#[test]
fn a_code_that_no_shell_has_room_for_is_on_record() {
    let lab = lab();
    for (code, expected, passed_on) in [
        ("125", 125, 125),
        ("126", 126, 126),
        ("134", 134, 134),
        ("300", 300, 44),
        ("4294967295", -1, 255),
    ] {
        let (ran, record) = record(&lab, &program("misbehave-p1"), &["exit-high", code]);
        assert_eq!(record["outcome"]["kind"], "exited", "{record:#}");
        assert_eq!(
            (&record["outcome"]["code"], &record["status"]),
            (&json!(expected), &json!("failure"))
        );
        ran.exits(passed_on);
    }
    // 2^8 is no success, whatever eight bits say.
    let (ran, record) = record(&lab, &program("misbehave-p1"), &["exit-high", "256"]);
    assert_eq!(
        (&record["outcome"]["code"], &record["status"]),
        (&json!(256), &json!("failure"))
    );
    assert_ne!(ran.code(), 0);
    let (ran, record) = super::record(&lab, &program("misbehave-p2"), &["exit-high"]);
    ran.exits(1);
    assert_eq!(record["outcome"]["code"], 1);
}

#[test]
fn numbers_that_are_no_descriptors_are_answered_and_nothing_else() {
    let lab = Lab::new();
    let mut script = Script::new();
    let odd = [4, 5, 7, 100, 1_023, 1_024, 65_536, i32::MAX, -1, i32::MIN];
    for number in odd {
        let fd = Arg::Int(number);
        for name in ["fd_close", "fd_datasync", "fd_sync"] {
            script = script.call(name, name, &[fd]);
        }
        script = script
            .call("fd_tell", "fd_tell", &[fd, Arg::Into(0)])
            .call(
                "fd_seek",
                "fd_seek",
                &[fd, Arg::Long(0), Arg::Int(0), Arg::Into(0)],
            )
            .call("fd_prestat_get", "fd_prestat_get", &[fd, Arg::Into(0)])
            .call("fd_fdstat_get", "fd_fdstat_get", &[fd, Arg::Int(8_192)])
            .call("sock_shutdown", "sock_shutdown", &[fd, Arg::Int(1)]);
    }
    let ran = lab.run(&["run", &script.build(&lab, "numbers")]).exits(0);
    let answers = told(&ran);
    assert_eq!(answers.len(), odd.len() * 8);
    for (what, answer) in answers {
        assert!(["badf", "notsock"].contains(&answer), "{what}: {answer}");
    }
}

/// Addresses that lie outside of the program's memory, or wrap around its end.
#[test]
fn addresses_outside_of_memory_reach_nothing() {
    let lab = Lab::new();
    let calls: [(&str, &str, Vec<Arg<'_>>); 6] = [
        (
            "write",
            "fd_write",
            vec![Arg::Int(1), Arg::Int(-8), Arg::Int(1), Arg::Into(0)],
        ),
        (
            "count",
            "fd_write",
            vec![Arg::Int(1), Arg::Int(0), Arg::Int(-1), Arg::Into(0)],
        ),
        ("random", "random_get", vec![Arg::Int(-4), Arg::Int(8)]),
        (
            "clock",
            "clock_time_get",
            vec![Arg::Int(0), Arg::Long(1), Arg::Int(-4)],
        ),
        (
            "rmdir",
            "path_remove_directory",
            vec![Arg::Int(3), Arg::Int(-4), Arg::Int(16)],
        ),
        (
            "rmdir far",
            "path_remove_directory",
            vec![Arg::Int(3), Arg::Int(65_530), Arg::Int(-1)],
        ),
    ];
    lab.directory("data");
    for (name, call, arguments) in calls {
        let script = Script::new().call(name, call, &arguments);
        let (ran, record) = record(&lab, &script.build(&lab, "outside"), &["--dir", "data"]);
        // An error of the call, or the end of the program; never of its worker.
        let outcome = &record["outcome"];
        let is_answered = outcome["kind"] == "exited" && outcome["code"] == 0;
        assert!(
            is_answered || outcome["kind"] == "trapped",
            "{name}: {record:#}"
        );
        if is_answered {
            assert_eq!(record["stdout"]["truncated"], json!(false));
        } else {
            let reason = outcome["reason"].as_str().unwrap();
            assert!(!reason.contains("without a word"), "{name}: {reason}");
        }
        assert!([0, 134].contains(&ran.code()));
    }
}

/// Calls with an offset, a size or a time at the end of what its type can say.
fn with(script: Script, number: i64) -> Script {
    let (dir, file, huge, gives) = (
        Arg::Int(FIRST_DIR),
        Arg::Slot(0),
        Arg::Long(number),
        Arg::Into(1),
    );
    let (none, one, buffer) = (Arg::Int(0), Arg::Int(1), Arg::Int(4_096));
    // Both times, as they are said.
    let times = Arg::Int(5);
    let name = Arg::Text("file");
    let seeking = |script: Script, whence: i32| {
        script.quietly("fd_seek", &[file, huge, Arg::Int(whence), gives])
    };
    (0..3)
        .fold(script, seeking)
        .quietly("fd_pread", &[file, none, one, huge, gives])
        .quietly("fd_pwrite", &[file, none, one, huge, gives])
        .quietly("fd_allocate", &[file, huge, huge])
        .quietly("fd_advise", &[file, huge, huge, none])
        .quietly("fd_filestat_set_times", &[file, huge, huge, times])
        .quietly(
            "path_filestat_set_times",
            &[dir, none, name, huge, huge, times],
        )
        .quietly("path_filestat_get", &[dir, none, name, buffer])
        .quietly("fd_readdir", &[dir, buffer, buffer, huge, gives])
}

#[test]
fn numbers_beyond_all_bounds_end_nobody() {
    let lab = Lab::new();
    lab.write("data/file", "file");
    let (dir, gives) = (Arg::Int(FIRST_DIR), Arg::Into(1));
    let (buffer, events) = (Arg::Int(4_096), Arg::Int(8_192));
    let to_write = (0, 0, WRITE);
    let mut script = Script::new().open("open", (dir, "file"), to_write, 0);
    for number in [i64::MAX, i64::MIN, -1, 1 << 62] {
        script = with(script, number);
    }
    for size in [0, 1, -1] {
        let arguments = [dir, Arg::Text("file"), buffer, Arg::Int(size), gives];
        script = script.quietly("path_readlink", &arguments);
    }
    script = script
        .quietly("poll_oneoff", &[buffer, events, Arg::Int(0), gives])
        .open("still there", (dir, "file"), to_write, 2);
    let path = script.build(&lab, "huge");
    let ran = lab.run(&["run", &path, "--dir", "data"]).exits(0);
    let answers: Vec<&str> = told(&ran).into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers, ["done", "done"]);
}

/// From before the clocks of computers began.
#[test]
fn a_file_that_is_too_old_to_have_a_time_ends_nobody() {
    let lab = lab();
    let file = lab.write("data/file", "old");
    let aged = Command::new("/usr/bin/touch")
        .args(["-d", "1950-01-01", &file])
        .status();
    assert!(aged.unwrap().success());
    for name in BOTH {
        let ran = lab
            .run(&[
                "run",
                &program(name),
                "--dir",
                "data::/x::ro",
                "path-tricks",
            ])
            .exits(0);
        let said = ran.record();
        assert_eq!(
            (&said["escapes"], &said["refused_use"]),
            (&json!([]), &json!(0)),
            "{said:#}"
        );
    }
}

#[test]
fn clocks_tell_the_time_and_nothing_of_the_machine() {
    let lab = lab();
    for name in BOTH {
        let said = lab
            .run(&["run", &program(name), "clocks"])
            .exits(0)
            .record();
        let now = said["wall"]["now"].as_u64().unwrap() / 1_000_000_000;
        let here = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        assert!(here.abs_diff(now) < 60, "{now}, and it is {here}");
        // It begins with the program, and says nothing of how long the machine has been up.
        let monotonic = said["monotonic"]["now"].as_u64().unwrap();
        assert!(monotonic < 30_000_000_000, "{monotonic} ns");
        for clock in ["process_cpu", "thread_cpu"] {
            assert!(
                said[clock].is_null() || said[clock]["error"] == "badf",
                "{said:#}"
            );
        }
    }
}
