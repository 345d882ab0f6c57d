//! `host audit restart`: lays the audit log aside and begins a new one.

use clap::Args;
use host_core::Shown;
use host_store::RestartError;
use serde_json::json;

use super::{open_to_write, unrecorded};
use crate::app::Context;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;

/// Lay the audit log aside and begin a new one
///
/// For a log that is not what was written, and so takes no further record. The old one stays beside the new one, and the
/// new one begins with its hash, its length and the reason.
#[derive(Args, Debug)]
pub(crate) struct RestartArgs {
    /// Why, for whoever reads the log later
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(super) fn run(context: &Context, arguments: &RestartArgs) -> Result<Exit, Failure> {
    let store = open_to_write(context)?;
    let restarted = store
        .journal()
        .restart(clock::timestamp(), &arguments.reason);
    let restarted = restarted.map_err(|error| match error {
        RestartError::Reason => Failure::new(Exit::Usage, &error),
        error => unrecorded(&error),
    })?;
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        match &restarted.aside {
            Some(aside) => printer.line(&format!("the old log is kept as `{}`", Shown(aside))),
            None => printer.line("there was no log to keep"),
        }
    } else {
        printer.json(&json!({
            "format": "host.audit-restart/1",
            "aside": restarted.aside,
            "head": restarted.head.to_string(),
        }));
    }
    Ok(Exit::Done)
}
