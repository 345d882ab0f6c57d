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
use crate::usage;

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
    let exit = std::panic::catch_unwind(|| start(&arguments)).unwrap_or_else(|_| bug(&arguments));
    if !printer::all_printed() {
        Printer::new(OutputMode::Human, true).note("error: not everything could be printed");
        // A result that did not reach its reader is not done.
        let exit = match exit {
            Exit::Done => Exit::Machine,
            Exit::Program(0) => Exit::NotRun,
            exit => exit,
        };
        return ExitCode::from(exit.code());
    }
    ExitCode::from(exit.code())
}

/// How a bug of ours ends: by a code of its own, but among those of a program by the one that is not the program's.
fn bug(arguments: &[OsString]) -> Exit {
    let exit = std::panic::catch_unwind(|| {
        let named = commands::run::scan::scan(arguments);
        let failure = Failure::plain(Exit::Bug, "a bug in host");
        commands::run::of_program(named.as_ref(), failure).exit
    });
    exit.unwrap_or(Exit::Bug)
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
    let arguments = &help_last(arguments);
    // ORDER: before the environment, the settings or anything else is read: what it keeps must not find them in its memory.
    let named = commands::run::scan::scan(arguments);
    let keeper = named.as_ref().and_then(commands::run::keeper_for);
    let settings = match Settings::gather(Environment::of_process()) {
        Ok(settings) => settings,
        Err(failure) => {
            let failure = commands::run::of_program(named.as_ref(), failure);
            return end(Printer::new(OutputMode::Human, false), &failure);
        }
    };
    let asked = commands::run::scan::output_mode(arguments).unwrap_or(settings.output);
    let context = Context {
        printer: Printer::new(asked, settings.no_color),
        settings,
    };
    let printer = context.printer;
    let done = match named {
        // The options of a task are known only when its bundle has been opened.
        Some(named) => commands::run::run(&context, arguments, &named, keeper),
        None => dispatch(&context, arguments),
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => end(printer, &failure),
    }
}

/// `host help run` as `host run --help`.
fn help_last(arguments: &[OsString]) -> Vec<OsString> {
    match arguments {
        [program, first, rest @ ..] if first == "help" => {
            let program = std::iter::once(program).chain(rest).cloned();
            program.chain(["--help".into()]).collect()
        }
        _ => arguments.to_vec(),
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
        Command::Secret(command) => commands::secret::run(context, &command),
        Command::Policy(command) => commands::policy::run(context, &command),
        Command::Audit(command) => commands::audit::run(context, &command),
        Command::Config(command) => commands::config::run(context, &command),
        Command::Doctor(arguments) => commands::doctor::run(context, &arguments),
        Command::Completions(arguments) => commands::completions::run(context, &arguments),
        Command::Man(arguments) => commands::man::run(context, &arguments),
    }
}

/// Help and version are no failures; everything else that clap says is one of usage.
pub(crate) fn explain(context: &Context, error: &clap::Error) -> Result<Exit, Failure> {
    let printer = context.printer;
    let text = |paints: bool| {
        let text = error.render();
        if printer.mode() == OutputMode::Human && paints {
            text.ansi().to_string()
        } else {
            text.to_string()
        }
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.line(text(printer.paints_stdout()).trim_end());
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            printer.note(text(printer.paints_stderr()).trim_end());
            Ok(Exit::Usage)
        }
        _ => Err(usage::failure(error)),
    }
}
