//! The request that a command line of `host policy` is about: a task of a bundle with its input, or a task by its name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use host_core::{
    Ask, Asks, BundleSummary, CallerName, Digest, LimitRequests, Limits, NodeName, Origin, Shown,
    TaskName, Timestamp,
};
use host_policy::{Request, RequestFormat, RequestedAsk, Subject, Walls};
use serde_json::{Map, Value};

use crate::app::Context;
use crate::clock;
use crate::commands::bundle::look::Look;
use crate::commands::bundle::verdict;
use crate::commands::run::failures::input_lines;
use crate::commands::run::typed;
use crate::commands::trust;
use crate::exit::Exit;
use crate::facts;
use crate::failure::Failure;
use crate::settings::add_limit;

/// What is asked about, and under which circumstances.
#[derive(Args, Clone, Debug)]
pub(super) struct SubjectArgs {
    /// A bundle, a module's directory, or only the name of a task
    #[arg(value_name = "BUNDLE|TASK")]
    subject: PathBuf,

    /// The task of the bundle, then its parameters as name=value or name:=JSON
    #[arg(value_name = "TASK | NAME=VALUE")]
    words: Vec<String>,

    /// Parameters as JSON or YAML: inline, @FILE, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,

    /// Ask for a capability besides (may be repeated)
    #[arg(long, value_name = "CAP")]
    allow: Vec<String>,

    /// Ask for a limit (may be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    limit: Vec<String>,

    /// Ask for a run that changes nothing
    #[arg(long)]
    noop: bool,

    /// Ask as if this key's owner had signed the bundle, where only the task's name is known (may be repeated)
    #[arg(long, value_name = "OWNER")]
    signer: Vec<String>,

    /// Ask as if this node decided; facts, groups and classes are then only those that are named here
    #[arg(long, value_name = "NODE", help_heading = "The node")]
    node: Option<NodeName>,

    /// A fact of the node, as name=value or name:=JSON (may be repeated)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "The node")]
    fact: Vec<String>,

    /// A group that the node is in (may be repeated)
    #[arg(long, value_name = "GROUP", help_heading = "The node")]
    node_group: Vec<String>,

    /// A class that the node has (may be repeated)
    #[arg(long, value_name = "CLASS", help_heading = "The node")]
    class: Vec<String>,

    /// Ask as if it were this time, such as 2026-11-21T09:20:00Z
    #[arg(long, value_name = "TIME", help_heading = "The node")]
    at: Option<Timestamp>,

    /// Why it is wanted
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// A request with its asks, and what there is to say of how it came about.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request,
    pub(super) asks: Asks,
    pub(super) notes: Vec<String>,
}

/// A task as far as it is known: what its bundle says, its input, and what it asks for.
struct Stated {
    task: TaskName,
    bundle: BundleSummary,
    input: Map<String, Value>,
    asks: Vec<Ask>,
    limits: Vec<(Origin, LimitRequests)>,
    notes: Vec<String>,
}

