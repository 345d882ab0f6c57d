//! Limits: each one ends or bounds a run, is named, and leaves nothing of the run behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::{Lab, is_root};

/// Asserts that a run was stopped by `limit`, and says so to people and programs.
#[track_caller]
fn stopped(lab: &Lab, module: &str, limit: &str, value: &str) -> Value {
    let flag = format!("{limit}={value}");
    let ran = lab.run(&["run", module, "--limit", &flag]).exits(1).says(&[
        &format!("stopped by limit `{limit}`"),
        "nothing of it is left",
    ]);
    ran.hints(&format!("--limit {limit}="));
    let record = lab
        .run(&["--output", "json", "run", module, "--limit", &flag])
        .exits(1)
        .record();
    assert_eq!(
        record["outcome"],
        json!({"kind": "limit", "code": null, "signal": null, "limit": limit, "reason": ""})
    );
    assert_eq!(
        (&record["status"], &record["value"]["_error"]["kind"]),
        (&json!("failure"), &json!("host/limit"))
    );
    record
}

#[test]
fn a_run_ends_with_its_time_and_what_it_said_is_kept() {
    let lab = Lab::new();
    let module = lab.shell(&format!(
        "echo begun; {} & trap '' TERM INT HUP; {}",
        lab.lingerer(),
        lab.lingerer()
    ));
    let record = stopped(&lab, &module, "wall", "300ms");
    assert_eq!(record["value"]["_output"], "begun\n");
    let runtime = record["runtime"].as_f64().unwrap();
    assert!((0.3..3.0).contains(&runtime), "{runtime}");
}

#[test]
fn timeout_is_another_name_for_the_wall_limit() {
    let lab = Lab::new();
    let module = lab.shell(&lab.lingerer());
    lab.run(&["run", &module, "--timeout", "200ms"])
        .exits(1)
        .says(&["stopped by limit `wall` (200ms)"]);
}

/// Makes this the default of a limit.
fn set_default(lab: &Lab, limit: &str, value: &str) {
    set(lab, "limits", limit, value);
}

/// Sets a limit in a table of the settings.
fn set(lab: &Lab, table: &str, limit: &str, value: &str) {
    let text = format!("[{table}]\n{limit} = \"{value}\"\n");
    lab.write("home/config/config.toml", text);
    for directory in ["home", "home/config"] {
        let path = lab.path(directory);
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    }
}

/// The record of a run that burns CPU time and is stopped at `cpu` of it. Root asks for the limit; for an ordinary user
/// it is the default of the settings, since one that nothing counts exactly cannot be asked for.
fn burnt(lab: &Lab, module: &str, cpu: &str) -> Value {
    let limit = format!("cpu={cpu}");
    let mut arguments = vec!["--output", "json", "run", module, "--limit", "wall=10s"];
    if is_root() {
        arguments.extend(["--limit", &limit]);
    } else {
        set_default(lab, "cpu", cpu);
    }
    let record = lab.run(&arguments).exits(1).record();
    assert_eq!(record["outcome"]["limit"], "cpu", "{record}");
    record
}

#[test]
fn a_busy_run_ends_with_its_cpu_time() {
    let lab = Lab::new();
    burnt(&lab, &lab.shell("while :; do :; done"), "300ms");
}

/// What is looked at from time to time is got round by children that live too short a time to be seen.
#[test]
fn cpu_time_that_was_asked_for_is_counted_exactly_or_the_run_refused() {
    let lab = Lab::new();
    let module = lab.python(
        "import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
end = time.time() + 6
while time.time() < end:
    if os.fork() == 0:
        until = time.process_time() + 0.008
        while time.process_time() < until:
            pass
        os._exit(0)
    try:
        os.wait()
    except ChildProcessError:
        pass
print('burnt all')
",
    );
    if is_root() {
        burnt(&lab, &module, "1s");
    } else {
        lab.run(&["run", &module, "--limit", "cpu=1s"])
            .exits(7)
            .says(&["`cpu`"])
            .hints("default");
    }
}

#[test]
fn the_cpu_time_of_all_processes_counts_together() {
    let lab = Lab::new();
    let module = lab.shell("busy() { while :; do :; done; }; busy & busy & busy & wait");
    let record = burnt(&lab, &module, "400ms");
    let used = record["usage"]["cpu_ms"].as_u64().unwrap();
    assert!((400..3_000).contains(&used), "{used} ms were used");
}

