//! The card of a bundle: what it is, who signed it, and what each of its tasks asks for.

use std::error::Error;

use host_core::{AskTemplate, Capability, Origin, ParameterName, Shown, TaskName};
use host_task::{Module, TaskAsk, TaskDefinition, TaskError};
use host_trust::DistrustError;
use serde_json::{Value, json};

use super::columns::{columns, table};
use super::look::Look;
use super::seals::Seal;
use crate::commands::source::broken_because;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{Paint, Printer};
use crate::wording::size;

/// Characters of an id that are shown from its beginning and its end.
const ID_CHARS: (usize, usize) = (8, 2);

/// A bundle with all that is known of it.
#[derive(Debug)]
pub(super) struct Card<'a> {
    /// The bundle.
    pub(super) look: &'a Look,
    /// Its tasks.
    pub(super) module: &'a Module,
    /// Its signatures.
    pub(super) seals: Vec<Seal>,
    /// Why it is not trusted here; nothing if it is.
    pub(super) distrust: Option<DistrustError>,
}

impl Card<'_> {
    /// Prints the card for people, as data.
    pub(super) fn print(&self, printer: Printer) {
        printer.line(&printer.on_stdout(Paint::Bold, &title(self.look)));
        self.signature_lines(printer)
            .iter()
            .for_each(|line| printer.line(line));
        printer.line("");
        let rows = task_rows(self.module);
        table(printer, ["task", "asks", "", "why"], rows);
    }

    fn signature_lines(&self, printer: Printer) -> Vec<String> {
        let warn = |text: String| printer.on_stdout(Paint::Refused, &text);
        if !self.look.is_sealed {
            return vec![warn(
                "unsigned: not sealed yet, and no node takes it like that".to_owned(),
            )];
        }
        if self.seals.is_empty() {
            return vec![warn("unsigned: anyone could have made it".to_owned())];
        }
        let rows: Vec<[String; 2]> = self.seals.iter().map(Seal::line).collect();
        let mut lines: Vec<String> = columns(&rows)
            .iter()
            .enumerate()
            .map(|(at, line)| {
                format!(
                    "{}  {line}",
                    if at == 0 { "signed by" } else { "         " }
                )
            })
            .collect();
        // What a line above says of the only key need not be said again.
        if let Some(error) = self.distrust.as_ref().filter(|_| self.seals.len() > 1) {
            lines.push(warn(format!("not trusted: {}", sentence(error))));
        }
        lines
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let manifest = &self.look.manifest;
        let broken = self
            .module
            .tasks()
            .filter_map(|(name, task)| Some(json!({"name": name, "error": sentence(task.err()?)})));
        let usable = self.module.tasks().filter_map(|(_, task)| task.ok());
        json!({
            "format": "host.show/1",
            "module": manifest.module(),
            "version": manifest.version(),
            "sealed": self.look.is_sealed,
            "id": Some(self.look.id).filter(|_| self.look.is_sealed),
            "trusted": self.look.is_sealed && self.distrust.is_none(),
            "distrust": self.distrust.as_ref().map(|error| sentence(error)),
            "signatures": self.seals.iter().map(Seal::json).collect::<Vec<_>>(),
            "bytes": manifest.files_bytes(),
            "files": manifest.files(),
            "tasks": usable.map(task_json).collect::<Vec<_>>(),
            "broken": broken.collect::<Vec<_>>(),
        })
    }
}

/// Name, version, id and size in one line.
pub(super) fn title(look: &Look) -> String {
    let manifest = &look.manifest;
    let count = manifest.files().len();
    let files = if count == 1 {
        "1 file".to_owned()
    } else {
        format!("{count} files")
    };
    let size = size(manifest.files_bytes());
    if look.is_sealed {
        let (module, version) = (manifest.module(), manifest.version());
        format!(
            "{module} {version}   {}   {files}, {size}",
            short_id(&look.id.to_string())
        )
    } else {
        // Its version may be none, and its id is that of nothing which anyone keeps.
        format!("{}   {files}, {size}", manifest.module())
    }
}

fn short_id(id: &str) -> String {
    let (first, last) = ID_CHARS;
    let first = id.get(..first).unwrap_or_default();
    let last = id.get(id.len().saturating_sub(last)..).unwrap_or_default();
    format!("{first}…{last}")
}

