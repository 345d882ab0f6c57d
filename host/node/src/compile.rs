//! Machine code for a WASI program: found in the cache under its tag, or made in a jail without grants.
//!
//! INVARIANT: what is handed to a worker was tagged by this installation's key for this program and this engine, and is
//! read once: the bytes that were checked are the bytes that are loaded.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use host_core::{Digest, LimitError, LimitName, LimitRequests, Limits, Shown};
use host_jail::{Ending, JailRecipe, Program, Report, SetupError, StartError};
use host_store::{COMPILED_BYTES_MAX, CompiledKeyError, DiskError, Store};
use host_wasm::{Artifact, End, Order, ProgramKind, Verdict};
use sha2::{Digest as _, Sha256};

use crate::apart::{self, Apart, ApartError};
use crate::begin::{BeginError, nobody};
use crate::draft::Moment;
use crate::machine::Machine;

/// The longest WASI program, in bytes.
pub const PROGRAM_BYTES_MAX: u64 = 256 << 20;
/// What compiling may use up, whatever the program's own limits are, but never more than this machine gives any run.
const LIMITS: [(&str, &str); 3] = [("wall", "2m"), ("cpu", "4m"), ("memory", "2GiB")];
/// The most machine code that is made of one program.
const CODE_MAX: &str = "1GiB";
/// How long beyond its wall limit a compiler's keeper may take before it is killed itself.
const KEEPER_PATIENCE: Duration = Duration::from_secs(15);

/// Machine code, checked and ready to be run.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) kind: ProgramKind,
    pub(crate) code: OwnedFd,
    pub(crate) bytes: u64,
    /// Whether it was there already.
    pub is_from_cache: bool,
}

/// Why there is no machine code for a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// It is no WASI program, or one that cannot run here.
    #[error("{reason}")]
    Unfit {
        /// Why.
        reason: String,
        /// What to do about it, where that is known.
        hint: Option<String>,
    },
    /// Compiling it took more than compiling may.
    #[error("compiling it passed the limit `{limit}` ({value}) that compiling has")]
    Limit {
        /// Which limit.
        limit: LimitName,
        /// Its value.
        value: String,
    },
    /// The compiler failed.
    #[error("the compiler failed: {reason}")]
    Failed {
        /// How.
        reason: String,
    },
    /// Nobody knows what became of the compiler.
    #[error("the compiler was lost: {reason}")]
    Lost {
        /// How.
        reason: &'static str,
    },
    /// Whoever waited did not want to any longer.
    #[error("compiling it was interrupted")]
    Interrupted,
    /// There is no engine for this machine.
    #[error("there is no engine for this machine: {reason}")]
    Engine {
        /// Why.
        reason: String,
    },
    /// There is no such limit.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// The cache's key cannot be had.
    #[error(transparent)]
    Key(#[from] CompiledKeyError),
    /// The jail of the compiler cannot be made.
    #[error("the compiler cannot be put into a jail: {0}")]
    Jail(SetupError),
    /// The compiler cannot be started.
    #[error("the compiler cannot be started")]
    Begin(#[from] BeginError),
    /// There is no room for what it makes.
    #[error("there is no place for what the compiler makes")]
    Disk(#[from] DiskError),
    /// The program cannot be read.
    #[error("it cannot be read")]
    Program(#[source] io::Error),
    /// What it made cannot be read.
    #[error("what the compiler made cannot be read")]
    Read(#[from] io::Error),
}

impl From<StartError> for CompileError {
    fn from(error: StartError) -> Self {
        Self::Begin(error.into())
    }
}

impl From<ApartError> for CompileError {
    fn from(error: ApartError) -> Self {
        match error {
            ApartError::Keeper(error) => error.into(),
            ApartError::Disk(error) => error.into(),
            ApartError::Io(error) => error.into(),
        }
    }
}

impl CompileError {
    /// Whether the program is to blame, and not this machine or whoever waits.
    #[must_use]
    pub fn is_the_programs(&self) -> bool {
        match self {
            Self::Unfit { .. } | Self::Limit { .. } | Self::Failed { .. } => true,
            Self::Interrupted
            | Self::Lost { .. }
            | Self::Engine { .. }
            | Self::Limits(_)
            | Self::Key(_)
            | Self::Jail(_)
            | Self::Begin(_)
            | Self::Disk(_)
            | Self::Program(_)
            | Self::Read(_) => false,
        }
    }

    /// What to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Unfit { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }
}

/// What compiling takes from outside.
#[derive(Clone, Copy, Debug)]
pub struct Compiling<'c> {
    /// This machine.
    pub machine: &'c Machine,
    /// The store with the cache.
    pub store: &'c Store,
    /// Time and chance; the run of the compiler has an id of its own.
    pub moment: &'c Moment,
    /// The key of the cache, if it has none yet.
    pub fresh_key: [u8; 32],
}

/// The machine code of the program with this `digest`, from the cache, or made now of what `read` returns; `goes_on` is
/// asked from time to time whether it is still wanted.
///
/// # Errors
/// [`CompileError`]; nothing of it is kept then.
pub fn compile(
    digest: &Digest,
    read: impl FnOnce() -> io::Result<Vec<u8>>,
    compiling: &Compiling<'_>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Compiled, CompileError> {
    let store = compiling.store;
    let key = host_wasm::cache::CacheKey::new(store.compiled_key(compiling.fresh_key)?);
    let engine = host_wasm::engine_id().map_err(|error| CompileError::Engine {
        reason: format!("{error:#}"),
    })?;
    let kept = store.compiled(digest, &engine);
    if let Some(kept) = kept.and_then(|kept| key.open(digest, &engine, &kept)) {
        return Ok(Compiled {
            kind: kept.kind,
            code: kept.code,
            bytes: kept.bytes,
            is_from_cache: true,
        });
    }
    let program = read().map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => CompileError::Unfit {
            reason: error.to_string(),
            hint: None,
        },
        _ => CompileError::Program(error),
    })?;
    let made = make(program, compiling, goes_on)?;
    let sealed = key.seal(digest, &engine, &made);
    // A cache that takes nothing costs compiling again.
    let _ = store.keep_compiled(digest, &engine, &sealed);
    let artifact = Artifact::read(made).ok_or_else(|| CompileError::Failed {
        reason: "what it made is no program".to_owned(),
    })?;
    Ok(Compiled {
        kind: artifact.kind,
        code: host_jail::sealed_file("program", [artifact.code.as_slice()].into_iter())?,
        bytes: artifact.code.len() as u64,
        is_from_cache: false,
    })
}

/// The digest that a program is known by.
#[must_use]
pub fn digest_of_program(program: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(program).into())
}

