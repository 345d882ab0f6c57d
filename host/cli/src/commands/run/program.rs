//! `host run PROGRAM.wasm`: a WASI program as it is, with its own arguments, streams and exit code.
//!
//! It is held by the walls and the limits of any run and recorded like one. Nothing is said beside what it says itself,
//! unless it ends otherwise than by itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use host_core::{Capability, EnvName, LimitName, NameError, Outcome, RunId, Shown};
use host_jail::{Keeper, StartError};
use host_node::{
    CompileError, Finished, GuestDir, Moment, PROGRAM_BYTES_MAX, ProgramPlan, ProgramRequest,
};
use host_store::Store;

use super::compile::{compiling, try_to_compile};
use super::live::{Followed, SIGPIPE, Shows, Signals, follow};
use super::pump;
use super::summary::{self, Told};
use super::turned_away::turned_away;
use super::{kept, open_store, typed};
use crate::app::{self, Context};
use crate::clock;
use crate::commands::policy::explain;
use crate::commands::policy::sets::{self, PolicyArgs};
use crate::commands::{audit, source};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;
use crate::wording::shown;

/// What every WebAssembly binary begins with.
const MAGIC: &[u8] = b"\0asm";
/// What a trap ends with, as it does with other hosts: as if SIGABRT had been the reason.
const EXIT_TRAPPED: u8 = 134;
/// What a limit but that of time ends with, as if SIGKILL had been the reason.
const EXIT_KILLED: u8 = 137;
/// What a signal adds to its number.
const SIGNALLED: i32 = 128;

#[derive(Debug, Parser)]
#[command(name = "host", max_term_width = 110, disable_help_subcommand = true)]
struct ProgramCli {
    /// What standard output is for
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        help_heading = "Everywhere"
    )]
    output: Option<OutputMode>,

    #[command(subcommand)]
    command: ProgramCommand,
}

#[derive(Debug, Subcommand)]
enum ProgramCommand {
    Run(ProgramArgs),
}

/// Run a WASI program as it is, with what it was granted, and nothing else
///
/// PROGRAM is a WebAssembly module of WASI preview 1 or a component of WASI 0.2 (preview 2) that is a command. It gets
/// its arguments, this standard input and these two outputs; its exit code is ours. It sees no file and no variable that is
/// not named here, and no network.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host run hello.wasm
  host run jaq.wasm -- .name < package.json
  host run convert.wasm --dir photos::/in::ro --dir out::/out -- /in/a.png /out/a.jpg

exit codes:  the program's own  124 the limit `wall`  125 it was not run, or host failed  134 it trapped
             137 another limit  130, 143 interrupted  128 + N it was killed by signal N")]
struct ProgramArgs {
    /// The program
    program: PathBuf,

    /// A directory for the program, under another name if one is given; read only with ::ro (may be repeated)
    #[arg(long, value_name = "HOST[::GUEST[::ro]]", help_heading = "Grants")]
    dir: Vec<String>,

    /// A variable for the program; without a value it is the one that is set here (may be repeated)
    #[arg(long, value_name = "NAME[=VALUE]", help_heading = "Grants")]
    env: Vec<String>,

    /// Grant a capability, such as fs.read:/var/log (may be repeated)
    #[arg(long, value_name = "CAP", help_heading = "Grants")]
    allow: Vec<String>,

    /// Limit the run: wall, cpu, share, memory, output, files
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Grants")]
    limit: Vec<String>,

    /// The same as --limit wall=D
    #[arg(long, value_name = "D", help_heading = "Grants")]
    timeout: Option<String>,

    #[command(flatten)]
    policy: PolicyArgs,

    /// The program's own arguments; those that look like options stand behind --
    #[arg(value_name = "ARG")]
    arguments: Vec<OsString>,
}

/// Whether what is named to be run is a WASI program: by its name, or by how it begins.
pub(super) fn is_program(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let is_named_so = name.is_some_and(|name| host_task::is_wasm_file(&name));
    if is_named_so {
        // A module may be called anything.
        return !path.join("tasks").is_dir();
    }
    // What is no file may not be opened just to look at it.
    if !path.is_file() {
        return false;
    }
    let mut first = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut first));
    read.is_ok() && first == MAGIC
}

