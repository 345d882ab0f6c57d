//! `host bundle pack`: seals a module into a bundle, and signs it.
//!
//! The bundle is written beside its place and looked into before it gets there: a module with a task that
//! cannot be used makes no bundle. The same files give the same bundle, byte for byte.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};

use clap::Args;
use host_bundle::{ModuleVersion, Packed};
use host_core::Shown;
use host_node::SealOptions;
use host_task::{Module, OVERLAY_BYTES_MAX, ParameterType, TaskDefinition};
use host_trust::{Signer, TrustList};
use serde_json::{Value, json};

use super::card::{Card, sentence, title};
use super::draft::{Draft, unwritten};
use super::look::Look;
use super::seals::{seals, verdict};
use super::signing::{self, Wish};
use crate::app::Context;
use crate::clock;
use crate::commands::patience::Patient;
use crate::commands::source::{broken, modulepath, unread, unsealed};
use crate::commands::{key, trust};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint, for_terminal};
use crate::wording::shown;

/// Seal a module into a bundle, and sign it
///
/// Takes the parts of Puppet's module layout: tasks, plans, files, lib, types, scripts, metadata.json and
/// the texts beside it, and of other modules what the tasks name. The same files give the same bundle.
/// It is signed with your own key if there is one (`host key new`).
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host bundle pack
  host bundle pack ./service --version 1.4.0 -o /srv/bundles/
  host bundle pack ./legacy --asks legacy-asks.json --modulepath ./modules")]
pub(crate) struct PackArgs {
    /// The module's directory
    #[arg(default_value = ".", value_name = "DIR")]
    module: PathBuf,

    /// Where to write the bundle: a file, a directory, or - for a pipe [default: MODULE-VERSION.tar]
    // Who types --out is not to be sent to --output, which is something else.
    #[arg(short = 'o', alias = "out", value_name = "FILE")]
    file: Option<PathBuf>,

    /// The module's version, if its metadata.json states none or another one is meant
    #[arg(long, value_name = "V")]
    version: Option<ModuleVersion>,

    /// Where other modules are that this one needs (may be repeated)
    #[arg(long, value_name = "DIR")]
    modulepath: Vec<PathBuf>,

    /// A file of asks to seal beside a module that has none of its own
    #[arg(long, value_name = "FILE")]
    asks: Option<PathBuf>,

    /// Sign with this private key, or without KEY as `host bundle sign` does
    #[arg(long, value_name = "KEY", num_args = 0..=1, require_equals = true)]
    sign: Option<Option<PathBuf>>,

    /// Do not sign
    #[arg(long, conflicts_with = "sign")]
    no_sign: bool,
}

/// Where the bundle goes.
enum Place {
    Pipe,
    /// Into this directory, under this name or that of the bundle.
    Directory(PathBuf, Option<PathBuf>),
}

pub(super) fn run(context: &Context, arguments: &PackArgs) -> Result<Exit, Failure> {
    let place = place(context, arguments.file.as_deref())?;
    let signer = signer(context, arguments)?;
    // Only for the report, and now: nothing may be left where a failure is reported.
    let trust = trust::load(context)?;
    let overlay = arguments.asks.as_deref().map(read_overlay).transpose()?;
    let options = SealOptions {
        version: arguments.version.clone(),
        for_own_run: false,
        modulepath: modulepath(context, &arguments.module, &arguments.modulepath)?,
        overlay,
    };
    let begin = || match &place {
        Place::Pipe => Draft::anywhere(),
        Place::Directory(directory, _) => Draft::within(directory),
    };
    let mut draft = begin()?;
    let packed = seal(context, &arguments.module, &options, &draft)?;
    let name = PathBuf::from(format!(
        "{}-{}.tar",
        packed.manifest.module(),
        packed.manifest.version()
    ));
    let module = usable_module(context, arguments, &draft)?;
    if let Some(mut signer) = signer {
        let signed = begin()?;
        let signature = signing::signature(context, &name, draft.file(), signer.as_mut())?;
        signing::add(context, &name, draft.file(), &signature, &signed)?;
        draft = signed;
    }
    let look = Look::of_file(&name, reopened(&name, &draft)?, true)?;
    let written = put(place, &name, draft)?;
    report(context, &look, &module, &trust, written.as_deref());
    Ok(Exit::Done)
}

fn place(context: &Context, file: Option<&Path>) -> Result<Place, Failure> {
    let Some(file) = file else {
        return Ok(Place::Directory(".".into(), None));
    };
    if file == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(Failure::usage("a bundle is nothing for a terminal")
                .hint("name a file with -o FILE, or send it on with a pipe"));
        }
        if context.printer.mode() != OutputMode::Human {
            return Err(Failure::usage(
                "standard output cannot have both the bundle and JSON",
            ));
        }
        return Ok(Place::Pipe);
    }
    if file.is_dir() {
        return Ok(Place::Directory(file.to_owned(), None));
    }
    // Replacing a device or a pipe by a file is never what was meant.
    if std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(Failure::usage(format!(
            "`{}` is no regular file",
            shown(file)
        )));
    }
    let parent = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    Ok(Place::Directory(
        parent.unwrap_or(Path::new(".")).to_owned(),
        Some(file.to_owned()),
    ))
}

/// The key that signs: the one that was asked for, else the own one, else none.
fn signer(context: &Context, arguments: &PackArgs) -> Result<Option<Box<dyn Signer>>, Failure> {
    match &arguments.sign {
        _ if arguments.no_sign => Ok(None),
        Some(Some(file)) => signing::signer(context, Wish::File(file)).map(Some),
        Some(None) => signing::signer(context, Wish::Usual).map(Some),
        None => Ok(key::own(context)?.map(|own| Box::new(own) as Box<dyn Signer>)),
    }
}