#[test]
fn cpu_time_of_children_that_have_ended_counts_too() {
    let lab = Lab::new();
    let module =
        lab.shell("while :; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done");
    burnt(&lab, &module, "500ms");
}

#[test]
fn a_share_of_the_processors_is_of_all_processes() {
    let lab = Lab::new();
    let module = lab.shell("busy() { while :; do :; done; }; busy & busy & busy & wait");
    let run = ["run", &module, "--limit", "share=20%", "--limit", "wall=3s"];
    if !is_root() {
        lab.run(&run).exits(7).says(&["`share`"]).hints("default");
        return;
    }
    let record = lab
        .run(&[&["--output", "json"][..], &run].concat())
        .exits(1)
        .record();
    assert_eq!(record["outcome"]["limit"], "wall");
    assert_eq!(record["walls"]["share"], "control group");
    let used = record["usage"]["cpu_ms"].as_f64().unwrap();
    let most = record["runtime"].as_f64().unwrap() * 1_000.0 / 5.0;
    // Twice as much, since it is let go to die; all processors would have used ten times that.
    assert!(
        (50.0..2.0 * most).contains(&used),
        "{used} ms were used, of {most}"
    );
}

#[test]
fn a_default_share_falls_back_and_says_so() {
    let lab = Lab::new();
    set_default(&lab, "share", "30%");
    let record = lab.record(&[&lab.shell("true")]);
    let held = if is_root() {
        "control group"
    } else {
        "not bounded, for want of a control group"
    };
    assert_eq!(record["walls"]["share"], held);
}

/// It was taken for a default that may fall back, and nothing bounded the run that had to stay below it.
#[test]
fn a_ceiling_that_cannot_be_held_refuses_the_run() {
    let lab = Lab::new();
    set(&lab, "ceilings", "share", "30%");
    let module = lab.shell("echo ran");
    if is_root() {
        let record = lab.record(&[&module]);
        assert_eq!(record["walls"]["share"], "control group");
    } else {
        let ran = lab.run(&["run", &module]).exits(7).says(&["`share`"]);
        assert_eq!(ran.text(), "");
    }
}

/// What init maps to start the program counted against the least memory that a run may have.
#[test]
fn the_least_memory_starts_a_shell() {
    if is_root() {
        return;
    }
    let lab = Lab::new();
    set_default(&lab, "memory", "1MiB");
    let module = lab.shell("echo ran");
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "ran\n");
}

const EATER: &str = "
import sys
eaten = []
try:
    for _ in range(int(sys.stdin.read() and 90)):
        eaten.append(bytearray(b'x') * (10 << 20))
    print('ate all')
except MemoryError:
    eaten = None
    print('refused')
";

#[test]
fn memory_that_was_asked_for_is_held_or_the_run_refused() {
    let lab = Lab::new();
    let module = lab.python(EATER);
    if is_root() {
        let record = stopped(&lab, &module, "memory", "64MiB");
        assert_eq!(record["walls"]["memory"], "control group");
        return;
    }
    let ran = lab
        .run(&["run", &module, "--limit", "memory=64MiB"])
        .exits(7)
        .says(&["`memory`"])
        .hints("default");
    assert_eq!(ran.text(), "");
}

#[test]
fn memory_has_a_default_limit_that_holds() {
    let lab = Lab::new();
    let module = lab.python(EATER);
    let ran = lab.run(&["--output", "json", "run", &module]);
    let record = ran.record();
    if is_root() {
        assert_eq!(record["outcome"]["limit"], "memory");
    } else {
        assert_eq!(record["value"]["_output"], "refused\n");
        assert!(
            record["walls"]["memory"]
                .as_str()
                .unwrap()
                .contains("each process"),
            "{}",
            record["walls"]
        );
    }
}

/// Memory that processes share is no data of any of them, and once counted for nobody.
#[test]
fn memory_that_is_shared_is_held_to_the_limit_too() {
    let lab = Lab::new();
    let module = lab.python(
        "import mmap, time
shared = mmap.mmap(-1, 1 << 30)
for _ in range(256):
    shared.write(b'x' * (4 << 20))
time.sleep(5)
print('ate all')
",
    );
    let record = lab
        .run(&["--output", "json", "run", &module])
        .exits(1)
        .record();
    assert_eq!(record["outcome"]["limit"], "memory", "{record}");
}

