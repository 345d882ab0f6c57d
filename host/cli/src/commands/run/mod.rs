//! `host run`: runs a task of a bundle on this machine.

pub(crate) mod scan;

mod document;
mod options;
pub(crate) mod typed;

mod glance;
mod help;

pub(crate) mod failures;
mod refusal;

mod compile;
mod program;
mod pump;

mod announce;
mod learned;
mod letters;
mod live;
mod summary;
mod turned_away;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};
use host_core::Shown;
use host_jail::{Guess, Keeper, StartError};
use host_node::{
    BeginError, CompileError, Loaded, Machine, Moment, Plan, RunRequest, SealOptions, Work,
};
use host_store::{OpenMode, OpenStoreError, Places, Store};
use host_task::TaskDefinition;

pub(crate) use self::compile::{compile_bundled, compiling};
use self::live::Shows;
pub(crate) use self::live::Signals;
use self::typed::InputText;
use crate::app::{self, Context};
use crate::args::{Cli, Command};
use crate::clock;
use crate::commands::audit;
use crate::commands::bundle::look::Look;
use crate::commands::bundle::verdict;
use crate::commands::patience::Waiting;
use crate::commands::policy::sets::{self, PolicyArgs};
use crate::commands::{source, trust};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Paint;
use crate::wording::shown;

/// How much of a bundle's front is looked at to guess what it runs, in bytes: most manifests.
const FRONT_BYTES: u64 = 16 << 10;

/// Run a task with what it was granted, and nothing else
///
/// BUNDLE is a sealed bundle, a plain tar of a module, or a module's directory. Without TASK the module's own
/// task runs, or the only one that it has. `host run BUNDLE TASK --help` shows the task's own parameters.
///
/// A task gets nothing of this machine that it was not granted: what it asks for is shown, and you allow it,
/// one by one with --allow or all of it with --allow-asked.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host run disk-report.tar
  host run disk-report.tar --allow fs.read:/var/log threshold=90
  host run service.tar service action=restart name=nginx --noop --allow-asked
  host run ./mymodule mytask --input @values.yaml --limit wall=30s --output json

A WASI program runs as it is, with options of its own: host run PROGRAM.wasm --help")]
pub(crate) struct RunArgs {
    /// A bundle, a plain tar of a module, or a module's directory
    pub(crate) bundle: PathBuf,

    /// The task, then its parameters as name=value or name:=JSON
    #[arg(value_name = "TASK | NAME=VALUE")]
    pub(crate) words: Vec<String>,

    /// Parameters as JSON or YAML: inline, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub(crate) input: Option<String>,

    /// Grant a capability, such as fs.read:/var/log (may be repeated)
    #[arg(long, value_name = "CAP", help_heading = "Grants")]
    pub(crate) allow: Vec<String>,

    /// Grant what the bundle asks for, but for what is dangerous
    #[arg(long, help_heading = "Grants", conflicts_with = "policy")]
    pub(crate) allow_asked: bool,

    /// Limit the run: wall, cpu, share, memory, processes, output, scratch, inodes, files, input, calls
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Grants")]
    pub(crate) limit: Vec<String>,

    /// The same as --limit wall=D
    #[arg(long, value_name = "D", help_heading = "Grants")]
    pub(crate) timeout: Option<String>,

    #[command(flatten)]
    pub(crate) policy: PolicyArgs,

    /// Only say what would be changed, where the task supports it
    #[arg(long)]
    pub(crate) noop: bool,

    /// Note what the run opens, connects to and executes, to write rules from: host policy learn
    #[arg(long, help_heading = "Policy")]
    pub(crate) learn: bool,

    /// Where other modules are that a module's directory needs (may be repeated)
    #[arg(long, value_name = "DIR")]
    pub(crate) modulepath: Vec<PathBuf>,
}