fn read_overlay(path: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;

    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unread(path, &error))?;
    // What is longer by a byte is refused when it is read as asks.
    let bytes_max = OVERLAY_BYTES_MAX as u64 + 1;
    file.take(bytes_max)
        .read_to_end(&mut bytes)
        .map_err(|error| unread(path, &error))?;
    Ok(bytes)
}

fn seal(
    context: &Context,
    module: &Path,
    options: &SealOptions,
    draft: &Draft,
) -> Result<Packed, Failure> {
    let doing = format!("sealing `{}`", shown(module));
    let mut writer = BufWriter::new(Patient::new(context.printer, draft.file(), doing));
    host_node::seal_directory(module, options, &mut writer)
        .map_err(|error| unsealed(module, &error))
}

/// Opens what was sealed, says what is odd about it, and refuses it if a task could not be used.
fn usable_module(
    context: &Context,
    arguments: &PackArgs,
    draft: &Draft,
) -> Result<Module, Failure> {
    let path = arguments.module.as_path();
    let look = Look::of_file(path, reopened(path, draft)?, false)?;
    let contents = look
        .read(context, &BTreeSet::new())
        .map_err(|mut failure| {
            failure.exit = Exit::Usage;
            match &arguments.asks {
                Some(asks) => failure.hint(format!("the asks come from `{}`", shown(asks))),
                None => failure,
            }
        })?;
    let broken: Vec<String> = contents
        .module
        .tasks()
        .filter_map(|(_, task)| Some(broken(task.err()?).to_string()))
        .collect();
    if !broken.is_empty() {
        let what = if broken.len() == 1 {
            "one task".to_owned()
        } else {
            format!("{} tasks", broken.len())
        };
        return Err(Failure::usage(format!(
            "{what} of `{}` cannot be used, so nothing was sealed",
            contents.module.name()
        ))
        .details(broken)
        .hint("mend what is named, or take the files out of `tasks/`"));
    }
    for warning in warnings(&contents.module) {
        let label = context.printer.on_stderr(Paint::Refused, "warning:");
        context.printer.note(&format!("{label} {warning}"));
    }
    Ok(contents.module)
}

/// What is odd about a module, and keeps it from nothing.
fn warnings(module: &Module) -> Vec<String> {
    let own = module.lints().iter().map(ToString::to_string);
    let aliases = module.aliases().unusable();
    let aliases = aliases
        .map(|(name, error)| format!("type `{}` cannot be used: {}", Shown(name), sentence(error)));
    let tasks = module.tasks().filter_map(|(_, task)| task.ok());
    let all = own
        .chain(aliases)
        .chain(tasks.flat_map(|task| task_warnings(module, task)));
    // What a lint quotes is escaped already; this makes sure of it without doing it twice.
    all.map(|text| for_terminal(&text)).collect()
}

fn task_warnings(module: &Module, task: &TaskDefinition) -> Vec<String> {
    let of_task = |text: String| format!("{}: {text}", task.name);
    let lints = task.lints(module.aliases());
    let lints = lints.iter().map(ToString::to_string);
    let types = task
        .metadata
        .parameters
        .iter()
        .flatten()
        .filter_map(|parameter| {
            let ParameterType::Typed(data_type) = &parameter.kind else {
                return None;
            };
            let error = data_type.compile(module.aliases()).err()?;
            Some(format!(
                "the type of `{}` cannot be used: {}",
                parameter.name,
                sentence(&error)
            ))
        });
    lints.chain(types).map(of_task).collect()
}

fn reopened(name: &Path, draft: &Draft) -> Result<File, Failure> {
    draft.reader().map_err(|error| unread(name, &error))
}

/// Puts the bundle where it belongs; the answer is its path, if it has one.
fn put(place: Place, name: &Path, draft: Draft) -> Result<Option<PathBuf>, Failure> {
    match place {
        Place::Pipe => {
            let failed = |error| {
                unwritten(Path::new("standard output"), &error).within("the bundle is cut off")
            };
            let mut reader = draft.reader().map_err(failed)?;
            // Bytes of data for a program, which no printer may touch; a lost one must not go unsaid.
            io::copy(&mut reader, &mut io::stdout().lock()).map_err(failed)?;
            Ok(None)
        }
        Place::Directory(directory, file) => {
            let path = file.unwrap_or_else(|| directory.join(name));
            let path = path
                .strip_prefix("./")
                .map_or_else(|_| path.clone(), Path::to_owned);
            draft.place(&path)?;
            Ok(Some(path))
        }
    }
}

fn report(
    context: &Context,
    look: &Look,
    module: &Module,
    trust: &TrustList,
    written: Option<&Path>,
) {
    let (printer, now) = (context.printer, clock::now_unix());
    let card = Card {
        look,
        module,
        seals: seals(look, trust, now),
        distrust: verdict(look, trust, now).err(),
    };
    let Some(path) = written else {
        printer.note(&title(look));
        return;
    };
    if printer.mode() != OutputMode::Human {
        let mut value = card.json();
        if let Value::Object(members) = &mut value {
            members.insert("format".to_owned(), json!("host.pack/1"));
            members.insert("file".to_owned(), json!(path));
            members.insert("warnings".to_owned(), json!(warnings(module)));
        }
        printer.json(&value);
        return;
    }
    card.print(printer);
    printer.line("");
    printer.line(&format!("written to {}", shown(path)));
    if look.signatures.is_empty() {
        printer.hint(&format!(
            "no node takes it unsigned: `host bundle sign {}`",
            shown(path)
        ));
    }
}
