//! `host bundle warm`: compiles the WASI programs of a bundle before they are needed.
//!
//! Only what would be run is compiled: a bundle that is not trusted warms nothing.

use std::path::PathBuf;

use clap::Args;
use host_core::{Digest, Shown};
use host_node::{Compiling, Loaded, SealOptions};
use host_store::{OpenMode, Store};
use serde_json::json;

use crate::app::Context;
use crate::clock;
use crate::commands::patience::Waiting;
use crate::commands::run::{Signals, compile_program};
use crate::commands::{source, trust};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::wording::shown;

/// Compile the WASI programs of a bundle, so that its first run need not
///
/// Each program is compiled once for this machine, in a jail without grants; what comes of it is kept in the cache.
/// Takes what `host run` takes. Programs that are in the cache already are left as they are.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host bundle warm disk_report-2.0.0.tar
  for bundle in /srv/bundles/*.tar; do host bundle warm \"$bundle\"; done")]
pub(crate) struct WarmArgs {
    /// A bundle, a plain tar of a module, or a module's directory
    bundle: PathBuf,

    /// Where other modules are that a module's directory needs (may be repeated)
    #[arg(long, value_name = "DIR")]
    modulepath: Vec<PathBuf>,
}

/// One program that was looked after.
struct Warmed {
    file: String,
    /// Why it cannot be run, where it cannot.
    failure: Option<Failure>,
    was_there: bool,
}

pub(super) fn run(context: &Context, arguments: &WarmArgs) -> Result<Exit, Failure> {
    let store = Store::open(&context.settings.places, OpenMode::Write)
        .map_err(|error| Failure::new(Exit::Machine, &error))?;
    let loaded = load(context, &store, arguments)?;
    let signals = Signals::listen()?;
    let mut warmed = Vec::new();
    for (file, digest, size) in programs(&loaded) {
        warmed.push(warm(context, &store, &signals, file, &digest, size)?);
    }
    print(context, &loaded, &warmed);
    let is_unfit = warmed.iter().any(|program| program.failure.is_some());
    Ok(if is_unfit {
        Exit::TaskFailed
    } else {
        Exit::Done
    })
}

fn load(context: &Context, store: &Store, arguments: &WarmArgs) -> Result<Loaded, Failure> {
    let path = arguments.bundle.as_path();
    if let Err(error) = std::fs::metadata(path) {
        return Err(source::unread(path, &error));
    }
    let trust = trust::load(context)?;
    let options = SealOptions {
        for_own_run: true,
        modulepath: source::modulepath(context, path, &arguments.modulepath)?,
        ..SealOptions::default()
    };
    let mut waiting = Waiting::new(context.printer, format!("reading `{}`", shown(path)));
    let mut busy = || waiting.nudge();
    host_node::load(path, &trust, clock::now_unix(), &options, store, &mut busy)
        .map_err(|error| source::unloaded(path, &error))
}

/// The WASI programs among the files of tasks.
fn programs(loaded: &Loaded) -> impl Iterator<Item = (&str, Digest, u64)> {
    let files = loaded.bundle.manifest().files().iter();
    files.filter_map(|file| {
        let path = file.path.as_str();
        let is_program = path.starts_with("tasks/") && host_task::is_wasm_file(path);
        is_program.then_some((path, file.sha256, file.size))
    })
}

fn warm(
    context: &Context,
    store: &Store,
    signals: &Signals,
    file: &str,
    digest: &Digest,
    size: u64,
) -> Result<Warmed, Failure> {
    let name = Shown(file).to_string();
    let program = store.read(digest, size).map_err(|error| {
        Failure::new(Exit::Machine, &error).within(format!("`{name}` cannot be read"))
    })?;
    let machine = context.settings.machine();
    let moment = clock::moment()?;
    let compiling = Compiling {
        machine: &machine,
        store,
        moment: &moment,
        fresh_key: clock::random()?,
    };
    let compiled = compile_program(context, signals, &name, &program, digest, &compiling)?;
    Ok(Warmed {
        file: name.clone(),
        was_there: compiled
            .as_ref()
            .is_ok_and(|compiled| compiled.is_from_cache),
        failure: compiled
            .err()
            .map(|error| Failure::new(Exit::TaskFailed, &error)),
    })
}

fn print(context: &Context, loaded: &Loaded, warmed: &[Warmed]) {
    let printer = context.printer;
    let manifest = loaded.bundle.manifest();
    if printer.mode() != OutputMode::Human {
        let program = |program: &Warmed| {
            let state = match (&program.failure, program.was_there) {
                (Some(_), _) => "unfit",
                (None, true) => "cached",
                (None, false) => "compiled",
            };
            let why = program.failure.as_ref().map(ToString::to_string);
            json!({"file": program.file, "state": state, "reason": why})
        };
        printer.json(&json!({
            "format": "host.warm/1",
            "module": manifest.module(),
            "version": manifest.version(),
            "programs": warmed.iter().map(program).collect::<Vec<_>>(),
        }));
        return;
    }
    if warmed.is_empty() {
        printer.line(&format!(
            "{} {} has no WASI programs",
            manifest.module(),
            manifest.version()
        ));
    }
    for program in warmed {
        let (paint, word, rest) = match (&program.failure, program.was_there) {
            (Some(failure), _) => (Paint::Failed, "failed", failure.to_string()),
            (None, true) => (Paint::Ok, "ok", "was there already".to_owned()),
            (None, false) => (Paint::Ok, "ok", "compiled".to_owned()),
        };
        let word = printer.on_stdout(paint, word);
        printer.line(&format!("{word}  {}  {rest}", program.file));
    }
}
