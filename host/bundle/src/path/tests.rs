use super::*;

#[test]
fn ordinary_paths_are_bundle_paths() {
    for text in [
        "tasks/init.sh",
        "a",
        "files/.hidden",
        "files/größe 大きさ.txt",
        "a/..b/c..",
        "a b",
    ] {
        assert_eq!(text.parse::<BundlePath>().unwrap().as_str(), text);
    }
}

#[test]
fn paths_that_lead_elsewhere_are_refused() {
    use BundlePathError::{Absolute, Backslash, DotSegment, Empty, EmptySegment};
    for (text, expected) in [
        ("", Empty),
        ("/etc/passwd", Absolute),
        ("//etc", Absolute),
        ("..", DotSegment("..")),
        ("../x", DotSegment("..")),
        ("a/../x", DotSegment("..")),
        ("a/..", DotSegment("..")),
        (".", DotSegment(".")),
        ("./a", DotSegment(".")),
        ("a//b", EmptySegment),
        ("a/", EmptySegment),
        ("a\\..\\b", Backslash),
    ] {
        assert_eq!(text.parse::<BundlePath>(), Err(expected), "{text}");
    }
}

#[test]
fn characters_that_cannot_be_seen_are_refused() {
    for hidden in [
        '\0', '\n', '\u{1b}', '\u{7f}', '\u{9b}', '\u{a0}', '\u{200b}', '\u{202e}', '\u{feff}',
    ] {
        let text = format!("tasks/a{hidden}b");
        assert_eq!(
            text.parse::<BundlePath>(),
            Err(BundlePathError::Invisible(hidden)),
            "{hidden:?}"
        );
    }
}

#[test]
fn lengths_and_depth_have_limits() {
    let too_long = |text: String| {
        matches!(
            text.parse::<BundlePath>(),
            Err(BundlePathError::TooLong { .. })
        )
    };
    assert!(vec!["a"; 32].join("/").parse::<BundlePath>().is_ok());
    assert!(too_long(vec!["a"; 33].join("/")));
    assert!(too_long("a".repeat(256)));
    assert!(too_long("a/".repeat(512) + "a"));
}

#[test]
fn a_path_must_fit_a_tar_header() {
    let name = |bytes: usize| "n".repeat(bytes);
    for (text, fits) in [
        (name(100), true),
        (name(101), false),
        (format!("{}/{}", name(155), name(100)), true),
        (format!("{}/{}", name(156), name(100)), false),
        (format!("{}/{}", name(3), name(101)), false),
        (format!("{}/{}/{}", name(80), name(80), name(90)), false),
        (format!("{}/{}/{}", name(80), name(74), name(100)), true),
    ] {
        assert_eq!(text.parse::<BundlePath>().is_ok(), fits, "{text}");
        if !fits {
            assert_eq!(
                text.parse::<BundlePath>(),
                Err(BundlePathError::DoesNotFitTar)
            );
        }
    }
}

#[test]
fn twins_collide_whatever_their_spelling() {
    for (first, second) in [
        ("a/b", "a/b"),
        ("tasks/init.sh", "tasks/INIT.sh"),
        ("tasks/init.sh", "Tasks/other.sh"),
        ("files/caf\u{e9}", "files/cafe\u{301}"),
        ("files/\u{3a3}", "files/\u{3c2}"),
        ("files/\u{3b1}\u{345}\u{301}", "files/\u{1fb4}"),
        ("files/K", "files/\u{212a}"),
        ("files/stra\u{df}e", "files/STRASSE"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a/b", "A"),
    ] {
        let mut set = PathSet::default();
        set.insert_file(first).unwrap();
        assert!(set.insert_file(second).is_err(), "{first} {second}");
    }
}

#[test]
fn neighbours_do_not_collide() {
    let mut set = PathSet::default();
    for path in ["a/b", "a/c", "a.b", "a-b", "files/\u{e9}", "files/e", "b/a"] {
        set.insert_file(path).unwrap();
    }
    set.insert_directory("a").unwrap();
    assert!(set.insert_directory("a/b").is_err());
}
