use std::collections::BTreeMap;
use std::io;

use super::*;
use crate::types::DataType;

const PRIVATE: &str = r#"{"private": true}"#;

fn open(files: &[(&str, &str)]) -> Result<Module, OpenModuleError> {
    let texts: BTreeMap<String, String> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect();
    let name: ModuleName = "service".parse().expect("a module name");
    Module::open(&name, texts.keys().cloned(), &mut |path| {
        texts
            .get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::Error::other("not there"))
    })
}

fn module(files: &[(&str, &str)]) -> Module {
    open(files).expect("a module")
}

/// Every task with `ok` or the kind of its error.
fn tasks(files: &[(&str, &str)]) -> Vec<(String, &'static str)> {
    let module = module(files);
    let kind =
        |task: Result<&TaskDefinition, &TaskError>| task.map_or_else(TaskError::kind, |_| "ok");
    let mut kinds: Vec<_> = module
        .tasks()
        .map(|(name, task)| (name.to_string(), kind(task)))
        .collect();
    kinds.sort();
    kinds
}

fn found(module: &Module, text: &str) -> String {
    match module.find(text) {
        Ok(task) => task.name.to_string(),
        Err(error) => format!("{}: {error}", error.kind()),
    }
}

#[test]
fn tasks_are_the_files_at_the_top_of_their_directory() {
    let found = tasks(&[
        ("tasks/init.sh", ""),
        ("tasks/report", ""),
        ("tasks/report.json", "{}"),
        ("tasks/restart.wasm", ""),
        ("tasks/sub/deep.sh", ""),
        ("tasks/README.md", ""),
        ("tasks/notes.md", ""),
        ("tasks/settings.conf", ""),
        ("tasks/Upper.sh", ""),
        ("tasks/with-dash.sh", ""),
        ("tasks/two.dots.sh", ""),
        ("tasks/.hidden", ""),
        ("tasks/1st.sh", ""),
        ("files/other.sh", ""),
        ("other/tasks/x.sh", ""),
    ]);
    let wanted = [
        ("service", "ok"),
        ("service::report", "ok"),
        ("service::restart", "ok"),
    ];
    assert_eq!(found, wanted.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn one_broken_task_leaves_the_others_usable() {
    let found = tasks(&[
        ("tasks/init.sh", ""),
        ("tasks/a.sh", ""),
        ("tasks/a.py", ""),
        ("tasks/b.json", "{}"),
        (
            "tasks/c.json",
            r#"{"implementations": [{"name": "gone.sh"}, {"name": "init.sh"}]}"#,
        ),
        ("tasks/d.json", "{"),
        ("tasks/d.sh", ""),
        ("tasks/e.json", r#"{"files": ["service/files/../x"]}"#),
        ("tasks/e.sh", ""),
        ("tasks/f.json", r#"{"implementations": [{"name": "a.sh"}]}"#),
    ]);
    let wanted = [
        ("service", "ok"),
        ("service::a", "puppet.tasks/multiple-implementations"),
        ("service::b", "puppet.tasks/no-implementation"),
        ("service::c", "puppet.tasks/missing-implementation"),
        ("service::d", "puppet.tasks/unparseable-metadata"),
        ("service::e", "puppet.tasks/invalid-metadata"),
        ("service::f", "ok"),
    ];
    assert_eq!(found, wanted.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn an_error_names_the_files_it_is_about() {
    let module = module(&[
        ("tasks/a.sh", ""),
        ("tasks/a.py", ""),
        (
            "tasks/c.json",
            r#"{"implementations": [{"name": "gone.sh"}, {"name": "a.sh"}]}"#,
        ),
    ]);
    let message = |text: &str| module.find(text).expect_err(text).to_string();
    assert_eq!(
        message("a"),
        "task `service::a` has several files (a.py, a.sh) and no `implementations` to choose from"
    );
    assert_eq!(
        message("c"),
        "task `service::c` lists implementations that are not in `tasks/`: gone.sh"
    );
}

#[test]
fn an_implementation_is_a_task_of_its_own_and_its_siblings_are_not_ambiguous() {
    let module = module(&[
        (
            "tasks/init.json",
            r#"{"implementations": [{"name": "init.rb"}, {"name": "linux.sh"}]}"#,
        ),
        ("tasks/init.rb", ""),
        ("tasks/linux.sh", ""),
        ("tasks/linux.json", PRIVATE),
    ]);
    assert_eq!(found(&module, "service"), "service");
    assert_eq!(found(&module, "linux"), "service::linux");
    assert!(
        module
            .listed()
            .map(|task| task.name.as_str())
            .eq(["service"])
    );
}

#[test]
fn a_task_is_found_however_it_is_written() {
    let module = module(&[
        ("tasks/init.sh", ""),
        ("tasks/report.sh", ""),
        ("tasks/hidden.sh", ""),
        ("tasks/hidden.json", PRIVATE),
    ]);
    let cases = [
        ("service", "service"),
        ("init", "service"),
        ("service::init", "service"),
        ("report", "service::report"),
        ("service::report", "service::report"),
        ("hidden", "service::hidden"),
        (
            "reprot",
            "puppet.tasks/task-not-found: module has no task `service::reprot`; did you mean `service::report`?",
        ),
        (
            "x",
            "puppet.tasks/task-not-found: module has no task `service::x`",
        ),
        (
            "other::report",
            "puppet.tasks/invalid-name: `other::report` is not the name of a task of module `service`",
        ),
        (
            "re port",
            "puppet.tasks/invalid-name: `re port` is not the name of a task of module `service`",
        ),
        (
            "../x",
            "puppet.tasks/invalid-name: `../x` is not the name of a task of module `service`",
        ),
        (
            "",
            "puppet.tasks/invalid-name: `` is not the name of a task of module `service`",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(found(&module, text), wanted, "{text}");
    }
}

#[test]
fn the_module_name_means_its_namesake_where_there_is_no_own_task() {
    let module = module(&[("tasks/service.sh", ""), ("tasks/report.sh", "")]);
    assert_eq!(found(&module, "service"), "service::service");
    assert_eq!(
        found(&module, "init"),
        "puppet.tasks/task-not-found: module has no task `service`"
    );
}

#[test]
fn the_default_is_the_own_task_or_the_only_one_that_is_not_private() {
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("tasks/init.sh", ""), ("tasks/b.sh", "")], "service"),
        (
            &[
                ("tasks/a.sh", ""),
                ("tasks/b.sh", ""),
                ("tasks/b.json", PRIVATE),
            ],
            "service::a",
        ),
        (
            &[("tasks/a.sh", ""), ("tasks/b.sh", "")],
            "no task was named, and the module has 2 to choose from",
        ),
        (
            &[("tasks/a.sh", ""), ("tasks/b.json", "{}")],
            "no task was named, and the module has one that can be used and others that cannot",
        ),
        (
            &[("files/x", "")],
            "no task was named, and the module has none to choose from",
        ),
        (
            &[("tasks/init.json", "{}"), ("tasks/b.sh", "")],
            "task `service` has metadata and no file to run",
        ),
    ];
    for (files, wanted) in cases {
        let module = module(files);
        let found = module
            .default_task()
            .map_or_else(|error| error.to_string(), |task| task.name.to_string());
        assert_eq!(found, wanted);
    }
}

#[test]
fn an_overlay_gives_asks_to_a_module_that_stays_as_it_is() {
    let module = module(&[
        ("tasks/init.sh", ""),
        (
            "tasks/init.json",
            r#"{"parameters": {"name": {"type": "String"}}}"#,
        ),
        ("tasks/own.sh", ""),
        (
            "tasks/own.json",
            r#"{"extensions": {"host": {"asks": ["fs.read:/own"]}}}"#,
        ),
        ("tasks/kept.sh", ""),
        (
            "tasks/kept.json",
            r#"{"extensions": {"host": {"asks": ["fs.read:/kept"]}}}"#,
        ),
        ("tasks/wrong.sh", ""),
        (
            "host/asks.json",
            r#"{"format": "host.asks/1", "tasks": {
                "service": {"asks": ["fs.read:/var/log/${name}"]}, "own": {"asks": ["fs.read:/overlaid"]},
                "wrong": {"asks": ["fs.read:/${name}"]}, "gone": {}
            }}"#,
        ),
    ]);
    let asks = |text: &str| {
        let task = module.find(text).expect("a task");
        let texts: Vec<_> = task
            .asks
            .asks
            .iter()
            .map(|ask| ask.template.to_string())
            .collect();
        (
            texts.join(" "),
            task.asks_origin,
            task.lints(module.aliases()).len(),
        )
    };
    assert_eq!(
        asks("service"),
        ("fs.read:/var/log/${name}".to_owned(), Origin::Overlay, 0)
    );
    assert_eq!(
        asks("own"),
        ("fs.read:/overlaid".to_owned(), Origin::Overlay, 1)
    );
    assert_eq!(
        asks("kept"),
        ("fs.read:/kept".to_owned(), Origin::Bundle, 0)
    );
    assert_eq!(
        found(&module, "wrong"),
        "puppet.tasks/invalid-metadata: `host/asks.json` does not fit task `service::wrong`"
    );
    let lints: Vec<_> = module.lints().iter().map(ToString::to_string).collect();
    assert_eq!(
        lints,
        ["`host/asks.json` names `service::gone`, which is no task of the module"]
    );
}

#[test]
fn type_aliases_come_from_every_module_of_the_bundle() {
    let module = module(&[
        ("tasks/init.sh", ""),
        (
            "tasks/init.json",
            r#"{"parameters": {
                "own": {"type": "Service::Name", "default": "a"}, "other": {"type": "Helper::Port", "default": 80},
                "bad": {"type": "Service::Name", "default": "B"}
            }}"#,
        ),
        (
            "types/name.pp",
            "# a name\ntype Service::Name = Pattern[/\\A[a-z]+\\z/]\n",
        ),
        ("types/broken.pp", "type Service::Another = String"),
        (
            "host/modules/helper/types/port.pp",
            "type Helper::Port = Integer[1, 65535]",
        ),
        ("host/modules/helper/files/types/port.pp", "not an alias"),
    ]);
    let places: Vec<_> = module
        .find("service")
        .expect("a task")
        .lints(module.aliases())
        .into_iter()
        .map(|lint| lint.place)
        .collect();
    assert_eq!(places, ["parameters.bad.default"]);
    let lints: Vec<_> = module.lints().iter().map(|lint| &lint.place).collect();
    assert_eq!(lints, ["types/broken.pp"]);
}

