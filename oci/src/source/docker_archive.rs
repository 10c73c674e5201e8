//! What `docker save` writes: a tar archive with a manifest.json that names configs and layers by path
//! (docker's image-spec v1.2, "Combined Image JSON + Filesystem Changeset Format").
//!
//! Such an archive has no manifest. One is made up from it, with the digests that the config and the names
//! of files promise, so that everything is verified here as anywhere else.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use hoist_vfs::Content;
use serde::Deserialize;

use super::members::{Archive, Members};
use super::{Source, Start};
use crate::PullOptions;
use crate::config::ImageConfig;
use crate::digest::Digest;
use crate::error::{Blob, Error};
use crate::fetch::Decoder;
use crate::manifest::{DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, Descriptor, Manifest};
use crate::reference::{ArchiveImage, RegistryReference};

/// One image of an archive.
pub(super) struct DockerArchive {
    manifest: Vec<u8>,
    config: Vec<u8>,
    config_digest: Digest,
    layers: BTreeMap<Digest, Content>,
}

/// An entry of manifest.json.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

impl DockerArchive {
    /// Reads manifest.json and the config of the image that is meant.
    pub(super) fn new(archive: Archive, select: Option<&ArchiveImage>, options: &PullOptions) -> Result<DockerArchive, Error> {
        let text = archive.document("manifest.json", options.limits.document)?;
        let items: Vec<Item> =
            serde_json::from_slice(&text).map_err(|error| archive.problem(format!("its manifest.json is malformed: {error}")))?;
        let item = choose(&archive, &items, select)?;

        let config = archive.document(&item.config, options.limits.document)?;
        let config_digest = named_digest(&item.config).unwrap_or_else(|| Digest::of(&config));
        let parsed = ImageConfig::parse(&Blob::Config(config_digest.clone()), &config)?;
        let paths = item.layers.as_deref().unwrap_or_default();
        if paths.len() != parsed.diff_ids.len() {
            return Err(Error::LayerCount { diff_ids: parsed.diff_ids.len(), layers: paths.len() });
        }
        let (mut descriptors, mut layers) = (Vec::new(), BTreeMap::new());
        for (path, diff_id) in paths.iter().zip(&parsed.diff_ids) {
            let content = archive.content(path);
            let content = content.ok_or_else(|| archive.problem(format!("has no {path}")))?;
            let digest =
                layer_digest(path, content, diff_id).map_err(|source| Error::file(archive.place().join(path), source))?;
            descriptors.push(descriptor(DOCKER_LAYER, &digest, content.len()));
            layers.insert(digest, content.clone());
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(DOCKER_MANIFEST.to_owned()),
            config: descriptor(DOCKER_CONFIG, &config_digest, config.len() as u64),
            layers: descriptors,
        };
        let manifest = serde_json::to_vec(&manifest).map_err(|source| Error::json(&Blob::Manifest(None), source))?;
        Ok(DockerArchive { manifest, config, config_digest, layers })
    }
}

/// The image that is meant; without a word about it, the only one.
fn choose<'a>(archive: &Archive, items: &'a [Item], select: Option<&ArchiveImage>) -> Result<&'a Item, Error> {
    let image = || archive.place().display().to_string();
    let names = || {
        let tags = items.iter().enumerate().flat_map(|(index, item)| {
            let tags = item.repo_tags.clone().unwrap_or_default();
            match tags.is_empty() {
                true => vec![format!("@{index}")],
                false => tags,
            }
        });
        tags.collect::<Vec<String>>()
    };
    let chosen = match (select, items) {
        (None, []) => return Err(archive.problem("holds no image".to_owned())),
        (None, [only]) => return Ok(only),
        (None, _) => {
            return Err(Error::WhichImage { image: image(), names: names() });
        }
        (Some(ArchiveImage::Index(index)), items) => items.get(*index).ok_or(format!("@{index}")),
        (Some(ArchiveImage::Name(name)), items) => {
            let has_name = |item: &&Item| {
                let mut tags = item.repo_tags.iter().flatten();
                tags.any(|tag| tag.parse::<RegistryReference>().as_ref() == Ok(name))
            };
            items.iter().find(has_name).ok_or(name.to_string())
        }
    };
    chosen.map_err(|wanted| Error::NoSuchImage { image: image(), wanted, names: names() })
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: digest.clone(), size, platform: None, annotations: None, urls: None }
}

/// The digest that a file's name promises: `blobs/sha256/HEX` (docker since 25), `HEX.json` (before).
fn named_digest(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next()?;
    let hex = name.strip_suffix(".json").unwrap_or(name);
    format!("sha256:{hex}").parse().ok()
}

/// The digest a layer's file must have: what its name promises, or its diff_id, as layers are stored
/// uncompressed. One that is compressed nevertheless is only promised by the diff_id, so what it has counts.
fn layer_digest(path: &str, content: &Content, diff_id: &Digest) -> std::io::Result<Digest> {
    if let Some(digest) = named_digest(path) {
        return Ok(digest);
    }
    if let Decoder::Plain(_) = Decoder::new(content.reader())? {
        return Ok(diff_id.clone());
    }
    Ok(Digest::of_reader(content.reader())?.0)
}

impl Source for DockerArchive {
    fn start(&self) -> Result<Start, Error> {
        Ok(Start::Document(self.manifest.clone()))
    }

    fn open(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        if descriptor.digest == self.config_digest {
            return Ok(Box::new(Cursor::new(&self.config)));
        }
        match self.layers.get(&descriptor.digest) {
            Some(content) => Ok(Box::new(content.reader())),
            None => Err(Error::MissingBlob { blob: blob.clone() }),
        }
    }
}
