//! Archives that another tar reader might understand otherwise: each is refused, and says why.

use host_bundle::{OpenBundleError, open};

use crate::fixtures::{Files, chain, checksum, entry, headers, pax, receive, sealed};

/// The bundle that every case starts from, and where its entries begin.
struct Good {
    bytes: Vec<u8>,
    manifest: usize,
    signatures: usize,
    json: usize,
    script: usize,
    end: usize,
}

fn good() -> Good {
    let bytes = sealed(&Files::small());
    let [manifest, signatures, json, script, end] = headers(&bytes).try_into().unwrap();
    Good {
        bytes,
        manifest,
        signatures,
        json,
        script,
        end,
    }
}

impl Good {
    /// Writes over the header at `place`, with the right checksum.
    fn with(&self, place: usize, field: usize, bytes: &[u8]) -> Vec<u8> {
        let mut changed = self.bytes.clone();
        changed[place + field..place + field + bytes.len()].copy_from_slice(bytes);
        checksum(&mut changed[place..]);
        changed
    }

    fn inserted(&self, place: usize, entries: &[Vec<u8>]) -> Vec<u8> {
        let mut changed = self.bytes.clone();
        changed.splice(place..place, entries.concat());
        changed
    }

    fn without(&self, from: usize, to: usize) -> Vec<u8> {
        let mut changed = self.bytes.clone();
        changed.drain(from..to);
        changed
    }
}

fn refuse(name: &str, archive: &[u8], expected: &str) {
    let received = receive(archive).map(|(verified, _)| verified.id());
    let is_refused = received
        .as_ref()
        .is_err_and(|error| error.contains(expected));
    assert!(is_refused, "{name}: {received:?}");
}

#[test]
fn only_regular_files_are_entries() {
    let good = good();
    assert!(receive(good.bytes.as_slice()).is_ok());
    for (kind, expected) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'5', "a directory"),
        (b'6', "a named pipe"),
        (b'7', "of an unknown kind"),
        (b'\0', "of an unknown kind"),
        (b'D', "of an unknown kind"),
        (b'L', "a GNU long name"),
        (b'K', "a GNU long name"),
        (b'S', "a sparse file"),
        (b'x', "a PAX record"),
        (b'g', "a PAX record"),
    ] {
        for place in [good.manifest, good.signatures, good.json, good.script] {
            let expected = format!("is {expected}, and only regular files are accepted");
            refuse(
                &format!("kind {kind}"),
                &good.with(place, 156, &[kind]),
                &expected,
            );
        }
    }
}