/// One alias that could not be used once took all others with it.
#[test]
fn an_alias_that_cannot_be_used_leaves_the_others_alone() {
    let module = module(&[
        ("tasks/init.sh", ""),
        (
            "types/one.pp",
            "type Service::One = Variant[Service::Two, String]",
        ),
        ("types/two.pp", "type Service::Two = Service::One"),
        ("types/port.pp", "type Service::Port = Integer[1, 10]"),
        (
            "host/modules/service/types/port.pp",
            "type Service::Port = String",
        ),
    ]);
    let port: DataType = "Service::Port".parse().expect("a type");
    assert_ne!(
        port.accepts(&5.into(), module.aliases()),
        port.accepts(&"a".into(), module.aliases())
    );
    assert_eq!(module.aliases().unusable().count(), 2);
    let lints: Vec<_> = module.lints().iter().map(ToString::to_string).collect();
    assert_eq!(lints.len(), 1, "{lints:?}");
    assert!(
        lints[0].ends_with(
            "` is left out: `service/types/port.pp` defines `Service::Port` a second time"
        ),
        "{lints:?}"
    );
}

#[test]
fn too_many_aliases_refuse_the_module() {
    let texts: Vec<_> = (0..2_049)
        .map(|index| {
            (
                format!("types/a{index}.pp"),
                format!("type Service::A{index} = String"),
            )
        })
        .collect();
    let files: Vec<_> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        open(&files).expect_err("too many").to_string(),
        "the module has more than 2048 type aliases, or 65536 parts in their types"
    );
}

