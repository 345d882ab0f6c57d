//! Compiles one program, in a process that has nothing else and whose product is used for that program alone.

use std::io::{self, Read, Write};

use wasmtime::component::Component;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::{Engine, Error, ExternType, Module, Result};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::artifact::{Artifact, ProgramKind};
use crate::engine::engine;
use crate::imports;
use crate::run::{component_linker, module_linker};
use crate::verdict::{End, Verdict};

/// What every binary begins with.
const MAGIC: &[u8] = b"\0asm";
/// What follows it in a module, and in a component.
const VERSION_OF_MODULES: &[u8] = &[1, 0, 0, 0];
const VERSION_OF_COMPONENTS: &[u8] = &[0x0d, 0, 1, 0];

/// Compiles what is on standard input, and writes the artifact to standard output.
pub(crate) fn compile() -> Verdict {
    let compiled = read().and_then(|program| {
        Ok(match compile_here(&program)? {
            Ok(artifact) => {
                write(&artifact)?;
                End::Exited { code: 0 }
            }
            Err(unfit) => unfit,
        })
    });
    Verdict::of(compiled.unwrap_or_else(|error| End::Broken {
        reason: format!("{error:#}"),
    }))
}

/// Compiles `program` in this process, which is only for one that has nothing to lose: the artifact, or why there is none.
///
/// # Errors
/// When there is no engine for this machine.
pub fn compile_here(program: &[u8]) -> Result<Result<Vec<u8>, End>> {
    let engine = engine()?;
    let made =
        kind_of(program).and_then(|kind| compiled(&engine, kind, program).map(|code| (kind, code)));
    Ok(match made {
        Ok((kind, code)) => {
            let mut artifact = Artifact::line(kind)?;
            artifact.extend(code);
            Ok(artifact)
        }
        Err(unfit) => Err(unfit),
    })
}

fn read() -> Result<Vec<u8>> {
    let mut program = Vec::new();
    io::stdin().lock().read_to_end(&mut program)?;
    Ok(program)
}

fn write(artifact: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(artifact)?;
    out.flush()?;
    Ok(())
}

fn unfit(reason: impl Into<String>) -> End {
    End::Unfit {
        reason: reason.into(),
        hint: None,
    }
}

fn unfit_hinting(reason: &str, hint: &str) -> End {
    End::Unfit {
        reason: reason.to_owned(),
        hint: Some(hint.to_owned()),
    }
}

/// What kind of program this is, judged by its first eight bytes.
fn kind_of(program: &[u8]) -> Result<ProgramKind, End> {
    let Some(version) = program.strip_prefix(MAGIC) else {
        let text = program.trim_ascii_start();
        if text.starts_with(b"(module") || text.starts_with(b"(component") {
            let hint = "turn it into a binary first: wasm-tools parse PROGRAM.wat -o PROGRAM.wasm";
            return Err(unfit_hinting("it is WebAssembly written as text", hint));
        }
        return Err(if program.is_empty() {
            unfit("it is empty")
        } else {
            unfit("it is not WebAssembly: it does not begin with `asm` behind a zero byte")
        });
    };
    if version.starts_with(VERSION_OF_MODULES) {
        Ok(ProgramKind::Module)
    } else if version.starts_with(VERSION_OF_COMPONENTS) {
        Ok(ProgramKind::Component)
    } else if version.len() < VERSION_OF_MODULES.len() {
        Err(unfit("it is cut short within its first eight bytes"))
    } else {
        Err(unfit(
            "it is WebAssembly of a version that nobody knows here",
        ))
    }
}

fn compiled(engine: &Engine, kind: ProgramKind, program: &[u8]) -> Result<Vec<u8>, End> {
    let damaged = |error: Error| unfit(format!("it cannot be compiled: {}", explained(&error)));
    match kind {
        ProgramKind::Module => {
            let module = Module::from_binary(engine, program).map_err(damaged)?;
            judge_module(engine, &module)?;
            module.serialize().map_err(damaged)
        }
        ProgramKind::Component => {
            let component = Component::from_binary(engine, program).map_err(damaged)?;
            judge_component(engine, &component)?;
            component.serialize().map_err(damaged)
        }
    }
}

