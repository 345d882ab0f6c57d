//! `host policy diff`: what two sets decide differently over the same requests.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use host_core::{Question, Shown};
use host_policy::{Change, Difference, PolicySet, Request, Table};
use host_store::{OpenMode, Store};
use serde_json::{Value, json};

use super::sets;
use crate::app::Context;
use crate::commands::source;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};

/// How many requests are compared; the newest of those on record.
const REQUESTS_MAX: usize = 100_000;
/// How long a line of requests may be, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Show what two sets decide differently
///
/// The requests are those on record in the audit log of this machine, and the cases of both sets' decision tables.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host policy diff /etc/host/policies/web-ops ./web-ops
  host policy diff old new --requests requests.jsonl

exit codes:  0 they decide alike  1 they do not")]
pub(crate) struct DiffArgs {
    /// The directory of the set as it is
    #[arg(value_name = "OLD")]
    old: PathBuf,

    /// The directory of the set as it would be
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// Compare over the requests in this file, one a line, as the audit log has them
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
}

/// A request and where it comes from.
struct Recorded {
    name: String,
    request: Request,
}

pub(super) fn run(context: &Context, arguments: &DiffArgs) -> Result<Exit, Failure> {
    let old = sets::looking(context, &arguments.old)?;
    let new = sets::looking(context, &arguments.new)?;
    let mut passed_over = 0;
    let mut requests = match &arguments.requests {
        Some(file) => of_file(file, &mut passed_over)?,
        None => {
            let mut requests = of_tables(&old)?;
            requests.extend(of_tables(&new)?);
            requests.extend(on_record(context, &mut passed_over));
            requests
        }
    };
    if requests.is_empty() {
        return Err(Failure::usage("there is no request to compare over")
            .hint("put decision tables beside the rules, or name a file with --requests"));
    }
    let mut seen = std::collections::BTreeSet::new();
    requests.retain(|recorded| {
        let text = serde_json::to_string(&recorded.request).unwrap_or_default();
        seen.insert(text)
    });
    let excess = requests.len().saturating_sub(REQUESTS_MAX);
    requests.drain(..excess);
    let mut differences: Vec<(&Recorded, Difference)> = Vec::new();
    for recorded in &requests {
        let Ok(asks) = recorded.request.asks() else {
            passed_over += 1;
            continue;
        };
        if let Some(difference) = old.difference(&new, &recorded.request, &asks) {
            differences.push((recorded, difference));
        }
    }
    if context.printer.mode() == OutputMode::Human {
        print_all(context, &differences, requests.len(), passed_over);
    } else {
        let all: Vec<Value> = differences
            .iter()
            .map(|(recorded, difference)| as_json(recorded, difference))
            .collect();
        context.printer.json(&json!({
            "format": "host.policy-diff/1",
            "old": {"set": old.name(), "digest": old.digest()},
            "new": {"set": new.name(), "digest": new.digest()},
            "requests": requests.len(),
            "passed_over": passed_over,
            "differences": all,
        }));
    }
    Ok(if differences.is_empty() {
        Exit::Done
    } else {
        Exit::TaskFailed
    })
}

fn of_tables(set: &PolicySet) -> Result<Vec<Recorded>, Failure> {
    let mut requests = Vec::new();
    for file in set.tables() {
        let table = Table::read(file).map_err(|problem| {
            Failure::usage(problem.to_string())
                .within(format!("a table of `{}` cannot be read", Shown(set.name())))
        })?;
        requests.extend(table.cases.into_iter().map(|case| Recorded {
            name: format!("{} {}: {}", set.name(), table.file, case.name),
            request: case.request,
        }));
    }
    Ok(requests)
}

