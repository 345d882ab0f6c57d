//! Options that come from a task's parameters: `--action ACTION`, beside `action=...`.

use clap::{Arg, ArgAction, ArgMatches, Command};
use host_task::types::TypeAliases;
use host_task::{Parameter, ParameterType, RawInput, TaskDefinition};

use super::scan::{KnownOption, own_flags};
use crate::exit::Exit;
use crate::failure::Failure;

/// The heading of these options in help.
const HEADING: &str = "Parameters of the task";

/// Adds an option for each parameter of `task` that is not named like one of our own flags.
pub(super) fn add(command: Command, task: &TaskDefinition, aliases: &TypeAliases) -> Command {
    let own = own_flags();
    let parameters = task.metadata.parameters.iter().flatten();
    parameters
        .filter(|parameter| !own.contains(&flag(parameter)))
        .fold(command, |command, parameter| {
            command.arg(option(parameter, aliases))
        })
}

/// What [`add`] adds, as a first look at a command line needs to know it.
pub(super) fn known(task: &TaskDefinition, aliases: &TypeAliases) -> Vec<KnownOption> {
    let parameters = task.metadata.parameters.iter().flatten();
    let both = |parameter: &Parameter| {
        let takes_value = !is_boolean(parameter, aliases);
        [flag(parameter), parameter.name.as_str().to_owned()].map(|name| (name, takes_value))
    };
    parameters.flat_map(both).collect()
}

/// The flag of a parameter, without its dashes.
pub(super) fn flag(parameter: &Parameter) -> String {
    parameter.name.as_str().replace('_', "-")
}

/// What stands for its value in help.
pub(super) fn value_name(parameter: &Parameter) -> String {
    parameter.name.as_str().to_uppercase()
}

fn id(name: &str) -> String {
    // No flag of ours has a colon in its id.
    format!("parameter:{name}")
}

fn option(parameter: &Parameter, aliases: &TypeAliases) -> Arg {
    let flag = flag(parameter);
    let mut option = Arg::new(id(parameter.name.as_str()))
        .long(flag.clone())
        .value_name(value_name(parameter))
        .help_heading(HEADING)
        .allow_hyphen_values(true)
        .action(ArgAction::Append);
    if flag != parameter.name.as_str() {
        option = option.alias(parameter.name.as_str().to_owned());
    }
    if is_boolean(parameter, aliases) {
        option = option
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true");
    }
    option
}

pub(super) fn is_boolean(parameter: &Parameter, aliases: &TypeAliases) -> bool {
    matches!(&parameter.kind, ParameterType::Typed(data_type) if data_type.is_boolean(aliases))
}

/// Whether an option of this parameter was given.
pub(super) fn is_given(matches: &ArgMatches, name: &str) -> bool {
    values(matches, name).next().is_some()
}

fn values<'m>(matches: &'m ArgMatches, name: &str) -> impl Iterator<Item = &'m String> {
    matches
        .try_get_many::<String>(&id(name))
        .ok()
        .flatten()
        .into_iter()
        .flatten()
}

/// Puts what was given into the input, as if it had been written `name=value`.
pub(super) fn read(
    matches: &ArgMatches,
    task: &TaskDefinition,
    input: &mut RawInput,
) -> Result<(), Failure> {
    for parameter in task.metadata.parameters.iter().flatten() {
        for value in values(matches, parameter.name.as_str()) {
            let assigned = format!("{}={value}", parameter.name);
            input
                .assign(&assigned)
                .map_err(|error| Failure::new(Exit::Usage, &error))?;
        }
    }
    Ok(())
}
