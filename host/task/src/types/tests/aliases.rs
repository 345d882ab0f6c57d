//! Built-in aliases, aliases of modules, recursion and what is refused.

use serde_json::{Value, json};

use super::{check, parsed, told, verdict};
use crate::types::{AliasError, DataType, TypeAliases, stdlib};

fn aliases(files: &[(&str, &str)]) -> TypeAliases {
    let mut refused = |path: &str, error| panic!("{path}: {error}");
    TypeAliases::with_module_types(files.iter().copied(), &mut refused).expect("few aliases")
}

/// The errors of files that are left out.
fn refused(files: &[(&str, &str)]) -> Vec<String> {
    let mut errors = Vec::new();
    let mut refused = |_: &str, error: AliasError| errors.push(told(&error));
    TypeAliases::with_module_types(files.iter().copied(), &mut refused).expect("few aliases");
    errors
}

#[test]
fn every_builtin_alias_parses_resolves_and_compiles() {
    let aliases = TypeAliases::builtin();
    for (name, text) in stdlib::definitions() {
        let wanted: DataType = text
            .parse()
            .unwrap_or_else(|error| panic!("`{name}`: {error}"));
        wanted
            .compile(&aliases)
            .unwrap_or_else(|error| panic!("`{name}`: {error}"));
        let texts = parsed(name).mismatches("", &json!([{"no": "such"}]), &aliases, false);
        assert!(
            texts
                .iter()
                .all(|text| !text.to_string().contains("unresolved")),
            "`{name}`: {texts:?}"
        );
    }
}

