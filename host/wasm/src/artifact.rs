//! What compiling makes: one line that says what it is, and machine code behind it.

use serde::{Deserialize, Serialize};

/// The format of an artifact; another one is none.
const FORMAT: &str = "host.wasm/1";
/// The longest first line, in bytes.
pub(crate) const LINE_BYTES_MAX: usize = 256;

/// The two kinds of WASI programs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProgramKind {
    /// A core module of WASI preview 1.
    Module,
    /// A component of WASI preview 2, `wasi:cli/command`.
    Component,
}

/// A compiled program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Artifact {
    /// What kind of program it was made of.
    pub kind: ProgramKind,
    /// The machine code, as the engine writes it.
    pub code: Vec<u8>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    format: String,
    kind: ProgramKind,
}

impl Artifact {
    /// The first line, which [`Artifact::read`] expects the code behind.
    pub(crate) fn line(kind: ProgramKind) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(&Line {
            format: FORMAT.to_owned(),
            kind,
        })?;
        line.push(b'\n');
        Ok(line)
    }

    /// What the first line of an artifact says, and how long it is with its end; nothing if it is none.
    pub(crate) fn read_line(front: &[u8]) -> Option<(ProgramKind, usize)> {
        let mut front_bytes = front.iter().take(LINE_BYTES_MAX);
        let end = front_bytes.position(|byte| *byte == b'\n')?;
        let line: Line = serde_json::from_slice(front.get(..end)?).ok()?;
        (line.format == FORMAT).then_some((line.kind, end + 1))
    }

    /// Takes an artifact apart; nothing if it is none.
    #[must_use]
    pub fn read(mut bytes: Vec<u8>) -> Option<Self> {
        let (kind, line_bytes) = Self::read_line(&bytes)?;
        let code = bytes.split_off(line_bytes);
        Some(Self { kind, code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artifact_is_read_as_it_was_written() {
        for kind in [ProgramKind::Module, ProgramKind::Component] {
            let mut bytes = Artifact::line(kind).unwrap();
            bytes.extend(b"\n{}code");
            let code = b"\n{}code".to_vec();
            assert_eq!(Artifact::read(bytes), Some(Artifact { kind, code }));
        }
    }

    #[test]
    fn what_is_no_artifact_of_this_format_is_none() {
        for bytes in [
            "",
            "\n",
            "{\"format\":\"host.wasm/1\",\"kind\":\"module\"}",
            "{\"format\":\"host.wasm/2\",\"kind\":\"module\"}\n",
            "{\"format\":\"host.wasm/1\",\"kind\":\"script\"}\n",
            "{\"format\":\"host.wasm/1\",\"kind\":\"module\",\"more\":1}\n",
        ] {
            assert_eq!(Artifact::read(bytes.into()), None, "{bytes}");
        }
        assert_eq!(Artifact::read(vec![b' '; 10_000]), None);
    }
}