/// Runs `host run` for a bundle that the first look has found.
pub(crate) fn run(
    context: &Context,
    arguments: &[OsString],
    named: &scan::Named,
    keeper: Option<Result<Keeper, StartError>>,
) -> Result<Exit, Failure> {
    // ORDER: what can be told from the words alone is told before anything is made or kept on this machine.
    there(named).map_err(|failure| of_program(Some(named), failure))?;
    if program::is_program(&named.bundle) {
        return program::run(context, arguments, keeper);
    }
    let mut input = InputText::default();
    check_own_flags(context, arguments)?;
    if named.help {
        return help(context, arguments, named);
    }
    if let Some(text) = named.input.as_ref().filter(|text| !typed::is_stdin(text)) {
        input.read(text)?;
    }
    source::modulepath(context, &named.bundle, &named.modulepath)?;
    let bundle_again = command_without_input(named);
    let plainly = command_line(&[named.bundle.to_str()]);
    glance::check(
        context,
        named,
        arguments,
        &mut input,
        [&bundle_again, &plainly],
    )?;
    // While it makes what every jail needs, the bundle is looked at.
    let keeper = kept(keeper)?;
    let store = open_store(&context.settings.places)?;
    let loaded = load(context, &store, &named.bundle, &named.modulepath)?;
    let named = &glance::settle(&loaded.module, arguments, named);
    // Without its task nobody knows its options.
    let task = glance::find(&loaded.module, named)
        .map_err(|error| failures::find_failure(&error, &loaded.module, named))?;
    let command = glance::command(&loaded.module, task);
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::UnknownArgument => {
            return Err(failures::no_such_option(&error, &bundle_again, task));
        }
        // It stood where the first look took it for the value of an option.
        Err(error) if error.kind() == ErrorKind::DisplayHelp => {
            let subject = help::Subject {
                module: &loaded.module,
                manifest: loaded.bundle.manifest(),
                signers: loaded.bundle.signers(),
            };
            return help::print(context, &subject, named);
        }
        Err(error) => return app::explain(context, &error),
    };
    let typed = run_args(&matches)?;
    let own = matches.subcommand_matches("run");
    same_bundle(&typed, named)?;
    let turned_away = |failure: Failure| {
        let (task, bundle) = (task.name.to_string(), loaded.summary());
        turned_away::turned_away(&store, &typed.policy, &task, &bundle, failure)
    };
    let mut request = typed::request(&typed, &mut input)?;
    if let Some(own) = own {
        options::read(own, task, &mut request.input).map_err(turned_away)?;
    }
    request.ruled = sets::ruled(context, &typed.policy).map_err(turned_away)?;
    let secret = warn_of_secrets(context, &typed, own, task);
    let again = if secret {
        bundle_again
    } else {
        command_as_typed(arguments)
    };
    let mut machine = context.settings.machine();
    machine
        .never
        .extend(request.ruled.as_ref().map(|ruled| ruled.place.clone()));
    let plan = host_node::plan(&loaded, &request, &machine)
        .map_err(|error| failures::plan_failure(context, &error, &loaded.module, &plainly))
        .map_err(turned_away)?;
    start(context, &store, keeper, &plan, &machine, &request, &again)
}

/// Forks the keeper of a run that the command line seems to ask for; none where it does not.
pub(crate) fn keeper_for(named: &scan::Named) -> Option<Result<Keeper, StartError>> {
    if named.help || !named.bundle.exists() {
        return None;
    }
    let by_root = rustix::process::geteuid().is_root();
    let guess = if program::is_program(&named.bundle) {
        Guess::Function
    } else {
        guess(&named.bundle)
    };
    Some(host_jail::start(by_root, host_node::worker, guess))
}

/// The keeper that was forked ahead.
fn kept(keeper: Option<Result<Keeper, StartError>>) -> Result<Keeper, Failure> {
    let by_root = rustix::process::geteuid().is_root();
    let keeper =
        keeper.unwrap_or_else(|| host_jail::start(by_root, host_node::worker, Guess::Program));
    keeper.map_err(|error| Failure::new(Exit::Machine, &BeginError::from(error)))
}

/// A failure before anything else, which has an exit code of its own where a WASI program is to be run as it is.
pub(crate) fn of_program(named: Option<&scan::Named>, failure: Failure) -> Failure {
    match named {
        Some(named) if program::is_program(&named.bundle) => program::not_run(failure),
        _ => failure,
    }
}

/// What a bundle will probably run, told by nothing but whether its front or its directory names a WASI program.
fn guess(bundle: &Path) -> Guess {
    let names_wasm = if bundle.is_dir() {
        let tasks = std::fs::read_dir(bundle.join("tasks"));
        let mut names = tasks.into_iter().flatten().flatten();
        names.any(|entry| host_task::is_wasm_file(&entry.file_name().to_string_lossy()))
    } else if bundle.is_file() {
        let mut front = Vec::new();
        let read =
            File::open(bundle).and_then(|file| file.take(FRONT_BYTES).read_to_end(&mut front));
        read.is_ok() && front.windows(5).any(|window| window == b".wasm")
    } else {
        // A pipe has its bytes once.
        false
    };
    if names_wasm {
        Guess::Function
    } else {
        Guess::Program
    }
}

