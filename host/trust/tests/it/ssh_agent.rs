//! A real ssh-agent signs for us.

use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use host_trust::sshsig::{self, Namespace};
use host_trust::{Agent, AgentError, KeyFile, PublicKey, SignError, Signer as _};

use crate::openssh::Bench;

/// How often the socket of a new agent is tried, 20 ms apart.
const TRIES_MAX: usize = 500;

/// An agent that ends with the test.
struct RunningAgent {
    bench: Bench,
    child: Child,
}

impl RunningAgent {
    fn start() -> Self {
        let bench = Bench::new();
        let mut command = bench.command("ssh-agent -D -a agent.sock");
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { bench, child }
    }

    fn connect(&self) -> Agent<UnixStream> {
        for _ in 0..TRIES_MAX {
            if let Ok(stream) = UnixStream::connect(self.bench.path("agent.sock")) {
                stream
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                return Agent::new(stream);
            }
            sleep(Duration::from_millis(20));
        }
        unreachable!("the agent made no socket");
    }

    /// Runs `ssh-add` with these arguments, which must succeed.
    fn add(&self, arguments: &str) {
        let mut command = self.bench.command(&format!("ssh-add -q {arguments}"));
        command.env("SSH_AUTH_SOCK", self.bench.path("agent.sock"));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_real_agent_lists_its_keys_and_signs() {
    let agent = RunningAgent::start();
    let keygen = "ssh-keygen -q -N '' -C";
    agent
        .bench
        .run(&format!("{keygen} ann@fleet -t ed25519 -f ann"));
    agent
        .bench
        .run(&format!("{keygen} old@fleet -t rsa -b 2048 -f old"));
    let ann: PublicKey = agent.bench.text("ann.pub").parse().unwrap();
    assert_eq!(agent.connect().keys().unwrap(), []);

    agent.add("old");
    agent.add("ann");
    let keys = agent.connect().keys().unwrap();
    assert_eq!(keys, std::slice::from_ref(&ann));
    assert_eq!(keys.first().map(PublicKey::comment), Some("ann@fleet"));

    let mut signer = agent.connect().into_signer(&ann).unwrap();
    for message in [&b"one"[..], b""] {
        let text = sshsig::sign(&mut signer, Namespace::Order, message)
            .unwrap()
            .to_string();
        assert_eq!(
            sshsig::verify(&text, Namespace::Order, message).as_ref(),
            Ok(&ann)
        );
    }
}

#[test]
fn an_agent_without_the_key_or_that_lost_it_does_not_sign() {
    let agent = RunningAgent::start();
    let ours = KeyFile::generate(&[4; 32], "ours").unwrap();
    let refused = agent.connect().into_signer(ours.public_key()).unwrap_err();
    assert!(matches!(refused, AgentError::NotHeld { .. }), "{refused}");

    agent.bench.put("ours", ours.to_text().unwrap().as_str());
    agent.add("ours");
    let mut signer = agent.connect().into_signer(ours.public_key()).unwrap();
    assert!(sshsig::sign(&mut signer, Namespace::Order, b"x").is_ok());
    agent.add("-D");
    let refused = sshsig::sign(&mut signer, Namespace::Order, b"x").unwrap_err();
    assert!(
        matches!(refused, SignError::Agent(AgentError::Refused)),
        "{refused}"
    );
}