/// Rows of task, ask, remark and reason; a task is named in its first row only.
fn task_rows(module: &Module) -> Vec<[String; 4]> {
    let mut rows = Vec::new();
    for (name, task) in own_first(module) {
        let before = rows.len();
        match task {
            Ok(task) => rows.extend(task.asks.asks.iter().map(|ask| ask_row(ask, task))),
            Err(error) => {
                let why = format!("cannot be used: {}", broken_because(error));
                rows.push(row(why, "", ""));
            }
        }
        if rows.len() == before {
            rows.push(row("nothing".to_owned(), "", ""));
        }
        if let Some([cell, ..]) = rows.get_mut(before) {
            let is_private = task.is_ok_and(|task| task.metadata.private);
            *cell = if is_private {
                format!("{name} (private)")
            } else {
                name.to_string()
            };
        }
    }
    rows
}

/// The tasks in the order in which people read them: the module's own first, though it is kept as `init`.
fn own_first(module: &Module) -> Vec<(&TaskName, Result<&TaskDefinition, &TaskError>)> {
    let mut tasks: Vec<_> = module.tasks().collect();
    tasks.sort_by_key(|(name, _)| name.as_str());
    tasks
}

fn row(asks: String, remark: &str, why: &str) -> [String; 4] {
    [String::new(), asks, remark.to_owned(), why.to_owned()]
}

fn ask_row(ask: &TaskAsk, task: &TaskDefinition) -> [String; 4] {
    let capability = Shown(ask.template.as_str()).to_string();
    let why = ask.why.as_deref().unwrap_or_default();
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let remarks = [
        ask.optional.then_some("optional"),
        is_dangerous(&ask.template).then_some("dangerous"),
        (task.asks_origin == Origin::Overlay).then_some("by the overlay"),
    ];
    let remarks: Vec<&str> = remarks.into_iter().flatten().collect();
    row(capability, &remarks.join(", "), &Shown(&why).to_string())
}

/// Whether `--allow-asked` would leave the ask out, whatever its placeholders are filled with.
pub(crate) fn is_dangerous(template: &AskTemplate) -> bool {
    // A placeholder stands for a word, or for a whole absolute path.
    ["x", "/x"].into_iter().any(|filling| {
        let fill =
            |text: String, name: &&ParameterName| text.replace(&format!("${{{name}}}"), filling);
        let text = template.as_str().to_owned();
        let filled = template.placeholders().iter().fold(text, fill);
        filled
            .parse::<Capability>()
            .is_ok_and(|capability| capability.is_dangerous())
    })
}

fn task_json(task: &TaskDefinition) -> Value {
    let asks = task.asks.asks.iter().map(|ask| {
        json!({
            "capability": ask.template,
            "optional": ask.optional,
            "dangerous": is_dangerous(&ask.template),
            "why": ask.why,
        })
    });
    let limits = task
        .asks
        .limits
        .iter()
        .map(|(name, value)| (name.to_string(), Value::String(value)));
    json!({
        "name": task.name,
        "description": task.metadata.description,
        "private": task.metadata.private,
        "asks": asks.collect::<Vec<_>>(),
        "origin": task.asks_origin,
        "limits": limits.collect::<serde_json::Map<_, _>>(),
        "exclusive": task.asks.exclusive,
    })
}

/// An error down to its first cause, in one sentence.
pub(super) fn sentence(error: &dyn Error) -> String {
    Failure::new(Exit::Untrusted, error).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_allow_asked_leaves_out_is_called_dangerous() {
        for (ask, expected) in [
            ("fs.read:/var/log/${name}", false),
            ("exec:/usr/bin/systemctl ${action} ${name}", false),
            ("exec:root@/usr/bin/systemctl ${action} ${name}", true),
            ("run.as:${user}", true),
            ("host.full", true),
            ("fs.write:${path}", false),
        ] {
            assert_eq!(is_dangerous(&ask.parse().unwrap()), expected, "{ask}");
        }
    }

    #[test]
    fn an_id_is_shortened_to_its_ends() {
        assert_eq!(short_id(&"9f2c41d0".repeat(8)), "9f2c41d0…d0");
    }
}
