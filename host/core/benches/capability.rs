//! How long capability text takes to read, and one capability to be held against another: once for each ask of a run,
//! and for each pair of an ask and a permit.

#![expect(clippy::unwrap_used, reason = "the texts are written here and sound")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use host_core::{AskTemplate, Capability, Placeholder};

/// One capability of each kind that has a grammar of its own.
const TEXTS: [(&str, &str); 4] = [
    ("path", "fs.read:/etc/app/conf.d/site"),
    ("endpoint", "net.connect:*.example.com:443@10.0.0.0/8"),
    (
        "url",
        "http.request:GET https://api.example.com/v1/nodes/a%20b",
    ),
    (
        "command",
        "exec:root@/usr/bin/systemctl restart {unit} '--no-block' {int}",
    ),
];

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (name, text) in TEXTS {
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(text).parse::<Capability>());
        });
    }
    group.finish();
}

fn print(criterion: &mut Criterion) {
    let command: Capability = TEXTS[3].1.parse().unwrap();
    criterion.bench_function("print/command", |bencher| {
        bencher.iter(|| black_box(&command).to_string());
    });
}

fn cover(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cover");
    for (name, above, below) in [
        ("path", "fs.write:/etc", TEXTS[0].1),
        (
            "endpoint",
            TEXTS[1].1,
            "net.connect:db.example.com:443@10.1.0.0/16",
        ),
        (
            "url",
            "http.request:GET https://api.example.com/v1",
            TEXTS[2].1,
        ),
        (
            "command",
            "exec:root@/usr/bin/systemctl restart * '--no-block' *",
            TEXTS[3].1,
        ),
    ] {
        let above: Capability = above.parse().unwrap();
        let below: Capability = below.parse().unwrap();
        assert!(above.covers(&below), "{above} does not cover {below}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&above).covers(black_box(&below)));
        });
    }
    group.finish();
}

fn fill(criterion: &mut Criterion) {
    let template: AskTemplate = "exec:root@/usr/bin/systemctl ${action} ${name}"
        .parse()
        .unwrap();
    criterion.bench_function("fill/command", |bencher| {
        bencher.iter(|| template.fill(&|_| Placeholder::One("nginx".to_owned())));
    });
}

criterion_group!(benches, parse, print, cover, fill);
criterion_main!(benches);
