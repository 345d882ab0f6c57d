//! Random policies and requests: Cedar and the old rules say the same.

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, Value, json};

use super::super::{ImportOptions, import};
use super::harness::Asked;

/// Random sets of policies, and on how many nodes each is asked about every caller and task.
const POLICIES: u32 = 800;
const NODES: usize = 3;

const CALLERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const TASKS: [&str; 11] = [
    "disk",
    "disk::wipe",
    "app::restart",
    "app",
    "puppet::enable",
    "puppet",
    "puppet::status",
    "download",
    "run_and_wait",
    "other::restart",
    "other",
];

const GROUPS: &str =
    "ops choria=alice choria=bob\ndev  choria=bob\n# nobody\nempty choria=nobody\n";

#[derive(Clone, Debug)]
struct OnNode {
    facts: Map<String, Value>,
    classes: BTreeSet<String>,
}

#[test]
fn cedar_decides_as_the_lines_did() {
    let config = Config {
        cases: POLICIES,
        failure_persistence: None,
        ..Config::default()
    };
    let (asked, allowed) = (Cell::new(0_u32), Cell::new(0_u32));
    let nodes = prop::collection::vec(node(), NODES);
    let all = (files(), options(), nodes);
    let run = TestRunner::new(config).run(&all, |(files, options, nodes)| {
        let imported = import(&files, Some(GROUPS), &options);
        let imported = imported.unwrap_or_else(|errors| panic!("{errors}\n{files:?}"));
        let cedar = Asked::new(&imported);
        for node in &nodes {
            let there = cedar.on(&node.facts, &node.classes, &CALLERS, &TASKS);
            for (caller, task) in CALLERS.iter().flat_map(|it| TASKS.map(|task| (it, task))) {
                let name = task.parse().unwrap();
                let id = format!("choria={caller}");
                let wanted = imported.would_allow(&id, &name, &node.facts, &node.classes);
                let found = there.allows(caller, task);
                prop_assert_eq!(
                    found,
                    wanted,
                    "{} {} {:?}\n{:?}",
                    caller,
                    task,
                    node,
                    imported.files
                );
                asked.set(asked.get() + 1);
                allowed.set(allowed.get() + u32::from(found));
            }
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    assert!(asked.get() >= 100_000);
    // Both answers must be common, or little was tried.
    let share = f64::from(allowed.get()) / f64::from(asked.get());
    assert!((0.1..0.9).contains(&share), "{share} of {}", asked.get());
}

fn options() -> impl Strategy<Value = ImportOptions> {
    let agents = subsequence(vec!["app", "puppet", "disk"], 0..=2);
    (any::<bool>(), agents).prop_map(|(enable_default, agents)| ImportOptions {
        enable_default,
        // Where Bolt's file names tasks of `app` and `disk`, they cannot be the default's as well.
        default_agents: agents
            .into_iter()
            .filter(|agent| *agent == "puppet")
            .map(|agent| agent.parse().unwrap())
            .collect(),
        ..ImportOptions::default()
    })
}

fn files() -> impl Strategy<Value = Vec<(String, String)>> {
    let bolt = [
        "run_no_wait",
        "run_and_wait",
        "download",
        "task_status",
        "disk",
        "disk::wipe",
        "app::restart",
    ];
    let module = ["enable", "disable", "status", "init"];
    let default = ["restart", "wipe", "enable", "init", "status"];
    let file = |name: &'static str, actions: &'static [&'static str]| {
        policy(actions).prop_map(move |text| (name.to_owned(), text))
    };
    let all = (
        file("bolt_tasks.policy", Vec::from(bolt).leak()),
        file("puppet.policy", Vec::from(module).leak()),
        file("default.policy", Vec::from(default).leak()),
    );
    let which = subsequence(vec![0_usize, 1, 2], 1..=3);
    (all, which).prop_map(|((bolt, puppet, default), which)| {
        let all = [bolt, puppet, default];
        which.into_iter().map(|index| all[index].clone()).collect()
    })
}

fn policy(actions: &'static [&'static str]) -> impl Strategy<Value = String> {
    let default = select(vec!["", "policy default allow", "policy default deny"]);
    let lines = prop::collection::vec(line(actions), 0..8);
    (default, lines, any::<bool>()).prop_map(|(default, mut lines, is_first)| {
        let place = if is_first { 0 } else { lines.len() };
        lines.insert(place, default.to_owned());
        lines.join("\n")
    })
}

fn line(actions: &'static [&'static str]) -> impl Strategy<Value = String> {
    let words = |pool: Vec<&'static str>| {
        let count = 1..=pool.len().min(3);
        prop_oneof![
            2 => Just("*".to_owned()),
            3 => subsequence(pool, count).prop_shuffle().prop_map(|words| words.join(" ")),
        ]
    };
    let callers = vec![
        "choria=alice",
        "choria=bob",
        "choria=carol",
        "ops",
        "dev",
        "empty",
        "/^choria=a/",
        "/(bob|carol)$/",
        r"/\w+l/",
    ];
    let server = vec![
        "role=app",
        "role!=app",
        "cores>4",
        "cores<=4",
        "up=true",
        "up!=true",
        "role=~/^a/",
        "os.family=debian",
        "version=1.5",
        "role<b",
        "cores=4",
    ];
    let compound = vec![
        "role=app and up=true",
        "not role=db or (up=false and web)",
        "!web",
        "cores>4 or role=app and web",
        "(role=app)",
        "role=null or web",
        "not not web and !(role::db or /^web/ )",
        "os.family=Debian or role<b",
        "up=true and cores=4",
    ];
    let classes = vec!["web", "role::db", "WEB", "/^role/", "/Eb$/"];
    let compound_classes = vec![
        "web and not role::db",
        "/(web|db)/",
        "!WEB",
        "role=app or web",
    ];
    let facts = prop_oneof![4 => words(server), 1 => select(compound).prop_map(str::to_owned)];
    let classes =
        prop_oneof![4 => words(classes), 1 => select(compound_classes).prop_map(str::to_owned)];
    // Beside a compound statement the plugin reads the other column too, and it knows fewer operators.
    let plain = prop_oneof![
        Just("*".to_owned()),
        Just("role=app".to_owned()),
        Just("cores>4".to_owned())
    ];
    let verb = select(vec!["allow", "allow", "deny"]);
    (
        verb,
        words(callers),
        words(actions.to_vec()),
        facts,
        plain,
        classes,
    )
        .prop_map(|(verb, callers, actions, facts, plain, classes)| {
            let is_compound = super::super::compound::is_compound;
            let facts = if is_compound(&classes) && !is_compound(&facts) {
                plain
            } else {
                facts
            };
            [verb, &callers, &actions, &facts, &classes].join("\t")
        })
}

