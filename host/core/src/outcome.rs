//! How a run ended, and what that means for whoever ordered it.
//!
//! The list of endings is complete on purpose: a new one breaks every `match`, so that none is taken for success.

use serde::{Deserialize, Serialize};

use crate::limits::LimitName;

/// How a run ended.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "OutcomeLine", into = "OutcomeLine")]
pub enum Outcome {
    /// The program ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// A signal that was not ours killed it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// The wasm program trapped.
    Trapped {
        /// What the trap was.
        reason: String,
    },
    /// It passed a limit and was killed.
    Limit {
        /// The limit.
        limit: LimitName,
    },
    /// Someone cancelled it.
    Cancelled {
        /// Who or why.
        reason: String,
    },
    /// It never started.
    CouldNotStart {
        /// What failed.
        reason: String,
    },
    /// It was not allowed to start.
    Refused {
        /// What was missing or forbidden.
        reason: String,
    },
    /// It is not known how it ended, because its node or keeper went away.
    Lost {
        /// What is known.
        reason: String,
    },
    /// It was killed and did not go away within the named wait.
    Unkillable {
        /// What is left of it.
        reason: String,
    },
}

impl Outcome {
    /// The word for the ending, such as `could-not-start`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Signalled { .. } => "signalled",
            Self::Trapped { .. } => "trapped",
            Self::Limit { .. } => "limit",
            Self::Cancelled { .. } => "cancelled",
            Self::CouldNotStart { .. } => "could-not-start",
            Self::Refused { .. } => "refused",
            Self::Lost { .. } => "lost",
            Self::Unkillable { .. } => "unkillable",
        }
    }

    /// What the ending amounts to. `error_reported` says whether the task's result has an `_error`, which makes a
    /// failure of an exit with 0.
    #[must_use]
    pub const fn status(&self, error_reported: bool) -> Status {
        match self {
            Self::Exited { code: 0 } if !error_reported => Status::Success,
            Self::Exited { .. }
            | Self::Signalled { .. }
            | Self::Trapped { .. }
            | Self::Limit { .. }
            | Self::Cancelled { .. }
            | Self::CouldNotStart { .. }
            | Self::Unkillable { .. } => Status::Failure,
            Self::Refused { .. } => Status::Refused,
            Self::Lost { .. } => Status::Lost,
        }
    }
}

/// What a run amounts to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The task did what it should.
    Success,
    /// The task ran, or tried to, and did not.
    Failure,
    /// The task was not allowed to run.
    Refused,
    /// Nobody knows.
    Lost,
}

impl Status {
    /// The word for it: `success`, `failure`, `refused` or `lost`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Refused => "refused",
            Self::Lost => "lost",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The outcome as records write it: every field always there.
#[derive(Clone, Deserialize, Serialize)]
struct OutcomeLine {
    kind: String,
    code: Option<i32>,
    signal: Option<i32>,
    limit: Option<LimitName>,
    reason: String,
}

impl From<Outcome> for OutcomeLine {
    fn from(outcome: Outcome) -> Self {
        let kind = outcome.kind().to_owned();
        let line = Self {
            kind,
            code: None,
            signal: None,
            limit: None,
            reason: String::new(),
        };
        match outcome {
            Outcome::Exited { code } => Self {
                code: Some(code),
                ..line
            },
            Outcome::Signalled { signal } => Self {
                signal: Some(signal),
                ..line
            },
            Outcome::Limit { limit } => Self {
                limit: Some(limit),
                ..line
            },
            Outcome::Trapped { reason }
            | Outcome::Cancelled { reason }
            | Outcome::CouldNotStart { reason }
            | Outcome::Refused { reason }
            | Outcome::Lost { reason }
            | Outcome::Unkillable { reason } => Self { reason, ..line },
        }
    }
}

impl TryFrom<OutcomeLine> for Outcome {
    type Error = String;

