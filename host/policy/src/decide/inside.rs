//! What lies inside an ask: for every name in a forbid's scope that the ask meets, that forbid is asked for that very name.

use cedar_policy::Context;
use host_core::{Ask, Capability, Endpoint, Exception};

use super::{Court, INNER_QUESTIONS_MAX, RULES_APART, Said, Verdict};
use crate::action::Action;
use crate::index::{Bucket, Key, lies_behind};
use crate::target::Target;
use crate::world::WorldError;

/// What is said of the names inside an ask.
pub(super) enum Inside {
    /// Nothing inside refuses the ask, but these are left out of it.
    Fine(Vec<Exception>),
    Verdict(Verdict),
}

impl Court<'_> {
    /// Asks the forbids of an action for every name in their scopes that the ask meets.
    pub(super) fn inside(
        &self,
        at: usize,
        ask: &Ask,
        action: Action,
        context: &Context,
    ) -> Result<Inside, WorldError> {
        let Some((own, own_covering)) = self.targets.get(at) else {
            return Err(WorldError::of(&"an ask has no target"));
        };
        if matches!(ask.capability, Capability::UnixConnect(_)) {
            // A socket has nothing inside.
            return Ok(Inside::Fine(Vec::new()));
        }
        let implied = self.implied(own, action)?;
        let (target, covering) = match &implied {
            Some(target) => (target, self.set.index.covering(target)),
            None => (own, own_covering.clone()),
        };
        let met = self.met(action, target, &covering);
        let asked_for = self.inner_questions.get().saturating_add(met.len());
        self.inner_questions.set(asked_for);
        if asked_for > INNER_QUESTIONS_MAX {
            return Ok(Inside::Verdict(Verdict::Failed {
                rule: None,
                message: format!(
                    "rules forbid more than {INNER_QUESTIONS_MAX} things inside what is asked for: ask for less"
                ),
            }));
        }
        let mut except = Vec::new();
        for (name, key) in met {
            let said = self.forbidden_there(action, key, target, context)?;
            if let Some(verdict) = said.failed() {
                return Ok(Inside::Verdict(verdict));
            }
            if said.forbids.is_empty() {
                continue;
            }
            match exception(&ask.capability, target, &name, &said.forbids) {
                Some(exception) => except.push(exception),
                None => {
                    return Ok(Inside::Verdict(Verdict::Forbidden {
                        rules: said.forbids,
                        inside: (!name.swallows(target)).then(|| name.id()),
                    }));
                }
            }
        }
        Ok(Inside::Fine(except))
    }

    /// What the forbids that name `key` say, if what is asked for were that.
    pub(super) fn forbidden_there(
        &self,
        action: Action,
        key: Key,
        asked: &Target,
        context: &Context,
    ) -> Result<Said, WorldError> {
        let Some(uid) = self.set.index.uid(key) else {
            return Err(WorldError::of(&"a name in a forbid has no entity"));
        };
        let buckets = match &self.whole {
            Some(whole) => vec![whole],
            None => self.set.index.buckets_of(action, &self.keys, key).collect(),
        };
        let forbids: Vec<&Bucket> = buckets
            .into_iter()
            .filter(|bucket| bucket.forbids_count > 0)
            .collect();
        if forbids.is_empty() {
            return Ok(Said::default());
        }
        let entities = self
            .world
            .with_parents(uid.clone(), asked, std::iter::empty())?;
        self.hear(
            action,
            uid.clone(),
            context,
            forbids.into_iter().map(|bucket| &bucket.forbids),
            &entities,
        )
    }

    /// The names in forbids that an ask meets, but for those that cover it.
    fn met(&self, action: Action, target: &Target, covering: &[Key]) -> Vec<(Target, Key)> {
        if self.whole.is_none() {
            return self.set.index.met(action, target, covering);
        }
        let forbids = self
            .set
            .rules()
            .iter()
            .filter(|rule| rule.forbids() && rule.scope.actions.contains(&action));
        let named = forbids.filter_map(|rule| rule.scope.resource.as_ref());
        let met = named.filter(|name| name.meets(target) || lies_behind(name, target));
        let met = met.filter_map(|name| Some((name.clone(), self.set.index.key(name)?)));
        met.filter(|(_, key)| !covering.contains(key)).collect()
    }
}

/// What can be left out of an ask that is granted: a tree to read is shown without what is forbidden in it, and a name is
/// not followed to addresses that are forbidden. Everything else is refused whole.
fn exception(
    capability: &Capability,
    asked: &Target,
    name: &Target,
    rules: &[String],
) -> Option<Exception> {
    let left_out = match (capability, asked, name) {
        (Capability::FsRead(_), _, Target::Path(path)) if !is_always_shown(path) => {
            Capability::FsRead(path.clone())
        }
        (
            Capability::NetConnect(_) | Capability::HttpRequest(_),
            Target::Endpoint(endpoint),
            Target::Endpoint(behind),
        ) if lies_behind(name, asked) => {
            let at = Endpoint::new(behind.host.clone(), endpoint.port?, None).ok()?;
            Capability::NetConnect(at)
        }
        _ => return None,
    };
    Some(Exception {
        capability: left_out,
        rule: rules.join(RULES_APART),
    })
}

/// Whether native tasks see a path of every machine without asking, where nothing can be left out. What they see of `/etc`
/// and of the node's own paths is left out where it is forbidden.
pub(crate) fn is_always_shown(path: &host_core::CanonicalPath) -> bool {
    let path = std::path::Path::new(path.as_str());
    host_core::SYSTEM_PATHS
        .iter()
        .any(|shown| path.starts_with(shown))
}
