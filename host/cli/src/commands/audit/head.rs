//! `host audit head`: prints how far the audit log has come, to be kept elsewhere.

use clap::Args;
use host_store::Sealer as _;
use serde_json::json;

use super::{key, nothing, open_to_look, unrecorded};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::OutputMode;

/// Print how far the audit log has come
///
/// The line stands for every record up to now. Kept on another machine, it shows with `host audit verify --against`
/// whether the log was set back, or is another one.
#[derive(Args, Debug)]
pub(crate) struct HeadArgs {}

pub(super) fn run(context: &Context, _: &HeadArgs) -> Result<Exit, Failure> {
    let Some(store) = open_to_look(context)? else {
        return Ok(nothing(context));
    };
    let head = store.journal().head().map_err(|error| unrecorded(&error))?;
    let Some(head) = head else {
        return Ok(nothing(context));
    };
    let public = key::public(&store)?;
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        printer.line(&head.to_string());
        if let Some(public) = public {
            printer.note(&format!("checkpoints are signed by {public}"));
        }
        return Ok(Exit::Done);
    }
    let checkpoint = key::sealer(&store)?.map(|sealer| {
        let text = host_store::Checkpoint::new(sealer.name(), head).text();
        let signature = sealer.seal(&text);
        json!({"text": text, "signature": signature})
    });
    printer.json(&json!({
        "format": "host.audit-head/1",
        "head": head.to_string(),
        "seq": head.seq,
        "hash": head.hash,
        "key": public.as_ref().map(ToString::to_string),
        "fingerprint": public.map(|public| public.fingerprint().to_string()),
        "checkpoint": checkpoint,
    }));
    Ok(Exit::Done)
}
