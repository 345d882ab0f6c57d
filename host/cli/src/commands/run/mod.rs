//! `host run`: runs a task of a bundle on this machine.

pub(crate) mod scan;

mod options;

mod help;

mod refusal;

mod live;
mod summary;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches};
use host_core::{Capability, Grant, LimitRequests, Shown};
use host_node::{LoadError, Loaded, Plan, PlanError, RunRequest, SealOptions};
use host_store::{OpenMode, OpenStoreError, Store};
use host_task::TaskDefinition;

use crate::app::{self, Context};
use crate::args::{Cli, Command};
use crate::commands::trust;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::settings::add_limit;
use crate::clock;

/// The most that is read as `--input`, in bytes; what a run takes is its limit `input`.
const INPUT_BYTES_MAX: u64 = 16 << 20;

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
pub(crate) fn run(context: &Context, arguments: &[String], named: &scan::Named) -> Result<Exit, Failure> {
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
        Err(error) if error.kind() == ErrorKind::UnknownArgument => return Err(no_such_option(&error, named, task)),
        Err(error) => return app::explain(context, &error),
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Failure::new(Exit::Usage, &error))?;
    let Command::Run(typed) = cli.command else { return Err(Failure::usage("this is not `host run`")) };
    let own = matches.subcommand_matches("run");
    let mut request = request(&typed)?;
    if let (Some(task), Some(own)) = (task, own) {
        options::read(own, task, &mut request.input)?;
    }
    let secret = task.is_some_and(|task| warn_of_secrets(context, &typed, own, task));
    let again = if secret { command_without_input(named) } else { command_as_typed(arguments) };
    start(context, &store, &loaded, &request, &again)
}

/// An option that neither `host run` nor the task has.
fn no_such_option(error: &clap::Error, named: &scan::Named, task: Option<&TaskDefinition>) -> Failure {
    let option = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
    let option = Shown(&option).to_string();
    let failure = match task {
        Some(task) => Failure::usage(format!("`{option}` is neither an option of `host run` nor a parameter of `{}`", task.name)),
        None => Failure::usage(format!("`{option}` is no option of `host run`")),
    };
    failure.hint(format!("{} --help", command_without_input(named)))
}

/// The command line once more, to put something behind it.
fn command_as_typed(arguments: &[String]) -> String {
    let words = arguments.iter().skip(1).map(|word| refusal::shell_word(&Shown(word).to_string()));
    ["host".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// The same without anything that may be secret.
fn command_without_input(named: &scan::Named) -> String {
    let words = [named.bundle.to_str(), named.task.as_deref()].into_iter().flatten();
    let words = words.map(|word| refusal::shell_word(&Shown(word).to_string()));
    ["host".to_owned(), "run".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

fn open_store(context: &Context) -> Result<Store, Failure> {
    Store::open(&context.settings.places, OpenMode::Write).map_err(|error: OpenStoreError| {
        Failure::new(Exit::Machine, &error).hint("without a place to record runs, none is started")
    })
}

fn load(context: &Context, store: &Store, named: &scan::Named) -> Result<Loaded, Failure> {
    let trust = trust::load(context)?;
    let modulepath = named.modulepath.iter().chain(&context.settings.modulepath).cloned();
    let options = SealOptions {
        versionless: true,
        modulepath: modulepath.chain(sibling_modules(&named.bundle)).collect(),
        ..SealOptions::default()
    };
    host_node::load(&named.bundle, &trust, clock::now_unix(), &options, store).map_err(|error| load_failure(&error, &named.bundle))
}

/// Modules usually lie side by side.
fn sibling_modules(bundle: &Path) -> Option<PathBuf> {
    let directory = std::path::absolute(bundle).ok().filter(|path| path.is_dir())?;
    directory.parent().map(Path::to_owned)
}

/// A load error with its exit code and what to do about it.
pub(crate) fn load_failure(error: &LoadError, path: &Path) -> Failure {
    let shown = path.display();
    match error {
        LoadError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::usage(format!("there is no `{shown}`"))
        }
        LoadError::Read { .. } | LoadError::Source(_) | LoadError::Plain { .. } => Failure::new(Exit::Usage, error),
        LoadError::Distrusted { .. } => Failure::new(Exit::Untrusted, error).hint(format!(
            "look at it with `host bundle show {shown}`, then trust the key of its author:\n        host trust add KEY.pub --owner NAME"
        )),
        LoadError::Keep { .. } => Failure::new(Exit::Machine, error),
        _ => Failure::new(Exit::Untrusted, error).hint("get the bundle again from whoever sealed it"),
    }
}

fn request(typed: &RunArgs) -> Result<RunRequest, Failure> {
    let mut request = RunRequest { noop: typed.noop, allow_asked: typed.allow_asked, ..RunRequest::default() };
    if let Some(text) = &typed.input {
        let bytes = read_input(text)?;
        request.input.read_object(&bytes).map_err(|error| Failure::new(Exit::Usage, &error))?;
    }
    for word in &typed.words {
        if word.contains('=') {
            request.input.assign(word).map_err(|error| Failure::new(Exit::Usage, &error))?;
        } else if request.task.replace(word.clone()).is_some() {
            return Err(Failure::usage(format!("`{}` is one word too many", Shown(word)))
                .hint("parameters are written as name=value"));
        }
    }
    for text in &typed.allow {
        request.allow.push(capability(text)?);
    }
    request.limits = limits(typed)?;
    Ok(request)
}

fn capability(text: &str) -> Result<Capability, Failure> {
    text.parse().map_err(|error: host_core::CapabilityError| {
        Failure::new(Exit::Usage, &error).hint("a capability is written like fs.read:/var/log, env:LANG or run.as:www-data")
    })
}

fn limits(typed: &RunArgs) -> Result<LimitRequests, Failure> {
    let mut limits = LimitRequests::default();
    if let Some(wall) = &typed.timeout {
        add_limit(&mut limits, &format!("wall={wall}"))?;
    }
    for text in &typed.limit {
        add_limit(&mut limits, text)?;
    }
    Ok(limits)
}

/// The bytes of a JSON object, from JSON or YAML, inline, in a file, or on standard input.
fn read_input(text: &str) -> Result<Vec<u8>, Failure> {
    let bytes = match text.strip_prefix('@') {
        Some(path) => read_capped(
            std::fs::File::open(path).map_err(|error| Failure::usage(format!("cannot read `{path}`: {error}")))?,
        )?,
        None if text == "-" => read_capped(std::io::stdin().lock())?,
        None => text.as_bytes().to_vec(),
    };
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    if is_json && serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() {
        return Ok(bytes);
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::usage("input is not UTF-8"))?;
    let value: serde_json::Value = serde_saphyr::from_str(&text).map_err(|error| {
        let lines = error.to_string().lines().map(str::to_owned).collect();
        Failure::usage("input is neither JSON nor YAML").details(lines)
    })?;
    serde_json::to_vec(&value).map_err(|error| Failure::new(Exit::Usage, &error))
}

fn read_capped(reader: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::usage(format!("input cannot be read: {error}")))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::usage("input is longer than 16 MiB"));
    }
    Ok(bytes)
}

