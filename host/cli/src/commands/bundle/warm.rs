//! `host bundle warm`: compiles the WASI programs of a bundle before they are needed.
//!
//! Only what would be run is compiled: a bundle that is not trusted warms nothing.

use std::path::PathBuf;

use clap::Args;
use host_bundle::FileEntry;
use host_core::Shown;
use host_node::Loaded;
use host_store::{OpenMode, Store};
use serde_json::json;

use crate::app::Context;
use crate::clock;
use crate::commands::run::{Signals, compile_bundled, compiling, load};
use crate::commands::source;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};

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
    let path = arguments.bundle.as_path();
    if let Err(error) = std::fs::metadata(path) {
        return Err(source::unread(path, &error));
    }
    let loaded = load(context, &store, path, &arguments.modulepath)?;
    let signals = Signals::listen()?;
    let mut warmed = Vec::new();
    for program in programs(&loaded) {
        warmed.push(warm(context, &store, &signals, program)?);
    }
    print(context, &loaded, &warmed);
    let is_unfit = warmed.iter().any(|program| program.failure.is_some());
    Ok(if is_unfit {
        Exit::TaskFailed
    } else {
        Exit::Done
    })
}

/// The WASI programs among the files of tasks.
fn programs(loaded: &Loaded) -> impl Iterator<Item = &FileEntry> {
    let files = loaded.bundle.manifest().files().iter();
    files.filter(|file| {
        let path = file.path.as_str();
        path.starts_with("tasks/") && host_task::is_wasm_file(path)
    })
}

fn warm(
    context: &Context,
    store: &Store,
    signals: &Signals,
    program: &FileEntry,
) -> Result<Warmed, Failure> {
    let machine = context.settings.machine();
    let moment = clock::moment()?;
    let compiling = compiling(&machine, store, &moment)?;
    let compiled = compile_bundled(context, signals, program, &compiling)?;
    Ok(Warmed {
        file: Shown(program.path.as_str()).to_string(),
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
