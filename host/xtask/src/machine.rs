//! The doors to the machine: starting programs and reading the clock happen here and nowhere else in this crate.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Where the system's own programs are; a task in its jail sees no other place.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Describes the start of a program, which never waits for input.
#[expect(
    clippy::disallowed_methods,
    reason = "chores start programs; this is the one place"
)]
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null());
    command
}

/// The time now, to take durations from.
#[expect(
    clippy::disallowed_methods,
    reason = "chores measure; this is the one place"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Runs a program to its end with its output going to ours.
///
/// # Errors
///
/// When it cannot be started, or ends with anything but 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("`{}` did not start", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a program to its end and gives its standard output.
///
/// # Errors
///
/// When it cannot be started, prints what is not UTF-8, or ends with anything but 0: then its words are in the error.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("`{}` did not start", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "`{}` ended with {}\n{}",
            shown(command),
            output.status,
            said.trim_end()
        );
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed no text", shown(command)))
}

/// Whether a program runs and is content, such as `cargo deny --version`.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| quoted(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=@,+%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    // The directory of a process belongs to its effective user.
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|metadata| metadata.uid() == 0)
}

/// Whether the system itself has this program, whatever else is in PATH.
pub(crate) fn has_program(name: &str) -> bool {
    SYSTEM_PATH
        .split(':')
        .any(|directory| Path::new(directory).join(name).exists())
}

#[cfg(test)]
mod tests {
    use super::{program, read, run, shown};

    #[test]
    fn a_command_is_shown_as_a_shell_reads_it() {
        let mut command = program("host");
        command.args(["run", "a b", "it's", "", "--limit", "wall=1s", "$HOME"]);
        assert_eq!(
            shown(&command),
            r"host run 'a b' 'it'\''s' '' --limit wall=1s '$HOME'"
        );
    }

    #[test]
    fn a_program_that_fails_is_named_with_its_exit_code() {
        let error = run(program("sh").args(["-c", "exit 7"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sh -c 'exit 7'` ended with exit status: 7"
        );
        let error = read(program("sh").args(["-c", "echo why >&2; exit 7"])).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("ended with exit status: 7\nwhy"),
            "{error}"
        );
    }

    #[test]
    fn a_program_gets_no_input() {
        let printed = read(program("sh").args(["-c", "cat; echo end"])).unwrap();
        assert_eq!(printed, "end\n");
    }
}
