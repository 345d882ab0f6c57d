//! What a person gets who asks for something that cannot be: one message, a right exit code, and nothing left.

use std::fs;

use serde_json::{Value, json};

use crate::lab::Lab;

const TRUE: &str = "#!/bin/sh\n";

/// A module with the tasks `demo::clean` and `demo::report`.
fn two_tasks(lab: &Lab) -> String {
    lab.module("demo")
        .task(
            "clean.sh",
            TRUE,
            json!({"description": "Removes what is old"}),
        )
        .task(
            "report.sh",
            TRUE,
            json!({"description": "Lists what is old"}),
        )
        .build()
}

#[test]
fn an_unknown_task_is_answered_with_a_suggestion() {
    let lab = Lab::new();
    let module = two_tasks(&lab);
    lab.run(&["run", &module, "reprot"])
        .exits(2)
        .says(&["`demo::reprot`", "did you mean `demo::report`?"]);
    lab.run(&["run", &module, "other::report"])
        .exits(2)
        .says(&["error:"]);
    assert!(lab.events().is_empty());
}

#[test]
fn without_a_default_task_they_are_listed() {
    let lab = Lab::new();
    let module = two_tasks(&lab);
    lab.run(&["run", &module])
        .exits(2)
        .says(&[
            "demo::clean    Removes what is old",
            "demo::report   Lists what is old",
        ])
        .hints("name one");
}

#[test]
fn a_task_has_three_names() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", TRUE, Value::Null)
        .task("report.sh", TRUE, Value::Null)
        .build();
    for (name, task) in [
        ("demo", "demo"),
        ("report", "demo::report"),
        ("demo::report", "demo::report"),
    ] {
        assert_eq!(lab.record(&[&module, name])["task"], task);
    }
    assert_eq!(lab.record(&[&module])["task"], "demo");
}

#[test]
fn the_only_task_that_is_not_private_needs_no_name() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("shown.sh", TRUE, Value::Null)
        .task("hidden.sh", TRUE, json!({"private": true}))
        .build();
    assert_eq!(lab.record(&[&module])["task"], "demo::shown");
    assert_eq!(lab.record(&[&module, "hidden"])["task"], "demo::hidden");
}

