//! Signing by an ssh-agent, over a stream that the caller opened.
//!
//! Two requests are spoken: list the keys, and sign with one of them. The agent keeps its keys, asks
//! its owner, and drives security tokens; keys that this program does not accept are passed over.
//! Every length that the agent claims is held to a limit before memory is given to it, and a reply
//! with a byte too many is refused. Waiting is the stream's: set its timeouts before.

use std::io::{self, Read, Write};

use crate::key::{Fingerprint, PublicKey};
use crate::signer::{RawSignature, SignError, Signer};

#[cfg(test)]
mod tests;

/// Longest frame that is sent to or taken from an agent, in bytes; OpenSSH's own limit.
pub const AGENT_FRAME_BYTES_MAX: usize = 256 * 1_024;

/// Most keys that are read from one agent; OpenSSH's own limit.
pub const AGENT_KEYS_MAX: usize = 2_048;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// Why an agent could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The stream failed or ended.
    #[error("no answer from the agent")]
    Stream(#[source] io::Error),
    /// A frame is longer than [`AGENT_FRAME_BYTES_MAX`], or empty.
    #[error("agent frame of {have_bytes} bytes, from 1 to {AGENT_FRAME_BYTES_MAX} are accepted")]
    FrameLength {
        /// The length that the frame has or claims.
        have_bytes: usize,
    },
    /// The agent refuses: it is locked, its owner said no, or the token was not touched.
    #[error("agent refused")]
    Refused,
    /// The agent answered with something else than what was asked for.
    #[error("agent answered with message {kind}, expected {want}")]
    Unexpected {
        /// The type of the message that came.
        kind: u8,
        /// The type that answers the request.
        want: u8,
    },
    /// The answer cannot be decoded.
    #[error("answer of the agent is damaged")]
    Damaged,
    /// The agent holds more keys than [`AGENT_KEYS_MAX`].
    #[error("agent holds {have} keys, at most {AGENT_KEYS_MAX} are read")]
    TooManyKeys {
        /// The number that the agent claims.
        have: u32,
    },
    /// The agent does not hold this key.
    #[error("agent does not hold key `{fingerprint}`: add it with `ssh-add`")]
    NotHeld {
        /// The key that was wanted.
        fingerprint: Fingerprint,
    },
}

/// A connection to an ssh-agent.
#[derive(Debug)]
pub struct Agent<S> {
    stream: S,
}

impl<S: Read + Write> Agent<S> {
    /// Takes a connected stream; nothing is sent yet.
    pub fn new(stream: S) -> Self {
        Self { stream }
    }

    /// The accepted keys that the agent holds, in its order.
    ///
    /// # Errors
    ///
    /// When the agent does not answer, refuses, or answers with what cannot be read.
    pub fn keys(&mut self) -> Result<Vec<PublicKey>, AgentError> {
        let answer = self.ask(&[REQUEST_IDENTITIES], IDENTITIES_ANSWER)?;
        let (count, mut rest) = split_u32(&answer)?;
        if usize::try_from(count).map_or(true, |count| count > AGENT_KEYS_MAX) {
            return Err(AgentError::TooManyKeys { have: count });
        }
        let mut keys = Vec::new();
        for _ in 0..count {
            let (blob, after) = split_string(rest)?;
            let (comment, after) = split_string(after)?;
            rest = after;
            // Keys of other kinds are the owner's affair; a comment that cannot be shown is dropped.
            let comment = str::from_utf8(comment).unwrap_or_default();
            let key =
                PublicKey::from_blob(blob, comment).or_else(|_| PublicKey::from_blob(blob, ""));
            keys.extend(key);
        }
        if rest.is_empty() {
            Ok(keys)
        } else {
            Err(AgentError::Damaged)
        }
    }

    /// Picks the key to sign with, which the agent must hold.
    ///
    /// # Errors
    ///
    /// As [`Agent::keys`], and when the agent does not hold the key.
    pub fn into_signer(mut self, key: &PublicKey) -> Result<AgentKey<S>, AgentError> {
        let held = self.keys()?.into_iter().find(|held| held == key);
        let key = held.ok_or(AgentError::NotHeld {
            fingerprint: key.fingerprint(),
        })?;
        Ok(AgentKey { agent: self, key })
    }

