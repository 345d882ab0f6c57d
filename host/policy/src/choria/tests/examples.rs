//! The examples of the old format's documentation and tests, and its hazards.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::{Carried, Fault, ImportOptions, Imported, Note, import};
use super::harness::Asked;

fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    files.iter().map(owned).collect()
}

#[track_caller]
fn imported(given: &[(&str, &str)], groups: Option<&str>) -> Imported {
    import(&files(given), groups, &ImportOptions::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

/// Facts and classes of a node: words with `=` are facts.
fn node(text: &str) -> (Map<String, Value>, BTreeSet<String>) {
    let (mut facts, mut classes) = (Map::new(), BTreeSet::new());
    for word in text.split_whitespace() {
        match word.split_once('=') {
            Some((fact, value)) => drop(facts.insert(fact.to_owned(), json!(value))),
            None => drop(classes.insert(word.to_owned())),
        }
    }
    (facts, classes)
}

/// Asks both the old rules and Cedar.
#[track_caller]
fn check(imported: &Imported, caller: &str, task: &str, on: &str, wanted: bool) {
    let (facts, classes) = node(on);
    let id = format!("choria={caller}");
    let old = imported.would_allow(&id, &task.parse().unwrap(), &facts, &classes);
    let cedar = Asked::new(imported);
    let new = cedar
        .on(&facts, &classes, &[caller], &[task])
        .allows(caller, task);
    assert_eq!((old, new), (wanted, wanted), "{caller} {task} on `{on}`");
}

#[track_caller]
fn refused(given: &[(&str, &str)], groups: Option<&str>) -> Vec<String> {
    let errors = import(&files(given), groups, &ImportOptions::default()).unwrap_err();
    errors.problems().iter().map(ToString::to_string).collect()
}

/// The fault of a policy of `puppet` whose second line is this.
#[track_caller]
fn fault(line: &str) -> Fault {
    let text = format!("policy default deny\n{line}\n");
    let given = files(&[("puppet.policy", &text)]);
    let errors = import(
        &given,
        Some("ops choria=alice\n"),
        &ImportOptions::default(),
    )
    .unwrap_err();
    let [problem] = errors.problems() else {
        panic!("{errors}");
    };
    assert_eq!(
        (problem.file.as_str(), problem.line),
        ("puppet.policy", Some(2))
    );
    assert!(!problem.hint().is_empty());
    problem.fault.clone()
}

fn file<'a>(imported: &'a Imported, name: &str) -> &'a str {
    let found = imported.files.iter().find(|(file, _)| file == name);
    &found.unwrap_or_else(|| panic!("{name} was not written")).1
}

#[test]
fn the_example_of_the_documentation_is_carried() {
    let policy = "# the puppet agent\npolicy default deny\nallow\tchoria=admin\t*\t*\t*\n\
        allow\tchoria=acme-devs\t*\tcustomer=acme\tacme::devserver\n\
        allow\tchoria=acme-devs\tenable disable status\tcustomer=acme\t*\n";
    let all = imported(&[("puppet.policy", policy)], None);
    check(&all, "admin", "puppet::runonce", "", true);
    check(
        &all,
        "acme-devs",
        "puppet::runonce",
        "customer=acme acme::devserver",
        true,
    );
    check(&all, "acme-devs", "puppet::runonce", "customer=acme", false);
    check(&all, "acme-devs", "puppet::status", "customer=ACME", true);
    check(&all, "acme-devs", "puppet::status", "customer=other", false);
    check(
        &all,
        "other",
        "puppet::status",
        "customer=acme acme::devserver",
        false,
    );
    check(&all, "admin", "service::restart", "", false);
}

