use serde_json::json;

use super::*;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not a hash"),
    }
}

/// The facts that the server's own tests use.
fn facts() -> Map<String, Value> {
    map(json!({
        "string": "hello world", "inumber": 1, "fnumber": 1.2, "tbool": true, "fbool": false, "null": null,
        "list": ["a", "b"], "dotted.name": "x", "nested": { "string": "nested hello world", "inumber": 2, "fnumber": 2.2 },
    }))
}

#[track_caller]
fn check_server(fact: &str, operator: &str, value: &str, wanted: bool) {
    let operator = Operator::read(operator).unwrap();
    let test = ServerFact::new(fact, operator, value).unwrap();
    let text = operator.as_str();
    assert_eq!(test.holds(&facts()), wanted, "{fact} {text} {value}");
}

#[test]
fn texts_compare_without_regard_to_case() {
    for (operator, value, wanted) in [
        ("==", "hello world", true),
        ("==", "HeLlO WoRLD", true),
        ("==", "helloworld", false),
        ("!=", "HeLlO WOrLd", false),
        ("!=", "helloworld", true),
        ("=~", "/HeLlO/", true),
        ("=~", "/bye/", false),
        ("=~", "hello", true),
        ("<", "H", false),
        ("<", "I", true),
        (">", "H", true),
        (">", "I", false),
        ("<=", "hello world", true),
        (">=", "HELLO WORLD", true),
    ] {
        check_server("string", operator, value, wanted);
    }
    check_server("nested.string", "==", "nested hello world", true);
    check_server("list.1", "==", "B", true);
}

#[test]
fn numbers_compare_by_how_the_value_is_written() {
    for (fact, operator, value, wanted) in [
        ("nested.inumber", "==", "2", true),
        ("inumber", "==", "2", false),
        ("inumber", "==", "+1", false),
        ("inumber", "==", "1.0", true),
        ("inumber", "!=", "1", false),
        ("inumber", ">=", "1", true),
        ("inumber", ">", "1", false),
        ("inumber", "<", "10", true),
        ("inumber", "<", "+10", true),
        ("inumber", "<", "ten", false),
        ("inumber", "!=", "ten", true),
        ("fnumber", "==", "1", true),
        ("fnumber", "==", "1.2", true),
        ("fnumber", "!=", "1.2", false),
        ("fnumber", "!=", "1.2.3", false),
        ("fnumber", "<=", "1.01", false),
        ("fnumber", ">=", "1", true),
        ("fnumber", "<", "1.0", false),
        ("fnumber", ">", "1", false),
        ("fnumber", "=~", r"/1\.\d+/", true),
        ("fnumber", "=~", "/^1$/", true),
        ("fnumber", "=~", r"/^1\.2000$/", true),
    ] {
        check_server(fact, operator, value, wanted);
    }
}

/// A false fact equals whatever does not mean true, and is unequal to the same.
#[test]
fn booleans_compare_as_oddly_as_they_did() {
    for (fact, operator, value, wanted) in [
        ("tbool", "==", "true", true),
        ("tbool", "==", "T", true),
        ("tbool", "==", "1", true),
        ("tbool", "==", "false", false),
        ("tbool", "!=", "bob", true),
        ("tbool", "!=", "T", false),
        ("fbool", "==", "false", true),
        ("fbool", "==", "0", true),
        ("fbool", "==", "bob", true),
        ("fbool", "==", "true", false),
        ("fbool", "!=", "bob", true),
        ("fbool", "!=", "true", false),
        ("fbool", "!=", "false", true),
        ("fbool", "=~", "/true/", true),
        ("tbool", "=~", "/true/", false),
        ("tbool", "=~", "TRUE", true),
        ("tbool", "<", "z", false),
    ] {
        check_server(fact, operator, value, wanted);
    }
}

#[test]
fn a_fact_that_is_missing_or_no_scalar_holds_nothing() {
    for fact in [
        "missing", "null", "list", "nested", "string.x", "list.x", "list.7",
    ] {
        for operator in ["==", "!=", "<", "<=", ">", ">=", "=~"] {
            check_server(fact, operator, "x", false);
        }
    }
}

