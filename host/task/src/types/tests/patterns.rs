//! Ruby's patterns: what they match here, and what is refused.

use super::{check, told};
use crate::types::TypeAliases;
use crate::types::pattern::{Pattern, Patterns};

fn is_match(pattern: &Pattern, text: &str) -> bool {
    let compiled = Patterns::default().compiled(pattern);
    let compiled = compiled.unwrap_or_else(|error| {
        panic!(
            "`{}` as `{}`: {error}",
            pattern.delimited(),
            pattern.translated()
        )
    });
    compiled.is_match(text)
}

#[test]
fn anchors_mean_the_whole_value() {
    let hole = "Pattern[/^([A-Za-z0-9._-]+,?)+$/]";
    check(&[
        (hole, "\"a,b.c\"", "ok"),
        (
            hole,
            r#""ok\n; rm -rf /""#,
            "expects a match for Pattern[/^([A-Za-z0-9._-]+,?)+$/], got 'ok\\u{a}; rm -rf /'",
        ),
        (
            hole,
            r#""; rm\nok""#,
            "expects a match for Pattern[/^([A-Za-z0-9._-]+,?)+$/], got '; rm\\u{a}ok'",
        ),
        (
            hole,
            r#""ok\n""#,
            "expects a match for Pattern[/^([A-Za-z0-9._-]+,?)+$/], got 'ok\\u{a}'",
        ),
    ]);
}

#[test]
fn rubys_syntax_keeps_its_meaning() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (r"b", &["abc"], &["ac"]),
        (r"^a$", &["a"], &["a\n", "b\na", "a\nb"]),
        (r"\Aa\Z", &["a"], &["a\n"]),
        (r"\Aa\z", &["a"], &["a\n"]),
        (r"\A.\z", &["ä", "\r"], &["\n"]),
        (r"(?m:\A.\z)", &["\n"], &["ab"]),
        (r"(?m-m:\A.\z)", &["x"], &["\n"]),
        (r"\A\h{,3}\z", &["", "aF0"], &["g", "abcd"]),
        (r"\A\H+\z", &["xyz"], &["a"]),
        (r"\A\d\z", &["7"], &["٣"]),
        (r"\A\w\z", &["_"], &["ä", "-"]),
        (r"(?i)\A\w\z", &["K"], &["\u{212a}"]),
        (r"(?i)\A[\w]\z", &["K", "s"], &["\u{212a}", "ſ"]),
        (r"(?i)\A[\w.-]+\z", &["K.s-"], &["\u{212a}", "ſ"]),
        (r"(?i)\A[a-z]+\z", &["Ks"], &["\u{212a}", "ſ", "1"]),
        (r"(?i)\A[k-n_]+\z", &["kKnN_"], &["\u{212a}", "j", "O"]),
        (r"(?i)\A[X-b]+\z", &["XxYyZzAaBb^`"], &["c", "C", "w"]),
        (r"(?i)\A[^\W_]+\z", &["aZ9"], &["_", "-", "\u{212a}", "ſ"]),
        (r"(?i)\A[^k]\z", &["a"], &["k", "K", "\u{212a}"]),
        (
            r"(?i)\A[a-z&&[^k]]\z",
            &["a", "A"],
            &["k", "K", "\u{212a}", "ſ"],
        ),
        (r"(?i)\A[[:xdigit:]x]+\z", &["aFX"], &["g"]),
        (r"(?i)\A[é\w]+\z", &["éÉa"], &["-"]),
        (r"(?i:\A[a])[a]\z", &["Aa"], &["AA"]),
        (r"\A(?i:[a](?-i:[b])[c])[d]\z", &["AbCd"], &["ABCd", "abcD"]),
        (r"(?i)\A[[:alpha:]]+\z", &["äÄ"], &["1"]),
        (r"\A\W\z", &["ä"], &["a"]),
        (r"\A\s\z", &["\u{b}", " "], &["\u{a0}"]),
        (r"\A[\d\-x]+\z", &["1-x"], &["y"]),
        (r"\A[\w.-]+\z", &["a.-"], &["a+"]),
        (r"\A[a-c-]+\z", &["b-"], &["d"]),
        (r"\A[\w-z]+\z", &["a-z"], &["+"]),
        (r"\A[^\W_]+\z", &["aZ9"], &["_", "-"]),
        (r"\A[]a]+\z", &["]a"], &["b"]),
        (r"\A[^]a]+\z", &["b"], &["]"]),
        (r"\A[a-z&&[^aeiou]]+\z", &["bcd"], &["abc"]),
        (r"\A[a[bc]]+\z", &["cab"], &["d"]),
        (r"\A[~~]+[+--]\z", &["~~,", "~-"], &["~."]),
        (r"\A[[:xdigit:]]+\z", &["beef"], &["g"]),
        (r"\A[[:alpha:]_]+\z", &["äß_"], &["1"]),
        (r"\A[[:^digit:]]+\z", &["ab"], &["a1"]),
        (r"\A[[:punct:]]+\z", &["!$~^-"], &["a", " "]),
        (r"\A[[:print:]]+\z", &["a b"], &["\t"]),
        (
            r"\A\p{Alpha}\P{Alpha}\p{^Alpha}\z",
            &["a11"],
            &["aa1", "a1a"],
        ),
        (r"\A\p{Greek}+\z", &["αβ"], &["a"]),
        (r"\A(?<name>a)(?'other'b)(?#what)(c)\z", &["abc"], &["ab"]),
        (r"\A(?i:a)b\z", &["Ab", "ab"], &["aB"]),
        (r"\Aa(?i)b|c\z", &["aB", "aC"], &["Ab", "c"]),
        (
            "(?x: \\A a \\  [ #] # comment )\n \\z )",
            &["a  ", "a #"],
            &["a", "a # comment"],
        ),
        (r"\Aa{2}?\z", &["", "aa"], &["a"]),
        (r"\Aa{1,2}+\z", &["a", "aaaaa"], &[""]),
        (r"\A{,}{x}{\z", &["{,}{x}{"], &["x"]),
        (r"\Aa+?b*?c??\z", &["ab", "aac"], &["b"]),
        (
            r"\A\x41\060\u0042\u{43}\t\e\0\z",
            &["A0BC\t\u{1b}\0"],
            &["A"],
        ),
        (r"\A[\x41\b\n]\z", &["A", "\u{8}", "\n"], &["b"]),
        (r"\A\.\-\/\_\:\z", &[".-/_:"], &["x"]),
        (r"\bfoo\b", &["a foo b", "foo"], &["afoo", "foob"]),
        (r"\A#&~ %@\z", &["#&~ %@"], &["#"]),
        (r"\A()\z|", &["", "x"], &[]),
    ];
    for (source, good, bad) in rows {
        let pattern = Pattern::new(source).unwrap_or_else(|error| panic!("`{source}`: {error}"));
        for text in *good {
            assert!(
                is_match(&pattern, text),
                "`{source}` as `{}` refuses {text:?}",
                pattern.translated()
            );
        }
        for text in *bad {
            assert!(
                !is_match(&pattern, text),
                "`{source}` as `{}` matches {text:?}",
                pattern.translated()
            );
        }
    }
}

