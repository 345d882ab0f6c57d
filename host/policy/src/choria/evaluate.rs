//! Decides as the old format did: line by line, the first one that matches.
//!
//! This is the oracle of the translation, so it shares nothing with it but the lines as they were read and the comparisons
//! of single facts and classes.

use std::collections::BTreeSet;

use host_core::TaskName;
use serde_json::{Map, Value};

use super::Policies;
use super::compound::Expression;
use super::groups::Groups;
use super::policy::{Agent, BOLT_ACTIONS, CallerTerm, Callers, PolicyFile, RUN_ACTIONS, Rule};
use super::term::Term;

/// Who asks, on which node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    /// `KIND=ID`.
    pub(super) caller: &'a str,
    pub(super) facts: &'a Map<String, Value>,
    pub(super) classes: &'a BTreeSet<String>,
}

impl Policies {
    pub(super) fn would_allow(&self, task: &TaskName, asker: &Asker<'_>) -> bool {
        let Some(file) = self.deciding(task) else {
            return false;
        };
        let allows = |action: &str| file.allows(action, asker, &self.groups);
        match file.agent {
            Agent::Module(_) | Agent::Default => allows(task.short()),
            Agent::Bolt => {
                // What is said of such a name could be about the action or the task.
                let is_action = BOLT_ACTIONS.contains(&task.as_str());
                !is_action && RUN_ACTIONS.into_iter().any(allows) && allows(task.as_str())
            }
        }
    }
}

impl PolicyFile {
    fn allows(&self, action: &str, asker: &Asker<'_>, groups: &Groups) -> bool {
        for rule in &self.rules {
            if rule.matches(action, asker, groups) {
                return rule.allow;
            }
        }
        self.allows_by_default()
    }
}

impl Rule {
    fn matches(&self, action: &str, asker: &Asker<'_>, groups: &Groups) -> bool {
        self.callers.matches(asker.caller, groups)
            && self.actions.covers(action)
            && self.node.holds(asker)
    }
}

impl Callers {
    fn matches(&self, caller: &str, groups: &Groups) -> bool {
        let Self::Any(terms) = self else {
            return true;
        };
        terms.iter().any(|term| match term {
            CallerTerm::Named(named) => named.id == caller,
            CallerTerm::Group(group) => {
                let members = groups.members.get(group).into_iter().flatten();
                members.into_iter().any(|member| member.id == caller)
            }
            CallerTerm::Pattern { regex, .. } => regex.is_match(caller),
        })
    }
}

impl Expression {
    fn holds(&self, asker: &Asker<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Term(term) => term.holds(asker),
            Self::Not(inner) => !inner.holds(asker),
            Self::And(left, right) => left.holds(asker) && right.holds(asker),
            Self::Or(left, right) => left.holds(asker) || right.holds(asker),
        }
    }
}

impl Term {
    fn holds(&self, asker: &Asker<'_>) -> bool {
        match self {
            Self::ServerFact { test, .. } => test.holds(asker.facts),
            Self::TextFact(test) => test.holds(asker.facts),
            Self::Class(name) => asker.classes.contains(name),
            Self::ClassPattern { regex, .. } => {
                asker.classes.iter().any(|class| regex.is_match(class))
            }
        }
    }
}