/// A process that nobody waits for took its CPU time with it.
#[test]
fn cpu_time_of_children_that_nobody_waits_for_counts() {
    let lab = Lab::new();
    let module = lab.python(
        "import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(40):
    child = os.fork()
    if child == 0:
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        os._exit(0)
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass
print('burnt all')
",
    );
    burnt(&lab, &module, "1s");
}

#[test]
fn memory_of_scratch_files_counts_as_scratch() {
    let lab = Lab::new();
    let module = lab.shell("head -c 3000000 /dev/zero > /tmp/a && echo one; head -c 3000000 /dev/zero > /scratch/b 2>/dev/null && echo two; head -c 3000000 /dev/zero > /dev/shm/c 2>/dev/null && echo three; true");
    let ran = lab
        .run(&["run", &module, "--limit", "scratch=4MiB"])
        .exits(0)
        .says(&["reached its limit `scratch`"]);
    assert_eq!(ran.text(), "one\n");
}

#[test]
fn many_small_files_reach_the_limit_of_inodes() {
    let lab = Lab::new();
    let module = lab.python("n = 0\ntry:\n    while n < 5000:\n        open(f'/scratch/{n}', 'w').close()\n        n += 1\nexcept OSError as error:\n    print(error.strerror)\nprint(n < 200)");
    let ran = lab
        .run(&["run", &module, "--limit", "inodes=200"])
        .exits(0)
        .says(&["reached its limit `inodes`"]);
    assert_eq!(ran.text(), "No space left on device\nTrue\n");
    // A program that reads the record is told too.
    let arguments = ["--output", "json", "run", &module, "--limit", "inodes=200"];
    let record = lab.run(&arguments).exits(0).record();
    assert_eq!(record["usage"]["reached_inodes"], 1);
    assert!(record["usage"].get("reached_scratch").is_none());
}

#[test]
fn open_files_are_bounded_and_the_bound_cannot_be_raised() {
    let lab = Lab::new();
    let module = lab.python("import resource\ntry:\n    resource.setrlimit(resource.RLIMIT_NOFILE, (500, 500))\nexcept (ValueError, OSError):\n    print('fixed')\nfiles = []\ntry:\n    while len(files) < 500:\n        files.append(open('/dev/null'))\nexcept OSError as error:\n    print(len(files) < 64)\n    files.clear()");
    assert_eq!(
        lab.run(&["run", &module, "--limit", "files=64"])
            .exits(0)
            .text(),
        "fixed\nTrue\n"
    );
}

#[test]
fn processes_are_bounded() {
    let lab = Lab::new();
    let module = lab.python(&format!("import os, time\nn = 0\ntry:\n    while n < 500:\n        if os.fork() == 0:\n            time.sleep(300)\n        n += 1\nexcept OSError as error:\n    print(error.strerror)\nprint(5 <= n < 20)\n# {}", lab.marker()));
    let ran = lab
        .run(&["run", &module, "--limit", "processes=20"])
        .exits(0);
    assert_eq!(ran.text(), "Resource temporarily unavailable\nTrue\n");
    if is_root() {
        ran.says(&["reached its limit `processes`"]);
    }
}

#[test]
fn a_fork_bomb_ends_and_the_machine_lives() {
    let lab = Lab::new();
    let module = lab.shell("bomb() { bomb | bomb & }; bomb; sleep 300");
    let flags = ["--limit", "processes=40", "--limit", "wall=700ms"];
    let ran = lab
        .run(&[&["--output", "json", "run", module.as_str()], &flags[..]].concat())
        .exits(1);
    let record = ran.record();
    let ended = record["outcome"]["limit"] == "wall" || record["outcome"]["kind"] == "exited";
    assert!(ended, "{}", record["outcome"]);
    assert!(ran.took < Duration::from_secs(15), "{:?}", ran.took);
}

