//! Which word of a command line is the bundle, which the task, and which the value of an option.

use serde_json::json;

use crate::lab::Lab;

/// A module with a Boolean option and the tasks `demo` and `demo::stop`.
fn switched(lab: &Lab) -> String {
    let metadata = json!({"input_method": "stdin", "parameters": {
        "b": {"type": "Boolean", "default": false}, "name": {"type": "String", "default": "x"},
    }});
    lab.module("demo")
        .task("init.sh", "#!/bin/sh\ncat\n", metadata.clone())
        .task("stop.sh", "#!/bin/sh\ncat\n", metadata)
        .build()
}

/// The value of the option before it was once taken out of such lines, or the flag ignored.
#[test]
fn a_flag_of_ours_stands_behind_a_boolean_option() {
    let lab = Lab::new();
    let module = switched(&lab);
    for (arguments, task) in [
        (&["--b", "--allow", "fs.read:/usr"][..], "demo"),
        (&["--b", "--timeout", "3s"], "demo"),
        (&["--b", "--output", "json"], "demo"),
        (&["--b", "--allow-asked", "stop"], "demo::stop"),
        (&["--b", "stop"], "demo::stop"),
        (&["--b", "stop", "--limit", "wall=3s"], "demo::stop"),
        (&["--name", "stop", "--b"], "demo"),
    ] {
        let output = ["--output", "json"];
        let has_output = arguments.contains(&"--output");
        let front = if has_output { &[][..] } else { &output[..] };
        let line = [front, &["run", module.as_str()], arguments].concat();
        let record = lab.run(&line).record();
        assert_eq!(record["task"], task, "{arguments:?}");
        assert_eq!(record["value"]["b"], true, "{arguments:?}");
    }
}

/// Sealed bundles are not looked at before they are opened.
#[test]
fn the_same_lines_are_read_the_same_for_a_plain_tar() {
    let lab = Lab::new();
    let module = switched(&lab);
    let (tar, above) = (lab.path("demo.tar"), lab.path("modules"));
    assert!(std::path::Path::new(&module).is_dir());
    let made = std::process::Command::new("tar")
        .args(["-cf", &tar, "-C", &above, "demo"])
        .status();
    assert!(made.unwrap().success());
    for arguments in [
        &["--b", "--allow", "fs.read:/usr"][..],
        &["--b", "--timeout", "3s"],
        &["--b", "stop"],
    ] {
        let record = lab.record(&[&[tar.as_str()], arguments].concat());
        assert_eq!(record["value"]["b"], true, "{arguments:?}");
    }
}

#[test]
fn the_modulepath_behind_a_boolean_option_is_taken() {
    let lab = Lab::new();
    let metadata = json!({"parameters": {
        "name": {"type": "String"}, "verbose": {"type": "Boolean", "default": false},
    }, "files": ["other/files/x"]});
    let module = lab
        .module("bt")
        .task(
            "init.sh",
            "#!/bin/sh\ncat $PT__installdir/other/files/x\n",
            metadata,
        )
        .build();
    lab.write("elsewhere/other/files/x", "found\n");
    let path = lab.path("elsewhere");
    let line = [&module, "name=x", "--verbose", "--modulepath", &path];
    assert_eq!(lab.record(&line)["value"]["_output"], "found\n");
}

#[test]
fn a_slip_in_an_option_names_that_option() {
    let lab = Lab::new();
    let module = switched(&lab);
    let module = module.as_str();
    lab.run(&["run", module, "--zz", "--allow", "fs.read:/x"])
        .exits(2)
        .says(&["`--zz` is neither an option of `host run` nor a parameter of `demo`"]);
    lab.run(&["run", "--dry-run", module, "i=1"])
        .exits(2)
        .says(&[
            "`--dry-run` is no option of `host run`",
            "there is no `i=1`",
        ])
        .hints("options of a task stand behind the bundle");
    lab.run(&["run", module, "--zz", "one", "two"])
        .exits(2)
        .says(&["no task `demo::two`"])
        .hints("`--zz` was taken for an option of the task, and `one` for its value");
    lab.run(&["run", module, "--b", "false"])
        .exits(2)
        .says(&["no task `demo::false`"])
        .hints("a value of `--b` is written --b=false");
    lab.run(&["run", "--b", "/usr", module])
        .exits(2)
        .hints("options of a task stand behind the bundle");
    assert!(lab.events().is_empty());
}
