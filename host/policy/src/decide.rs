//! The answers: whether a run may start, and with which of the things that it asks for.
//!
//! One question for the run and one for each ask. An ask is permitted if some rule permits all of it and nothing inside it
//! is forbidden: for every name in a forbid's scope that the ask meets, that forbid is asked for that very name. A rule
//! that cannot be evaluated refuses: Cedar itself would pass it over, and a forbid that is passed over fails open.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

use cedar_policy::{Authorizer, Context, EntityUid};
use host_core::{
    Ask, Asks, Capability, Decision, Denied, Endpoint, Exception, Origin, Permits, Question,
    Refusal,
};

mod full;
mod inside;
mod unseen;

use inside::Inside;
pub(crate) use inside::is_always_shown;

use crate::action::{Action, forbidding, permitting};
use crate::index::{Bucket, Key, Keys};
use crate::query::{Request, Subject};
use crate::set::PolicySet;
use crate::target::Target;
use crate::world::{World, WorldError, context_key, entity_uid, names};

/// How many names inside the asks of one run are asked for; what meets more is refused.
pub const INNER_QUESTIONS_MAX: usize = 10_000;

/// What stands between the ids of rules that decided together; no id has it.
const RULES_APART: &str = ", ";

/// How one question was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// These rules permit it, but for what is named.
    Permitted {
        /// The ids of the rules.
        rules: Vec<String>,
        /// What lies inside and is forbidden nevertheless.
        except: Vec<Exception>,
    },
    /// These rules forbid it.
    Forbidden {
        /// Their ids.
        rules: Vec<String>,
        /// What they forbid inside it, where they do not forbid all of it.
        inside: Option<String>,
    },
    /// No rule permits it.
    Unpermitted,
    /// It could not be answered.
    Failed {
        /// The rule that cannot be evaluated, if it is one.
        rule: Option<String>,
        /// Why.
        message: String,
    },
}

/// One question with its answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// What was asked.
    pub question: Question,
    /// Whether the run starts without it.
    pub optional: bool,
    /// Who asks for it; nobody for the run itself.
    pub origin: Option<Origin>,
    /// The answer.
    pub verdict: Verdict,
}

/// A decision with the answers that it comes from: that for the run first, then one for each ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decided {
    /// What follows from them.
    pub decision: Decision,
    /// The answers.
    pub answers: Vec<Answer>,
}

impl Decided {
    /// The ids of all rules that decided, each once, in the order of the answers.
    #[must_use]
    pub fn rules(&self) -> Vec<&str> {
        let mut seen: Vec<&str> = Vec::new();
        let mut see = |rule| {
            if !seen.contains(&rule) {
                seen.push(rule);
            }
        };
        for answer in &self.answers {
            match &answer.verdict {
                Verdict::Permitted { rules, except } => {
                    rules.iter().for_each(|rule| see(rule));
                    let hiding = except
                        .iter()
                        .flat_map(|except| except.rule.split(RULES_APART));
                    hiding.for_each(&mut see);
                }
                Verdict::Forbidden { rules, .. } => rules.iter().for_each(|rule| see(rule)),
                Verdict::Failed { rule, .. } => rule.iter().for_each(|rule| see(rule)),
                Verdict::Unpermitted => {}
            }
        }
        seen
    }
}

impl PolicySet {
    /// Decides on a run.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decided {
        match request.asks() {
            Ok(asks) => self.decide_on(request, &asks),
            Err(error) => failed(&error.to_string()),
        }
    }

    /// Decides on a run with these asks, whatever the request says of them.
    #[must_use]
    pub fn decide_on(&self, request: &Request, asks: &Asks) -> Decided {
        match Court::of(self, request, asks) {
            Ok(mut court) => court.decide(),
            Err(error) => failed(&error.to_string()),
        }
    }

    /// The same by asking every rule, without the index: slow, and held against [`PolicySet::decide_on`] by an oracle.
    #[must_use]
    pub fn decide_by_all_rules(&self, request: &Request, asks: &Asks) -> Decided {
        let decided = Court::of(self, request, asks).and_then(|mut court| {
            let whole = Bucket::of(self.rules()).map_err(|error| WorldError::of(&error))?;
            court.whole = Some(whole);
            Ok(court.decide())
        });
        decided.unwrap_or_else(|error| failed(&error.to_string()))
    }
}

