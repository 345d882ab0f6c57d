//! Why not: the rules that would nearly have permitted something, and the smallest rule that would.
//!
//! Only for people. Nothing here decides; what is said comes from asking the parts of a rule one by one.

use std::fmt::Write as _;
use std::sync::Arc;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr};
use host_core::{Asks, Capability, Question};

use crate::action::{Action, permitting};
use crate::decide::{Answer, Court, Decided, Verdict, run_action};
use crate::query::Request;
use crate::scope::Principal;
use crate::set::{PolicySet, Rule};
use crate::target::Target;

/// How many near rules are told of one question.
pub const NEAREST_MAX: usize = 3;
/// How many rules are looked at for them.
const CANDIDATES_MAX: usize = 2_000;

/// A rule that would have permitted something, but for what is false.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Near {
    /// The id of the rule.
    pub rule: String,
    /// Where it stands.
    pub place: String,
    /// The parts of it that are false, as it has them.
    pub fails: Vec<String>,
}

/// What can be said of a question that was answered with no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WhyNot {
    /// The question.
    pub question: Question,
    /// The nearest rules, the nearest first.
    pub nearest: Vec<Near>,
    /// The smallest rule that would permit it; none where a rule forbids it.
    pub smallest: Option<String>,
}

impl PolicySet {
    /// Decides, and says of everything that was not permitted why not.
    #[must_use]
    pub fn explain(&self, request: &Request, asks: &Asks) -> (Decided, Vec<WhyNot>) {
        let Ok(mut court) = Court::of(self, request, asks) else {
            return (self.decide_on(request, asks), Vec::new());
        };
        let decided = court.decide();
        let why = decided
            .answers
            .iter()
            .enumerate()
            .filter(|(_, answer)| matches!(answer.verdict, Verdict::Unpermitted))
            .map(|(at, answer)| court.why_not(at.checked_sub(1), answer))
            .collect();
        (decided, why)
    }
}

impl Court<'_> {
    fn why_not(&self, ask: Option<usize>, answer: &Answer) -> WhyNot {
        let actions = match &answer.question {
            Question::Run => vec![run_action(self.request)],
            Question::Capability(capability) => permitting(capability),
        };
        let smallest = actions
            .iter()
            .map(|action| smallest(self.request, *action, &answer.question))
            .collect::<Vec<_>>()
            .join("\n");
        WhyNot {
            question: answer.question.clone(),
            nearest: self.nearest(ask, answer, &actions),
            smallest: Some(smallest),
        }
    }

    fn nearest(&self, ask: Option<usize>, answer: &Answer, actions: &[Action]) -> Vec<Near> {
        let target = match &answer.question {
            Question::Run => Target::task(&self.request.task.id()),
            Question::Capability(capability) => Target::of(capability, &self.request.task.id()),
        };
        let related: Vec<Action> = actions
            .iter()
            .flat_map(|action| relatives(*action))
            .copied()
            .collect();
        let candidates = self.set.rules().iter().filter(|rule| {
            !rule.forbids()
                && rule
                    .scope
                    .actions
                    .iter()
                    .any(|action| actions.contains(action) || related.contains(action))
        });
        let mut found: Vec<(usize, usize, Near)> = Vec::new();
        for (at, rule) in candidates.take(CANDIDATES_MAX).enumerate() {
            let fails = self.fails(rule, ask, answer, actions, &target);
            if fails.is_empty() {
                continue;
            }
            let near = Near {
                rule: rule.id().to_owned(),
                place: self.set.place_of(rule),
                fails: fails.iter().map(|(text, _)| text.clone()).collect(),
            };
            let distance = fails.iter().map(|(_, weight)| weight).sum();
            found.push((distance, at, near));
        }
        found.sort_by_key(|(distance, at, _)| (*distance, *at));
        found
            .into_iter()
            .take(NEAREST_MAX)
            .map(|(_, _, near)| near)
            .collect()
    }

    /// What of a rule is false, with how far off that is.
    fn fails(
        &self,
        rule: &Rule,
        ask: Option<usize>,
        answer: &Answer,
        actions: &[Action],
        target: &Target,
    ) -> Vec<(String, usize)> {
        let mut fails = Vec::new();
        if let Some(action) = actions
            .iter()
            .find(|action| !rule.scope.actions.contains(action))
        {
            fails.push((
                format!("the action has to be Action::\"{}\"", action.as_str()),
                3,
            ));
        }
        if let Some(principal) = rule
            .scope
            .principal
            .as_ref()
            .filter(|principal| !self.is(principal))
        {
            let operator = match principal {
                Principal::Caller(_) => "==",
                Principal::Group(_) => "in",
            };
            fails.push((format!("principal {operator} {principal} is false"), 2));
        }
        if let Some(resource) = &rule.scope.resource {
            let fits = if rule.scope.is_exact {
                resource == target
            } else {
                resource.covers(target) || is_module_of(resource, target)
            };
            if !fits {
                let operator = if rule.scope.is_exact { "==" } else { "in" };
                let weight = if resource.meets(target) { 1 } else { 2 };
                let text = format!(
                    "resource {operator} {}::{:?} is false",
                    resource.kind(),
                    resource.id()
                );
                fails.push((text, weight));
            }
        }
        let falsehoods = conjuncts(rule)
            .into_iter()
            .filter(|conjunct| self.holds(conjunct, ask, answer, actions, target) == Some(false));
        fails.extend(falsehoods.map(|conjunct| (told(&conjunct), 2)));
        fails
    }

    fn is(&self, principal: &Principal) -> bool {
        let caller = self.request.caller.as_str();
        match principal {
            Principal::Caller(name) => name == caller,
            Principal::Group(name) => self.set.groups().of(caller).any(|group| group == name),
        }
    }

    /// Whether one part of a rule's condition is true; nothing where it cannot be asked by itself.
    fn holds(
        &self,
        conjunct: &Clause,
        ask: Option<usize>,
        answer: &Answer,
        actions: &[Action],
        target: &Target,
    ) -> Option<bool> {
        let template = pst::Template::new(
            pst::PolicyID("part".into()),
            pst::Effect::Permit,
            pst::PrincipalConstraint::Any,
            pst::ActionConstraint::Any,
            pst::ResourceConstraint::Any,
        );
        let template = template.try_with_clauses([conjunct.clone()]).ok()?;
        let part = pst::Policy::Static(pst::StaticPolicy::try_from(template).ok()?);
        let part = cedar_policy::Policy::from_pst(part).ok()?;
        let alone = cedar_policy::PolicySet::from_policies([part]).ok()?;
        let context = match (ask, answer.origin) {
            (Some(_), Some(origin)) => self.world.of_ask(origin, answer.optional).ok()?,
            _ => self.world.of_run().ok()?,
        };
        self.is_true(&alone, *actions.first()?, target, &context)
    }
}

