//! Diff: what two sets decide differently over the same requests.

use host_core::{Asks, Decision, Question};

use crate::decide::{Answer, Decided, Verdict};
use crate::query::Request;
use crate::set::PolicySet;

/// What became of one question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It is permitted now.
    Gained,
    /// It is not permitted any more.
    Lost,
    /// It is permitted, and more of it is hidden, or less.
    Narrowed,
    /// As above.
    Widened,
}

/// A request that is decided differently.
#[derive(Clone, Debug)]
pub struct Difference {
    /// How the first set decides.
    pub old: Decided,
    /// How the second does.
    pub new: Decided,
    /// Whether the run as a whole is allowed now, or not any more.
    pub run: Option<Change>,
    /// The questions that are answered differently.
    pub questions: Vec<(Question, Change)>,
}

impl PolicySet {
    /// Compares how this set and a `newer` one decide on a request; nothing where they agree.
    #[must_use]
    pub fn difference(&self, newer: &Self, request: &Request, asks: &Asks) -> Option<Difference> {
        let old = self.decide_on(request, asks);
        let new = newer.decide_on(request, asks);
        let run = change(is_allowed(&old), is_allowed(&new));
        let questions: Vec<(Question, Change)> = old
            .answers
            .iter()
            .zip(&new.answers)
            .filter_map(|(old, new)| Some((old.question.clone(), changed(old, new)?)))
            .collect();
        if run.is_none() && questions.is_empty() {
            return None;
        }
        Some(Difference {
            old,
            new,
            run,
            questions,
        })
    }
}

fn is_allowed(decided: &Decided) -> bool {
    matches!(decided.decision, Decision::Allowed(_))
}

fn change(old: bool, new: bool) -> Option<Change> {
    match (old, new) {
        (false, true) => Some(Change::Gained),
        (true, false) => Some(Change::Lost),
        _ => None,
    }
}

fn changed(old: &Answer, new: &Answer) -> Option<Change> {
    match (&old.verdict, &new.verdict) {
        (Verdict::Permitted { except: old, .. }, Verdict::Permitted { except: new, .. }) => {
            let lacks = |some: &[host_core::Exception], other: &[host_core::Exception]| {
                some.iter().any(|one| {
                    !other
                        .iter()
                        .any(|other| other.capability.covers(&one.capability))
                })
            };
            if lacks(new, old) {
                Some(Change::Narrowed)
            } else {
                lacks(old, new).then_some(Change::Widened)
            }
        }
        (old, new) => {
            let is_permitted = |verdict: &Verdict| matches!(verdict, Verdict::Permitted { .. });
            change(is_permitted(old), is_permitted(new))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{asks, request, set};

    #[test]
    fn what_is_gained_lost_or_narrowed_is_told_and_what_stays_is_not() {
        let old = set("permit (principal, action == Action::\"run\", resource);
             permit (principal, action == Action::\"fs.read\", resource);");
        let new = set(
            "permit (principal, action == Action::\"run\", resource);
             permit (principal, action == Action::\"fs.read\", resource);
             permit (principal, action == Action::\"env\", resource);
             forbid (principal, action == Action::\"fs.read\", resource in Path::\"/etc/shadow\");",
        );
        let difference = |text: &str| {
            let request = request(text);
            old.difference(&new, &request, &asks(&request))
        };
        assert!(difference("alice service asks fs.read:/srv").is_none());
        let narrowed = difference("alice service asks fs.read:/etc").unwrap();
        assert_eq!(
            (narrowed.run, narrowed.questions[0].1),
            (None, Change::Narrowed)
        );
        let lost = difference("alice service asks fs.read:/etc/shadow").unwrap();
        assert_eq!(
            (lost.run, lost.questions[0].1),
            (Some(Change::Lost), Change::Lost)
        );
        let gained = difference("alice service asks env:LANG").unwrap();
        assert_eq!(
            (gained.run, gained.questions[0].1),
            (Some(Change::Gained), Change::Gained)
        );
    }
}
