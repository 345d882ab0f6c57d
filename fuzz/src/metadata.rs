//! Subject: the metadata of a task, given any bytes.
//!
//! What is read has legal names only, leads nowhere else, and asks for nothing on behalf of a parameter that is not
//! declared or is a secret.

use host_core::{AskTemplate, LimitRequests, ParameterName};
use host_task::types::TypeAliases;
use host_task::{
    ASKS_MAX, FILES_MAX, FileReference, IMPLEMENTATIONS_MAX, Implementation, METADATA_BYTES_MAX,
    Metadata, PARAMETERS_MAX, ParameterType, REQUIREMENTS_MAX, TaskAsks,
};

use crate::data_type;

/// Panics unless `data` is refused, or holds only what metadata may hold.
pub fn check(data: &[u8]) {
    let Ok((metadata, _)) = Metadata::read(data, &TypeAliases::builtin()) else {
        return;
    };
    assert!(data.len() <= METADATA_BYTES_MAX);
    assert!(metadata.implementations.len() <= IMPLEMENTATIONS_MAX);
    assert!(metadata.files.len() <= FILES_MAX);
    check_parameters(&metadata);
    metadata
        .implementations
        .iter()
        .for_each(check_implementation);
    metadata.file_references().for_each(check_reference);
    check_asks(&metadata.asks);
    for ask in &metadata.asks.asks {
        for name in ask.template.placeholders() {
            let parameter = metadata.parameter(name.as_str());
            assert!(
                parameter.is_some_and(|parameter| !parameter.sensitive),
                "{name}"
            );
        }
    }
}

fn check_parameters(metadata: &Metadata) {
    let parameters = metadata.parameters.as_deref().unwrap_or_default();
    let defaults = parameters
        .iter()
        .filter(|parameter| parameter.default.is_some());
    assert!(metadata.lint_defaults(&TypeAliases::builtin()).len() <= defaults.count());
    assert!(parameters.len() <= PARAMETERS_MAX);
    for (place, parameter) in parameters.iter().enumerate() {
        check_name(parameter.name.as_str());
        let others = parameters.iter().skip(place + 1);
        assert!(others.clone().all(|other| other.name != parameter.name));
        if let ParameterType::Typed(data_type) = &parameter.kind {
            data_type::check_text(data_type);
            let is_secret = data_type.is_sensitive(&TypeAliases::builtin());
            assert!(parameter.sensitive || !is_secret);
        }
    }
}

fn check_name(name: &str) {
    let is_legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    assert!(name.bytes().all(is_legal) && name.len() <= 64, "{name}");
    assert!(name.starts_with(|first: char| first.is_ascii_lowercase()));
    assert!(name.parse::<ParameterName>().is_ok());
}

fn check_implementation(implementation: &Implementation) {
    let name = &implementation.name;
    assert!(!name.contains(['/', '\\']) && !matches!(name.as_str(), "" | "." | ".."));
    assert!(!name.chars().any(char::is_control), "{name:?}");
    assert!(implementation.requirements.len() <= REQUIREMENTS_MAX);
    assert!(implementation.files.len() <= FILES_MAX);
}

fn check_reference(reference: &FileReference) {
    let printed = reference.to_string();
    assert_eq!(
        printed.parse::<FileReference>().ok().as_ref(),
        Some(reference)
    );
    let path = reference.path_in_module();
    let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
    assert!(path.split('/').all(is_plain), "{path:?}");
    assert!(path.starts_with(reference.mount().as_str()));
    assert!(!path.contains('\\') && !path.chars().any(char::is_control));
}

/// Panics when asks or limits do not read what they print.
pub(crate) fn check_asks(asks: &TaskAsks) {
    assert!(asks.asks.len() <= ASKS_MAX);
    for ask in &asks.asks {
        let printed = ask.template.to_string();
        assert_eq!(printed.parse::<AskTemplate>().as_ref(), Ok(&ask.template));
    }
    let mut again = LimitRequests::default();
    for (name, value) in asks.limits.iter() {
        assert_eq!(again.set(&name.to_string(), &value), Ok(()));
    }
    assert_eq!(again, asks.limits);
}