#[test]
fn input_beyond_its_limit_is_refused_before_anything_starts() {
    let lab = Lab::new();
    let module = lab.shell("cat > /dev/null");
    let input = json!({"text": "x".repeat(3000)}).to_string();
    lab.host(&["run", &module, "--input", "-", "--limit", "input=2kB"])
        .stdin(input)
        .run()
        .exits(2)
        .says(&["2000"]);
    assert!(lab.events().is_empty());
}

#[test]
fn input_of_a_megabyte_arrives_whole() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\nwc -c\n",
            json!({"input_method": "stdin"}),
        )
        .build();
    let input = json!({"text": "x".repeat(1_000_000)}).to_string();
    let ran = lab
        .host(&["run", &module, "--input", "-"])
        .stdin(input)
        .run()
        .exits(0);
    assert!(
        ran.text().trim().parse::<u32>().unwrap() > 1_000_000,
        "{}",
        ran.text()
    );
}

#[test]
fn a_value_too_long_for_a_variable_is_refused_with_the_way_out() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\n",
            json!({"input_method": "environment"}),
        )
        .build();
    let input = json!({"text": "x".repeat(200_000)}).to_string();
    lab.host(&["run", &module, "--input", "-"])
        .stdin(input)
        .run()
        .exits(2)
        .says(&["`text`"]);
    assert!(lab.events().is_empty());
}

#[test]
fn daemons_end_with_the_task_that_left_them() {
    let lab = Lab::new();
    let linger = lab.lingerer();
    let module = lab.shell(&format!("setsid {linger} >/dev/null 2>&1 & (setsid {linger} &) & nohup {linger} & sleep 0.1; echo left"));
    let ran = lab.run(&["run", &module]).exits(0);
    assert_eq!(ran.text(), "left\n");
    assert!(
        ran.took < Duration::from_secs(10),
        "host waited for a daemon: {:?}",
        ran.took
    );
}

#[test]
fn a_daemon_that_holds_the_output_holds_nobody_up() {
    let lab = Lab::new();
    let module = lab.shell(&format!("setsid {} & echo said", lab.lingerer()));
    let ran = lab.run(&["run", &module]).exits(0);
    assert!(
        ran.text() == "said\n" && ran.took < Duration::from_secs(10),
        "{:?}",
        ran.took
    );
}

#[test]
fn orphans_and_zombies_are_taken_along() {
    let lab = Lab::new();
    let linger = lab.lingerer();
    let module = lab.shell(&format!(
        "for i in 1 2 3 4 5; do (({linger}) & exec true) & done; {linger}"
    ));
    lab.run(&["run", &module, "--limit", "wall=400ms"]).exits(1);
}

#[test]
fn limits_of_a_task_hold_where_nobody_says_more() {
    let lab = Lab::new();
    let metadata = json!({"extensions": {"host": {"limits": {"wall": "200ms"}}}});
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            &format!("#!/bin/sh\n{}\n", lab.lingerer()),
            metadata,
        )
        .build();
    lab.run(&["run", &module])
        .exits(1)
        .says(&["limit `wall` (200ms)"]);
}

#[test]
fn a_ceiling_of_the_machine_is_above_every_request() {
    let lab = Lab::new();
    lab.write(
        "home/config/config.toml",
        "[limits]\nwall = \"1s\"\n\n[ceilings]\nwall = \"2s\"\n",
    );
    let module = lab.shell("true");
    lab.run(&["run", &module, "--limit", "wall=3s"])
        .exits(2)
        .says(&["`wall`", "ceiling", "2s"]);
    lab.run(&["run", &module, "--limit", "wall=2s"]).exits(0);
    assert_eq!(lab.journal()[0]["limits"]["wall"], "2s");
}

#[test]
fn every_limit_is_in_the_record_of_the_intent() {
    let lab = Lab::new();
    lab.run(&[
        "run",
        &lab.shell("true"),
        "--limit",
        "wall=7s",
        "--limit",
        "output=4KiB",
    ])
    .exits(0);
    let limits = &lab.journal()[0]["limits"];
    for (name, value) in [
        ("wall", "7s"),
        ("cpu", "5m"),
        ("memory", "512MiB"),
        ("processes", "256"),
        ("output", "4KiB"),
        ("scratch", "256MiB"),
        ("inodes", "65536"),
        ("files", "1024"),
        ("input", "1MiB"),
    ] {
        assert_eq!(limits[name], value, "{limits}");
    }
}
