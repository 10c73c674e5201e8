//! From an image reference to a root filesystem and an image config.
//!
//! In the order data flows:
//!
//! | module | what |
//! | --- | --- |
//! | [`mod@reference`] | names as docker writes them, and transports |
//! | [`source`] | OCI layout, archives, registry: manifests and blobs, not verified yet |
//! | [`manifest`], [`platform`] | which image; which layers |
//! | [`config`] | how to run it |
//! | `registry`, `auth`, `mirrors` | HTTP, who asks, whom |
//! | [`cache`] | blobs that were fetched once |
//! | `fetch` | size and digest of everything; gzip and zstd; spooling |
//! | [`mod@download`] | all of that but the unpacking: blobs into the cache |
//! | [`tarball`] | the entries of a tar archive |
//! | [`layer`] | their effect on a [`RootFs`] |
//! | [`mod@push`] | the other way: an artifact and what refers to it |
//!
//! Invariants: no byte of an image is interpreted before its digest is right, uncompressing apart; no path
//! of an image is ever a path of this machine; no input makes this crate panic.

#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hoist_vfs::RootFs;

mod auth;
pub mod cache;
pub mod config;
pub mod digest;
pub mod download;
mod error;
mod fetch;
pub mod layer;
pub mod manifest;
mod mirrors;
pub mod platform;
pub mod push;
pub mod reference;
mod registry;
pub mod source;
pub mod tarball;

pub use auth::{AuthError, Credentials};
pub use cache::BlobCache;
pub use config::{Healthcheck, ImageConfig};
pub use digest::Digest;
pub use download::{Downloaded, download};
pub use error::{Blob, Error};
pub use manifest::Descriptor;
pub use mirrors::Mirror;
pub use platform::Platform;
pub use reference::Reference;
pub use registry::upload::Pushed;
pub use registry::{RegistryError, RegistryOptions};
pub use tarball::Limits;

use fetch::{Fetcher, LayerJob};
use manifest::{Document, Manifest};
use source::Start;

/// An image, all of it.
#[derive(Clone, Debug)]
pub struct Image {
    /// Where it came from.
    pub reference: Reference,
    /// The digest of the manifest of the chosen platform.
    pub manifest_digest: Digest,
    /// The digest of the index that the platform was chosen from, which is the digest docker shows.
    pub index_digest: Option<Digest>,
    pub config: ImageConfig,
    /// The config as it came.
    pub config_json: Vec<u8>,
    pub rootfs: RootFs,
    /// Lowest first.
    pub layers: Vec<LayerInfo>,
}

/// What the image's documents say of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// Of the layer as stored.
    pub digest: Digest,
    /// Of the layer uncompressed.
    pub diff_id: Digest,
    pub media_type: String,
    /// Bytes as stored.
    pub size: u64,
}

/// How to pull.
#[derive(Clone, Debug)]
pub struct PullOptions {
    /// Which image of an index; the platform an image must be for.
    pub platform: Platform,
    pub registry: RegistryOptions,
    /// Where blobs from registries are kept for the next time.
    pub cache: Option<BlobCache>,
    /// Where layers are spooled; the system's temporary directory if it is not given.
    pub spool_dir: Option<PathBuf>,
    /// Layers fetched at a time.
    pub parallel: usize,
    /// Bounds on archives.
    pub limits: Limits,
}

impl Default for PullOptions {
    fn default() -> PullOptions {
        PullOptions {
            platform: Platform::default(),
            registry: RegistryOptions::default(),
            cache: None,
            spool_dir: None,
            parallel: 3,
            limits: Limits::default(),
        }
    }
}

impl PullOptions {
    fn spool_dir(&self) -> PathBuf {
        self.spool_dir.clone().unwrap_or_else(std::env::temp_dir)
    }
}

/// Hears how a pull goes on. Layers are counted from one and come from several threads at once.
pub trait Progress: Sync {
    /// The image is known; its layers are next.
    fn image(&self, _manifest_digest: &Digest, _layers: &[Descriptor]) {}
    fn layer_started(&self, _layer: usize, _descriptor: &Descriptor) {}
    /// Bytes fetched so far, of the descriptor's size.
    fn layer_bytes(&self, _layer: usize, _bytes: u64) {}
    /// Fetched or found in the cache, and verified.
    fn layer_done(&self, _layer: usize) {}
}

/// Progress that nobody wants to hear of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Progress for Quiet {}

/// Fetches an image and applies its layers. Blocks; not to be called from asynchronous code.
///
/// # Errors
/// [`Error`], which says what of the image it is about.
pub fn pull(reference: &Reference, options: &PullOptions, progress: &dyn Progress) -> Result<Image, Error> {
    let source = source::open(reference, options)?;
    let fetcher = Fetcher::new(source.as_ref(), options);
    let Described { chosen, config, config_json } = describe(&fetcher, options)?;
    let manifest = &chosen.manifest;
    progress.image(&chosen.digest, &manifest.layers);
    let spool_dir = options.spool_dir();
    let jobs = jobs(manifest, &config, &spool_dir);
    let contents = in_parallel(&jobs, options.parallel, |job| job.fetch(&fetcher, progress))?;
    let mut rootfs = RootFs::new();
    for (job, content) in jobs.iter().zip(&contents) {
        let applied = layer::apply(&mut rootfs, content, &options.limits, &spool_dir);
        applied.map_err(|source| Error::Layer { blob: job.blob(), source })?;
    }
    let layers = jobs.iter().map(|job| LayerInfo {
        digest: job.descriptor.digest.clone(),
        diff_id: job.diff_id.clone(),
        media_type: job.descriptor.media_type.clone(),
        size: job.descriptor.size,
    });
    Ok(Image {
        reference: reference.clone(),
        manifest_digest: chosen.digest,
        index_digest: chosen.index_digest,
        layers: layers.collect(),
        config,
        config_json,
        rootfs,
    })
}