#[test]
fn one_line_becomes_one_rule_that_names_it() {
    let policy = "policy default deny\ndeny\tchoria=eve\tdisk::wipe\t*\t*\nallow\tops\tdisk::wipe run_no_wait\trole=app\tweb\n";
    let all = imported(
        &[("bolt_tasks.policy", policy)],
        Some("ops choria=alice choria=eve\n"),
    );
    let wanted = "// Imported from bolt_tasks.policy.\n\
        // A task runs where its name is allowed and `run_no_wait` or `run_and_wait` is too.\n\
        \n@id(\"bolt_tasks-3\")\n@source(\"bolt_tasks.policy:3\")\npermit (\n  principal in Group::\"ops\",\n  \
        action == Action::\"run\",\n  resource == Task::\"disk::wipe\"\n)\nwhen {\n  \
        (context.predicates.contains(\"fact role==app\") && context.node.classes.contains(\"web\"))\n}\n\
        unless {\n  principal == Caller::\"eve\"\n};\n\
        \n// What the lines say of these names is about actions, never about a task of the name.\n\
        @id(\"bolt_tasks-names\")\n@source(\"bolt_tasks.policy\")\nforbid (\n  principal,\n  action == Action::\"run\",\n  \
        resource\n)\nwhen {\n  [Task::\"run_no_wait\", Task::\"run_and_wait\", Task::\"download\", \
        Task::\"task_status\"].contains(resource)\n};\n";
    assert_eq!(file(&all, "bolt_tasks.cedar"), wanted);
    assert_eq!(
        file(&all, "groups.toml"),
        "format = \"host.groups/1\"\n\n[groups]\n\"ops\" = [\"alice\", \"eve\"]\n"
    );
    assert_eq!(
        file(&all, "predicates.toml"),
        "format = \"host.predicates/1\"\n\n[\"fact role==app\"]\nkind = \"choria-fact\"\nfact = \"role\"\n\
         operator = \"==\"\nvalue = \"app\"\n"
    );
    check(&all, "alice", "disk::wipe", "role=app web", true);
    check(&all, "eve", "disk::wipe", "role=app web", false);
}

#[test]
fn the_first_line_that_matches_decides() {
    let policy =
        "allow\tchoria=alice\tdisk::wipe\t*\t*\ndeny\t*\tdisk::wipe\t*\t*\nallow\t*\t*\t*\t*\n";
    let all = imported(&[("bolt_tasks.policy", policy)], None);
    check(&all, "alice", "disk::wipe", "", true);
    check(&all, "bob", "disk::wipe", "", false);
    check(&all, "bob", "disk::list", "", true);
}

#[test]
fn a_task_is_asked_for_by_its_name_and_for_a_run() {
    let only_name = imported(
        &[("bolt_tasks.policy", "allow\tchoria=alice\tdisk::wipe\t*\t*")],
        None,
    );
    check(&only_name, "alice", "disk::wipe", "", false);
    assert!(only_name.report.files[0].notes.contains(&Note::NothingRuns));
    let only_run = imported(
        &[(
            "bolt_tasks.policy",
            "allow\tchoria=alice\trun_no_wait download\t*\t*",
        )],
        None,
    );
    check(&only_run, "alice", "disk::wipe", "", false);
    assert_eq!(only_run.report.files[0].lines[0].carried, Carried::RunGate);
    assert_eq!(
        only_run.report.files[0].lines[0].notes,
        [Note::Actions(vec!["download"])]
    );
    let download = Note::Actions(vec!["download"]);
    assert!(only_run.report.files[0].notes.contains(&download));
    let apart = "allow\t*\trun_and_wait\trole=app\t*\nallow\tchoria=alice\tdisk::wipe\t*\tweb\n";
    let apart = imported(&[("bolt_tasks.policy", apart)], None);
    check(&apart, "alice", "disk::wipe", "role=app web", true);
    check(&apart, "alice", "disk::wipe", "role=db web", false);
    check(&apart, "alice", "disk::wipe", "role=app", false);
}

#[test]
fn a_second_question_is_generated_only_where_it_asks_something() {
    let has_gate = |policy: &str| {
        let all = imported(&[("bolt_tasks.policy", policy)], None);
        file(&all, "bolt_tasks.cedar").contains("bolt_tasks-run")
    };
    assert!(!has_gate("allow\tchoria=a\t*\t*\t*"));
    assert!(!has_gate(
        "allow\tchoria=a\tx run_no_wait\t*\t*\nallow\tchoria=b\ty run_no_wait\t*\t*"
    ));
    assert!(!has_gate(
        "policy default allow\ndeny\tchoria=a\t*\t*\t*\ndeny\tchoria=b\tdisk\t*\t*"
    ));
    assert!(has_gate(
        "policy default allow\ndeny\tchoria=a\trun_no_wait run_and_wait\t*\t*"
    ));
    assert!(has_gate(
        "allow\tchoria=a\tx\t*\t*\nallow\tchoria=a\trun_no_wait\t*\t*"
    ));
}

/// A task called like an action would take its permission from lines about the action.
#[test]
fn a_task_called_like_an_action_never_runs() {
    let all = imported(&[("bolt_tasks.policy", "allow\t*\t*\t*\t*")], None);
    check(&all, "alice", "download", "", false);
    check(&all, "alice", "download::x", "", true);
}