fn failed(message: &str) -> Decided {
    let verdict = Verdict::Failed {
        rule: None,
        message: message.to_owned(),
    };
    let answer = Answer {
        question: Question::Run,
        optional: false,
        origin: None,
        verdict,
    };
    Decided {
        decision: decision(std::slice::from_ref(&answer)),
        answers: vec![answer],
    }
}

/// What follows from answers.
fn decision(answers: &[Answer]) -> Decision {
    let mut permits = Permits::default();
    let mut denied = Vec::new();
    // Of two who ask for the same, one may be permitted.
    let is_permitted = |capability: &Capability| {
        answers.iter().any(|answer| {
            matches!(&answer.question, Question::Capability(other) if other == capability)
                && matches!(answer.verdict, Verdict::Permitted { .. })
        })
    };
    for answer in answers {
        match (&answer.question, &answer.verdict) {
            (Question::Run, Verdict::Permitted { .. }) => {}
            (Question::Capability(capability), Verdict::Permitted { rules, except }) => {
                permits.permit_except(capability.clone(), rules.join(RULES_APART), except.clone());
            }
            (
                Question::Capability(capability),
                Verdict::Forbidden { .. } | Verdict::Unpermitted,
            ) if answer.optional => {
                if !is_permitted(capability) {
                    permits.deny(capability.clone());
                }
            }
            // Also of an optional ask: what cannot be evaluated may be what forbids.
            (question, verdict) => denied.push(Denied {
                question: question.clone(),
                rules: reasons(verdict),
            }),
        }
    }
    if denied.is_empty() {
        Decision::Allowed(permits)
    } else {
        Decision::Refused(Refusal { denied })
    }
}

/// What stands behind a no.
pub(crate) fn reasons(verdict: &Verdict) -> Vec<String> {
    match verdict {
        Verdict::Forbidden {
            rules,
            inside: None,
        } => rules.clone(),
        Verdict::Forbidden {
            rules,
            inside: Some(inside),
        } => rules
            .iter()
            .map(|rule| format!("{rule}, which forbids `{inside}` inside it"))
            .collect(),
        Verdict::Failed { rule, message } => vec![match rule {
            Some(rule) => format!("{rule} cannot be evaluated: {message}"),
            None => message.clone(),
        }],
        Verdict::Permitted { .. } | Verdict::Unpermitted => Vec::new(),
    }
}

/// One request before the rules.
pub(crate) struct Court<'s> {
    pub(crate) set: &'s PolicySet,
    pub(crate) request: &'s Request,
    asks: &'s Asks,
    subject: String,
    keys: Keys,
    /// The target of each ask, with the names in rules that cover it; the task itself last.
    targets: Vec<(Target, Vec<Key>)>,
    pub(crate) world: World,
    contexts: HashMap<(Origin, bool), Context>,
    authorizer: Authorizer,
    /// Whether two asks are about one URL, perhaps with two methods.
    shares_a_url: bool,
    /// All rules, where none are to be left out.
    whole: Option<Bucket>,
    /// How many names inside asks were asked for.
    inner_questions: Cell<usize>,
}

/// What rules say to one question.
#[derive(Debug, Default)]
struct Said {
    permits: Vec<String>,
    forbids: Vec<String>,
    error: Option<(String, String)>,
}

impl<'s> Court<'s> {
    pub(crate) fn of(
        set: &'s PolicySet,
        request: &'s Request,
        asks: &'s Asks,
    ) -> Result<Self, WorldError> {
        let subject = request.task.id();
        let index = &set.index;
        let mut targets: Vec<(Target, Vec<Key>)> = Vec::with_capacity(asks.len() + 1);
        for ask in asks {
            let target = Target::of(&ask.capability, &subject);
            let covering = index.covering(&target);
            targets.push((target, covering));
        }
        let urls = || {
            targets
                .iter()
                .filter(|(target, _)| matches!(target, Target::Url(_)))
        };
        let ids: BTreeSet<String> = urls().map(|(target, _)| target.id()).collect();
        let shares_a_url = ids.len() < urls().count();
        let actions = actions_of(request, asks);
        let world = World::of(set, &set.tags, request, &targets, &actions)?;
        let task = Target::task(&subject);
        let covering = index.covering(&task);
        targets.push((task, covering));
        let keys = index.keys(
            request.caller.as_str(),
            set.groups.of(request.caller.as_str()),
            &subject,
            request.task.module(),
        );
        Ok(Self {
            set,
            request,
            asks,
            subject,
            keys,
            targets,
            world,
            contexts: HashMap::new(),
            authorizer: Authorizer::new(),
            shares_a_url,
            whole: None,
            inner_questions: Cell::new(0),
        })
    }