/// Runs a program; any failure of ours has one exit code, so that all others are the program's.
pub(super) fn run(
    context: &Context,
    arguments: &[OsString],
    keeper: Option<Result<Keeper, StartError>>,
) -> Result<Exit, Failure> {
    let matches = match ProgramCli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return app::explain(context, &error).map_err(not_run),
    };
    let typed = ProgramCli::from_arg_matches(&matches);
    let typed = typed.map_err(|error| Failure::new(Exit::NotRun, &error))?;
    let ProgramCommand::Run(typed) = typed.command;
    kept(keeper)
        .and_then(|keeper| start(context, &typed, keeper))
        .map_err(not_run)
}

/// A failure that is ours, and not the program's.
pub(super) fn not_run(failure: Failure) -> Failure {
    let exit = match failure.exit {
        Exit::Interrupted(signal) => Exit::Interrupted(signal),
        _ => Exit::NotRun,
    };
    Failure { exit, ..failure }
}

fn start(context: &Context, typed: &ProgramArgs, keeper: Keeper) -> Result<Exit, Failure> {
    let program = read(&typed.program)?;
    let request = request(context, typed, &program).or_else(|failure| {
        let store = open_store(&context.settings.places)?;
        let bundle = host_node::bundle_of_program(host_node::digest_of_program(&program));
        Err(turned_away(&store, &typed.policy, "", &bundle, failure))
    })?;
    let mut machine = context.settings.machine();
    machine
        .never
        .extend(request.ruled.as_ref().map(|ruled| ruled.place.clone()));
    let plan = host_node::plan_program(&request, &machine)
        .map_err(|error| Failure::new(Exit::NotRun, &error))?;
    let store = open_store(&context.settings.places)?;
    let moment = clock::moment()?;
    let grant = match plan.grant() {
        Ok(grant) => grant,
        Err(_) => return refused(context, &plan, &store, &moment),
    };
    let signals = Signals::listen()?;
    let compiling = compiling(&machine, &store, &moment)?;
    let shown = shown(&typed.program);
    let digest = &request.digest;
    let compiled = try_to_compile(
        context,
        &signals,
        &shown,
        digest,
        || Ok(program),
        &compiling,
    )?;
    let compiled = match compiled {
        Ok(compiled) => compiled,
        Err(error) => return unfit(context, &plan, &store, &moment, &shown, &error),
    };
    let (stdin, pumping) = pump::stream().map_err(|error| Failure::new(Exit::Machine, &error))?;
    let work = plan.work(compiled, stdin);
    let running = host_node::begin(work, &grant, &machine, &store, &moment, keeper)
        .map_err(|error| audit::unrecorded(&error))?;
    let run = running.run();
    pumping.begin();
    let followed = follow(context, running, &signals, &shown, Shows::Bytes)?;
    end(context, &plan, &shown, &followed, run);
    Ok(exit(&followed.finished, followed.interrupted))
}

/// Says how the program ended, where that is to be said.
fn end(context: &Context, plan: &ProgramPlan<'_>, name: &str, followed: &Followed, run: RunId) {
    let finished = &followed.finished;
    if context.printer.mode() != OutputMode::Human {
        return summary::record(context.printer, &finished.record);
    }
    // One that ended by itself has its own words and no others; what it tried in vain is in the record. Whoever has had
    // enough of its output wants to hear nothing of how it ended.
    if ended_by_itself(finished) || followed.interrupted == Some(SIGPIPE) {
        return;
    }
    if !followed.ended_line {
        context.printer.note("");
    }
    let told = Told {
        name,
        limits: &plan.limits,
        kind: "wasm",
        noop: false,
    };
    summary::failure(context, &told, finished, run);
}

fn ended_by_itself(finished: &Finished) -> bool {
    matches!(finished.record.outcome, Outcome::Exited { .. })
}

