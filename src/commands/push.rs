//! `hoist push`: a component to a registry.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use hoist_oci::push::PushOptions;
use hoist_oci::reference::{Reference, RegistryReference};
use hoist_oci::{BlobCache, Descriptor, RegistryOptions};

use super::cache::BLOBS;
use super::image::Registry;
use super::{Failure, OWN_FAILURE, cache_dir};
use crate::artifact::{self, Format};
use crate::progress::Progress;
use crate::units;

/// Push a component to a registry, and print the digest
#[derive(Args)]
pub struct Push {
    /// The component
    file: PathBuf,

    /// NAME[:TAG]
    #[arg(value_parser = destination)]
    name: RegistryReference,

    /// What to push
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Send the component in pieces of this size, for registries that take no larger ones
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    chunk_size: Option<u64>,

    /// Say nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    registry: Registry,
}

impl Push {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let progress = Progress::new(self.quiet);
        let manifest = push(&self.file, &self.name, self.format, self.registry.options()?, self.chunk_size, &progress)?;
        println!("{}", manifest.digest);
        Ok(ExitCode::SUCCESS)
    }
}

/// A name in a registry, `docker://` or not.
///
/// # Errors
/// That it is none.
pub fn destination(text: &str) -> Result<RegistryReference, String> {
    match text.parse() {
        Ok(Reference::Registry(name)) => Ok(name),
        Ok(_) => Err("hoist pushes to registries only; skopeo copies from there to elsewhere".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Pushes a component; gives its manifest's digest and size.
///
/// # Errors
/// What is wrong with the file, or what the registry has against it.
pub fn push(
    file: &Path,
    name: &RegistryReference,
    format: Format,
    registry: RegistryOptions,
    chunk: Option<u64>,
    progress: &Progress,
) -> Result<Descriptor, Failure> {
    let prepared = artifact::prepare(file, format).map_err(|error| Failure { status: OWN_FAILURE, ..error.into() })?;
    let options = options(registry, chunk);
    Ok(progress.stage("push", || hoist_oci::push::push(name, &prepared.artifact, &options, progress))?)
}

/// How to push, with hoist's own cache.
pub fn options(registry: RegistryOptions, chunk: Option<u64>) -> PushOptions {
    PushOptions { registry, cache: cache_dir().map(|dir| BlobCache::at(dir.join(BLOBS))), chunk }
}