/// Each run once compiled the patterns of all defaults of all tasks of its module.
#[test]
fn opening_a_module_compiles_no_pattern() {
    let metadata =
        r#"{"parameters": {"x": {"type": "Pattern[/\\A\\p{L}{1,200}\\z/]", "default": "1"}}}"#;
    let module = module(&[("tasks/init.sh", ""), ("tasks/init.json", metadata)]);
    let task = module.find("service").expect("a task");
    assert!(!module.aliases().has_compiled());
    assert_eq!(task.lints(module.aliases()).len(), 1);
    assert!(!module.aliases().has_compiled());
}

#[test]
fn a_module_whose_paths_or_overlay_cannot_be_trusted_is_refused() {
    let cases: [(&[(&str, &str)], &str); 4] = [
        (
            &[("tasks/../x", "")],
            "`tasks/../x` is not a plain relative path",
        ),
        (
            &[("/etc/passwd", "")],
            "`/etc/passwd` is not a plain relative path",
        ),
        (
            &[("tasks/a\nb", "")],
            "`tasks/a\\u{a}b` is not a plain relative path",
        ),
        (
            &[("tasks/init.sh", ""), ("host/asks.json", "{}")],
            "`host/asks.json` cannot be used",
        ),
    ];
    for (files, wanted) in cases {
        assert_eq!(open(files).expect_err(wanted).to_string(), wanted);
    }
}

#[test]
fn metadata_under_a_name_of_no_task_is_a_lint() {
    let module = module(&[
        ("tasks/init.sh", ""),
        ("tasks/my-task.json", "{}"),
        ("tasks/sub/other.json", "{}"),
        (&format!("tasks/{}.sh", "a".repeat(65)), ""),
        (&format!("tasks/{}.sh", "A".repeat(65)), ""),
        (&format!("tasks/{}.sh", "a".repeat(64)), ""),
    ]);
    let lints: Vec<_> = module.lints().iter().map(ToString::to_string).collect();
    assert_eq!(
        lints,
        [
            format!(
                "`tasks/{}.sh` is no task: its name is longer than 64 characters",
                "a".repeat(65)
            ),
            "`tasks/my-task.json` is metadata, and its name is not a task's".to_owned(),
        ]
    );
    assert_eq!(module.tasks().count(), 2);
}
