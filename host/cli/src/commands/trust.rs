//! `host trust`: whose signatures this machine believes.
//!
//! The list is `trust.json` in the directory of settings. It is read whole or not at all, and written whole
//! or not at all; nothing of a file with one line that is refused gets into it.

mod lines;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use host_core::{ModuleName, Shown};
use host_store::{OwnedDir, Privacy, ReadOwnedError, read_owned};
use host_trust::{
    ALLOWED_SIGNERS_BYTES_MAX, Added, Author, Moment, Owner, TRUST_LIST_BYTES_MAX, TrustList,
};
use serde_json::{Value, json};

use self::lines::Wanted;
use crate::app::Context;
use crate::clock;
use crate::commands::bundle::columns::{columns, table};
use crate::commands::bundle::scope;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};
use crate::wording::{reason, shown};

/// The name of the list in the directory of settings.
const FILE: &str = "trust.json";

/// Say whose signatures this machine believes
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    Add(AddArgs),
    Show(ShowArgs),
}

/// Trust the signatures of a key
///
/// KEY is the file of a public key, or of `allowed_signers` lines as ssh-keygen has them; or one such line;
/// or - for standard input. Whose key it is comes from --owner, else from the line itself. Ask the owner
/// for the fingerprint on another way than the key came.
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host trust add release.pub --owner release@example.com --module service
  host trust add 'ssh-ed25519 AAAA... ann@example.com' --not-after 2027-12-31
  curl -s https://example.com/keys | host trust add -")]
pub(crate) struct AddArgs {
    /// A file of public keys, a line with one, or - for standard input
    #[arg(value_name = "KEY", required = true)]
    key: Vec<String>,

    /// Whose keys these are
    #[arg(long, value_name = "NAME")]
    owner: Option<Owner>,

    /// A module that they may sign (may be repeated) [default: every module]
    #[arg(long, value_name = "NAME")]
    module: Vec<ModuleName>,

    /// The first day or second of trust, such as 2026-11-21 or 2026-11-21T08:00:00Z
    #[arg(long, value_name = "DATE")]
    not_before: Option<Moment>,

    /// The last day or second of trust
    #[arg(long, value_name = "DATE")]
    not_after: Option<Moment>,
}

/// Show who is trusted, and for what
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {}

/// Runs `host trust`.
pub(crate) fn run(context: &Context, command: &TrustCommand) -> Result<Exit, Failure> {
    match command {
        TrustCommand::Add(arguments) => add(context, arguments),
        TrustCommand::Show(_) => show(context),
    }
}

/// The trust list of this installation; an empty one where there is none.
pub(crate) fn load(context: &Context) -> Result<TrustList, Failure> {
    let path = list_path(context);
    parsed(
        &path,
        read_owned(&path, TRUST_LIST_BYTES_MAX as u64, Privacy::Public),
    )
}

