//! The command line: what can be typed. Doc comments here are the help.

use clap::{Parser, Subcommand};

use crate::commands;
use crate::printer::OutputMode;

/// Run tasks with exactly the capabilities that were granted, and nothing else
///
/// A task is a script, a program of this machine's kind or a WASI program, in a module with Puppet's layout. `host run`
/// starts it in a jail of its own: it sees what it asked for and was granted, and its limits are held.
#[derive(Debug, Parser)]
#[command(
    name = "host",
    version,
    max_term_width = 110,
    disable_help_subcommand = true
)]
#[command(
    after_help = "exit codes:  0 done  1 the task failed  2 usage or input  3 refused  4 not trusted or damaged
             5 lost  7 this machine cannot hold or record the run  70 a bug of ours  130, 143 interrupted
             of `host run PROGRAM.wasm`: the program's own, and what its --help says"
)]
pub(crate) struct Cli {
    /// What standard output is for
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        help_heading = "Everywhere"
    )]
    pub(crate) output: Option<OutputMode>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(commands::run::RunArgs),
    #[command(subcommand)]
    Bundle(commands::bundle::BundleCommand),
    #[command(subcommand)]
    Key(commands::key::KeyCommand),
    #[command(subcommand)]
    Trust(commands::trust::TrustCommand),
    #[command(subcommand)]
    Secret(commands::secret::SecretCommand),
    #[command(subcommand)]
    Policy(commands::policy::PolicyCommand),
    #[command(subcommand)]
    Audit(commands::audit::AuditCommand),
    #[command(subcommand)]
    Config(commands::config::ConfigCommand),
    Doctor(commands::doctor::DoctorArgs),
    Completions(commands::completions::CompletionsArgs),
    Man(commands::man::ManArgs),
}
