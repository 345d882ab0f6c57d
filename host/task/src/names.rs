//! Reads the name of a task as people write it: `module`, `module::task`, or `task` alone.

use host_core::{ModuleName, TaskName};

/// The task of `module` that `text` names, or `None` where `text` is no task name or is of another module.
///
/// A name equal to the module's means the module's own task, `init`.
pub(crate) fn task_name(module: &ModuleName, text: &str) -> Option<TaskName> {
    let short = match text.split_once("::") {
        Some((prefix, short)) if prefix == module.as_str() => short,
        Some(_) => return None,
        None if text == module.as_str() => "init",
        None => text,
    };
    short_name(module, short)
}

/// The task of `module` whose name without the module is `short`, `init` being the module's own.
pub(crate) fn short_name(module: &ModuleName, short: &str) -> Option<TaskName> {
    if short.contains(':') {
        return None;
    }
    match short {
        "init" => module.as_str().parse().ok(),
        _ => format!("{module}::{short}").parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_name_is_read() {
        let module: ModuleName = "service".parse().expect("a module");
        let cases = [
            ("service", Some("service")),
            ("init", Some("service")),
            ("service::init", Some("service")),
            ("report", Some("service::report")),
            ("service::report", Some("service::report")),
            ("service::service", Some("service::service")),
            ("other::report", None),
            ("other", Some("service::other")),
            ("service::a::b", None),
            ("::report", None),
            ("Report", None),
            ("", None),
        ];
        for (text, wanted) in cases {
            let found = task_name(&module, text).map(|name| name.to_string());
            assert_eq!(found.as_deref(), wanted, "{text}");
        }
    }
}
