//! Names of machines on the network.
//!
//! Nothing is looked up. What a resolver might take for a number in disguise (`127.1`, `0x7f.1`) is refused.

use std::fmt;
use std::str::FromStr;

/// A DNS name in lower case, such as `db-03.internal`: labels of `a-z`, `0-9`, `-` and `_`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HostName(Box<str>);

impl HostName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name lies below this one: `a.b` below `b`, but not `b` below itself.
    #[must_use]
    pub fn is_above(&self, other: &Self) -> bool {
        other
            .0
            .strip_suffix(&*self.0)
            .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || HostNameError::Malformed {
            name: text.to_owned(),
        };
        if !text.is_ascii() {
            return Err(HostNameError::NotAscii {
                name: text.to_owned(),
            });
        }
        if text.len() > NAME_BYTES_MAX || !text.split('.').all(is_label) {
            return Err(malformed());
        }
        let last = text.rsplit('.').next().ok_or_else(malformed)?;
        if is_number(last) {
            return Err(HostNameError::Numeric {
                name: text.to_owned(),
            });
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "HostName({self})")
    }
}

/// Why a text is not the name of a machine.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HostNameError {
    /// A label is empty, too long, or has other characters.
    #[error("`{}` is not a host name", crate::Shown(.name))]
    Malformed {
        /// What was given.
        name: String,
    },
    /// It has characters outside ASCII.
    #[error("`{}` is not plain ASCII: write the name's `xn--` form", crate::Shown(.name))]
    NotAscii {
        /// What was given.
        name: String,
    },
    /// A resolver could take it for an address.
    #[error("`{}` reads like a number: write the address in full", crate::Shown(.name))]
    Numeric {
        /// What was given.
        name: String,
    },
}

/// The longest DNS name, in bytes.
const NAME_BYTES_MAX: usize = 253;
/// The longest label of one, in bytes.
const LABEL_BYTES_MAX: usize = 63;

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// Whether a last label makes resolvers read the whole name as an IPv4 address: decimal, octal or hexadecimal digits.
fn is_number(label: &str) -> bool {
    let hexadecimal = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || label.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_and_checked() {
        for (text, name) in [
            ("DB-03.Example.com", "db-03.example.com"),
            ("localhost", "localhost"),
            ("3com.com", "3com.com"),
            ("a_b", "a_b"),
        ] {
            assert_eq!(text.parse::<HostName>().unwrap().as_str(), name);
        }
        let longest_label = "a".repeat(LABEL_BYTES_MAX);
        assert!(longest_label.parse::<HostName>().is_ok());
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a/b",
            "*.a",
            "a:1",
            "a@b",
            &format!("{longest_label}a"),
        ] {
            assert!(
                matches!(
                    bad.parse::<HostName>(),
                    Err(HostNameError::Malformed { .. })
                ),
                "{bad}"
            );
        }
        assert!(matches!(
            "bücher.de".parse::<HostName>(),
            Err(HostNameError::NotAscii { .. })
        ));
    }

    #[test]
    fn numbers_in_disguise_are_not_names() {
        for bad in [
            "127.1",
            "0x7f.1",
            "2130706433",
            "0x7f000001",
            "1.0x",
            "0177.0.0.1",
            "1.2.3.4.5",
            "a.1",
        ] {
            assert!(
                matches!(bad.parse::<HostName>(), Err(HostNameError::Numeric { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_name_is_above_what_ends_in_a_dot_and_itself() {
        let above = |upper: &str, lower: &str| {
            upper
                .parse::<HostName>()
                .unwrap()
                .is_above(&lower.parse().unwrap())
        };
        assert!(above("example.com", "a.example.com"));
        assert!(above("example.com", "a.b.example.com"));
        assert!(!above("example.com", "example.com"));
        assert!(!above("example.com", "evilexample.com"));
        assert!(!above("a.example.com", "example.com"));
    }
}
