//! Cedar rules as capability grants: who may run what, with which input, on which nodes, and with which openings.
//!
//! Text in, decisions out. [`PolicySet::read`] takes the files of a set as values, and [`PolicySet::decide`] a [`Request`];
//! nothing here opens a file, reads a clock or learns where either came from. A set that does not parse and validate is
//! no set, a rule that cannot be evaluated refuses, and what no rule permits is refused.
//!
//! Start at [`PolicySet`]: `set.rs` reads one, `decide.rs` asks it.

#![forbid(unsafe_code)]

mod problem;
mod statements;

mod action;
mod target;

mod groups;
pub mod predicates;

mod lint;
mod scope;
mod set;
mod warn;

mod index;

mod query;
mod tags;
mod world;

mod decide;
mod explain;

mod table;
mod who_can;

mod diff;
mod learn;

pub mod choria;

#[cfg(test)]
mod lab;

pub use crate::decide::{Answer, Decided, INNER_QUESTIONS_MAX, Verdict};
pub use crate::diff::{Change, Difference};
pub use crate::explain::{NEAREST_MAX, Near, WhyNot};
pub use crate::groups::{GROUPS_FILE, GROUPS_FORMAT, Groups, MEMBERS_MAX};
pub use crate::learn::{FILES_APART_MAX, Learned, LearnedTask, Observed, directory_of, learn};
pub use crate::predicates::Predicates;
pub use crate::problem::{Problem, ReadSetError};
pub use crate::query::{
    Node, REQUEST_FORMAT, Request, RequestFormat, RequestedAsk, Subject, Walls, limit_values,
};
pub use crate::set::{
    PolicySet, RULES_MAX, Rule, SCHEMA, SET_BYTES_MAX, SET_FILES_MAX, SourceFile, TABLE_SUFFIX,
};
pub use crate::table::{CASES_MAX, Case, CaseResult, TABLE_FORMAT, Table};
pub use crate::tags::TAGS_MAX;
pub use crate::who_can::{Who, WhoCan};
