//! `host doctor`: which walls this machine can put up, whether runs can be recorded, and which `host` is first.
//!
//! Each wall is tried, not guessed at from a version. The four directories are opened as a run would open
//! them, which makes those that are missing.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use host_core::Shown;
use host_jail::WallState;
use host_jail::probe::Wall;
use host_store::{OpenMode, Store};
use serde_json::{Value, json};

use crate::app::Context;
use crate::clock;
use crate::commands::bundle::columns::columns;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::printer::{OutputMode, Paint};

/// The name that ours shares with a program of Debian's bind9-host.
const NAME: &str = "host";

/// Show which walls this machine can put around a task
///
/// `missing` is a wall that cannot be had here; what follows from that stands beside it. Exits with 7 if no
/// task can run here.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {}

/// Runs `host doctor`.
pub(crate) fn run(context: &Context, _: &DoctorArgs) -> Result<Exit, Failure> {
    let by_root = rustix::process::geteuid().is_root();
    let mut walls = host_jail::probe(by_root);
    match directories(context) {
        // What is missing already needs no trial to be told.
        Ok(store) if can_run(&walls) => walls.extend([recorded(), a_run(context, &store)]),
        Ok(_) => walls.push(recorded()),
        Err(missing) => walls.push(missing),
    }
    let path = context.settings.environment.get("PATH").unwrap_or_default();
    walls.push(in_path(path, std::env::current_exe().ok().as_deref()));
    let can_run = can_run(&walls);
    // The walls are the same; the engine must know this processor.
    let can_run_wasm = can_run && host_wasm::engine_id().is_ok();
    let system = rustix::system::uname();
    let kernel = system.release().to_string_lossy();
    let printer = context.printer;
    if printer.mode() == OutputMode::Human {
        let user = if by_root {
            "as root"
        } else {
            "as an ordinary user"
        };
        let title = format!("walls of this machine (kernel {}, {user})", Shown(&kernel));
        printer.line(&printer.on_stdout(Paint::Bold, &title));
        print(context, &walls);
        let word = |can: bool| {
            if can {
                printer.on_stdout(Paint::Ok, "yes")
            } else {
                printer.on_stdout(Paint::Failed, "no")
            }
        };
        let (word, wasm_word) = (word(can_run), word(can_run_wasm));
        printer.line(&format!("native tasks: {word}    wasm tasks: {wasm_word}"));
    } else {
        printer.json(&json!({
            "format": "host.doctor/1",
            "kernel": kernel,
            "root": by_root,
            "walls": walls.iter().map(wall_json).collect::<Vec<_>>(),
            "native": can_run,
            "wasm": can_run_wasm,
        }));
    }
    Ok(if can_run { Exit::Done } else { Exit::Machine })
}

fn can_run(walls: &[Wall]) -> bool {
    !walls
        .iter()
        .any(|wall| wall.required && wall.state == WallState::Missing)
}

fn word(state: WallState) -> &'static str {
    match state {
        WallState::Ok => "ok",
        WallState::Partly => "partly",
        WallState::Missing => "missing",
    }
}

fn wall_json(wall: &Wall) -> Value {
    json!({"name": wall.name, "state": word(wall.state), "detail": wall.detail, "required": wall.required})
}

fn print(context: &Context, walls: &[Wall]) {
    let row = |wall: &Wall| [wall.name.clone(), Shown(&wall.detail).to_string()];
    let rows: Vec<[String; 2]> = walls.iter().map(row).collect();
    for (line, wall) in columns(&rows).iter().zip(walls) {
        let paint = match wall.state {
            WallState::Ok => Paint::Ok,
            WallState::Missing if wall.required => Paint::Failed,
            WallState::Partly | WallState::Missing => Paint::Refused,
        };
        let state = context
            .printer
            .on_stdout(paint, &format!("{:7}", word(wall.state)));
        context.printer.line(&format!("  {state}  {line}"));
    }
}

fn wall(
    name: impl Into<String>,
    state: WallState,
    detail: impl Into<String>,
    required: bool,
) -> Wall {
    Wall {
        name: name.into(),
        state,
        detail: detail.into(),
        required,
    }
}

