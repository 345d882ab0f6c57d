//! What can go wrong between an opened bundle and the start of a run, as messages with exit codes and advice.

use host_core::{FillError, Shown};
use host_node::PlanError;
use host_task::{FillAsksError, FindTaskError, InputError, Module, SelectError, TaskDefinition};

use super::help::task_lines;
use super::scan::Named;
use crate::app::Context;
use crate::commands::source::broken;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::usage;
use crate::wording::shown;

/// A task that is not there, or cannot be used.
pub(super) fn find_failure(error: &FindTaskError, module: &Module, named: &Named) -> Failure {
    let failure = match error {
        FindTaskError::Broken(error) => return broken(error),
        FindTaskError::NoDefault { .. } => Failure::new(Exit::Usage, error)
            .details(task_lines(module))
            .hint("name one of them behind the bundle"),
        _ => Failure::new(Exit::Usage, error).details(task_lines(module)),
    };
    match misread(named) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// How an option before the task may have made another word the task than was meant.
fn misread(named: &Named) -> Option<String> {
    if let (Some(switch), Some(word)) = (&named.switch, &named.task) {
        let (switch, word) = (Shown(switch), Shown(word));
        return Some(format!("a value of `{switch}` is written {switch}={word}"));
    }
    let option = named.before_task.first()?;
    let taken = format!(
        "`{}` was taken for an option of the task",
        Shown(&option.flag)
    );
    Some(match &option.value {
        Some(value) => format!("{taken}, and `{}` for its value", Shown(value)),
        None => taken,
    })
}

/// What is wrong with an input, one line for each parameter.
pub(crate) fn input_lines(wrong: &InputError) -> Vec<String> {
    let names = wrong
        .problems
        .iter()
        .map(|problem| problem.parameter.chars().count());
    let width = names.max().unwrap_or(0);
    let line =
        |problem: &host_task::Problem| format!("{:width$}  {}", problem.parameter, problem.text);
    wrong.problems.iter().map(line).collect()
}

/// A task, an input or a limit that does not fit; `again` is `host run` with the bundle.
pub(super) fn plan_failure(
    context: &Context,
    error: &PlanError,
    module: &Module,
    again: &str,
) -> Failure {
    let failure = Failure::new(Exit::Usage, error);
    match error {
        PlanError::Find(error) => find_failure(error, module, &Named::default()),
        PlanError::Select(SelectError::NoSuitable { .. }) => {
            let config = context.settings.places.config.join("config.toml");
            failure.hint(format!(
                "if this machine has it, say so in `{}`: features = [\"NAME\"]",
                shown(&config)
            ))
        }
        PlanError::Install(_) => {
            failure.hint("if another module has it, say where modules are: --modulepath DIR")
        }
        PlanError::Input(wrong) => failure
            .details(input_lines(wrong))
            .hint(format!("{again} {} --help", wrong.task)),
        PlanError::Fill(FillAsksError {
            source: FillError::Absent { parameter },
            ..
        }) => failure.hint(format!("give it one: {parameter}=VALUE")),
        _ => failure,
    }
}

/// An option that neither `host run` nor the task has.
pub(super) fn no_such_option(error: &clap::Error, again: &str, task: &TaskDefinition) -> Failure {
    let option = usage::culprit(error);
    let help = format!("{again} --help");
    if let Some(question) = usage::did_you_mean(error) {
        return Failure::usage(format!("there is no option `{option}`; {question}")).hint(help);
    }
    let name = option.trim_start_matches('-').replace('-', "_");
    let why = match &task.metadata.parameters {
        Some(_) if task.metadata.parameter(&name).is_some() => "is an option of `host` itself",
        None => "is not declared by the task",
        Some(_) => {
            return Failure::usage(format!(
                "`{option}` is neither an option of `host run` nor a parameter of `{}`",
                task.name
            ))
            .hint(help);
        }
    };
    Failure::usage(format!(
        "`{option}` {why}, so it cannot be used as the task's option"
    ))
    .hint(format!("say {}=VALUE", Shown(&name)))
}
