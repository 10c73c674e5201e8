//! Topology: what an image's config, a compose file or Kubernetes manifests say about how an application runs and is reached, in one
//! model, and that model in the words of other platforms.

pub mod compose;
mod dollars;
pub mod emit;
pub mod error;
pub mod image;
pub mod kubernetes;
pub mod model;
mod needs;
pub mod overrides;
pub mod section;
mod summary;
pub mod yaml;

use std::collections::BTreeMap;

use hoist_oci::ImageConfig;

pub use error::{At, Error, Problem};
pub use model::{Service, Topology};
pub use overrides::Overrides;

/// What manifests say, before it is known what the images say.
#[derive(Clone, Debug)]
pub struct Manifests {
    pub topology: Topology,
    /// By service.
    pub stated: BTreeMap<String, Stated>,
    pub origin: Origin,
    /// The Kubernetes objects themselves, without Secrets.
    pub objects: Vec<serde_json::Value>,
    /// What to tell the user.
    pub warnings: Vec<String>,
}

impl Manifests {
    /// Completes a service by its image, and by the command line.
    pub fn complete(&mut self, service: &str, config: &ImageConfig, overrides: &Overrides) {
        let stated = self.stated.get(service).cloned().unwrap_or_default();
        if let Some(service) = self.topology.services.get_mut(service) {
            image::complete(service, &stated, config);
            overrides.apply(service);
        }
    }

    /// Fills in what follows from the rest, once the services are complete.
    pub fn finish(&mut self) {
        needs::derive(&mut self.topology);
    }
}

/// What manifests were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// None: an image alone.
    Image,
    Compose,
    Kubernetes,
}

/// What a manifest says of a process. The model cannot tell what is stated as nothing from what is not stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    pub entrypoint: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    /// The image's health check counts, as docker has it; Kubernetes does not look at it.
    pub image_health: bool,
}
