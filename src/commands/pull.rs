//! `hoist pull`: an image's blobs, for later.

use std::process::ExitCode;

use clap::Args;
use hoist_oci::Downloaded;
use hoist_oci::download::DownloadedLayer;
use hoist_oci::reference::{Reference, RegistryReference};

use super::image::Fetch;
use super::{Failure, Format};
use crate::progress::Progress;

/// Fetch an image from a registry into the cache, and print its digest
#[derive(Args)]
pub struct Pull {
    /// NAME[:TAG|@DIGEST]
    #[arg(value_parser = source)]
    name: RegistryReference,

    /// How to print what was fetched
    #[arg(long, value_enum, default_value_t)]
    format: Format,

    /// Say nothing but warnings and errors
    #[arg(short, long)]
    quiet: bool,

    #[command(flatten)]
    fetch: Fetch,
}

impl Pull {
    pub fn run(self) -> Result<ExitCode, Failure> {
        let progress = Progress::new(self.quiet);
        let options = self.fetch.pull_options()?;
        let image = hoist_oci::download(&self.name, &options, &progress)?;
        for layer in &image.layers {
            let short = layer.descriptor.digest.hex().get(..12).unwrap_or_default();
            progress.line(&format!("{short}: {}", if layer.was_there { "Already exists" } else { "Pull complete" }));
        }
        match self.format {
            Format::Text => println!("{}", image.digest()),
            Format::Json => println!("{}", serde_json::to_string_pretty(&self.json(&image))?),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn json(&self, image: &Downloaded) -> serde_json::Value {
        let layer = |DownloadedLayer { descriptor, was_there }: &DownloadedLayer| {
            serde_json::json!({
                "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size, "wasThere": was_there
            })
        };
        serde_json::json!({
            "name": self.name.to_string(),
            "digest": image.digest(),
            "manifest": image.manifest_digest,
            "platform": image.platform.to_string(),
            "layers": image.layers.iter().map(layer).collect::<Vec<_>>(),
        })
    }
}

/// A name in a registry, `docker://` or not.
fn source(text: &str) -> Result<RegistryReference, String> {
    match text.parse() {
        Ok(Reference::Registry(name)) => Ok(name),
        Ok(_) => Err("what is not in a registry needs no pulling: convert and run take it as it is".into()),
        Err(error) => Err(error.to_string()),
    }
}
