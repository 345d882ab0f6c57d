//! The one configuration of wasmtime that programs are compiled with and run by.
//!
//! Its interruption of running code is left off: the process is ended from outside, which needs no counting inside and
//! reaches calls into the host too.

use std::hash::{DefaultHasher, Hash, Hasher};

use wasmtime::{Config, Engine, Result, WasmBacktraceDetails};

/// How deep a program may recurse, in bytes of stack.
const STACK_BYTES_MAX: usize = 1 << 20;
/// What functions of the host have beside that on the same stack, at least; past its end the process dies.
const HOST_STACK_BYTES: usize = 1 << 20;

/// Makes an engine.
pub(crate) fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config
        .max_wasm_stack(STACK_BYTES_MAX)
        .async_stack_size(STACK_BYTES_MAX + HOST_STACK_BYTES)
        .wasm_memory64(false)
        // It takes a file in memory, which no limit of a process counts, and which the worker may not make.
        .memory_init_cow(false)
        // Names of functions are enough to find a trap, and reading more of a stranger's debugging data is not worth it.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .native_unwind_info(false);
    Engine::new(&config)
}

/// Names what compiled code is bound to: the engine's version, its settings and this machine's processor.
///
/// # Errors
/// When this machine has no processor that the engine knows.
pub fn engine_id() -> Result<String> {
    let mut hasher = DefaultHasher::new();
    engine()?.precompile_compatibility_hash().hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_has_one_name_however_often_it_is_made() {
        assert_eq!(engine_id().unwrap(), engine_id().unwrap());
    }
}
