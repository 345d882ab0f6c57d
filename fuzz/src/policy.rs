//! Subject: decisions. Bytes choose rules, a request and a forbid to add, out of names that lie in each other.
//!
//! Held are: the index leaves out no rule that could match; one forbid more never permits more; a grant has nothing that was not
//! asked; nothing that is forbidden by itself is reachable through a broader grant; and what is asked beside an ask changes
//! nothing of its answer.

use std::fmt::Write as _;

use host_core::{Ask, Asks, Capability, Decision, Exception, Grant, Limits, Origin, Question};
use host_policy::{Decided, PolicySet, Request, SourceFile, Verdict};
use serde_json::json;

/// How many rules and asks are chosen at most.
const RULES_MAX: usize = 8;
const ASKS_MAX: usize = 4;

/// What can be asked for; many of them lie in others.
const CAPABILITIES: [&str; 44] = [
    "fs.read:/",
    "fs.read:/etc",
    "fs.read:/etc/app",
    "fs.read:/etc/app/x",
    "fs.read:/etcetera",
    "fs.read:/srv/keys/a",
    "fs.write:/",
    "fs.write:/etc",
    "fs.write:/srv",
    "fs.write:/srv/keys",
    "unix.connect:/run/s",
    "net.connect:db.internal:5432",
    "net.connect:*.internal:5432",
    "net.connect:db.internal:5432@private",
    "net.connect:db.internal:5432@10.1.0.0/16",
    "net.connect:a.b.example.com:443",
    "net.connect:*.example.com:443",
    "net.connect:*.b.example.com:443",
    "net.connect:10.1.2.3:80",
    "net.connect:10.0.0.0/8:80",
    "net.connect:10.1.0.0/16:80",
    "net.connect:8.8.8.8:53",
    "net.connect:8.0.0.0/8:53",
    "net.connect:169.254.169.254:80",
    "net.connect:[fd00::1]:80",
    "net.connect:[fd00::/8]:80",
    "http.request:GET https://api.example.com/v1",
    "http.request:GET https://api.example.com/v1/x",
    "http.request:POST https://api.example.com/",
    "env:LANG",
    "secret:token",
    "exec:/bin/s",
    "exec:/bin/s stop sshd",
    "exec:/bin/s stop {unit}",
    "exec:/bin/s {name} {unit}",
    "exec:/bin/s * *",
    "exec:/bin/s {path:/etc}",
    "exec:/bin/s /etc/app",
    "exec:git@/bin/s stop sshd",
    "exec:root@/bin/s stop sshd",
    "exec:root@/bin/s stop {raw}",
    "run.as:www-data",
    "appear.root",
    "host.full",
];

/// What rules can name, by the actions that are about it.
const RESOURCES: [(&[&str], &[&str]); 7] = [
    (
        &["fs.read", "fs.write", "unix.connect"],
        &[
            "Path::\"/\"",
            "Path::\"/etc\"",
            "Path::\"/etc/app\"",
            "Path::\"/srv/keys\"",
            "Path::\"/run/s\"",
        ],
    ),
    (
        &["net.connect"],
        &[
            "Endpoint::\"db.internal\"",
            "Endpoint::\"db.internal:5432\"",
            "Endpoint::\"db.internal:5432@private\"",
            "Endpoint::\"*.internal\"",
            "Endpoint::\"*.example.com:443\"",
            "Endpoint::\"a.b.example.com\"",
            "Endpoint::\"10.0.0.0/8\"",
            "Endpoint::\"10.1.2.0/24:80\"",
            "Endpoint::\"10.1.2.3\"",
            "Endpoint::\"8.8.0.0/16\"",
            "Endpoint::\"0.0.0.0/0\"",
            "Endpoint::\"[fd00::/16]\"",
            "Endpoint::\"api.example.com\"",
        ],
    ),
    (
        &["http.request"],
        &[
            "Url::\"https://api.example.com/\"",
            "Url::\"https://api.example.com/v1\"",
            "Url::\"https://api.example.com/v1/x\"",
        ],
    ),
    (
        &["exec", "exec.root", "exec.raw"],
        &[
            "Program::\"/bin/s\"",
            "Program::\"/bin/s stop\"",
            "Program::\"/bin/s stop sshd\"",
            "Program::\"/bin/s stop {unit}\"",
            "Program::\"/bin/s {path:/etc/app}\"",
            "Program::\"root@/bin/s\"",
            "Program::\"git@/bin/s stop\"",
        ],
    ),
    (&["env"], &["EnvVar::\"LANG\""]),
    (&["secret"], &["Secret::\"token\""]),
    (
        &["appear.root", "host.full", "run"],
        &["Task::\"service\"", "Module::\"service\"", "Task::\"disk\""],
    ),
];

