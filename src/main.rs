//! `hoist`: a container image in, one WebAssembly component out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod application;
mod artifact;
mod calls;
mod commands;
mod component;
mod elf;
mod entry;
mod floats;
mod hints;
mod homes;
mod info;
mod kernel;
mod lift;
mod link;
mod output;
mod pipeline;
mod progress;
mod provenance;
#[cfg(test)]
mod testing;
mod units;

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
    Pull(commands::pull::Pull),
    Push(commands::push::Push),
    Cache(commands::cache::Cache),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && std::env::args_os().nth(1).is_some_and(|command| command == "run") => {
            // As docker, whose other statuses are the guest's. What cannot be printed to standard error cannot be reported either.
            let _ = error.print();
            return ExitCode::from(commands::OWN_FAILURE);
        }
        Err(error) => error.exit(),
    };
    let result = match arguments.command {
        Command::Convert(command) => command.run(),
        Command::Run(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Compile(command) => command.run(),
        Command::Pull(command) => command.run(),
        Command::Push(command) => command.run(),
        Command::Cache(command) => command.run(),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("hoist: {failure}");
        if let Some(hint) = &failure.hint {
            eprintln!("hint: {hint}");
        }
        ExitCode::from(failure.status)
    })
}
