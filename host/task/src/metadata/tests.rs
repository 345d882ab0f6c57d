use std::error::Error as _;

use host_core::ParameterName;
use proptest::prelude::*;

use super::*;
use crate::types::TypeAliases;

fn read(text: &str) -> (Metadata, Vec<Lint>) {
    Metadata::read(text.as_bytes(), &TypeAliases::builtin()).expect("readable metadata")
}

fn lints(text: &str) -> Vec<String> {
    let (metadata, lints) = read(text);
    let defaults = metadata.lint_defaults(&TypeAliases::builtin());
    lints
        .iter()
        .chain(&defaults)
        .map(ToString::to_string)
        .collect()
}

fn refusal(text: &str) -> String {
    let error = Metadata::read(text.as_bytes(), &TypeAliases::builtin()).expect_err(text);
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    message
}

#[test]
fn an_empty_file_is_an_empty_object() {
    for text in ["", " \n", "\u{feff}", "{}", "\u{feff}{}"] {
        let (metadata, lints) = read(text);
        assert!(
            metadata.parameters.is_none() && metadata.implementations.is_empty(),
            "{text:?}"
        );
        assert!(!metadata.supports_noop && !metadata.private && !metadata.remote);
        assert_eq!(
            (metadata.input_method, metadata.description, lints),
            (None, None, Vec::new())
        );
    }
}

#[test]
fn every_key_of_the_format_is_read() {
    let (metadata, lints) = read(
        r#"{
            "puppet_task_version": 1, "description": "d", "supports_noop": true, "input_method": "stdin",
            "private": true, "remote": false, "identifiers": {"any": "thing"},
            "parameters": {
                "name": {"type": "String[1]", "description": "who", "sensitive": true, "default": "x"},
                "any": {}, "none": null
            },
            "files": ["helper/files/lib/", "mine/lib/x.rb"],
            "implementations": [
                {"name": "x.ps1", "requirements": ["powershell"], "input_method": "powershell"},
                {"name": "x.sh", "files": ["mine/scripts/y.sh"], "remote": true}
            ],
            "extensions": {"discovery": {"anything": ["goes"]}}
        }"#,
    );
    assert_eq!(lints, []);
    assert_eq!(metadata.description.as_deref(), Some("d"));
    assert_eq!(metadata.input_method, Some(InputMethod::Stdin));
    assert!(metadata.supports_noop && metadata.private && !metadata.remote);
    let names: Vec<_> = metadata
        .parameters
        .iter()
        .flatten()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(names, ["name", "any", "none"]);
    let name = metadata.parameter("name").expect("declared");
    assert!(name.sensitive && matches!(name.kind, ParameterType::Typed(_)));
    assert_eq!(name.default, Some("x".into()));
    let references: Vec<_> = metadata
        .file_references()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        references,
        ["helper/files/lib/", "mine/lib/x.rb", "mine/scripts/y.sh"]
    );
    let [windows, linux] = metadata.implementations.as_slice() else {
        panic!("two implementations")
    };
    assert_eq!(
        (windows.name.as_str(), windows.requirements.as_slice()),
        ("x.ps1", &["powershell".to_owned()][..])
    );
    assert_eq!(
        (windows.input_method, windows.remote),
        (Some(InputMethod::Powershell), None)
    );
    assert_eq!((linux.input_method, linux.remote), (None, Some(true)));
}

