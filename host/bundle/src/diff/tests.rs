use super::*;
use crate::FileMode;

fn manifest(files: &[(&str, u64)]) -> Manifest {
    let entry = |(path, size): &(&str, u64)| FileEntry {
        path: path.parse().unwrap(),
        size: *size,
        mode: FileMode::Plain,
        sha256: host_core::Digest::from_bytes([0; 32]),
    };
    let files = files.iter().map(entry).collect();
    Manifest::new("disk".parse().unwrap(), "1.0.0".parse().unwrap(), files).unwrap()
}

#[test]
fn a_difference_lists_what_was_added_removed_and_changed() {
    for (before, after, expected) in [
        (&[][..], &[][..], ""),
        (&[("a", 1), ("b", 1)], &[("a", 1), ("b", 1)], ""),
        (&[], &[("a", 1), ("b", 1)], "+a +b"),
        (&[("a", 1), ("b", 1)], &[], "-a -b"),
        (
            &[("a", 1), ("b", 1), ("d", 1)],
            &[("a", 2), ("c", 1), ("d", 1)],
            "~a -b +c",
        ),
    ] {
        let (before, after) = (manifest(before), manifest(after));
        let shown = |change: &Change<'_>| match change {
            Change::Added(file) => format!("+{}", file.path),
            Change::Removed(file) => format!("-{}", file.path),
            Change::Changed { before, after } => {
                assert_eq!(before.path, after.path);
                format!("~{}", after.path)
            }
        };
        let changes: Vec<_> = diff(&before, &after).iter().map(shown).collect();
        assert_eq!(changes.join(" "), expected);
    }
}
