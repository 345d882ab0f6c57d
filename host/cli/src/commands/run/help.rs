//! Help of a bundle and of its tasks: what they are for, their parameters, and what they ask for.

use host_bundle::Manifest;
use host_core::{Origin, Shown};
use host_task::types::TypeAliases;
use host_task::{FindTaskError, Module, Parameter, ParameterType, TaskDefinition};
use host_trust::SignedBy;
use serde_json::{Value, json};

use super::failures::find_failure;
use super::options::{flag, value_name};
use super::scan::{Named, own_flags};
use super::summary::kind;
use crate::app::Context;
use crate::commands::bundle::card::is_dangerous;
use crate::commands::source::broken_because;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint, Printer};

/// What help is about.
#[derive(Debug)]
pub(super) struct Subject<'a> {
    /// The tasks.
    pub(super) module: &'a Module,
    /// What the bundle says of itself.
    pub(super) manifest: &'a Manifest,
    /// The signatures that count.
    pub(super) signers: &'a [SignedBy],
}

/// Prints help of the task that was named, or of the whole bundle.
pub(super) fn print(
    context: &Context,
    subject: &Subject<'_>,
    named: &Named,
) -> Result<Exit, Failure> {
    let module = subject.module;
    let task = match &named.task {
        Some(text) => Some(module.find(text)),
        // A bundle with one task is that task, whether or not it can be used.
        None if module.tasks().count() == 1 => Some(module.default_task())
            .filter(|found| !matches!(found, Err(FindTaskError::NoDefault { .. }))),
        None if module.listed().count() == 1 => module.default_task().ok().map(Ok),
        None => None,
    };
    match task {
        None => print_module(context, subject),
        Some(Ok(task)) => print_task(context, subject, task),
        Some(Err(error)) => return Err(find_failure(&error, module, named)),
    }
    Ok(Exit::Done)
}

/// A line for each task that lists show, the module's own first.
pub(super) fn task_lines(module: &Module) -> Vec<String> {
    let mut tasks: Vec<&TaskDefinition> = module.listed().collect();
    tasks.sort_by(|one, other| one.name.as_str().cmp(other.name.as_str()));
    let width = tasks
        .iter()
        .map(|task| task.name.as_str().len())
        .max()
        .unwrap_or(0);
    let line = |task: &TaskDefinition| {
        let description = task.metadata.description.as_deref().unwrap_or_default();
        let first = Shown(description.lines().next().unwrap_or_default()).to_string();
        format!("{:width$}   {first}", task.name.as_str())
            .trim_end()
            .to_owned()
    };
    let broken = module.tasks().filter_map(|(name, task)| {
        Some(format!(
            "{name}   cannot be used: {}",
            broken_because(task.err()?)
        ))
    });
    tasks.into_iter().map(line).chain(broken).collect()
}

fn print_module(context: &Context, subject: &Subject<'_>) {
    let printer = context.printer;
    let manifest = subject.manifest;
    if printer.mode() != OutputMode::Human {
        let tasks: Vec<Value> = subject
            .module
            .listed()
            .map(|task| task_json(task, subject.module.aliases()))
            .collect();
        printer.json(
            &json!({"module": manifest.module(), "version": manifest.version(), "tasks": tasks}),
        );
        return;
    }
    printer.line(&format!(
        "{} {}",
        printer.on_stdout(Paint::Bold, manifest.module().as_str()),
        manifest.version()
    ));
    printer.line("");
    printer.line("tasks:");
    task_lines(subject.module)
        .iter()
        .for_each(|line| printer.line(&format!("  {line}")));
    printer.line("");
    printer.line("host run BUNDLE TASK --help shows the parameters of one");
}

fn print_task(context: &Context, subject: &Subject<'_>, task: &TaskDefinition) {
    let printer = context.printer;
    let aliases = subject.module.aliases();
    if printer.mode() != OutputMode::Human {
        printer.json(&task_json(task, aliases));
        return;
    }
    let description = task
        .metadata
        .description
        .as_deref()
        .unwrap_or("(no description)");
    description
        .lines()
        .for_each(|line| printer.line(&Shown(line).to_string()));
    print_parameters(printer, task, aliases);
    print_asks(printer, task);
    printer.line("");
    printer.line(&traits(context, subject, task));
    task.lints(aliases)
        .iter()
        .for_each(|lint| printer.note(&format!("note: {lint}")));
}

fn print_parameters(printer: Printer, task: &TaskDefinition, aliases: &TypeAliases) {
    printer.line("");
    let Some(parameters) = &task.metadata.parameters else {
        printer.line("parameters: any, since the task declares none");
        return;
    };
    if parameters.is_empty() {
        printer.line("parameters: none");
        return;
    }
    printer.line(&printer.on_stdout(Paint::Bold, "parameters:"));
    let own = own_flags();
    let heads: Vec<String> = parameters
        .iter()
        .map(|parameter| match flag(parameter) {
            flag if own.contains(&flag) => format!("{}={}", parameter.name, value_name(parameter)),
            flag if super::options::is_boolean(parameter, aliases) => format!("--{flag}"),
            flag => format!("--{flag} {}", value_name(parameter)),
        })
        .collect();
    let width = heads
        .iter()
        .map(|head| head.chars().count())
        .max()
        .unwrap_or(0)
        .min(32);
    for (head, parameter) in heads.iter().zip(parameters) {
        printer.line(format!("  {head:width$}  {}", parameter_text(parameter, aliases)).trim_end());
    }
}

