//! Does what its parameter `do` says, as `tasks/sh.sh` and `tasks/py.py` do: whoever runs the four must not be able to
//! tell them apart by what they print, write and leave.
//!
//! Parameters are looked for in the environment. Where there are none, as in a task that has only standard input, the
//! answer is all that has arrived.

#![forbid(unsafe_code)]

use std::env;
use std::fs::{self, File, OpenOptions};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process;
use std::thread;
use std::time::Duration;

/// What goes wrong: a path, if it was one, and the word of the system.
type Answer = Result<(), String>;

/// What does it.
type Act = fn() -> Answer;

/// How much is printed at a time.
const FLOOD_BYTES: usize = 64 << 10;

/// How long the sleeper sleeps.
const SLEEP: Duration = Duration::from_mins(5);

/// How long a late flood is announced before it comes.
const PAUSE: Duration = Duration::from_secs(1);

/// Everything that `do` can be. README.md says what each is.
const ACTS: &[(&str, Act)] = &[
    ("input", input),
    ("secret", secret),
    ("print", || show(&parameter("text"))),
    ("complain", complain),
    ("not-utf8", not_utf8),
    ("flood", || flood(&mut io::stdout())),
    ("flood-stderr", || flood(&mut io::stderr())),
    ("flood-late", flood_late),
    ("leave", || {
        write(&below(&variable("HOST_OUT"), &parameter("path")))
    }),
    ("scratch", scratch),
    ("installed", || {
        copy(&below(
            &parameter("_installdir"),
            "conformance/files/greeting.txt",
        ))
    }),
    ("exists", || {
        let is_there = Path::new(&parameter("path")).exists();
        show(if is_there { "yes\n" } else { "no\n" })
    }),
    ("read", || copy(&parameter("path"))),
    ("list", || list(&parameter("path"))),
    ("write", || write(&parameter("path"))),
    ("change", change),
    ("sleep", sleep),
    ("spin", spin),
    ("grow", grow),
    ("abort", || process::abort()),
];

fn main() {
    let wanted = env::var("PT_do").unwrap_or_else(|_| "input".to_owned());
    let Some((_, act)) = ACTS.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("there is no `{wanted}`");
        process::exit(2);
    };
    if let Err(error) = act().and_then(|()| written("stdout", io::stdout().flush())) {
        eprintln!("{error}");
        process::exit(1);
    }
    process::exit(parameter("code").parse().unwrap_or(0));
}

/// A parameter's text, empty if it was not given.
fn parameter(name: &str) -> String {
    variable(&format!("PT_{name}"))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn below(directory: &str, name: &str) -> String {
    format!("{directory}/{name}")
}

fn written<T>(path: &str, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{path}: {error}"))
}

/// Prints all that arrived: standard input as it is, then the variables, with a NUL behind each.
fn input() -> Answer {
    let mut text = "stdin\0".to_owned();
    written("stdin", io::stdin().read_to_string(&mut text))?;
    text.push_str("\0environment\0");
    for (name, value) in env::vars() {
        text.push_str(&format!("{name}={value}\0"));
    }
    show(&text)
}

/// Says whether the secret in the environment is on standard input too, and how long it is.
fn secret() -> Answer {
    let secret = parameter("secret");
    let mut text = String::new();
    written("stdin", io::stdin().read_to_string(&mut text))?;
    let (on_stdin, characters) = (text.contains(&secret), secret.chars().count());
    show(&format!(
        "{{\"on_stdin\": {on_stdin}, \"characters\": {characters}}}"
    ))
}

fn show(text: &str) -> Answer {
    written("stdout", io::stdout().write_all(text.as_bytes()))
}

fn complain() -> Answer {
    written(
        "stderr",
        io::stderr().write_all(parameter("text").as_bytes()),
    )
}

fn not_utf8() -> Answer {
    written("stdout", io::stdout().write_all(b"a\xffb"))?;
    written("stderr", io::stderr().write_all(b"c\xffd"))
}

/// Prints as many letters as `bytes` says.
fn flood(stream: &mut impl Write) -> Answer {
    let block = [b'x'; FLOOD_BYTES];
    let mut left: usize = parameter("bytes").parse().unwrap_or(0);
    while left > 0 {
        let piece = block.get(..left).unwrap_or(&block);
        written("stream", stream.write_all(piece))?;
        left -= piece.len();
    }
    Ok(())
}

/// Prints the same to standard output, once it was announced on standard error.
fn flood_late() -> Answer {
    complain()?;
    thread::sleep(PAUSE);
    flood(&mut io::stdout())
}

/// Writes `text` by a path as it is, by one below it, and where temporary files go, and reads it again.
fn scratch() -> Answer {
    write("beside.txt")?;
    copy("beside.txt")?;
    copy(&below(&variable("HOME"), "beside.txt"))?;
    written("below", fs::create_dir("below"))?;
    write("below/inner.txt")?;
    copy("./below/inner.txt")?;
    let temporary = below(&variable("TMPDIR"), "temporary.txt");
    write(&temporary)?;
    copy(&temporary)
}

/// Prints a file.
fn copy(path: &str) -> Answer {
    let mut file = written(path, File::open(path))?;
    written(path, io::copy(&mut file, &mut io::stdout())).map(drop)
}

/// Writes `text` to a file, which is made if it is not there and emptied if it is.
fn write(path: &str) -> Answer {
    written(path, fs::write(path, parameter("text")))
}

fn list(path: &str) -> Answer {
    let mut names = Vec::new();
    for entry in written(path, fs::read_dir(path))? {
        let entry = written(path, entry)?;
        names.push(entry.file_name().to_string_lossy().into_owned() + "\n");
    }
    names.sort_unstable();
    show(&names.concat())
}

/// Makes, adds to, moves and removes what is in a directory, and lists what came of it.
fn change() -> Answer {
    let top = parameter("path");
    let at = |name| below(&top, name);
    written(&top, fs::create_dir(at("below")))?;
    write(&at("below/new.txt"))?;
    let old = OpenOptions::new().append(true).open(at("old.txt"));
    let added = old.and_then(|mut file| file.write_all(parameter("text").as_bytes()));
    written(&top, added)?;
    written(&top, fs::rename(at("below/new.txt"), at("moved.txt")))?;
    written(&top, fs::remove_file(at("doomed.txt")))?;
    written(&top, fs::remove_dir(at("below")))?;
    list(&top)
}

/// Waits once both streams have said the text.
fn sleep() -> Answer {
    show(&parameter("text"))?;
    written("stdout", io::stdout().flush())?;
    written(
        "stderr",
        io::stderr().write_all(parameter("text").as_bytes()),
    )?;
    thread::sleep(SLEEP);
    Ok(())
}

fn spin() -> Answer {
    let mut count = 0_u64;
    loop {
        count = black_box(count.wrapping_add(1));
    }
}

/// Takes as much memory as `bytes` says, in one piece, and writes to all of it.
fn grow() -> Answer {
    drop(black_box(vec![
        b'x';
        parameter("bytes").parse().unwrap_or(0)
    ]));
    show("grown\n")
}
