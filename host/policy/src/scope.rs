//! What a rule's scope, and the beginning of its condition, say about when it can match at all.

use std::fmt;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Literal, Var};
use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use crate::action::Action;
use crate::target::{self, Target};

/// The types of principals.
pub(crate) const CALLER: &str = "Caller";
pub(crate) const GROUP: &str = "Group";

/// When a rule can match, as far as that is known without evaluating it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Scope {
    pub(crate) actions: Vec<Action>,
    /// Those that it names by themselves, and not as members of a group.
    named: Vec<Action>,
    pub(crate) principal: Option<Principal>,
    pub(crate) resource: Option<Target>,
    /// Whether the resource is to be that very one, and not one in it.
    pub(crate) is_exact: bool,
    /// The task or module that the first thing in its condition asks for.
    pub(crate) within: Option<Target>,
}

/// Whom a rule is about.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum Principal {
    Caller(String),
    Group(String),
}

impl fmt::Display for Principal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caller(name) => write!(out, "{CALLER}::{name:?}"),
            Self::Group(name) => write!(out, "{GROUP}::{name:?}"),
        }
    }
}

impl Scope {
    /// Reads the scope of a rule; the error says what is wrong with a name in it.
    pub(crate) fn of(policy: &Policy, rule: Option<&pst::Policy>) -> Result<Self, String> {
        let mut named = Vec::new();
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => Action::ALL.to_vec(),
            ActionConstraint::Eq(uid) => {
                named.extend(single(&uid));
                named.clone()
            }
            ActionConstraint::In(uids) => {
                named.extend(uids.iter().filter_map(single));
                let mut all: Vec<Action> =
                    uids.iter().flat_map(|uid| Action::named(id(uid))).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
        };
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::In(uid)
            | PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::IsIn(_, uid) => Some(principal(&uid)?),
        };
        let (resource, is_exact) = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => (None, false),
            ResourceConstraint::Eq(uid) => (Some(resource(&uid)?), true),
            ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
                (Some(resource(&uid)?), false)
            }
        };
        Ok(Self {
            actions,
            named,
            principal,
            resource,
            is_exact,
            within: rule.and_then(within),
        })
    }
}

impl Scope {
    /// What is wrong where an action is named that is never about such a resource: that part would never match, and nothing
    /// else would say so.
    pub(crate) fn misfits(&self) -> Option<(String, String)> {
        let resource = self.resource.as_ref()?;
        if let Target::Endpoint(endpoint) = resource
            && self.is_exact
            && endpoint.port.is_none()
        {
            return Some((
                "every connection has a port, so nothing is ever equal to this".to_owned(),
                "write `in` instead of `==`, or name the port".to_owned(),
            ));
        }
        let kind = resource.kind();
        let fits = |action: &&Action| {
            let own = action.about();
            own == kind || own == target::TASK && kind == target::MODULE
        };
        let action = self.named.iter().find(|action| !fits(action))?;
        Some((
            format!(
                "`{}` is about a {}, never about a {kind}, so this never matches for it",
                action.as_str(),
                action.about()
            ),
            "write a rule of its own for each kind of resource".to_owned(),
        ))
    }
}

/// `==` with a group of actions matches no question: a question is about one of its members.
fn single(uid: &EntityUid) -> Option<Action> {
    Action::ALL
        .into_iter()
        .find(|action| action.as_str() == id(uid))
}

fn id(uid: &EntityUid) -> &str {
    uid.id().unescaped()
}

pub(crate) fn principal(uid: &EntityUid) -> Result<Principal, String> {
    let name = id(uid).to_owned();
    if let Err(error) = name.parse::<host_core::CallerName>() {
        return Err(format!("`{uid}`: {error}"));
    }
    match uid.type_name().to_string().as_str() {
        CALLER => Ok(Principal::Caller(name)),
        GROUP => Ok(Principal::Group(name)),
        other => Err(format!("`{other}` is no type of a principal")),
    }
}

pub(crate) fn resource(uid: &EntityUid) -> Result<Target, String> {
    let kind = uid.type_name().to_string();
    Target::read(&kind, id(uid)).map_err(|error| format!("`{kind}::{:?}`: {error}", id(uid)))
}

/// What `context.task == Task::"..."` or `context.task in Module::"..."` names, where that is the first thing that a
/// condition asks.
///
/// Only the first: what stands before it is evaluated before it, and may be an error that must not be passed over.
fn within(pst: &pst::Policy) -> Option<Target> {
    let Clause::When(condition) = pst.body().clauses().first()? else {
        return None;
    };
    let mut first: &Expr = condition;
    while let Expr::BinaryOp {
        op: BinaryOp::And,
        left,
        ..
    } = first
    {
        first = left;
    }
    let Expr::BinaryOp {
        op: op @ (BinaryOp::Eq | BinaryOp::In),
        left,
        right,
    } = first
    else {
        return None;
    };
    let (Expr::GetAttr { expr, attr }, Expr::Literal(Literal::EntityUID(uid))) =
        (&**left, &**right)
    else {
        return None;
    };
    if !matches!(&**expr, Expr::Var(Var::Context)) || attr != "task" {
        return None;
    }
    let kind = uid.ty.to_string();
    let fits = kind == target::TASK || *op == BinaryOp::In && kind == target::MODULE;
    fits.then(|| Target::read(&kind, &uid.eid).ok()).flatten()
}
