//! From what was typed to what is asked for: task, input, grants and limits.

use std::io::Read;

use host_core::{Capability, LimitRequests, Shown};
use host_node::RunRequest;

use super::{RunArgs, document};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::settings::add_limit;

/// The most that is read as `--input`, in bytes; what a run takes is its limit `input`.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// What the command line asks for, but for the options of the task.
pub(super) fn request(typed: &RunArgs) -> Result<RunRequest, Failure> {
    let wrong = |error: &dyn std::error::Error| Failure::new(Exit::Usage, error);
    let mut request = RunRequest {
        noop: typed.noop,
        allow_asked: typed.allow_asked,
        ..RunRequest::default()
    };
    if let Some(text) = &typed.input {
        request
            .input
            .read_object(&read_input(text)?)
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
    request.limits = limits(typed)?;
    Ok(request)
}

fn capability(text: &str) -> Result<Capability, Failure> {
    text.parse().map_err(|error: host_core::CapabilityError| {
        Failure::new(Exit::Usage, &error)
            .hint("a capability is written like fs.read:/var/log, env:LANG or run.as:www-data")
    })
}

fn limits(typed: &RunArgs) -> Result<LimitRequests, Failure> {
    let mut limits = LimitRequests::default();
    if let Some(wall) = &typed.timeout {
        add_limit(&mut limits, &format!("wall={wall}"))?;
    }
    for text in &typed.limit {
        add_limit(&mut limits, text)?;
    }
    Ok(limits)
}

/// The bytes of a JSON object, from JSON or YAML, inline, in a file, or on standard input.
fn read_input(text: &str) -> Result<Vec<u8>, Failure> {
    let bytes =
        match text.strip_prefix('@') {
            Some(path) => read_capped(std::fs::File::open(path).map_err(|error| {
                Failure::usage(format!("cannot read `{}`: {error}", Shown(path)))
            })?)?,
            None if text == "-" => read_capped(std::io::stdin().lock())?,
            None => text.as_bytes().to_vec(),
        };
    document::read(bytes)
}

fn read_capped(reader: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = reader.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::usage(format!("input cannot be read: {error}")))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::usage("input is longer than 16 MiB"));
    }
    Ok(bytes)
}
