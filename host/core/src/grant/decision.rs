//! The answer of an authority: allowed, with its permits, or refused; always with the rules that decided.
//!
//! Both are only data here. Cedar rules decide in the policy room, allowed capabilities in [`Permits::decide`].

use std::fmt;

use super::Asks;
use crate::capability::Capability;

/// What an authority answered. Exhaustive, so that no third answer is ever taken for one of these.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// The run may start, with what is permitted here.
    Allowed(Permits),
    /// The run may not start.
    Refused(Refusal),
}

/// What an authority permits. Empty unless a decision put something in.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permits {
    permits: Vec<Permit>,
    /// What was answered with no by itself, and so is not permitted by anything broader either.
    denied: Vec<Capability>,
}

/// One capability that is permitted, and by which rule.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permit {
    /// The capability, with everything that it covers.
    pub capability: Capability,
    /// The id of the rule, or the flag that stands for one.
    pub rule: String,
    /// What lies inside and is not permitted.
    pub except: Vec<Exception>,
}

/// Something inside a permitted capability that is forbidden nevertheless.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Exception {
    /// What is not opened, with everything that it covers.
    pub capability: Capability,
    /// The rule that forbids it.
    pub rule: String,
}

impl Permits {
    /// Permits a capability, and with it everything that it covers. For whoever makes a decision, and no one else.
    pub fn permit(&mut self, capability: Capability, rule: impl Into<String>) {
        self.permit_except(capability, rule, Vec::new());
    }

    /// The same, but for what is forbidden inside.
    pub fn permit_except(
        &mut self,
        capability: Capability,
        rule: impl Into<String>,
        except: Vec<Exception>,
    ) {
        self.permits.push(Permit {
            capability,
            rule: rule.into(),
            except,
        });
    }

    /// Says no to a capability, also where a broader one is permitted.
    pub fn deny(&mut self, capability: Capability) {
        self.denied.push(capability);
    }

    /// What is permitted, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Permit> {
        self.permits.iter()
    }

    /// The first permit that covers all of a capability; none where that was denied by itself.
    #[must_use]
    pub fn permit_for(&self, capability: &Capability) -> Option<&Permit> {
        if self.denied.contains(capability) {
            return None;
        }
        self.permits
            .iter()
            .find(|permit| permit.capability.covers(capability))
    }

    /// Decides by these permits alone: allowed when each required ask is covered by one of them.
    #[must_use]
    pub fn decide(self, asks: &Asks) -> Decision {
        let missing = asks
            .iter()
            .filter(|ask| !ask.optional && self.permit_for(&ask.capability).is_none());
        let denied: Vec<Denied> = missing
            .map(|ask| Denied {
                question: Question::Capability(ask.capability.clone()),
                rules: Vec::new(),
            })
            .collect();
        if denied.is_empty() {
            Decision::Allowed(self)
        } else {
            Decision::Refused(Refusal { denied })
        }
    }
}

impl<'a> IntoIterator for &'a Permits {
    type IntoIter = std::slice::Iter<'a, Permit>;
    type Item = &'a Permit;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Why a run may not start.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Each question that was answered with no.
    pub denied: Vec<Denied>,
}

/// Prints one denied question a line.
impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, denied) in self.denied.iter().enumerate() {
            write!(out, "{}{denied}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// A question that was answered with no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denied {
    /// The question.
    pub question: Question,
    /// The rules that forbid it; none when no rule permits it.
    pub rules: Vec<String>,
}

impl fmt::Display for Denied {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.question)?;
        match self.rules.as_slice() {
            [] => out.write_str("is permitted by no rule"),
            rules => write!(out, "is forbidden: {}", rules.join(", ")),
        }
    }
}

/// What an authority is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
    /// Whether the task may run at all.
    Run,
    /// Whether it may have this.
    Capability(Capability),
}

impl fmt::Display for Question {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => out.write_str("the run"),
            Self::Capability(capability) => write!(out, "{capability}"),
        }
    }
}