#[test]
fn metadata_that_cannot_be_used_names_its_place() {
    for (metadata, said) in [
        ("{\"description\": ", "JSON"),
        ("[]", "object"),
        (r#"{"parameters": {"Bad-Name": {}}}"#, "Bad-Name"),
        (r#"{"input_method": "telepathy"}"#, "input_method"),
        (r#"{"puppet_task_version": 2}"#, "puppet_task_version"),
        (r#"{"files": ["../../etc/passwd"]}"#, "../../etc/passwd"),
        (
            r#"{"extensions": {"host": {"asks": ["fs.raed:/etc"]}}}"#,
            "fs.raed",
        ),
        (
            r#"{"extensions": {"host": {"asks": ["fs.read:/srv/${missing}"]}}}"#,
            "missing",
        ),
        (
            r#"{"extensions": {"host": {"limits": {"wall": "soon"}}}}"#,
            "wall",
        ),
        (r#"{"extensions": {"host": {"aks": []}}}"#, "aks"),
    ] {
        let lab = Lab::new();
        let module = lab
            .module("demo")
            .task("init.sh", TRUE, Value::Null)
            .file("tasks/init.json", metadata)
            .build();
        for help in [&[][..], &["--help"]] {
            let ran = lab.run(&[&["run", module.as_str()], help].concat());
            let ran = ran.exits(2).says(&["`tasks/init.json`", "`demo`", said]);
            once(&ran.stderr);
        }
        lab.run(&["bundle", "show", &module])
            .exits(0)
            .never_says("metadata of task");
        assert!(lab.events().is_empty(), "{metadata}");
    }
}

#[test]
fn a_type_that_puppet_does_not_know_makes_its_task_unusable() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {"a": {"type": "Strnig"}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    lab.run(&["run", &module, "a=1"]).exits(2).says(&["Strnig"]);
}

#[test]
fn quirks_of_real_metadata_are_taken_as_puppet_takes_them() {
    let lab = Lab::new();
    let metadata = "\u{feff}{\"description\": \"one\", \"description\": \"two\", \"summary\": \"x\", \"input_method\": \"environment\", \"input_method\": \"stdin\"}";
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", Value::Null)
        .file("tasks/init.json", metadata)
        .build();
    assert_eq!(
        lab.record(&[&module, "a=1"])["value"]["a"],
        1,
        "the last input method counts"
    );
    let help = lab.run(&["run", &module, "demo", "--help"]).exits(0).text();
    assert!(help.starts_with("two\n"), "{help}");
}

#[test]
fn an_empty_metadata_file_declares_nothing() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", Value::Null)
        .file("tasks/init.json", "")
        .build();
    assert_eq!(lab.record(&[&module, "anything=1"])["value"]["anything"], 1);
}

#[test]
fn notes_and_settings_beside_tasks_are_no_tasks() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", TRUE, Value::Null)
        .file("tasks/README.md", "# Tasks\n")
        .file("tasks/init.conf", "a=1\n")
        .file("tasks/deeper/other.sh", TRUE)
        .build();
    let help = lab
        .run(&["run", &module, "--output", "json", "--help"])
        .exits(0)
        .text();
    assert!(
        !help.contains("README") && !help.contains("other"),
        "{help}"
    );
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn two_files_of_one_name_are_no_task_until_metadata_chooses() {
    let lab = Lab::new();
    let draft = || {
        lab.module("demo")
            .task("init.sh", "#!/bin/sh\necho shell\n", Value::Null)
            .task("init.py", "#!/usr/bin/python3\n", Value::Null)
    };
    lab.run(&["run", &draft().build()])
        .says(&["init.sh", "init.py"])
        .exits(2);
    let chosen = json!({"implementations": [
        {"name": "init.py", "requirements": ["puppet-agent", "nonexistent"]}, {"name": "init.sh", "requirements": ["shell"]},
    ]});
    let module = draft().file("tasks/init.json", chosen.to_string()).build();
    assert_eq!(lab.record(&[&module])["value"]["_output"], "shell\n");
}

#[test]
fn no_implementation_for_this_machine_says_what_each_would_need() {
    let lab = Lab::new();
    let metadata =
        json!({"implementations": [{"name": "init.sh", "requirements": ["nonexistent"]}]});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    lab.run(&["run", &module])
        .exits(2)
        .says(&["no implementation", "nonexistent"])
        .hints("config/config.toml`: features = ");
    lab.write("home/config/config.toml", "features = [\"nonexistent\"]\n");
    lab.run(&["run", &module]).exits(0);
}

#[test]
fn metadata_without_a_program_is_no_task() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("other.sh", TRUE, Value::Null)
        .file("tasks/init.json", "{}")
        .build();
    lab.run(&["run", &module, "demo"])
        .says(&["no file to run"])
        .exits(2);
}

#[test]
fn a_missing_interpreter_is_named() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.rb", "#!/opt/nowhere/ruby -w\nputs 1\n", Value::Null)
        .build();
    lab.run(&["run", &module])
        .exits(1)
        .says(&["could not be started", "`/opt/nowhere/ruby`"])
        .hints("installed");
    let record = lab.record(&[&module]);
    assert_eq!(
        (&record["status"], &record["outcome"]["kind"]),
        (&json!("failure"), &json!("could-not-start"))
    );
}

#[test]
fn a_script_without_a_first_line_runs_by_the_shell() {
    let lab = Lab::new();
    for (program, output) in [
        ("echo plain $0", "plain /task/init.sh\n"),
        ("#/usr/bin/env sh\necho broken\n", "broken\n"),
        ("", ""),
    ] {
        let module = lab
            .module("demo")
            .task("init.sh", program, Value::Null)
            .build();
        assert_eq!(lab.record(&[&module])["value"]["_output"], output);
    }
}

#[test]
fn a_script_needs_no_executable_bit() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    fs::set_permissions(
        format!("{module}/tasks/init.sh"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    assert_eq!(lab.record(&[&module])["value"]["_output"], "ran\n");
}

#[test]
fn what_is_no_bundle_is_said_to_be_none() {
    let lab = Lab::new();
    let text = lab.write("notes.txt", "hello\n");
    let empty = lab.write("empty.tar", "");
    let directory = lab.directory("empty");
    let taskless = lab.directory("taskless/tasks");
    let taskless = taskless.trim_end_matches("/tasks");
    for (path, code, said) in [
        ("nowhere.tar", 2, "there is no `nowhere.tar`"),
        (
            text.as_str(),
            2,
            "neither a sealed bundle nor a tar of a module",
        ),
        (&empty, 2, "neither a sealed bundle nor a tar of a module"),
        (&directory, 2, "it has no `tasks` directory"),
        (taskless, 2, "there is no file in its `tasks` directory"),
        (
            "/dev/null",
            2,
            "neither a sealed bundle nor a tar of a module",
        ),
    ] {
        lab.run(&["run", path]).exits(code).says(&["error:", said]);
    }
    assert!(lab.events().is_empty() && lab.files("home/cache/content").is_empty());
}

/// A file of three bytes was called a damaged bundle, and its owner told to get it again.
#[test]
fn a_short_file_is_no_damaged_bundle() {
    let lab = Lab::new();
    for (name, content, said, hint) in [
        ("notes.txt", &b"ab\n"[..], "", ""),
        ("empty.tar", b"", "", ""),
        (
            "task.sh",
            b"#!/bin/sh\necho short\n",
            "is a script",
            "directory",
        ),
        (
            "demo.tar.gz",
            b"\x1f\x8b\x08\0",
            "compressed with gzip",
            "gunzip -k ",
        ),
        (
            "demo.tar.bz2",
            b"BZh91AY",
            "compressed with bzip2",
            "bunzip2 -k ",
        ),
        (
            "demo.tar.xz",
            b"\xfd7zXZ\0\0",
            "compressed with xz",
            "unxz -k ",
        ),
        (
            "demo.tar.zst",
            b"\x28\xb5\x2f\xfd\0",
            "compressed with zstd",
            "unzstd ",
        ),
        ("demo.zip", b"PK\x03\x04\x14", "a zip archive", "unzip "),
    ] {
        let file = lab.write(name, content);
        for (command, code) in [
            (&["run"][..], 2),
            (&["bundle", "show"], 2),
            (&["bundle", "verify"], 4),
            (&["bundle", "sign"], 2),
        ] {
            let ran = lab.run(&[command, &[file.as_str()]].concat());
            let ran = ran
                .exits(code)
                .says(&[said])
                .never_says("bundle is damaged");
            let ran = ran.never_says("get the bundle again");
            if !hint.is_empty() {
                ran.hints(hint);
            }
        }
    }
}

/// The tar reader's own text has bytes of the file in it.
#[test]
fn a_file_that_is_no_tar_is_not_quoted() {
    let lab = Lab::new();
    let secret = "root:$6$hunter2$:20000:0:99999:7:::\n".repeat(40);
    let file = lab.write("shadow", secret);
    for command in [&["run"][..], &["bundle", "show"], &["bundle", "verify"]] {
        lab.run(&[command, &[file.as_str()]].concat())
            .says(&["error:"])
            .never_says("hunter2")
            .never_says("root:");
    }
}

#[test]
fn a_plain_tar_that_is_too_large_is_said_to_be_that() {
    let lab = Lab::new();
    let tar = lab.path("large.tar");
    let script = "import sys, tarfile\ninfo = tarfile.TarInfo('demo/files/large')\ninfo.size = 300 << 20\nfile = open(sys.argv[1], 'wb')\nfile.write(info.tobuf())\nfile.truncate(301 << 20)\n";
    let made = std::process::Command::new("python3")
        .args(["-c", script, &tar])
        .status();
    assert!(made.expect("this test needs python3").success());
    for command in [&["run"][..], &["bundle", "show"]] {
        lab.run(&[command, &[tar.as_str()]].concat())
            .exits(2)
            .says(&["a plain tar of more than 256 MiB"])
            .hints("host bundle pack");
    }
}

/// Typing errors and questions left directories and content behind, and needed a place to write to.
#[test]
fn what_runs_nothing_leaves_nothing() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {"who": {"type": "String"}, "force": {"type": "Boolean", "default": false}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    let bundle = lab.path("demo.tar");
    lab.run(&[
        "bundle",
        "pack",
        &module,
        "-o",
        &bundle,
        "--no-sign",
        "--version",
        "1.0.0",
    ])
    .exits(0);
    for (arguments, code, said) in [
        (&["nosuch"][..], 2, "there is no `nosuch`"),
        (&[&module, "nosheb"], 2, "no task `demo::nosheb`"),
        (
            &[&module, "nosheb", "--bad-flag"],
            2,
            "no task `demo::nosheb`",
        ),
        (&[&module, "--whoo", "me"], 2, "did you mean `--who`?"),
        (
            &[&module, "--allow-askd"],
            2,
            "did you mean `--allow-asked`?",
        ),
        (&[&module, "--bogus"], 2, "`--bogus` is neither"),
        (&[&module, "--noop=yes"], 2, "`--noop` takes no value"),
        (&[&module, "=x"], 2, "no name before `=`"),
        (
            &[&module, "--limit", "wall"],
            2,
            "limit `wall` has no value",
        ),
        (
            &[&module, "--limit", "wall=3s", "--timeout", "1s"],
            2,
            "the same limit",
        ),
        (
            &[&module, "--modulepath", "/nosuch"],
            2,
            "there is no `/nosuch`",
        ),
        (
            &[&module, "--limit", "wall=1s", "--limit", "wall=2s"],
            2,
            "limit `wall` is given twice",
        ),
        (&[&module, "--help"], 0, ""),
        (&[&module, "demo", "--help"], 0, ""),
        (
            &[&module, "who=x", "force=abc"],
            2,
            "force  expects a Boolean",
        ),
        (&[&module, "who=x", "whom=y"], 2, "whom  is no parameter"),
        (&[&module], 2, "who  expects a value"),
        (&[&module, "who=x", "--noop"], 2, "--noop  is not supported"),
        (
            &[&module, "--input", "@/nonexist"],
            2,
            "there is no `/nonexist`",
        ),
        (&[&module, "--input", "{"], 2, "input is not JSON"),
        (
            &[&bundle, "--input", "@/nonexist"],
            2,
            "there is no `/nonexist`",
        ),
        (&[&bundle, "--input", "{"], 2, "input is not JSON"),
        (
            &[&bundle, "--force", "--input", "{"],
            2,
            "input is not JSON",
        ),
    ] {
        lab.run(&[&["run"], arguments].concat())
            .exits(code)
            .says(&[said]);
        let made: Vec<_> = lab.files("home").into_iter().collect();
        let home = lab.home();
        let is_clean = made.is_empty() && (code == 0 || !home.join("cache/content").exists());
        assert!(is_clean, "{arguments:?} left {made:?}");
    }
    lab.host(&["run", &module, "--help"])
        .env("HOST_HOME", "/proc/nosuchdir")
        .run()
        .exits(0);
}

/// Input that comes through a pipe is there once.
#[test]
fn input_through_a_pipe_is_read_once() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\ncat\n",
            json!({"input_method": "stdin", "parameters": {"a": {"type": "Integer"}}}),
        )
        .build();
    let script = "host=$1; printf '{\"a\": 1}' | \"$host\" run \"$2\" --input @/dev/stdin";
    let ran = crate::lab::Host::by_shell(&lab, script, &[&module])
        .run()
        .exits(0);
    assert!(ran.text().contains("\"a\": 1"), "{}", ran.text());
}

/// The whole module was once unpacked into a directory, which stayed where help was interrupted.
#[test]
fn help_that_is_killed_leaves_nothing() {
    let lab = Lab::new();
    let (place, pipe) = (lab.directory("temporary"), lab.path("pipe"));
    let made = std::process::Command::new("/usr/bin/mkfifo")
        .arg(&pipe)
        .status();
    assert!(made.unwrap().success());
    let live = lab
        .host(&["run", &pipe, "--help"])
        .env("TMPDIR", &place)
        .start();
    // It is opened from this side when it is from the other.
    let writer = fs::File::create(&pipe).unwrap();
    live.signal(rustix::process::Signal::KILL);
    live.end();
    drop(writer);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
}

#[test]
fn a_required_ask_without_its_value_is_answered_with_the_parameter() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {"n": {"type": "Optional[String]"}},
        "extensions": {"host": {"asks": ["fs.read:/var/lib/${n}"]}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    lab.run(&["run", &module])
        .exits(2)
        .says(&["`n` has no value"])
        .hints("n=VALUE");
}

/// `bundle show` marked what is dangerous and help did not; help began with the module's own task and `show` did not.
#[test]
fn help_and_show_tell_the_same_of_a_module() {
    let lab = Lab::new();
    let asks = json!(["run.as:daemon", {"capability": "host.full", "optional": true, "why": "to be sure"}]);
    let metadata = json!({"extensions": {"host": {"asks": asks}}});
    let module = lab
        .module("demo")
        .task("alpha.sh", TRUE, Value::Null)
        .task("init.sh", TRUE, metadata)
        .build();
    let help = lab.run(&["run", &module, "demo", "--help"]).exits(0).text();
    assert!(help.contains("run.as:daemon  dangerous\n"), "{help}");
    assert!(help.contains("optional, dangerous: to be sure\n"), "{help}");
    for command in [
        &["run", &module, "--help"][..],
        &["bundle", "show", &module],
    ] {
        let text = lab.run(command).exits(0).text();
        let mut words = text
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        let last = words.rfind(|word| word.starts_with("demo"));
        assert_eq!(last, Some("demo::alpha"), "{text}");
    }
}

#[test]
fn help_behind_an_option_is_the_help_of_the_task() {
    let lab = Lab::new();
    let metadata = json!({"description": "Says who", "parameters": {"force": {"type": "Boolean", "default": false}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    let ran = lab
        .run(&["run", &module, "demo", "--force", "--help"])
        .exits(0);
    assert!(ran.text().starts_with("Says who\n"), "{}", ran.text());
}

#[test]
fn a_module_path_that_is_not_there_is_an_error_where_it_is_needed() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", TRUE, json!({"files": ["shared/files/x"]}))
        .file("metadata.json", r#"{"name": "a-demo", "version": "1.0.0"}"#)
        .build();
    for command in [&["run"][..], &["bundle", "show"], &["bundle", "pack"]] {
        lab.host(&[command, &[module.as_str()]].concat())
            .env("HOST_MODULEPATH", "/nosuch")
            .run()
            .exits(2)
            .says(&["`/nosuch`, where other modules are looked for, is no directory"])
            .hints("host config show");
    }
}

#[test]
fn a_path_need_not_be_utf_8() {
    let lab = Lab::new();
    let module = lab.shell("echo ran");
    let script = format!(
        "host=$1; odd=$(printf 'caf\\351'); cp -r {module} \"$odd\" && echo '{{\"name\": \"a-demo\"}}' > \"$odd/metadata.json\" && exec \"$host\" run \"$odd\""
    );
    let ran = crate::lab::Host::by_shell(&lab, &script, &[])
        .run()
        .exits(0);
    assert_eq!(ran.text(), "ran\n");
}

#[test]
fn usage_errors_say_what_would_be_right() {
    let lab = Lab::new();
    let module = lab.shell("true");
    for (arguments, said) in [
        (&["run"][..], "BUNDLE"),
        (&["run", &module, "demo", "again"], "`again`"),
        (&["run", &module, "--bogus"], "--bogus"),
        (&["run", &module, "--limit", "wall"], "NAME=VALUE"),
        (&["run", &module, "--limit", "patience=1"], "patience"),
        (&["run", &module, "--limit", "wall=soon"], "wall"),
        (&["run", &module, "--limit", "wall=0s"], "wall"),
        (&["run", &module, "--timeout", "never"], "wall"),
        (&["run", &module, "--allow", "everything"], "everything"),
        (&["run", &module, "--allow", "fs.read:relative"], "absolute"),
        (&["run", &module, "--allow", "fs.read:/a/../b"], ".."),
        (
            &["run", &module, "--allow", "fs.read:/srv/${name}"],
            "placeholder",
        ),
        (&["run", &module, "--output", "xml"], "xml"),
        (&["frobnicate"], "frobnicate"),
    ] {
        lab.run(arguments).exits(2).says(&["error:", said]);
    }
    assert!(lab.events().is_empty());
}

#[test]
fn no_message_says_the_same_thing_twice() {
    let lab = Lab::new();
    let module = lab.shell("true");
    for arguments in [
        &["run", &module, "--limit", "wall=soon"][..],
        &["run", &module, "--allow", "fs.read:relative"],
    ] {
        once(&lab.run(arguments).stderr);
    }
    let bundle = lab.path("demo.tar");
    lab.run(&[
        "bundle",
        "pack",
        &module,
        "--version",
        "1.0.0",
        "-o",
        &bundle,
    ])
    .exits(0);
    for command in [&["run"][..], &["bundle", "verify"]] {
        let ran = lab.run(&[command, &[bundle.as_str()]].concat()).exits(4);
        once(&ran.stderr);
        assert_eq!(
            ran.stderr.matches("not trusted").count() + ran.stderr.matches("not verified").count(),
            1,
            "{}",
            ran.stderr
        );
    }
}

/// Asserts that no line says again what another one says.
#[track_caller]
fn once(stderr: &str) {
    let lines: Vec<&str> = stderr.lines().collect();
    for line in &lines {
        let told = line.trim_start_matches("  because ");
        let told = told.trim_start_matches("error: ");
        let again = lines.iter().filter(|other| other.ends_with(told)).count();
        assert_eq!(again, 1, "{stderr}");
    }
}

#[test]
fn noop_is_refused_where_a_task_does_not_support_it() {
    let lab = Lab::new();
    let module = lab.shell("echo changed");
    lab.run(&["run", &module, "--noop"])
        .exits(2)
        .says(&["noop"]);
    assert!(lab.events().is_empty());
}

#[test]
fn a_noop_run_is_recorded_as_one() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\necho noop is $PT__noop\n",
            json!({"supports_noop": true}),
        )
        .build();
    lab.run(&["run", &module, "--noop"])
        .exits(0)
        .says(&["noop"]);
    assert_eq!(lab.journal()[0]["noop"], true);
    assert_eq!(lab.record(&[&module])["value"]["_output"], "noop is\n");
}

#[test]
fn foreign_words_cannot_act_on_a_terminal() {
    let lab = Lab::new();
    let nasty = "clear\u{1b}[2J\u{202e}gnp\r\n";
    let metadata = json!({"description": nasty, "parameters": {"a": {"type": "Pattern[/^1/]", "description": nasty}},
        "extensions": {"host": {"asks": [{"capability": "fs.read:/srv", "why": nasty}]}}});
    let module = lab.module("demo").task("init.sh", TRUE, metadata).build();
    for (arguments, code) in [
        (&["demo", "--help"][..], 0),
        (&["--help"], 0),
        (&["a=1"], 3),
        (&[nasty], 2),
        (&[&format!("a={nasty}")], 2),
        (&[&format!("{nasty}=1")], 2),
    ] {
        plain(&lab, &[&["run", module.as_str()], arguments].concat(), code);
    }
}

#[test]
fn names_of_files_cannot_act_on_a_terminal() {
    let lab = Lab::new();
    let nasty = "clear\u{1b}[2J\u{202e}gnp\r";
    plain(&lab, &["run", nasty], 2);
    plain(&lab, &["trust", "add", nasty], 2);
    plain(&lab, &["run", &lab.write(nasty, "no bundle")], 2);
    plain(&lab, &["run", &lab.directory("clear\u{1b}[2J")], 2);
    plain(&lab, &["bundle", "show", nasty], 2);
}

/// Asserts that nothing of what is printed acts on a terminal, and that it is shown all the same.
#[track_caller]
fn plain(lab: &Lab, arguments: &[&str], code: i32) {
    let ran = lab.run(arguments).exits(code);
    let said = format!("{}{}", ran.text(), ran.stderr);
    assert!(said.contains("clear\\u{1b}[2J"), "{arguments:?}: {said}");
    for hidden in ['\u{1b}', '\u{202e}', '\r'] {
        assert!(
            !ran.text().contains(hidden) && !ran.stderr.contains(hidden),
            "{arguments:?}: {:?} {:?}",
            ran.text(),
            ran.stderr
        );
    }
}