    fn sign(&mut self, key: &PublicKey, bytes: &[u8]) -> Result<RawSignature, AgentError> {
        let blob = key.to_blob().map_err(|_| AgentError::Damaged)?;
        let mut request = vec![SIGN_REQUEST];
        push_string(&mut request, &blob)?;
        push_string(&mut request, bytes)?;
        // No flags: they choose among RSA hashes only.
        request.extend(0_u32.to_be_bytes());
        let answer = self.ask(&request, SIGN_RESPONSE)?;
        let (signature, rest) = split_string(&answer)?;
        if !rest.is_empty() {
            return Err(AgentError::Damaged);
        }
        let read = ssh_key::Signature::try_from(signature).map_err(|_| AgentError::Damaged)?;
        let raw = RawSignature::from_ssh(&read).ok_or(AgentError::Damaged)?;
        // The decoder stops where the signature ends; whatever else came shows when it is written again.
        match Vec::try_from(read) {
            Ok(again) if again == signature => Ok(raw),
            _ => Err(AgentError::Damaged),
        }
    }

    /// Sends one request and returns the body of the answer, which must be of the wanted type.
    fn ask(&mut self, request: &[u8], want: u8) -> Result<Vec<u8>, AgentError> {
        let mut frame = Vec::new();
        push_string(&mut frame, request)?;
        self.stream.write_all(&frame).map_err(AgentError::Stream)?;
        self.stream.flush().map_err(AgentError::Stream)?;

        let mut header = [0; 4];
        self.stream
            .read_exact(&mut header)
            .map_err(AgentError::Stream)?;
        let length = frame_length(u32::from_be_bytes(header))?;
        let mut body = vec![0; length];
        self.stream
            .read_exact(&mut body)
            .map_err(AgentError::Stream)?;
        match body.split_first() {
            Some((kind, rest)) if *kind == want => Ok(rest.to_vec()),
            Some((&FAILURE, _)) => Err(AgentError::Refused),
            Some((&kind, _)) => Err(AgentError::Unexpected { kind, want }),
            None => Err(AgentError::FrameLength { have_bytes: 0 }),
        }
    }
}

/// One key of an agent, ready to sign.
#[derive(Debug)]
pub struct AgentKey<S> {
    agent: Agent<S>,
    key: PublicKey,
}

impl<S: Read + Write> Signer for AgentKey<S> {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign_bytes(&mut self, bytes: &[u8]) -> Result<RawSignature, SignError> {
        self.agent.sign(&self.key, bytes).map_err(SignError::Agent)
    }
}

/// Holds the length of a frame to its limits.
fn frame_length(claimed: u32) -> Result<usize, AgentError> {
    let have_bytes = usize::try_from(claimed).unwrap_or(usize::MAX);
    if have_bytes == 0 || have_bytes > AGENT_FRAME_BYTES_MAX {
        return Err(AgentError::FrameLength { have_bytes });
    }
    Ok(have_bytes)
}

fn push_string(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), AgentError> {
    let have_bytes = bytes.len();
    let length = u32::try_from(have_bytes).map_err(|_| AgentError::FrameLength { have_bytes })?;
    frame_length(length)?;
    out.extend(length.to_be_bytes());
    out.extend(bytes);
    Ok(())
}

fn split_u32(bytes: &[u8]) -> Result<(u32, &[u8]), AgentError> {
    let (head, rest) = bytes.split_first_chunk().ok_or(AgentError::Damaged)?;
    Ok((u32::from_be_bytes(*head), rest))
}

fn split_string(bytes: &[u8]) -> Result<(&[u8], &[u8]), AgentError> {
    let (length, rest) = split_u32(bytes)?;
    let length = usize::try_from(length).map_err(|_| AgentError::Damaged)?;
    rest.split_at_checked(length).ok_or(AgentError::Damaged)
}