/// The digest of the manifest that [`pull`] would fetch now: what tells whether an image has changed.
///
/// # Errors
/// As [`pull`].
pub fn resolve(reference: &Reference, options: &PullOptions) -> Result<Digest, Error> {
    let source = source::open(reference, options)?;
    Ok(choose(&Fetcher::new(source.as_ref(), options), &options.platform)?.digest)
}

/// An index may lead to an index; no further than this.
const INDEX_DEPTH: usize = 4;

struct Chosen {
    manifest: Manifest,
    digest: Digest,
    index_digest: Option<Digest>,
}

/// From where the reference leads to the manifest of the platform.
fn choose(fetcher: &Fetcher<'_>, platform: &Platform) -> Result<Chosen, Error> {
    let document = |descriptor: &Descriptor| {
        let blob = Blob::Manifest(Some(descriptor.digest.clone()));
        let bytes = fetcher.document(&blob, descriptor)?;
        Ok::<_, Error>((Document::parse(&blob, &bytes)?, descriptor.digest.clone()))
    };
    let (mut current, mut digest) = match fetcher.source.start()? {
        Start::Descriptor(descriptor) => document(&descriptor)?,
        Start::Document(bytes) => (Document::parse(&Blob::Manifest(None), &bytes)?, Digest::of(&bytes)),
    };
    let mut index_digest = None;
    for _ in 0..=INDEX_DEPTH {
        match current {
            Document::Manifest(manifest) => {
                return Ok(Chosen { manifest, digest, index_digest });
            }
            Document::Index(index) => {
                index_digest.get_or_insert(digest);
                (current, digest) = document(index.select(platform)?)?;
            }
        }
    }
    Err(Error::NestedIndexes(INDEX_DEPTH))
}

/// An image before its layers.
struct Described {
    chosen: Chosen,
    config: ImageConfig,
    /// The config as it came.
    config_json: Vec<u8>,
}

/// Finds the image of the platform, and checks what must hold before its layers are fetched.
fn describe(fetcher: &Fetcher<'_>, options: &PullOptions) -> Result<Described, Error> {
    let chosen = choose(fetcher, &options.platform)?;
    let descriptor = &chosen.manifest.config;
    let blob = Blob::Config(descriptor.digest.clone());
    let config_json = fetcher.document(&blob, descriptor)?;
    let config = ImageConfig::parse(&blob, &config_json)?;
    check(&chosen.manifest, &config, options)?;
    Ok(Described { chosen, config, config_json })
}

/// Checks what must hold before layers are fetched.
fn check(manifest: &Manifest, config: &ImageConfig, options: &PullOptions) -> Result<(), Error> {
    let mut stored = 0_u64;
    for (layer, number) in manifest.layers.iter().zip(1..) {
        let blob = || Blob::Layer { number, digest: layer.digest.clone() };
        let media_type = &layer.media_type;
        if manifest::is_foreign(media_type) {
            return Err(Error::ForeignLayer { blob: blob(), media_type: media_type.clone() });
        }
        if !manifest::is_layer(media_type) {
            return Err(Error::NotALayer { blob: blob(), media_type: media_type.clone() });
        }
        // What follows the end of what is compressed has a length too.
        stored = stored.saturating_add(layer.size);
        if stored > options.limits.bytes {
            return Err(Error::TooBigStored { blob: blob(), limit: options.limits.bytes });
        }
    }
    let wanted = &options.platform;
    let found = config.platform();
    if found.rank(wanted).is_none() {
        let (wanted, found) = (Box::new(wanted.clone()), Box::new(found));
        return Err(Error::WrongPlatform { wanted, found });
    }
    let (diff_ids, layers) = (config.diff_ids.len(), manifest.layers.len());
    match diff_ids == layers {
        true => Ok(()),
        false => Err(Error::LayerCount { diff_ids, layers }),
    }
}

fn jobs<'a>(manifest: &'a Manifest, config: &'a ImageConfig, spool_dir: &'a Path) -> Vec<LayerJob<'a>> {
    let layers = manifest.layers.iter().zip(&config.diff_ids).zip(1..);
    let job = |((descriptor, diff_id), number)| LayerJob { number, descriptor, diff_id, spool_dir };
    layers.map(job).collect()
}

/// Does something with each layer, a few at a time, and gives the results in their order. Of several errors, the lowest
/// layer's counts, so that the same image gives the same message.
fn in_parallel<J: Sync, T: Send>(
    jobs: &[J],
    parallel: usize,
    work_on: impl Fn(&J) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return };
            let result = work_on(job);
            if result.is_err() {
                // No further layer is begun; those under way end by themselves.
                next.store(jobs.len(), Ordering::Relaxed);
            }
            // A poisoned lock would mean that `push` panicked; the results are whole all the same.
            let mut results = results.lock().unwrap_or_else(|poison| poison.into_inner());
            results.push((index, result));
        }
    };
    std::thread::scope(|scope| {
        let others = 1..parallel.clamp(1, jobs.len().max(1));
        others.for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(|poison| poison.into_inner());
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