#[test]
fn builtin_aliases_mean_what_stdlib_documents() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "Absolutepath",
            &["/", "/etc/app", "C:/x", "C:\\x", "\\\\server\\share"],
            &["", "etc", "./x", "/a\n/b"],
        ),
        (
            "Unixpath",
            &["/", "/a//b/", "/a b"],
            &["//", "//a", "a", "/a\0", "/a\n"],
        ),
        (
            "Windowspath",
            &["C:\\", "c:/x y", "//srv/share/x", "\\\\?\\C:\\x"],
            &["C:", "\\x", "1:\\"],
        ),
        ("Base64", &["YQ==", "YWJj", "+/"], &["", "Y===", "a b"]),
        ("Base32", &["abc2", "ABC7=="], &["aB", "a1", "A======="]),
        (
            "Fqdn",
            &["localhost", "db-1.example.com", "1.2"],
            &["", "-a", "a.", "a..b", "a_b", "a.com\n"],
        ),
        (
            "Dns::Zone",
            &[".", "example.com."],
            &["", "example.com", "-a."],
        ),
        ("Host", &["localhost", "::1", "10.0.0.1"], &["a b", "a/b"]),
        (
            "Email",
            &["a.b+c@example.com", "x@y"],
            &["x", "@y", "x@", "x@-y", "x@y\n"],
        ),
        (
            "IP::Address::V4::Nosubnet",
            &["0.0.0.0", "255.255.255.255"],
            &["256.1.1.1", "01.1.1.1", "1.1.1", "1.1.1.1/8"],
        ),
        (
            "IP::Address::V4::CIDR",
            &["10.0.0.0/8", "1.1.1.1/32", "1.1.1.1/0"],
            &["10.0.0.0", "10.0.0.0/33", "10.0.0.0/08"],
        ),
        (
            "IP::Address::V6::Nosubnet",
            &[
                "::",
                "::1",
                "1::",
                "fe80::1:2",
                "1:2:3:4:5:6:7:8",
                "1:2:3:4:5:6:7::",
                "::ffff:10.0.0.1",
                "1:2:3:4:5:6:1.2.3.4",
                "64:ff9b::1.2.3.4",
            ],
            &[
                "",
                ":",
                ":::",
                "1",
                "1:2:3:4:5:6:7",
                "1:2:3:4:5:6:7:8:9",
                "1::2::3",
                "::12345",
                "::1/64",
                "::1.2.3.400",
                "1:2:3:4:5:6:7:1.2.3.4",
            ],
        ),
        (
            "IP::Address::V6",
            &["::1/128", "1:2:3:4:5:6:7:8/0", "::1.2.3.4/96", "::"],
            &["::1/129", "::1/", "::1/01"],
        ),
        (
            "IP::Address::V6::CIDR",
            &["fe80::/10", "::/0"],
            &["fe80::", "fe80::/129"],
        ),
        (
            "IP::Address",
            &["1.2.3.4", "1.2.3.4/8", "::1"],
            &["localhost"],
        ),
        (
            "HTTPUrl",
            &["http://x", "HTTPS://x/y?z"],
            &["ftp://x", "http:/x", "xhttp://y"],
        ),
        ("HTTPSUrl", &["https://x"], &["http://x", "https://x\ny"]),
        (
            "Filemode",
            &["0644", "7", "u=rw,g+r", "-x", "+755"],
            &["", "00644", "888", "u=q", "644\n"],
        ),
        (
            "Filesource",
            &["/x", "puppet:///modules/a/b", "file:///etc/x", "https://x"],
            &["modules/a", "puppet://"],
        ),
        (
            "MAC",
            &["00:11:22:aa:BB:cc", "00-11-22-aa-bb-cc"],
            &["00:11:22:aa:bb", "00:11:22:aa:bb:gg", "001122aabbcc"],
        ),
        (
            "Datasize",
            &["10k", "10GB", "1b"],
            &["", "10", "k", "10kk", "10 k"],
        ),
        ("Yes_no", &["yes", "NO"], &["y", "yes\n", "yesno"]),
        (
            "ObjectStore",
            &["s3://b/k", "gs://b"],
            &["http://b", "s3:/b"],
        ),
        (
            "Cron::Minute",
            &["*", "*/5", "0,15,30-35,45", "0-29/2"],
            &["", "60", "05", "1,", "1;2", "*/61"],
        ),
        (
            "Cron::Weekday",
            &["mon-fri", "7", "SUN,1"],
            &["8", "monday"],
        ),
        (
            "X509::Pem::Certificate",
            &["-----BEGIN CERTIFICATE-----\nYWJj\nZA==\n-----END CERTIFICATE-----\n"],
            &["YWJj", "-----BEGIN CERTIFICATE-----"],
        ),
        ("Http::Method", &["GET"], &["get"]),
        ("Ensure::File", &["link"], &["yes"]),
        ("Syslogfacility", &["local7"], &["local8"]),
    ];
    let aliases = TypeAliases::builtin();
    for (name, good, bad) in rows {
        let wanted = parsed(&format!("Stdlib::{name}"));
        for text in *good {
            assert!(
                wanted.accepts(&json!(text), &aliases),
                "{name} refuses {text:?}"
            );
        }
        for text in *bad {
            assert!(
                !wanted.accepts(&json!(text), &aliases),
                "{name} accepts {text:?}"
            );
        }
    }
}

#[test]
fn compatible_aliases_take_numbers_as_texts_too() {
    let rows: &[(&str, &[Value], &[Value])] = &[
        (
            "Integer",
            &[json!(1), json!("-10"), json!("0"), json!([1, "2"])],
            &[
                json!(1.0),
                json!("1.0"),
                json!("01"),
                json!([1.5]),
                json!("1\n"),
            ],
        ),
        (
            "Float",
            &[json!(1.5), json!("1.5"), json!("-0.5e-3")],
            &[
                json!(1),
                json!("1"),
                json!("1e3"),
                json!(".5"),
                json!([1.5]),
            ],
        ),
        (
            "Numeric",
            &[
                json!(1),
                json!(1.5),
                json!("1"),
                json!("1.5E3"),
                json!([1, "2.5"]),
            ],
            &[json!("x"), json!("0x1"), json!("1."), json!(["y"])],
        ),
        (
            "Ipv4",
            &[
                json!("10.0.0.1"),
                json!("10.0.0.0/8"),
                json!("10.0.0.0/255.0.0.0"),
            ],
            &[
                json!("10.0.0.256"),
                json!("10.0.0"),
                json!("10.0.0.1/"),
                json!("::1"),
            ],
        ),
        (
            "Ipv6",
            &[json!("::1"), json!("fe80::/64")],
            &[json!("10.0.0.1")],
        ),
        (
            "Ip_address",
            &[json!("::1"), json!("10.0.0.1")],
            &[json!("localhost")],
        ),
        (
            "Absolute_path",
            &[json!("/etc"), json!("//a"), json!("C:\\x")],
            &[json!("etc")],
        ),
    ];
    let aliases = TypeAliases::builtin();
    for (name, good, bad) in rows {
        let wanted = parsed(&format!("Stdlib::Compat::{name}"));
        for value in *good {
            assert!(wanted.accepts(value, &aliases), "{name} refuses {value}");
        }
        for value in *bad {
            assert!(!wanted.accepts(value, &aliases), "{name} accepts {value}");
        }
    }
}