#[test]
fn what_cannot_be_matched_is_refused_by_name() {
    let rows = [
        (
            r"a(?=b)",
            "lookahead `(?=` at byte 3 of the pattern is not supported",
        ),
        (
            r"a(?!b)",
            "negative lookahead `(?!` at byte 3 of the pattern is not supported",
        ),
        (
            r"(?<=a)b",
            "lookbehind `(?<=` at byte 3 of the pattern is not supported",
        ),
        (
            r"(?<!a)b",
            "negative lookbehind `(?<!` at byte 3 of the pattern is not supported",
        ),
        (
            r"(?>a)",
            "the atomic group `(?>` at byte 2 of the pattern is not supported",
        ),
        (
            r"(?~a)",
            "the absence operator `(?~` at byte 2 of the pattern is not supported",
        ),
        (
            r"(a)?(?(1)b)",
            "the conditional `(?(` at byte 6 of the pattern is not supported",
        ),
        (
            r"a*+",
            "the possessive `*+` at byte 2 of the pattern is not supported",
        ),
        (
            r"a++",
            "the possessive `++` at byte 2 of the pattern is not supported",
        ),
        (
            r"a?+",
            "the possessive `?+` at byte 2 of the pattern is not supported",
        ),
        (
            r"(a)\1",
            "a backreference at byte 3 of the pattern is not supported",
        ),
        (
            r"(?<x>a)\k<x>",
            "the backreference `\\k` at byte 7 of the pattern is not supported",
        ),
        (
            r"(?<x>a)\g<x>",
            "the call `\\g` at byte 7 of the pattern is not supported",
        ),
        (
            r"\Ga",
            "the anchor `\\G` at byte 0 of the pattern is not supported",
        ),
        (
            r"a\R",
            "the line break `\\R` at byte 1 of the pattern is not supported",
        ),
        (
            r"\xE4",
            "a byte above 7F at byte 3 of the pattern is not supported",
        ),
        (
            r"\cA",
            "a control or meta escape at byte 1 of the pattern is not supported",
        ),
        (
            r"(?u:a)",
            "this kind of group at byte 2 of the pattern is not supported",
        ),
        (r"(a", "a group without its `)` at byte 1 of the pattern"),
        (r"a)", "a `)` without its group at byte 1 of the pattern"),
        (
            r"[a",
            "a bracket expression without its `]` at byte 1 of the pattern",
        ),
        (
            r"[z-a]",
            "a character range that is empty at byte 3 of the pattern",
        ),
        (
            r"[[:nope:]]",
            "a POSIX bracket that is none at byte 6 of the pattern",
        ),
        (
            r"a{3,2}",
            "a repetition whose minimum is above its maximum at byte 5 of the pattern",
        ),
        (
            r"a{100001}",
            "a repetition above 100000 at byte 8 of the pattern",
        ),
        (
            r"\p{}",
            "`\\p` without the name of a property at byte 1 of the pattern",
        ),
        (
            r"\u12",
            "`\\u` without one character's number at byte 3 of the pattern",
        ),
        (
            "a\\",
            "a backslash that escapes nothing at byte 1 of the pattern",
        ),
    ];
    for (source, expected) in rows {
        assert_eq!(
            told(&Pattern::new(source).unwrap_err()),
            expected,
            "`{source}`"
        );
    }
}

