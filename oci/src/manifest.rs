//! Manifests and indexes: image-spec manifest.md, image-index.md, descriptor.md, and docker's schema 2.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::digest::Digest;
use crate::error::{Blob, Error};
use crate::platform::Platform;

/// `org.opencontainers.image.ref.name`: the tag of an image in a layout's index.json.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The full name that containerd and docker write beside [`REF_NAME`].
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// Every document that [`Document::parse`] reads, for the Accept header.
pub const DOCUMENT_TYPES: [&str; 4] = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST];

/// What names a blob: descriptor.md.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Where else than in the registry the blob is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
}

impl Descriptor {
    /// The annotation of this name.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

/// An image manifest: one config and the layers, lowest first.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// An image index, which docker calls a manifest list: manifests by platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub manifests: Vec<Descriptor>,
}

/// What a reference or an index entry can name.
#[derive(Clone, Debug)]
pub enum Document {
    Index(Index),
    Manifest(Manifest),
}

/// The fields that tell which document it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Document {
    /// Parses the JSON of an index or a manifest. Which it is, its fields say: media types are missing in
    /// many documents, and one that could be read both ways is refused (CVE-2021-41190).
    ///
    /// # Errors
    /// `Error::Json` for JSON that is neither, `Error::Schema1` for docker's schema 1.
    pub fn parse(blob: &Blob, bytes: &[u8]) -> Result<Document, Error> {
        let json = |source| Error::json(blob, source);
        let shape: Shape = serde_json::from_slice(bytes).map_err(json)?;
        if shape.schema_version == 1 {
            return Err(Error::Schema1 { blob: blob.clone() });
        }
        let is_manifest = shape.layers.is_some() || shape.config.is_some();
        match (shape.manifests.is_some(), is_manifest) {
            (true, false) => serde_json::from_slice(bytes).map(Document::Index).map_err(json),
            (false, true) => serde_json::from_slice(bytes).map(Document::Manifest).map_err(json),
            _ => Err(Error::NotAnImage { blob: blob.clone() }),
        }
    }
}

impl Index {
    /// The entry for a platform: the best fit, the first of equals. Entries without a platform are taken
    /// where none states one.
    ///
    /// # Errors
    /// `Error::NoPlatform`, which lists the platforms there are.
    pub fn select(&self, wanted: &Platform) -> Result<&Descriptor, Error> {
        let ranked = self.manifests.iter().filter_map(|entry| {
            let platform = entry.platform.as_ref()?;
            platform.rank(wanted).map(|rank| (rank, entry))
        });
        // `min_by_key` keeps the first of equals.
        if let Some((_, entry)) = ranked.min_by_key(|(rank, _)| *rank) {
            return Ok(entry);
        }
        let is_stated = |entry: &Descriptor| entry.platform.is_some();
        match &self.manifests[..] {
            [only] if !is_stated(only) => Ok(only),
            manifests => {
                let platforms = manifests.iter().filter_map(|entry| entry.platform.clone());
                let mut available: Vec<_> = platforms.filter(|p| !p.is_unknown()).collect();
                available.sort();
                available.dedup();
                let wanted = wanted.clone();
                Err(Error::NoPlatform { wanted, available })
            }
        }
    }
}

/// True if a media type is a root filesystem layer's, whatever compresses it: layer.md and docker's
/// image-spec v2. The bytes say how it is compressed, as producers get the suffix wrong.
pub fn is_layer(media_type: &str) -> bool {
    const BASES: [&str; 3] = ["application/vnd.oci.image.layer.v1.tar", DOCKER_LAYER, "application/x-tar"];
    const SUFFIXES: [&str; 5] = ["", "+gzip", "+zstd", ".gzip", ".zstd"];
    BASES.iter().any(|base| {
        let suffix = media_type.strip_prefix(base);
        suffix.is_some_and(|suffix| SUFFIXES.contains(&suffix))
    })
}

/// True if a media type says that registries need not have the layer: image-spec layer.md, "Non-Distributable Layers".
pub fn is_foreign(media_type: &str) -> bool {
    const BASES: [&str; 2] =
        ["application/vnd.oci.image.layer.nondistributable.v1.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar"];
    BASES.iter().any(|base| media_type.starts_with(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Index {
        let descriptor = |platform: &&str| Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::of(platform.as_bytes()),
            size: 1,
            platform: platform.parse().ok(),
            annotations: None,
            urls: None,
        };
        Index { manifests: platforms.iter().map(descriptor).collect() }
    }

    #[test]
    fn the_plain_variant_is_preferred() {
        let index = index(&["linux/arm64", "linux/amd64/v3", "linux/amd64"]);
        let entry = index.select(&Platform::linux_amd64()).expect("an entry");
        assert_eq!(entry.digest, Digest::of(b"linux/amd64"));
    }

    #[test]
    fn a_miss_lists_what_there_is() {
        let index = index(&["linux/s390x", "unknown/unknown", "linux/arm64"]);
        let error = index.select(&Platform::linux_amd64()).expect_err("no amd64");
        assert_eq!(
            error.to_string(),
            "no matching manifest for linux/amd64 in the manifest list entries: the image is there for \
             linux/arm64, linux/s390x only"
        );
    }

    #[test]
    fn ambiguous_and_old_documents() {
        let blob = Blob::Manifest(None);
        let parse = |text: &str| Document::parse(&blob, text.as_bytes());
        let both = r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#;
        assert!(matches!(parse(both), Err(Error::NotAnImage { .. })));
        assert!(matches!(parse(r#"{"schemaVersion":1}"#), Err(Error::Schema1 { .. })));
        assert!(matches!(parse("{}"), Err(Error::NotAnImage { .. })));
        assert!(matches!(parse("<html>"), Err(Error::Json { .. })));
    }

    #[test]
    fn layer_types() {
        assert!(is_layer("application/vnd.oci.image.layer.v1.tar+zstd"));
        assert!(is_layer("application/vnd.docker.image.rootfs.diff.tar.gzip"));
        assert!(!is_layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"));
        assert!(!is_layer("application/vnd.in-toto+json"));
    }
}
