//! `hoist convert`: an image reference in, a component out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use hoist_oci::Reference;

use super::image::ImageOptions;
use super::{Failure, Format};
use crate::info::{Bytes, Info};
use crate::pipeline;
use crate::progress::Progress;

/// Convert a container image to a WebAssembly component
#[derive(Args)]
pub struct Convert {
    /// NAME[:TAG|@DIGEST], oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE
    image: Reference,

    /// The component to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    options: ImageOptions,

    /// Print how long each stage took, to standard error
    #[arg(long)]
    timings: bool,

    /// How to print what the component is made of
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Say nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,
}

impl Convert {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let progress = Progress::new(self.quiet);
        let conversion = self.options.conversion(self.image, true);
        let info = pipeline::convert(&conversion, &self.output, &progress)?;
        match self.format {
            Format::Json => println!("{}", serde_json::to_string_pretty(&info)?),
            Format::Text => progress.line(&summary(&info)),
        }
        if self.timings {
            eprint!("{}", progress.timings());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One line about a new component.
fn summary(info: &Info) -> String {
    let functions: u64 = info.elfs.iter().map(|elf| u64::from(elf.functions)).sum();
    format!(
        "{}: {functions} functions of {} ELF files, ROM {}, core module {}",
        info.source.image,
        info.elfs.len(),
        Bytes(info.rom.bytes),
        Bytes(info.wasm.core_module_bytes)
    )
}