#[test]
fn huge_numbers_stay_within_64_bits() {
    let facts =
        map(serde_json::from_str(r#"{"a": 1e300, "b": -1e300, "c": 9007199254740993}"#).unwrap());
    let holds = |fact, operator, value| {
        ServerFact::new(fact, operator, value)
            .unwrap()
            .holds(&facts)
    };
    assert!(holds("a", Operator::Greater, "5"));
    assert!(holds("b", Operator::Less, "5"));
    assert!(holds("c", Operator::Equal, "9007199254740992"));
}

#[test]
fn the_plugin_compares_texts_and_takes_nothing_for_a_missing_fact() {
    for (fact, operator, value, wanted) in [
        ("string", Operator::Equal, "hello world", true),
        ("string", Operator::Equal, "Hello world", false),
        ("inumber", Operator::Equal, "1", true),
        ("inumber", Operator::Less, "10", true),
        ("inumber", Operator::Greater, "10", false),
        ("nested.inumber", Operator::Equal, "2", false),
        ("nested.inumber", Operator::Less, "10", true),
        ("dotted.name", Operator::Equal, "x", true),
        ("tbool", Operator::Equal, "true", true),
        ("missing", Operator::Less, "a", true),
        ("null", Operator::Less, "a", true),
        ("missing", Operator::Equal, "a", false),
        ("list", Operator::Less, "~", false),
    ] {
        let test = TextFact::new(fact, operator, value).unwrap();
        assert_eq!(test.holds(&facts()), wanted, "{fact} {operator:?} {value}");
    }
}

#[test]
fn what_cannot_be_compared_exactly_is_refused() {
    let server = |fact, operator, value| ServerFact::new(fact, operator, value).map(drop);
    for name in ["", "a b", "a.*", "#", "a..b", "@x", "a|b", ":a", ".a", "a."] {
        assert_eq!(
            server(name, Operator::Equal, "x"),
            Err(FactFault::Name),
            "{name}"
        );
    }
    assert_eq!(server("a", Operator::Equal, ""), Err(FactFault::Value));
    assert_eq!(
        server("a", Operator::Greater, "1.5"),
        Err(FactFault::GreaterFraction)
    );
    assert_eq!(
        server("a", Operator::Equal, "-0x1.8p1"),
        Err(FactFault::Hexadecimal)
    );
    assert!(server("a", Operator::Greater, "1.5.2").is_ok());
    assert!(matches!(
        server("a", Operator::Matches, "/(?=x)/"),
        Err(FactFault::Pattern(_))
    ));
    let text = |operator, value| TextFact::new("a", operator, value).map(drop);
    assert_eq!(text(Operator::Unequal, "x"), Err(FactFault::TextOperator));
    assert_eq!(text(Operator::Equal, "x' or 'x"), Err(FactFault::Quote));
}

const FILE: &str = r#"format = "host.predicates/1"

[admins]
kind = "caller-matches"
prefix = "choria="
pattern = "^choria=admin-"

["web class"]
kind = "class-matches"
pattern = "^web::"

["fact cores>4"]
kind = "choria-fact"
fact = "cores"
operator = ">"
value = "4"

[early]
kind = "fact-text"
fact = "role"
operator = "<"
value = "b"
"#;

#[test]
fn a_file_says_which_names_hold() {
    let predicates = Predicates::read(FILE).unwrap();
    let holding = |caller: &str, facts: Value, classes: &[&str]| {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        let held = predicates.holding(caller, &map(facts), &classes);
        held.into_iter().collect::<Vec<_>>().join(", ")
    };
    assert_eq!(holding("admin-a", json!({"role": "c"}), &[]), "admins");
    assert_eq!(
        holding("x", json!({"cores": 8}), &["web::a"]),
        "early, fact cores>4, web class"
    );
    assert_eq!(
        holding("x", json!({"cores": 4, "role": "b"}), &["a::web"]),
        ""
    );
    let names: Vec<&str> = predicates.names().collect();
    assert_eq!(names, ["admins", "early", "fact cores>4", "web class"]);
}

#[test]
fn what_is_written_reads_as_the_same() {
    let written = Predicates::read(FILE).unwrap().to_toml();
    let again = Predicates::read(&written).unwrap();
    assert_eq!(again.to_toml(), written);
    assert_eq!(again.names().count(), 4);
}

#[test]
fn a_file_is_refused_with_the_line() {
    let with = |text: &str| format!("format = \"host.predicates/1\"\n\n{text}");
    for (text, wanted) in [
        (
            String::new(),
            "line 1: `format` must be `host.predicates/1`",
        ),
        (
            "format = \"host.predicates/2\"".to_owned(),
            "line 1: `format` must be `host.predicates/1`",
        ),
        (with("x = 1"), "line 3: predicate `x`: "),
        (
            with("[x]\nkind = \"caller-matches\"\npattern = \"(\""),
            "line 3: predicate `x`: it is too large or not a regular expression",
        ),
        (
            with("[x]\nkind = \"caller-matches\"\npattern = \"a{9}{999}{999}\""),
            "line 3: predicate `x`: it is too large",
        ),
        (
            with("[x]\nkind = \"other\""),
            "line 3: predicate `x`: unknown variant `other`",
        ),
        (
            with("[x]\nkind = \"class-matches\"\npattern = \"a\"\nmore = 1"),
            "line 3: predicate `x`: unknown field `more`",
        ),
        (
            with("[x]\nkind = \"class-matches\""),
            "line 3: predicate `x`: missing field `pattern`",
        ),
        (
            with("[x]\nkind = \"fact-text\"\nfact = \"a\"\noperator = \"!=\"\nvalue = \"b\""),
            "line 3: predicate `x`: the plugin compares",
        ),
        (
            with("[x]\nkind = \"choria-fact\"\nfact = \"a\"\noperator = \"<>\"\nvalue = \"b\""),
            "line 3: predicate `x`: there is no such operator",
        ),
        (
            with("[\"a\\nb\"]\nkind = \"class-matches\"\npattern = \"a\""),
            "line 3: a name has",
        ),
        (
            with("[\" a\"]\nkind = \"class-matches\"\npattern = \"a\""),
            "line 3: a name has",
        ),
        (
            with(
                "[x]\nkind = \"class-matches\"\npattern = \"a\"\n[x]\nkind = \"class-matches\"\npattern = \"a\"",
            ),
            "line 6: duplicate key",
        ),
        (with("[x"), "line 3: "),
    ] {
        let error = Predicates::read(&text).unwrap_err().to_string();
        assert!(error.starts_with(wanted), "{error}\n{wanted}");
    }
    let large = format!("#{}", "x".repeat(PREDICATES_BYTES_MAX));
    assert_eq!(
        Predicates::read(&large).unwrap_err(),
        PredicatesError::TooLarge
    );
}

#[test]
fn more_predicates_than_a_file_may_have_are_refused() {
    let predicate = Predicate::ClassMatches {
        pattern: "a".to_owned(),
    };
    let many = (0..=PREDICATES_MAX).map(|number| (format!("p{number}"), predicate.clone()));
    assert_eq!(Predicates::new(many).unwrap_err(), PredicatesError::TooMany);
}
