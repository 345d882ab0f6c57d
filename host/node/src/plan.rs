//! From a bundle, a task and an input to a decision: everything about a run that is settled before it starts.
//!
//! The order of the steps is the one of the path of a run, and this is the only place that knows it up to the
//! grant. Nothing is written and nothing of the bundle is executed here.

use std::collections::BTreeSet;

use host_bundle::FileEntry;
use host_core::{
    Ask, Asks, AsksError, CanonicalPath, Capability, Decision, Denial, Denied, Digest, Grant,
    LimitError, LimitRequests, Limits, Origin, ParameterName, Permits, Question, Refusal,
};
use host_jail::Learn;
use host_policy::Subject;
use host_task::{
    CheckedInput, EncodeError, FillAsksError, FindTaskError, InputError, InstallError,
    Installation, ProcessInput, RawInput, SelectError, TaskDefinition, is_wasm_file,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::draft::Subject as RunSubject;
use crate::judgment::{Judgment, Ruled, Subjected};
use crate::load::Loaded;
use crate::machine::Machine;

/// The rule that stands for `--allow`.
pub(crate) const RULE_ALLOW: &str = "--allow";
/// The rule that stands for `--allow-asked`.
const RULE_ALLOW_ASKED: &str = "--allow-asked";

/// What a person asks for when running a task.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// The task as it was typed, or nothing for the bundle's own.
    pub task: Option<String>,
    /// The input as it was typed.
    pub input: RawInput,
    /// Whether the run is to change nothing.
    pub noop: bool,
    /// Whether note is to be taken of what it uses.
    pub learn: bool,
    /// Capabilities that the person at the keyboard adds and permits.
    pub allow: Vec<Capability>,
    /// Whether everything that the bundle asks for is permitted, but for what is dangerous.
    pub allow_asked: bool,
    /// Limits that the person asks for.
    pub limits: LimitRequests,
    /// The rules that decide instead of the person at the keyboard, who then permits nothing.
    pub ruled: Option<Ruled>,
}