const PRINCIPALS: [&str; 5] = [
    "principal",
    "principal == Caller::\"alice\"",
    "principal in Group::\"ops\"",
    "principal in Group::\"night\"",
    "principal == Caller::\"bob\"",
];

/// Conditions; the last cannot be evaluated.
const CONDITIONS: [&str; 12] = [
    "",
    "when { context.task == Task::\"service\" }",
    "when { context.task in Module::\"disk\" }",
    "when { context.task == Task::\"service\" && context.noop }",
    "when { context.input.hasTag(\"action\") && context.input.getTag(\"action\") == \"stop\" }",
    "unless { context.noop }",
    "when { resource in Path::\"/etc/app\" }",
    "unless { resource in Path::\"/etc\" }",
    "unless { resource in Endpoint::\"*.internal\" }",
    "unless { resource has exact && resource.exact }",
    "when { context.limits.memory <= 1000 }",
    "when { context.noop && context.limits.memory * 9223372036854775807 > 1 }",
];

/// Panics where a decision breaks what is held of decisions.
pub fn check(data: &[u8]) {
    let mut choices = Choices(data.iter());
    let mut rules = "permit (principal, action == Action::\"run\", resource);\n".to_owned();
    for _ in 0..choices.below(RULES_MAX) {
        rules.push_str(&rule(&mut choices, None));
    }
    let more = format!("{rules}{}", rule(&mut choices, Some("forbid")));
    let request = request(&mut choices);
    let asks = request.asks().expect("asks of our own");
    let (Ok(set), Ok(narrower)) = (read(&rules), read(&more)) else {
        // Rules that never match are refused, and that is their own test.
        return;
    };
    let decided = set.decide_on(&request, &asks);
    assert_eq!(
        decided,
        set.decide_by_all_rules(&request, &asks),
        "sliced as unsliced\n{rules}"
    );
    alone_as_together(&set, &request, &asks, &decided, &rules);
    let narrowed = narrower.decide_on(&request, &asks);
    assert_eq!(
        narrowed,
        narrower.decide_by_all_rules(&request, &asks),
        "sliced as unsliced\n{more}"
    );
    never_wider(&decided, &narrowed, &more);
    nothing_but_asked(&decided, &asks);
    nothing_forbidden(&narrower, &request, &narrowed, &more);
}

/// An ask is answered as if it were the only one.
fn alone_as_together(
    set: &PolicySet,
    request: &Request,
    asks: &Asks,
    decided: &Decided,
    rules: &str,
) {
    for (ask, together) in asks.iter().zip(decided.answers.iter().skip(1)) {
        let only = Asks::gather([ask.clone()]).expect("one ask");
        let alone = set.decide_on(request, &only);
        assert_eq!(
            alone.answers.get(1),
            Some(together),
            "alone as together\n{rules}"
        );
    }
}

/// One forbid more never permits more.
fn never_wider(decided: &Decided, narrowed: &Decided, rules: &str) {
    let is_allowed = |decided: &Decided| matches!(decided.decision, Decision::Allowed(_));
    assert!(
        is_allowed(decided) || !is_allowed(narrowed),
        "a forbid allowed a run\n{rules}"
    );
    for (before, after) in decided.answers.iter().zip(&narrowed.answers) {
        let (Verdict::Permitted { except: now, .. }, question) = (&after.verdict, &after.question)
        else {
            continue;
        };
        let Verdict::Permitted { except: then, .. } = &before.verdict else {
            panic!("a forbid permitted {question}\n{rules}");
        };
        for exception in then {
            assert!(
                covers(now, &exception.capability),
                "a forbid opened {}\n{rules}",
                exception.capability
            );
        }
    }
}

fn nothing_but_asked(decided: &Decided, asks: &Asks) {
    let Decision::Allowed(permits) = &decided.decision else {
        return;
    };
    let grant = Grant::resolve(asks, permits, Limits::default());
    for granted in &grant {
        assert!(asks.iter().any(|ask| ask.capability == granted.capability));
    }
    for ask in asks {
        let is_granted = grant
            .iter()
            .any(|granted| granted.capability == ask.capability);
        assert!(
            is_granted || ask.optional,
            "a required ask is missing from a grant"
        );
    }
}

