//! Subject: what a WASI program can do to files, given any sequence of calls.
//!
//! A program has a directory to read and one to write. Beside them lies what it was not given, and links in both lead
//! there. Whatever it calls in whatever order, what is outside stays as it is and unknown, and so stays, byte for byte,
//! what it may only read.
//!
//! There are two ways to the same files: a module calls preview 1, a component WASI 0.2. One program for each does as it
//! is told, and both are told the same.

mod paths;
#[cfg(test)]
mod tests;
mod world;

use std::io::Read;
use std::sync::OnceLock;

use host_jail::sealed_file;
use host_wasm::{Artifact, End, Order, Preopen, RunOrder, Verdict, compile_here, work};

use self::paths::PATHS;
use self::world::World;

/// How many bytes one call takes, and how many calls one input makes.
const CALL_BYTES: usize = 8;
const CALLS_MAX: usize = 64;
/// The first words of a worker are its last; they fit.
const WORDS_BYTES_MAX: u64 = 4096;

static MODULE: Program = Program::new("module", include_str!("wasi_calls/obedient.wat"));
static COMPONENT: Program = Program::new(
    "component",
    include_str!("wasi_calls/obedient_component.wat"),
);

/// Panics if a program reached what it was not granted.
pub fn check(data: &[u8]) {
    for program in [&MODULE, &COMPONENT] {
        let world = World::new();
        let before = world.kept();
        let verdict = program.run(&world, data);
        let name = program.name;
        assert!(
            matches!(verdict.end, End::Exited { code: 0 } | End::Limit { .. }),
            "{name}: {verdict:?}"
        );
        assert_eq!(
            before,
            world.kept(),
            "{name}: something changed that may not be written"
        );
        world.assert_nothing_leaked(name);
    }
}

/// A program that does as it is told.
struct Program {
    name: &'static str,
    text: &'static str,
    artifact: OnceLock<Artifact>,
}

impl Program {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            text,
            artifact: OnceLock::new(),
        }
    }

    /// Runs the calls of `data`.
    fn run(&self, world: &World, data: &[u8]) -> Verdict {
        let artifact = self.artifact();
        let code = sealed_file("program", [artifact.code.as_slice()].into_iter()).expect("room");
        let preopen = |name: &str, writable: bool| Preopen {
            place: world.path(name).to_str().expect("a plain path").to_owned(),
            name: format!("/{name}"),
            writable,
        };
        let order = Order::Run(RunOrder {
            kind: artifact.kind,
            arguments: arguments(data),
            environment: Vec::new(),
            preopens: vec![preopen("ro", false), preopen("rw", true)],
            memory_bytes: 1 << 20,
            call_bytes: 1 << 20,
            handles: 64,
            streams_stdin: false,
        });
        let order = serde_json::to_string(&order).expect("plain values");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        work(&order, Some(code), writer.into());
        let mut said = String::new();
        reader
            .take(WORDS_BYTES_MAX)
            .read_to_string(&mut said)
            .expect("words");
        Verdict::read(&said).expect("a verdict")
    }

    fn artifact(&self) -> &Artifact {
        self.artifact.get_or_init(|| {
            let program = wat::parse_str(self.text).expect("our own program");
            let compiled = compile_here(&program).expect("an engine");
            Artifact::read(compiled.expect("a program")).expect("an artifact")
        })
    }
}

/// The name of a program, its calls, and the paths that they speak of by number.
fn arguments(data: &[u8]) -> Vec<String> {
    let mut arguments = vec!["obedient".to_owned(), letters(data)];
    arguments.extend(PATHS.map(str::to_owned));
    arguments
}

/// The calls of `data`, each byte as two letters from `a` to `p`.
fn letters(data: &[u8]) -> String {
    let calls = data.chunks_exact(CALL_BYTES).take(CALLS_MAX).flatten();
    let nibbles = calls.flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(b'a' + nibble)).collect()
}
