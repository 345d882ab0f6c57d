//! Runs one compiled program to its end.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};

use host_core::LimitName;
use rustix::io::Errno;
use wasmtime::component::{Component, ResourceTable, ResourceTableError};
use wasmtime::{Engine, Error, Module, Result, Store, Trap, WasmBacktrace};
use wasmtime_wasi::cli::{InputFile, OutputFile};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView, p2};

use crate::artifact::ProgramKind;
use crate::asked_stdin::AskedStdin;
use crate::budget::{Budget, Passed};
use crate::cache;
use crate::engine::engine;
use crate::exit_code;
use crate::no_network::{self, Attempts};
use crate::order::RunOrder;
use crate::preopens;
use crate::trailing_slash;
use crate::verdict::{End, Verdict};

/// How the engine words what it tells by words alone.
const COPIED_TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";
const RANDOM_TOO_MUCH: &str = "exceeds limit";
const OUT_OF_MEMORY: &str = "out of memory";
const TOO_MANY_HANDLES: &str = "handle limit exceeded";

/// Runs the program in `code` as `order` says.
pub(crate) fn run(order: &RunOrder, code: Option<OwnedFd>) -> Verdict {
    let Some(code) = code else {
        return broken("no program came with the order");
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let ran = runtime.map_err(Error::from).and_then(|runtime| {
        let engine = engine()?;
        runtime.block_on(async {
            match order.kind {
                ProgramKind::Module => run_module(&engine, order, code).await,
                ProgramKind::Component => run_component(&engine, order, code).await,
            }
        })
    });
    ran.unwrap_or_else(|error| broken(format!("{error:#}")))
}

fn broken(reason: impl Into<String>) -> Verdict {
    Verdict::of(End::Broken {
        reason: reason.into(),
    })
}

/// What a store of a module has.
pub(crate) struct ModuleGuest {
    pub(crate) wasi: WasiP1Ctx,
    budget: Budget,
}

/// What a store of a component has.
pub(crate) struct ComponentGuest {
    wasi: WasiCtx,
    table: ResourceTable,
    budget: Budget,
    pub(crate) attempts: Attempts,
}

impl WasiView for ComponentGuest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// What there is for modules to import.
pub(crate) fn module_linker(engine: &Engine) -> Result<wasmtime::Linker<ModuleGuest>> {
    let mut linker = wasmtime::Linker::new(engine);
    p1::add_to_linker_async(&mut linker, |guest: &mut ModuleGuest| &mut guest.wasi)?;
    trailing_slash::for_modules(&mut linker)?;
    exit_code::for_modules(&mut linker)?;
    Ok(linker)
}

/// What there is for components to import. Sockets exist and reach nothing.
pub(crate) fn component_linker(
    engine: &Engine,
) -> Result<wasmtime::component::Linker<ComponentGuest>> {
    let mut linker = wasmtime::component::Linker::new(engine);
    p2::add_to_linker_async(&mut linker)?;
    trailing_slash::for_components(&mut linker)?;
    no_network::for_components(&mut linker)?;
    Ok(linker)
}

async fn run_module(engine: &Engine, order: &RunOrder, code: OwnedFd) -> Result<Verdict> {
    let module: Module = cache::load_module(engine, code)?;
    let linker = module_linker(engine)?;
    let mut wasi = context(order)?.build_p1();
    wasi.ctx().table.set_max_capacity(handles(order));
    let budget = Budget::new(order.memory_bytes);
    let mut store = Store::new(engine, ModuleGuest { wasi, budget });
    store.limiter(|guest| &mut guest.budget);
    store.set_hostcall_fuel(call_bytes(order));
    let called = async {
        let instance = linker.instantiate_async(&mut store, &module).await?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        start.call_async(&mut store, ()).await
    };
    let end = called
        .await
        .map_or_else(end_of, |()| End::Exited { code: 0 });
    Ok(Verdict {
        end,
        memory_peak_bytes: store.data().budget.peak(),
        tried: Vec::new(),
    })
}

async fn run_component(engine: &Engine, order: &RunOrder, code: OwnedFd) -> Result<Verdict> {
    let component: Component = cache::load_component(engine, &code)?;
    let linker = component_linker(engine)?;
    let mut table = ResourceTable::new();
    table.set_max_capacity(handles(order));
    let guest = ComponentGuest {
        wasi: context(order)?.build(),
        table,
        budget: Budget::new(order.memory_bytes),
        attempts: Attempts::default(),
    };
    let mut store = Store::new(engine, guest);
    store.limiter(|guest| &mut guest.budget);
    store.set_hostcall_fuel(call_bytes(order));
    store.set_max_component_handles(handles(order));
    let called = async {
        let command = CommandPre::new(linker.instantiate_pre(&component)?)?;
        let command = command.instantiate_async(&mut store).await?;
        command.wasi_cli_run().call_run(&mut store).await
    };
    let end = match called.await {
        Ok(Ok(())) => End::Exited { code: 0 },
        Ok(Err(())) => End::Exited { code: 1 },
        Err(error) => end_of(error),
    };
    Ok(Verdict {
        end,
        memory_peak_bytes: store.data().budget.peak(),
        tried: store.data().attempts.tried(),
    })
}

fn call_bytes(order: &RunOrder) -> usize {
    usize::try_from(order.call_bytes).unwrap_or(usize::MAX)
}

fn handles(order: &RunOrder) -> usize {
    usize::try_from(order.handles).unwrap_or(usize::MAX)
}

/// The world of the guest, as far as both kinds share it.
fn context(order: &RunOrder) -> Result<WasiCtxBuilder> {
    let mut builder = WasiCtxBuilder::new();
    builder
        // There is nothing else in this process to wait for.
        .allow_blocking_current_thread(true)
        .args(&order.arguments)
        .envs(&order.environment)
        .max_random_size(order.call_bytes);
    let own =
        |stream: &dyn AsFd| -> Result<File> { Ok(stream.as_fd().try_clone_to_owned()?.into()) };
    if order.streams_stdin {
        builder.stdin(AskedStdin);
    } else {
        builder.stdin(InputFile::new(own(&std::io::stdin())?));
    }
    builder
        .stdout(OutputFile::new(own(&std::io::stdout())?))
        .stderr(OutputFile::new(own(&std::io::stderr())?));
    preopens::open(&order.preopens, &mut builder)?;
    Ok(builder)
}

/// How a guest ended that did not return.
fn end_of(error: Error) -> End {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return End::Exited { code: *code };
    }
    // Standard error is for whoever looks for the reason; one that takes no more is no reason to end otherwise.
    if let Some((name, reason)) = limit_of(&error) {
        let _ = writeln!(std::io::stderr(), "limit `{name}`: {reason}");
        return End::Limit { name, reason };
    }
    // The engine's own room, which no instruction of the guest has asked for: it answers those itself.
    let is_full = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::OutOfMemory)
            || cause.downcast_ref::<Errno>() == Some(&Errno::NOMEM)
    };
    if error.chain().any(is_full) {
        let reason = "there is no room for its memory, or for the addresses of it";
        return End::Broken {
            reason: reason.to_owned(),
        };
    }
    let reason = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    if let Some(trace) = error.downcast_ref::<WasmBacktrace>() {
        let _ = writeln!(std::io::stderr(), "{trace}");
    }
    End::Trapped { reason }
}

/// The limit that a guest passed, if that ended it.
fn limit_of(error: &Error) -> Option<(LimitName, String)> {
    let too_many_handles = || (LimitName::Files, "it held too many handles".to_owned());
    let typed = error.chain().find_map(|cause| {
        if let Some(Passed { name, reason }) = cause.downcast_ref() {
            return Some((*name, reason.clone()));
        }
        let full = matches!(cause.downcast_ref(), Some(ResourceTableError::Full));
        full.then(too_many_handles)
    });
    if typed.is_some() {
        return typed;
    }
    // Only the innermost is the engine's own: what stands around it quotes the names that a program gives its functions.
    let text = error.root_cause().to_string();
    if text.starts_with(OUT_OF_MEMORY) {
        Some((LimitName::Memory, text))
    } else if text.contains(TOO_MANY_HANDLES) {
        Some(too_many_handles())
    } else if text.contains(COPIED_TOO_MUCH) {
        let reason = "it handed too much to the host in one call";
        Some((LimitName::Memory, reason.to_owned()))
    } else if text.contains(RANDOM_TOO_MUCH) && text.starts_with("requested len") {
        let reason = "it asked for too many random bytes in one call";
        Some((LimitName::Memory, reason.to_owned()))
    } else {
        None
    }
}
