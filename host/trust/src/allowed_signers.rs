//! Lines of an `allowed_signers` file, as `ssh-keygen -Y verify -f` reads them.
//!
//! A line is principals, options and a public key. The options `namespaces`, `valid-after` and `valid-before`
//! are understood; `cert-authority` and every option that is not known is refused, because skipping one could
//! trust more than its author meant. Whether a line is wanted, and for which modules, is for the caller to say.

use host_core::Shown;

use crate::key::{PublicKey, PublicKeyError};
use crate::moment::{Moment, MomentError};
use crate::sshsig::Namespace;

#[cfg(test)]
mod tests;

/// Longest text that is read as an `allowed_signers` file, in bytes.
pub const ALLOWED_SIGNERS_BYTES_MAX: usize = 1_024 * 1_024;

/// Longest list of principals or namespaces, in characters; holds the cost of matching.
const LIST_CHARS_MAX: usize = 1_024;

/// Why a line is not an entry that can be taken over.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedSignerError {
    /// The line is not principals, options and a key.
    #[error(
        "not an `allowed_signers` line such as `alice@example.org namespaces=\"bundle@host\" ssh-ed25519 AAAA...`"
    )]
    Form,
    /// A list of principals or namespaces is longer than its limit.
    #[error("list of {have} characters, at most {LIST_CHARS_MAX} are read")]
    ListTooLong {
        /// The length of the list.
        have: usize,
    },
    /// A double quote has no partner.
    #[error("a double quote is not closed")]
    Quote,
    /// The key belongs to a certificate authority, which nothing here follows.
    #[error("`cert-authority` is not accepted: certificates are not followed")]
    CertificateAuthority,
    /// The option is not known.
    #[error("option `{}` is not known", Shown(.name))]
    UnknownOption {
        /// The name of the option.
        name: String,
    },
    /// The option stands twice.
    #[error("option `{name}` stands twice")]
    Twice {
        /// The name of the option.
        name: &'static str,
    },
    /// The date of an option cannot be read.
    #[error("date of option `{name}` is not readable")]
    Date {
        /// The name of the option.
        name: &'static str,
        /// What is wrong with the date.
        source: MomentError,
    },
    /// The key is not accepted.
    #[error("key of the line is not accepted")]
    Key(#[source] PublicKeyError),
}

/// Why a file of `allowed_signers` lines was refused as a whole.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedSignersError {
    /// The text is longer than [`ALLOWED_SIGNERS_BYTES_MAX`].
    #[error(
        "{have_bytes} bytes of `allowed_signers`, at most {ALLOWED_SIGNERS_BYTES_MAX} are read"
    )]
    TooLong {
        /// The length of the text.
        have_bytes: usize,
    },
    /// One line was refused.
    #[error("line {line} is refused")]
    Line {
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        source: AllowedSignerError,
    },
}

/// One entry of an `allowed_signers` file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AllowedSigner {
    /// Who the key belongs to: names or patterns, never empty.
    pub principals: Vec<String>,
    /// Patterns of the namespaces that the key may sign in; `None` is all of them.
    pub namespaces: Option<Vec<String>>,
    /// The first second at which its signatures count.
    pub not_before: Option<Moment>,
    /// The last second at which its signatures count.
    pub not_after: Option<Moment>,
    /// The key.
    pub key: PublicKey,
}

impl AllowedSigner {
    /// Reads a whole file; blank lines and lines that start with `#` are passed over.
    ///
    /// # Errors
    ///
    /// When the text is too long or any line is refused; nothing of the file is used then.
    pub fn read_all(text: &str) -> Result<Vec<Self>, AllowedSignersError> {
        if text.len() > ALLOWED_SIGNERS_BYTES_MAX {
            return Err(AllowedSignersError::TooLong {
                have_bytes: text.len(),
            });
        }
        let lines = text
            .lines()
            .zip(1..)
            .map(|(line, number)| (line.trim(), number));
        lines
            .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
            .map(|(line, number)| {
                let refused = |source| AllowedSignersError::Line {
                    line: number,
                    source,
                };
                Self::read_line(line).map_err(refused)
            })
            .collect()
    }

    /// Reads one line.
    ///
    /// # Errors
    ///
    /// When the line has another form, an option is not accepted, or the key is not.
    pub fn read_line(line: &str) -> Result<Self, AllowedSignerError> {
        let (principals, rest) = first_word(line.trim())?;
        let (next, after) = first_word(rest)?;
        let (options, key) = if is_algorithm(next) {
            ("", rest)
        } else {
            (next, after)
        };
        // A bare public key has no principals; its algorithm must not pass for one.
        if key.is_empty() || is_algorithm(principals) {
            return Err(AllowedSignerError::Form);
        }
        let mut entry = Self {
            principals: list(unquoted(principals)?)?,
            namespaces: None,
            not_before: None,
            not_after: None,
            key: key.parse().map_err(AllowedSignerError::Key)?,
        };
        for option in pieces(options, ',')? {
            entry.apply(option)?;
        }
        Ok(entry)
    }