/// Compiles `program` in a jail of its own that opens nothing.
fn make(
    program: Vec<u8>,
    compiling: &Compiling<'_>,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Vec<u8>, CompileError> {
    let Compiling {
        machine,
        store,
        moment,
        ..
    } = *compiling;
    // ORDER: executed anew, since this process knows the cache's key, the input and more, and a copy of it would too.
    let keeper = host_jail::start_afresh()?;
    let limits = limits(machine)?;
    let run = moment.compile_id();
    let recipe = JailRecipe {
        run,
        user_name: "task".to_owned(),
        who: nobody(machine, store, moment)?,
        appear_root: false,
        system_paths: Vec::new(),
        hidden: Vec::new(),
        apart: host_jail::recipe::Apart::default(),
        egress: Vec::new(),
        relay: None,
        secrets: Vec::new(),
        never: machine.never.clone(),
        install: Vec::new(),
        program: Program::Function {
            order: serde_json::to_string(&Order::Compile).map_err(io::Error::from)?,
            own_bytes: 0,
        },
        openings: Vec::new(),
        environment: Vec::new(),
        stdin: program,
        limits: limits.clone(),
        learn: None,
    };
    let patience = Duration::from_millis(limits.wall().ms()) + KEEPER_PATIENCE;
    let ended = apart::run(&keeper, &recipe, machine, store, patience, goes_on)?;
    let (stdout, report) = match ended {
        Apart::Ended { stdout, report } => (stdout, report),
        Apart::Unwanted => return Err(CompileError::Interrupted),
        Apart::TooLong => {
            return Err(CompileError::Lost {
                reason: "its keeper does not answer",
            });
        }
    };
    let report = report.ok_or(CompileError::Lost {
        reason: "its keeper was killed",
    })?;
    judge(*report, &limits)?;
    Ok(apart::read(stdout, COMPILED_BYTES_MAX)?)
}

fn limits(machine: &Machine) -> Result<Limits, CompileError> {
    let mut requests = LimitRequests::default();
    for (name, value) in LIMITS {
        requests.set(name, value)?;
    }
    let own = Limits::default().with_defaults(&requests);
    // What is written is machine code, and no output of a run.
    let mut output = LimitRequests::default();
    output.set(LimitName::Output.as_str(), CODE_MAX)?;
    Ok(Limits::resolve(&own, &[], &machine.ceilings)?.with_defaults(&output))
}

fn judge(report: Report, limits: &Limits) -> Result<(), CompileError> {
    let failed = |reason: String| {
        // A compiler that was taken over says what it likes.
        let reason = Shown(&reason).to_string();
        Err(CompileError::Failed { reason })
    };
    let passed = |limit: LimitName| {
        let value = limits.text(limit);
        Err(CompileError::Limit { limit, value })
    };
    match report.ending {
        Ending::Exited { code } => match Verdict::read(&report.last_words).map(|said| said.end) {
            Some(End::Exited { code: 0 }) => Ok(()),
            Some(End::Unfit { reason, hint }) => Err(CompileError::Unfit {
                reason: Shown(&reason).to_string(),
                hint: hint.map(|hint| Shown(&hint).to_string()),
            }),
            Some(End::Broken { reason } | End::Trapped { reason } | End::Limit { reason, .. }) => {
                failed(reason)
            }
            Some(End::Exited { .. }) | None => failed(format!("it ended with {code}")),
        },
        Ending::Limit { name } => passed(name),
        // Less than its limit was all that there was.
        Ending::Signalled { signal: SIGABRT } => Err(CompileError::Lost {
            reason: "it got no more memory on this machine",
        }),
        Ending::Signalled { signal: SIGKILL } => Err(CompileError::Lost {
            reason: "it was killed",
        }),
        Ending::Signalled { signal } => failed(format!("it was killed by signal {signal}")),
        Ending::NotStarted(error) => Err(CompileError::Jail(error)),
        Ending::Cancelled => Err(CompileError::Interrupted),
        Ending::Unkillable => Err(CompileError::Lost {
            reason: "a process of it does not die",
        }),
        Ending::OutputLost { .. } => Err(CompileError::Lost {
            reason: "what it made could not be kept",
        }),
        Ending::RecorderLost => Err(CompileError::Lost {
            reason: "who took note of it was killed",
        }),
    }
}

/// The signal that a process ends itself by.
const SIGABRT: i32 = 6;
/// The signal that others, or the kernel, end one by.
const SIGKILL: i32 = 9;
