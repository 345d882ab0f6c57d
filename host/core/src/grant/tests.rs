//! That a grant is never more than what was asked and what was permitted.

use proptest::prelude::*;

use super::*;
use crate::capability::tests::covering::neighbours;

fn ask(text: &str, optional: bool) -> Ask {
    Ask {
        capability: text.parse().unwrap(),
        origin: Origin::Bundle,
        optional,
        why: None,
    }
}

fn asks(texts: &[&str]) -> Asks {
    Asks::gather(texts.iter().map(|text| ask(text, false))).unwrap()
}

fn permits(texts: &[&str]) -> Permits {
    let mut permits = Permits::default();
    for text in texts {
        permits.permit(text.parse().unwrap(), format!("allow {text}"));
    }
    permits
}

fn granted(asked: &[&str], permitted: &[&str]) -> Grant {
    Grant::resolve(&asks(asked), &permits(permitted), Limits::default())
}

#[test]
fn a_grant_is_shut_without_asks_or_permits() {
    for grant in [
        granted(&[], &["fs.read:/", "host.full"]),
        granted(&["fs.read:/", "host.full"], &[]),
        granted(&[], &[]),
    ] {
        assert_eq!(grant.iter().count(), 0);
        assert!(!grant.is_full() && !grant.appears_root() && grant.run_as().is_none());
        assert!(!grant.covers(&"fs.read:/etc".parse().unwrap()));
    }
}

#[test]
fn a_granted_capability_names_the_rule_that_permitted_it() {
    let grant = granted(
        &["fs.read:/etc/app", "env:HOME", "fs.write:/etc/app"],
        &["env:PATH", "fs.read:/etc", "fs.read:/"],
    );
    assert_eq!(grant.to_string(), "fs.read:/etc/app");
    let line = grant.iter().next().unwrap();
    assert_eq!(
        (line.rule.as_str(), line.origin),
        ("allow fs.read:/etc", Origin::Bundle)
    );
    let dropped: Vec<String> = grant
        .dropped()
        .iter()
        .map(|ask| ask.capability.to_string())
        .collect();
    assert_eq!(dropped, ["env:HOME", "fs.write:/etc/app"]);
}

#[test]
fn what_is_granted_is_found_by_its_kind() {
    let texts = [
        "fs.read:/r",
        "fs.write:/w",
        "net.connect:a:1",
        "http.request:GET https://a/",
        "unix.connect:/s",
        "env:HOME",
        "secret:s",
        "exec:/b/a x",
        "run.as:www",
        "appear.root",
        "host.full",
    ];
    let grant = granted(&texts, &texts);
    let show = |found: Vec<String>| found.join(" ");
    assert_eq!(show(grant.reads().map(ToString::to_string).collect()), "/r");
    assert_eq!(
        show(grant.writes().map(ToString::to_string).collect()),
        "/w"
    );
    assert_eq!(
        show(grant.connects().map(ToString::to_string).collect()),
        "a:1"
    );
    assert_eq!(
        show(grant.requests().map(ToString::to_string).collect()),
        "GET https://a/"
    );
    assert_eq!(
        show(grant.sockets().map(ToString::to_string).collect()),
        "/s"
    );
    assert_eq!(show(grant.env().map(ToString::to_string).collect()), "HOME");
    assert_eq!(
        show(grant.secrets().map(ToString::to_string).collect()),
        "s"
    );
    assert_eq!(
        show(grant.commands().map(ToString::to_string).collect()),
        "/b/a x"
    );
    assert_eq!(grant.run_as().map(UserName::as_str), Some("www"));
    assert!(grant.appears_root() && grant.is_full());
    assert_eq!(grant.iter().count(), texts.len());
}

#[test]
fn the_same_ask_twice_is_one_ask_and_required_if_either_was() {
    let gathered = Asks::gather([
        ask("env:A", true),
        ask("env:A", false),
        ask("env:B", true),
        ask("env:B", true),
    ])
    .unwrap();
    let shown: Vec<(String, bool)> = gathered
        .iter()
        .map(|ask| (ask.capability.to_string(), ask.optional))
        .collect();
    assert_eq!(
        shown,
        [("env:A".to_owned(), false), ("env:B".to_owned(), true)]
    );
}

