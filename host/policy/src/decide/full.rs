//! `host.full`: a run without a jail reaches everything, so whatever is forbidden to it lies inside.

use cedar_policy::Context;

use super::{Court, Verdict};
use crate::action::Action;
use crate::set::Rule;
use crate::world::{WorldError, entity_uid};

/// The id of a resource that stands for any.
const ANYTHING: &str = "anything";

impl Court<'_> {
    /// The first forbid of any capability that could bite: without a jail a run reaches everything.
    pub(super) fn anything_forbidden(
        &self,
        context: &Context,
    ) -> Result<Option<Verdict>, WorldError> {
        for action in Action::ALL.into_iter().filter(|action| action.opens()) {
            let buckets = self.set.index.buckets_of_action(action, &self.keys);
            let forbids = buckets.flat_map(|bucket| bucket.forbids.policies());
            let rules = forbids.filter_map(|policy| self.set.rule(policy.id().as_ref()));
            let mut rules: Vec<&Rule> = rules.collect();
            rules.sort_by_key(|rule| rule.place());
            for rule in rules {
                if rule.mentions_resource || self.bites_anywhere(action, rule, context)? {
                    return Ok(Some(Verdict::Forbidden {
                        rules: vec![rule.id().to_owned()],
                        inside: Some(rule.scope.resource.as_ref().map_or_else(
                            || action.as_str().to_owned(),
                            |target| format!("{}:{}", action.as_str(), target.id()),
                        )),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Whether a forbid that does not look at its resource forbids something to this run.
    fn bites_anywhere(
        &self,
        action: Action,
        rule: &Rule,
        context: &Context,
    ) -> Result<bool, WorldError> {
        let uid = match &rule.scope.resource {
            Some(target) => entity_uid(target.kind(), &target.id())?,
            None => entity_uid(action.about(), ANYTHING)?,
        };
        let mut alone = cedar_policy::PolicySet::new();
        let added = alone.add(rule.policy.clone());
        let said = self.hear(
            action,
            uid,
            context,
            std::iter::once(&alone),
            self.world.entities(),
        )?;
        // What cannot be evaluated counts as if it bit.
        Ok(added.is_err() || said.error.is_some() || !said.forbids.is_empty())
    }
}
