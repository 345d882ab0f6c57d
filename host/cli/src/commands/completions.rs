//! `host completions`: a script that completes our command line in a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::app::Context;
use crate::args::Cli;
use crate::exit::Exit;
use crate::failure::Failure;

/// Print a script that completes this command line in a shell
#[derive(Args, Debug)]
#[command(after_help = "examples:
  host completions bash > ~/.local/share/bash-completion/completions/host
  host completions zsh > \"${fpath[1]}/_host\"
  host completions fish > ~/.config/fish/completions/host.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Runs `host completions`.
pub(crate) fn run(context: &Context, arguments: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "host", &mut script);
    context
        .printer
        .line(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        Cli::command().debug_assert();
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "host", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in ["bundle", "trust", "completions"] {
                assert!(script.contains(command), "{shell} {command}");
            }
        }
    }
}
