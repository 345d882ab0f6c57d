use std::collections::BTreeSet;

use host_core::ModuleName;

use super::*;
use crate::module::Module;

const EVERYWHERE: &str = r#"{
    "files": ["demo/files/common.sh"],
    "implementations": [
        {"name": "init.rb", "requirements": ["puppet-agent"], "input_method": "stdin"},
        {"name": "windows.ps1", "requirements": ["powershell"]},
        {"name": "linux.sh", "requirements": ["shell"], "input_method": "environment", "files": ["helper/lib/"]}
    ]
}"#;

fn module(metadata: &str, others: &[&str]) -> Module {
    let fixed = [
        "tasks/init.json",
        "tasks/init.rb",
        "tasks/windows.ps1",
        "tasks/linux.sh",
        "files/common.sh",
    ];
    open(metadata, fixed.iter().chain(others))
}

fn open<'a>(metadata: &str, paths: impl Iterator<Item = &'a &'a str>) -> Module {
    let name: ModuleName = "demo".parse().expect("a name");
    let paths: Vec<String> = paths.map(|path| (*path).to_owned()).collect();
    Module::open(&name, paths, &mut |path| {
        Ok(if path == "tasks/init.json" {
            metadata.as_bytes().to_vec()
        } else {
            b"{}".to_vec()
        })
    })
    .expect("a module")
}

