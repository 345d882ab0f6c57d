//! `host audit`: what was recorded on this machine, and whether the record is what was written.
//!
//! Nothing here changes a line. What is shown was written by runs and whoever started them, and is escaped.

mod ecs;
mod filter;
mod lines;
mod row;

mod head;
mod rekey;
mod restart;
mod show;
mod verify;

mod key;

use std::error::Error;

use clap::Subcommand;
use host_store::{JournalError, OpenDirError, OpenMode, OpenStoreError, Place, Store};

use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use self::key::seal;

/// What to do when the log is not what was written.
const DAMAGE_HINT: &str = "`host audit verify` says what is wrong with it; `host audit restart --reason TEXT` keeps it \
                           aside and begins a new one";

/// Show what was recorded, and check that nobody changed it
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    Show(Box<show::ShowArgs>),
    Verify(verify::VerifyArgs),
    Head(head::HeadArgs),
    Rekey(rekey::RekeyArgs),
    Restart(restart::RestartArgs),
}

/// Runs `host audit`.
pub(crate) fn run(context: &Context, command: &AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Show(arguments) => show::run(context, arguments),
        AuditCommand::Verify(arguments) => verify::run(context, arguments),
        AuditCommand::Head(arguments) => head::run(context, arguments),
        AuditCommand::Rekey(arguments) => rekey::run(context, arguments),
        AuditCommand::Restart(arguments) => restart::run(context, arguments),
    }
}

/// Something that could not be recorded, with what to do where the log is to blame.
pub(crate) fn unrecorded(error: &(dyn Error + 'static)) -> Failure {
    let failure = Failure::new(Exit::Machine, error);
    let mut cause = Some(error);
    while let Some(error) = cause {
        let journal = error.downcast_ref::<JournalError>();
        if journal.is_some_and(JournalError::is_damage) {
            return failure.hint(DAMAGE_HINT);
        }
        cause = error.source();
    }
    failure
}

/// The store, for looking only; none where nothing was ever recorded.
pub(crate) fn open_to_look(context: &Context) -> Result<Option<Store>, Failure> {
    match Store::open(&context.settings.places, OpenMode::Read) {
        Ok(store) => Ok(Some(store)),
        Err(OpenStoreError::Directory {
            place: Place::State,
            source: OpenDirError::Missing { .. },
        }) => Ok(None),
        Err(error) => Err(Failure::new(Exit::Machine, &error)),
    }
}

/// The store, with the key that signs checkpoints.
fn open_to_write(context: &Context) -> Result<Store, Failure> {
    let opened = Store::open(&context.settings.places, OpenMode::Write);
    let mut store = opened.map_err(|error| Failure::new(Exit::Machine, &error))?;
    seal(&mut store)?;
    Ok(store)
}

/// Nothing was recorded here.
fn nothing(context: &Context) -> Exit {
    context.printer.note("nothing is recorded here yet");
    Exit::Done
}