impl SubjectArgs {
    /// Puts the request together, asked by `caller`.
    pub(super) fn ask(&self, context: &Context, caller: &CallerName) -> Result<Asked, Failure> {
        let stated = if self.subject.exists() {
            self.of_bundle(context)?
        } else {
            self.by_name()?
        };
        let machine = context.settings.machine();
        let mut own = LimitRequests::default();
        for text in &self.limit {
            add_limit(&mut own, text)?;
        }
        let mut requests: Vec<(Origin, &LimitRequests)> = stated
            .limits
            .iter()
            .map(|(origin, limits)| (*origin, limits))
            .collect();
        requests.push((Origin::Caller, &own));
        let wrong = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error);
        let limits = Limits::resolve(&machine.defaults, &requests, &machine.ceilings)
            .map_err(|error| wrong(&error))?;
        let mut asks = stated.asks;
        for text in &self.allow {
            asks.push(Ask {
                capability: typed::capability(text)?,
                origin: Origin::Caller,
                optional: false,
                why: None,
            });
        }
        let asks = Asks::gather(asks).map_err(|error| wrong(&error))?;
        let (node, facts) = self.circumstances(context)?;
        let moment = clock::moment()?;
        let now = Timestamp::from_unix(moment.unix_seconds, moment.nanos);
        let request = Request {
            format: RequestFormat::V1,
            caller: caller.clone(),
            task: Subject::Task(stated.task),
            bundle: stated.bundle,
            input: stated.input,
            facts,
            node,
            limits: host_policy::limit_values(&limits),
            walls: Walls::of_run(machine.landlock_abi, machine.by_root(), &asks),
            noop: self.noop,
            time: self.at.unwrap_or(now),
            reason: self.reason.clone().unwrap_or_default(),
            asks: asks.iter().map(RequestedAsk::of).collect(),
        };
        Ok(Asked {
            request,
            asks,
            notes: stated.notes,
        })
    }

    fn circumstances(
        &self,
        context: &Context,
    ) -> Result<(host_policy::Node, Map<String, Value>), Failure> {
        let (mut node, mut facts) = match &self.node {
            Some(name) => {
                let node = host_policy::Node {
                    name: Some(name.clone()),
                    ..host_policy::Node::default()
                };
                (node, Map::new())
            }
            None => (
                context.settings.node.clone(),
                facts::gather(&context.settings)?,
            ),
        };
        node.groups.extend(self.node_group.iter().cloned());
        node.classes.extend(self.class.iter().cloned());
        for text in &self.fact {
            put_fact(&mut facts, text)?;
        }
        Ok((node, facts))
    }

    /// A task of which nothing but the name is known.
    fn by_name(&self) -> Result<Stated, Failure> {
        let text = self.subject.to_string_lossy();
        let task: TaskName = text.parse().map_err(|error: host_core::NameError| {
            Failure::usage(format!(
                "there is no `{}`, and it is no name of a task",
                Shown(&text)
            ))
            .because(error.to_string())
        })?;
        let mut input = Map::new();
        for word in &self.words {
            let Some((name, value)) = assignment(word)? else {
                return Err(
                    Failure::usage(format!("`{}` is one word too many", Shown(word)))
                        .hint("parameters are written as name=value"),
                );
            };
            input.insert(name, value);
        }
        if self.input.is_some() {
            return Err(Failure::usage(
                "--input needs a bundle: without one no parameter is known",
            )
            .hint("write parameters as name=value or name:=JSON"));
        }
        Ok(Stated {
            bundle: BundleSummary {
                id: Digest::from_bytes([0; 32]),
                module: Some(task.module().clone()),
                version: String::new(),
                signers: self.signer.clone(),
            },
            task,
            input,
            asks: Vec::new(),
            limits: Vec::new(),
            notes: vec![
                "only the task's name is known: it asks for nothing but what --allow says"
                    .to_owned(),
            ],
        })
    }

    fn of_bundle(&self, context: &Context) -> Result<Stated, Failure> {
        if !self.signer.is_empty() {
            return Err(
                Failure::usage("--signer is for a task of which only the name is known")
                    .hint("a bundle says itself who signed it"),
            );
        }
        let look = Look::beside(context, Path::new(&self.subject), &[])?;
        let mut notes = Vec::new();
        let mut signers = Vec::new();
        if look.is_sealed {
            let trust = trust::load(context)?;
            match verdict(&look, &trust, clock::now_unix()) {
                Ok(signed) => {
                    signers = signed
                        .iter()
                        .map(|signed| signed.owner.to_string())
                        .collect()
                }
                Err(error) => notes.push(format!("no run would start: {error}")),
            }
        } else {
            notes.push("it is not signed, so no rule that asks for signers permits it".to_owned());
        }
        let module = look.read(context, &BTreeSet::new())?.module;
        let wrong = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error);
        let mut raw = host_task::RawInput::default();
        if let Some(text) = &self.input {
            raw.read_object(&typed::read_input(text)?)
                .map_err(|error| wrong(&error))?;
        }
        let mut named = None;
        for word in &self.words {
            if word.contains('=') {
                raw.assign(word).map_err(|error| wrong(&error))?;
            } else if named.replace(word).is_some() {
                return Err(
                    Failure::usage(format!("`{}` is one word too many", Shown(word)))
                        .hint("parameters are written as name=value"),
                );
            }
        }
        let task = match named {
            Some(text) => module.find(text),
            None => module.default_task(),
        };
        let task = task.map_err(|error| wrong(&error))?;
        let input = task
            .check(&raw, self.noop, module.aliases())
            .map_err(|error| wrong(&error).details(input_lines(&error)))?;
        Ok(Stated {
            task: task.name.clone(),
            bundle: BundleSummary {
                id: look.id(),
                module: Some(look.manifest.module().clone()),
                version: look.manifest.version().to_string(),
                signers,
            },
            asks: task.fill_asks(&input).map_err(|error| wrong(&error))?,
            input: input.public(),
            limits: vec![(task.asks_origin, task.asks.limits.clone())],
            notes,
        })
    }
}

/// `name=text` or `name:=JSON`; nothing where there is no `=`.
fn assignment(word: &str) -> Result<Option<(String, Value)>, Failure> {
    let Some((name, value)) = word.split_once('=') else {
        return Ok(None);
    };
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let value = serde_json::from_str(value).map_err(|error| {
                Failure::usage(format!(
                    "the value of `{}` is not JSON: {error}",
                    Shown(name)
                ))
            })?;
            (name, value)
        }
        None => (name, Value::String(value.to_owned())),
    };
    if name.is_empty() {
        return Err(Failure::usage("there is no name before `=`"));
    }
    Ok(Some((name.to_owned(), value)))
}

/// Puts a fact where its dotted name says.
fn put_fact(facts: &mut Map<String, Value>, text: &str) -> Result<(), Failure> {
    let Some((name, value)) = assignment(text)? else {
        return Err(Failure::usage(format!(
            "`{}` is no fact: write name=value",
            Shown(text)
        )));
    };
    let mut place = facts;
    let mut parts = name.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            place.insert(part.to_owned(), value);
            return Ok(());
        }
        let inner = place
            .entry(part.to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(inner) = inner else {
            return Err(Failure::usage(format!(
                "the fact `{}` has a value and no names inside",
                Shown(part)
            )));
        };
        place = inner;
    }
    Ok(())
}
