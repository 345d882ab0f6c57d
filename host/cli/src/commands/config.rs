//! `host config show`: each setting with its value, and where that came from.

use clap::{Args, Subcommand};
use host_core::Shown;
use serde_json::{Value, json};

use crate::app::Context;
use crate::commands::bundle::columns::table;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, for_terminal};
use crate::wording::shown;

/// Show the settings
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    Show(ShowArgs),
}

/// Show each setting with its value, and where that came from
///
/// Flags beat the environment, which beats config.toml in the directory `config`, which beats what is built in.
/// HOST_HOME=DIR puts the four directories below DIR.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {}

/// Runs `host config`.
pub(crate) fn run(context: &Context, command: &ConfigCommand) -> Result<Exit, Failure> {
    let ConfigCommand::Show(_) = command;
    let settings = &context.settings;
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        let origins = settings
            .origins()
            .map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin}));
        let directories = settings
            .directories()
            .map(|(name, path, origin)| (name.to_owned(), json!({"path": path, "origin": origin})));
        printer.json(&json!({
            "format": "host.settings/1",
            "settings": origins.collect::<Vec<Value>>(),
            "directories": Value::Object(directories.into_iter().collect()),
        }));
        return Ok(Exit::Done);
    }
    let cell = |text: &str| Shown(text).to_string();
    let rows = settings
        .origins()
        .map(|(key, value, origin)| [key.to_owned(), text(value), cell(&origin)]);
    table(printer, ["setting", "value", "from"], rows.collect());
    printer.line("");
    let rows = settings
        .directories()
        .map(|(name, path, origin)| [name.to_owned(), cell(&origin), shown(path)]);
    // Paths come last, since they may be long.
    table(printer, ["directory", "from", "path"], rows.to_vec());
    Ok(Exit::Done)
}

/// A value as a settings file has it, but for the quotes around a single text.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => Shown(text).to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            for_terminal(&format!("[{}]", items.join(", ")))
        }
        other => for_terminal(&other.to_string()),
    }
}
