//! What skopeo writes with `dir:` (containers-transports(5)): `manifest.json`, and blobs named by the digits of their digest.

use std::io::{self, Read};
use std::path::Path;

use super::members::{self, Members};
use super::{Source, Start};
use crate::PullOptions;
use crate::error::{Blob, Error};
use crate::manifest::Descriptor;

/// A directory with one image, or with an index and its images.
pub(super) struct Dir {
    members: members::Dir,
    manifest: Vec<u8>,
}

impl Dir {
    pub(super) fn open(dir: &Path, options: &PullOptions) -> Result<Dir, Error> {
        // Said before "has no manifest.json" would be.
        std::fs::read_dir(dir).map_err(|source| Error::file(dir, source))?;
        let members = members::Dir(dir.to_owned());
        let manifest = members.document("manifest.json", options.limits.document)?;
        Ok(Dir { members, manifest })
    }
}

impl Source for Dir {
    fn start(&self) -> Result<Start, Error> {
        Ok(Start::Document(self.manifest.clone()))
    }

    fn open(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        let hex = descriptor.digest.hex();
        let name = match blob {
            Blob::Index(_) | Blob::Manifest(_) => format!("{hex}.manifest.json"),
            Blob::Config(_) | Blob::Layer { .. } => hex.to_owned(),
        };
        match self.members.open(&name) {
            Ok(Some((_, stream))) => Ok(stream),
            Ok(None) => Err(Error::MissingBlob { blob: blob.clone() }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Err(Error::MissingBlob { blob: blob.clone() }),
            Err(source) => Err(Error::file(self.members.place().join(name), source)),
        }
    }
}