#[test]
fn a_pattern_that_does_not_compile_accepts_nothing() {
    check(&[
        (
            "Pattern[/\\p{Nosuch}/]",
            "\"a\"",
            "has a pattern that cannot be used, /\\p{Nosuch}/: pattern does not compile: Unicode property not found",
        ),
        (
            "Pattern[/(((a{999}){999}){999})/]",
            "\"a\"",
            "has a pattern that cannot be used, /(((a{999}){999}){999})/: pattern needs more than 8 MiB once compiled",
        ),
        (
            "Pattern[/*a/]",
            "\"a\"",
            "has a pattern that cannot be used, /*a/: pattern does not compile: repetition operator missing expression",
        ),
    ]);
    let deep = "(".repeat(65) + &")".repeat(65);
    assert_eq!(
        told(&Pattern::new(&deep).unwrap_err()),
        "groups nested too deeply at byte 64 of the pattern"
    );
}

#[test]
fn catastrophic_patterns_take_linear_time() {
    let pattern = Pattern::new(r"^(([A-Za-z]+)+,?)+$").unwrap();
    assert!(!is_match(&pattern, &("a".repeat(100_000) + "!")));
}

/// A limit of 256 KiB once refused these.
#[test]
fn everyday_patterns_compile() {
    let patterns = Patterns::default();
    for (source, good, bad) in [
        (r"\A[[:alnum:]]{1,63}\z", "é1", "-"),
        (r"\A[[:alpha:]]{1,32}\z", "é", "1"),
        (r"\A[[:print:]]{1,64}\z", "é 1", "\t"),
        (r"\A.{1,255}\z", "é", "\n"),
        (r"\A[^\/]{1,255}\z", "é", "/"),
        (r"\A\S{1,255}\z", "é", " "),
        (r"\A[^\n]{8,1024}\z", "12345678", "1234567"),
        (r"\A\p{L}{1,64}\z", "é", "1"),
        (r"\A\w{1,4096}\z", "a_1", "é"),
    ] {
        let pattern = Pattern::new(source).expect(source);
        let compiled = patterns
            .compiled(&pattern)
            .unwrap_or_else(|error| panic!("`{source}`: {error}"));
        assert!(
            compiled.is_match(good) && !compiled.is_match(bad),
            "{source}"
        );
    }
}

/// Patterns are charged by what they cost at worst, so that no value and no type take for ever together.
#[test]
fn large_patterns_do_not_match_large_texts() {
    let large = "Pattern[/\\A[[:alpha:]]{1,64}\\z/]";
    let small = "Pattern[/\\A[a-z]+\\z/]";
    let json = format!("\"{}\"", "a".repeat(1_000_000));
    check(&[(small, &json, "ok")]);
    let reasons = super::verdict(&super::parsed(large), &json, &TypeAliases::builtin(), false);
    assert_eq!(
        reasons,
        "cannot be matched: its pattern costs too much for so much text"
    );
}

/// Such input was once too large to be checked.
#[test]
fn everyday_patterns_match_as_much_as_a_run_takes() {
    let letters = format!("\"{}\"", "a1".repeat(450_000));
    let names: Vec<String> = (0..30_000)
        .map(|number| format!("node-{number}.example").replace('-', "_"))
        .collect();
    let names = serde_json::json!(names).to_string();
    for (text, json) in [
        (r"Pattern[/\A[[:alnum:]]+\z/]", letters),
        (r"Array[Pattern[/\A\w{1,63}(\.\w{1,63}){0,5}\z/]]", names),
    ] {
        let wanted = super::parsed(text);
        let verdict = super::verdict(&wanted, &json, &TypeAliases::builtin(), false);
        assert_eq!(verdict, "ok", "{text}");
    }
}

#[test]
fn all_patterns_together_have_a_limit_and_each_is_compiled_once() {
    let patterns = Patterns::default();
    let pattern = |count: usize| Pattern::new(&format!("\\p{{L}}{{{count}}}")).expect("a pattern");
    for _ in 0..100 {
        assert!(patterns.compiled(&pattern(60)).is_ok());
    }
    let refused = (0..100).find_map(|count| patterns.compiled(&pattern(60 + count)).err());
    assert_eq!(
        refused.expect("a limit").to_string(),
        "the patterns need more than 128 MiB together, once compiled"
    );
    assert!(patterns.compiled(&pattern(60)).is_ok());
}
