//! Programs of several sizes, the first time, when their code is compiled, and later, when it is there.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::arena::Arena;
use super::contest::{Contest, Entry, Rounds};
use super::large::{INPUT, Large, OUTPUT};
use super::wasi::FORMS;
use super::wasmtime::Wasmtime;
use crate::machine::{read, shown};

/// How often each is compiled, since some take long.
pub(crate) const COLD_ROUNDS: u32 = 3;

/// What the programs read.
const INPUT_FILE: &str = "input.json";

/// A program in the arena.
#[derive(Debug)]
struct Program {
    /// What it is.
    title: String,
    /// Its file.
    wasm: String,
    /// What it answers.
    answer: &'static str,
}

/// Brings the larger programs too, and measures all.
///
/// # Errors
///
/// When one ends otherwise than it should, or gives another answer.
pub(crate) fn measure(
    who: &str,
    arena: &mut Arena<'_>,
    larger: &[Large],
    rounds: u32,
) -> Result<Vec<Vec<String>>> {
    let mut programs = Vec::new();
    for form in FORMS {
        programs.push(Program {
            title: format!("a {} program", form.name),
            wasm: form.program.to_owned(),
            answer: "",
        });
    }
    for guest in larger {
        arena.bring(&guest.file, guest.name)?;
        programs.push(Program {
            title: format!("a {} program", guest.language),
            wasm: guest.name.to_owned(),
            answer: OUTPUT,
        });
    }
    arena.write(INPUT_FILE, INPUT)?;
    let wasmtime = Wasmtime::prepare(arena)?;
    let mut rows = Vec::new();
    for program in &programs {
        rows.extend(program.measure(who, arena, &wasmtime, rounds)?);
    }
    Ok(rows)
}

impl Program {
    fn measure(
        &self,
        who: &str,
        arena: &Arena<'_>,
        wasmtime: &Wasmtime<'_>,
        rounds: u32,
    ) -> Result<Vec<Vec<String>>> {
        let size = shown_size(arena.path(&self.wasm).metadata()?.len());
        let compiled = format!("{}.cwasm", self.wasm);
        let run = |mut contest: Contest, rounds| {
            contest.title = format!("{}, {size}, {who}", contest.title);
            println!("measuring: {}", contest.title);
            contest.run(rounds)
        };
        let mut rows = vec![Vec::new()];
        let first = self.first(arena, wasmtime, &compiled);
        rows.extend(run(first, Rounds::cold(COLD_ROUNDS))?);
        // ORDER: now that its code is there, to see its answer takes no time.
        self.check(arena, self.run(arena))?;
        self.check(arena, wasmtime.cached(&self.wasm))?;
        rows.push(Vec::new());
        let later = self.later(arena, wasmtime, &compiled);
        rows.extend(run(later, Rounds::warm(rounds))?);
        Ok(rows)
    }

    fn first(&self, arena: &Arena<'_>, wasmtime: &Wasmtime<'_>, compiled: &str) -> Contest {
        let input = arena.path(INPUT_FILE);
        let compile = wasmtime.compile(&self.wasm, &arena.own_path(compiled));
        Contest {
            title: format!("compile and run {}", self.title),
            ours: vec![
                Entry::new("host run", self.run(arena))
                    .fed(&input)
                    .without(arena.compiled())
                    .caching(arena.compiled()),
            ],
            peers: vec![
                Entry::new("wasmtime, its cache empty", wasmtime.cached(&self.wasm))
                    .fed(&input)
                    .without(wasmtime.cache())
                    .caching(wasmtime.cached_modules()),
                Entry::new("wasmtime compile", compile),
            ],
        }
    }

    fn later(&self, arena: &Arena<'_>, wasmtime: &Wasmtime<'_>, compiled: &str) -> Contest {
        let input = arena.path(INPUT_FILE);
        Contest {
            title: format!("run {} again", self.title),
            ours: vec![
                Entry::new("host run", self.run(arena))
                    .fed(&input)
                    .caching(arena.compiled()),
            ],
            peers: vec![
                Entry::new("wasmtime, its cache", wasmtime.cached(&self.wasm))
                    .fed(&input)
                    .caching(wasmtime.cached_modules()),
                Entry::new("wasmtime, precompiled", wasmtime.precompiled(compiled)).fed(&input),
            ],
        }
    }

    fn run(&self, arena: &Arena<'_>) -> Command {
        let mut command = arena.host();
        command.arg("run").arg(arena.path(&self.wasm));
        command
    }

    /// Looks at the answer that the program gives when it is run so.
    fn check(&self, arena: &Arena<'_>, mut command: Command) -> Result<()> {
        let printed = read(command.stdin(open(&arena.path(INPUT_FILE))?))?;
        ensure!(
            printed.trim_end() == self.answer,
            "`{}` printed {printed:?}",
            shown(&command)
        );
        Ok(())
    }
}

fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

/// A size as people say it.
fn shown_size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", (bytes + 500) / 1000),
        1_000_000..10_000_000 => {
            let tenths = (bytes + 50_000) / 100_000;
            format!("{}.{} MB", tenths / 10, tenths % 10)
        }
        _ => format!("{} MB", (bytes + 500_000) / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::shown_size;

    #[test]
    fn a_size_has_two_digits_or_three() {
        for (bytes, shown) in [
            (0, "0 kB"),
            (31_278, "31 kB"),
            (2_443_530, "2.4 MB"),
            (9_960_000, "10.0 MB"),
            (12_132_099, "12 MB"),
        ] {
            assert_eq!(shown_size(bytes), shown);
        }
    }
}
