//! `hoist inspect`: what a component is made of, or which instructions an image has, or which system calls it can make.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use hoist_oci::Reference;
use hoist_vfs::RootFs;
use hoist_x86::form::Census;

use super::image::Source;
use super::{Failure, Format, syscalls};
use crate::progress::Progress;
use crate::{info, lift};

/// Show what is inside a component that hoist made, or which instructions and system calls an image has
#[derive(Args)]
pub struct Inspect {
    /// The component; with --instructions or --syscalls an image reference as for `convert`
    #[arg(value_name = "FILE|IMAGE")]
    target: String,

    /// List each form of instruction in the image's ELF files, how often it occurs, and how hoist treats it
    #[arg(long)]
    instructions: bool,

    /// List each system call that the code of the image's ELF files can make, and how far hoist supports it
    #[arg(long, conflicts_with = "instructions")]
    syscalls: bool,

    /// How to print it; JSON of a component has the image's config too
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    #[command(flatten)]
    source: Source,
}

impl Inspect {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let text = match () {
            () if self.instructions => self.instructions()?,
            () if self.syscalls => self.syscalls()?,
            () => self.component()?,
        };
        // A reader that has seen enough (`| head`) is no error.
        match std::io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn component(&self) -> Result<String, Failure> {
        let fail = |error: &dyn std::fmt::Display| Failure::new(1, format!("{}: {error}", self.target));
        let bytes = std::fs::read(Path::new(&self.target)).map_err(|error| fail(&error))?;
        let (info, config) = info::read(&bytes).map_err(|error| fail(&error))?;
        let topology = hoist_topology::section::read(&bytes).map_err(|error| fail(&error))?.unwrap_or_default();
        Ok(match self.format {
            Format::Text => format!("{info}\n{topology}"),
            Format::Json => {
                let mut all = serde_json::to_value(&info)?;
                all["config"] = config;
                all["topology"] = serde_json::to_value(&topology)?;
                serde_json::to_string_pretty(&all)? + "\n"
            }
        })
    }

    fn instructions(&self) -> Result<String, Failure> {
        let progress = Progress::new(false);
        let census = lift::census(&self.rootfs(&progress)?, &progress)?;
        Ok(match self.format {
            Format::Text => table(&census),
            Format::Json => json(&census)? + "\n",
        })
    }

    fn syscalls(&self) -> Result<String, Failure> {
        let progress = Progress::new(false);
        let calls = lift::calls(&self.rootfs(&progress)?, &progress)?;
        Ok(match self.format {
            Format::Text => syscalls::table(&calls),
            Format::Json => syscalls::json(&calls)? + "\n",
        })
    }

    fn rootfs(&self, progress: &Progress) -> Result<RootFs, Failure> {
        let reference: Reference = self.target.parse()?;
        let options = self.source.pull_options()?;
        Ok(progress.stage("pull", || hoist_oci::pull(&reference, &options, progress))?.rootfs)
    }
}

/// The kinds of treatment, in the order in which they are summed up.
const KINDS: [&str; 4] = ["inline", "helper", "exception", "unknown"];

/// Most frequent first; then the sums by treatment.
fn table(census: &Census) -> String {
    let mut rows: Vec<_> = census.iter().collect();
    rows.sort_by_key(|(form, counted)| (std::cmp::Reverse(counted.count), **form));
    let mut text = format!("{:>12}  {:40}  treatment\n", "count", "form");
    for (form, counted) in rows {
        let _ = writeln!(text, "{:>12}  {:40}  {}", counted.count, form.to_string(), counted.treatment);
    }
    text.push('\n');
    for kind in KINDS {
        let of_kind = census.values().filter(|counted| counted.treatment.kind() == kind);
        let _ = writeln!(
            text,
            "{:>12}  in {} forms: {kind}",
            of_kind.clone().map(|counted| counted.count).sum::<u64>(),
            of_kind.count()
        );
    }
    text
}

fn json(census: &Census) -> serde_json::Result<String> {
    let rows: Vec<_> = census
        .iter()
        .map(|(form, counted)| {
            serde_json::json!({
                "form": form.to_string(),
                "opcode": form.code.op_code().op_code_string(),
                "count": counted.count,
                "treatment": counted.treatment.kind(),
                "detail": counted.treatment.to_string(),
            })
        })
        .collect();
    serde_json::to_string_pretty(&serde_json::json!({ "instructions": rows }))
}
