//! `host policy who-can`: which callers a set lets run something.

use std::path::PathBuf;

use clap::Args;
use host_core::CallerName;
use serde_json::json;

use super::sets;
use super::subject::SubjectArgs;
use crate::app::Context;
use crate::commands::bundle::columns::table;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, for_terminal};

/// Show who may run a task with an input and all that it requires
///
/// Asked are all callers that the set names, in a group or in a rule, and somebody whom nobody has heard of, who stands
/// for everybody else.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host policy who-can policies/web-ops service.tar service action=restart name=nginx
  host policy who-can policies/web-ops service::report --node web-01 --fact role=app

exit codes:  0 somebody can  3 nobody can")]
pub(crate) struct WhoCanArgs {
    /// The directory of the policy set
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    subject: SubjectArgs,
}

/// Stands for the caller in a request that is asked for everybody.
const ANYBODY: &str = "anybody";

pub(super) fn run(context: &Context, arguments: &WhoCanArgs) -> Result<Exit, Failure> {
    let set = sets::looking(context, &arguments.directory)?;
    let anybody: CallerName = ANYBODY
        .parse()
        .map_err(|error| Failure::new(Exit::Bug, &error))?;
    let asked = arguments.subject.ask(context, &anybody)?;
    let can = set.who_can(&asked.request, &asked.asks);
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        asked
            .notes
            .iter()
            .for_each(|note| printer.note(&format!("note: {}", for_terminal(note))));
        let mut rows: Vec<[String; 3]> = can
            .callers
            .iter()
            .map(|who| {
                [
                    who.caller.to_string(),
                    who.groups.join(", "),
                    who.rules.join(", "),
                ]
            })
            .collect();
        if let Some(rules) = &can.everybody {
            rows.push(["everybody else".to_owned(), String::new(), rules.join(", ")]);
        }
        if rows.is_empty() {
            printer.line(&format!(
                "nobody can: not the {} callers that the set names, and nobody else",
                can.asked
            ));
        } else {
            table(printer, ["caller", "groups", "rules"], rows);
        }
        if can.may_be_more {
            printer.note(
                "note: some rule goes by a predicate or by how a name is written: it may let others too, who are not named",
            );
        }
    } else {
        let callers = can
            .callers
            .iter()
            .map(|who| json!({"caller": who.caller, "groups": who.groups, "rules": who.rules}));
        printer.json(&json!({
            "format": "host.policy-who-can/1",
            "set": set.name(),
            "digest": set.digest(),
            "callers": callers.collect::<Vec<_>>(),
            "everybody": can.everybody,
            "asked": can.asked,
            "may_be_more": can.may_be_more,
            "request": asked.request,
        }));
    }
    Ok(if can.callers.is_empty() && can.everybody.is_none() {
        Exit::Refused
    } else {
        Exit::Done
    })
}