/// The requests in the audit log of this machine; none where there is no log.
fn on_record(context: &Context, passed_over: &mut usize) -> Vec<Recorded> {
    let Ok(store) = Store::open(&context.settings.places, OpenMode::Read) else {
        return Vec::new();
    };
    let Ok(lines) = store.journal().read() else {
        return Vec::new();
    };
    let mut requests = Vec::new();
    for line in lines {
        match line {
            Ok(line) => requests.extend(recorded(&line, passed_over)),
            Err(_) => *passed_over += 1,
        }
    }
    requests
}

fn of_file(path: &Path, passed_over: &mut usize) -> Result<Vec<Recorded>, Failure> {
    let file = std::fs::File::open(path).map_err(|error| source::unread(path, &error))?;
    let mut requests = Vec::new();
    let mut reader = BufReader::new(file);
    for number in 1.. {
        let mut line = Vec::new();
        let mut limited = std::io::Read::take(&mut reader, LINE_BYTES_MAX);
        let read = limited
            .read_until(b'\n', &mut line)
            .map_err(|error| source::unread(path, &error))?;
        if read == 0 {
            break;
        }
        let wrong = |why: String| {
            Failure::usage(format!(
                "line {number} of `{}` is no request: {why}",
                crate::wording::shown(path)
            ))
        };
        let value: Value =
            serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?;
        if value.get("event").is_some() {
            requests.extend(recorded(&value, passed_over));
        } else {
            let request =
                serde_json::from_value(value).map_err(|error| wrong(error.to_string()))?;
            requests.push(Recorded {
                name: format!("line {number}"),
                request,
            });
        }
    }
    Ok(requests)
}

/// The request that a line of the audit log keeps.
fn recorded(line: &Value, passed_over: &mut usize) -> Option<Recorded> {
    let request = line.get("request")?;
    let run = line.get("run").or_else(|| line.pointer("/record/run"));
    let name = format!("run {}", run.and_then(Value::as_str).unwrap_or_default());
    match serde_json::from_value(request.clone()) {
        Ok(request) => Some(Recorded { name, request }),
        Err(_) => {
            *passed_over += 1;
            None
        }
    }
}

fn word(change: Change) -> &'static str {
    match change {
        Change::Gained => "gained",
        Change::Lost => "lost",
        Change::Narrowed => "narrowed",
        Change::Widened => "widened",
    }
}

fn print_all(
    context: &Context,
    differences: &[(&Recorded, Difference)],
    requests: usize,
    passed_over: usize,
) {
    for (recorded, difference) in differences {
        print(context, recorded, difference);
    }
    let over = if passed_over > 0 {
        format!(", {passed_over} passed over")
    } else {
        String::new()
    };
    let count =
        |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    context.printer.line(&format!(
        "{} over {}{over}",
        count(differences.len(), "difference"),
        count(requests, "request")
    ));
}

fn print(context: &Context, recorded: &Recorded, difference: &Difference) {
    let printer = context.printer;
    let head = match difference.run {
        Some(Change::Lost) => printer.on_stdout(Paint::Refused, "refused now"),
        Some(_) => printer.on_stdout(Paint::Ok, "allowed now"),
        None => "changed    ".to_owned(),
    };
    printer.line(&format!(
        "{head}  {} runs {}  ({})",
        recorded.request.caller,
        recorded.request.task.id(),
        Shown(&recorded.name)
    ));
    for (question, change) in &difference.questions {
        let text = match question {
            Question::Run => "the run".to_owned(),
            Question::Capability(capability) => capability.to_string(),
        };
        printer.line(&format!("    {:8}  {text}", word(*change)));
    }
}

fn as_json(recorded: &Recorded, difference: &Difference) -> Value {
    let questions = difference.questions.iter().map(|(question, change)| {
        json!({
            "question": match question {
                Question::Run => "run".to_owned(),
                Question::Capability(capability) => capability.to_string(),
            },
            "change": word(*change),
        })
    });
    json!({
        "name": recorded.name,
        "run": difference.run.map(word),
        "questions": questions.collect::<Vec<_>>(),
        "old_rules": difference.old.rules(),
        "new_rules": difference.new.rules(),
        "request": recorded.request,
    })
}
