//! `host audit verify`: says whether the audit log is what was written, and what nobody could tell.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use host_store::{
    Break, CHECKPOINT_BYTES_MAX, ChainKey, Checkpoint, Evidence, Head, Journal, Unproven, Verdict,
};
use host_trust::{PublicKey, PublicKeyError};
use serde_json::{Value, json};

use super::{key, nothing, open_to_look, rekey};
use crate::app::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::wording::{reason, shown};

/// Check that the audit log is what was written
///
/// Walks the whole log and names every line that was changed, removed, moved, repeated or put in, with its number and its
/// place in the file. Says also what it could not tell, and what that would take. Ends with 4 where something is wrong.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host audit verify
  host audit verify --against 4711:5d41...92
  host audit verify --against kept/head --key kept/audit-2026-11
  host audit verify --checkpoint-key kept/db-03.pub")]
pub(crate) struct VerifyArgs {
    /// What `host audit head` printed once, or a file with that or with a checkpoint: the log must contain it
    #[arg(long, value_name = "HEAD")]
    against: Option<String>,

    /// A key that `host audit rekey` wrote, to check the codes of all records behind it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// The public key of the checkpoints, kept elsewhere as `host audit head` names it; without it the key beside the log is
    /// believed
    #[arg(long, value_name = "FILE")]
    checkpoint_key: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &VerifyArgs) -> Result<Exit, Failure> {
    let against = arguments.against.as_deref().map(head_of).transpose()?;
    let key = arguments.key.as_deref().map(rekey::read).transpose()?;
    let sealed_by = arguments.checkpoint_key.as_deref();
    let sealed_by = sealed_by.map(public_key).transpose()?;
    let Some(store) = open_to_look(context)? else {
        if against.is_some() || key.is_some() || sealed_by.is_some() {
            return Err(Failure::plain(
                Exit::Untrusted,
                "nothing is recorded here, and there was: the audit log is gone",
            ));
        }
        return Ok(nothing(context));
    };
    let public = match sealed_by {
        Some(key) => Some(key),
        None => key::public(&store)?,
    };
    let check = public.map(|public| {
        move |checkpoint: &str, signature: &str| key::check(&public, checkpoint, signature)
    });
    let verdict = verdict(&store.journal(), against, key, check.as_ref())?;
    print(context, &verdict);
    Ok(if verdict.is_whole() {
        Exit::Done
    } else {
        Exit::Untrusted
    })
}

/// The public key in a file, as `ssh-keygen` and `host audit head` write it.
fn public_key(path: &Path) -> Result<PublicKey, Failure> {
    let kept = capped(path).map_err(|error| crate::commands::source::unread(path, &error))?;
    kept.trim().parse().map_err(|error: PublicKeyError| {
        Failure::usage(error.to_string())
            .within(format!("`{}` is no public key", shown(path)))
            .hint("a public key is one line, such as `ssh-ed25519 AAAA...`; `host audit head` names that of this log")
    })
}

fn verdict(
    journal: &Journal<'_>,
    against: Option<Head>,
    key: Option<ChainKey>,
    check: Option<&impl Fn(&str, &str) -> Result<(), String>>,
) -> Result<Verdict, Failure> {
    let mut evidence = Evidence {
        against,
        key,
        ..Evidence::default()
    };
    if let Some(check) = check {
        evidence.seals = Some(check);
    }
    journal
        .verify(evidence)
        .map_err(|error| Failure::new(Exit::Machine, &error))
}

/// A head as it is typed, or as it is kept in a file.
fn head_of(text: &str) -> Result<Head, Failure> {
    if let Ok(head) = text.trim().parse() {
        return Ok(head);
    }
    let path = Path::new(text);
    let kept = capped(path).map_err(|error| {
        let message = format!(
            "`{}` is no head, and no file with one: {}",
            shown(path),
            reason(&error)
        );
        Failure::usage(message)
            .hint("a head is what `host audit head` prints, such as 4711:5d41...92")
    })?;
    let checkpoint = || Checkpoint::read(&kept).map(|checkpoint| checkpoint.head);
    kept.trim().parse().ok().or_else(checkpoint).ok_or_else(|| {
        let message = format!("`{}` holds neither a head nor a checkpoint", shown(path));
        Failure::usage(message).hint("write one with `host audit head > FILE`")
    })
}

fn capped(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let limit = CHECKPOINT_BYTES_MAX as u64;
    File::open(path)?
        .take(limit + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Err(io::Error::other("it is longer than a checkpoint"));
    }
    Ok(text)
}

fn print(context: &Context, verdict: &Verdict) {
    let printer = context.printer;
    if printer.mode() != OutputMode::Human {
        return printer.json(&document(verdict));
    }
    if verdict.is_whole() {
        let ok = printer.on_stdout(Paint::Ok, "ok");
        printer.line(&format!("{ok}  {}", summary(verdict)));
    } else {
        let broken = printer.on_stdout(Paint::Failed, "broken");
        printer.line(&format!("{broken}  the audit log is not what was written"));
        printer.line("");
        for found in &verdict.breaks {
            printer.line(&format!("    {found}"));
        }
        if verdict.breaks_more > 0 {
            printer.line(&format!("    and {} more", verdict.breaks_more));
        }
        printer.line("");
    }
    if !verdict.unproven.is_empty() {
        printer.note("what this cannot tell");
        for unproven in &verdict.unproven {
            printer.note(&format!("    {unproven}"));
        }
    }
    if !verdict.is_whole() {
        printer.hint("`host audit restart --reason TEXT` keeps it aside and begins a new one");
    } else if verdict.unproven.contains(&Unproven::NoHead) {
        printer.hint("keep the head on another machine: host audit head");
    }
}

fn summary(verdict: &Verdict) -> String {
    let Some(head) = verdict.head else {
        return format!("{} lines, none of them in the chain", verdict.lines);
    };
    let mut text = match head.seq {
        1 => "1 record holds together".to_owned(),
        count => format!("{count} records hold together"),
    };
    if verdict.old_lines > 0 {
        text.push_str(&format!(", with {} lines before them", verdict.old_lines));
    }
    if verdict.checkpoints > 0 {
        text.push_str(&format!(", {} checkpoints", verdict.checkpoints));
    }
    if verdict.checkpoints_unchecked > 0 {
        let count = verdict.checkpoints_unchecked;
        text.push_str(&format!(
            ", {count} checkpoints without a key to check them"
        ));
    }
    if verdict.codes > 0 {
        text.push_str(&format!(", {} codes checked", verdict.codes));
    }
    format!("{text}\n    head {head}")
}

fn document(verdict: &Verdict) -> Value {
    let found = |found: &Break| {
        json!({
            "line": found.line,
            "offset": found.offset,
            "seq": found.seq,
            "what": found.what.to_string(),
        })
    };
    json!({
        "format": "host.audit-verify/1",
        "whole": verdict.is_whole(),
        "lines": verdict.lines,
        "old_lines": verdict.old_lines,
        "bytes": verdict.bytes,
        "head": verdict.head.map(|head| head.to_string()),
        "last": verdict.last,
        "checkpoints": verdict.checkpoints,
        "checkpoints_unchecked": verdict.checkpoints_unchecked,
        "codes": verdict.codes,
        "recovered": verdict.recovered,
        "breaks": verdict.breaks.iter().map(found).collect::<Vec<Value>>(),
        "breaks_more": verdict.breaks_more,
        "unproven": verdict.unproven.iter().map(ToString::to_string).collect::<Vec<String>>(),
    })
}