/// The innermost causes, which say what is wrong and where; those around them say that something was parsed.
fn explained(error: &Error) -> String {
    let texts: Vec<String> = error.chain().map(ToString::to_string).collect();
    let inner = texts.iter().skip(1).map(String::as_str);
    let inner: Vec<&str> = inner.filter(|text| !text.is_empty()).collect();
    let text = if inner.is_empty() {
        error.to_string()
    } else {
        inner.join(": ")
    };
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// What a program imports of what there is must fit too, to the last function and type.
fn unlinked(error: Error) -> End {
    unfit(format!(
        "it imports what nothing here provides: {}",
        error.root_cause()
    ))
}

fn judge_module(engine: &Engine, module: &Module) -> Result<(), End> {
    let names = module.imports().map(|import| import.module());
    if let Some(unfit) = imports::judge(names) {
        return Err(unfit);
    }
    module_linker(engine)
        .and_then(|linker| linker.instantiate_pre(module))
        .map_err(unlinked)?;
    match module.get_export("_start") {
        Some(ExternType::Func(start)) if start.params().len() + start.results().len() == 0 => {
            Ok(())
        }
        _ => {
            let reason = "it is no command: it exports no function `_start`";
            let hint = "a library has none; build it as a program, with a `main`";
            Err(unfit_hinting(reason, hint))
        }
    }
}

fn judge_component(engine: &Engine, component: &Component) -> Result<(), End> {
    let kind = component.component_type();
    let names: Vec<String> = kind
        .imports(engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    if let Some(unfit) = imports::judge(names.iter().map(String::as_str)) {
        return Err(unfit);
    }
    let linked = component_linker(engine)
        .and_then(|linker| linker.instantiate_pre(component))
        .map_err(unlinked)?;
    // The same look that finds the function when it is run, and then its type.
    let is_found = CommandPre::new(linked).is_ok();
    let is_command = kind.exports(engine).any(|(name, export)| {
        let ComponentItem::ComponentInstance(interface) = export.ty else {
            return false;
        };
        let run = interface.get_export(engine, "run");
        name.starts_with("wasi:cli/run@0.2.") && run.is_some_and(|run| is_run(&run.ty))
    });
    if is_found && is_command {
        return Ok(());
    }
    let reason =
        "it is no command: it exports no `wasi:cli/run` of WASI 0.2 with its function `run`";
    let hint = "a component that is called by others cannot be run by itself; build it for the world `wasi:cli/command`";
    Err(unfit_hinting(reason, hint))
}

/// Whether something is a function without parameters that returns a bare `result`.
fn is_run(item: &ComponentItem) -> bool {
    let ComponentItem::ComponentFunc(run) = item else {
        return false;
    };
    let mut results = run.results();
    let is_bare = match results.next() {
        Some(Type::Result(result)) => result.ok().is_none() && result.err().is_none(),
        _ => false,
    };
    run.params().len() == 0 && is_bare && results.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &[u8]) -> String {
        let ended = kind_of(program)
            .and_then(|kind| compiled(&engine().unwrap(), kind, program).map(|code| (kind, code)));
        match ended {
            Ok((kind, code)) => format!("{kind:?}, {} bytes", code.len().min(1)),
            Err(End::Unfit { reason, .. }) => reason,
            Err(other) => format!("{other:?}"),
        }
    }

    fn wat(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn a_module_with_a_start_is_a_program() {
        let program = wat(r#"(module (func (export "_start")))"#);
        assert_eq!(check(&program), "Module, 1 bytes");
    }

    #[test]
    fn what_is_not_webassembly_is_told_by_its_first_bytes() {
        assert_eq!(check(b""), "it is empty");
        assert!(check(b"#!/bin/sh\n").contains("does not begin"));
        assert!(check(b" (module)").contains("written as text"));
        assert!(check(b"\0asm\x01").contains("cut short"));
        assert!(check(b"\0asm\x02\0\0\0").contains("version"));
    }

    #[test]
    fn a_damaged_program_is_told_with_its_place() {
        let mut program = wat(r#"(module (func (export "_start") i32.const 1 drop))"#);
        program.truncate(program.len() - 2);
        let reason = check(&program);
        assert!(
            reason.starts_with("it cannot be compiled: ") && reason.contains("offset"),
            "{reason}"
        );
    }

    #[test]
    fn a_library_is_no_command() {
        assert!(check(&wat("(module)")).contains("`_start`"));
        assert!(
            check(&wat(r#"(module (func (export "_start") (param i32)))"#)).contains("`_start`")
        );
        assert!(check(&wat("(component)")).contains("`wasi:cli/run`"));
    }

    #[test]
    fn imports_that_nothing_provides_are_named() {
        let program = wat(r#"(module (import "env" "x" (func)) (func (export "_start")))"#);
        assert!(check(&program).contains("it imports `env`"));
        let program = wat(r#"(component (import "wasi:http/types@0.2.0" (instance)))"#);
        assert!(check(&program).contains("http.request"));
        for text in [
            r#"(module (import "wasi_snapshot_preview1" "no_such" (func)) (func (export "_start")))"#,
            r#"(module (import "wasi_snapshot_preview1" "fd_close" (func)) (func (export "_start")))"#,
            r#"(module (import "wasi:cli/stdin@0.2.0" "x" (func)) (func (export "_start")))"#,
            r#"(component (import "wasi:sockets/zzz" (instance (export "f" (func)))))"#,
        ] {
            let reason = check(&wat(text));
            assert!(
                reason.starts_with("it imports what nothing"),
                "{text}: {reason}"
            );
        }
    }

    #[test]
    fn threads_collection_and_wide_memories_are_left_out() {
        for text in [
            r#"(module (memory 1 1 shared) (func (export "_start")))"#,
            r#"(module (memory i64 1) (func (export "_start")))"#,
            r#"(module (type (struct)) (func (export "_start")))"#,
            r#"(module (tag) (func (export "_start")))"#,
        ] {
            assert!(
                check(&wat(text)).starts_with("it cannot be compiled"),
                "{text}"
            );
        }
    }
}