    /// Whether the line lets its key sign in this namespace.
    ///
    /// As in OpenSSH, `*` and `?` match, and a pattern behind `!` that matches refuses.
    #[must_use]
    pub fn permits(&self, namespace: Namespace) -> bool {
        let Some(patterns) = &self.namespaces else {
            return true;
        };
        let matches = |pattern: &str| glob(pattern.as_bytes(), namespace.as_str().as_bytes());
        let refused = patterns
            .iter()
            .filter_map(|pattern| pattern.strip_prefix('!'))
            .any(matches);
        !refused && patterns.iter().any(|pattern| matches(pattern))
    }

    fn apply(&mut self, option: &str) -> Result<(), AllowedSignerError> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => Err(AllowedSignerError::CertificateAuthority),
            "namespaces" => once("namespaces", &mut self.namespaces, list(unquoted(value)?)?),
            "valid-after" => once(
                "valid-after",
                &mut self.not_before,
                date("valid-after", value)?,
            ),
            "valid-before" => once(
                "valid-before",
                &mut self.not_after,
                date("valid-before", value)?,
            ),
            _ => Err(AllowedSignerError::UnknownOption {
                name: name.to_owned(),
            }),
        }
    }
}

fn once<T>(name: &'static str, slot: &mut Option<T>, value: T) -> Result<(), AllowedSignerError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(AllowedSignerError::Twice { name }),
    }
}

fn date(name: &'static str, value: &str) -> Result<Moment, AllowedSignerError> {
    let read = Moment::from_compact(unquoted(value)?);
    read.map_err(|source| AllowedSignerError::Date { name, source })
}

fn list(text: &str) -> Result<Vec<String>, AllowedSignerError> {
    let have = text.chars().count();
    if have > LIST_CHARS_MAX {
        return Err(AllowedSignerError::ListTooLong { have });
    }
    let items: Vec<String> = text.split(',').map(|item| item.trim().to_owned()).collect();
    let is_sound = |item: &String| !item.is_empty() && !item.chars().any(char::is_control);
    if items.iter().all(is_sound) {
        Ok(items)
    } else {
        Err(AllowedSignerError::Form)
    }
}

/// Whether a word can only be the algorithm of a key: options never begin so.
fn is_algorithm(word: &str) -> bool {
    ["ssh-", "sk-", "ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

/// Splits off the text up to the first blank outside of quotes.
fn first_word(text: &str) -> Result<(&str, &str), AllowedSignerError> {
    let mut quoted = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ' ' | '\t' if !quoted => {
                let (word, rest) = text.split_at_checked(at).ok_or(AllowedSignerError::Form)?;
                return Ok((word, rest.trim_start()));
            }
            _ => {}
        }
    }
    if quoted {
        Err(AllowedSignerError::Quote)
    } else {
        Ok((text, ""))
    }
}

/// Splits at a separator outside of quotes; an empty text has no pieces.
fn pieces(text: &str, separator: char) -> Result<Vec<&str>, AllowedSignerError> {
    let mut quoted = false;
    let parts: Vec<&str> = text
        .split(|character| {
            quoted ^= character == '"';
            character == separator && !quoted
        })
        .collect();
    match parts.as_slice() {
        [""] => Ok(Vec::new()),
        _ if parts.contains(&"") => Err(AllowedSignerError::Form),
        _ => Ok(parts),
    }
}

/// Takes off a pair of quotes around the whole text; a quote anywhere else is refused.
fn unquoted(text: &str) -> Result<&str, AllowedSignerError> {
    let inner = match text.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').ok_or(AllowedSignerError::Quote)?,
        None => text,
    };
    if inner.contains('"') {
        Err(AllowedSignerError::Form)
    } else {
        Ok(inner)
    }
}

/// Matches `*` and `?`, going back to the last `*` only, so the cost is the product of the lengths at most.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern, text) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            ([want, pattern_rest @ ..], [have, text_rest @ ..])
                if *want == b'?' || want == have =>
            {
                (pattern, text) = (pattern_rest, text_rest);
            }
            _ => match retry {
                Some((after_star, [_, text_rest @ ..])) => {
                    retry = Some((after_star, text_rest));
                    (pattern, text) = (after_star, text_rest);
                }
                _ => return false,
            },
        }
    }
}