fn parsed(path: &Path, read: Result<Vec<u8>, ReadOwnedError>) -> Result<TrustList, Failure> {
    match read {
        Ok(bytes) => TrustList::read(&bytes).map_err(|error| unusable(path, &error)),
        Err(ReadOwnedError::Missing { .. }) => Ok(TrustList::empty()),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn list_path(context: &Context) -> PathBuf {
    context.settings.places.config.join(FILE)
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Untrusted, error).within(format!(
        "the trust list `{}` cannot be used, so nothing is trusted",
        shown(path)
    ))
}

fn add(context: &Context, arguments: &AddArgs) -> Result<Exit, Failure> {
    let wanted = Wanted {
        owner: arguments.owner.clone(),
        modules: arguments.module.iter().cloned().collect(),
        not_before: arguments.not_before,
        not_after: arguments.not_after,
    };
    let mut authors = Vec::new();
    for (name, text) in texts_of(&arguments.key)? {
        let read = lines::authors(&text, &wanted);
        authors.extend(read.map_err(|mut failure| {
            failure.chain.splice(0..0, name);
            failure
        })?);
    }
    let (trust, changes) = change(context, &authors)?;
    let standing: Vec<Standing> = authors
        .into_iter()
        .zip(changes)
        .map(|(author, change)| Standing::of(author, change, &trust))
        .collect();
    report(context, &standing);
    Ok(Exit::Done)
}

/// Adds authors to the list, which nobody else changes meanwhile; the list as it is then, and what became of each.
fn change(context: &Context, authors: &[Author]) -> Result<(TrustList, Vec<Added>), Failure> {
    let machine = |error: &dyn std::error::Error| Failure::new(Exit::Machine, error);
    let path = &context.settings.places.config;
    let config = OwnedDir::create(path).map_err(|error| machine(&error))?;
    let held = config.hold(FILE).map_err(|error| machine(&error))?;
    // ORDER: what is read here is still the list when it is written, because the lock is held in between.
    let mut trust = parsed(
        &path.join(FILE),
        held.read(TRUST_LIST_BYTES_MAX as u64, Privacy::Public),
    )?;
    let changes = trust
        .add_authors(authors.iter().cloned())
        .map_err(|error| Failure::new(Exit::Usage, &error))?;
    if changes.iter().any(|change| *change != Added::Nothing) {
        held.write(trust.to_json().as_bytes(), Privacy::Public)
            .map_err(|error| machine(&error))?;
    }
    Ok((trust, changes))
}

/// What a person named: lines, standard input, or files; each text with what to say of it where it is in a file.
fn texts_of(words: &[String]) -> Result<Vec<(Option<String>, String)>, Failure> {
    let is_file = |word: &String| Path::new(word).is_file();
    let is_algorithm = |word: &String| {
        ["ssh-", "sk-", "ecdsa-"]
            .iter()
            .any(|algorithm| word.starts_with(algorithm))
    };
    // A line that the shell took apart has the name of an algorithm among its words.
    let are_files = words.iter().any(is_file) && !words.iter().any(is_algorithm);
    if !are_files {
        return Ok(vec![(None, text_of(words)?)]);
    }
    let text = |word: &String| {
        let sentence = format!("`{}` cannot be added, so nothing was", Shown(word));
        Ok((Some(sentence), text_of(std::slice::from_ref(word))?))
    };
    words.iter().map(text).collect()
}

/// What a person named: a line, standard input, or a file.
fn text_of(words: &[String]) -> Result<String, Failure> {
    let unread = |name: &str, error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::usage(format!("there is no `{}`", Shown(name))).hint(
            "name a file, or put the whole line in quotes: 'ssh-ed25519 AAAA... ann@example.com'",
        ),
        _ => Failure::usage(format!("cannot read `{}`: {}", Shown(name), reason(error))),
    };
    match words {
        [word] if word == "-" => {
            capped(io::stdin().lock()).map_err(|error| unread("standard input", &error))
        }
        [word] if !word.trim().contains(' ') || Path::new(word).exists() => File::open(word)
            .and_then(capped)
            .map_err(|error| unread(word, &error)),
        // A line that the shell took apart is still one.
        words => Ok(words.join(" ")),
    }
}

/// Reads a text that is not longer than any that is accepted.
fn capped(reader: impl Read) -> io::Result<String> {
    let bytes_max = ALLOWED_SIGNERS_BYTES_MAX as u64;
    let mut text = String::new();
    reader.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::other("it is longer than a mebibyte"));
    }
    Ok(text)
}

/// What a key is trusted for now, after somebody asked for less, as much or more.
struct Standing {
    author: Author,
    change: Added,
    /// Whether the list trusts it for more modules than was asked for.
    is_wider: bool,
}

impl Standing {
    /// The entry that `asked` has become in the list.
    fn of(asked: Author, change: Added, trust: &TrustList) -> Self {
        let is_same = |entry: &&Author| {
            entry.key == asked.key
                && entry.not_before == asked.not_before
                && entry.not_after == asked.not_after
        };
        let author = trust.authors().iter().find(is_same).unwrap_or(&asked);
        Self {
            is_wider: change == Added::Nothing && author.modules != asked.modules,
            author: author.clone(),
            change,
        }
    }
}

fn report(context: &Context, added: &[Standing]) {
    let printer = context.printer;
    let word = |change: Added| match change {
        Added::Entry => "added",
        Added::Modules => "widened",
        Added::Nothing => "known",
    };
    if printer.mode() != OutputMode::Human {
        let entry = |standing: &Standing| {
            let mut value = author_json(&standing.author);
            if let Value::Object(members) = &mut value {
                members.insert("change".to_owned(), json!(word(standing.change)));
            }
            value
        };
        let entries: Vec<Value> = added.iter().map(entry).collect();
        printer.json(&json!({"format": "host.trust-add/1", "keys": entries}));
        return;
    }
    let rows: Vec<[String; 4]> = added
        .iter()
        .map(|standing| {
            let [owner, fingerprint, scope, dates] = author_row(&standing.author);
            [
                word(standing.change).to_owned(),
                owner,
                fingerprint,
                format!("for {scope}{dates}"),
            ]
        })
        .collect();
    columns(&rows).iter().for_each(|line| printer.line(line));
    warn(context, added);
}

