//! What a rule may not say although Cedar would take it, and what it probably does not mean.
//!
//! A forbid that hides its target in a condition would not bite inside a broad ask (design: an ask is permitted only if
//! nothing inside it is forbidden), so it is an error. What only looks wrong is a warning.

use std::collections::BTreeSet;

use cedar_policy::pst::{self, BinaryOp, Clause, Expr, Literal, UnaryOp, Var};
use cedar_policy::{Effect, Policy};

use crate::groups::Groups;
use crate::scope::{self, Principal, Scope};
use crate::target;

/// Attributes of a resource that are the same for everything inside an ask: a forbid may ask for them.
const UNIFORM: [&str; 8] = [
    "argc", "method", "module", "name", "port", "program", "scheme", "user",
];
/// One that may only be asked for where a forbid spares what has it: what is exact lies inside of what is not.
const EXACT: &str = "exact";

/// What a rule's conditions speak of.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What a forbid may not ask for.
    pub(crate) hidden_targets: BTreeSet<String>,
    /// Whether the resource occurs at all.
    pub(crate) mentions_resource: bool,
    /// What a permit excludes of its target, by text.
    pub(crate) exclusions: BTreeSet<String>,
    /// The predicates that are asked for.
    pub(crate) predicates: BTreeSet<String>,
    /// The tags that are asked for by name.
    pub(crate) tags: BTreeSet<String>,
    /// Those of which the number is asked for.
    pub(crate) numbers: BTreeSet<String>,
    /// Whether a tag is asked for whose name is not written there.
    pub(crate) any_tag: bool,
    /// Whether the number of such a tag is asked for.
    any_number: bool,
    /// The fields of the context that are asked for.
    pub(crate) fields: BTreeSet<String>,
    /// Whether the context is spoken of as a whole.
    pub(crate) any_field: bool,
    /// Whether something of the principal is asked for but who it is, such as how its name begins.
    pub(crate) asks_of_principal: bool,
}

impl Findings {
    /// Reads the conditions of a rule, if they can be read.
    pub(crate) fn of(rule: Option<&pst::Policy>) -> Self {
        let mut findings = Self::default();
        let Some(pst) = rule else {
            // What cannot be looked through may speak of anything.
            findings
                .hidden_targets
                .insert("a condition that cannot be read".to_owned());
            findings.any_tag = true;
            findings.any_field = true;
            return findings;
        };
        for clause in pst.body().clauses() {
            match clause {
                Clause::When(condition) => findings.walk(condition, false),
                Clause::Unless(condition) => findings.walk(condition, true),
            }
        }
        findings
    }