#[test]
fn aliases_are_told_with_their_definition() {
    check(&[
        ("Stdlib::PORT", "80", "ok"),
        (
            "Stdlib::Port",
            "70000",
            "expects a Stdlib::Port = Integer[0, 65535] value, got Integer[70000, 70000]",
        ),
        (
            "Stdlib::Port",
            "\"80\"",
            "expects a Stdlib::Port = Integer[0, 65535] value, got String",
        ),
        (
            "Optional[Stdlib::Port]",
            "\"80\"",
            "expects a value of type Undef or Stdlib::Port = Integer[0, 65535], got String",
        ),
        (
            "Array[Stdlib::Port]",
            "[1, -1]",
            "index 1 expects a Stdlib::Port = Integer[0, 65535] value, got Integer[-1, -1]",
        ),
        (
            "Stdlib::Yes_no",
            "\"x\"",
            "expects a match for Stdlib::Yes_no = Pattern[/\\A(?i:yes|no)\\z/], got 'x'",
        ),
        (
            "Stdlib::Absolutepath",
            "\"x\"",
            "expects a Stdlib::Absolutepath = Variant[Stdlib::Windowspath, Stdlib::Unixpath] value, got String",
        ),
        (
            "Stdlib::IP::Address::V6::Nosubnet::Compressed",
            "\"x\"",
            "expects a match for Stdlib::IP::Address::V6::Nosubnet::Compressed, got 'x'",
        ),
        ("No::Such", "1", "references an unresolved type 'No::Such'"),
        (
            "Optional[Array[No::Such]]",
            "1",
            "references an unresolved type 'No::Such'",
        ),
        ("Optional[No::Such]", "null", "ok"),
        ("Nosuch", "1", "references an unresolved type 'Nosuch'"),
    ]);
}

#[test]
fn module_aliases_come_from_their_files() {
    let aliases = aliases(&[
        (
            "mymod/types/port.pp",
            "# A port\n# @summary of ours\ntype Mymod::Port = Integer[1, 10] # small\n",
        ),
        (
            "mymod/types/ip/v4.pp",
            "\u{feff}type Mymod::IP::V4=Array[\n  Mymod::Port,\n]",
        ),
        ("stdlib/types/port.pp", "type Stdlib::Port = String"),
    ]);
    let rows = [
        ("Mymod::Port", "5", "ok"),
        (
            "Mymod::Ip::V4",
            "[5, 50]",
            "index 1 expects a Mymod::Port = Integer[1, 10] value, got Integer[50, 50]",
        ),
        ("Stdlib::Port", "\"ours\"", "ok"),
        ("Stdlib::Port::User", "2000", "ok"),
    ];
    for (wanted, json, expected) in rows {
        assert_eq!(
            verdict(&parsed(wanted), json, &aliases, false),
            expected,
            "`{wanted}`"
        );
    }
    assert_eq!(aliases.unusable().count(), 0);
}

