//! Image sources: where manifests and blobs come from, and nothing about what they mean. What a source
//! gives is not verified yet; `fetch` does that for all of them.

use std::io::Read;

use crate::PullOptions;
use crate::error::{Blob, Error};
use crate::manifest::Descriptor;
use crate::reference::Reference;

mod dir;
mod docker_archive;
mod layout;
mod members;
mod registry;

use members::Archive;

/// Where a reference leads first.
pub enum Start {
    /// To something with a digest.
    Descriptor(Descriptor),
    /// To an index or a manifest of which the source is the only witness: found by a tag in a registry, or
    /// made up for a docker archive, which has none.
    Document(Vec<u8>),
}

/// Something that holds images.
pub trait Source: Sync {
    /// What the reference names.
    ///
    /// # Errors
    /// That it is not there, or several things are.
    fn start(&self) -> Result<Start, Error>;

    /// The bytes of a blob, as they come.
    ///
    /// # Errors
    /// `Error::MissingBlob`, and what the source's medium has to say.
    fn open(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Box<dyn Read + '_>, Error>;

    /// Whether fetching costs more than reading a file.
    fn is_remote(&self) -> bool {
        false
    }
}

/// The source a reference names.
///
/// # Errors
/// If there is no such file or directory, or it is not what the transport says.
pub fn open(reference: &Reference, options: &PullOptions) -> Result<Box<dyn Source>, Error> {
    Ok(match reference {
        Reference::Registry(name) => Box::new(registry::Registry::new(name, options)?),
        Reference::OciLayout { dir, tag } => Box::new(layout::Layout::dir(dir, tag.as_deref(), options)?),
        Reference::OciArchive { file, tag } => {
            Box::new(layout::Layout::archive(Archive::open(file, options)?, tag.as_deref(), options)?)
        }
        Reference::DockerArchive { file, select } => {
            Box::new(docker_archive::DockerArchive::new(Archive::open(file, options)?, select.as_ref(), options)?)
        }
        Reference::Dir(dir) => Box::new(dir::Dir::open(dir, options)?),
        Reference::Stdin => {
            let archive = Archive::stdin(options)?;
            // Newer dockers write both, and mean theirs.
            match archive.content("manifest.json").is_some() {
                true => Box::new(docker_archive::DockerArchive::new(archive, None, options)?),
                false => Box::new(layout::Layout::archive(archive, None, options)?),
            }
        }
    })
}
