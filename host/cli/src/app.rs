//! From arguments to an exit code: settings, command line, command, and what is printed when it fails.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

use crate::args::{Cli, Command};
use crate::commands;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{self, OutputMode, Printer};
use crate::settings::{Environment, Settings};

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    /// The settings of this process.
    pub(crate) settings: Settings,
    /// Where words go.
    pub(crate) printer: Printer,
}

/// Runs `host` with these arguments, the first of which is its own name.
pub(crate) fn run(arguments: Vec<OsString>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        Printer::new(OutputMode::Human, true)
            .note(&format!("this is a bug in host, please report it: {panic}"));
    }));
    survive_size_limits();
    let exit = std::panic::catch_unwind(|| start(&arguments)).unwrap_or(Exit::Bug);
    if !printer::all_printed() {
        Printer::new(OutputMode::Human, true).note("error: not everything could be printed");
        // A result that did not reach its reader is not done.
        let exit = if exit == Exit::Done {
            Exit::Machine
        } else {
            exit
        };
        return ExitCode::from(exit.code());
    }
    ExitCode::from(exit.code())
}

/// Makes a caller's limit on the size of files an error of the write that passes it, and not the end of this process.
///
/// A handler, and not that the signal is ignored: programs that are started later must not inherit it.
fn survive_size_limits() {
    let seen = Arc::new(AtomicBool::new(false));
    // Where it cannot be had, such a limit kills as it does anywhere.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, seen);
}

fn start(arguments: &[OsString]) -> Exit {
    let settings = match Settings::gather(Environment::of_process()) {
        Ok(settings) => settings,
        Err(failure) => return end(Printer::new(OutputMode::Human, false), &failure),
    };
    let texts: Vec<String> = arguments
        .iter()
        .map(|text| text.to_string_lossy().into_owned())
        .collect();
    let asked = commands::run::scan::output_mode(&texts).unwrap_or(settings.output);
    let context = Context {
        printer: Printer::new(asked, settings.no_color),
        settings,
    };
    let printer = context.printer;
    let done = match commands::run::scan::scan(&texts) {
        // The options of a task are known only when its bundle has been opened.
        Some(named) => commands::run::run(&context, &texts, &named),
        None => dispatch(&context, arguments),
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => end(printer, &failure),
    }
}

fn end(printer: Printer, failure: &Failure) -> Exit {
    printer.failure(failure);
    failure.exit
}

fn dispatch(context: &Context, arguments: &[OsString]) -> Result<Exit, Failure> {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return explain(context, &error),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Failure::new(Exit::Usage, &error))?;
    match cli.command {
        Command::Run(_) => {
            Err(Failure::usage("name a bundle, or a module's directory").hint("host run --help"))
        }
        Command::Bundle(command) => commands::bundle::run(context, &command),
        Command::Key(command) => commands::key::run(context, &command),
        Command::Trust(command) => commands::trust::run(context, &command),
        Command::Config(command) => commands::config::run(context, &command),
        Command::Doctor(arguments) => commands::doctor::run(context, &arguments),
        Command::Completions(arguments) => commands::completions::run(context, &arguments),
        Command::Man(arguments) => commands::man::run(context, &arguments),
    }
}

/// Help and version are no failures; everything else that clap says is one of usage.
pub(crate) fn explain(context: &Context, error: &clap::Error) -> Result<Exit, Failure> {
    let text = if context.printer.mode() == OutputMode::Human && context.printer.paints() {
        error.render().ansi().to_string()
    } else {
        error.render().to_string()
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            context.printer.line(text.trim_end());
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            context.printer.note(text.trim_end());
            Ok(Exit::Usage)
        }
        _ => {
            let text = error.render().to_string();
            let mut lines = text.trim_end().lines();
            let first = lines.next().unwrap_or_default();
            let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
            let rest: Vec<String> = lines
                .map(str::to_owned)
                .filter(|line| !line.trim().is_empty())
                .collect();
            let (hints, details): (Vec<String>, Vec<String>) = rest.into_iter().partition(|line| {
                line.starts_with("For more information") || line.starts_with("Usage:")
            });
            let details = details.iter().map(|line| line.trim().to_owned()).collect();
            let usage = hints
                .into_iter()
                .find_map(|line| line.strip_prefix("Usage: ").map(str::to_owned));
            let failure = Failure::usage(message).details(details);
            Err(match usage {
                Some(usage) => failure.hint(format!("usage: {usage}")),
                None => failure,
            })
        }
    }
}
