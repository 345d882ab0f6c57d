//! A WASI program that does nothing, as a task and as it is, against the `wasmtime` command.
//!
//! All of them find its code compiled: what is measured is what comes every time.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::arena::Arena;
use super::contest::{Contest, Entry};
use super::wasmtime::Wasmtime;
use crate::machine::run;

/// The guest, which is a module, and the bundle of it.
pub(crate) const GUEST: &str = "nothing";
const BUNDLE: &str = "nothing.tar";

/// A form in which the guest is there.
#[derive(Debug)]
pub(crate) struct Form {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The task that it is.
    task: &'static str,
    /// Its file in the module.
    source: &'static str,
    /// Its file in the arena.
    pub(crate) program: &'static str,
    /// What `wasmtime` makes of it.
    pub(crate) compiled: &'static str,
}

/// Both of them.
pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "preview 1",
        task: "nothing::p1",
        source: "tasks/p1.wasm",
        program: "nothing-p1.wasm",
        compiled: "nothing-p1.cwasm",
    },
    Form {
        name: "preview 2",
        task: "nothing::p2",
        source: "tasks/p2.wasm",
        program: "nothing-p2.wasm",
        compiled: "nothing-p2.cwasm",
    },
];

impl Form {
    /// `host`, running it as it is.
    pub(crate) fn run(&self, arena: &Arena<'_>) -> Command {
        let mut command = arena.host();
        command.arg("run").arg(arena.path(self.program));
        command
    }
}

/// Brings the guest, built before.
///
/// # Errors
///
/// When the disk does not allow it.
pub(crate) fn bring(arena: &mut Arena<'_>, module: &Path) -> Result<()> {
    let mut forms = FORMS.iter();
    forms.try_for_each(|form| arena.bring(&module.join(form.source), form.program))
}

/// Makes a bundle of the guest, and what `wasmtime` makes of it.
///
/// # Errors
///
/// When the disk does not allow it, or `host` or `wasmtime` do not do their part.
pub(crate) fn prepare(arena: &mut Arena<'_>, module: &Path, wasmtime: &Path) -> Result<()> {
    Wasmtime::bring(arena, wasmtime)?;
    arena.pack(&module.to_string_lossy(), BUNDLE)?;
    for form in FORMS {
        let compiled = arena.path(form.compiled);
        run(&mut Wasmtime::prepare(arena)?.compile(form.program, &compiled))?;
        arena.share(form.compiled);
    }
    Ok(())
}

/// Starts it, in this form.
pub(crate) fn starting(arena: &Arena<'_>, wasmtime: &Wasmtime<'_>, form: &Form) -> Contest {
    let mut task = arena.host();
    task.arg("run").arg(arena.path(BUNDLE)).arg(form.task);
    let kept = |entry: Entry| entry.caching(arena.compiled());
    Contest {
        title: format!("start a WASI program, {}", form.name),
        ours: vec![
            kept(Entry::new("host run nothing.tar", task)).called("task"),
            kept(Entry::new("host run nothing.wasm", form.run(arena))).called("program"),
        ],
        // ORDER: the first of them makes the cache that the third is given.
        peers: vec![
            Entry::new("wasmtime, its cache", wasmtime.cached(form.program))
                .caching(wasmtime.cached_modules()),
            Entry::new("wasmtime, precompiled", wasmtime.precompiled(form.compiled)),
            Entry::new(
                "bwrap .. wasmtime, its cache",
                wasmtime.cached_in_bwrap(form.program),
            ),
            Entry::new(
                "bwrap .. wasmtime, precompiled",
                wasmtime.precompiled_in_bwrap(form.compiled),
            ),
        ],
    }
}
