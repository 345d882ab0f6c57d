//! Subject: asks with placeholders. The first line is a template, each further line the value of one placeholder, in
//! their order; tabs make a line a list, and a line that is not there is an absent value.
//!
//! The text is taken apart a second time here, values are put in, and the filled capability must have exactly these
//! parts: no word, segment, pattern, wildcard or network that the template does not have.

mod parts;

use std::collections::BTreeMap;

use host_core::{AskTemplate, Capability, FILL_ELEMENTS_MAX, Placeholder};

use crate::capability::check_text;

/// Panics when a template does not read what it prints, or a value changes more than its own place.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let written = lines.next().unwrap_or_default();
    let Ok(template) = written.parse::<AskTemplate>() else {
        return;
    };
    assert_eq!(template.to_string(), written);
    let names = template.placeholders();
    let values: BTreeMap<String, Placeholder> = names
        .iter()
        .map(ToString::to_string)
        .zip(lines.map(placeholder))
        .collect();
    let lookup = |name: &str| values.get(name).cloned().unwrap_or(Placeholder::Absent);
    let filled = template.fill(&|name| lookup(name.as_str()));
    if names.is_empty() {
        assert_eq!(
            filled.as_deref().ok(),
            written.parse().ok().as_slice().into()
        );
    }
    check_optional(&template, &lookup, filled.as_deref().ok());
    let Ok(filled) = filled else { return };
    let values: Vec<_> = names.iter().map(|name| lookup(name.as_str())).collect();
    assert_eq!(filled.len(), rounds(&values));
    for (round, capability) in filled.iter().enumerate() {
        check_text(capability);
        let value = |name: &str| element(&lookup(name), round);
        parts::check(written, capability, &value);
    }
}

/// Panics unless an optional ask is filled like a required one, but for empty elements of its list.
fn check_optional(
    template: &AskTemplate,
    lookup: &dyn Fn(&str) -> Placeholder,
    required: Option<&[Capability]>,
) {
    let optional = template.fill_optional(&|name| lookup(name.as_str()));
    if required.is_some() {
        assert_eq!(optional.as_deref().ok(), required);
        return;
    }
    let present = template.fill(&|name| match lookup(name.as_str()) {
        Placeholder::Many(mut elements) => {
            elements.retain(|element| !element.is_empty());
            Placeholder::Many(elements)
        }
        other => other,
    });
    if let Ok(optional) = optional {
        assert_eq!(Ok(optional), present);
    }
}

fn placeholder(line: &str) -> Placeholder {
    if line.contains('\t') {
        Placeholder::Many(line.split('\t').map(str::to_owned).collect())
    } else {
        Placeholder::One(line.to_owned())
    }
}

/// How many capabilities come of these values: one, or one for each element of the only list.
fn rounds(values: &[Placeholder]) -> usize {
    let mut rounds = 1;
    let mut lists = 0;
    for value in values {
        match value {
            Placeholder::One(text) => assert!(!text.is_empty(), "an empty value was filled in"),
            Placeholder::Many(elements) => {
                lists += 1;
                rounds = elements.len();
                assert!((1..=FILL_ELEMENTS_MAX).contains(&rounds));
                assert!(elements.iter().all(|element| !element.is_empty()));
            }
            Placeholder::Absent | Placeholder::Sensitive | Placeholder::Unfit(_) => {
                panic!("{value:?} was filled in")
            }
        }
    }
    assert!(lists <= 1, "two lists were filled in");
    rounds
}

fn element(value: &Placeholder, round: usize) -> String {
    match value {
        Placeholder::One(text) => text.clone(),
        Placeholder::Many(elements) => elements.get(round).cloned().unwrap_or_default(),
        Placeholder::Absent | Placeholder::Sensitive | Placeholder::Unfit(_) => String::new(),
    }
}

/// The text behind the kind of a capability.
fn target(text: &str) -> &str {
    text.split_once(':').map_or("", |(_, target)| target)
}

/// Whether the template and the capability are of one kind.
fn is_of_kind(template: &str, capability: &Capability) -> bool {
    template.split(':').next() == Some(capability.kind())
}
