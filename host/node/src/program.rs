//! A WASI program that is run as it is: no bundle, no task, no input but what it reads itself.

use std::os::fd::OwnedFd;

use host_core::{
    Asks, AsksError, BundleSummary, CanonicalPath, Capability, Decision, Digest, EnvName, Grant,
    LimitError, LimitRequests, Limits, Origin, Permits, Record, Refusal,
};
use host_store::{JournalError, Store};
use host_wasm::Preopen;
use serde_json::Map;
use sha2::{Digest as _, Sha256};

use crate::begin::{record_refusal, record_unstarted};
use crate::compile::Compiled;
use crate::draft::{Moment, ResultValue, Subject};
use crate::judgment::{Judgment, Ruled, Subjected};
use crate::machine::Machine;
use crate::plan::{Parted, RULE_ALLOW, granted, of_caller, part, without};
use crate::running::Finished;
use crate::work::{ProgramInput, Work};

/// The rule that stands for `--dir`.
const RULE_DIR: &str = "--dir";

/// The rule that stands for `--env NAME`.
const RULE_ENV: &str = "--env";

/// A directory of this machine that a program has under a name of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GuestDir {
    /// Where it is here.
    pub place: CanonicalPath,
    /// What the program calls it.
    pub name: String,
    /// Whether the program may write.
    pub writable: bool,
}

impl GuestDir {
    fn capability(&self) -> Capability {
        if self.writable {
            Capability::FsWrite(self.place.clone())
        } else {
            Capability::FsRead(self.place.clone())
        }
    }
}

/// What a person asks for when running a program.
#[derive(Clone, Debug)]
pub struct ProgramRequest {
    /// Its digest.
    pub digest: Digest,
    /// Its arguments, its own name first.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: Vec<(String, String)>,
    /// Its directories.
    pub dirs: Vec<GuestDir>,
    /// Variables of the caller's that it has as well.
    pub passed: Vec<EnvName>,
    /// What else is permitted.
    pub allow: Vec<Capability>,
    /// Its limits.
    pub limits: LimitRequests,
    /// The rules that decide instead of the person at the keyboard.
    pub ruled: Option<Ruled>,
}

/// A run of a program with everything settled but its start.
#[derive(Debug)]
pub struct ProgramPlan<'r> {
    request: &'r ProgramRequest,
    asks: Asks,
    /// What was decided.
    pub decision: Decision,
    /// What was put to the rules, where rules decided, and how they answered.
    pub judgment: Option<Judgment>,
    /// Its limits.
    pub limits: Limits,
}

/// Why a program cannot even be asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramPlanError {
    /// The asks contradict each other.
    #[error(transparent)]
    Asks(#[from] AsksError),
    /// A limit is above what this machine gives.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// Settles everything about a run of a program on this machine.
///
/// # Errors
/// [`ProgramPlanError`] says what is wrong with the request. A refusal is no error but a [`Decision`].
pub fn plan_program<'r>(
    request: &'r ProgramRequest,
    machine: &Machine,
) -> Result<ProgramPlan<'r>, ProgramPlanError> {
    let limits = Limits::resolve(
        &machine.defaults,
        &[(Origin::Caller, &request.limits)],
        &machine.ceilings,
    )?;
    let dirs = request.dirs.iter().map(|dir| (dir.capability(), RULE_DIR));
    let allowed = request
        .allow
        .iter()
        .map(|allow| (allow.clone(), RULE_ALLOW));
    let passed = request.passed.iter().cloned();
    let passed = passed.map(|name| (Capability::Env(name), RULE_ENV));
    let mut permits = Permits::default();
    let asks = dirs.chain(passed).chain(allowed).map(|(capability, rule)| {
        permits.permit(capability.clone(), rule);
        of_caller(capability)
    });
    // None of them is optional, so that nothing is only done without.
    let Parted {
        all,
        asks,
        impossible,
        ..
    } = part(asks, machine, true)?;
    let judgment = request.ruled.as_ref().map(|ruled| {
        let run = Subjected {
            task: host_policy::Subject::Adhoc(request.digest),
            bundle: bundle_of_program(request.digest),
            input: Map::new(),
            noop: false,
        };
        ruled.judge(run, &all, &limits, machine)
    });
    let decision = match &judgment {
        Some(judgment) => judgment.decided.decision.clone(),
        None => permits.decide(&asks),
    };
    Ok(ProgramPlan {
        request,
        asks,
        decision: without(decision, impossible),
        judgment,
        limits,
    })
}

/// A program as records name it, for it has no bundle.
#[must_use]
pub fn bundle_of_program(digest: Digest) -> BundleSummary {
    BundleSummary {
        id: digest,
        module: None,
        version: String::new(),
        signers: Vec::new(),
    }
}

impl ProgramPlan<'_> {
    /// The grant, where the run is allowed.
    ///
    /// # Errors
    /// The refusal, where it is not.
    pub fn grant(&self) -> Result<Grant, &Refusal> {
        granted(&self.decision, &self.asks, &self.limits)
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject {
            task: None,
            bundle: bundle_of_program(self.request.digest),
            denials: Vec::new(),
            is_wasm: true,
            judged: self.judgment.as_ref().map(Judgment::mark),
        }
    }

    /// Records that the run was refused, and returns the record.
    ///
    /// # Errors
    /// When the refusal cannot be recorded.
    pub fn refuse(
        &self,
        store: &Store,
        moment: &Moment,
    ) -> Result<Record<ResultValue>, JournalError> {
        let input = self.input_digest();
        record_refusal(self.subject(), &input, &self.decision, store, moment)
    }

    /// Records that the program could not be started by anyone, for a `reason` that it is to blame for.
    ///
    /// # Errors
    /// When that cannot be recorded.
    pub fn unstarted(
        &self,
        store: &Store,
        moment: &Moment,
        reason: &str,
        hint: Option<&str>,
    ) -> Result<Finished, JournalError> {
        let input = self.input_digest();
        record_unstarted(self.subject(), &input, store, moment, reason, hint)
    }

    /// What is started: the program that was compiled, which reads its standard input from `stdin`.
    #[must_use]
    pub fn work(&self, compiled: Compiled, stdin: OwnedFd) -> Work {
        let request = self.request;
        let preopens = request.dirs.iter().map(|dir| Preopen {
            place: dir.place.as_str().to_owned(),
            name: dir.name.clone(),
            writable: dir.writable,
        });
        let given = ProgramInput {
            arguments: request.arguments.clone(),
            environment: request.environment.clone(),
            preopens: preopens.collect(),
            stdin,
        };
        Work::of_program(self.subject(), self.input_digest(), compiled, given)
    }

    /// The digest of what it is given. Values of variables are often secrets, and no digest is to be tried against guesses
    /// of them.
    fn input_digest(&self) -> Digest {
        let request = self.request;
        let names = request.environment.iter().map(|(name, _)| name);
        let dirs = request.dirs.iter().map(|dir| &dir.name);
        let lists: [Vec<&String>; 3] = [
            request.arguments.iter().collect(),
            names.collect(),
            dirs.collect(),
        ];
        let mut hasher = Sha256::new();
        for list in lists {
            hasher.update((list.len() as u64).to_le_bytes());
            for text in list {
                hasher.update((text.len() as u64).to_le_bytes());
                hasher.update(text);
            }
        }
        Digest::from_bytes(hasher.finalize().into())
    }
}
