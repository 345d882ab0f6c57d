//! How long a record of the audit log takes to be durable, alone and in a group, and how long a log takes to be verified.

#![expect(clippy::unwrap_used, reason = "the store is made here and sound")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use host_core::{Digest, Timestamp};
use host_store::{Chain, ChainKey, Evidence, Head, OpenMode, Places, Store, verify_log};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Records that are appended at once.
const GROUP: usize = 16;
/// Records of the log that is verified.
const LOG: u64 = 1_000;

/// A store in a directory that goes away with it; on a disk, if `TMPDIR` is on one.
fn store() -> (TempDir, Store) {
    let lab = tempfile::tempdir().unwrap();
    let root = lab.path().canonicalize().unwrap();
    let places = Places {
        config: root.join("config"),
        state: root.join("state"),
        cache: root.join("cache"),
        runtime: root.join("runtime"),
    };
    let store = Store::open(&places, OpenMode::Write).unwrap();
    (lab, store)
}

fn time() -> Timestamp {
    Timestamp::from_unix(1_795_252_811, 0)
}

/// About as long as the intent of a small run.
fn record() -> Value {
    json!({
        "event": "intended",
        "run": "0192f3c1a2b4714f8c6e1f0a9d3b5c77",
        "task": "service::report",
        "bundle": {"id": "ab".repeat(32), "module": "service", "version": "1.4.0", "signers": ["ops@example.com"]},
        "grant": [{"capability": "fs.read:/var/log", "origin": "bundle", "rule": "ops-read", "used": "unknown"}],
        "limits": {"wall": "10m", "memory": "512MiB", "processes": "256"},
    })
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    let (_lab, store) = store();
    let record = record();
    group.throughput(Throughput::Elements(1));
    group.bench_function("single", |bencher| {
        bencher.iter(|| store.journal().append(time(), &record).unwrap());
    });
    let records = vec![record; GROUP];
    group.throughput(Throughput::Elements(GROUP as u64));
    group.bench_function("grouped", |bencher| {
        bencher.iter(|| store.journal().append_all(time(), &records).unwrap());
    });
    group.finish();
}

fn verify(criterion: &mut Criterion) {
    let head = Head {
        seq: 0,
        hash: Digest::from_bytes([0; 32]),
    };
    let mut chain = Chain::resume(head, ChainKey::from_bytes([1; 32]));
    let record = record();
    let line = |_| chain.write(time(), &record).unwrap();
    let log: Vec<u8> = (0..LOG).flat_map(line).collect();
    let mut group = criterion.benchmark_group("verify");
    group.throughput(Throughput::Elements(LOG));
    group.bench_function("1000", |bencher| {
        bencher.iter_batched(
            Evidence::default,
            |evidence| verify_log(black_box(&*log), &evidence).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, append, verify);
criterion_main!(benches);
