//! Modules: files that come along, other modules, type aliases, and what happens to a directory while it runs.

use std::fs;

use serde_json::{Value, json};

use crate::lab::Lab;

#[test]
fn named_files_lie_beside_the_task_as_in_a_module() {
    let lab = Lab::new();
    let script = "#!/bin/sh\n. \"$PT__installdir/demo/files/lib.sh\"\ncat \"$(dirname \"$0\")/../../demo/files/data/one.txt\"\nhello\ncd \"$PT__installdir\" && find . -type f | sort\n";
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            script,
            json!({"files": ["demo/files/lib.sh", "demo/files/data/"]}),
        )
        .file("files/lib.sh", "hello() { echo hello; }\n")
        .file("files/data/one.txt", "one\n")
        .file("files/data/deep/two.txt", "two\n")
        .file("files/unnamed.txt", "no\n")
        .build();
    let expected = "one\nhello\n./demo/files/data/deep/two.txt\n./demo/files/data/one.txt\n./demo/files/lib.sh\n./demo/tasks/init.sh\n";
    assert_eq!(lab.record(&[&module])["value"]["_output"], expected);
}

#[test]
fn without_files_there_is_no_installdir_and_nothing_else_of_the_module() {
    let lab = Lab::new();
    let script = "#!/bin/sh\necho \"[${PT__installdir-unset}]\"; find /task -type f\n";
    let module = lab
        .module("demo")
        .task("init.sh", script, Value::Null)
        .file("files/secret.txt", "x")
        .build();
    assert_eq!(
        lab.record(&[&module])["value"]["_output"],
        "[unset]\n/task/init.sh\n"
    );
}

#[test]
fn files_of_other_modules_are_found_on_the_module_path() {
    let lab = Lab::new();
    let script = "#!/bin/sh\ncat \"$PT__installdir/shared/files/words.txt\"\n";
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            script,
            json!({"files": ["shared/files/words.txt"]}),
        )
        .build();
    lab.run(&["run", &module])
        .exits(2)
        .says(&["shared/files/words.txt"])
        .hints("--modulepath");
    let elsewhere = lab.path("elsewhere");
    lab.write("elsewhere/shared/files/words.txt", "from elsewhere\n");
    let by_flag = lab.record(&[&module, "--modulepath", &elsewhere]);
    assert_eq!(by_flag["value"]["_output"], "from elsewhere\n");
    let by_variable = lab
        .host(&["--output", "json", "run", &module])
        .env("HOST_MODULEPATH", &elsewhere)
        .run();
    assert_eq!(by_variable.record()["value"]["_output"], "from elsewhere\n");
    lab.write("modules/shared/files/words.txt", "from beside\n");
    assert_eq!(lab.record(&[&module])["value"]["_output"], "from beside\n");
}

/// Such a setting once stopped every run.
#[test]
fn a_module_path_that_is_not_there_matters_when_a_module_is_looked_for() {
    let lab = Lab::new();
    let alone = lab.shell("echo done");
    let needy = lab
        .module("needy")
        .task(
            "init.sh",
            "#!/bin/sh\n",
            json!({"files": ["shared/files/x"]}),
        )
        .build();
    lab.write("modules/shared/files/x", "from beside\n");
    let with = |module: &str| {
        lab.host(&["run", module])
            .env("HOST_MODULEPATH", "/nonexist")
            .run()
    };
    with(&alone).exits(0);
    with(&needy)
        .exits(2)
        .says(&["`/nonexist`, where other modules are looked for, is no directory"])
        .hints("host config show");
    lab.write("home/config/config.toml", "modulepath = [\"modules\"]\n");
    lab.run(&["run", &alone])
        .exits(2)
        .says(&["setting `modulepath` cannot be used: `modules` is not absolute"]);
}

#[test]
fn a_file_that_the_module_does_not_have_is_named() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task(
            "init.sh",
            "#!/bin/sh\n",
            json!({"files": ["demo/files/missing.txt"]}),
        )
        .build();
    lab.run(&["run", &module])
        .exits(2)
        .says(&["demo/files/missing.txt"]);
}