/// Says where the list is not what somebody may think that it is now.
fn warn(context: &Context, added: &[Standing]) {
    let printer = context.printer;
    let warning = printer.on_stderr(Paint::Refused, "warning:");
    let now = clock::now_unix();
    let is_over = |author: &Author| author.not_after.is_some_and(|until| until.is_before(now));
    for standing in added {
        let fingerprint = standing.author.key.fingerprint();
        if standing.is_wider {
            printer.note(&format!(
                "{warning} nothing was narrowed: {fingerprint} stays trusted for {}",
                scope(&standing.author.modules)
            ));
            printer.hint(&format!(
                "take its entry out of `{}` first",
                shown(&list_path(context))
            ));
        }
        if is_over(&standing.author) {
            printer.note(&format!(
                "{warning} the trust in {fingerprint} ended already"
            ));
        }
    }
}

/// Owner, fingerprint, modules and dates, for people.
fn author_row(author: &Author) -> [String; 4] {
    let from = author.not_before.map(|from| format!(", from {from} on"));
    let until = author.not_after.map(|until| format!(", until {until}"));
    let dates = format!("{}{}", from.unwrap_or_default(), until.unwrap_or_default());
    [
        author.owner.to_string(),
        author.key.fingerprint().to_string(),
        scope(&author.modules),
        dates,
    ]
}

fn author_json(author: &Author) -> Value {
    json!({
        "owner": author.owner.to_string(),
        "fingerprint": author.key.fingerprint().to_string(),
        "key": author.key.to_string(),
        "modules": match &author.modules {
            host_trust::Modules::All => vec!["*"],
            host_trust::Modules::Named(names) => names.iter().map(ModuleName::as_str).collect(),
        },
        "not_before": author.not_before.map(|from| from.to_string()),
        "not_after": author.not_after.map(|until| until.to_string()),
        "comment": author.comment,
    })
}

fn show(context: &Context) -> Result<Exit, Failure> {
    let trust = load(context)?;
    if context.printer.mode() == OutputMode::Human {
        print(context, &trust);
    } else {
        context.printer.json(&list_json(&trust));
    }
    Ok(Exit::Done)
}

fn list_json(trust: &TrustList) -> Value {
    let texts = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>();
    let least = trust.least().iter();
    let least = least.map(|(module, version)| (module.to_string(), json!(version.to_string())));
    json!({
        "format": "host.trust-show/1",
        "serial": trust.serial(),
        "threshold": trust.threshold(),
        "authors": trust.authors().iter().map(author_json).collect::<Vec<_>>(),
        "revoked": {
            "keys": texts(&mut trust.revoked_keys().iter().map(ToString::to_string)),
            "bundles": texts(&mut trust.revoked_bundles().iter().map(ToString::to_string)),
        },
        "least": Value::Object(least.collect()),
    })
}

fn print(context: &Context, trust: &TrustList) {
    let printer = context.printer;
    if trust.authors().is_empty() {
        printer.note("nobody is trusted here");
        printer.hint("host trust add KEY.pub --owner NAME");
    } else {
        let row = |author: &Author| {
            let [owner, fingerprint, scope, dates] = author_row(author);
            [owner, fingerprint, format!("{scope}{dates}")]
        };
        let rows = trust.authors().iter().map(row).collect();
        table(printer, ["owner", "key", "trusted for"], rows);
    }
    if trust.threshold() > 1 {
        let count = trust.threshold();
        printer.line(&format!("a bundle needs signatures of {count} owners"));
    }
    for key in trust.revoked_keys() {
        printer.line(&format!("revoked key      {key}"));
    }
    for bundle in trust.revoked_bundles() {
        printer.line(&format!("revoked bundle   {bundle}"));
    }
    for (module, version) in trust.least() {
        printer.line(&format!("at least         {module} {version}"));
    }
}