/// What says where runs are recorded.
const DIRECTORIES: &str = "directories for settings, state, cache and runtime";

/// Where a run would be recorded; a wall that is missing where it could not.
fn directories(context: &Context) -> Result<Store, Wall> {
    Store::open(&context.settings.places, OpenMode::Write).map_err(|error| {
        let cause = Failure::new(Exit::Machine, &error).to_string();
        let detail = format!("no run can be recorded: {cause}");
        wall(DIRECTORIES, WallState::Missing, detail, true)
    })
}

fn recorded() -> Wall {
    wall(DIRECTORIES, WallState::Ok, "", true)
}

/// Whether all of it together holds a program: what stands by itself may not stand in this place.
fn a_run(context: &Context, store: &Store) -> Wall {
    const NAME: &str = "a run of a program that does nothing";
    let machine = context.settings.machine();
    let tried = clock::moment().and_then(|moment| {
        host_node::trial(&machine, store, &moment)
            .map_err(|error| Failure::new(Exit::Machine, &error))
    });
    match tried {
        Ok(_) => wall(NAME, WallState::Ok, "", true),
        Err(failure) => {
            let detail = format!("no run can start: {failure}");
            wall(NAME, WallState::Missing, detail, true)
        }
    }
}

/// Whether the `host` that a shell would start is this one.
fn in_path(path: &str, ours: Option<&Path>) -> Wall {
    let Some(first) = first_in(path) else {
        return wall(
            format!("no `{NAME}` in PATH"),
            WallState::Partly,
            "install it to /usr/local/bin",
            false,
        );
    };
    let shown = Shown(&first.display().to_string()).to_string();
    let same =
        |one: &Metadata, other: &Metadata| (one.dev(), one.ino()) == (other.dev(), other.ino());
    let ours = ours.and_then(|path| path.metadata().ok());
    let is_ours = first
        .metadata()
        .is_ok_and(|first| ours.is_some_and(|ours| same(&first, &ours)));
    if is_ours {
        return wall(
            format!("{shown} is the `{NAME}` in PATH"),
            WallState::Ok,
            "",
            false,
        );
    }
    let detail = "it is not this program; Debian's bind9-host has one of that name: put ours in a directory before it";
    wall(
        format!("{shown} is the `{NAME}` in PATH"),
        WallState::Partly,
        detail,
        false,
    )
}

/// The first program of our name, as a shell looks for it.
fn first_in(path: &str) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        file.metadata()
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| Path::new(directory).join(NAME))
        .find(is_program)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};

    use super::*;

    fn program(directory: &Path, mode: u32) -> PathBuf {
        let path = directory.join(NAME);
        let file = File::create(&path).unwrap();
        file.set_permissions(Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_first_program_in_path_is_told_from_ours() {
        let [text, theirs, ours] = [0, 1, 2].map(|_| tempfile::tempdir().unwrap());
        program(text.path(), 0o644);
        program(theirs.path(), 0o755);
        let own = program(ours.path(), 0o755);
        let join = |directories: &[&tempfile::TempDir]| {
            let paths: Vec<String> = directories
                .iter()
                .map(|directory| directory.path().display().to_string())
                .collect();
            paths.join(":")
        };
        for (path, state, first) in [
            (join(&[&text, &ours, &theirs]), WallState::Ok, Some(&ours)),
            (
                join(&[&text, &theirs, &ours]),
                WallState::Partly,
                Some(&theirs),
            ),
            (join(&[&text]), WallState::Partly, None),
            (String::new(), WallState::Partly, None),
        ] {
            let found = in_path(&path, Some(&own));
            assert_eq!(found.state, state, "{path}");
            let expected = first.map(|directory| directory.path().join(NAME));
            assert_eq!(first_in(&path), expected, "{path}");
        }
    }

    #[test]
    fn only_a_required_wall_that_is_missing_keeps_tasks_from_running() {
        for (state, required, expected) in [
            (WallState::Missing, true, false),
            (WallState::Missing, false, true),
            (WallState::Partly, true, true),
            (WallState::Ok, true, true),
        ] {
            assert_eq!(can_run(&[wall("x", state, "", required)]), expected);
        }
    }
}
