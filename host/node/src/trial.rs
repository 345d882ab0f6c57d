//! Tries the jail: whether a program of the machine can be run in it at all, as a task would be.

use std::time::Duration;

use host_core::Limits;
use host_jail::{Ending, Guess, InstalledFile, JailRecipe, Program, SetupError, StartError};
use host_store::{DiskError, Store};

use crate::apart::{self, Apart, ApartError};
use crate::begin::{BeginError, nobody};
use crate::draft::Moment;
use crate::machine::{FIXED_ENVIRONMENT, Machine};
use crate::plan::INSTALL_DIR;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The program, and its name below the directory of a task.
const PROGRAM: &[u8] = b"#!/bin/sh\nexit 0\n";
const NAME: &str = "trial.sh";

/// Why nothing can be run in a jail here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrialError {
    /// The jail cannot be made.
    #[error("{0}")]
    Jail(SetupError),
    /// The program did not end as it should.
    #[error("a program that does nothing {how}")]
    Program {
        /// What became of it.
        how: String,
    },
    /// The run cannot be begun.
    #[error("a run cannot be begun")]
    Begin(#[from] BeginError),
    /// There is no place for what it says.
    #[error("there is no place for a run")]
    Disk(#[from] DiskError),
    /// The same.
    #[error("there is no place for a run")]
    Io(#[from] std::io::Error),
}

impl From<StartError> for TrialError {
    fn from(error: StartError) -> Self {
        Self::Begin(error.into())
    }
}

impl From<ApartError> for TrialError {
    fn from(error: ApartError) -> Self {
        match error {
            ApartError::Keeper(error) => error.into(),
            ApartError::Disk(error) => error.into(),
            ApartError::Io(error) => error.into(),
        }
    }
}

/// Runs a program that does nothing.
///
/// # Errors
/// [`TrialError`] says which wall is missing, or what else keeps runs from starting.
pub fn trial(machine: &Machine, store: &Store, moment: &Moment) -> Result<(), TrialError> {
    let keeper = host_jail::start(machine.by_root(), |_| 1, Guess::Program)?;
    let environment = FIXED_ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let recipe = JailRecipe {
        run: moment.run_id(),
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
        install: vec![InstalledFile {
            path: NAME.into(),
            executable: true,
            bytes: PROGRAM.to_vec(),
        }],
        program: Program::File(format!("{INSTALL_DIR}/{NAME}").into()),
        openings: Vec::new(),
        environment: environment.into(),
        stdin: Vec::new(),
        limits: Limits::default(),
        learn: None,
    };
    let ended = apart::run(&keeper, &recipe, machine, store, PATIENCE, &mut || true)?;
    let did = |how: &str| {
        Err(TrialError::Program {
            how: how.to_owned(),
        })
    };
    let report = match ended {
        Apart::Ended {
            report: Some(report),
            ..
        } => report,
        Apart::Ended { report: None, .. } => return did("lost its keeper"),
        Apart::Unwanted | Apart::TooLong => return did("did not end"),
    };
    match report.ending {
        Ending::Exited { code: 0 } => Ok(()),
        Ending::NotStarted(error) => Err(TrialError::Jail(error)),
        Ending::Exited { code } => did(&format!("exited with {code}")),
        Ending::Signalled { signal } => did(&format!("was killed by signal {signal}")),
        Ending::Limit { name } => did(&format!("passed the limit `{name}`")),
        Ending::Cancelled
        | Ending::Unkillable
        | Ending::OutputLost { .. }
        | Ending::RecorderLost => did("was lost"),
    }
}
