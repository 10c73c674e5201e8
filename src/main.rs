//! `hoist`: a container image in, one WebAssembly component out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod commands;
mod elf;
mod entry;
mod homes;
mod info;
mod kernel;
mod lift;
mod link;
mod output;
mod pipeline;
mod progress;
#[cfg(test)]
mod testing;

/// Turns container images into WebAssembly components, and runs them.
#[derive(Parser)]
#[command(name = "hoist", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Convert(commands::convert::Convert),
    Run(commands::run::Run),
    Inspect(commands::inspect::Inspect),
    Compile(commands::compile::Compile),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Convert(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Compile(command) => command.run(),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("hoist: {failure}");
        ExitCode::from(failure.status)
    })
}
