//! What limits are read as, and who wins.

use super::*;

fn requests(pairs: &[(&str, &str)]) -> LimitRequests {
    let mut requests = LimitRequests::default();
    for (name, value) in pairs {
        requests.set(name, value).unwrap();
    }
    requests
}

#[test]
fn the_defaults_are_those_of_the_design() {
    let limits = serde_json::to_string(&Limits::default()).unwrap();
    assert_eq!(
        limits,
        r#"{"wall":"10m","cpu":"5m","share":"all","memory":"512MiB","processes":"256","output":"8MiB","scratch":"256MiB","inodes":"65536","files":"1024","input":"1MiB","calls":"1000"}"#
    );
    assert!(
        LimitName::ALL
            .iter()
            .all(|name| !Limits::default().asked(*name))
    );
}

#[test]
fn every_limit_keeps_its_own_value() {
    let texts = [
        "1s", "2s", "110%", "3MiB", "4", "5B", "6B", "70", "80", "9B", "10",
    ];
    let mut asked = LimitRequests::default();
    for (name, text) in LimitName::ALL.iter().zip(texts) {
        asked.set(name.as_str(), text).unwrap();
    }
    let limits = Limits::resolve(
        &Limits::default(),
        &[(Origin::Caller, &asked)],
        &Ceilings::default(),
    )
    .unwrap();
    let shown: Vec<String> = LimitName::ALL
        .iter()
        .map(|name| limits.text(*name))
        .collect();
    assert_eq!(shown, texts);
    assert!(LimitName::ALL.iter().all(|name| limits.asked(*name)));
    assert_eq!(
        (limits.wall(), limits.cpu()),
        (Span::from_secs(1), Span::from_secs(2))
    );
    assert_eq!(
        (limits.memory(), limits.output().bytes()),
        (ByteSize::mib(3), 5)
    );
    assert_eq!((limits.scratch().bytes(), limits.input().bytes()), (6, 9));
    assert_eq!(
        (limits.share(), Limits::default().share()),
        (Some(110), None)
    );
    assert_eq!(
        (
            limits.processes(),
            limits.inodes(),
            limits.files(),
            limits.calls()
        ),
        (4, 70, 80, 10)
    );
}

#[test]
fn a_later_request_replaces_an_earlier_one() {
    let bundle = requests(&[("wall", "30s"), ("memory", "64MiB")]);
    let caller = requests(&[("wall", "2s")]);
    let limits = Limits::resolve(
        &Limits::default(),
        &[(Origin::Bundle, &bundle), (Origin::Caller, &caller)],
        &Ceilings::default(),
    )
    .unwrap();
    assert_eq!(
        (limits.text(LimitName::Wall), limits.text(LimitName::Memory)),
        ("2s".into(), "64MiB".into())
    );
    assert!(
        limits.asked(LimitName::Wall)
            && limits.asked(LimitName::Memory)
            && !limits.asked(LimitName::Cpu)
    );
}

#[test]
fn a_ceiling_lowers_a_default_and_refuses_a_request() {
    let mut ceilings = Ceilings::default();
    ceilings.set("wall", "1m").unwrap();
    let limits = Limits::resolve(&Limits::default(), &[], &ceilings).unwrap();
    assert_eq!(limits.text(LimitName::Wall), "1m");
    assert!(limits.asked(LimitName::Wall) && !limits.asked(LimitName::Cpu));

    let (low, high) = (requests(&[("wall", "1m")]), requests(&[("wall", "2m")]));
    assert!(Limits::resolve(&Limits::default(), &[(Origin::Caller, &low)], &ceilings).is_ok());
    let error =
        Limits::resolve(&Limits::default(), &[(Origin::Caller, &high)], &ceilings).unwrap_err();
    assert_eq!(
        error.to_string(),
        "limit `wall`: 2m, asked by the caller, is above the ceiling of 1m"
    );
    let lowered = Limits::resolve(
        &Limits::default(),
        &[(Origin::Bundle, &high), (Origin::Caller, &low)],
        &ceilings,
    );
    assert_eq!(lowered.unwrap().text(LimitName::Wall), "1m");
}

#[test]
fn values_that_are_no_limits_are_refused() {
    for (name, value, error) in [
        (
            "time",
            "1s",
            "`time` is not a limit: use wall, cpu, share, memory, processes, output, scratch, inodes, files, input or calls",
        ),
        (
            "wall",
            "30",
            "limit `wall`: `30` needs a unit: d, h, m, s or ms",
        ),
        (
            "memory",
            "much",
            "limit `memory`: expected a whole number of bytes such as `64MiB`",
        ),
        (
            "processes",
            "-1",
            "limit `processes`: `-1` is not a whole number",
        ),
        (
            "processes",
            "+1",
            "limit `processes`: `+1` is not a whole number",
        ),
        (
            "processes",
            "",
            "limit `processes`: `` is not a whole number",
        ),
        (
            "files",
            "18446744073709551616",
            "limit `files`: `18446744073709551616` is not a whole number",
        ),
        ("calls", "0", "limit `calls` cannot be zero"),
        ("share", "0%", "limit `share` cannot be zero"),
        (
            "share",
            "4%",
            "limit `share`: 4% is too little for any run, which takes 5%",
        ),
        (
            "share",
            "50",
            "limit `share`: `50` is no share of processors, such as 50%, 200% or all",
        ),
        (
            "share",
            "1000001%",
            "limit `share`: `1000001%` is no share of processors, such as 50%, 200% or all",
        ),
        (
            "files",
            "63",
            "limit `files`: 63 is too little for any run, which takes 64",
        ),
        (
            "inodes",
            "1",
            "limit `inodes`: 1 is too little for any run, which takes 16",
        ),
        (
            "memory",
            "4KiB",
            "limit `memory`: 4KiB is too little for any run, which takes 1MiB",
        ),
        ("cpu", "0ms", "limit `cpu` cannot be zero"),
    ] {
        assert_eq!(
            LimitRequests::default()
                .set(name, value)
                .unwrap_err()
                .to_string(),
            error
        );
    }
}

#[test]
fn requests_travel_as_names_and_texts() {
    let asked: LimitRequests =
        serde_json::from_str(r#"{"memory": "64MiB", "wall": "90s"}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&asked).unwrap(),
        r#"{"wall":"1m30s","memory":"64MiB"}"#
    );
    for bad in [
        r#"{"wall": "1s", "wall": "1s"}"#,
        r#"{"wall": 1}"#,
        r#"{"wall": "0s"}"#,
        r#"{"patience": "1"}"#,
        "[]",
    ] {
        assert!(serde_json::from_str::<LimitRequests>(bad).is_err(), "{bad}");
    }
    let ceilings: Ceilings = serde_json::from_str(r#"{"wall": "1h"}"#).unwrap();
    assert_eq!(
        serde_json::to_string(&ceilings).unwrap(),
        r#"{"wall":"1h"}"#
    );
}