#[test]
fn an_alias_may_contain_itself_inside_a_container() {
    let aliases = aliases(&[(
        "m/types/tree.pp",
        "type M::Tree = Hash[String, Variant[M::Tree, Integer]]",
    )]);
    let tree = parsed("M::Tree");
    assert_eq!(
        verdict(&tree, r#"{"a": {"b": {"c": 1}}, "d": 2}"#, &aliases, false),
        "ok"
    );
    assert_eq!(
        verdict(&tree, r#"{"a": {"b": "x"}}"#, &aliases, false),
        "entry 'a' variant 0 entry 'b' expects a value of type M::Tree = Hash[String, Variant[M::Tree, Integer]] \
         or Integer, got String; entry 'a' variant 1 expects an Integer value, got Struct"
    );
}

#[test]
fn a_value_too_deep_for_a_recursive_alias_is_refused() {
    let aliases = aliases(&[("m/types/list.pp", "type M::List = Array[M::List]")]);
    let deep = (0..2_000).fold(json!([]), |inner, _| Value::Array(vec![inner]));
    let texts = parsed("M::List").mismatches("", &deep, &aliases, false);
    assert!(texts.first().is_some_and(|text| {
        text.to_string()
            .ends_with("is too deep or too large to be checked")
    }));
    // Dropping a value of this depth recurses as well; 2,000 levels are harmless.
}

#[test]
fn doubling_aliases_run_into_the_limit_of_steps() {
    let texts: Vec<_> = (0..40)
        .map(|index| {
            (
                format!("m/types/a{index}.pp"),
                format!("type M::A{index} = Variant[M::A{0}, M::A{0}]", index + 1),
            )
        })
        .chain([(
            "m/types/a40.pp".to_owned(),
            "type M::A40 = Integer".to_owned(),
        )])
        .collect();
    let files: Vec<_> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let aliases = aliases(&files);
    assert!(parsed("M::A0").accepts(&json!(1), &aliases));
    assert!(!parsed("M::A0").accepts(&json!("x"), &aliases));
    assert!(
        !parsed("M::A0")
            .mismatches("", &json!("x"), &aliases, false)
            .is_empty()
    );
}

#[test]
fn files_that_are_no_aliases_are_refused() {
    let rows: &[(&[(&str, &str)], &str)] = &[
        (
            &[("mymod/port.pp", "")],
            "`mymod/port.pp` is not the path of a type alias, such as `mymod/types/port.pp`",
        ),
        (
            &[("mymod/types/Port.pp", "")],
            "`mymod/types/Port.pp` is not the path of a type alias, such as `mymod/types/port.pp`",
        ),
        (
            &[("m/types/x.pp", "class m {")],
            "`m/types/x.pp` does not define a type alias: expected `type M::X = ...`",
        ),
        (
            &[("m/types/x.pp", "")],
            "`m/types/x.pp` does not define a type alias: expected `type M::X = ...`",
        ),
        (
            &[("m/types/x.pp", "type M::Y = String")],
            "`m/types/x.pp` defines `M::Y`, but its path demands `M::X`",
        ),
        (
            &[
                ("m/types/x.pp", "type M::X = String"),
                ("m/types/x.pp", "type M::X = Any"),
            ],
            "`m/types/x.pp` defines `M::X` a second time",
        ),
    ];
    for (files, expected) in rows {
        assert_eq!(refused(files), [*expected]);
    }
}

/// One circle, or two files for one name, once disabled every alias of a bundle.
#[test]
fn a_circle_disables_its_own_aliases_only() {
    let aliases = aliases(&[
        ("m/types/self.pp", "type M::Self = Optional[M::Self]"),
        ("m/types/x.pp", "type M::X = Variant[String, M::Y]"),
        ("m/types/y.pp", "type M::Y = Sensitive[M::X]"),
        ("m/types/user.pp", "type M::User = Variant[M::X, Integer]"),
        ("m/types/port.pp", "type M::Port = Integer[1, 10]"),
        ("m/types/tree.pp", "type M::Tree = Array[M::Tree]"),
        (
            "stdlib/types/unixpath.pp",
            "type Stdlib::Unixpath = Stdlib::Absolutepath",
        ),
    ]);
    let unusable: Vec<_> = aliases
        .unusable()
        .map(|(name, error)| format!("{name}: {error}"))
        .collect();
    assert_eq!(
        unusable,
        [
            "M::Self: it is defined by itself: M::Self -> M::Self",
            "M::X: it is defined by itself: M::X -> M::Y -> M::X",
            "M::Y: it is defined by itself: M::Y -> M::X -> M::Y",
            "Stdlib::Unixpath: it is defined by itself: Stdlib::Unixpath -> stdlib::absolutepath -> Stdlib::Unixpath",
        ]
    );
    let rows = [
        ("M::Port", "5", "ok"),
        ("M::Tree", "[[]]", "ok"),
        ("M::User", "5", "ok"),
        (
            "M::User",
            "true",
            "references the type 'M::X', whose definition cannot be used: it is defined by itself: M::X -> M::Y -> M::X",
        ),
    ];
    for (wanted, json, expected) in rows {
        assert_eq!(
            verdict(&parsed(wanted), json, &aliases, false),
            expected,
            "`{wanted}`"
        );
    }
}

/// Looking from each alias for a circle once took time quadratic in their number.
#[test]
fn a_long_circle_is_found_in_one_pass_and_told_in_short() {
    let texts: Vec<_> = (0..2_000)
        .map(|index| {
            let next = (index + 1) % 2_000;
            (
                format!("m/types/a{index}.pp"),
                format!("type M::A{index} = Variant[M::A{next}, M::A{next}]"),
            )
        })
        .collect();
    let files: Vec<_> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let aliases = aliases(&files);
    assert_eq!(aliases.unusable().count(), 2_000);
    let (name, error) = aliases.unusable().next().expect("one");
    assert_eq!(
        format!("{name}: {error}"),
        "M::A0: it is defined by itself: M::A0 -> M::A1 -> M::A2 -> ... -> M::A1998 -> M::A1999 -> M::A0"
    );
}

#[test]
fn aliases_have_limits_in_number_and_in_parts() {
    let open = |files: &[(String, String)]| {
        let files = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()));
        let mut refused = |path: &str, error| panic!("{path}: {error}");
        TypeAliases::with_module_types(files, &mut refused).map(drop)
    };
    let alias = |index: usize, text: &str| {
        (
            format!("m/types/a{index}.pp"),
            format!("type M::A{index} = {text}"),
        )
    };
    let many: Vec<_> = (0..2_049).map(|index| alias(index, "String")).collect();
    assert!(open(&many[1..]).is_ok());
    let error = open(&many).expect_err("one too many").to_string();
    assert_eq!(
        error,
        "more than 2048 type aliases, or 65536 parts in their types"
    );
    let large = format!("Variant[{}]", ["String"; 4_000].join(", "));
    let large: Vec<_> = (0..17).map(|index| alias(index, &large)).collect();
    assert!(open(&large[1..]).is_ok());
    assert!(open(&large).is_err());
}

#[test]
fn an_alias_not_understood_disables_only_itself() {
    let aliases = aliases(&[
        ("m/types/odd.pp", "type M::Odd = Pattern[/a(?=b)/]"),
        ("m/types/new.pp", "type M::New = Object[{}] + 1"),
        ("m/types/good.pp", "type M::Good = Variant[M::Odd, Integer]"),
    ]);
    assert_eq!(verdict(&parsed("M::Good"), "1", &aliases, false), "ok");
    assert_eq!(
        verdict(&parsed("M::Good"), "\"x\"", &aliases, false),
        "references the type 'M::Odd', whose definition cannot be used: the pattern at byte 22 cannot be used: \
         lookahead `(?=` at byte 3 of the pattern is not supported"
    );
    let names: Vec<_> = aliases.unusable().map(|(name, _)| name).collect();
    assert_eq!(names, ["M::New", "M::Odd"]);
}
