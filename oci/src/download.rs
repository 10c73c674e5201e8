//! The first half of a pull, by itself: an image's blobs, verified, in the cache, from where the second half takes them.

use crate::digest::Digest;
use crate::error::{Blob, Error};
use crate::fetch::Fetcher;
use crate::manifest::Descriptor;
use crate::platform::Platform;
use crate::reference::RegistryReference;
use crate::{Described, Progress, PullOptions, Reference, describe, in_parallel, source};

/// An image of which the cache has everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downloaded {
    /// The digest of the manifest of the chosen platform.
    pub manifest_digest: Digest,
    /// The digest of the index that the platform was chosen from, which is the digest docker shows.
    pub index_digest: Option<Digest>,
    /// What the config says that the image is for.
    pub platform: Platform,
    /// Lowest first.
    pub layers: Vec<DownloadedLayer>,
}

/// A layer in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownloadedLayer {
    pub descriptor: Descriptor,
    /// Nothing was fetched: it was in the cache.
    pub was_there: bool,
}

impl Downloaded {
    /// The digest by which the image is known: its index's if it has one.
    pub fn digest(&self) -> &Digest {
        self.index_digest.as_ref().unwrap_or(&self.manifest_digest)
    }
}

/// Fetches an image's blobs into the cache of `options`. Layers are verified as stored; what they are uncompressed is
/// verified by who uncompresses them ([`crate::pull`]). Blocks; not to be called from asynchronous code.
///
/// # Errors
/// [`Error`]; `Error::Keep` if the cache does not take a blob, or there is none.
pub fn download(name: &RegistryReference, options: &PullOptions, progress: &dyn Progress) -> Result<Downloaded, Error> {
    let source = source::open(&Reference::Registry(name.clone()), options)?;
    let fetcher = Fetcher::new(source.as_ref(), options);
    let Described { chosen, config, .. } = describe(&fetcher, options)?;
    // A config that was read above without being kept is refused here.
    let config_blob = Blob::Config(chosen.manifest.config.digest.clone());
    fetcher.keep(&config_blob, &chosen.manifest.config, &|_| {})?;

    progress.image(&chosen.digest, &chosen.manifest.layers);
    let layers: Vec<(usize, Descriptor)> = (1..).zip(chosen.manifest.layers).collect();
    let layers = in_parallel(&layers, options.parallel, |(number, descriptor)| {
        progress.layer_started(*number, descriptor);
        let blob = Blob::Layer { number: *number, digest: descriptor.digest.clone() };
        let was_there = fetcher.keep(&blob, descriptor, &|bytes| progress.layer_bytes(*number, bytes))?;
        progress.layer_done(*number);
        Ok(DownloadedLayer { descriptor: descriptor.clone(), was_there })
    })?;
    Ok(Downloaded { manifest_digest: chosen.digest, index_digest: chosen.index_digest, platform: config.platform(), layers })
}
