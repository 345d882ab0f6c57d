//! Does on purpose what a sandbox is there to stop, in one mode for each way.
//!
//! As a bare program it takes the mode and perhaps one argument from its command line; as a task, from the parameters
//! `mode` and `arg`, which it looks for in its environment. A mode that comes to an end prints one line of JSON about
//! what it managed. Whoever tests a sandbox looks at that line, and at what is left of the machine.
//!
//! The system is called through [`wasi`], which has the same functions for both versions of WASI: what std would make
//! of a path, or of an error, is not what is to be tried here.

#[cfg(not(target_os = "wasi"))]
compile_error!("misbehave is for wasm32-wasip1 and wasm32-wasip2");

#[cfg_attr(target_env = "p1", path = "p1.rs")]
#[cfg_attr(not(target_env = "p1"), path = "p2.rs")]
mod wasi;

mod how;

mod endings;
mod endless;
mod files;
mod memory;
mod output;
mod paths;
mod world;

use std::io::{self, Write};
use std::process::{self, ExitCode};

use serde_json::{Map, Value, json};

/// What a mode does: it gives what is to be said of it, if it comes to an end and has not said it itself.
type Act = fn(&Argument) -> Option<Value>;

/// Every mode. README.md says what is to be expected of each.
const MODES: &[(&str, Act)] = &[
    ("spin", endless::spin),
    ("poll-busy", endless::poll_busy),
    ("sleep-forever", endless::sleep_forever),
    ("stdin-never", endless::stdin_never),
    ("grow", memory::grow),
    ("recurse", memory::recurse),
    ("random", memory::random),
    ("random-small", memory::random_small),
    ("huge-argument", memory::huge_argument),
    ("subscribe", memory::subscribe),
    ("flood-stdout", output::flood_stdout),
    ("flood-stderr", output::flood_stderr),
    ("echo", output::echo),
    ("open-handles", files::open_handles),
    ("fill-disk", files::fill_disk),
    ("million-files", files::million_files),
    ("list-directories", files::list_directories),
    ("sparse", files::sparse),
    ("deep-directories", files::deep_directories),
    ("path-tricks", paths::path_tricks),
    ("trap", endings::trap),
    ("abort", endings::abort),
    ("exit", endings::exit),
    ("exit-high", endings::exit_high),
    ("env", world::env),
    ("clocks", world::clocks),
    ("network", world::network),
    ("threads", world::threads),
];

/// What goes with a mode: a number, a path or a word; each mode has its own when there is none.
#[derive(Debug)]
struct Argument(Option<String>);

impl Argument {
    fn text<'a>(&'a self, default: &'a str) -> &'a str {
        self.0.as_deref().unwrap_or(default)
    }

    fn number(&self, default: u64) -> u64 {
        self.0.as_deref().map_or(default, |text| {
            text.parse()
                .unwrap_or_else(|_| usage(&format!("`{text}` is no number")))
        })
    }
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mode = words.next().or_else(|| std::env::var("PT_mode").ok());
    let argument = Argument(words.next().or_else(|| std::env::var("PT_arg").ok()));
    let Some(mode) = mode else {
        usage("which mode?");
    };
    let Some((_, act)) = MODES.iter().find(|(name, _)| *name == mode) else {
        usage(&format!("there is no mode `{mode}`"));
    };
    if let Some(managed) = act(&argument) {
        say(io::stdout(), &mode, &managed);
    }
    ExitCode::SUCCESS
}

/// Prints what a mode managed; where nothing can be printed any more, that is how it is.
fn say(mut to: impl Write, mode: &str, managed: &Value) {
    let mut line = Map::new();
    line.insert("mode".to_owned(), json!(mode));
    line.insert("wasi".to_owned(), json!(wasi::VERSION));
    if let Value::Object(managed) = managed {
        line.extend(managed.clone());
    }
    _ = writeln!(to, "{}", Value::Object(line)).and_then(|()| to.flush());
}

fn usage(complaint: &str) -> ! {
    let names: Vec<&str> = MODES.iter().map(|(name, _)| *name).collect();
    eprintln!(
        "misbehave: {complaint}\nusage: misbehave MODE [ARG]\nmodes: {}",
        names.join(" ")
    );
    process::exit(2);
}