/// What is named to be run, if only that it is there.
fn there(named: &scan::Named) -> Result<(), Failure> {
    let bundle = &named.bundle;
    let Err(error) = std::fs::metadata(bundle) else {
        return Ok(());
    };
    let failure = source::unread(bundle, &error);
    if let Some(option) = named.before_bundle.first() {
        return Err(failure
            .within(format!(
                "`{}` is no option of `host run`, and behind it no bundle was found",
                Shown(&option.flag)
            ))
            .hint("options of a task stand behind the bundle"));
    }
    let text = bundle.to_string_lossy();
    // So a task is written where modules are found by name.
    Err(match text.split_once("::") {
        Some((module, _)) => failure.hint(format!(
            "the module's directory or bundle comes first: host run ./{} {}",
            Shown(module),
            Shown(&text)
        )),
        None => failure,
    })
}

/// An option without a value before the bundle looks as if it took the bundle for its value.
fn same_bundle(typed: &RunArgs, named: &scan::Named) -> Result<(), Failure> {
    if typed.bundle == named.bundle {
        return Ok(());
    }
    let message = format!(
        "`{}` and `{}` may both be the bundle",
        shown(&typed.bundle),
        shown(&named.bundle)
    );
    Err(Failure::usage(message).hint("options of a task stand behind the bundle"))
}

/// Says what is wrong with what is ours on the command line, whatever the task's own options are.
fn check_own_flags(context: &Context, arguments: &[OsString]) -> Result<(), Failure> {
    let matches = match Cli::command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        // That may be an option of the task, and whatever follows it may belong to it.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownArgument | ErrorKind::DisplayHelp
            ) =>
        {
            return Ok(());
        }
        Err(error) => return app::explain(context, &error).map(drop),
    };
    let mut typed = run_args(&matches)?;
    if let Some(limit) = typed.limit.iter().find(|limit| limit.starts_with("wall="))
        && let Some(timeout) = &typed.timeout
    {
        return Err(Failure::usage(format!(
            "`--limit {}` and `--timeout {}` are the same limit",
            Shown(limit),
            Shown(timeout)
        ))
        .hint("say only one of them"));
    }
    let is_nameless = |word: &&String| word.starts_with(['=', ':']) && word.contains('=');
    if typed.words.iter().any(|word| is_nameless(&word)) {
        return Err(Failure::usage("a parameter has no name before `=`")
            .hint("parameters are written as name=value"));
    }
    typed.input = None;
    typed::request(&typed, &mut InputText::default()).map(drop)
}

fn run_args(matches: &ArgMatches) -> Result<RunArgs, Failure> {
    let cli = Cli::from_arg_matches(matches).map_err(|error| Failure::new(Exit::Usage, &error))?;
    match cli.command {
        Command::Run(typed) => Ok(typed),
        _ => Err(Failure::usage("this is not `host run`")),
    }
}

/// Help needs the bundle, and nothing of this machine: it is looked into as by `host bundle show`, and nothing of it is
/// kept.
fn help(context: &Context, arguments: &[OsString], named: &scan::Named) -> Result<Exit, Failure> {
    let trust = trust::load(context)?;
    let look = Look::beside(context, &named.bundle, &named.modulepath)?;
    let signers = if look.is_sealed {
        verdict(&look, &trust, clock::now_unix()).map_err(|error| {
            source::untrusted(&named.bundle, look.manifest.module().as_str(), &error)
        })?
    } else {
        Vec::new()
    };
    let module = look.read(context, &BTreeSet::new())?.module;
    let subject = help::Subject {
        module: &module,
        manifest: &look.manifest,
        signers: &signers,
    };
    help::print(
        context,
        &subject,
        &glance::settle(&module, arguments, named),
    )
}

