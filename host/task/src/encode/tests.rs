use host_core::ModuleName;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::input::RawInput;
use crate::module::Module;
use crate::types::TypeAliases;

fn checked(input: &Value, noop: bool) -> CheckedInput {
    let name: ModuleName = "demo".parse().expect("a name");
    let paths = ["tasks/run.sh", "tasks/run.json"].map(str::to_owned);
    let metadata = br#"{"supports_noop": true}"#;
    let module = Module::open(&name, paths, &mut |_| Ok(metadata.to_vec())).expect("a module");
    let mut raw = RawInput::default();
    raw.read_object(input.to_string().as_bytes())
        .expect("an object");
    module
        .find("run")
        .expect("a task")
        .check(&raw, noop, &TypeAliases::builtin())
        .expect("valid input")
}

fn variables(encoded: &ProcessInput) -> Vec<String> {
    encoded
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

#[test]
fn strings_are_raw_and_everything_else_is_json() {
    let input = json!({"text": "a \"b\"\n", "int": 1, "flag": true, "none": null, "list": [1, "2"], "map": {"x": 1}});
    let encoded = checked(&input, false)
        .encode(InputMethod::Both, None)
        .expect("encodable");
    assert_eq!(
        variables(&encoded),
        [
            "PT_flag=true",
            "PT_int=1",
            "PT_list=[1,\"2\"]",
            "PT_map={\"x\":1}",
            "PT_none=null",
            "PT_text=a \"b\"\n",
            "PT__task=demo::run",
        ]
    );
    let mut wanted = input;
    wanted["_task"] = json!("demo::run");
    assert_eq!(
        serde_json::from_slice::<Value>(&encoded.stdin).expect("JSON"),
        wanted
    );
}

#[test]
fn metaparameters_come_with_the_run_that_has_them() {
    let cases = [
        (false, None, "PT__task=demo::run"),
        (true, None, "PT__task=demo::run PT__noop=true"),
        (
            false,
            Some("/scratch/d"),
            "PT__task=demo::run PT__installdir=/scratch/d",
        ),
        (
            true,
            Some("/d"),
            "PT__task=demo::run PT__noop=true PT__installdir=/d",
        ),
    ];
    for (noop, installdir, wanted) in cases {
        let encoded = checked(&json!({}), noop)
            .encode(InputMethod::Both, installdir)
            .expect("encodable");
        assert_eq!(variables(&encoded).join(" "), wanted);
        let stdin: Value = serde_json::from_slice(&encoded.stdin).expect("JSON");
        assert_eq!(stdin.get("_noop").is_some(), noop);
        assert_eq!(stdin.get("_installdir").and_then(Value::as_str), installdir);
    }
}

#[test]
fn the_method_decides_what_the_process_gets() {
    for (method, has_stdin, has_environment) in [
        (InputMethod::Stdin, true, false),
        (InputMethod::Environment, false, true),
        (InputMethod::Both, true, true),
        (InputMethod::Powershell, true, false),
    ] {
        let encoded = checked(&json!({"x": 1}), false)
            .encode(method, None)
            .expect("encodable");
        assert_eq!(
            (!encoded.stdin.is_empty(), !encoded.environment.is_empty()),
            (has_stdin, has_environment),
            "{method}"
        );
    }
}

#[test]
fn what_no_environment_can_hold_is_refused_and_stdin_holds_it() {
    let room = VARIABLE_BYTES_MAX - "PT_x=".len() - 1;
    let stdin = "the task would need `\"input_method\": \"stdin\"`";
    let cases = [
        (
            json!({"x": "a\0b"}),
            format!("`x` holds a NUL, which no environment can: {stdin}"),
        ),
        (
            json!({"x": "a".repeat(room + 1)}),
            format!("`x` takes 131073 bytes of at most 131072 in the environment: {stdin}"),
        ),
        (
            (0..9)
                .map(|index| (format!("x{index}"), json!("a".repeat(120_000))))
                .collect(),
            format!("parameters take 1080082 bytes of at most 1048576 in the environment: {stdin}"),
        ),
    ];
    for (input, wanted) in cases {
        let checked = checked(&input, false);
        for method in [InputMethod::Environment, InputMethod::Both] {
            assert_eq!(
                checked.encode(method, None).expect_err(&wanted).to_string(),
                wanted
            );
        }
        assert!(checked.encode(InputMethod::Stdin, None).is_ok());
    }
    let fits = json!({"x": "a".repeat(room)});
    assert!(
        checked(&fits, false)
            .encode(InputMethod::Both, None)
            .is_ok()
    );
    // Inside JSON a NUL is written as an escape.
    assert!(
        checked(&json!({"x": ["a\0b"]}), false)
            .encode(InputMethod::Both, None)
            .is_ok()
    );
}

#[test]
fn encoded_values_are_not_shown() {
    let encoded = checked(&json!({"password": "hunter2"}), false)
        .encode(InputMethod::Both, None)
        .expect("encodable");
    let shown = format!("{encoded:?}");
    assert!(
        !shown.contains("hunter2") && shown.contains("PT_password"),
        "{shown}"
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| json!(f64::from(number) / 8.0)),
        "[^\0]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{0,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_read_back(map in prop::collection::btree_map("[a-z][a-z0-9_]{0,6}", values(), 0..6)) {
        let encoded = checked(&json!(map), false).encode(InputMethod::Both, None).expect("encodable");
        let mut stdin: Value = serde_json::from_slice(&encoded.stdin).expect("JSON");
        stdin.as_object_mut().expect("an object").shift_remove("_task");
        prop_assert_eq!(&stdin, &json!(map));
        for (name, text) in encoded.environment.iter().filter(|(name, _)| name != "PT__task") {
            let value = &map[name.strip_prefix("PT_").expect("the prefix")];
            match value {
                Value::String(raw) => prop_assert_eq!(raw, text),
                other => prop_assert_eq!(other, &serde_json::from_str::<Value>(text).expect("JSON")),
            }
        }
    }
}
