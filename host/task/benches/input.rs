//! How long a task's metadata takes to read, its input to check, and its asks to fill: once for each run.

#![expect(clippy::unwrap_used, reason = "the texts are written here and sound")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use host_task::types::{DataType, TypeAliases};
use host_task::{Metadata, Module, RawInput};
use serde_json::Value;

/// A task with eight parameters and three asks.
const METADATA: &str = r#"{
    "description": "Deploy a site", "input_method": "stdin",
    "parameters": {
        "name": {"type": "Pattern[/\\A[a-z][a-z0-9@._-]*\\z/]", "description": "its name"},
        "action": {"type": "Enum[start, stop, restart]", "default": "restart"},
        "port": {"type": "Integer[1, 65535]"},
        "hosts": {"type": "Array[String[1], 1]"},
        "settings": {"type": "Optional[Hash[String, Variant[String, Integer, Boolean]]]"},
        "force": {"type": "Boolean", "default": false},
        "token": {"type": "Sensitive[String[8]]"},
        "note": {"type": "Optional[String]"}
    },
    "extensions": {"host": {"asks": [
        "exec:root@/usr/bin/systemctl ${action} ${name}",
        {"capability": "fs.write:/srv/${name}", "why": "its files"},
        {"capability": "net.connect:${hosts}:443", "optional": true}
    ], "limits": {"wall": "30s", "memory": "64MiB"}}}
}"#;

const INPUT: &str = r#"{"name": "web-1", "action": "start", "port": 8080, "hosts": ["a.example.com", "b.example.com"],
    "settings": {"cache": true, "workers": 4, "mode": "fast"}, "force": true, "token": "0123456789", "note": null}"#;

/// The parameters that people give as texts.
const ARGUMENTS: [&str; 4] = [
    "name=web-1",
    "port=8080",
    "hosts=a.example.com",
    "token=0123456789",
];

fn module() -> Module {
    let paths = ["tasks/init.json", "tasks/init.sh"].map(str::to_owned);
    Module::open(
        &"site".parse().unwrap(),
        paths,
        &mut |_| Ok(METADATA.into()),
    )
    .unwrap()
}

fn metadata(criterion: &mut Criterion) {
    let aliases = TypeAliases::builtin();
    assert!(Metadata::read(METADATA.as_bytes(), &aliases).is_ok());
    criterion.bench_function("metadata/read", |bencher| {
        bencher.iter(|| Metadata::read(black_box(METADATA.as_bytes()), &aliases));
    });
}

fn input(criterion: &mut Criterion) {
    let module = module();
    let task = module.find("site").unwrap();
    let object = || {
        let mut raw = RawInput::default();
        raw.read_object(black_box(INPUT.as_bytes())).unwrap();
        task.check(&raw, false, module.aliases()).unwrap()
    };
    let assigned = || {
        let mut raw = RawInput::default();
        for argument in ARGUMENTS {
            raw.assign(black_box(argument)).unwrap();
        }
        task.check(&raw, false, module.aliases()).unwrap()
    };
    let checked = object();
    assert_eq!(task.fill_asks(&checked).unwrap().len(), 4);
    let mut group = criterion.benchmark_group("input");
    group.bench_function("check_object", |bencher| bencher.iter(object));
    group.bench_function("check_arguments", |bencher| bencher.iter(assigned));
    group.bench_function("fill_asks", |bencher| {
        bencher.iter(|| task.fill_asks(&checked))
    });
    group.finish();
}

fn pattern(criterion: &mut Criterion) {
    let aliases = TypeAliases::builtin();
    let text = r"Pattern[/\A[a-z][a-z0-9@._-]*\z/, /^(\d{1,3}\.){3}\d{1,3}$/]";
    let wanted: DataType = text.parse().unwrap();
    let value = Value::from("nginx@blue.service");
    assert!(wanted.accepts(&value, &aliases));
    let mut group = criterion.benchmark_group("pattern");
    group.bench_function("parse", |bencher| {
        bencher.iter(|| black_box(text).parse::<DataType>());
    });
    group.bench_function("parse_and_match", |bencher| {
        bencher.iter(|| {
            let fresh: DataType = black_box(text).parse().unwrap();
            fresh.accepts(&value, &aliases)
        });
    });
    group.bench_function("match", |bencher| {
        bencher.iter(|| wanted.accepts(black_box(&value), &aliases));
    });
    group.finish();
}

criterion_group!(benches, metadata, input, pattern);
criterion_main!(benches);
