//! Requests and sets for tests.

use host_core::{Ask, Asks, BundleSummary, Ceilings, Digest, Limits, Origin, Timestamp};
use serde_json::{Map, Value};

use crate::query::{Node, Request, RequestFormat, RequestedAsk, Walls, limit_values};
use crate::set::{PolicySet, SourceFile};

/// A set of one file, with `ops` = alice and bob, `night` = carol within `ops`.
pub(crate) fn set(rules: &str) -> PolicySet {
    try_set(rules).unwrap_or_else(|problems| panic!("{problems}"))
}

pub(crate) fn try_set(rules: &str) -> Result<PolicySet, String> {
    let groups = "format = \"host.groups/1\"\n[groups]\nops = ['alice', 'bob', '@night']\nnight = ['carol']\n";
    let file = |name: &str, text: &str| SourceFile {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    PolicySet::read(
        "set",
        vec![file("set.cedar", rules), file("groups.toml", groups)],
    )
    .map_err(|error| {
        let problems = error.problems.iter().map(ToString::to_string);
        problems.collect::<Vec<_>>().join("\n")
    })
}

/// `alice service action=restart asks fs.read:/etc`: who, which task, which input, and what it asks for.
pub(crate) fn request(text: &str) -> Request {
    let mut words = text.split(' ').peekable();
    let caller = words.next().unwrap().parse().unwrap();
    let task: crate::query::Subject = words.next().unwrap().parse().unwrap();
    let mut input = Map::new();
    while let Some(word) = words.next_if(|word| *word != "asks") {
        let (name, value) = word.split_once('=').unwrap();
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        input.insert(name.to_owned(), value);
    }
    words.next();
    let asks: Vec<&str> = words.collect();
    let asks = asks.join(" ");
    let asks = asks.split(", ").filter(|ask| !ask.is_empty()).map(|ask| {
        let (optional, ask) = match ask.strip_prefix('?') {
            Some(ask) => (true, ask),
            None => (false, ask),
        };
        RequestedAsk {
            capability: ask.parse().unwrap_or_else(|error| panic!("{ask}: {error}")),
            origin: Origin::Bundle,
            optional,
        }
    });
    let limits = Limits::resolve(&Limits::default(), &[], &Ceilings::default()).unwrap();
    Request {
        format: RequestFormat::V1,
        caller,
        bundle: BundleSummary {
            id: Digest::from_bytes([7; 32]),
            module: task.module().map(|module| module.parse().unwrap()),
            version: "1.4.0".to_owned(),
            signers: vec!["release@example.com".to_owned()],
        },
        task,
        input,
        facts: serde_json::json!({"role": "app", "os": {"family": "Debian"}, "cpus": 4, "disks": ["sda", "sdb"]})
            .as_object()
            .unwrap()
            .clone(),
        node: Node {
            name: Some("web-01".parse().unwrap()),
            groups: ["web".to_owned()].into(),
            classes: ["nginx".to_owned()].into(),
        },
        limits: limit_values(&limits),
        walls: Walls {
            landlock: 7,
            own_user: true,
        },
        noop: false,
        // A Friday.
        time: "2026-11-27T14:30:00Z".parse::<Timestamp>().unwrap(),
        reason: String::new(),
        asks: asks.collect(),
    }
}

/// The asks of a request.
pub(crate) fn asks(request: &Request) -> Asks {
    Asks::gather(request.asks.iter().map(|ask| Ask {
        capability: ask.capability.clone(),
        origin: ask.origin,
        optional: ask.optional,
        why: None,
    }))
    .unwrap()
}

/// The answers as lines: what was asked, and what came of it.
pub(crate) fn answers(rules: &str, text: &str) -> String {
    let set = set(rules);
    let decided = set.decide(&request(text));
    let mut lines: Vec<String> = decided.answers.iter().map(line).collect();
    let word = match decided.decision {
        host_core::Decision::Allowed(_) => "allowed",
        host_core::Decision::Refused(_) => "refused",
    };
    lines.insert(0, word.to_owned());
    lines.join("\n")
}

fn line(answer: &crate::decide::Answer) -> String {
    use crate::decide::Verdict;
    let verdict = match &answer.verdict {
        Verdict::Permitted { rules, except } => {
            let except: Vec<String> = except
                .iter()
                .map(|except| format!(" but {} ({})", except.capability, except.rule))
                .collect();
            format!("by {}{}", rules.join(" and "), except.concat())
        }
        Verdict::Forbidden { rules, inside } => {
            let inside = inside.as_ref().map(|inside| format!(" inside: {inside}"));
            format!(
                "forbidden by {}{}",
                rules.join(" and "),
                inside.unwrap_or_default()
            )
        }
        Verdict::Unpermitted => "no".to_owned(),
        Verdict::Failed { rule, message } => {
            format!("failed {}: {message}", rule.as_deref().unwrap_or(""))
        }
    };
    format!("{}: {verdict}", answer.question)
}

/// Asserts what a set answers.
pub(crate) fn check(rules: &str, text: &str, expected: &[&str]) {
    assert_eq!(answers(rules, text), expected.join("\n"), "{text}\n{rules}");
}
