//! Publishes artifacts: a config, layers, a manifest, and documents that refer to it; and indexes of several.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::cache::BlobCache;
use crate::digest::Digest;
use crate::error::{Blob, Error};
use crate::manifest::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::mirrors::Endpoint;
use crate::reference::RegistryReference;
use crate::registry::upload::{Data, Pushed, Upload};
use crate::registry::{self, Client, RegistryError, RegistryOptions};

/// The media type of a config that says nothing, image-spec manifest.md, "Guidance for an Empty Descriptor".
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// The most bytes of an index of referrers that is taken.
const INDEX_LIMIT: u64 = 8 << 20;

/// What is published under a name.
#[derive(Clone, Debug)]
pub struct Artifact {
    pub config: Document,
    pub layer: Layer,
    /// Of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Documents about it.
    pub referrers: Vec<Document>,
}

/// A small blob.
#[derive(Clone, Debug)]
pub struct Document {
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// A large one, in a file.
#[derive(Clone, Debug)]
pub struct Layer {
    pub media_type: String,
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    pub file: std::path::PathBuf,
}

impl Layer {
    /// The layer that a file's bytes are.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(file: &Path, media_type: &str) -> Result<Layer, Error> {
        let error = |source| Error::file(file, source);
        let reader = std::fs::File::open(file).map_err(error)?;
        let (digest, size) = Digest::of_reader(reader).map_err(error)?;
        Ok(Layer { media_type: media_type.to_owned(), digest, size, file: file.to_owned() })
    }
}

/// What is published of several artifacts of one repository: their index.
#[derive(Clone, Debug)]
pub struct Index {
    pub artifact_type: String,
    /// The artifacts, which are in the repository.
    pub manifests: Vec<Descriptor>,
    pub annotations: BTreeMap<String, String>,
    /// Documents about all of them.
    pub referrers: Vec<Document>,
}

/// How to push.
#[derive(Clone, Debug, Default)]
pub struct PushOptions {
    pub registry: RegistryOptions,
    /// Remembers where blobs were pushed to, so that other repositories of a registry can take them from there.
    pub cache: Option<BlobCache>,
    /// Send the layer in pieces of so many bytes.
    pub chunk: Option<u64>,
}

/// Hears how a push goes on.
pub trait PushProgress {
    /// The layer is next, of so many bytes.
    fn started(&self, _size: u64) {}
    /// Bytes sent so far.
    fn bytes(&self, _bytes: u64) {}
    fn done(&self, _how: Pushed) {}
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageIndex<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'a str,
    manifests: &'a [Descriptor],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// Pushes an artifact under a name, and gives what an index says of its manifest. The manifest goes last: a name never leads to
/// something that is not all there. Blocks; not to be called from asynchronous code.
///
/// # Errors
/// [`Error`]
pub fn push(
    name: &RegistryReference,
    artifact: &Artifact,
    options: &PushOptions,
    progress: &dyn PushProgress,
) -> Result<Descriptor, Error> {
    let runtime = registry::runtime()?;
    let pusher = Pusher::new(name, options, &runtime)?;
    let layer = &artifact.layer;
    progress.started(layer.size);
    let data = Data::File(layer.file.clone());
    let how = pusher.blob(Upload { digest: layer.digest.clone(), size: layer.size, data }, &|bytes| progress.bytes(bytes))?;
    progress.done(how);
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST,
        artifact_type: None,
        config: pusher.document(&artifact.config)?,
        layers: vec![descriptor(&layer.media_type, &layer.digest, layer.size)],
        subject: None,
        annotations: artifact.annotations.clone(),
    };
    pusher.named(name, OCI_MANIFEST, &json(&manifest)?, &artifact.referrers)
}

/// Pushes the index of artifacts that are in the repository already, and gives its digest. Blocks, as [`push`].
///
/// # Errors
/// [`Error`]
pub fn push_index(name: &RegistryReference, index: &Index, options: &PushOptions) -> Result<Digest, Error> {
    let runtime = registry::runtime()?;
    let pusher = Pusher::new(name, options, &runtime)?;
    let Index { artifact_type, manifests, annotations, referrers } = index;
    let index = ImageIndex { schema_version: 2, media_type: OCI_INDEX, artifact_type, manifests, annotations };
    Ok(pusher.named(name, OCI_INDEX, &json(&index)?, referrers)?.digest)
}

struct Pusher<'a> {
    client: Client,
    options: &'a PushOptions,
}

