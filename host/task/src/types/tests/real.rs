//! The types that published tasks declare: every one parses, or is refused for a reason Puppet has too.

use super::{check, parsed};

/// Distinct type strings of hand-written public tasks.
const REAL: &[&str] = &[
    "Array[String[1]]",
    "Array[String]",
    "Boolean",
    "Enum['run_facts_task', 'run_job', 'get_job', 'current_job_count', 'get_jobs']",
    "Enum[create,list,delete]",
    "Enum[enable, disable]",
    "Enum[get, set, delete]",
    "Enum[present,absent]",
    "Enum[restart]",
    "Enum[standard, full]",
    "Enum[start, stop, restart, enable, disable, status]",
    "Enum[update, upgrade, dist-upgrade, autoremove]",
    "Enum[puppet8-nightly]",
    "Hash",
    "Integer",
    "Optional[Array[Pattern[/\\w+:\\w+=.*/]]]",
    "Optional[Array[Pattern[/\\w+=\\w+/]]]",
    "Optional[Array[String]]",
    "Optional[Array]",
    "Optional[Boolean]",
    "Optional[Enum['active', 'pause', 'drain']]",
    "Optional[Enum['first','unique','hash','deep']]",
    "Optional[Enum['manager', 'worker']]",
    "Optional[Enum['s','json','yaml']]",
    "Optional[Enum[all,none]]",
    "Optional[Enum[tsv,csv,table,raw,records,sql,html]]",
    "Optional[Enum[yes, no]]",
    "Optional[Hash]",
    "Optional[Integer[1]]",
    "Optional[Integer]",
    "Optional[Pattern[/^([A-Za-z0-9._-]+,?)+$/]]",
    "Optional[Pattern[/^[a-z0-9._-]+$/]]",
    "Optional[Pattern[/^[a-z0-9_]+$/]]",
    "Optional[Sensitive[String[1]]]",
    "Optional[String[1]]",
    "Optional[String]",
    "Optional[Variant[Boolean,Enum['true','false']]]",
    "Optional[Variant[Integer, Pattern[/^[0-9]+$/]]]",
    "Optional[Variant[String[1], Array[String[1]]]]",
    "Optional[Variant[String[1], Boolean]]",
    "Pattern[/^([A-Za-z0-9.:_-]+,?)+$/]",
    "Pattern[/^([a-zA-Z0-9_]+,?)+$/]",
    "Pattern[/^[:a-z0-9_]+$/]",
    "String",
    "String[1]",
    "Variant[Pattern[/^([A-Za-z0-9._-]+,?)+$/], Array[Pattern[/^([A-Za-z0-9._-]+,?)+$/]]]",
];

#[test]
fn every_real_type_parses_and_prints_alike() {
    for text in REAL {
        let wanted = parsed(text);
        assert_eq!(parsed(&wanted.to_string()), wanted, "`{text}`");
        wanted
            .compile(&crate::types::TypeAliases::builtin())
            .unwrap();
    }
}

#[test]
fn real_types_accept_what_their_tasks_document() {
    check(&[
        (
            "Enum[update, upgrade, dist-upgrade, autoremove]",
            "\"dist-upgrade\"",
            "ok",
        ),
        (
            "Optional[Array[Pattern[/\\w+:\\w+=.*/]]]",
            r#"["a:b=", "x"]"#,
            "index 1 expects a match for Pattern[/\\w+:\\w+=.*/], got 'x'",
        ),
        (
            "Optional[Variant[Boolean,Enum['true','false']]]",
            "\"true\"",
            "ok",
        ),
        (
            "Optional[Variant[Boolean,Enum['true','false']]]",
            "\"yes\"",
            "expects a value of type Undef, Boolean, or Enum['true', 'false'], got String",
        ),
        (
            "Optional[Variant[Integer, Pattern[/^[0-9]+$/]]]",
            "\"10\"",
            "ok",
        ),
        (
            "Optional[Variant[Integer, Pattern[/^[0-9]+$/]]]",
            r#""10\nx""#,
            "expects a value of type Undef, Integer, or Pattern[/^[0-9]+$/], got String",
        ),
        (
            "Variant[Pattern[/^([A-Za-z0-9._-]+,?)+$/], Array[Pattern[/^([A-Za-z0-9._-]+,?)+$/]]]",
            "[\"bash\", \"vim\"]",
            "ok",
        ),
        ("Pattern[/^[:a-z0-9_]+$/]", "\"apache::mod\"", "ok"),
        (
            "Enum[start, stop, restart, status]",
            "\"reload\"",
            "expects a match for Enum['start', 'stop', 'restart', 'status'], got 'reload'",
        ),
    ]);
}
