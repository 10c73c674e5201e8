//! `hoist convert`: an image reference in, a component out.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args};
use hoist_oci::reference::RegistryReference;
use hoist_oci::{Credentials, Reference, RegistryOptions};

use super::Failure;
use super::image::ImageOptions;
use super::push::{self, destination};
use crate::artifact;
use crate::info::Info;
use crate::pipeline;
use crate::progress::Progress;
use crate::units::Bytes;

/// Convert a container image to a WebAssembly component
#[derive(Args)]
pub struct Convert {
    /// NAME[:TAG|@DIGEST], oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE, dir:DIR, or - for an archive from standard input
    image: Reference,

    /// The component to write; with --push it need not be kept
    #[arg(short, long, value_name = "FILE", required_unless_present = "push")]
    output: Option<PathBuf>,

    /// Push the component to a registry, and print nothing but its digest
    #[arg(long, value_name = "NAME[:TAG]", value_parser = destination)]
    push: Option<RegistryReference>,

    #[command(flatten)]
    destination: Destination,

    #[command(flatten)]
    options: ImageOptions,

    /// Print how long each stage took, to standard error
    #[arg(long)]
    timings: bool,

    /// How to print what the component is made of; or, with --push, what to push
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
        let (output, _temporary) = match &self.output {
            Some(output) => (output.clone(), None),
            None => {
                let dir = tempfile::tempdir()?;
                (dir.path().join("app.wasm"), Some(dir))
            }
        };
        let info = pipeline::convert(&conversion, &output, &progress)?;
        match self.format {
            Format::Json if self.push.is_none() => println!("{}", serde_json::to_string_pretty(&info)?),
            _ => progress.line(&summary(&info)),
        }
        if let Some(name) = &self.push {
            let format = if self.format == Format::Image { artifact::Format::Image } else { artifact::Format::Artifact };
            let registry = self.destination.options(self.options.source.registry.options());
            println!("{}", push::push(&output, name, format, registry, None, &progress)?);
        }
        if self.timings {
            eprint!("{}", progress.timings());
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What `--format` may say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
enum Format {
    #[default]
    Text,
    Json,
    /// The CNCF's Wasm OCI artifact, unless something else is said
    Artifact,
    /// A container image for wasi/wasm with the component as /app.wasm
    Image,
}

/// How the registry of `--push` is spoken to, where that differs; credentials are never those of the source.
#[derive(Args, Clone, Debug)]
struct Destination {
    /// Credentials for --push
    #[arg(long, value_name = "USER:PASSWORD", requires = "push", help_heading = "Registry")]
    dest_creds: Option<Credentials>,

    /// As --cert-dir, for --push
    #[arg(long, value_name = "DIR", requires = "push", help_heading = "Registry")]
    dest_cert_dir: Option<PathBuf>,

    /// As --tls-verify, for --push [default: as --tls-verify]
    #[arg(long, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL", requires = "push", help_heading = "Registry")]
    dest_tls_verify: Option<bool>,
}

impl Destination {
    fn options(&self, source: RegistryOptions) -> RegistryOptions {
        RegistryOptions {
            credentials: self.dest_creds.clone(),
            cert_dir: self.dest_cert_dir.clone().or(source.cert_dir),
            tls_verify: self.dest_tls_verify.unwrap_or(source.tls_verify),
            ..source
        }
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