    fn walk(&mut self, expression: &Expr, negated: bool) {
        match expression {
            Expr::GetAttr { expr, attr } if is_context(expr) => {
                self.fields.insert(attr.to_string());
            }
            Expr::HasAttr { expr, attrs } if is_context(expr) => {
                self.fields.insert(attrs.first().to_string());
            }
            Expr::Var(Var::Context) => self.any_field = true,
            Expr::GetAttr { expr, .. } if matches!(&**expr, Expr::Var(Var::Principal)) => {
                self.asks_of_principal = true;
            }
            Expr::GetAttr { expr, attr } if is_resource(expr) => self.attribute(attr, negated),
            Expr::HasAttr { expr, attrs } if is_resource(expr) => {
                self.attribute(attrs.first(), negated);
            }
            Expr::Is {
                expr,
                in_expr: None,
                ..
            } if is_resource(expr) => self.mentions_resource = true,
            Expr::Var(Var::Resource) => {
                self.mentions_resource = true;
                self.hidden_targets.insert("resource".to_owned());
                if negated {
                    self.exclusions.insert("resource".to_owned());
                }
            }
            Expr::BinaryOp { op, left, right } => self.binary(*op, left, right, negated),
            Expr::UnaryOp { op, expr } => {
                self.walk(expr, negated != (*op == UnaryOp::Not));
            }
            Expr::GetAttr { expr, .. } | Expr::HasAttr { expr, .. } | Expr::Like { expr, .. } => {
                self.walk(expr, negated);
            }
            Expr::Is { expr, in_expr, .. } => {
                self.walk(expr, negated);
                if let Some(inner) = in_expr {
                    self.walk(inner, negated);
                }
            }
            Expr::IfThenElse {
                cond,
                then_expr,
                else_expr,
            } => {
                // Either way round it may exclude.
                self.walk(cond, true);
                self.walk(then_expr, negated);
                self.walk(else_expr, negated);
            }
            Expr::Set(elements) => elements
                .iter()
                .for_each(|element| self.walk(element, negated)),
            Expr::Record(fields) => fields.values().for_each(|field| self.walk(field, negated)),
            _ => {}
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &Expr, right: &Expr, negated: bool) {
        let is_tag = matches!(op, BinaryOp::GetTag | BinaryOp::HasTag);
        if is_tag {
            match right {
                Expr::Literal(Literal::String(name)) => {
                    self.tags.insert(name.to_string());
                    if may_be_numbers(left) {
                        self.numbers.insert(name.to_string());
                    }
                }
                _ => {
                    self.any_tag = true;
                    self.any_number |= may_be_numbers(left);
                }
            }
        }
        let is_contains = matches!(
            op,
            BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny
        );
        for (one, other) in [(left, right), (right, left)] {
            if is_contains && is_predicates(one) {
                texts(other, &mut self.predicates);
            }
        }
        let excludes = negated != (op == BinaryOp::NotEq);
        self.walk(left, excludes);
        self.walk(right, excludes);
    }

    fn attribute(&mut self, name: &str, negated: bool) {
        self.mentions_resource = true;
        let is_uniform = UNIFORM.contains(&name) || name == EXACT && negated;
        if !is_uniform {
            self.hidden_targets.insert(format!("resource.{name}"));
            if negated {
                self.exclusions.insert(format!("resource.{name}"));
            }
        }
    }

    /// What makes the rule unusable, with what to do.
    pub(crate) fn errors(
        &self,
        policy: &Policy,
        scope: &Scope,
        known: &BTreeSet<String>,
        groups: &Groups,
    ) -> Vec<(String, String)> {
        let mut errors = Vec::new();
        if self.any_number {
            errors.push((
                "this asks for a number whose name it does not say".to_owned(),
                "write the name of the parameter or fact as a text".to_owned(),
            ));
        }
        if policy.effect() == Effect::Forbid {
            errors.extend(groups_missing(policy, groups));
        }
        let opens = scope.actions.iter().any(|action| action.opens());
        if policy.effect() == Effect::Forbid && opens && !self.hidden_targets.is_empty() {
            let hidden: Vec<&str> = self.hidden_targets.iter().map(String::as_str).collect();
            errors.push((
                format!(
                    "this forbid names its target in a condition ({}), where it would not be seen inside a broader ask",
                    hidden.join(", ")
                ),
                "write `resource in Path::\"/...\"`, or the like, behind the action, in one rule for each target".to_owned(),
            ));
        }
        for name in self.predicates.iter().filter(|name| !known.contains(*name)) {
            errors.push((
                format!("there is no predicate `{}`", host_core::Shown(name)),
                "predicates are named in predicates.toml beside the rules".to_owned(),
            ));
        }
        for uid in policy.entity_literals() {
            if let Err(error) = check_literal(&uid) {
                errors.push((
                    error,
                    "names in rules are written as everywhere else".to_owned(),
                ));
            }
        }
        errors
    }
}

/// Groups that a forbid names and nobody has written down: it would forbid nothing to their members.
fn groups_missing(policy: &Policy, groups: &Groups) -> Vec<(String, String)> {
    let named = policy.entity_literals().into_iter();
    let named = named.filter_map(|uid| match scope::principal(&uid) {
        Ok(Principal::Group(name)) => Some(name),
        _ => None,
    });
    let named: BTreeSet<String> = named.filter(|name| !groups.has(name)).collect();
    let missing = named.into_iter().map(|name| {
        (
            format!("there is no group `{name}`, so this forbids nothing to anybody in it"),
            format!("write `{name} = []` in groups.toml if nobody is meant to be in it"),
        )
    });
    missing.collect()
}

/// Whether a name in a rule is one that could ever be met.
fn check_literal(uid: &cedar_policy::EntityUid) -> Result<(), String> {
    let kind = uid.type_name().to_string();
    match kind.as_str() {
        scope::CALLER | scope::GROUP => scope::principal(uid).map(drop),
        target::PATH
        | target::ENDPOINT
        | target::URL
        | target::PROGRAM
        | target::ENV_VAR
        | target::SECRET
        | target::USER
        | target::TASK
        | target::MODULE => scope::resource(uid).map(drop),
        // Anything else is the schema's affair.
        _ => Ok(()),
    }
}

fn is_context(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Context))
}

fn is_resource(expression: &Expr) -> bool {
    matches!(expression, Expr::Var(Var::Resource))
}

/// Whether the tags of an expression may be the numbers of an input or of facts.
fn may_be_numbers(expression: &Expr) -> bool {
    match expression {
        Expr::GetAttr { attr, .. } => attr == "numbers",
        Expr::IfThenElse {
            then_expr,
            else_expr,
            ..
        } => may_be_numbers(then_expr) || may_be_numbers(else_expr),
        _ => false,
    }
}

fn is_predicates(expression: &Expr) -> bool {
    match expression {
        Expr::GetAttr { expr, attr } => {
            attr == "predicates" && matches!(&**expr, Expr::Var(Var::Context))
        }
        _ => false,
    }
}

fn texts(expression: &Expr, into: &mut BTreeSet<String>) {
    match expression {
        Expr::Literal(Literal::String(text)) => {
            into.insert(text.to_string());
        }
        Expr::Set(elements) => elements.iter().for_each(|element| texts(element, into)),
        _ => {}
    }
}
