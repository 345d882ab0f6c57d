//! What parses, how it prints, and what the errors say.

use super::{parsed, told};
use crate::types::DataType;

#[test]
fn every_form_prints_canonically() {
    let rows = [
        (
            "any",
            "expected a type such as `Array[String[1]]` at byte 0, found `'any'`",
        ),
        ("Any", "Any"),
        ("STRING[ 1 , 0x10 ]", "String[1, 16]"),
        ("String[default, 010]", "String[0, 8]"),
        ("String[Integer[1, 5]]", "String[1, 5]"),
        ("String[-3]", "String"),
        ("::Optional[::String[1]]", "Optional[String[1]]"),
        ("Optional['on']", "Optional[Enum['on']]"),
        ("NotUndef[on]", "NotUndef[Enum['on']]"),
        ("Optional", "Optional"),
        ("Sensitive", "Sensitive"),
        ("Integer[0, default]", "Integer[0]"),
        ("Integer[default, -1]", "Integer[default, -1]"),
        ("Integer[default]", "Integer"),
        ("Float[-1, 1.5e3]", "Float[-1.0, 1500.0]"),
        ("Boolean[ true ]", "Boolean[true]"),
        (
            "Enum[a, dist-upgrade, 'it''s']",
            "expected `,` or `]` at byte 26, found the string `s`",
        ),
        (
            "Enum[a, dist-upgrade, 'it\\'s', true,]",
            "Enum['a', 'dist-upgrade', \"it's\", true]",
        ),
        (
            "Enum[\"a\\tb\\u0041\\u{202E}\\$x\"]",
            "Enum[\"a\\tbA\\u{202E}\\$x\"]",
        ),
        (
            "Pattern[/a\\/b/, 'c/d', Regexp[/e/], Pattern[f]]",
            "Pattern[/a\\/b/, /c\\/d/, /e/, /f/]",
        ),
        ("Array[String, 1]", "Array[String, 1]"),
        ("Array[default, 5]", "Array[Any, 0, 5]"),
        ("Array[Any]", "Array"),
        ("Hash[1, 2]", "Hash[Any, Any, 1, 2]"),
        (
            "Hash[String, Integer, Integer[1, 3]]",
            "Hash[String, Integer, 1, 3]",
        ),
        (
            "Tuple[String, Integer, 1, default]",
            "Tuple[String, Integer, 1]",
        ),
        ("Collection[1,2]", "Collection[1, 2]"),
        ("Iterable[String]", "Iterable[String]"),
        (
            "Struct[{ a => Any, 'b' => String, Optional[c] => Integer, NotUndef['d'] => Undef, Enum[e] => Undef, }]",
            "Struct[{'a' => Any, 'b' => String, Optional['c'] => Integer, NotUndef['d'] => Undef, 'e' => Undef}]",
        ),
        (
            "Variant[Stdlib::Port, Undef] # a port",
            "Variant[Stdlib::Port, Undef]",
        ),
        (
            "timestamp",
            "expected a type such as `Array[String[1]]` at byte 0, found `'timestamp'`",
        ),
        (
            "Timestamp['2000-01-01', default]",
            "Timestamp['2000-01-01', default]",
        ),
        (
            "Callable[[String, 0, 1], Integer]",
            "Callable[[String, 0, 1], Integer]",
        ),
        (
            "Object[{name => 'X', 'list' => [1, -1.5, undef, true, /a\\/b/]}]",
            "Object[{'name' => 'X', 'list' => [1, -1.5, undef, true, /a\\/b/]}]",
        ),
    ];
    for (text, expected) in rows {
        let printed = text
            .parse::<DataType>()
            .map_or_else(|error| told(&error), |wanted| wanted.to_string());
        assert_eq!(printed, expected, "`{text}`");
    }
}

#[test]
fn every_name_of_the_language_parses_bare() {
    let names = "Any Data RichData Undef Default NotUndef Optional String Enum Pattern Regexp Integer Float Numeric \
        Boolean Scalar ScalarData Array Hash Struct Tuple Variant Collection Sensitive Timestamp Timespan SemVer \
        SemVerRange URI Binary Type Callable Object Resource Class CatalogEntry Iterable Iterator Runtime Init \
        TypeAlias TypeReference TypeSet Target Error Result ResultSet ApplyResult TargetSpec PlanResult";
    for name in names.split_whitespace() {
        assert_eq!(parsed(name).to_string(), name);
        assert!(
            parsed(&name.to_ascii_uppercase())
                .to_string()
                .eq_ignore_ascii_case(name)
        );
    }
}