fn node() -> impl Strategy<Value = OnNode> {
    let role = vec![
        json!("app"),
        json!("App"),
        json!("db"),
        json!("true"),
        json!(true),
        json!(false),
        json!(null),
        json!(5),
        json!(["app"]),
        json!(""),
    ];
    let cores = vec![
        json!(2),
        json!(4),
        json!(4.0),
        json!(4.7),
        json!(8),
        json!("8"),
        json!("x"),
        json!(-1),
    ];
    let up = vec![
        json!(true),
        json!(false),
        json!("true"),
        json!("TRUE"),
        json!(1),
    ];
    let os = vec![
        json!({"family": "Debian"}),
        json!({"family": "RedHat"}),
        json!("Debian"),
        json!({}),
    ];
    let version = vec![json!(1.5), json!("1.5"), json!(15), json!(1)];
    let fact = |values: Vec<Value>| prop::option::weighted(0.8, select(values));
    let dotted = vec![json!("Debian"), json!("debian"), json!("RedHat")];
    let dotted = prop::option::weighted(0.3, select(dotted));
    let facts = (
        fact(role),
        fact(cores),
        fact(up),
        fact(os),
        fact(version),
        dotted,
    );
    let facts = facts.prop_map(|(role, cores, up, os, version, dotted)| {
        let all = [
            ("role", role),
            ("cores", cores),
            ("up", up),
            ("os", os),
            ("version", version),
            ("os.family", dotted),
        ];
        let present = all
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        present.collect::<Map<String, Value>>()
    });
    let classes = subsequence(vec!["web", "role::db", "WEB", "other"], 0..=4);
    (facts, classes).prop_map(|(facts, classes)| OnNode {
        facts,
        classes: classes.into_iter().map(str::to_owned).collect(),
    })
}