#[test]
fn type_aliases_come_from_the_module_from_others_and_from_stdlib() {
    let lab = Lab::new();
    lab.write(
        "elsewhere/shared/types/port.pp",
        "type Shared::Port = Integer[1, 65535]\n",
    );
    let metadata = json!({"input_method": "stdin", "parameters": {
        "level": {"type": "Demo::Level"}, "port": {"type": "Shared::Port"}, "path": {"type": "Stdlib::Absolutepath"},
    }});
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", metadata)
        .file(
            "types/level.pp",
            "# How loud\ntype Demo::Level = Enum['low', 'high']\n",
        )
        .build();
    let elsewhere = lab.path("elsewhere");
    let run = |arguments: &[&str]| {
        lab.run(
            &[
                &[
                    "--output",
                    "json",
                    "run",
                    &module,
                    "--modulepath",
                    &elsewhere,
                ],
                arguments,
            ]
            .concat(),
        )
    };
    let record = run(&["level=low", "port=80", "path=/srv"])
        .exits(0)
        .record();
    assert_eq!(record["value"]["port"], 80);
    let refused = run(&["level=loud", "port=70000", "path=srv"])
        .exits(2)
        .text();
    for name in ["level", "port", "path"] {
        assert!(refused.contains(name), "{refused}");
    }
}

#[test]
fn a_module_that_is_edited_while_it_runs_runs_as_it_was() {
    let lab = Lab::new();
    let script = "#!/bin/sh\necho up >&2\nsleep 0.5\ncat \"$PT__installdir/demo/files/data.txt\"\necho old\n";
    let module = lab
        .module("demo")
        .task("init.sh", script, json!({"files": ["demo/files/data.txt"]}))
        .file("files/data.txt", "old data\n")
        .build();
    let mut live = lab.host(&["run", &module]).start();
    live.hears("up");
    fs::write(format!("{module}/tasks/init.sh"), "#!/bin/sh\necho new\n").unwrap();
    fs::write(format!("{module}/files/data.txt"), "new data\n").unwrap();
    assert_eq!(live.end().exits(0).text(), "old data\nold\n");
    assert_eq!(lab.run(&["run", &module]).exits(0).text(), "new\n");
}

#[test]
fn only_the_module_layout_is_taken_from_a_directory() {
    let lab = Lab::new();
    let module = lab
        .module("demo")
        .task("init.sh", "#!/bin/sh\necho ok\n", Value::Null)
        .file(".git/config", "secret-of-the-author")
        .file("private.key", "secret-of-the-author");
    lab.run(&["run", &module.build()]).exits(0);
    lab.nowhere("home", "secret-of-the-author");
}

#[test]
fn the_name_comes_from_metadata_then_from_the_directory() {
    let lab = Lab::new();
    let named = lab
        .module("some-directory")
        .task("init.sh", "#!/bin/sh\n", Value::Null)
        .file(
            "metadata.json",
            r#"{"name": "author-given", "version": "1.2.3"}"#,
        );
    let record = lab.record(&[&named.build()]);
    assert_eq!(
        (&record["task"], &record["bundle"]["version"]),
        (&json!("given"), &json!("1.2.3"))
    );
    let nameless = lab
        .module("Some-Directory")
        .task("init.sh", "#!/bin/sh\n", Value::Null)
        .build();
    lab.run(&["run", &nameless]).exits(2).says(&["no name"]);
}

#[test]
fn a_module_named_by_a_relative_path_is_the_same_module() {
    let lab = Lab::new();
    let module = lab.shell("echo ok");
    let id = lab.record(&[&module])["bundle"]["id"].clone();
    for path in [
        "modules/demo",
        "./modules/demo/",
        "modules/../modules/demo/.",
    ] {
        assert_eq!(lab.record(&[path])["bundle"]["id"], id, "{path}");
    }
}