#[test]
fn compound_lines_mean_what_the_plugin_made_of_them() {
    let policy = "policy default deny\nallow\tchoria=a\ttest\tfoo=bar and bar=foo\trspec\n\
        allow\tchoria=b\ttest\tfoo=bar\tone and two or three\n\
        allow\tchoria=c\ttest\tfoo=bar and one or (two and one)\n\
        allow\tchoria=d\ttest\tx=1 or y=1 and z=1\t*\nallow\tchoria=e\ttest\tnot (x=1) and !y=1\t*\n\
        allow\tchoria=f\ttest\t*\t/^(one|two)$/\n";
    let all = imported(&[("puppet.policy", policy)], None);
    let test = "puppet::test";
    check(&all, "a", test, "foo=bar bar=foo rspec", true);
    check(&all, "a", test, "foo=Bar bar=foo rspec", false);
    check(&all, "b", test, "foo=bar one two", true);
    check(&all, "b", test, "foo=bar three", true);
    check(&all, "b", test, "foo=bar one", false);
    check(&all, "c", test, "foo=bar one", true);
    check(&all, "c", test, "two one", true);
    check(&all, "c", test, "foo=bar two", false);
    // `or` and `and` bind alike: (x or y) and z.
    check(&all, "d", test, "x=1", false);
    check(&all, "d", test, "x=1 z=1", true);
    check(&all, "e", test, "x=2", true);
    check(&all, "e", test, "x=1", false);
    check(&all, "e", test, "y=1", false);
    check(&all, "f", test, "two", true);
    check(&all, "f", test, "Two", false);
    let mixed = &all.report.files[0].lines[4];
    assert_eq!(
        mixed.notes,
        [Note::SkippedByServer { denies: false }, Note::LeftToRight]
    );
}

/// The Go server skips compound lines, so a deny of old had ceased to deny.
#[test]
fn a_deny_that_the_server_skipped_denies_again_and_is_reported() {
    let policy = "policy default allow\ndeny\t*\tdisk::wipe\trole=db or role=dc\t*\n";
    let all = imported(&[("bolt_tasks.policy", policy)], None);
    check(&all, "alice", "disk::wipe", "role=db", false);
    check(&all, "alice", "disk::wipe", "role=app", true);
    assert_eq!(
        all.report.files[0].lines[1].notes,
        [Note::SkippedByServer { denies: true }]
    );
    let shown = all.report.to_string();
    assert!(
        shown.contains("this line denied nothing there; it denies again now"),
        "{shown}"
    );
    assert!(file(&all, "bolt_tasks.cedar").contains("context.facts.getTag(\"role\") == \"db\""));
}

#[test]
fn callers_match_by_name_group_and_whole_text() {
    let policy = "allow\t/choria=.+_admin/ choria=bob  ops\t*\t*\t*\n";
    let groups = "# groups\nops choria=old\nops  choria=alice \n";
    let all = imported(&[("puppet.policy", policy)], Some(groups));
    for (caller, wanted) in [
        ("db_admin", true),
        ("bob", true),
        ("alice", true),
        ("old", false),
        ("bobby", false),
    ] {
        check(&all, caller, "puppet::x", "", wanted);
    }
    let groups = &all.report.files[1];
    assert_eq!(
        (
            groups.lines[0].carried.clone(),
            groups.lines[0].notes.clone()
        ),
        (Carried::Nothing, vec![Note::Replaced { by: 3 }])
    );
}

#[test]
fn callers_of_other_kinds_come_in_by_name_of_the_kind() {
    let given = files(&[("puppet.policy", "allow\tcert=alice up=bob\t*\t*\t*\n")]);
    let with = |kinds: &[&str]| ImportOptions {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..ImportOptions::default()
    };
    assert!(import(&given, None, &with(&["cert", "up"])).is_ok());
    let errors = import(&given, None, &with(&["cert"])).unwrap_err();
    assert_eq!(
        errors.problems()[0].fault,
        Fault::CallerKind("up=bob".to_owned())
    );
    let twice = files(&[("puppet.policy", "allow\tcert=alice up=alice\t*\t*\t*\n")]);
    let errors = import(&twice, None, &with(&["cert", "up"])).unwrap_err();
    assert_eq!(
        errors.problems()[0].fault,
        Fault::CallerTwice("up=alice".to_owned(), "cert=alice".to_owned())
    );
    let pattern = files(&[("puppet.policy", "allow\t/alice/\t*\t*\t*\n")]);
    let errors = import(&pattern, None, &with(&["cert", "up"])).unwrap_err();
    assert_eq!(errors.problems()[0].fault, Fault::PatternOfKinds);
}