impl<'a> Pusher<'a> {
    fn new(name: &RegistryReference, options: &'a PushOptions, runtime: &tokio::runtime::Runtime) -> Result<Pusher<'a>, Error> {
        Ok(Pusher { client: Client::new(Endpoint::of(name), &options.registry, runtime.handle().clone())?, options })
    }

    /// Gives a manifest or an index its name, and pushes the documents about it.
    fn named(
        &self,
        name: &RegistryReference,
        media_type: &str,
        json: &[u8],
        referrers: &[Document],
    ) -> Result<Descriptor, Error> {
        let digest = Digest::of(json);
        let tag = name.tag().unwrap_or("latest");
        let named = if name.digest().is_some() { digest.to_string() } else { tag.to_owned() };
        if let Some(wanted) = name.digest().filter(|wanted| **wanted != named) {
            let expected = wanted.parse().map_err(|_| Error::NotFound(name.to_string()))?;
            return Err(Error::Digest { blob: Blob::Manifest(None), expected, actual: digest });
        }
        self.client.push_manifest(&named, media_type, json).map_err(|error| self.error(error))?;
        let subject = descriptor(media_type, &digest, json.len() as u64);
        for document in referrers {
            self.refer(document, &subject)?;
        }
        Ok(subject)
    }

    /// A refusal in docker's words.
    fn error(&self, error: RegistryError) -> Error {
        match error.status() {
            Some(401 | 403) => Error::PushDenied { name: self.client.name(), source: Box::new(error) },
            _ => self.client.error(error),
        }
    }

    fn blob(&self, upload: Upload, on_bytes: &dyn Fn(u64)) -> Result<Pushed, Error> {
        let cache = self.options.cache.as_ref();
        let (registry, own) = (self.client.registry(), self.client.repository());
        let mut elsewhere = cache.map(|cache| cache.pushed(&upload.digest, registry)).unwrap_or_default();
        elsewhere.retain(|repository| repository != own);
        let pushed = self.client.push_blob(&upload, &elsewhere, self.options.chunk, on_bytes);
        let pushed = pushed.map_err(|error| self.error(error))?;
        if let Some(cache) = cache {
            cache.remember_pushed(&upload.digest, registry, own);
        }
        Ok(pushed)
    }

    fn document(&self, document: &Document) -> Result<Descriptor, Error> {
        let (digest, size) = (Digest::of(&document.bytes), document.bytes.len() as u64);
        let data = Data::Bytes(bytes::Bytes::copy_from_slice(&document.bytes));
        self.blob(Upload { digest: digest.clone(), size, data }, &|_| {})?;
        Ok(descriptor(&document.media_type, &digest, size))
    }

    /// Pushes a document about `subject`. Where the registry does not note that, the index does that is tagged with the
    /// subject's digest.
    fn refer(&self, document: &Document, subject: &Descriptor) -> Result<(), Error> {
        let empty = Document { media_type: EMPTY.to_owned(), bytes: b"{}".to_vec() };
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            artifact_type: Some(&document.media_type),
            config: self.document(&empty)?,
            layers: vec![self.document(document)?],
            subject: Some(subject.clone()),
            annotations: BTreeMap::new(),
        };
        let json = json(&manifest)?;
        let digest = Digest::of(&json);
        let push = |name: &str, media_type: &str, json: &[u8]| {
            self.client.push_manifest(name, media_type, json).map_err(|error| self.error(error))
        };
        if push(&digest.to_string(), OCI_MANIFEST, &json)? {
            return Ok(());
        }
        let tag = format!("{}-{}", subject.digest.algorithm().name(), subject.digest.hex());
        let mut index = self.index(&tag)?;
        let entry = serde_json::json!({
            "mediaType": OCI_MANIFEST,
            "digest": digest.to_string(),
            "size": json.len(),
            "artifactType": document.media_type,
        });
        let Some(entries) = index["manifests"].as_array_mut() else {
            return Err(Error::NotAnImage { blob: Blob::Index(None) });
        };
        if entries.iter().any(|known| known["digest"] == entry["digest"]) {
            return Ok(());
        }
        entries.push(entry);
        push(&tag, OCI_INDEX, index.to_string().as_bytes()).map(drop)
    }

    /// The index with this tag; an empty one if there is none.
    fn index(&self, tag: &str) -> Result<Value, Error> {
        match self.client.document(&format!("manifests/{tag}"), &[OCI_INDEX], INDEX_LIMIT) {
            Ok((bytes, _)) => serde_json::from_slice(&bytes).map_err(|source| Error::json(&Blob::Index(None), source)),
            Err(RegistryError::Status { status: 404, .. }) => {
                Ok(serde_json::json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}))
            }
            Err(error) => Err(self.error(error)),
        }
    }
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: digest.clone(), size, platform: None, annotations: None, urls: None }
}

fn json(manifest: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(manifest).map_err(|source| Error::json(&Blob::Manifest(None), source))
}
