//! `host run`: runs a task of a bundle on this machine.

pub(crate) mod scan;

mod document;
mod options;
mod typed;

mod help;

pub(crate) mod failures;
mod refusal;

mod announce;
mod live;
mod summary;

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};
use host_core::Shown;
use host_jail::Keeper;
use host_node::{BeginError, Loaded, RunRequest, SealOptions};
use host_store::{OpenMode, OpenStoreError, Store};
use host_task::TaskDefinition;

use crate::app::{self, Context};
use crate::args::{Cli, Command};
use crate::clock;
use crate::commands::trust;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::Paint;

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
  host run ./mymodule mytask --input @values.yaml --limit wall=30s --output json")]
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
    #[arg(long, help_heading = "Grants")]
    pub(crate) allow_asked: bool,

    /// Limit the run: wall, cpu, memory, processes, output, scratch, inodes, files, input
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Grants")]
    pub(crate) limit: Vec<String>,

    /// The same as --limit wall=D
    #[arg(long, value_name = "D", help_heading = "Grants")]
    pub(crate) timeout: Option<String>,

    /// Only say what would be changed, where the task supports it
    #[arg(long)]
    pub(crate) noop: bool,

    /// Where other modules are that a module's directory needs (may be repeated)
    #[arg(long, value_name = "DIR")]
    pub(crate) modulepath: Vec<PathBuf>,
}

/// Runs `host run` for a bundle that the first look has found.
pub(crate) fn run(
    context: &Context,
    arguments: &[String],
    named: &scan::Named,
) -> Result<Exit, Failure> {
    // ORDER: forked before there is anything to copy, and while it makes what every jail needs, the bundle is looked at.
    let by_root = rustix::process::geteuid().is_root();
    let keeper = host_jail::start(by_root)
        .map_err(|error| Failure::new(Exit::Machine, &BeginError::from(error)))?;
    let store = open_store(context)?;
    let loaded = load(context, &store, named)?;
    if named.help {
        return help::print(context, &loaded, named);
    }
    let task = match &named.task {
        Some(text) => loaded.module.find(text).ok(),
        None => loaded.module.default_task().ok(),
    };
    let command = Cli::command().mut_subcommand("run", |run| match task {
        Some(task) => options::add(run, task, loaded.module.aliases()),
        None => run,
    });
    let matches = match command.try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::UnknownArgument => {
            return Err(failures::no_such_option(
                &error,
                &command_without_input(named),
                task,
            ));
        }
        Err(error) => return app::explain(context, &error),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Failure::new(Exit::Usage, &error))?;
    let Command::Run(typed) = cli.command else {
        return Err(Failure::usage("this is not `host run`"));
    };
    let own = matches.subcommand_matches("run");
    let mut request = typed::request(&typed)?;
    if let (Some(task), Some(own)) = (task, own) {
        options::read(own, task, &mut request.input)?;
    }
    let secret = task.is_some_and(|task| warn_of_secrets(context, &typed, own, task));
    let again = if secret {
        command_without_input(named)
    } else {
        command_as_typed(arguments)
    };
    start(
        context,
        &store,
        keeper,
        &loaded,
        &request,
        &again,
        &command_line(&[named.bundle.to_str()]),
    )
}

/// The command line once more, to put something behind it.
fn command_as_typed(arguments: &[String]) -> String {
    let words = arguments
        .iter()
        .skip(1)
        .map(|word| refusal::shell_word(&Shown(word).to_string()));
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

fn open_store(context: &Context) -> Result<Store, Failure> {
    Store::open(&context.settings.places, OpenMode::Write).map_err(|error: OpenStoreError| {
        Failure::new(Exit::Machine, &error).hint("without a place to record runs, none is started")
    })
}

fn load(context: &Context, store: &Store, named: &scan::Named) -> Result<Loaded, Failure> {
    let trust = trust::load(context)?;
    let modulepath = named
        .modulepath
        .iter()
        .chain(&context.settings.modulepath)
        .cloned();
    let options = SealOptions {
        for_own_run: true,
        modulepath: modulepath.chain(sibling_modules(&named.bundle)).collect(),
        ..SealOptions::default()
    };
    host_node::load(&named.bundle, &trust, clock::now_unix(), &options, store)
        .map_err(|error| failures::load_failure(&error, &named.bundle))
}

/// Modules usually lie side by side.
fn sibling_modules(bundle: &Path) -> Option<PathBuf> {
    let directory = bundle.canonicalize().ok().filter(|path| path.is_dir())?;
    directory.parent().map(Path::to_owned)
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
    loaded: &Loaded,
    request: &RunRequest,
    again: &str,
    plainly: &str,
) -> Result<Exit, Failure> {
    let machine = context.settings.machine();
    let plan = host_node::plan(loaded, request, &machine)
        .map_err(|error| failures::plan_failure(&error, loaded, plainly))?;
    let moment = clock::moment()?;
    let grant = match plan.grant() {
        Ok(grant) => grant,
        Err(_) => return refusal::end(context, &plan, request, store, &moment, again),
    };
    announce::announce(context, &plan, &grant, request);
    let signals = live::Signals::listen()?;
    let running = host_node::begin(&plan, &grant, &machine, store, &moment, keeper)
        .map_err(|error| Failure::new(Exit::Machine, &error))?;
    let run = running.run();
    let followed = live::follow(context, running, &signals, &plan)?;
    summary::end(context, &plan, &followed, run)
}
