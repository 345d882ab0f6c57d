//! The path of a run: from what a person or an order asks for to a record of what happened.
//!
//! [`load()`] turns a path into a verified bundle, [`plan()`] settles task, input, asks and decision, [`begin`]
//! makes the intent durable and starts a keeper, and [`Running::finish`] makes the outcome durable and returns
//! its record. The order of these steps stands here and nowhere else; it is synchronous and knows no network.
//!
//! Time, chance and everything about the machine come in as values.

#![forbid(unsafe_code)]

mod source;

mod load;

mod judgment;
mod plan;

mod compile;
mod program;
mod work;

mod apart;
mod begin;
mod draft;
mod ended;
mod running;
mod sweep;
mod trial;

mod machine;

pub use begin::{BeginError, TurnedAway, begin, refuse, turn_away, unstarted};
pub use compile::{
    CompileError, Compiled, Compiling, PROGRAM_BYTES_MAX, compile, digest_of_program,
};
pub use draft::{HIDDEN, LearnedLine, Moment, NOT_GRANTED, Person, ResultValue, TRIED, is_seen};
pub use judgment::{Judgment, Ruled};
pub use load::{LoadError, Loaded, load, read_program, seal_plain_tar};
pub use machine::{Machine, Starter, UserError};
pub use plan::{Plan, PlanError, RunRequest, plan};
pub use program::{
    GuestDir, ProgramPlan, ProgramPlanError, ProgramRequest, bundle_of_program, plan_program,
};
pub use running::{FinishError, Finished, LearnedRun, Running, StreamName, is_machines_fault};
pub use source::{ModuleDir, SealOptions, SourceError, seal_directory};
pub use trial::{TrialError, trial};
pub use work::{NOT_GRANTED_VARIABLE, Work, worker};
