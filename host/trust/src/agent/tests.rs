//! What an agent may answer and what it may not. A real agent signs in `tests/it/ssh_agent.rs`.

use std::io::Cursor;

use super::*;
use crate::sshsig::tests::{key_file, token};
use crate::sshsig::{self, Namespace};

/// Answers with what was put in and keeps what was sent.
#[derive(Debug, Default)]
struct Scripted {
    answers: Cursor<Vec<u8>>,
    sent: Vec<u8>,
}

impl Read for Scripted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.answers.read(into)
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn agent(frames: &[Vec<u8>]) -> Agent<Scripted> {
    let answers = frames.iter().flat_map(|frame| string(frame)).collect();
    Agent::new(Scripted {
        answers: Cursor::new(answers),
        sent: Vec::new(),
    })
}

fn identities(keys: &[(Vec<u8>, &[u8])]) -> Vec<u8> {
    let mut frame = vec![IDENTITIES_ANSWER];
    frame.extend(u32::try_from(keys.len()).unwrap().to_be_bytes());
    for (blob, comment) in keys {
        frame.extend([string(blob), string(comment)].concat());
    }
    frame
}

fn blob(key: &PublicKey) -> Vec<u8> {
    key.to_blob().unwrap()
}

#[test]
fn accepted_keys_are_listed_and_others_passed_over() {
    let (file, token) = (key_file(1), token(2));
    let rsa = string(b"ssh-rsa");
    let mut agent = agent(&[identities(&[
        (blob(file.public_key()), b"ann@fleet"),
        (rsa, b"old"),
        (blob(token.public_key()), b"\x1b[2J"),
        (blob(file.public_key()), b"\xff"),
    ])]);
    let keys = agent.keys().unwrap();
    assert_eq!(
        keys,
        [
            file.public_key().clone(),
            token.public_key().clone(),
            file.public_key().clone()
        ]
    );
    assert_eq!(
        keys.iter().map(PublicKey::comment).collect::<Vec<_>>(),
        ["ann@fleet", "", ""]
    );
    assert_eq!(agent.stream.sent, [0, 0, 0, 1, REQUEST_IDENTITIES]);
}

#[test]
fn what_the_agent_signs_is_checked() {
    let mut file = key_file(1);
    let key = file.public_key().clone();
    let signed =
        ssh_key::SshSig::signed_data("order@host", ssh_key::HashAlg::Sha512, b"x").unwrap();
    let signature = |bytes: &[u8]| [string(b"ssh-ed25519"), string(bytes)].concat();
    let good = signature(&file.sign_bytes(&signed).unwrap().bytes);
    let over_other_bytes = signature(&file.sign_bytes(b"y").unwrap().bytes);
    let short = signature(&[0; 63]);
    let longer = [good.clone(), vec![0]].concat();
    for (answer, accepted) in [
        (good, true),
        (over_other_bytes, false),
        (short, false),
        (longer, false),
    ] {
        let answer = [vec![SIGN_RESPONSE], string(&answer)].concat();
        let agent = agent(&[identities(&[(blob(&key), b"")]), answer]);
        let mut signer = agent.into_signer(&key).unwrap();
        let made = sshsig::sign(&mut signer, Namespace::Order, b"x");
        assert_eq!(made.is_ok(), accepted);
    }
}

#[test]
fn a_key_that_the_agent_does_not_hold_is_named() {
    let (held, wanted) = (key_file(1), key_file(2));
    let agent = agent(&[identities(&[(blob(held.public_key()), b"")])]);
    let refused = agent.into_signer(wanted.public_key()).unwrap_err();
    let fingerprint = wanted.public_key().fingerprint();
    assert_eq!(
        refused.to_string(),
        format!("agent does not hold key `{fingerprint}`: add it with `ssh-add`")
    );
}

#[test]
fn answers_that_lie_about_lengths_or_kinds_are_refused() {
    let many = [&[IDENTITIES_ANSWER][..], &u32::MAX.to_be_bytes()].concat();
    let one_missing = [IDENTITIES_ANSWER, 0, 0, 0, 1].to_vec();
    let one_too_many = [identities(&[]), vec![0]].concat();
    let long_blob = [
        &[IDENTITIES_ANSWER, 0, 0, 0, 1][..],
        &u32::MAX.to_be_bytes(),
    ]
    .concat();
    for (frame, refused) in [
        (vec![FAILURE], "agent refused"),
        (
            vec![SIGN_RESPONSE],
            "agent answered with message 14, expected 12",
        ),
        (many, "agent holds 4294967295 keys, at most 2048 are read"),
        (vec![IDENTITIES_ANSWER], "answer of the agent is damaged"),
        (one_missing, "answer of the agent is damaged"),
        (one_too_many, "answer of the agent is damaged"),
        (long_blob, "answer of the agent is damaged"),
        (
            vec![],
            "agent frame of 0 bytes, from 1 to 262144 are accepted",
        ),
    ] {
        let error = agent(std::slice::from_ref(&frame)).keys().unwrap_err();
        assert_eq!(error.to_string(), refused, "{frame:?}");
    }
    let claimed = Cursor::new(u32::MAX.to_be_bytes().to_vec());
    let mut agent = Agent::new(Scripted {
        answers: claimed,
        sent: Vec::new(),
    });
    assert!(matches!(agent.keys(), Err(AgentError::FrameLength { .. })));
}

#[test]
fn a_stream_that_ends_early_is_no_answer() {
    let whole = string(&identities(&[(blob(key_file(1).public_key()), b"ann")]));
    for length in 0..whole.len() {
        let answers = Cursor::new(whole[..length].to_vec());
        let mut agent = Agent::new(Scripted {
            answers,
            sent: Vec::new(),
        });
        assert!(
            matches!(agent.keys(), Err(AgentError::Stream(_))),
            "{length}"
        );
    }
}