#[test]
fn the_default_stands_anywhere_and_the_last_one_holds() {
    let policy = "policy default deny\ndeny\tchoria=eve\t*\t*\t*\npolicy  default\tallow \n";
    let all = imported(&[("puppet.policy", policy)], None);
    check(&all, "alice", "puppet::x", "", true);
    check(&all, "eve", "puppet::x", "", false);
    assert_eq!(
        all.report.files[0].lines[0].notes,
        [Note::Replaced { by: 3 }]
    );
    let none = imported(&[("puppet.policy", "deny\tchoria=eve\t*\t*\t*")], None);
    check(&none, "alice", "puppet::x", "", false);
}

#[test]
fn the_default_policy_holds_for_agents_without_a_file() {
    let given = files(&[
        ("default.policy", "allow\t*\tstatus init\t*\t*"),
        ("puppet.policy", "policy default deny"),
    ]);
    let off = import(&given, None, &ImportOptions::default()).unwrap();
    check(&off, "alice", "service::status", "", false);
    assert_eq!(off.report.files[1].notes, [Note::DefaultUnused]);
    let enabled = ImportOptions {
        enable_default: true,
        ..ImportOptions::default()
    };
    let on = import(&given, None, &enabled).unwrap();
    for (task, wanted) in [
        ("service::status", true),
        ("service", true),
        ("service::stop", false),
        ("puppet::status", false),
    ] {
        check(&on, "alice", task, "", wanted);
    }
}

#[test]
fn the_policy_of_an_agent_decides_about_its_module_alone() {
    let bolt = ("bolt_tasks.policy", "allow\t*\t*\t*\t*");
    let all = imported(
        &[bolt, ("puppet.policy", "allow\tchoria=a\tstatus\t*\t*")],
        None,
    );
    check(&all, "a", "puppet::status", "", true);
    check(&all, "a", "puppet::enable", "", false);
    check(&all, "b", "puppet::status", "", false);
    check(&all, "b", "disk::wipe", "", true);
    let elsewhere = Note::Elsewhere(vec!["puppet".to_owned()]);
    assert!(all.report.files[1].notes.contains(&elsewhere));
}

#[test]
fn beside_bolt_the_default_policy_holds_for_named_agents() {
    let bolt = ("bolt_tasks.policy", "deny\t*\t*\t*\t*");
    let given = files(&[bolt, ("default.policy", "allow\t*\tstatus\t*\t*")]);
    let mut options = ImportOptions {
        enable_default: true,
        ..ImportOptions::default()
    };
    let unnamed = import(&given, None, &options).unwrap();
    check(&unnamed, "alice", "service::status", "", false);
    assert_eq!(unnamed.report.files[1].notes, [Note::DefaultBesideBolt]);
    options.default_agents.insert("service".parse().unwrap());
    let named = import(&given, None, &options).unwrap();
    check(&named, "alice", "service::status", "", true);
    check(&named, "alice", "disk::status", "", false);
}

/// The Go server asks for a misspelt setting, so it never allowed what is not configured.
#[test]
fn allow_unconfigured_needs_a_default_in_every_file() {
    let options = ImportOptions {
        allow_unconfigured: true,
        ..ImportOptions::default()
    };
    let given = files(&[("puppet.policy", "allow\tchoria=a\t*\t*\t*")]);
    let errors = import(&given, None, &options).unwrap_err();
    assert_eq!(errors.problems()[0].fault, Fault::NoDefault);
    let given = files(&[("puppet.policy", "policy default deny")]);
    let all = import(&given, None, &options).unwrap();
    assert_eq!(all.report.files[0].notes, [Note::Unconfigured]);
    check(&all, "alice", "service::x", "", false);
}

#[test]
fn what_the_readers_of_old_skipped_is_refused() {
    let rule = |rest: &str| fault(&format!("allow\tchoria=a\tx\t{rest}"));
    assert_eq!(fault("allow choria=a * * *"), Fault::NoTabs);
    assert_eq!(fault("allow choria=a\t*\t*\t*"), Fault::NoTabs);
    assert_eq!(fault("permit\tchoria=a\t*\t*\t*"), Fault::Unknown);
    assert_eq!(fault(" allow\tchoria=a\t*\t*\t*"), Fault::Unknown);
    assert_eq!(fault(" # remark"), Fault::Unknown);
    assert_eq!(fault("allow\tchoria=a\t*"), Fault::FewColumns);
    assert_eq!(rule("*\t*\t*"), Fault::ManyColumns);
    assert_eq!(rule("*\t*\t"), Fault::TrailingTab);
    assert_eq!(rule("*\t*\r"), Fault::Control);
    assert_eq!(fault("policy default Allow"), Fault::Default);
    assert_eq!(fault("policy default allow all"), Fault::Default);
    assert_eq!(fault("policy deny"), Fault::Unknown);
}

