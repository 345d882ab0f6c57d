//! Exit codes of preview 1 as they are: any 32 bits, of which a process passes on eight.
//!
//! The library's own function traps from 126 on, since shells use those for their own purposes. Whoever runs a program here
//! is told of traps in other ways.

use wasmtime::{Error, Linker, Result};
use wasmtime_wasi::I32Exit;

use crate::imports::PREVIEW_1;
use crate::run::ModuleGuest;

/// Puts ours in the place of the function that modules end by.
pub(crate) fn for_modules(linker: &mut Linker<ModuleGuest>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.func_wrap(PREVIEW_1, "proc_exit", |code: i32| -> Result<()> {
        Err(Error::from(I32Exit(code)))
    })?;
    linker.allow_shadowing(false);
    Ok(())
}
