//! From what was typed to what is asked for: task, input, grants and limits.

use std::io::Read;
use std::path::Path;

use host_core::{Capability, LimitRequests, Shown};
use host_node::RunRequest;

use super::{RunArgs, document};
use crate::commands::source;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::add_limit;
use crate::wording::reason;

/// The most that is read as `--input`, in bytes; what a run takes is its limit `input`.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// What `--input` gives, read once however often it is asked for: a pipe has it once.
#[derive(Debug, Default)]
pub(super) struct InputText(Option<(String, Vec<u8>)>);

impl InputText {
    /// The bytes of a JSON object, from JSON or YAML, inline, in a file, or on standard input.
    pub(super) fn read(&mut self, text: &str) -> Result<&[u8], Failure> {
        let known = self.0.take().filter(|(known, _)| known == text);
        let read = match known {
            Some(read) => read,
            None => (text.to_owned(), read_input(text)?),
        };
        Ok(&self.0.insert(read).1)
    }
}

/// Whether the input comes from standard input, which waits for whoever types it.
pub(super) fn is_stdin(input: &str) -> bool {
    input == "-"
}

/// What the command line asks for, but for the options of the task.
pub(super) fn request(typed: &RunArgs, input: &mut InputText) -> Result<RunRequest, Failure> {
    let wrong = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error);
    let mut request = RunRequest {
        noop: typed.noop,
        learn: typed.learn,
        allow_asked: typed.allow_asked,
        ..RunRequest::default()
    };
    if let Some(text) = &typed.input {
        request
            .input
            .read_object(input.read(text)?)
            .map_err(|error| wrong(&error))?;
    }
    for word in &typed.words {
        if word.contains('=') {
            request.input.assign(word).map_err(|error| wrong(&error))?;
        } else if request.task.replace(word.clone()).is_some() {
            let failure = Failure::usage(format!("`{}` is one word too many", Shown(word)));
            return Err(failure.hint("parameters are written as name=value"));
        }
    }
    for text in &typed.allow {
        request.allow.push(capability(text)?);
    }
    request.limits = limits(typed.timeout.as_deref(), &typed.limit)?;
    Ok(request)
}

/// A capability as it was typed.
pub(crate) fn capability(text: &str) -> Result<Capability, Failure> {
    text.parse().map_err(|error: host_core::CapabilityError| {
        Failure::new(Exit::Usage, &error)
            .hint("a capability is written like fs.read:/var/log, env:LANG or run.as:www-data")
    })
}

/// The limits that were typed, `--timeout` first.
pub(super) fn limits(timeout: Option<&str>, typed: &[String]) -> Result<LimitRequests, Failure> {
    let mut limits = LimitRequests::default();
    if let Some(wall) = timeout {
        add_limit(&mut limits, &format!("wall={wall}"))?;
    }
    for text in typed {
        add_limit(&mut limits, text)?;
    }
    Ok(limits)
}

pub(crate) fn read_input(text: &str) -> Result<Vec<u8>, Failure> {
    let bytes = match text.strip_prefix('@') {
        Some(path) => {
            let unread = |error| source::unread(Path::new(path), &error);
            read_capped(std::fs::File::open(path).map_err(unread)?)?
        }
        None if is_stdin(text) => read_capped(std::io::stdin().lock())?,
        None => text.as_bytes().to_vec(),
    };
    document::read(bytes)
}

fn read_capped(reader: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::usage(format!("input cannot be read: {}", reason(&error))))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::usage("input is longer than 16 MiB"));
    }
    Ok(bytes)
}