#[test]
fn what_go_and_ruby_read_differently_is_refused() {
    let rule = |rest: &str| fault(&format!("allow\tchoria=a\tx\t{rest}"));
    assert_eq!(rule("*"), Fault::NoClasses);
    assert_eq!(rule("foo=bar"), Fault::NoClasses);
    assert_eq!(rule("a=b  c=d\t*"), Fault::Blanks("facts"));
    assert_eq!(rule("*\tone two "), Fault::Blanks("classes"));
    assert_eq!(rule("* a=b\t*"), Fault::Star("facts"));
    assert!(matches!(rule("a=b=c\t*"), Fault::Operators(_)));
    assert!(matches!(rule("a!=/x/\t*"), Fault::OddPattern(_)));
    assert!(matches!(rule("a==/x/\t*"), Fault::OddPattern(_)));
    assert!(matches!(rule("a>1.5\t*"), Fault::FactFault(..)));
    assert!(matches!(rule("a.*=1\t*"), Fault::FactFault(..)));
    assert!(matches!(rule(r"a=/x\Z/	*"), Fault::FactFault(..)));
    assert!(matches!(rule("a\t*"), Fault::Fact(_)));
    assert!(matches!(rule("( a=b )\t*"), Fault::Fact(_)));
    assert!(matches!(rule("*\ta=b"), Fault::Class(_)));
    assert!(matches!(rule("*\t/a"), Fault::Slashes(_)));
    assert!(matches!(rule("*\t/"), Fault::Slashes(_)));
    assert!(matches!(rule("*\t/[[:alpha:]]/"), Fault::Pattern(..)));
}

#[test]
fn names_that_are_none_here_are_refused() {
    assert!(matches!(fault("allow\tops2\tx\t*\t*"), Fault::Caller(_)));
    assert!(matches!(
        fault("allow\tchoria=a@b\tx\t*\t*"),
        Fault::CallerName(..)
    ));
    assert!(matches!(
        fault("allow\tcert=a\tx\t*\t*"),
        Fault::CallerKind(_)
    ));
    assert!(matches!(fault("allow\t/a/b\tx\t*\t*"), Fault::Slashes(_)));
    assert!(matches!(fault(r"allow	/a\Z/	x	*	*"), Fault::Pattern(..)));
    assert_eq!(fault("allow\tops *\tx\t*\t*"), Fault::Star("callers"));
    assert!(matches!(fault("allow\tops\tX\t*\t*"), Fault::Action(..)));
    assert!(matches!(fault("allow\tops\ta::b\t*\t*"), Fault::Action(..)));
    assert_eq!(
        refused(&[("bolt_tasks.policy", "allow\t*\tdisk::init\t*\t*")], None),
        ["bolt_tasks.policy:1: `disk::init` would be `disk` here, which was another action"]
    );
    let both = [
        ("bolt_tasks.policy", "allow\t*\tpuppet::enable\t*\t*"),
        ("puppet.policy", ""),
    ];
    assert!(
        refused(&both, None)[0]
            .starts_with("bolt_tasks.policy:1: `puppet::enable` is a Bolt task here")
    );
}