#[test]
fn no_parameters_and_none_declared_differ() {
    assert!(read(r#"{"parameters": null}"#).0.parameters.is_none());
    assert_eq!(
        read(r#"{"parameters": {}}"#)
            .0
            .parameters
            .map(|list| list.len()),
        Some(0)
    );
}

#[test]
fn what_real_modules_do_is_a_lint() {
    let ignored = "is not a key of the task format and is ignored";
    let cases = [
        (
            r#"{"summary": "s", "name": "n"}"#,
            vec![format!("`summary` {ignored}"), format!("`name` {ignored}")],
        ),
        (
            r#"{"parameters": {"authkey": {"required": true, "type": "String"}}}"#,
            vec![format!("`parameters.authkey.required` {ignored}")],
        ),
        (
            r#"{"parameters": {"key": "The key file to be copied"}}"#,
            vec![
                "`parameters.key` is a text, read as the description of a parameter without a type"
                    .to_owned(),
            ],
        ),
        (
            r#"{"implementations": [{"name": "a.sh", "input_method": "stdin", "input_method": "both"}]}"#,
            Vec::new(),
        ),
        (
            r#"{"extensions": {"host": {}}, "x\u202ey": 1}"#,
            vec![format!("`x\\u{{202e}}y` {ignored}")],
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(lints(text), wanted, "{text}");
    }
}

#[test]
fn a_type_that_puppet_refuses_leaves_the_metadata_readable() {
    for text in ["[String[1]]", "Enum[LG,no]", "Optional[", "helloworld"] {
        let json = serde_json::json!({"parameters": {"x": {"type": text}}, "description": "d"})
            .to_string();
        let (metadata, lints) = read(&json);
        let parameter = metadata.parameter("x").expect("declared");
        let ParameterType::Unreadable { text: kept, .. } = &parameter.kind else {
            panic!("{text} is readable")
        };
        assert_eq!(kept, text);
        assert!(parameter.is_required(&TypeAliases::builtin()));
        assert_eq!(lints.len(), 1, "{text}");
        assert!(
            lints[0]
                .to_string()
                .starts_with("`parameters.x.type` cannot be read"),
            "{}",
            lints[0]
        );
    }
}

#[test]
fn a_parameter_typed_sensitive_is_sensitive() {
    let (metadata, _) = read(
        r#"{"parameters": {
            "a": {"type": "Sensitive[String]"}, "b": {"type": "Optional[Sensitive[String[1]]]"},
            "c": {"type": "String", "sensitive": true}, "d": {"type": "String"}, "e": {"sensitive": true}
        }}"#,
    );
    let sensitive: Vec<_> = metadata
        .parameters
        .iter()
        .flatten()
        .filter(|parameter| parameter.sensitive)
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(sensitive, ["a", "b", "c", "e"]);
}

#[test]
fn a_task_has_a_limit_of_patterns() {
    let metadata = |parameters: usize| {
        let parameter = |index: usize| {
            let patterns = vec!["/a/"; 64].join(", ");
            (
                format!("p{index}"),
                serde_json::json!({"type": format!("Pattern[{patterns}]")}),
            )
        };
        let parameters: serde_json::Map<_, _> = (0..parameters).map(parameter).collect();
        serde_json::json!({ "parameters": parameters }).to_string()
    };
    assert!(read(&metadata(4)).1.is_empty());
    assert_eq!(
        refusal(&metadata(5)),
        "the types of the parameters have 320 patterns, of at most 256"
    );
}

#[test]
fn a_default_that_does_not_fit_is_a_lint_without_a_secret_in_it() {
    let fits = r#"{"parameters": {"x": {"type": "Enum[a, b]", "default": "a"}}}"#;
    assert_eq!(lints(fits), Vec::<String>::new());
    let found = lints(r#"{"parameters": {"x": {"type": "Enum[a, b]", "default": "hunter2"}}}"#);
    let wanted = "`parameters.x.default` does not fit the type: expects a match for Enum['a', 'b'], got 'hunter2'";
    assert_eq!(found, [wanted]);
    let secret = lints(
        r#"{"parameters": {"x": {"type": "Enum[a, b]", "default": "hunter2", "sensitive": true}}}"#,
    );
    assert_eq!(secret.len(), 1);
    assert!(!secret[0].contains("hunter2"), "{}", secret[0]);
}

#[test]
fn what_would_have_to_be_guessed_is_refused() {
    let cases = [
        ("[]", "`the document` expects an object, got an array"),
        (
            "{",
            "metadata is not readable: not JSON at line 1, column 1",
        ),
        (
            r#"{"puppet_task_version": 2}"#,
            "`puppet_task_version` is not 1, the only one there is",
        ),
        (
            r#"{"supports_noop": "true"}"#,
            "`supports_noop` expects true or false, got a string",
        ),
        (
            r#"{"parameters": []}"#,
            "`parameters` expects an object, got an array",
        ),
        (
            r#"{"parameters": {"x": 1}}"#,
            "`parameters.x` expects an object, got a number",
        ),
        (
            r#"{"parameters": {"x": {"type": 1}}}"#,
            "`parameters.x.type` expects a string, got a number",
        ),
        (
            r#"{"parameters": {"_x": {}}}"#,
            "`_x` is not a parameter name: at most 64 lower-case letters, digits and `_`, a letter first",
        ),
        (
            r#"{"input_method": "argv"}"#,
            "`input_method` is not an input method: not one of `stdin`, `environment`, `both`, `powershell`",
        ),
        (
            r#"{"implementations": [{}]}"#,
            "`implementations[0]` expects a `name`, got an object",
        ),
        (
            r#"{"implementations": [{"name": "../x.sh"}]}"#,
            "`implementations[0].name` is not the name of a file in `tasks/`",
        ),
        (
            r#"{"implementations": [{"name": "x", "requirements": "shell"}]}"#,
            "`implementations[0].requirements` expects an array, got a string",
        ),
        (
            r#"{"files": ["a/files/../x"]}"#,
            "`files[0]` cannot be used: `a/files/../x` is not a plain relative path",
        ),
        (
            r#"{"extensions": {"host": {"ask": []}}}"#,
            "`extensions.host.ask` is not known here",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(refusal(text), wanted, "{text}");
    }
}

#[test]
fn lists_have_a_greatest_length() {
    let many = serde_json::json!({ "files": vec!["a/files/x"; FILES_MAX + 1] }).to_string();
    assert_eq!(
        refusal(&many),
        "`files` expects fewer elements, got a longer array"
    );
    let parameters: serde_json::Map<_, _> = (0..=PARAMETERS_MAX)
        .map(|index| (format!("p{index}"), serde_json::json!({})))
        .collect();
    let many = serde_json::json!({ "parameters": parameters }).to_string();
    assert_eq!(
        refusal(&many),
        "`parameters` has 1025 entries, of at most 1024"
    );
    let large = format!(
        "{{\"description\": \"{}\"}}",
        "x".repeat(METADATA_BYTES_MAX)
    );
    assert_eq!(
        refusal(&large),
        "metadata is not readable: too large: 1048595 of at most 1048576 bytes"
    );
}

#[test]
fn a_reference_names_a_file_or_a_directory_of_a_mount() {
    let cases = [
        ("m/files/a.sh", Some(("files/a.sh", false))),
        ("m/files/a/b/", Some(("files/a/b", true))),
        ("m/lib/", Some(("lib", true))),
        ("m/scripts/x y", Some(("scripts/x y", false))),
        ("m/tasks/init.sh", Some(("tasks/init.sh", false))),
        ("m/templates/x", None),
        ("m/files", None),
        ("m", None),
        ("", None),
        ("/m/files/x", None),
        ("../m/files/x", None),
        ("m/files/../x", None),
        ("m/files//x", None),
        ("m/files/./x", None),
        ("m/files/x//", None),
        ("m/files//", None),
        ("m/files/a\\b", None),
        ("m/files/a\0b", None),
        ("M/files/a", None),
    ];
    for (text, wanted) in cases {
        let found = text.parse::<FileReference>().ok();
        assert_eq!(found.is_some(), wanted.is_some(), "{text}");
        let (Some(found), Some((path, is_directory))) = (found, wanted) else {
            continue;
        };
        assert_eq!(
            (found.path_in_module().as_str(), found.is_directory()),
            (path, is_directory),
            "{text}"
        );
        assert_eq!(found.to_string(), text);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Metadata::read(&bytes, &TypeAliases::builtin());
    }

    #[test]
    fn a_reference_never_leaves_its_module(text in "m/files/[a./\\\\]{0,12}") {
        if let Ok(reference) = text.parse::<FileReference>() {
            let path = reference.path_in_module();
            prop_assert!(path.starts_with("files"));
            prop_assert!(path.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn names_and_types_of_parameters_survive_reading(names in prop::collection::btree_set("[a-z][a-z0-9_]{0,8}", 0..8)) {
        let parameters: serde_json::Map<_, _> =
            names.iter().map(|name| (name.clone(), serde_json::json!({"type": "String"}))).collect();
        let (metadata, lints) = read(&serde_json::json!({"parameters": parameters}).to_string());
        prop_assert_eq!(lints, []);
        let read: Vec<ParameterName> = metadata.parameters.iter().flatten().map(|item| item.name.clone()).collect();
        prop_assert!(read.iter().map(ParameterName::as_str).eq(names.iter().map(String::as_str)));
    }
}
