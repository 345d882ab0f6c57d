//! The binary `host`.
#![forbid(unsafe_code)]

mod app;
mod args;
mod clock;
mod commands;
mod exit;
mod facts;
mod failure;
mod printer;
mod settings;
mod usage;
mod wording;

fn main() -> std::process::ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    host_jail::keep_if_asked(&arguments, host_node::worker);
    app::run(arguments)
}