#[test]
fn errors_say_where_and_what() {
    let rows = [
        (
            "",
            "expected a type such as `String[1]` at byte 0, found the end",
        ),
        (
            "[String[1]]",
            "expected a type such as `Array[String[1]]` at byte 0, found `[String[1]]`",
        ),
        (
            "Enum[LG,no]",
            "at byte 5 `Enum` takes quoted strings or words that begin with a small letter, found `LG`: write 'LG'",
        ),
        (
            "Enum[a, 10]",
            "at byte 8 `Enum` takes quoted strings or words that begin with a small letter, found `10`: write '10'",
        ),
        (
            "Enum[default]",
            "at byte 5 `Enum` takes quoted strings or words that begin with a small letter, found `default`: write 'default'",
        ),
        (
            "Enum[]",
            "`Enum` takes one or more strings, 0 given at byte 0",
        ),
        (
            "Optional[File]",
            "`File` at byte 9 is a resource type, which no parameter of a task can have",
        ),
        (
            "Package['x']",
            "`Package` at byte 0 is a resource type, which no parameter of a task can have",
        ),
        ("String[1", "expected `,` or `]` at byte 8, found the end"),
        (
            "String]",
            "expected the end of the type at byte 6, found `]`",
        ),
        (
            "String['a']",
            "at byte 7 `String` takes a size, which is a number or `default`, found `'a'`",
        ),
        (
            "String[1,2,3]",
            "`String` takes fewer arguments, 3 given at byte 0",
        ),
        (
            "String[5, 1]",
            "the range of `String` at byte 0 is empty: its minimum is above its maximum",
        ),
        (
            "Integer[5, 1]",
            "the range of `Integer` at byte 0 is empty: its minimum is above its maximum",
        ),
        (
            "Integer['1']",
            "at byte 8 `Integer` takes whole numbers or `default`, found `'1'`",
        ),
        (
            "Integer[99999999999999999999]",
            "`99999999999999999999` at byte 8 is no number of at most 64 bits",
        ),
        (
            "Integer[08]",
            "`08` at byte 8 is no number of at most 64 bits",
        ),
        (
            "Float[1e999]",
            "`1e999` at byte 6 is no number of at most 64 bits",
        ),
        (
            "Boolean[maybe]",
            "at byte 8 `Boolean` takes `true` or `false`, found `'maybe'`",
        ),
        (
            "Array[1]",
            "at byte 6 `Array` takes the type of its elements first, found `1`: write `Array[Any, 1]`",
        ),
        (
            "Array[]",
            "`Array` takes a type and one or two sizes, 0 given at byte 0",
        ),
        (
            "Hash[String]",
            "`Hash` takes the types of keys and values, and one or two sizes, 1 given at byte 0",
        ),
        ("Data[1]", "`Data` takes no arguments, 1 given at byte 0"),
        (
            "Mymod::Port[1]",
            "`Mymod::Port` takes no arguments, 1 given at byte 0",
        ),
        (
            "Variant['a']",
            "at byte 8 `Variant` takes types, found `'a'`",
        ),
        (
            "Struct[String]",
            "at byte 7 `Struct` takes a hash such as `{ 'key' => String }`, found `String`",
        ),
        (
            "Struct[{a => String, 'a' => Any}]",
            "`Struct` names the key `a` twice, again at byte 21",
        ),
        (
            "Struct[{1 => String}]",
            "at byte 8 `Struct` takes keys such as `'name'` or `Optional['name']`, found `1`",
        ),
        ("Struct[{a, b}]", "expected `=>` at byte 9, found `,`"),
        (
            "Mymod::port",
            "expected a name such as `Mymod::Port` at byte 0, found `port`",
        ),
        ("Optional[String];", "a type contains no `;`, as at byte 16"),
        ("Enum['a]", "the string that begins at byte 5 does not end"),
        (
            "Enum[\"${a}\"]",
            "the string at byte 5 has a variable; a type cannot have one",
        ),
        (
            "Enum[\"\\u{110000}\"]",
            "the string at byte 5 has an escape `\\u` without a character's number",
        ),
        (
            "Pattern[/a",
            "the pattern that begins at byte 8 does not end",
        ),
        (
            "Pattern[1]",
            "at byte 8 `Pattern` takes patterns such as `/\\A[a-z]+\\z/`, found `1`",
        ),
        (
            "Pattern[/a(?!b)/]",
            "the pattern at byte 8 cannot be used: negative lookahead `(?!` at byte 3 of the pattern is not supported",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(
            told(&text.parse::<DataType>().unwrap_err()),
            expected,
            "`{text}`"
        );
    }
}

#[test]
fn limits_refuse_what_passes_them() {
    let deep = |depth: usize| format!("{}String{}", "Optional[".repeat(depth), "]".repeat(depth));
    assert!(deep(31).parse::<DataType>().is_ok());
    let rows = [
        (deep(32), "types are nested more than 32 deep at byte 288"),
        (
            deep(5_000),
            "types are nested more than 32 deep at byte 288",
        ),
        (
            format!("Enum[{}]", "a,".repeat(4_096)),
            "type has more than 4096 parts",
        ),
        (
            format!("Variant[{}]", "Pattern[/a/],".repeat(65)),
            "type has more than 64 patterns",
        ),
        (
            " ".repeat(65_537),
            "type is 65537 bytes long, at most 65536 are read",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(told(&text.parse::<DataType>().unwrap_err()), expected);
    }
}