fn features(words: &str) -> BTreeSet<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn selected(module: &Module, words: &str) -> String {
    match module
        .find("demo")
        .expect("a task")
        .select(&features(words))
    {
        Ok(selection) => format!("{} {}", selection.executable, selection.input_method),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_first_implementation_that_suits_the_node_is_taken() {
    let module = module(EVERYWHERE, &[]);
    let cases = [
        ("shell", "linux.sh environment"),
        ("shell puppet-agent", "init.rb stdin"),
        ("powershell", "windows.ps1 powershell"),
        ("powershell shell", "windows.ps1 powershell"),
        (
            "wasm",
            "no implementation of task `demo` suits this node: init.rb needs puppet-agent; windows.ps1 needs \
             powershell; linux.sh needs shell",
        ),
    ];
    for (words, wanted) in cases {
        assert_eq!(selected(&module, words), wanted, "{words}");
    }
}

#[test]
fn the_input_method_comes_from_the_nearest_that_names_one() {
    let cases = [
        (
            r#"{"implementations": [{"name": "linux.sh"}]}"#,
            "linux.sh both",
        ),
        (
            r#"{"implementations": [{"name": "linux.sh"}], "input_method": "stdin"}"#,
            "linux.sh stdin",
        ),
        (
            r#"{"implementations": [{"name": "linux.sh", "input_method": "environment"}], "input_method": "stdin"}"#,
            "linux.sh environment",
        ),
        ("{}", "init.rb both"),
        (r#"{"input_method": "stdin"}"#, "init.rb stdin"),
    ];
    for (metadata, wanted) in cases {
        assert_eq!(
            selected(&module(metadata, &[]), "shell"),
            wanted,
            "{metadata}"
        );
    }
}

#[test]
fn powershell_needs_a_node_that_has_it() {
    let refused = |file: &str| {
        format!("`{file}` of task `demo` needs PowerShell, which this node does not have")
    };
    let module = module(
        r#"{"implementations": [{"name": "windows.ps1", "input_method": "stdin"}]}"#,
        &[],
    );
    assert_eq!(selected(&module, "shell"), refused("windows.ps1"));
    assert_eq!(selected(&module, "powershell"), "windows.ps1 stdin");
    let lone = open(
        r#"{"input_method": "powershell"}"#,
        ["tasks/init.json", "tasks/init.sh"].iter(),
    );
    assert_eq!(selected(&lone, "shell"), refused("init.sh"));
}

#[test]
fn a_remote_task_is_refused_with_its_reason() {
    let refused = "task `demo` is for remote targets, which have no node of their own to run it on";
    let cases = [
        (r#"{"remote": true}"#, refused),
        (
            r#"{"remote": true, "implementations": [{"name": "linux.sh"}]}"#,
            refused,
        ),
        (
            r#"{"implementations": [{"name": "linux.sh", "remote": true}]}"#,
            refused,
        ),
        (
            r#"{"remote": true, "implementations": [{"name": "linux.sh", "remote": false}]}"#,
            "linux.sh both",
        ),
        (
            r#"{"implementations": [{"name": "init.rb", "remote": true}, {"name": "linux.sh"}]}"#,
            "linux.sh both",
        ),
    ];
    for (metadata, wanted) in cases {
        assert_eq!(
            selected(&module(metadata, &[]), "shell"),
            wanted,
            "{metadata}"
        );
    }
}

fn installed(module: &Module) -> Result<Installation, String> {
    let task = module.find("demo").expect("a task");
    let selection = task.select(&features("shell")).expect("an implementation");
    selection.install(module).map_err(|error| error.to_string())
}

fn lines(installation: &Installation) -> Vec<String> {
    installation
        .files
        .iter()
        .map(|file| format!("{} <- {}", file.to, file.from))
        .collect()
}

#[test]
fn a_task_without_files_stands_alone() {
    let installation = installed(&module("{}", &[])).expect("laid out");
    assert_eq!(
        (
            installation.executable.as_str(),
            installation.has_installdir
        ),
        ("init.rb", false)
    );
    assert_eq!(lines(&installation), ["init.rb <- tasks/init.rb"]);
}

#[test]
fn files_keep_their_places_below_their_modules() {
    let module = module(
        EVERYWHERE,
        &[
            "host/modules/helper/lib/a.rb",
            "host/modules/helper/lib/deep/b.rb",
            "host/modules/helper/library/no.rb",
            "host/modules/helper/files/no.rb",
            "lib/own.rb",
        ],
    );
    let installation = installed(&module).expect("laid out");
    assert_eq!(
        (
            installation.executable.as_str(),
            installation.has_installdir
        ),
        ("demo/tasks/linux.sh", true)
    );
    assert_eq!(
        lines(&installation),
        [
            "demo/files/common.sh <- files/common.sh",
            "demo/tasks/linux.sh <- tasks/linux.sh",
            "helper/lib/a.rb <- host/modules/helper/lib/a.rb",
            "helper/lib/deep/b.rb <- host/modules/helper/lib/deep/b.rb",
        ]
    );
}

#[test]
fn every_mount_and_its_whole_directory_can_be_named() {
    let others = ["scripts/s.sh", "lib/l.rb", "files/sub/x", "files/sub/y/z"];
    let cases = [
        ("demo/scripts/s.sh", "demo/scripts/s.sh"),
        ("demo/lib/", "demo/lib/l.rb"),
        ("demo/files/sub/", "demo/files/sub/x demo/files/sub/y/z"),
        (
            "demo/files/",
            "demo/files/common.sh demo/files/sub/x demo/files/sub/y/z",
        ),
        ("demo/tasks/linux.sh", "demo/tasks/linux.sh"),
    ];
    for (reference, wanted) in cases {
        let metadata = serde_json::json!({ "files": [reference] }).to_string();
        let installation = installed(&module(&metadata, &others)).expect(reference);
        let places: Vec<_> = installation
            .files
            .iter()
            .map(|file| file.to.as_str())
            .collect();
        let others: Vec<_> = places
            .into_iter()
            .filter(|place| *place != "demo/tasks/init.rb")
            .collect();
        assert_eq!(others.join(" "), wanted, "{reference}");
    }
}

#[test]
fn a_file_that_is_not_in_the_bundle_is_named() {
    let cases = [
        (
            "demo/files/gone.sh",
            "`demo/files/gone.sh` is not in the bundle",
        ),
        ("other/files/x", "`other/files/x` is not in the bundle"),
        ("demo/scripts/", "`demo/scripts/` is not in the bundle"),
        (
            "demo/files/common.sh/",
            "`demo/files/common.sh/` is not in the bundle",
        ),
        (
            "demo/files/sub",
            "`demo/files/sub` is a directory: write `demo/files/sub/` for all of it",
        ),
    ];
    for (reference, wanted) in cases {
        let metadata = serde_json::json!({ "files": [reference] }).to_string();
        assert_eq!(
            installed(&module(&metadata, &["files/sub/x"])).expect_err(reference),
            wanted
        );
    }
}
