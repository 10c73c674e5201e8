//! OCI image layouts (image-spec image-layout.md), in a directory or in a tar archive.

use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;

use super::members::{Archive, Dir, Members};
use super::{Source, Start};
use crate::PullOptions;
use crate::error::{Blob, Error};
use crate::manifest::{CONTAINERD_NAME, Descriptor, Index, REF_NAME};

/// The one layout version there is.
const VERSION: &str = "1.0.0";

/// An image layout and which of its images is meant.
pub(super) struct Layout<M> {
    members: M,
    index: Index,
    /// The bytes `index` was parsed from.
    index_json: Vec<u8>,
    tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciLayout {
    image_layout_version: String,
}

impl Layout<Dir> {
    pub(super) fn dir(dir: &Path, tag: Option<&str>, options: &PullOptions) -> Result<Layout<Dir>, Error> {
        // Said before "has no oci-layout" would be.
        std::fs::read_dir(dir).map_err(|source| Error::file(dir, source))?;
        Layout::new(Dir(dir.to_owned()), tag, options.limits.document)
    }
}

impl Layout<Archive> {
    pub(super) fn archive(archive: Archive, tag: Option<&str>, options: &PullOptions) -> Result<Layout<Archive>, Error> {
        Layout::new(archive, tag, options.limits.document)
    }
}

impl<M: Members> Layout<M> {
    fn new(members: M, tag: Option<&str>, limit: u64) -> Result<Layout<M>, Error> {
        let malformed = |name: &str, error: &dyn std::fmt::Display| members.problem(format!("its {name} is malformed: {error}"));
        let text = members.document("oci-layout", limit)?;
        let layout: OciLayout = serde_json::from_slice(&text).map_err(|error| malformed("oci-layout", &error))?;
        if layout.image_layout_version != VERSION {
            let version = layout.image_layout_version;
            return Err(members.problem(format!("its layout is of version {version}, not {VERSION}")));
        }
        let index_json = members.document("index.json", limit)?;
        let index = serde_json::from_slice(&index_json).map_err(|error| malformed("index.json", &error))?;
        let tag = tag.map(str::to_owned);
        Ok(Layout { members, index, index_json, tag })
    }

    fn names(&self) -> Vec<String> {
        let name = |entry: &Descriptor| match entry.annotation(REF_NAME) {
            Some(name) => name.to_owned(),
            None => entry.digest.to_string(),
        };
        self.index.manifests.iter().map(name).collect()
    }
}

/// Whether an entry of index.json has this tag, this containerd name or this digest.
fn is_named(entry: &Descriptor, tag: &str) -> bool {
    let annotations = [REF_NAME, CONTAINERD_NAME];
    let mut names = annotations.iter().filter_map(|key| entry.annotation(key));
    names.any(|name| name == tag) || entry.digest.to_string() == tag
}

impl<M: Members> Source for Layout<M> {
    fn start(&self) -> Result<Start, Error> {
        let image = || self.members.place().display().to_string();
        let entries = &self.index.manifests;
        if let Some(tag) = &self.tag {
            let entry = entries.iter().find(|entry| is_named(entry, tag));
            return match entry {
                Some(entry) => Ok(Start::Descriptor(entry.clone())),
                None => Err(Error::NoSuchImage { image: image(), wanted: tag.clone(), names: self.names() }),
            };
        }
        match &entries[..] {
            [] => Err(self.members.problem("holds no image".to_owned())),
            [only] => Ok(Start::Descriptor(only.clone())),
            // One image for several platforms, without an index of its own.
            several if several.iter().all(|entry| entry.platform.is_some() && entry.annotation(REF_NAME).is_none()) => {
                Ok(Start::Document(self.index_json.clone()))
            }
            _ => Err(Error::WhichImage { image: image(), names: self.names() }),
        }
    }

    fn open(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        let digest = &descriptor.digest;
        let name = format!("blobs/{}/{}", digest.algorithm().name(), digest.hex());
        let blob = || blob.clone();
        match self.members.open(&name) {
            Ok(Some((_, stream))) => Ok(stream),
            Ok(None) => Err(Error::MissingBlob { blob: blob() }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Err(Error::MissingBlob { blob: blob() }),
            Err(source) => Err(Error::file(self.members.place().join(name), source)),
        }
    }
}
