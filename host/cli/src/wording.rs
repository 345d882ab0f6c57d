//! How paths, sizes and what the system says stand in messages: one way for each, whichever command speaks.

use std::io;
use std::path::Path;

use host_core::Shown;

/// A path as people see it.
pub(crate) fn shown(path: &Path) -> String {
    Shown(&path.display().to_string()).to_string()
}

/// Why the system would not do something.
pub(crate) fn reason(error: &io::Error) -> String {
    plain(&error.to_string())
}

/// The same without what somebody who passed the error on says besides.
pub(crate) fn first_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) if error.raw_os_error().is_none() => {
            let said = text.get(..end).unwrap_or_default();
            plain(&format!("{said} (os error 0)"))
        }
        _ => plain(&text),
    }
}

/// A text of an error with what the system says in it written like the rest: in lower case, without the number
/// of the errno, which helps nobody.
pub(crate) fn plain(text: &str) -> String {
    let Some((before, number)) = text.rsplit_once(" (os error ") else {
        return text.to_owned();
    };
    let is_number = |digits: &str| digits.chars().all(|digit| digit.is_ascii_digit());
    if !number.strip_suffix(')').is_some_and(is_number) {
        return text.to_owned();
    }
    let (head, said) = match before.rsplit_once(": ") {
        Some((head, said)) => (format!("{head}: "), said),
        None => (String::new(), before),
    };
    let mut letters = said.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    format!(
        "{head}{}{}",
        first.into_iter().collect::<String>(),
        letters.as_str()
    )
}

/// A size as people say it: in the largest unit that fits, with one decimal where it is not exact.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 3] = ["KiB", "MiB", "GiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit_bytes: u64 = 1024;
    let mut unit = "KiB";
    for larger in UNITS {
        unit = larger;
        if bytes < unit_bytes.saturating_mul(1024) || larger == "GiB" {
            break;
        }
        unit_bytes *= 1024;
    }
    if bytes.is_multiple_of(unit_bytes) {
        return format!("{} {unit}", bytes / unit_bytes);
    }
    let tenths = bytes.saturating_mul(10).saturating_add(unit_bytes / 2) / unit_bytes;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_written_like_the_rest() {
        for (text, expected) in [
            (
                "No such file or directory (os error 2)",
                "no such file or directory",
            ),
            ("read: Is a directory (os error 21)", "read: is a directory"),
            ("a file (os error two)", "a file (os error two)"),
            ("Nothing of the system", "Nothing of the system"),
            (" (os error 5)", ""),
        ] {
            assert_eq!(plain(text), expected);
        }
        assert_eq!(reason(&io::ErrorKind::NotFound.into()), "entity not found");
        let passed_on = io::Error::other("Is a directory (os error 21) at path \"/x\"");
        assert_eq!(first_reason(&passed_on), "is a directory");
    }

    #[test]
    fn sizes_have_the_largest_unit_that_fits_and_one_decimal_if_they_need_it() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (14_541, "14.2 KiB"),
            (1 << 20, "1 MiB"),
            (5 << 30, "5 GiB"),
            ((8 << 20) + 1, "8.0 MiB"),
            (5000 << 30, "5000 GiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
