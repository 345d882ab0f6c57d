//! Bubblewrap as a typical caller starts it: a read-only system, everything unshared, dying with the caller.

use std::path::Path;
use std::process::Command;

use crate::machine::program;
use crate::packages::Tool;

/// The program, which Debian has.
pub(crate) const TOOL: Tool = Tool {
    program: "bwrap",
    package: "bubblewrap",
};

const WORDS: &[&str] = &[
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--ro-bind",
    "/usr",
    "/usr",
    "--symlink",
    "usr/bin",
    "/bin",
    "--symlink",
    "usr/lib",
    "/lib",
    "--symlink",
    "usr/lib64",
    "/lib64",
    "--proc",
    "/proc",
    "--dev",
    "/dev",
    "--tmpfs",
    "/tmp",
];

/// Bubblewrap with the system in it, to which more can be bound; the program comes last.
pub(crate) fn command() -> Command {
    let mut command = program(TOOL.program);
    command.args(WORDS);
    command
}

/// Another program within it, that sees these paths as they are here, and may write below those of the second kind.
pub(crate) fn around(inner: &Command, readable: &[&Path], writable: &[&Path]) -> Command {
    let mut command = command();
    for (word, paths) in [("--ro-bind", readable), ("--bind", writable)] {
        for path in paths {
            command.arg(word).arg(path).arg(path);
        }
    }
    command.arg(inner.get_program()).args(inner.get_args());
    command
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{around, command};
    use crate::machine::{program, shown};

    #[test]
    fn a_program_is_put_behind_what_it_may_see() {
        let mut inner = program("/opt/run");
        inner.args(["-x", "a.wasm"]);
        let (read, write) = (Path::new("/opt/run"), Path::new("/var/cache"));
        assert_eq!(
            shown(&around(&inner, &[read], &[write])),
            format!(
                "{} --ro-bind /opt/run /opt/run --bind /var/cache /var/cache /opt/run -x a.wasm",
                shown(&command())
            )
        );
    }
}