/// A secret on a command line can be seen by everyone on the machine; says so, and whether there is one.
fn warn_of_secrets(context: &Context, typed: &RunArgs, own: Option<&ArgMatches>, task: &TaskDefinition) -> bool {
    let mut found = false;
    for parameter in task.metadata.parameters.iter().flatten().filter(|parameter| parameter.sensitive) {
        let name = parameter.name.as_str();
        let assigned = typed.words.iter().any(|word| word.split(['=', ':']).next() == Some(name));
        let inline = typed.input.as_ref().is_some_and(|input| !input.starts_with('@') && input != "-");
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
    loaded: &Loaded,
    request: &RunRequest,
    again: &str,
) -> Result<Exit, Failure> {
    let machine = context.settings.machine();
    let plan = host_node::plan(loaded, request, &machine).map_err(|error| plan_failure(&error, loaded, again))?;
    let moment = clock::moment()?;
    let grant = match plan.grant() {
        Ok(grant) => grant,
        Err(_) => return refusal::end(context, &plan, request, store, &moment, again),
    };
    announce(context, &plan, &grant, request);
    let signals = live::Signals::listen()?;
    let running = host_node::begin(&plan, &grant, &machine, store, &moment)
        .map_err(|error| Failure::new(Exit::Machine, &error))?;
    let run = running.run();
    let followed = live::follow(context, running, &signals, &plan)?;
    summary::end(context, &plan, &followed, run)
}

/// Says what is granted before it is used, where people read.
fn announce(context: &Context, plan: &Plan<'_>, grant: &Grant, request: &RunRequest) {
    if context.printer.mode() != OutputMode::Human || grant.iter().next().is_none() {
        return;
    }
    let granted = context.printer.on_stderr(Paint::Bold, "granted");
    if !request.allow_asked {
        let mut texts: Vec<String> = grant.iter().map(|granted| granted.capability.to_string()).collect();
        texts.sort();
        texts.dedup();
        context.printer.note(&format!("{granted}  {}", texts.join(", ")));
        return;
    }
    let lines: Vec<(String, String)> = grant.iter().map(|granted| {
        let ask = plan.asks.iter().find(|ask| ask.capability == granted.capability);
        let why = ask.and_then(|ask| ask.why.clone()).unwrap_or_default();
        (granted.capability.to_string(), Shown(&why).to_string())
    }).collect();
    let width = lines.iter().map(|(capability, _)| capability.chars().count()).max().unwrap_or(0);
    for (index, (capability, why)) in lines.iter().enumerate() {
        let head = if index == 0 { granted.as_str() } else { "       " };
        context.printer.note(format!("{head}  {capability:width$}  {why}").trim_end());
    }
}

fn plan_failure(error: &PlanError, loaded: &Loaded, again: &str) -> Failure {
    let failure = Failure::new(Exit::Usage, error);
    match error {
        PlanError::Find(host_task::FindTaskError::NoDefault { .. }) => {
            failure.details(help::task_lines(&loaded.module)).hint("name one of them behind the bundle")
        }
        PlanError::Find(_) => failure.details(help::task_lines(&loaded.module)),
        PlanError::Input(wrong) => {
            let width = wrong.problems.iter().map(|problem| problem.parameter.chars().count()).max().unwrap_or(0);
            let lines = wrong.problems.iter().map(|problem| format!("{:width$}  {}", problem.parameter, problem.text));
            failure.details(lines.collect()).hint(format!("{again} --help"))
        }
        _ => failure,
    }
}
