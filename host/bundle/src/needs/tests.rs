use super::*;

fn aliases(text: &str) -> Vec<String> {
    let mut needs = Needs::of("own".parse().unwrap());
    let found = needs.add_aliases(text);
    assert_eq!(needs.add_aliases(text), []);
    found
        .into_iter()
        .map(|(module, path)| format!("{module}/{path}"))
        .collect()
}

#[test]
fn aliases_of_other_modules_are_found() {
    for (text, expected) in [
        ("Other::Port", &["other/types/port.pp"][..]),
        (
            "Optional[Variant[Other::Port,A::B::C_d]]",
            &["other/types/port.pp", "a/types/b/c_d.pp"],
        ),
        ("type Own::X = Array[Other::X]", &["other/types/x.pp"]),
        ("Own::Port", &[]),
        ("Stdlib::Absolutepath", &[]),
        ("String[1]", &[]),
        ("Enum['Other::A', \"Other::\\\"B\", x]", &[]),
        ("Pattern[/Other::\\/A/, /b/]", &[]),
        ("# Other::A\nOther::B # Other::C", &["other/types/b.pp"]),
        ("Other:: Other::x ::", &[]),
        ("other::fact ::Other::A", &["other/types/a.pp"]),
        ("'unfinished Other::A", &[]),
        ("é Other::É", &[]),
    ] {
        assert_eq!(aliases(text), expected, "{text}");
    }
}

#[test]
fn files_of_other_modules_are_gathered_once() {
    let mut needs = Needs::of("own".parse().unwrap());
    let (own, other) = ("own".parse().unwrap(), "other".parse().unwrap());
    assert!(!needs.add_file(&own, "files/a"));
    assert!(needs.add_file(&other, "lib/"));
    assert!(!needs.add_file(&other, "lib/"));
    let paths: Vec<_> = needs.modules()[&other].iter().collect();
    assert_eq!(
        (needs.modules().len(), paths),
        (1, vec![&"lib/".to_owned()])
    );
}
