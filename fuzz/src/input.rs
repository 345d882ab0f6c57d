//! Subject: a task's input. Before the line `%%` stands the task's metadata, behind it one argument a line, of which
//! one that begins with `{` is the JSON object.
//!
//! Input that passes satisfies every declared type; a word planted in the secrets is found in no message, no debugging
//! output, no ask and no public text.

use host_core::{ModuleName, Origin};
use host_task::{
    CheckedInput, FillAsksError, InputMethod, Module, ParameterType, RawInput, TaskDefinition,
};
use serde_json::Value;

use crate::capability::check_text;
use crate::data_type::CANARY;
use crate::fixture::MODULE;

/// Panics when input passes that must not, or something tells a secret.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let (metadata, arguments) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let module = opened(metadata);
    let Ok(task) = module.find(MODULE) else {
        return;
    };
    let mut raw = RawInput::default();
    for line in arguments.split('\n') {
        // What is no argument is left out: the rest is looked at all the same.
        let _ = if line.starts_with('{') {
            raw.read_object(line.as_bytes())
        } else {
            raw.assign(line)
        };
    }
    match task.check(&raw, false, module.aliases()) {
        Ok(input) => check_input(task, &module, &input),
        Err(error) => {
            assert!(!error.problems.is_empty());
            for problem in &error.problems {
                let told = problem.to_string();
                assert!(!told.chars().any(is_hidden), "{told:?}");
            }
        }
    }
    check_secrets(task, &module, arguments);
}

/// Whether a character moves the cursor, changes the order of what is around it, or shows nothing.
fn is_hidden(character: char) -> bool {
    let is_bidi = matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    character.is_control() || is_bidi
}

fn opened(metadata: &str) -> Module {
    let name: ModuleName = MODULE.parse().expect("a module name");
    let paths = ["tasks/init.json", "tasks/init.sh"].map(str::to_owned);
    Module::open(&name, paths, &mut |_| Ok(metadata.into())).expect("two plain paths")
}

fn check_input(task: &TaskDefinition, module: &Module, input: &CheckedInput) {
    for parameter in task.metadata.parameters.iter().flatten() {
        let given = input.iter().find(|(name, ..)| **name == parameter.name);
        match (given, &parameter.kind) {
            (Some((_, value, sensitive)), ParameterType::Typed(data_type)) => {
                assert!(data_type.accepts(value, module.aliases()));
                assert_eq!(sensitive, parameter.sensitive);
            }
            (Some((_, _, sensitive)), ParameterType::Untyped) => {
                assert_eq!(sensitive, parameter.sensitive);
            }
            (None, _) => assert!(!parameter.is_required(module.aliases())),
            (Some(_), ParameterType::Unreadable { .. }) => panic!("an unreadable type accepted"),
        }
    }
    if task.metadata.parameters.is_some() {
        let is_declared = |name: &str| task.metadata.parameter(name).is_some();
        assert!(input.iter().all(|(name, ..)| is_declared(name.as_str())));
    }
    if let Ok(encoded) = input.encode(InputMethod::Both, None) {
        let object: Value = serde_json::from_slice(&encoded.stdin).expect("JSON on stdin");
        assert_eq!(
            object.as_object().map(serde_json::Map::len),
            Some(encoded.environment.len())
        );
        for (name, value) in &encoded.environment {
            assert!(name.starts_with("PT_") && !value.contains('\0'));
        }
    }
    check_filled(task, input);
}

fn check_filled(task: &TaskDefinition, input: &CheckedInput) {
    match task.fill_asks(input) {
        Ok(asks) => {
            for ask in &asks {
                assert_eq!(ask.origin, Origin::Bundle);
                check_text(&ask.capability);
            }
            let is_required = |ask: &&host_task::TaskAsk| !ask.optional;
            let required = task.asks.asks.iter().filter(is_required).count();
            assert!(asks.len() >= required, "a required ask was dropped");
        }
        Err(FillAsksError { template, .. }) => {
            assert!(!template.chars().any(is_hidden), "{template:?}");
        }
    }
}

/// Gives the canary to every secret parameter and looks for it wherever people, logs and policy look.
fn check_secrets(task: &TaskDefinition, module: &Module, arguments: &str) {
    let metadata = format!("{:?}", task.metadata);
    if metadata.contains(CANARY) || arguments.contains(CANARY) {
        return;
    }
    let mut raw = RawInput::default();
    for parameter in task.metadata.parameters.iter().flatten() {
        let name = parameter.name.as_str();
        if parameter.sensitive {
            let given = format!("{name}={}{CANARY}", arguments.replace('\n', " "));
            assert!(raw.assign(&given).is_ok());
        } else if let Some(line) = arguments
            .split('\n')
            .find(|line| line.split([':', '=']).next() == Some(name))
        {
            let _ = raw.assign(line);
        }
    }
    let mut told = format!("{raw:?}");
    match task.check(&raw, false, module.aliases()) {
        Ok(input) => {
            told += &format!("{input:?} {}", input.public_json());
            told += &format!("{:?}", task.fill_asks(&input));
            told += &format!("{:?}", input.encode(InputMethod::Both, None));
        }
        Err(error) => told += &format!("{error} {error:?}"),
    }
    assert!(!told.contains(CANARY), "{told}");
}