fn type_text(parameter: &Parameter) -> String {
    match &parameter.kind {
        ParameterType::Typed(data_type) => Shown(&data_type.to_string())
            .to_string()
            .replace("\\\\", "\\"),
        ParameterType::Untyped => "Any".to_owned(),
        ParameterType::Unreadable { text, .. } => format!("unreadable: {}", Shown(text)),
    }
}

fn parameter_text(parameter: &Parameter, aliases: &TypeAliases) -> String {
    let description = parameter.description.as_deref().unwrap_or_default();
    let mut text = Shown(&description.split_whitespace().collect::<Vec<_>>().join(" ")).to_string();
    text.push_str(&format!("  ({})", type_text(parameter)));
    if parameter.is_required(aliases) {
        text.push_str("  required");
    }
    if let Some(default) = &parameter.default {
        let shown = if parameter.sensitive {
            "hidden".to_owned()
        } else {
            Shown(&default.to_string()).to_string()
        };
        text.push_str(&format!("  default {shown}"));
    }
    if parameter.sensitive {
        text.push_str("  secret");
    }
    text.trim_start().to_owned()
}

fn print_asks(printer: Printer, task: &TaskDefinition) {
    if task.asks.asks.is_empty() {
        return;
    }
    printer.line("");
    printer.line(&printer.on_stdout(Paint::Bold, "asks:"));
    let width = task
        .asks
        .asks
        .iter()
        .map(|ask| ask.template.as_str().chars().count())
        .max()
        .unwrap_or(0);
    for ask in &task.asks.asks {
        let why = Shown(ask.why.as_deref().unwrap_or_default()).to_string();
        let remarks = [
            ask.optional.then_some("optional"),
            is_dangerous(&ask.template).then_some("dangerous"),
        ];
        let remarks: Vec<&str> = remarks.into_iter().flatten().collect();
        let colon = if remarks.is_empty() || why.is_empty() {
            ""
        } else {
            ": "
        };
        let capability = Shown(ask.template.as_str()).to_string();
        let remarks = remarks.join(", ");
        printer.line(format!("  {capability:width$}  {remarks}{colon}{why}").trim_end());
    }
}

/// One line that says how the task runs and who signed it.
fn traits(context: &Context, subject: &Subject<'_>, task: &TaskDefinition) -> String {
    let mut traits = Vec::new();
    traits.push(
        if task.metadata.supports_noop {
            "supports noop"
        } else {
            "does not support noop"
        }
        .to_owned(),
    );
    // Where nothing of it runs here, a run says why.
    if let Ok(selection) = task.select(&context.settings.machine().features) {
        traits.push(format!("runs as {}", kind(selection.executable)));
    }
    if task.asks_origin == Origin::Overlay {
        traits.push("asks come from an overlay".to_owned());
    }
    if task.asks.exclusive {
        traits.push("one run at a time".to_owned());
    }
    let signers: Vec<String> = subject
        .signers
        .iter()
        .map(|signed| signed.owner.to_string())
        .collect();
    traits.push(if signers.is_empty() {
        "not signed".to_owned()
    } else {
        format!("signed by {}", signers.join(", "))
    });
    traits.join(", ")
}

fn task_json(task: &TaskDefinition, aliases: &TypeAliases) -> Value {
    let parameters = task.metadata.parameters.as_ref().map(|parameters| {
        let described = parameters.iter().map(|parameter| {
            let default = if parameter.sensitive {
                None
            } else {
                parameter.default.clone()
            };
            let description = json!({
                "type": match &parameter.kind {
                    ParameterType::Typed(data_type) => data_type.to_string(),
                    ParameterType::Untyped => "Any".to_owned(),
                    ParameterType::Unreadable { text, .. } => text.clone(),
                },
                "description": parameter.description,
                "default": default,
                "required": parameter.is_required(aliases),
                "sensitive": parameter.sensitive,
            });
            (parameter.name.to_string(), description)
        });
        described.collect::<serde_json::Map<_, _>>()
    });
    let asks: Vec<Value> = task
        .asks
        .asks
        .iter()
        .map(|ask| json!({"capability": ask.template.as_str(), "optional": ask.optional, "why": ask.why}))
        .collect();
    json!({
        "task": task.name,
        "description": task.metadata.description,
        "supports_noop": task.metadata.supports_noop,
        "parameters": parameters,
        "asks": asks,
        "limits": task.asks.limits,
    })
}
