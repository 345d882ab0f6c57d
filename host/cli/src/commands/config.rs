//! `host config show`: each setting with its value, and where that came from.

use clap::{Args, Subcommand};
use host_core::Shown;
use serde_json::{Value, json};

use crate::app::Context;
use crate::commands::bundle::columns::table;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;

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
    let places = &context.settings.places;
    let places = [
        ("config", &places.config),
        ("state", &places.state),
        ("cache", &places.cache),
        ("runtime", &places.runtime),
    ];
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        let settings = context.settings.origins();
        let settings = settings
            .map(|(key, value, origin)| json!({"key": key, "value": value, "origin": origin}));
        let places = places.map(|(name, path)| (name.to_owned(), json!(path)));
        printer.json(&json!({
            "format": "host.settings/1",
            "settings": settings.collect::<Vec<Value>>(),
            "directories": Value::Object(places.into_iter().collect()),
        }));
        return Ok(Exit::Done);
    }
    let cell = |text: &str| Shown(text).to_string();
    let settings = context.settings.origins();
    let settings =
        settings.map(|(key, value, origin)| [key.to_owned(), cell(value), cell(&origin)]);
    table(printer, ["setting", "value", "from"], settings.collect());
    printer.line("");
    let places = places.map(|(name, path)| [name.to_owned(), cell(&path.display().to_string())]);
    table(printer, ["directory", "path"], places.to_vec());
    Ok(Exit::Done)
}