#[test]
fn a_run_has_one_user_and_a_bounded_number_of_asks() {
    let error = Asks::gather([
        ask("run.as:a", true),
        ask("env:A", true),
        ask("run.as:b", true),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`run.as:a` and `run.as:b` cannot both be asked for"
    );
    let many = |count: usize| Asks::gather((0..count).map(|at| ask(&format!("env:A{at}"), false)));
    assert_eq!(many(ASKS_MAX).unwrap().len(), ASKS_MAX);
    assert_eq!(many(ASKS_MAX + 1), Err(AsksError::TooMany));
}

#[test]
fn a_missing_required_ask_refuses_and_an_optional_one_is_dropped() {
    let asked = Asks::gather([ask("fs.read:/a", false), ask("fs.read:/b", true)]).unwrap();
    assert!(matches!(
        permits(&["fs.read:/a"]).decide(&asked),
        Decision::Allowed(_)
    ));
    let Decision::Refused(refusal) = permits(&["fs.read:/b"]).decide(&asked) else {
        panic!("allowed")
    };
    assert_eq!(refusal.to_string(), "fs.read:/a is permitted by no rule");
    let forbidden = Denied {
        question: Question::Run,
        rules: vec!["never".into(), "frozen".into()],
    };
    assert_eq!(forbidden.to_string(), "the run is forbidden: never, frozen");
}

fn capability() -> impl Strategy<Value = Capability> {
    proptest::sample::select(neighbours())
}

fn some_asks() -> impl Strategy<Value = Asks> {
    let not_run_as = capability().prop_filter("two users conflict", |one| {
        !matches!(one, Capability::RunAs(_))
    });
    let one = (not_run_as, any::<bool>()).prop_map(|(capability, optional)| Ask {
        capability,
        origin: Origin::Caller,
        optional,
        why: None,
    });
    proptest::collection::vec(one, 0..8).prop_map(|asks| Asks::gather(asks).unwrap())
}

fn some_permits() -> impl Strategy<Value = Permits> {
    proptest::collection::vec(capability(), 0..12).prop_map(|capabilities| {
        let mut permits = Permits::default();
        for (at, capability) in capabilities.into_iter().enumerate() {
            permits.permit(capability, format!("rule {at}"));
        }
        permits
    })
}

proptest! {
    #[test]
    fn a_grant_never_exceeds_asks_nor_permits(asks in some_asks(), permits in some_permits()) {
        let grant = Grant::resolve(&asks, &permits, Limits::default());
        for granted in &grant {
            prop_assert!(asks.iter().any(|ask| ask.capability == granted.capability));
            let permit = permits.iter().find(|permit| permit.rule == granted.rule);
            prop_assert!(permit.is_some_and(|permit| permit.capability.covers(&granted.capability)));
        }
        prop_assert_eq!(grant.iter().count() + grant.dropped().len(), asks.len());
    }

    #[test]
    fn removing_a_permit_never_widens(asks in some_asks(), permits in some_permits(), at in 0_usize..12) {
        let mut fewer = Permits::default();
        for (_, permit) in permits.iter().enumerate().filter(|(index, _)| *index != at) {
            fewer.permit(permit.capability.clone(), permit.rule.clone());
        }
        let (wide, narrow) =
            (Grant::resolve(&asks, &permits, Limits::default()), Grant::resolve(&asks, &fewer, Limits::default()));
        prop_assert!(narrow.iter().all(|one| wide.iter().any(|other| other.capability == one.capability)));
    }

    #[test]
    fn an_allowed_run_drops_only_optional_asks(asks in some_asks(), permits in some_permits()) {
        if let Decision::Allowed(permits) = permits.decide(&asks) {
            let grant = Grant::resolve(&asks, &permits, Limits::default());
            prop_assert!(grant.dropped().iter().all(|ask| ask.optional));
        }
    }
}
