//! What a decision costs: one question, and a whole run's, against few and many rules; and reading a set.

#![expect(clippy::unwrap_used, reason = "a bench")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use host_policy::{PolicySet, Request, SourceFile};
use serde_json::json;

/// How many rules the sets have.
const RULES: [usize; 3] = [10, 1_000, 10_000];

/// Rules of many teams, each of which may run its own task with its own openings. The last team is the one that asks.
fn rules(count: usize) -> Vec<SourceFile> {
    let mut text = String::new();
    let teams = count / 10;
    for team in 0..teams.max(1) {
        let rules = format!(
            r#"@id("t{team}-run") permit (principal in Group::"team{team}", action == Action::"run", resource == Task::"app{team}::restart")
when {{ context.input.hasTag("action") && ["restart", "reload"].contains(context.input.getTag("action")) && context.limits.memory <= 536870912 }};
@id("t{team}-etc") permit (principal, action == Action::"fs.read", resource in Path::"/etc/app{team}") when {{ context.task == Task::"app{team}::restart" }};
@id("t{team}-log") permit (principal in Group::"team{team}", action == Action::"fs.read", resource in Path::"/var/log/app{team}");
@id("t{team}-lib") permit (principal, action == Action::"fs.write", resource in Path::"/var/lib/app{team}") when {{ context.task == Task::"app{team}::restart" }};
@id("t{team}-net") permit (principal, action == Action::"net.connect", resource in Endpoint::"db{team}.internal:5432") when {{ context.task == Task::"app{team}::restart" }};
@id("t{team}-env") permit (principal, action == Action::"env", resource == EnvVar::"TOKEN{team}") when {{ context.task == Task::"app{team}::restart" }};
@id("t{team}-systemctl") permit (principal in Group::"team{team}", action == Action::"exec.root", resource in Program::"root@/usr/bin/systemctl restart app{team}");
@id("t{team}-api") permit (principal, action == Action::"http.request", resource in Url::"https://api{team}.example.com/v1") when {{ context.task == Task::"app{team}::restart" }};
@id("t{team}-never") forbid (principal, action == Action::"fs.read", resource in Path::"/srv/keys{team}");
@id("t{team}-ssh") forbid (principal, action == Action::"exec", resource in Program::"/usr/bin/systemctl stop app{team}");
"#
        );
        text.push_str(&rules);
    }
    let mut groups = "format = \"host.groups/1\"\n[groups]\n".to_owned();
    for team in 0..teams.max(1) {
        writeln!(groups, "team{team} = [\"alice{team}\", \"bob{team}\"]").unwrap();
    }
    let file = |name: &str, text: String| SourceFile {
        name: name.to_owned(),
        text,
    };
    vec![file("teams.cedar", text), file("groups.toml", groups)]
}

/// A run of the last team with ten asks, or with none.
fn request(count: usize, asks: bool) -> Request {
    let team = (count / 10).max(1) - 1;
    let ask = |capability: String| json!({"capability": capability, "origin": "bundle", "optional": false});
    let all = vec![
        ask(format!("fs.read:/etc/app{team}")),
        ask(format!("fs.read:/etc/app{team}/conf.d")),
        ask(format!("fs.read:/var/log/app{team}")),
        ask(format!("fs.write:/var/lib/app{team}")),
        ask(format!("fs.write:/var/lib/app{team}/data")),
        ask(format!("net.connect:db{team}.internal:5432")),
        ask(format!("env:TOKEN{team}")),
        ask(format!("exec:root@/usr/bin/systemctl restart app{team}")),
        ask(format!(
            "http.request:GET https://api{team}.example.com/v1/health"
        )),
        ask(format!(
            "http.request:GET https://api{team}.example.com/v1/status"
        )),
    ];
    let facts: serde_json::Map<String, serde_json::Value> = (0..200)
        .map(|number| (format!("fact{number}"), json!(number)))
        .collect();
    serde_json::from_value(json!({
        "format": "host.request/1",
        "caller": format!("alice{team}"),
        "task": format!("app{team}::restart"),
        "bundle": {"id": "07".repeat(32), "module": format!("app{team}"), "version": "1.4.0", "signers": ["release@example.com"]},
        "input": {"action": "restart", "service": "app-web"},
        "facts": facts,
        "node": {"name": "web-01", "groups": ["web"], "classes": ["nginx"]},
        "limits": {"wall": 30000, "cpu": 30000, "share": 100, "memory": 268435456_u64, "processes": 256, "output": 8388608, "scratch": 268435456_u64, "inodes": 65536, "files": 1024, "input": 1048576, "calls": 1000},
        "walls": {"landlock": 7, "own_user": true},
        "noop": false,
        "time": "2026-11-27T14:30:00Z",
        "asks": if asks { all } else { Vec::new() },
    }))
    .unwrap()
}

fn decide(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for count in RULES {
        let set = PolicySet::read("bench", rules(count)).unwrap();
        for (name, asks) in [("one question", false), ("a run with ten asks", true)] {
            let request = request(count, asks);
            let asks = request.asks().unwrap();
            let decided = set.decide_on(&request, &asks);
            assert!(
                matches!(decided.decision, host_core::Decision::Allowed(_)),
                "{:?}",
                decided.decision
            );
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| set.decide_on(black_box(&request), &asks));
            });
        }
    }
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read and validate");
    group.sample_size(10);
    for count in RULES {
        let files = rules(count);
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter_batched(
                || files.clone(),
                |files| PolicySet::read("bench", files).unwrap(),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, decide, read);
criterion_main!(benches);
