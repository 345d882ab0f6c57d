//! Who can: which callers a set lets run a request.
//!
//! Asked are all callers that the set names, in a group or in a rule, and one that nobody has heard of, who stands for
//! everybody else.

use std::collections::BTreeSet;

use host_core::{Asks, CallerName, Decision};

use crate::query::Request;
use crate::scope::Principal;
use crate::set::PolicySet;

/// How many callers are asked for.
const CALLERS_MAX: usize = 100_000;

/// The name of somebody whom no set names.
const STRANGER: &str = "_anybody_else_";

/// One caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Who {
    /// The caller.
    pub caller: CallerName,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// The rules that decided for it.
    pub rules: Vec<String>,
}

/// Who can do something.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WhoCan {
    /// Those who can, of those whom the set names.
    pub callers: Vec<Who>,
    /// Whether everybody else can, and by which rules.
    pub everybody: Option<Vec<String>>,
    /// How many callers the set names.
    pub asked: usize,
    /// Whether some rule goes by a predicate or by how a name is written, so that others may be let too who are not named.
    pub may_be_more: bool,
}

impl PolicySet {
    /// Says who can do what `request` asks, whoever it says is asking.
    #[must_use]
    pub fn who_can(&self, request: &Request, asks: &Asks) -> WhoCan {
        let mut found = WhoCan {
            may_be_more: self.tags.asks_of_principal || self.tags.has_field("predicates"),
            ..WhoCan::default()
        };
        let decide = |caller: &CallerName| {
            let request = Request {
                caller: caller.clone(),
                ..request.clone()
            };
            let decided = self.decide_on(&request, asks);
            let rules = || decided.rules().into_iter().map(str::to_owned).collect();
            matches!(decided.decision, Decision::Allowed(_)).then(rules)
        };
        for caller in self.named_callers() {
            found.asked += 1;
            if let Some(rules) = decide(&caller) {
                found.callers.push(Who {
                    groups: self
                        .groups()
                        .of(caller.as_str())
                        .map(str::to_owned)
                        .collect(),
                    caller,
                    rules,
                });
            }
        }
        found.everybody = STRANGER.parse().ok().and_then(|stranger| decide(&stranger));
        found
    }

    /// The callers whom groups or rules name.
    pub(crate) fn named_callers(&self) -> BTreeSet<CallerName> {
        let in_rules = self
            .rules()
            .iter()
            .filter_map(|rule| match &rule.scope.principal {
                Some(Principal::Caller(name)) => name.parse().ok(),
                _ => None,
            });
        let literals = self
            .rules()
            .iter()
            .flat_map(|rule| rule.policy.entity_literals());
        let literals = literals.filter_map(|uid| match crate::scope::principal(&uid) {
            Ok(Principal::Caller(name)) => name.parse().ok(),
            _ => None,
        });
        let in_groups = self.groups().callers().cloned();
        in_groups
            .chain(in_rules)
            .chain(literals)
            .take(CALLERS_MAX)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::lab::{asks, request, set};

    #[test]
    fn where_rules_go_by_how_a_name_is_written_there_may_be_more() {
        let may_be_more = |condition: &str| {
            let set = set(&format!(
                "permit (principal, action == Action::\"run\", resource) {condition};"
            ));
            let request = request("x service");
            set.who_can(&request, &asks(&request)).may_be_more
        };
        assert!(!may_be_more("") && !may_be_more("when { principal in Group::\"ops\" }"));
        assert!(may_be_more("when { principal.name like \"ops-*\" }"));
        assert!(may_be_more(
            "when { context.predicates.contains(context.reason) }"
        ));
    }

    #[test]
    fn those_in_groups_and_those_in_rules_are_asked_and_everybody_else_once() {
        let set = set(
            "@id(\"ops\") permit (principal in Group::\"ops\", action == Action::\"run\", resource in Module::\"service\");
             @id(\"dan\") permit (principal == Caller::\"dan\", action == Action::\"run\", resource);
             @id(\"all\") permit (principal, action == Action::\"run\", resource == Task::\"ping\");
             @id(\"not\") forbid (principal, action == Action::\"run\", resource) when { principal == Caller::\"eve\" };",
        );
        let can = |text: &str| {
            let request = request(text);
            let can = set.who_can(&request, &asks(&request));
            let names: Vec<String> = can
                .callers
                .iter()
                .map(|who| who.caller.to_string())
                .collect();
            (names.join(" "), can.everybody.is_some(), can.asked)
        };
        assert_eq!(
            can("x service"),
            ("alice bob carol dan".to_owned(), false, 5)
        );
        assert_eq!(can("x ping"), ("alice bob carol dan".to_owned(), true, 5));
        assert_eq!(can("x ping asks fs.read:/etc"), (String::new(), false, 5));
    }
}