/// What is forbidden by itself is not inside anything that is granted.
fn nothing_forbidden(set: &PolicySet, request: &Request, decided: &Decided, rules: &str) {
    for answer in &decided.answers {
        let (Question::Capability(granted), Verdict::Permitted { except, .. }) =
            (&answer.question, &answer.verdict)
        else {
            continue;
        };
        for text in CAPABILITIES {
            let inner: Capability = text.parse().expect("a capability of our own");
            if !granted.covers(&inner) {
                continue;
            }
            let asks = Asks::gather([Ask {
                capability: inner.clone(),
                origin: answer.origin.unwrap_or(Origin::Bundle),
                optional: answer.optional,
                why: None,
            }]);
            let alone = set.decide_on(request, &asks.expect("one ask"));
            let is_forbidden = alone.answers.iter().any(|answer| {
                answer.question != Question::Run
                    && matches!(answer.verdict, Verdict::Forbidden { inside: None, .. })
            });
            assert!(
                !is_forbidden || covers(except, &inner),
                "{inner} is forbidden and lies in {granted}, which is granted\n{rules}"
            );
        }
    }
}

fn covers(except: &[Exception], capability: &Capability) -> bool {
    except
        .iter()
        .any(|exception| exception.capability.covers(capability))
}

fn read(rules: &str) -> Result<PolicySet, host_policy::ReadSetError> {
    let file = |name: &str, text: &str| SourceFile {
        name: name.to_owned(),
        text: text.to_owned(),
    };
    let groups =
        "format = \"host.groups/1\"\n[groups]\nops = ['alice', '@night']\nnight = ['carol']\n";
    PolicySet::read(
        "set",
        vec![file("a.cedar", rules), file("groups.toml", groups)],
    )
}

fn rule(choices: &mut Choices<'_>, effect: Option<&str>) -> String {
    let chosen = choices.one_of(&["permit", "permit", "forbid"]);
    let effect = effect.unwrap_or(chosen);
    let principal = choices.one_of(&PRINCIPALS);
    let chosen = RESOURCES.get(choices.below(RESOURCES.len()));
    let (actions, names) = chosen.copied().unwrap_or((&[], &[]));
    let action = match choices.below(6) {
        0 => "action".to_owned(),
        1 => "action in Action::\"capability\"".to_owned(),
        2 => "action in Action::\"dangerous\"".to_owned(),
        _ => format!("action == Action::\"{}\"", choices.one_of(actions)),
    };
    let resource = match choices.below(4) {
        0 => "resource".to_owned(),
        1 => format!("resource == {}", choices.one_of(names)),
        _ => format!("resource in {}", choices.one_of(names)),
    };
    let condition = choices.one_of(&CONDITIONS);
    let mut rule = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        rule,
        "{effect} ({principal}, {action}, {resource}) {condition};"
    );
    rule
}

fn request(choices: &mut Choices<'_>) -> Request {
    let caller = choices.one_of(&["alice", "bob", "carol", "mallory"]);
    let task = choices.one_of(&["service", "service::report", "disk"]);
    let action = choices.one_of(&["stop", "start"]);
    let noop = choices.below(2) == 0;
    let mut asks = Vec::new();
    for _ in 0..choices.below(ASKS_MAX) + 1 {
        let capability = choices.one_of(&CAPABILITIES);
        let optional = choices.below(3) == 0;
        asks.push(json!({"capability": capability, "origin": "bundle", "optional": optional}));
    }
    serde_json::from_value(json!({
        "format": "host.request/1",
        "caller": caller,
        "task": task,
        "bundle": {"id": "07".repeat(32), "module": "service", "version": "1.0.0", "signers": []},
        "input": {"action": action},
        "node": {"name": "web-01"},
        "limits": {"memory": 4096},
        "walls": {},
        "noop": noop,
        "time": "2026-11-27T14:30:00Z",
        "asks": asks,
    }))
    .expect("a request of our own")
}

/// Bytes as choices; when they are at their end, the first of everything.
struct Choices<'d>(std::slice::Iter<'d, u8>);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % count
    }

    fn one_of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all.get(self.below(all.len())).copied().unwrap_or_default()
    }
}
