use super::*;

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn entry(path: &str, size: u64) -> FileEntry {
    let (path, sha256) = (path.parse().unwrap(), EMPTY_SHA256.parse().unwrap());
    FileEntry {
        path,
        size,
        mode: FileMode::Plain,
        sha256,
    }
}

fn manifest(files: Vec<FileEntry>) -> Result<Manifest, ManifestError> {
    Manifest::new("disk".parse().unwrap(), "1.2.0".parse().unwrap(), files)
}

fn sample() -> String {
    let files = vec![entry("tasks/init.sh", 7), entry("files/a \"b\" é", 0)];
    String::from_utf8(manifest(files).unwrap().to_bytes()).unwrap()
}

/// The first form of the format, byte for byte: bundles that exist keep their ids.
#[test]
fn the_form_of_a_manifest_is_fixed() {
    let expected = format!(
        "{{\"format\":\"host.bundle/1\",\"module\":\"disk\",\"version\":\"1.2.0\",\"files\":[\n\
         {{\"path\":\"files/a \\\"b\\\" é\",\"size\":0,\"mode\":\"0644\",\"sha256\":\"{EMPTY_SHA256}\"}},\n\
         {{\"path\":\"tasks/init.sh\",\"size\":7,\"mode\":\"0644\",\"sha256\":\"{EMPTY_SHA256}\"}}\n]}}\n"
    );
    assert_eq!(sample(), expected);
    let read = Manifest::read(expected.as_bytes()).unwrap();
    assert_eq!(read.to_bytes(), expected.as_bytes());
    assert_eq!(read.id(), sha256(expected.as_bytes()));
    assert_eq!(read.file("tasks/init.sh").map(|file| file.size), Some(7));
    assert_eq!(read.file("tasks/init"), None);
}

#[test]
fn a_later_format_is_named_before_what_it_adds() {
    let later = sample()
        .replace("host.bundle/1", "host.bundle/2")
        .replace(r#""module":"disk","#, r#""module":"disk","expires":1,"#);
    let error = Manifest::read(later.as_bytes()).unwrap_err();
    let ManifestError::Format { found } = error else {
        panic!("{error}");
    };
    assert_eq!(found, "host.bundle/2");
}

#[test]
fn a_manifest_has_no_second_spelling() {
    let line =
        format!(r#"{{"path":"tasks/init.sh","size":7,"mode":"0644","sha256":"{EMPTY_SHA256}"}}"#);
    for (from, to) in [
        ("\n]}\n", "\n]}"),
        ("\n]}\n", "\n]}\n\n"),
        ("\n]}\n", "\n]} x"),
        (r#""format":"#, r#" "format":"#),
        (r#""host.bundle/1""#, r#""host.bundle/2""#),
        (
            r#""module":"disk","version":"1.2.0""#,
            r#""version":"1.2.0","module":"disk""#,
        ),
        (r#""module":"disk","#, ""),
        (r#""module":"disk","#, r#""module":"disk","module":"disk","#),
        (r#""module":"disk","#, r#""module":"Disk","#),
        (r#""module":"disk","#, r#""module":"disk","extra":1,"#),
        (r#""1.2.0""#, r#""v1.2.0""#),
        ("é", "\\u00e9"),
        ("tasks/init.sh", "tasks\\/init.sh"),
        ("tasks/init.sh", "tasks/../init.sh"),
        (r#""size":7,"#, ""),
        (r#""size":7,"#, r#""size":7,"size":7,"#),
        (r#""size":7,"#, r#""size":7.0,"#),
        (r#""size":7,"#, r#""size":-7,"#),
        (r#""size":7,"#, r#""size":"7","#),
        (r#""size":7,"#, r#""size":7,"link":"x","#),
        (r#""mode":"0644""#, r#""mode":"4755""#),
        (r#""mode":"0644""#, r#""mode":420"#),
        (EMPTY_SHA256, &EMPTY_SHA256.to_uppercase()),
        (&line, &format!("{line},\n{line}")),
        (
            &line,
            &format!(r#"["tasks/init.sh",7,"0644","{EMPTY_SHA256}"]"#),
        ),
    ] {
        let changed = sample().replace(from, to);
        assert_ne!(changed, sample(), "{from}");
        assert!(
            Manifest::read(changed.as_bytes()).is_err(),
            "{from} -> {to}"
        );
    }
}

#[test]
fn files_out_of_order_are_refused() {
    let mut lines: Vec<_> = sample()
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect();
    lines.swap(1, 2);
    let swapped = format!("{}\n{},\n{}\n{}\n", lines[0], lines[1], lines[2], lines[3]);
    assert!(matches!(
        Manifest::read(swapped.as_bytes()),
        Err(ManifestError::NotCanonical)
    ));
}

#[test]
fn deep_and_broken_json_is_an_error() {
    for text in [
        "",
        "{",
        "[]",
        "null",
        &"[".repeat(100_000),
        &format!("{{\"format\":{}", "[".repeat(100_000)),
    ] {
        assert!(matches!(
            Manifest::read(text.as_bytes()),
            Err(ManifestError::Json(_))
        ));
    }
    let long = vec![b' '; (1 << 20) + 1];
    assert!(matches!(Manifest::read(&long), Err(ManifestError::TooLong)));
}

#[test]
fn twins_of_paths_are_refused() {
    for paths in [
        ["a", "A"],
        ["a", "a/b"],
        ["a", "a"],
        ["caf\u{e9}", "cafe\u{301}"],
    ] {
        let files = paths.map(|path| entry(path, 0)).to_vec();
        assert!(
            matches!(manifest(files), Err(ManifestError::Clash { .. })),
            "{paths:?}"
        );
    }
}

#[test]
fn the_directory_of_host_is_reserved() {
    for (path, is_legal) in [
        ("host/asks.json", true),
        ("host/modules/other/files/x", true),
        ("hosts", true),
        ("files/host/manifest.json", true),
        ("host/manifest.json", false),
        ("host/signatures.json", false),
        ("host/other", false),
        ("host/modules/other", false),
        ("host/modules/disk/tasks/init.sh", false),
        ("host/modules/Other/x", false),
        ("host", false),
        ("HOST/asks.json", false),
        ("Host/manifest.json", false),
    ] {
        assert_eq!(manifest(vec![entry(path, 0)]).is_ok(), is_legal, "{path}");
    }
}

#[test]
fn numbers_and_sizes_have_limits() {
    let many = |count: usize| {
        (0..count)
            .map(|n| entry(&format!("f{n}"), 1))
            .collect::<Vec<_>>()
    };
    assert!(matches!(
        manifest(many(10_001)),
        Err(ManifestError::TooManyFiles { have: 10_001 })
    ));
    assert!(matches!(manifest(many(9_900)), Err(ManifestError::TooLong)));
    assert!(manifest(many(8_000)).is_ok());
    let gigabyte = 1 << 30;
    assert!(manifest(vec![entry("a", gigabyte), entry("b", gigabyte)]).is_ok());
    let large = vec![entry("a", gigabyte + 1)];
    assert!(matches!(
        manifest(large),
        Err(ManifestError::FileTooLarge { .. })
    ));
    let larger = vec![entry("a", gigabyte), entry("b", gigabyte), entry("c", 1)];
    assert!(matches!(manifest(larger), Err(ManifestError::TooLarge)));
    let endless = vec![entry("a", u64::MAX), entry("b", u64::MAX)];
    assert!(matches!(
        manifest(endless),
        Err(ManifestError::FileTooLarge { .. })
    ));
}