#[test]
fn every_field_of_a_header_is_fixed() {
    let good = good();
    let large = format!("{:011o}\0", 1_u64 << 32);
    for (name, field, bytes, expected) in [
        (
            "another name",
            0,
            &b"tasks/evil.sh"[..],
            "`tasks/evil.sh` stands in its place",
        ),
        (
            "a name that climbs",
            0,
            b"../../../../x",
            "`../../../../x` stands in its place",
        ),
        (
            "a case twin",
            0,
            b"tasks/init.SH",
            "`tasks/init.SH` stands in its place",
        ),
        ("bytes behind NUL", 14, b"evil", "stands in its place: "),
        (
            "a prefix",
            345,
            b"..",
            "`../tasks/init.sh` stands in its place",
        ),
        (
            "setuid",
            100,
            b"0004755\0",
            "its mode is not the manifest's",
        ),
        (
            "another mode",
            100,
            b"0000644\0",
            "its mode is not the manifest's",
        ),
        (
            "mode with spaces",
            100,
            b"   755 \0",
            "its mode is not the manifest's",
        ),
        (
            "a smaller size",
            124,
            b"00000000777\0",
            "its size is not the manifest's",
        ),
        (
            "a huge size",
            124,
            large.as_bytes(),
            "its size is not the manifest's",
        ),
        (
            "a size in base 256",
            124,
            b"\x80\0\0\0\0\0\0\0\0\0\x02\0",
            "its size is not the manifest's",
        ),
        (
            "a size without NUL",
            124,
            b"000000001000",
            "its size is not the manifest's",
        ),
        (
            "a size with spaces",
            124,
            b"       1000\0",
            "its size is not the manifest's",
        ),
        ("an owner", 108, b"0000001\0", "not written as in a bundle"),
        ("a group", 116, b"0000001\0", "not written as in a bundle"),
        (
            "a time",
            136,
            b"00000000001\0",
            "not written as in a bundle",
        ),
        (
            "a link's target",
            157,
            b"/etc/passwd",
            "not written as in a bundle",
        ),
        ("GNU magic", 257, b"ustar  \0", "not written as in a bundle"),
        ("an old tar", 257, &[0; 8], "there is no ustar header"),
        (
            "a name of an owner",
            265,
            b"root",
            "not written as in a bundle",
        ),
        (
            "a name of a group",
            297,
            b"root",
            "not written as in a bundle",
        ),
        ("a device", 329, b"0000001\0", "not written as in a bundle"),
        (
            "bytes behind the header",
            500,
            b"x",
            "not written as in a bundle",
        ),
    ] {
        let expected = expected.trim_end_matches(": ");
        refuse(name, &good.with(good.script, field, bytes), expected);
        refuse(
            name,
            &good.with(good.script, field, bytes),
            "bundle is damaged at `tasks/init.sh`",
        );
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    let good = good();
    for (name, bytes) in [
        ("wrong", &b"000000\0 "[..]),
        ("signed", b"-00001\0 "),
        ("empty", &[0; 8]),
    ] {
        let mut changed = good.bytes.clone();
        changed[good.json + 148..good.json + 156].copy_from_slice(bytes);
        refuse(name, &changed, "the header's checksum is wrong");
    }
    // The right number in another spelling.
    let mut changed = good.bytes.clone();
    changed[good.json + 154..good.json + 156].copy_from_slice(b" \0");
    refuse("another end", &changed, "not written as in a bundle");
}

#[test]
fn nothing_may_stand_between_the_entries() {
    let good = good();
    let evil = || entry(b"tasks/evil.sh", b'0', b"evil");
    let script = good.bytes[good.script..good.end].to_vec();
    let place = "stands in its place";
    for (name, archive, expected) in [
        (
            "PAX path",
            good.inserted(
                good.script,
                &[entry(b"PaxHeaders/x", b'x', &pax("path", "tasks/evil"))],
            ),
            "a PAX record",
        ),
        (
            "PAX size",
            good.inserted(
                good.script,
                &[entry(b"PaxHeaders/x", b'x', &pax("size", "0"))],
            ),
            "a PAX record",
        ),
        (
            "global PAX path",
            good.inserted(
                good.json,
                &[entry(b"pax_global_header", b'g', &pax("path", "x"))],
            ),
            "a PAX record",
        ),
        (
            "GNU name",
            good.inserted(
                good.script,
                &[entry(b"././@LongLink", b'L', b"tasks/evil\0")],
            ),
            "a GNU long name",
        ),
        (
            "GNU link",
            good.inserted(
                good.script,
                &[entry(b"././@LongLink", b'K', b"/etc/passwd\0")],
            ),
            "a GNU long name",
        ),
        (
            "directory",
            good.inserted(good.json, &[entry(b"tasks/", b'5', b"")]),
            "a directory",
        ),
        (
            "a file in front",
            good.inserted(good.json, &[evil()]),
            place,
        ),
        (
            "a file between",
            good.inserted(good.script, &[evil()]),
            place,
        ),
        (
            "a file at the end",
            good.inserted(good.end, &[evil()]),
            "goes on where it should end",
        ),
        (
            "a file twice",
            good.inserted(good.end, &[script]),
            "goes on where it should end",
        ),
        (
            "a second manifest",
            good.inserted(good.json, &[good.bytes[..good.signatures].to_vec()]),
            place,
        ),
        (
            "no signatures",
            good.without(good.signatures, good.json),
            "`tasks/init.json` stands in its place",
        ),
        ("a file less", good.without(good.json, good.script), place),
        (
            "the last file less",
            good.without(good.script, good.end),
            "the archive ends before this entry",
        ),
        (
            "a zero block",
            good.inserted(good.script, &[vec![0; 512]]),
            "the archive ends before this entry",
        ),
    ] {
        refuse(name, &archive, expected);
    }
}

#[test]
fn files_in_another_order_are_refused() {
    let good = good();
    let mut swapped = good.bytes[..good.json].to_vec();
    swapped.extend_from_slice(&good.bytes[good.script..good.end]);
    swapped.extend_from_slice(&good.bytes[good.json..good.script]);
    swapped.extend_from_slice(&good.bytes[good.end..]);
    refuse("swapped", &swapped, "`tasks/init.sh` stands in its place");
}

#[test]
fn contents_and_padding_are_fixed() {
    let good = good();
    for (name, place, expected) in [
        ("first byte", good.json + 512, "do not match the manifest"),
        ("last byte", good.json + 514, "do not match the manifest"),
        (
            "first of padding",
            good.json + 515,
            "bytes are hidden behind its contents",
        ),
        (
            "last of padding",
            good.script - 1,
            "bytes are hidden behind its contents",
        ),
        (
            "padding of the manifest",
            good.signatures - 1,
            "bytes are hidden behind its contents",
        ),
        (
            "padding of the signatures",
            good.json - 1,
            "bytes are hidden behind its contents",
        ),
        ("first of the end", good.end, "goes on where it should end"),
        (
            "last of the end",
            good.end + 1023,
            "goes on where it should end",
        ),
    ] {
        let mut changed = good.bytes.clone();
        changed[place] ^= 1;
        refuse(name, &changed, expected);
    }
}

#[test]
fn a_bundle_ends_with_two_zero_blocks_and_nothing_more() {
    let good = good();
    let longer = |bytes: &[u8]| [&good.bytes, bytes].concat();
    for (name, archive, expected) in [
        (
            "one block less",
            good.without(good.end, good.end + 512),
            "truncated",
        ),
        (
            "no end",
            good.without(good.end, good.end + 1024),
            "truncated",
        ),
        (
            "one byte more",
            longer(b"\0"),
            "goes on where it should end",
        ),
        (
            "one block more",
            longer(&[0; 512]),
            "goes on where it should end",
        ),
        (
            "a record filled up",
            longer(&[0; 10_240 - 1024]),
            "goes on where it should end",
        ),
        ("a text", longer(b"evil"), "goes on where it should end"),
        (
            "another bundle",
            longer(&good.bytes),
            "goes on where it should end",
        ),
    ] {
        refuse(name, &archive, expected);
        refuse(
            name,
            &archive,
            "bundle does not end where its manifest ends",
        );
    }
}

#[test]
fn claims_of_length_take_no_memory() {
    let claim = |path: &[u8], size: u64| {
        let mut archive = entry(path, b'0', b"");
        archive[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        checksum(&mut archive);
        archive
    };
    let huge = claim(b"host/manifest.json", 8_u64.pow(11) - 1);
    refuse(
        "manifest",
        &huge,
        "it has 8589934591 bytes, 1048576 are allowed",
    );
    refuse(
        "little more",
        &claim(b"host/manifest.json", (1 << 20) + 1),
        "1048576 are allowed",
    );
    refuse(
        "claimed only",
        &claim(b"host/manifest.json", 1 << 20),
        "truncated",
    );
    let good = good();
    let mut signatures = good.bytes[..good.signatures].to_vec();
    signatures.extend(claim(b"host/signatures.json", 1 << 30));
    refuse(
        "signatures",
        &signatures,
        "bundle is damaged at `host/signatures.json`",
    );
}

#[test]
fn what_is_no_bundle_is_told_from_a_damaged_one() {
    let good = good();
    let plain = [
        entry(b"disk/", b'5', b""),
        entry(b"disk/tasks/a.sh", b'0', b"x"),
        vec![0; 1024],
    ]
    .concat();
    let cases = [
        ("a plain tar", plain, true),
        ("text", vec![b'x'; 1000], true),
        (
            "a bundle without its manifest",
            good.without(0, good.signatures),
            true,
        ),
        ("nothing", Vec::new(), true),
        ("a short text", b"ab\n".to_vec(), true),
        ("zeros", vec![0; 1024], true),
        (
            "a bundle that was cut off in its first header",
            good.bytes[..100].to_vec(),
            false,
        ),
        (
            "a linked manifest",
            good.with(good.manifest, 156, b"2"),
            false,
        ),
        (
            "a changed manifest",
            good.with(good.manifest, 108, b"0000001\0"),
            false,
        ),
    ];
    for (name, archive, expected) in cases {
        let error = open(archive.as_slice()).unwrap_err();
        let is_other = matches!(error, OpenBundleError::NotABundle(_));
        assert_eq!(is_other, expected, "{name}: {}", chain(&error));
    }
}

/// No manifest says how it must be written itself.
#[test]
fn the_manifests_own_header_is_not_compared_with_the_manifest() {
    let bundle = sealed(&Files::small());
    for (place, bytes, expected) in [
        (100, &b"0000755"[..], "its mode is not 0644"),
        (
            124,
            b"       1000",
            "its size is not written in eleven octal digits",
        ),
    ] {
        let mut changed = bundle.clone();
        changed[place..place + bytes.len()].copy_from_slice(bytes);
        checksum(&mut changed);
        let error = chain(&open(changed.as_slice()).unwrap_err());
        assert!(error.ends_with(expected), "{error}");
    }
}