#[test]
fn compound_statements_that_cannot_be_answered_are_refused() {
    let compound = |text: &str| fault(&format!("allow\tchoria=a\tx\t{text}\t*"));
    let plugin = "(puppet().enabled=false and environment=production) or environment=development";
    assert_eq!(
        compound(plugin),
        Fault::DataPlugin("puppet().enabled=false".to_owned())
    );
    for text in [
        "not a!=b",
        "not a<=b",
        "not a=~/x/",
        "not a=/x/",
        "not a==b",
        "not a= b",
    ] {
        let found = compound(text);
        assert!(
            matches!(found, Fault::PluginOperator(_) | Fault::FactFault(..)),
            "{text}: {found:?}"
        );
    }
    for text in [
        "a=b and",
        "a=b or or c=d",
        "not",
        "(a=b and (c=d)",
        "(a=b) c=d",
        "a=b not c=d",
        "and a=b",
        "a=b) and (c=d",
    ] {
        assert!(matches!(compound(text), Fault::Compound(_)), "{text}");
    }
    // A pair of parentheses makes any word compound, even within a regular expression.
    assert!(matches!(
        compound("role=~/^(app|web)$/"),
        Fault::PluginOperator(_)
    ));
    assert!(matches!(compound("not a='b'"), Fault::FactFault(..)));
    assert!(matches!(compound("not * and a"), Fault::Class(_)));
    assert!(matches!(compound("(a or /b/)"), Fault::Slashes(_)));
    assert_eq!(compound(&format!("{}a", "! ".repeat(30))), Fault::Depth);
    assert_eq!(compound(&"a or ".repeat(100)), Fault::Depth);
}

#[test]
fn groups_that_are_none_are_refused() {
    let found = refused(
        &[("puppet.policy", "")],
        Some(
            "ops\nops\tchoria=a\n ops choria=a\n-x choria=a\na!b choria=a\ndev ops\ndev /x/\ndev cert=a\ndev choria=a b\n",
        ),
    );
    let lines: Vec<&str> = found
        .iter()
        .map(|text| text.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        [
            "groups:1", "groups:2", "groups:3", "groups:4", "groups:5", "groups:6", "groups:7",
            "groups:8", "groups:9"
        ]
    );
}

#[test]
fn all_problems_are_told_at_once_in_order() {
    let found = refused(
        &[
            ("puppet.policy", "allow x\n\npermit\n"),
            ("puppet.policy", ""),
            ("Puppet.policy", ""),
            ("bolt_tasks.policy", "deny\n"),
        ],
        Some("a\n"),
    );
    let places: Vec<&str> = found
        .iter()
        .map(|text| text.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "Puppet.policy",
            "bolt_tasks.policy:1",
            "groups:1",
            "puppet.policy",
            "puppet.policy:1",
            "puppet.policy:3"
        ]
    );
    let shown = import(&files(&[("x", "")]), None, &ImportOptions::default())
        .unwrap_err()
        .to_string();
    assert_eq!(
        shown,
        "x: this is not named like the policy of an agent\n  hint: name it AGENT.policy, with AGENT of a-z, 0-9 and _"
    );
}

#[test]
fn many_lines_are_carried_without_nesting_deep() {
    let deny: String = (0..200)
        .map(|number| format!("deny\tchoria=c{number}\t*\ta=b c=d\tweb\n"))
        .collect();
    let policy = format!("{deny}allow\t*\t*\t*\t*\n");
    let all = imported(&[("puppet.policy", &policy)], None);
    check(&all, "c199", "puppet::x", "a=b c=d web", false);
    check(&all, "c199", "puppet::x", "a=b c=d", true);
}

#[test]
fn a_line_that_can_never_allow_is_reported() {
    let policy = "deny\t*\tstop\t*\t*\nallow\tchoria=a\tstop\t*\t*\n";
    let all = imported(&[("puppet.policy", policy)], None);
    let line = &all.report.files[0].lines[1];
    assert_eq!(line.carried, Carried::Nothing);
    assert_eq!(line.notes, [Note::Unreachable]);
    check(&all, "a", "puppet::stop", "", false);
}

#[test]
fn rules_too_large_once_written_are_refused() {
    let callers: Vec<String> = (0..190)
        .map(|number| format!("choria=c{number:030}"))
        .collect();
    let words = callers.join(" ");
    let line =
        |verb: &str, actions: &str| format!("{verb}\t{words}\t{actions}\t*\t*\n").repeat(100);
    for actions in ["*", "run_no_wait"] {
        let policy = line("deny", actions) + &line("allow", actions) + "allow\t*\tx\t*\t*\n";
        let found = refused(&[("bolt_tasks.policy", &policy)], None);
        assert!(found[0].contains("once written out"), "{found:?}");
    }
}

#[test]
fn more_than_is_read_at_once_is_refused() {
    let rules = "allow\tchoria=a\t*\t*\t*\n".repeat(super::super::RULES_MAX + 2);
    assert!(
        refused(&[("puppet.policy", &rules)], None)[0].contains("there is too much of it: lines")
    );
    let long = format!(
        "allow\tchoria=a\t*\ta={}\t*",
        "x".repeat(super::super::LINE_BYTES_MAX)
    );
    assert!(matches!(fault(&long), Fault::TooLarge(_)));
}