/// Actions that somebody may have meant instead.
fn relatives(action: Action) -> &'static [Action] {
    match action {
        Action::ExecRoot | Action::ExecRaw => &[Action::Exec],
        Action::FsRead => &[Action::FsWrite],
        Action::FsWrite => &[Action::FsRead],
        Action::HttpRequest => &[Action::NetConnect],
        _ => &[],
    }
}

fn is_module_of(resource: &Target, task: &Target) -> bool {
    match (resource, task) {
        (
            Target::Named {
                kind: crate::target::MODULE,
                name: module,
            },
            Target::Named {
                kind: crate::target::TASK,
                name,
            },
        ) => name.split("::").next() == Some(module),
        _ => false,
    }
}

/// The parts of a rule's conditions that have to be true together.
fn conjuncts(rule: &Rule) -> Vec<Clause> {
    let Ok(pst) = rule.policy.to_pst() else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    for clause in pst.body().clauses() {
        match clause {
            Clause::When(condition) => split(condition, &mut parts),
            Clause::Unless(_) => parts.push(clause.clone()),
        }
    }
    parts
}

fn split(condition: &Arc<Expr>, parts: &mut Vec<Clause>) {
    match &**condition {
        Expr::BinaryOp {
            op: BinaryOp::And,
            left,
            right,
        } => {
            split(left, parts);
            split(right, parts);
        }
        _ => parts.push(Clause::When(Arc::clone(condition))),
    }
}

fn told(clause: &Clause) -> String {
    match clause {
        Clause::When(condition) => format!("{condition} is false"),
        Clause::Unless(condition) => format!("unless {{ {condition} }} is true"),
    }
}

/// The narrowest rule that would permit this caller this one thing for this task.
fn smallest(request: &Request, action: Action, question: &Question) -> String {
    let caller = request.caller.as_str();
    let subject = request.task.id();
    let mut rule = format!(
        "permit (principal == Caller::{caller:?}, action == Action::{:?}, ",
        action.as_str()
    );
    let target = match question {
        Question::Run => Target::task(&subject),
        Question::Capability(capability) => Target::of(capability, &subject),
    };
    let is_tree = matches!(
        question,
        Question::Capability(
            Capability::FsRead(_) | Capability::FsWrite(_) | Capability::HttpRequest(_)
        )
    );
    let operator = if is_tree { "in" } else { "==" };
    // Writing to a text cannot fail.
    let _ = write!(
        rule,
        "resource {operator} {}::{:?})",
        target.kind(),
        target.id()
    );
    if let Question::Capability(Capability::HttpRequest(target)) = question {
        let _ = write!(
            rule,
            "\nwhen {{ context.task == Task::{subject:?} && resource.method == {:?} }};",
            target.method().as_str()
        );
        return rule;
    }
    if action.opens()
        && !matches!(
            target,
            Target::Named {
                kind: crate::target::TASK,
                ..
            }
        )
    {
        let _ = write!(rule, "\nwhen {{ context.task == Task::{subject:?} }}");
    }
    rule.push(';');
    rule
}
