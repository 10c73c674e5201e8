//! `hoist inspect`: what a component is made of.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, Format};
use crate::info;

/// Show what is inside a component that hoist made
#[derive(Args)]
pub struct Inspect {
    /// The component
    file: PathBuf,

    /// How to print it; JSON has the image's config too
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Inspect {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let fail = |error: &dyn std::fmt::Display| Failure::new(1, format!("{}: {error}", self.file.display()));
        let bytes = std::fs::read(&self.file).map_err(|error| fail(&error))?;
        let (info, config) = info::read(&bytes).map_err(|error| fail(&error))?;
        let text = match self.format {
            Format::Text => info.to_string(),
            Format::Json => {
                let mut all = serde_json::to_value(&info)?;
                all["config"] = config;
                serde_json::to_string_pretty(&all)? + "\n"
            }
        };
        // A reader that has seen enough (`| head`) is no error.
        match std::io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}
