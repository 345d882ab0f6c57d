//! `host secret`: what runs may be given in confidence, kept for whoever owns this installation alone.
//!
//! A secret is read from standard input or a file and never from the command line, which every user of the machine can see; it
//! is never shown again.

use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use host_core::SecretName;
use host_store::{SECRET_BYTES_MAX, SecretError, Secrets};
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions};
use rustix::time::Timespec;
use serde_json::json;

use crate::app::Context;
use crate::commands::run::Signals;
use crate::commands::source;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;

/// How often it is looked whether somebody interrupts.
const LOOK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};

/// Keep secrets that runs may be granted
///
/// A run that is granted `secret:NAME` finds it in the file /run/host/secrets/NAME. Nobody else does: it is in no list of
/// processes, no log and no record, and what the run says of it is masked.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    Set(SetArgs),
    List(ListArgs),
    Rm(RmArgs),
}

/// Keep a secret, in the place of another of its name
///
/// It is read from standard input, without the newline at its end; on a terminal it is asked for, and not shown.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host secret set db-password
  pass show db | host secret set db-password
  host secret set tls-key --from server.key")]
pub(crate) struct SetArgs {
    /// What runs call it
    name: SecretName,

    /// Read it from this file, with every byte of it
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// List the names of secrets
#[derive(Args, Debug)]
pub(crate) struct ListArgs {}

/// Remove a secret
#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// Its name
    name: SecretName,
}

/// Runs `host secret`.
pub(crate) fn run(context: &Context, command: &SecretCommand) -> Result<Exit, Failure> {
    match command {
        SecretCommand::Set(arguments) => set(context, arguments),
        SecretCommand::List(_) => list(context),
        SecretCommand::Rm(arguments) => remove(context, arguments),
    }
}

/// What went wrong with a secret, without anything of it.
pub(crate) fn failed(error: &SecretError) -> Failure {
    match error {
        SecretError::Missing { .. } => {
            Failure::new(Exit::Usage, error).hint("`host secret list` names those that there are")
        }
        SecretError::Length { .. } => Failure::new(Exit::Usage, error),
        _ => Failure::new(Exit::Machine, error),
    }
}

fn set(context: &Context, arguments: &SetArgs) -> Result<Exit, Failure> {
    let bytes = match &arguments.from {
        Some(file) => {
            let mut opened =
                std::fs::File::open(file).map_err(|error| source::unread(file, &error))?;
            capped(&mut opened).map_err(|error| source::unread(file, &error))?
        }
        None => typed(context, &arguments.name)?,
    };
    let secrets =
        Secrets::open_to_write(&context.settings.places.config).map_err(|error| failed(&error))?;
    secrets
        .write(&arguments.name, &bytes)
        .map_err(|error| failed(&error))?;
    context
        .printer
        .note(&format!("secret `{}` is kept", arguments.name));
    Ok(Exit::Done)
}

/// One byte more than a secret may have, so that it is seen to be too long.
fn capped(from: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(SECRET_BYTES_MAX + 2).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What standard input holds, without a newline at its end.
fn typed(context: &Context, name: &SecretName) -> Result<Vec<u8>, Failure> {
    let unread = |error: io::Error| Failure::new(Exit::Usage, &error).within("nothing was read");
    let input = io::stdin();
    let mut bytes = if input.is_terminal() {
        context.printer.ask(&format!("secret `{name}`: "));
        unseen(context, &input)?
    } else {
        capped(&mut input.lock()).map_err(unread)?
    };
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    Ok(bytes)
}

/// Reads a line of a terminal that does not show it, and shows again what is typed whatever comes in between.
fn unseen(context: &Context, terminal: &io::Stdin) -> Result<Vec<u8>, Failure> {
    let failed = |errno: Errno| Failure::new(Exit::Machine, &io::Error::from(errno));
    let signals = Signals::listen()?;
    let before = rustix::termios::tcgetattr(terminal.as_fd()).map_err(failed)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    rustix::termios::tcsetattr(terminal.as_fd(), OptionalActions::Flush, &silent)
        .map_err(failed)?;
    let mut line = String::new();
    let read = loop {
        if let Some(signal) = signals.take() {
            break Err(Failure::plain(
                Exit::Interrupted(signal),
                "interrupted, and nothing was kept",
            ));
        }
        let mut polled = [PollFd::from_borrowed_fd(terminal.as_fd(), PollFlags::IN)];
        if rustix::event::poll(&mut polled, Some(&LOOK)) == Ok(1) {
            break terminal
                .read_line(&mut line)
                .map_err(|error| Failure::new(Exit::Usage, &error));
        }
    };
    // The cursor still stands behind the question.
    context.printer.note("");
    rustix::termios::tcsetattr(terminal.as_fd(), OptionalActions::Flush, &before)
        .map_err(failed)?;
    read.map(|_| line.into_bytes())
}

fn list(context: &Context) -> Result<Exit, Failure> {
    let settings = &context.settings;
    let secrets = Secrets::open(&settings.places.config, settings.credentials().as_deref())
        .map_err(|error| failed(&error))?;
    let names = secrets.names().map_err(|error| failed(&error))?;
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        printer.json(&json!({"format": "host.secrets/1", "secrets": names}));
        return Ok(Exit::Done);
    }
    for name in &names {
        printer.line(name.as_str());
    }
    if names.is_empty() {
        printer.note("there is no secret");
        printer.hint("host secret set NAME");
    }
    Ok(Exit::Done)
}

fn remove(context: &Context, arguments: &RmArgs) -> Result<Exit, Failure> {
    let secrets = Secrets::open(&context.settings.places.config, None)
        .and_then(|secrets| secrets.remove(&arguments.name));
    secrets.map_err(|error| failed(&error))?;
    context
        .printer
        .note(&format!("secret `{}` is gone", arguments.name));
    Ok(Exit::Done)
}
