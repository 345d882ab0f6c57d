//! The binary `host`.
#![forbid(unsafe_code)]

mod app;
mod args;
mod clock;
mod commands;
mod exit;
mod failure;
mod printer;
mod settings;
mod usage;
mod wording;

fn main() -> std::process::ExitCode {
    app::run(std::env::args_os().collect())
}