/// How `host` ends: as the program did.
fn exit(finished: &Finished, interrupted: Option<u8>) -> Exit {
    match &finished.record.outcome {
        // What is cut off is what the exit code of a process does not hold; what is left of a failure is none the less one.
        Outcome::Exited { code } => Exit::Program(match code.to_le_bytes()[0] {
            0 if *code != 0 => u8::MAX,
            held => held,
        }),
        Outcome::Signalled { signal } => Exit::Program((SIGNALLED + signal).to_le_bytes()[0]),
        Outcome::Trapped { .. } => Exit::Program(EXIT_TRAPPED),
        Outcome::Limit {
            limit: LimitName::Wall,
        } => Exit::ProgramTimedOut,
        Outcome::Limit { .. } => Exit::Program(EXIT_KILLED),
        Outcome::Cancelled { .. } => Exit::Interrupted(interrupted.unwrap_or(2)),
        Outcome::CouldNotStart { .. }
        | Outcome::Refused { .. }
        | Outcome::Lost { .. }
        | Outcome::Unkillable { .. } => Exit::NotRun,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unread = |error: std::io::Error| source::unread(path, &error);
    let mut program = Vec::new();
    let file = File::open(path).map_err(unread)?;
    let mut limited = file.take(PROGRAM_BYTES_MAX + 1);
    limited.read_to_end(&mut program).map_err(unread)?;
    if program.len() as u64 > PROGRAM_BYTES_MAX {
        let message = format!("`{}` is larger than 256 MiB", shown(path));
        return Err(Failure::usage(message));
    }
    Ok(program)
}

fn request(
    context: &Context,
    typed: &ProgramArgs,
    program: &[u8],
) -> Result<ProgramRequest, Failure> {
    let name = typed.program.file_name().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    let arguments = typed.arguments.iter().map(|argument| {
        argument.to_str().map(str::to_owned).ok_or_else(|| {
            let message = format!("`{}` is not UTF-8", Shown(&argument.to_string_lossy()));
            Failure::usage(message).hint("WASI programs take arguments in UTF-8 only")
        })
    });
    let arguments = std::iter::once(Ok(name)).chain(arguments);
    let named = typed.env.iter();
    let (environment, passed): (Vec<_>, Vec<_>) = named.partition(|text| text.contains('='));
    let dirs = dirs(&typed.dir)?;
    let allow = typed.allow.iter().map(|text| typed::capability(text));
    let allow: Vec<Capability> = allow.collect::<Result<_, _>>()?;
    if let Some(dir) = dirs
        .iter()
        .find(|dir| allow.iter().any(|capability| clashes(dir, capability)))
    {
        let message = format!("`{}` is the name of two places", Shown(&dir.name));
        return Err(Failure::usage(message).hint(
            "what --allow grants is found by its own path: give the directory of --dir another name",
        ));
    }
    Ok(ProgramRequest {
        digest: host_node::digest_of_program(program),
        arguments: arguments.collect::<Result<_, _>>()?,
        environment: variables(&environment)?,
        passed: passed
            .into_iter()
            .map(|name| passed_variable(name))
            .collect::<Result<_, _>>()?,
        dirs,
        allow,
        limits: typed::limits(typed.timeout.as_deref(), &typed.limit)?,
        ruled: sets::ruled(context, &typed.policy)?,
    })
}

/// Each variable once, with the value that was said last.
fn variables(texts: &[&String]) -> Result<Vec<(String, String)>, Failure> {
    let variables = texts.iter().map(|text| variable(text));
    let last: BTreeMap<String, String> = variables.collect::<Result<_, _>>()?;
    Ok(last.into_iter().collect())
}

fn variable(text: &str) -> Result<(String, String), Failure> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(Failure::usage("a variable has no name before `=`"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A variable of the caller's, which is a grant like any other.
fn passed_variable(name: &str) -> Result<EnvName, Failure> {
    name.parse().map_err(|error: NameError| {
        Failure::new(Exit::Usage, &error).within(format!(
            "`{}` is no variable that can be passed on",
            Shown(name)
        ))
    })
}

/// Whether a directory has the name that a granted path, or the directory of a granted file, is found by.
fn clashes(dir: &GuestDir, capability: &Capability) -> bool {
    let (Capability::FsRead(path) | Capability::FsWrite(path)) = capability else {
        return false;
    };
    let path = Path::new(path.as_str());
    let place = Path::new(dir.place.as_str());
    let name = Path::new(&dir.name);
    place != name && (name == path || Some(name) == path.parent())
}

fn dirs(texts: &[String]) -> Result<Vec<GuestDir>, Failure> {
    let mut dirs: Vec<GuestDir> = Vec::new();
    for text in texts {
        let dir = dir(text)?;
        if dirs.iter().any(|other| other.name == dir.name) {
            let message = format!("two directories are named `{}`", Shown(&dir.name));
            return Err(Failure::usage(message).hint("give each its own: --dir HOST::GUEST"));
        }
        dirs.push(dir);
    }
    Ok(dirs)
}

/// `HOST`, `HOST::GUEST` or `HOST::GUEST::ro`.
fn dir(text: &str) -> Result<GuestDir, Failure> {
    let mut parts = text.split("::");
    let host = parts.next().unwrap_or_default();
    if host.is_empty() {
        let message = format!("`{}` names no directory of this machine", Shown(text));
        return Err(Failure::usage(message).hint("write --dir HOST::GUEST, such as --dir .::/data"));
    }
    let guest = parts.next().unwrap_or(host);
    let writable = match (parts.next(), parts.next()) {
        (None, _) => true,
        (Some("ro"), None) => false,
        _ => {
            let message = format!("`{}` is no directory for a program", Shown(text));
            return Err(
                Failure::usage(message).hint("write --dir HOST, HOST::GUEST or HOST::GUEST::ro")
            );
        }
    };
    if guest.is_empty() {
        let message = format!("`{}` names no directory of the program", Shown(text));
        return Err(
            Failure::usage(message).hint("write --dir HOST::GUEST, such as --dir data::/data")
        );
    }
    let path = Path::new(host);
    // Whoever types a path means what it leads to; from here on no link is followed.
    let real = path
        .canonicalize()
        .map_err(|error| source::unread(path, &error))?;
    if !real.is_dir() {
        return Err(Failure::usage(format!("`{}` is no directory", Shown(host)))
            .hint("a single file is granted with --allow fs.read:/path or fs.write:/path"));
    }
    let place = real.to_str().unwrap_or_default().parse();
    let place = place.map_err(|error: host_core::PathError| {
        Failure::new(Exit::Usage, &error).within(format!("`{}` cannot be granted", Shown(host)))
    })?;
    Ok(GuestDir {
        place,
        name: guest.to_owned(),
        writable,
    })
}

/// Records the refusal and explains it.
fn refused(
    context: &Context,
    plan: &ProgramPlan<'_>,
    store: &Store,
    moment: &Moment,
) -> Result<Exit, Failure> {
    let record = plan
        .refuse(store, moment)
        .map_err(|error| audit::unrecorded(&error))?;
    if context.printer.mode() != OutputMode::Human {
        summary::record(context.printer, &record);
        return Ok(Exit::NotRun);
    }
    if let Some(judgment) = &plan.judgment {
        let task = judgment.request.task.id();
        let sentence = format!(
            "{} may not run this program by the policy `{}`",
            judgment.request.caller,
            Shown(judgment.set.name())
        );
        let mut lines = explain::lines(&judgment.set, &task, &judgment.decided);
        let rules = explain::smallest(&judgment.set, &judgment.request);
        if !rules.is_empty() {
            lines.push(String::new());
            lines.push("the smallest rules that would permit what is missing:".to_owned());
            lines.extend(
                rules
                    .iter()
                    .flat_map(|rule| rule.lines())
                    .map(|line| format!("    {line}")),
            );
        }
        return Err(Failure::plain(Exit::NotRun, sentence).details(lines));
    }
    let lines = record
        .denials
        .iter()
        .map(|denial| format!("{}   {}", Shown(&denial.capability), Shown(&denial.reason)));
    let failure = Failure::plain(
        Exit::NotRun,
        "the program asks for what no run can have here",
    );
    Err(failure.details(lines.collect()))
}

/// Records that the program cannot be run by anyone, and says why.
fn unfit(
    context: &Context,
    plan: &ProgramPlan<'_>,
    store: &Store,
    moment: &Moment,
    name: &str,
    error: &CompileError,
) -> Result<Exit, Failure> {
    let finished = plan
        .unstarted(store, moment, &error.to_string(), error.hint())
        .map_err(|error| audit::unrecorded(&error))?;
    if context.printer.mode() != OutputMode::Human {
        summary::record(context.printer, &finished.record);
        return Ok(Exit::NotRun);
    }
    let failure = Failure::new(Exit::NotRun, error).within(format!("`{name}` cannot be run"));
    Err(match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_a_name_of_its_own_and_may_be_read_only() {
        let lab = tempfile::tempdir().unwrap();
        let real = lab.path().canonicalize().unwrap();
        let host = real.to_str().unwrap();
        let parsed = |text: String| {
            let dir = dir(&text).unwrap();
            (dir.place.as_str().to_owned(), dir.name, dir.writable)
        };
        let place = || host.to_owned();
        assert_eq!(parsed(place()), (place(), place(), true));
        assert_eq!(
            parsed(format!("{host}::/x")),
            (place(), "/x".to_owned(), true)
        );
        assert_eq!(
            parsed(format!("{host}::/x::ro")),
            (place(), "/x".to_owned(), false)
        );
        for bad in ["::", "::ro::rw", "::/x::rw", "::/x::ro::y"] {
            assert!(dir(&format!("{host}{bad}")).is_err(), "{bad}");
        }
        assert!(dir("/nowhere/at/all").is_err());
        assert!(dirs(&[format!("{host}::/x"), format!("{host}::/x")]).is_err());
    }
}