/// The command line once more, to put something behind it.
fn command_as_typed(arguments: &[OsString]) -> String {
    let words = arguments
        .iter()
        .skip(1)
        .map(|word| refusal::shell_word(&Shown(&word.to_string_lossy()).to_string()));
    ["host".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The same without anything that may be secret.
fn command_without_input(named: &scan::Named) -> String {
    command_line(&[named.bundle.to_str(), named.task.as_deref()])
}

fn command_line(words: &[Option<&str>]) -> String {
    let words = words
        .iter()
        .flatten()
        .map(|word| refusal::shell_word(&Shown(word).to_string()));
    ["host".to_owned(), "run".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

fn open_store(places: &Places) -> Result<Store, Failure> {
    let opened = Store::open(places, OpenMode::Write).map_err(|error: OpenStoreError| {
        Failure::new(Exit::Machine, &error).hint("without a place to record runs, none is started")
    });
    let mut store = opened?;
    audit::seal(&mut store)?;
    Ok(store)
}

/// Verifies and reads what is to be run: a bundle, or a module that is sealed on the way.
pub(crate) fn load(
    context: &Context,
    store: &Store,
    path: &Path,
    modulepath: &[PathBuf],
) -> Result<Loaded, Failure> {
    let trust = trust::load(context)?;
    let options = SealOptions {
        for_own_run: true,
        modulepath: source::modulepath(context, path, modulepath)?,
        ..SealOptions::default()
    };
    let mut waiting = Waiting::new(context.printer, format!("reading `{}`", shown(path)));
    let mut busy = || waiting.nudge();
    host_node::load(path, &trust, clock::now_unix(), &options, store, &mut busy)
        .map_err(|error| source::unloaded(path, &error))
}

/// A secret on a command line can be seen by everyone on the machine; says so, and whether there is one.
fn warn_of_secrets(
    context: &Context,
    typed: &RunArgs,
    own: Option<&ArgMatches>,
    task: &TaskDefinition,
) -> bool {
    let mut found = false;
    for parameter in task
        .metadata
        .parameters
        .iter()
        .flatten()
        .filter(|parameter| parameter.sensitive)
    {
        let name = parameter.name.as_str();
        let assigned = typed
            .words
            .iter()
            .any(|word| word.split(['=', ':']).next() == Some(name));
        let inline = typed
            .input
            .as_ref()
            .is_some_and(|input| !input.starts_with('@') && input != "-");
        if assigned || inline || own.is_some_and(|own| options::is_given(own, name)) {
            found = true;
            let warning = context.printer.on_stderr(Paint::Refused, "warning:");
            context.printer.note(&format!(
                "{warning} `{name}` is secret, and every user of this machine can see a command line; use --input @FILE or -"
            ));
        }
    }
    found
}

fn start(
    context: &Context,
    store: &Store,
    keeper: Keeper,
    plan: &Plan<'_>,
    machine: &Machine,
    request: &RunRequest,
    again: &str,
) -> Result<Exit, Failure> {
    let moment = clock::moment()?;
    let grant = match plan.grant() {
        Ok(grant) => grant,
        Err(_) => return refusal::end(context, plan, request, store, &moment, again),
    };
    announce::announce(context, plan, &grant, request);
    let signals = live::Signals::listen()?;
    let compiled = match plan.program() {
        None => None,
        Some(program) => {
            let compiling = compile::compiling(machine, store, &moment)?;
            match compile_bundled(context, &signals, program, &compiling)? {
                Ok(compiled) => Some(compiled),
                Err(error) => {
                    drop(keeper);
                    return unstarted(context, store, plan, request, &moment, &error);
                }
            }
        }
    };
    let work = Work::of_task(plan, compiled, store);
    let running = work
        .and_then(|work| host_node::begin(work, &grant, machine, store, &moment, keeper))
        .map_err(|error| audit::unrecorded(&error))?;
    let run = running.run();
    let name = plan.task.name.to_string();
    let followed = live::follow(context, running, &signals, &name, Shows::Result)?;
    summary::end(context, plan, request, &followed, run)
}

/// A task whose program nobody can start.
fn unstarted(
    context: &Context,
    store: &Store,
    plan: &Plan<'_>,
    request: &RunRequest,
    moment: &Moment,
    error: &CompileError,
) -> Result<Exit, Failure> {
    let mut reason = error.to_string();
    reason.insert_str(0, &format!("`{}`: ", Shown(&plan.installation.executable)));
    let finished = host_node::unstarted(plan, store, moment, &reason, error.hint())
        .map_err(|error| audit::unrecorded(&error))?;
    let run = finished.record.run;
    let followed = live::Followed {
        finished,
        interrupted: None,
        stdout_shown: false,
        ended_line: true,
    };
    summary::end(context, plan, request, &followed, run)
}