    fn try_from(line: OutcomeLine) -> Result<Self, Self::Error> {
        let OutcomeLine {
            kind,
            code,
            signal,
            limit,
            reason,
        } = line;
        let outcome = match (kind.as_str(), code, signal, limit) {
            ("exited", Some(code), None, None) => Self::Exited { code },
            ("signalled", None, Some(signal), None) => Self::Signalled { signal },
            ("limit", None, None, Some(limit)) => Self::Limit { limit },
            ("trapped", None, None, None) => Self::Trapped { reason },
            ("cancelled", None, None, None) => Self::Cancelled { reason },
            ("could-not-start", None, None, None) => Self::CouldNotStart { reason },
            ("refused", None, None, None) => Self::Refused { reason },
            ("lost", None, None, None) => Self::Lost { reason },
            ("unkillable", None, None, None) => Self::Unkillable { reason },
            _ => {
                return Err(format!(
                    "`{}` is not an outcome with these fields",
                    crate::Shown(&kind)
                ));
            }
        };
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason() -> String {
        "why".to_owned()
    }

    #[test]
    fn every_outcome_has_a_status_and_one_line() {
        let because = r#""code":null,"signal":null,"limit":null,"reason":"why""#;
        let limit = LimitName::Wall;
        for (outcome, status, kind, rest) in [
            (
                Outcome::Exited { code: 0 },
                Status::Success,
                "exited",
                r#""code":0,"signal":null,"limit":null,"reason":"""#,
            ),
            (
                Outcome::Exited { code: 3 },
                Status::Failure,
                "exited",
                r#""code":3,"signal":null,"limit":null,"reason":"""#,
            ),
            (
                Outcome::Signalled { signal: 11 },
                Status::Failure,
                "signalled",
                r#""code":null,"signal":11,"limit":null,"reason":"""#,
            ),
            (
                Outcome::Limit { limit },
                Status::Failure,
                "limit",
                r#""code":null,"signal":null,"limit":"wall","reason":"""#,
            ),
            (
                Outcome::Trapped { reason: reason() },
                Status::Failure,
                "trapped",
                because,
            ),
            (
                Outcome::Cancelled { reason: reason() },
                Status::Failure,
                "cancelled",
                because,
            ),
            (
                Outcome::CouldNotStart { reason: reason() },
                Status::Failure,
                "could-not-start",
                because,
            ),
            (
                Outcome::Refused { reason: reason() },
                Status::Refused,
                "refused",
                because,
            ),
            (
                Outcome::Lost { reason: reason() },
                Status::Lost,
                "lost",
                because,
            ),
            (
                Outcome::Unkillable { reason: reason() },
                Status::Failure,
                "unkillable",
                because,
            ),
        ] {
            let json = format!("{{\"kind\":\"{kind}\",{rest}}}");
            assert_eq!(outcome.status(false), status);
            assert_eq!(serde_json::to_string(&outcome).unwrap(), json);
            assert_eq!(serde_json::from_str::<Outcome>(&json).unwrap(), outcome);
        }
    }

    #[test]
    fn a_reported_error_makes_an_exit_with_zero_a_failure() {
        assert_eq!(Outcome::Exited { code: 0 }.status(true), Status::Failure);
        assert_eq!(
            Outcome::Lost { reason: reason() }.status(true),
            Status::Lost
        );
    }

    #[test]
    fn fields_that_do_not_fit_the_kind_are_refused() {
        for bad in [
            r#"{"kind":"exited","code":null,"signal":null,"limit":null,"reason":""}"#,
            r#"{"kind":"exited","code":0,"signal":9,"limit":null,"reason":""}"#,
            r#"{"kind":"vanished","code":null,"signal":null,"limit":null,"reason":""}"#,
            r#"{"kind":"limit","code":null,"signal":null,"limit":"patience","reason":""}"#,
        ] {
            assert!(serde_json::from_str::<Outcome>(bad).is_err(), "{bad}");
        }
    }
}
