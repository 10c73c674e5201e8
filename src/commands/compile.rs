//! `hoist compile`: a component to machine code, ahead of its first run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hoist_runner::{Profiler, Runner};

use super::Failure;

/// Compile a component for this machine, for `hoist run`
#[derive(Args)]
pub struct Compile {
    /// The component
    file: PathBuf,

    /// The compiled component to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

impl Compile {
    pub fn run(self) -> Result<ExitCode, Failure> {
        Runner::new(Profiler::None)?.precompile(&self.file, &self.output)?;
        Ok(ExitCode::SUCCESS)
    }
}
