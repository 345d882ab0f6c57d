//! The vocabulary of `host`: the words in which every other room speaks of a run.
//!
//! A bundle *asks* ([`AskTemplate`], [`Ask`]), an authority *permits* ([`Permits`], [`Decision`]), a run *gets*
//! ([`Grant`], [`Limits`]), and what came of it is kept ([`Outcome`], [`Record`]). What is allowed to be opened is named by a
//! [`Capability`], one text everywhere.
//!
//! Everything here is a value. Nothing opens a file, waits, asks for the time, reads the environment or prints; what
//! depends on those comes in as an argument. Text is parsed once into these types and is canonical from then on.

#![forbid(unsafe_code)]

mod words;

mod names;
mod run_id;

mod digest;
mod shown;
mod size;
mod span;
mod timestamp;

mod ask;
mod capability;
mod grant;
mod limits;

mod outcome;
mod record;

mod serde_text;

pub use crate::ask::{
    Ask, AskTemplate, FILL_ELEMENTS_MAX, FillError, Origin, Placeholder, ValueFault,
};
pub use crate::capability::{
    ARGUMENT_BYTES_MAX, ARGUMENTS_MAX, AddressClass, AddressRange, ArgumentPattern,
    CAPABILITY_BYTES_MAX, CanonicalPath, Capability, CapabilityError, Command, Endpoint,
    EndpointError, ExecError, HostName, HostNameError, HostPattern, HttpError, HttpTarget, Method,
    Network, NetworkError, PATH_BYTES_MAX, PathError, SYSTEM_PATHS, Scheme, classify, unwrapped,
};
pub use crate::digest::{Digest, DigestError};
pub use crate::grant::{
    ASKS_MAX, Asks, AsksError, Decision, Denied, Exception, Grant, Granted, Permit, Permits,
    Question, Refusal,
};
pub use crate::limits::{Ceilings, LimitError, LimitName, LimitRequests, LimitUnit, Limits};
pub use crate::names::{
    CallerName, EnvName, ModuleName, NameError, NodeName, ParameterName, SecretName, TaskName,
    UserName,
};
pub use crate::outcome::{Outcome, Status};
pub use crate::record::{
    Artifact, BundleSummary, Connection, ConnectionEnd, Denial, GrantLine, Record, RecordFormat,
    StreamSummary, StreamText, Used,
};
pub use crate::run_id::{RunId, RunIdError};
pub use crate::shown::{Shown, is_hidden};
pub use crate::size::{ByteSize, ByteSizeError};
pub use crate::span::{Span, SpanError};
pub use crate::timestamp::{Timestamp, TimestampError};
pub use crate::words::WordsError;
