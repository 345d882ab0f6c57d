//! One file, or one directory, for each command.

mod patience;
mod source;

pub(crate) mod run;
pub(crate) mod secret;

pub(crate) mod audit;

pub(crate) mod bundle;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod trust;

pub(crate) mod config;
pub(crate) mod doctor;

pub(crate) mod completions;
pub(crate) mod man;