    pub(crate) fn decide(&mut self) -> Decided {
        let mut answers = vec![Answer {
            question: Question::Run,
            optional: false,
            origin: None,
            verdict: self.run().unwrap_or_else(failed_verdict),
        }];
        for (at, ask) in self.asks.iter().enumerate() {
            answers.push(Answer {
                question: Question::Capability(ask.capability.clone()),
                optional: ask.optional,
                origin: Some(ask.origin),
                verdict: self.ask(at, ask).unwrap_or_else(failed_verdict),
            });
        }
        Decided {
            decision: decision(&answers),
            answers,
        }
    }

    /// Whether the task may run at all.
    fn run(&self) -> Result<Verdict, WorldError> {
        let action = run_action(self.request);
        let Some((target, covering)) = self.targets.last() else {
            return Ok(Verdict::Unpermitted);
        };
        let context = self.world.of_run()?;
        let buckets = self.buckets(action, covering);
        let said = self.hear(
            action,
            entity_uid(target.kind(), &target.id())?,
            &context,
            buckets.into_iter().map(|bucket| &bucket.rules),
            self.world.entities(),
        )?;
        Ok(said.verdict())
    }

    fn ask(&mut self, at: usize, ask: &Ask) -> Result<Verdict, WorldError> {
        let key = context_key(ask);
        let context = match self.contexts.get(&key) {
            Some(context) => context.clone(),
            None => {
                let context = self.world.of_ask(key.0, key.1)?;
                self.contexts.insert(key, context.clone());
                context
            }
        };
        let mut rules = Vec::new();
        let mut is_permitted = true;
        let asked = permitting(&ask.capability);
        for action in &asked {
            match self.question(at, *action, &context, false)? {
                Verdict::Permitted { rules: more, .. } => rules.extend(more),
                Verdict::Unpermitted => is_permitted = false,
                other => return Ok(other),
            }
        }
        // Also where nothing permits it: no new permit would help against a forbid.
        let mut except = Vec::new();
        for action in forbidding(&ask.capability) {
            if !asked.contains(&action) {
                let verdict = self.question(at, action, &context, true)?;
                if !matches!(verdict, Verdict::Unpermitted) {
                    return Ok(verdict);
                }
            }
            match self.inside(at, ask, action, &context)? {
                Inside::Fine(mut more) => except.append(&mut more),
                Inside::Verdict(verdict) => return Ok(verdict),
            }
        }
        if ask.capability == Capability::HostFull
            && let Some(verdict) = self.anything_forbidden(&context)?
        {
            return Ok(verdict);
        }
        if !is_permitted {
            return Ok(Verdict::Unpermitted);
        }
        rules.dedup();
        Ok(Verdict::Permitted { rules, except })
    }

    /// One question about one ask, to all rules or to the forbids alone.
    fn question(
        &self,
        at: usize,
        action: Action,
        context: &Context,
        forbids_only: bool,
    ) -> Result<Verdict, WorldError> {
        let Some((own, own_covering)) = self.targets.get(at) else {
            return Err(WorldError::of(&"an ask has no target"));
        };
        let implied;
        let (target, covering) = match self.implied(own, action)? {
            None => (own, own_covering),
            Some(target) => {
                implied = (self.set.index.covering(&target), target);
                (&implied.1, &implied.0)
            }
        };
        let uid = entity_uid(target.kind(), &target.id())?;
        let buckets = self.buckets(action, covering);
        let mut hit = buckets
            .into_iter()
            .filter(|bucket| !forbids_only || bucket.forbids_count > 0)
            .map(|bucket| {
                if forbids_only {
                    &bucket.forbids
                } else {
                    &bucket.rules
                }
            })
            .peekable();
        if hit.peek().is_none() {
            return Ok(Verdict::Unpermitted);
        }
        // Two asks may name one URL with two methods, and an entity has one.
        if std::ptr::eq(target, own) && !(self.shares_a_url && matches!(target, Target::Url(_))) {
            return Ok(self
                .hear(action, uid, context, hit, self.world.entities())?
                .verdict());
        }
        let parents = names(self.set, covering)?.into_iter();
        let entities = self.world.with_parents(uid.clone(), target, parents)?;
        Ok(self.hear(action, uid, context, hit, &entities)?.verdict())
    }