/// Why a run cannot even be asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No such task, or none that can be used.
    #[error(transparent)]
    Find(#[from] FindTaskError),
    /// No implementation of it runs here.
    #[error(transparent)]
    Select(#[from] SelectError),
    /// Files that it needs are not in the bundle.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The input does not fit.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The input is longer than the limit.
    #[error("input has {have_bytes} bytes, and its limit is {max_bytes}")]
    InputTooLong {
        /// Its length.
        have_bytes: usize,
        /// The limit `input`.
        max_bytes: u64,
    },
    /// The input cannot be handed to the process.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The asks cannot be stated with this input.
    #[error(transparent)]
    Fill(#[from] FillAsksError),
    /// The asks contradict each other.
    #[error(transparent)]
    Asks(#[from] AsksError),
    /// A limit is above what this machine gives.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// A run with everything settled but its start.
#[derive(Debug)]
pub struct Plan<'l> {
    /// The bundle that it comes from.
    pub loaded: &'l Loaded,
    /// The task.
    pub task: &'l TaskDefinition,
    /// What goes where in the jail.
    pub installation: Installation,
    /// The input as the process receives it.
    pub(crate) process: ProcessInput,
    /// The digest of the input without its secrets.
    pub input_digest: Digest,
    /// What the run would have.
    pub asks: Asks,
    /// Optional asks that cannot be had here, with the reason.
    pub denials: Vec<Denial>,
    /// What was decided.
    pub decision: Decision,
    /// What was put to the rules, where rules decided, and how they answered.
    pub judgment: Option<Judgment>,
    /// Its limits.
    pub limits: Limits,
    /// Whether it is to change nothing.
    pub noop: bool,
    /// How note is taken of what it uses, if it is.
    pub learn: Option<Learn>,
    /// Parameters that name a place of the machine, with that place; no secrets are among them.
    pub named_paths: Vec<(ParameterName, CanonicalPath)>,
}

/// Where the files of a task are inside, as a task is told.
pub(crate) const INSTALL_DIR: &str = host_jail::recipe::INSTALL_DIR;

/// Settles everything about a run of a task of `loaded` that `request` asks for on this machine.
///
/// # Errors
/// [`PlanError`] says what is wrong with the request. A refusal is no error but a [`Decision`].
pub fn plan<'l>(
    loaded: &'l Loaded,
    request: &RunRequest,
    machine: &Machine,
) -> Result<Plan<'l>, PlanError> {
    let module = &loaded.module;
    let task = match &request.task {
        Some(text) => module.find(text)?,
        None => module.default_task()?,
    };
    let selection = task.select(&machine.features)?;
    let installation = selection.install(module)?;
    let limits = limits(task, request, machine)?;
    let input = task.check(&request.input, request.noop, module.aliases())?;
    let installdir = installation.has_installdir.then_some(INSTALL_DIR);
    let process = input.encode(selection.input_method, installdir)?;
    within_limit(&process, &limits)?;
    let own = task.fill_asks(&input)?.into_iter();
    let added = request.allow.iter().cloned().map(of_caller);
    let Parted {
        all,
        asks,
        denials,
        impossible,
    } = part(
        own.chain(added),
        machine,
        is_wasm_file(&installation.executable),
    )?;
    let judgment = request.ruled.as_ref().map(|ruled| {
        let run = Subjected {
            task: Subject::Task(task.name.clone()),
            bundle: loaded.summary(),
            input: input.public(),
            noop: request.noop,
        };
        ruled.judge(run, &all, &limits, machine)
    });
    let decision = match &judgment {
        Some(judgment) => judgment.decided.decision.clone(),
        None => decide(&asks, request),
    };
    let decision = without(decision, impossible);
    let input_digest = digest_of(&input);
    let named_paths = named_paths(&input);
    let learn = request.learn.then(|| {
        let grant = granted(&decision, &asks, &limits).ok();
        learn(&input, grant.as_ref(), machine)
    });
    Ok(Plan {
        loaded,
        task,
        installation,
        process,
        input_digest,
        asks,
        denials,
        decision,
        judgment,
        limits,
        noop: request.noop,
        learn,
        named_paths,
    })
}

fn limits(
    task: &TaskDefinition,
    request: &RunRequest,
    machine: &Machine,
) -> Result<Limits, LimitError> {
    let requests = [
        (task.asks_origin, &task.asks.limits),
        (Origin::Caller, &request.limits),
    ];
    Limits::resolve(&machine.defaults, &requests, &machine.ceilings)
}

fn within_limit(process: &ProcessInput, limits: &Limits) -> Result<(), PlanError> {
    let variables: usize = process
        .environment
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let have_bytes = process.stdin.len().max(variables);
    let max_bytes = limits.input().bytes();
    if have_bytes as u64 > max_bytes {
        Err(PlanError::InputTooLong {
            have_bytes,
            max_bytes,
        })
    } else {
        Ok(())
    }
}

/// The strings of the input that are absolute paths, so that a person can be told of those that a run does not see.
fn named_paths(input: &CheckedInput) -> Vec<(ParameterName, CanonicalPath)> {
    let public = input.iter().filter(|(_, _, sensitive)| !sensitive);
    let paths = public.filter_map(|(name, value, _)| {
        let Ok(Capability::FsRead(path)) = format!("fs.read:{}", value.as_str()?).parse() else {
            return None;
        };
        Some((name.clone(), path))
    });
    paths.collect()
}

/// How long the value of a variable is at least that notes must not have in them, in bytes: shorter ones stand everywhere.
const VALUE_BYTES_MIN: usize = 4;

/// Notes of a run have nothing in them that its input tells in confidence, nor what a variable says that it was granted.
fn learn(input: &CheckedInput, grant: Option<&Grant>, machine: &Machine) -> Learn {
    let mut learn = Learn::default();
    for (_, value, _) in input.iter().filter(|(_, _, sensitive)| *sensitive) {
        add_texts(value, &mut learn.secrets);
    }
    let Some(grant) = grant else {
        return learn;
    };
    let values = grant
        .env()
        .filter_map(|name| machine.environment.get(name.as_str()));
    let is_told = |value: &&String| value.len() >= VALUE_BYTES_MIN && !is_open(value, grant);
    learn.secrets.extend(values.filter(is_told).cloned());
    learn
}

/// Whether the grant itself says as much: a variable that names a directory of it is no secret, and notes that must not
/// have it in them would be none at all.
fn is_open(value: &str, grant: &Grant) -> bool {
    grant.iter().any(|granted| match &granted.capability {
        Capability::FsRead(path) | Capability::FsWrite(path) => {
            let is_named = path.as_str().contains(value);
            let is_everything = path.segments().next().is_none();
            let named = value.parse::<CanonicalPath>();
            is_named || !is_everything && named.is_ok_and(|named| path.contains(&named))
        }
        _ => false,
    })
}

/// The texts and numbers in a value, which is no deeper than an input may be.
fn add_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Array(values) => values.iter().for_each(|value| add_texts(value, texts)),
        Value::Object(fields) => fields.values().for_each(|value| add_texts(value, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn digest_of(input: &CheckedInput) -> Digest {
    Digest::from_bytes(Sha256::digest(input.public_json().to_string()).into())
}

/// Asks, parted by what can be had on this machine.
pub(crate) struct Parted {
    /// All of them, which rules decide on: what they say does not depend on what a machine has.
    pub(crate) all: Asks,
    /// Those that can be granted.
    pub(crate) asks: Asks,
    /// Optional ones that cannot.
    pub(crate) denials: Vec<Denial>,
    /// Required ones that cannot.
    pub(crate) impossible: Vec<Denied>,
}

/// Parts what can be had on this machine from what cannot.
pub(crate) fn part(
    all: impl Iterator<Item = Ask>,
    machine: &Machine,
    is_wasm: bool,
) -> Result<Parted, AsksError> {
    let all = Asks::gather(all)?;
    let (mut asks, mut denials, mut impossible) = (Vec::new(), Vec::new(), Vec::new());
    for ask in &all {
        match unavailable(&ask.capability, machine, is_wasm) {
            None => asks.push(ask.clone()),
            Some(reason) if ask.optional => {
                denials.push(Denial {
                    capability: ask.capability.to_string(),
                    reason,
                });
            }
            Some(reason) => impossible.push(Denied {
                question: Question::Capability(ask.capability.clone()),
                rules: vec![reason],
            }),
        }
    }
    Ok(Parted {
        asks: Asks::gather(asks)?,
        all,
        denials,
        impossible,
    })
}

/// The same decision, refused for what is impossible besides.
pub(crate) fn without(decision: Decision, impossible: Vec<Denied>) -> Decision {
    if impossible.is_empty() {
        return decision;
    }
    let mut denied = impossible;
    if let Decision::Refused(refusal) = decision {
        // What rules refuse is refused wherever it is asked for, and needs no other reason.
        denied.retain(|impossible| {
            let is_same = |denied: &Denied| denied.question == impossible.question;
            !refusal.denied.iter().any(is_same)
        });
        denied.extend(refusal.denied);
    }
    Decision::Refused(Refusal { denied })
}

/// What the person at the keyboard adds.
pub(crate) fn of_caller(capability: Capability) -> Ask {
    Ask {
        capability,
        origin: Origin::Caller,
        optional: false,
        why: None,
    }
}

/// Why this machine cannot open a capability to any run, if it cannot.
fn unavailable(capability: &Capability, machine: &Machine, is_wasm: bool) -> Option<String> {
    match capability {
        Capability::AppearRoot => None,
        Capability::FsRead(_) | Capability::FsWrite(_) => machine.mighty_group().map(|group| {
            format!("you are in group `{group}`, which a run of yours cannot leave; run as root or as somebody else")
        }),
        Capability::Env(name) if machine.environment.contains_key(name.as_str()) => None,
        Capability::Env(_) => Some("the variable is not set here".to_owned()),
        Capability::RunAs(user) => machine.user(user).err().map(|error| error.to_string()),
        Capability::NetConnect(_) if !is_wasm => None,
        Capability::NetConnect(_) => Some("this version gives no WASI program a network".to_owned()),
        Capability::HttpRequest(_) if !is_wasm => {
            Some("it is for WASI programs; a native task needs `net.connect`".to_owned())
        }
        Capability::HttpRequest(_) => Some("this version makes no requests for a WASI program".to_owned()),
        Capability::UnixConnect(_) => Some("this version gives no run a socket".to_owned()),
        Capability::Exec(_) => Some("this version runs no commands outside the jail".to_owned()),
        Capability::Secret(_) if is_wasm => {
            Some("this version gives no WASI program a secret".to_owned())
        }
        Capability::Secret(name) => machine.secret(name).err().map(|error| error.to_string()),
        Capability::HostFull => Some("this version has no way to run anything without a jail".to_owned()),
    }
}

/// The grant that a decision on `asks` gives, or the refusal.
pub(crate) fn granted<'d>(
    decision: &'d Decision,
    asks: &Asks,
    limits: &Limits,
) -> Result<Grant, &'d Refusal> {
    match decision {
        Decision::Allowed(permits) => Ok(Grant::resolve(asks, permits, limits.clone())),
        Decision::Refused(refusal) => Err(refusal),
    }
}

/// The person at the keyboard is the authority: what `--allow` names, and with `--allow-asked` what is asked for.
fn decide(asks: &Asks, request: &RunRequest) -> Decision {
    let mut permits = Permits::default();
    for capability in &request.allow {
        permits.permit(capability.clone(), RULE_ALLOW);
    }
    if request.allow_asked {
        for ask in asks.iter().filter(|ask| !ask.capability.is_dangerous()) {
            permits.permit(ask.capability.clone(), RULE_ALLOW_ASKED);
        }
    }
    permits.decide(asks)
}

impl Plan<'_> {
    /// Whether what runs is a WASI program.
    #[must_use]
    pub fn is_wasm(&self) -> bool {
        is_wasm_file(&self.installation.executable)
    }

    /// The WASI program that runs, as the bundle's manifest has it; none where something else runs.
    #[must_use]
    pub fn program(&self) -> Option<&FileEntry> {
        let executable = &self.installation.executable;
        if !is_wasm_file(executable) {
            return None;
        }
        let mut files = self.installation.files.iter();
        let file = files.find(|file| file.to == *executable)?;
        self.loaded.bundle.manifest().file(&file.from)
    }

    pub(crate) fn subject(&self) -> RunSubject {
        RunSubject {
            task: Some(self.task.name.clone()),
            bundle: self.loaded.summary(),
            denials: self.denials.clone(),
            is_wasm: self.is_wasm(),
            judged: self.judgment.as_ref().map(Judgment::mark),
        }
    }

    /// The grant, where the run is allowed.
    ///
    /// # Errors
    /// The refusal, where it is not.
    pub fn grant(&self) -> Result<Grant, &Refusal> {
        granted(&self.decision, &self.asks, &self.limits)
    }

    /// Required asks that were refused for want of a permit, with everything that is known of them.
    #[must_use]
    pub fn missing(&self) -> Vec<&Ask> {
        let Decision::Refused(refusal) = &self.decision else {
            return Vec::new();
        };
        let denied: BTreeSet<String> = refusal
            .denied
            .iter()
            .map(|denied| denied.question.to_string())
            .collect();
        self.asks
            .iter()
            .filter(|ask| denied.contains(&ask.capability.to_string()))
            .collect()
    }
}