    /// The rules that can match a question.
    fn buckets<'c>(&'c self, action: Action, covering: &'c [Key]) -> Vec<&'c Bucket> {
        match &self.whole {
            Some(whole) => vec![whole],
            None => self
                .set
                .index
                .buckets(action, &self.keys, covering)
                .collect(),
        }
    }

    /// What a question of another kind than the ask's own is about.
    fn implied(&self, target: &Target, action: Action) -> Result<Option<Target>, WorldError> {
        match (target, action) {
            (Target::Url(url), Action::NetConnect) => {
                let endpoint = Endpoint::new(url.host().clone(), url.port(), None)
                    .map_err(|error| WorldError::of(&error))?;
                let connect = Capability::NetConnect(endpoint);
                Ok(Some(Target::of(&connect, &self.subject)))
            }
            _ => Ok(None),
        }
    }

    /// Whether rules that only permit do so; nothing where one cannot be evaluated.
    pub(crate) fn is_true(
        &self,
        rules: &cedar_policy::PolicySet,
        action: Action,
        target: &Target,
        context: &Context,
    ) -> Option<bool> {
        let uid = entity_uid(target.kind(), &target.id()).ok()?;
        let said = self.hear(
            action,
            uid,
            context,
            std::iter::once(rules),
            self.world.entities(),
        );
        let said = said.ok().filter(|said| said.error.is_none())?;
        Some(!said.permits.is_empty())
    }

    fn hear<'b>(
        &self,
        action: Action,
        resource: EntityUid,
        context: &Context,
        buckets: impl Iterator<Item = &'b cedar_policy::PolicySet>,
        entities: &cedar_policy::Entities,
    ) -> Result<Said, WorldError> {
        let action = entity_uid(crate::world::ACTION, action.as_str())?;
        let request = cedar_policy::Request::new(
            self.world.caller.clone(),
            action,
            resource,
            context.clone(),
            None,
        )
        .map_err(|error| WorldError::of(&error))?;
        let mut said = Said::default();
        for bucket in buckets {
            let response = self.authorizer.is_authorized(&request, bucket, entities);
            let reasons = response.diagnostics().reason().map(ToString::to_string);
            match response.decision() {
                cedar_policy::Decision::Allow => said.permits.extend(reasons),
                cedar_policy::Decision::Deny => said.forbids.extend(reasons),
            }
            for error in response.diagnostics().errors() {
                let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                let found = (error.policy_id().to_string(), error.inner().to_string());
                said.error = Some(match said.error.take() {
                    Some(known) => known.min(found),
                    None => found,
                });
            }
        }
        said.permits.sort();
        said.forbids.sort();
        Ok(said)
    }
}

impl Said {
    fn failed(&self) -> Option<Verdict> {
        let (rule, message) = self.error.clone()?;
        Some(Verdict::Failed {
            rule: Some(rule),
            message,
        })
    }

    fn verdict(self) -> Verdict {
        if let Some(verdict) = self.failed() {
            verdict
        } else if !self.forbids.is_empty() {
            Verdict::Forbidden {
                rules: self.forbids,
                inside: None,
            }
        } else if self.permits.is_empty() {
            Verdict::Unpermitted
        } else {
            Verdict::Permitted {
                rules: self.permits,
                except: Vec::new(),
            }
        }
    }
}

fn failed_verdict(error: WorldError) -> Verdict {
    Verdict::Failed {
        rule: None,
        message: error.to_string(),
    }
}

/// The questions that a request is.
fn actions_of(request: &Request, asks: &Asks) -> BTreeSet<Action> {
    if asks
        .iter()
        .any(|ask| ask.capability == Capability::HostFull)
    {
        return Action::ALL.into_iter().collect();
    }
    let of_asks = asks.iter().flat_map(|ask| forbidding(&ask.capability));
    of_asks.chain([run_action(request)]).collect()
}

pub(crate) fn run_action(request: &Request) -> Action {
    match request.task {
        Subject::Task(_) => Action::Run,
        Subject::Adhoc(_) => Action::RunAdhoc,
    }
}

#[cfg(test)]
mod tests;
