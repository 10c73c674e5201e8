//! A component as registries have it: the CNCF's Wasm OCI artifact, or an image with one file.
//!
//! The artifact (tag-runtime.cncf.io, "Wasm OCI Artifact layout") has the component as its one layer. Its config says what the
//! component imports and exports; and, for runtimes behind CRI, `config` and `rootfs` as an image's config has them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use hoist_oci::Descriptor;
use hoist_oci::push::{Artifact, Document, Index, Layer};
use hoist_topology::model::{Mount, MountSource, Topology};
use hoist_topology::section;
use hoist_x86::boundary::environment;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::component::{ComponentError, Outside};
use crate::info::{CONFIG_SECTION, INFO_SECTION, Info};
use crate::provenance;

const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
const WASM_LAYER: &str = "application/wasm";
const IMAGE_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const IMAGE_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The component's file in an image, and what runtimes are told to start.
const ENTRY: &str = "/app.wasm";

/// What is pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Format {
    /// The CNCF's Wasm OCI artifact
    #[default]
    Artifact,
    /// A container image for wasi/wasm with the component as /app.wasm
    Image,
}

/// Why a component cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("{path}: {source}")]
    Component { path: String, source: ComponentError },
    #[error("{path}: its section {section:?} is damaged: {source}")]
    Section { path: String, section: &'static str, source: serde_json::Error },
    #[error("cannot write the layer: {0}")]
    Layer(io::Error),
    #[error(transparent)]
    Pull(#[from] hoist_oci::Error),
}

/// What to push, and the file that has to live as long.
pub struct Prepared {
    pub artifact: Artifact,
    _layer: Option<NamedTempFile>,
}

/// Prepares a component for a registry.
///
/// # Errors
/// [`ArtifactError`]
pub fn prepare(path: &Path, format: Format) -> Result<Prepared, ArtifactError> {
    let shown = || path.display().to_string();
    let outside = Outside::read(path).map_err(|source| ArtifactError::Component { path: shown(), source })?;
    let section = |section: &'static str| {
        let json = outside.custom.get(section).map(|bytes| serde_json::from_slice::<Value>(bytes));
        json.transpose().map_err(|source| ArtifactError::Section { path: shown(), section, source })
    };
    // Any component can be pushed; one of hoist's has more to say.
    let image = section(CONFIG_SECTION)?;
    let info = section(INFO_SECTION)?.and_then(|json| serde_json::from_value::<Info>(json).ok());
    let mut referrers = Vec::new();
    if let Some(topology) = outside.custom.get(section::NAME) {
        referrers.push(Document { media_type: section::MEDIA_TYPE.into(), bytes: topology.clone() });
    }
    let component = Layer::of(path, WASM_LAYER)?;
    if let Some(info) = &info {
        referrers.push(provenance::document(info, &component.digest));
    }
    let topology = outside.custom.get(section::NAME).and_then(|document| section::decode(document).ok());
    let run = run_config(image.as_ref(), &topology.unwrap_or_default());
    let (config, layer, file) = match format {
        Format::Artifact => (artifact_config(&outside, run, image.as_ref(), &component), component, None),
        Format::Image => {
            let (file, diff_id) = image_layer(path, component.size).map_err(ArtifactError::Layer)?;
            let layer = Layer::of(file.path(), IMAGE_LAYER)?;
            (image_config(run, image.as_ref(), &diff_id), layer, Some(file))
        }
    };
    let annotations = annotations(info.as_ref(), image.as_ref());
    Ok(Prepared { artifact: Artifact { config, layer, annotations, referrers }, _layer: file })
}

/// What the index of an application is, among artifacts.
const APPLICATION: &str = "application/vnd.hoist.application.v1+json";

/// The index of an application whose services were pushed: each manifest with its service's name, and the topology of all.
pub fn application_index<'a>(topology: &Topology, pushed: impl Iterator<Item = (&'a str, &'a Descriptor)>) -> Index {
    let title = |title: &str| BTreeMap::from([("org.opencontainers.image.title".to_owned(), title.to_owned())]);
    let manifests =
        pushed.map(|(service, manifest)| Descriptor { annotations: Some(title(service)), ..manifest.clone() }).collect();
    Index {
        artifact_type: APPLICATION.to_owned(),
        manifests,
        annotations: topology.name.as_deref().map(title).unwrap_or_default(),
        referrers: vec![Document { media_type: section::MEDIA_TYPE.into(), bytes: section::encode(topology) }],
    }
}

/// When the image was made, which is the only time that two conversions of it have in common.
fn created(image: Option<&Value>) -> Value {
    let created = image.and_then(|image| image.get("created")).filter(|created| created.is_string());
    created.cloned().unwrap_or_else(|| json!("1970-01-01T00:00:00Z"))
}

fn artifact_config(outside: &Outside, run: Value, image: Option<&Value>, layer: &Layer) -> Document {
    let digest = layer.digest.to_string();
    let mut config = json!({
        "created": created(image),
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [digest],
        "component": {"exports": outside.exports, "imports": outside.imports},
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    });
    if let Some(author) = image.and_then(|image| image.get("author")).filter(|author| author.is_string()) {
        config["author"] = author.clone();
    }
    Document { media_type: WASM_CONFIG.into(), bytes: config.to_string().into_bytes() }
}

fn image_config(run: Value, image: Option<&Value>, diff_id: &hoist_oci::Digest) -> Document {
    let config = json!({
        "created": created(image),
        "architecture": "wasm",
        "os": "wasi",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": [diff_id.to_string()]},
        "history": [{"created": created(image), "created_by": concat!("hoist ", env!("CARGO_PKG_VERSION"))}],
    });
    Document { media_type: IMAGE_CONFIG.into(), bytes: config.to_string().into_bytes() }
}

/// How runtimes are to start it. The component knows the image's Entrypoint itself and takes arguments for its Cmd, so its own
/// name is the Entrypoint here; directory and user are names inside the component, which no runtime outside knows. Where the topology has
/// volumes, the kernel is told to look for them in the root that a container's shim grants.
fn run_config(image: Option<&Value>, topology: &Topology) -> Value {
    let mut config =
        image.and_then(|image| image.get("config")).filter(|config| config.is_object()).cloned().unwrap_or(json!({}));
    if let Some(fields) = config.as_object_mut() {
        for inside in ["WorkingDir", "User", "Shell", "OnBuild", "Healthcheck", "ArgsEscaped"] {
            fields.remove(inside);
        }
    }
    config["Entrypoint"] = json!([ENTRY]);
    let volumes = volumes(topology);
    if !volumes.is_empty() {
        let mut env = config["Env"].as_array().cloned().unwrap_or_default();
        env.push(json!(format!("{}={}", environment::VOLUMES, volumes.join(":"))));
        config["Env"] = json!(env);
    }
    config
}

/// Where directories are mounted that are anybody else's. A configuration's or secret's single key is a file, and what goes with the
/// container is in the guest's own memory, with what the image has there.
fn volumes(topology: &Topology) -> Vec<&str> {
    let mounts = topology.services.values().flat_map(|service| &service.mounts);
    let is_directory = |mount: &&Mount| match mount.source {
        MountSource::Config { .. } | MountSource::Secret { .. } => mount.sub_path.is_none(),
        MountSource::Tmpfs { .. } | MountSource::Anonymous { shared: None, .. } => false,
        _ => true,
    };
    mounts.filter(is_directory).map(|mount| mount.target.as_str()).collect()
}

/// Where it came from, in the words of image-spec annotations.md: the image and its digest, and what its builder said of its sources.
fn annotations(info: Option<&Info>, image: Option<&Value>) -> BTreeMap<String, String> {
    const KEPT: [&str; 8] = ["revision", "source", "version", "title", "description", "licenses", "url", "documentation"];
    let name = |name: &str| format!("org.opencontainers.image.{name}");
    let mut annotations = BTreeMap::new();
    if let Some(info) = info {
        annotations.insert(name("base.name"), info.source.image.clone());
        annotations.insert(name("base.digest"), info.source.digest.clone());
    }
    if let Some(created) = image.and_then(|image| image.get("created")?.as_str()) {
        annotations.insert(name("created"), created.to_owned());
    }
    let labels = image.and_then(|image| image.get("config")?.get("Labels"));
    for key in KEPT.map(name) {
        if let Some(value) = labels.and_then(|labels| labels.get(&key)?.as_str()) {
            annotations.insert(key, value.to_owned());
        }
    }
    annotations
}

/// A compressed layer with the component as its one file, and the layer's digest uncompressed.
fn image_layer(component: &Path, size: u64) -> io::Result<(NamedTempFile, hoist_oci::Digest)> {
    let mut file = NamedTempFile::new()?;
    let gzip = flate2::GzBuilder::new().write(file.as_file_mut(), flate2::Compression::default());
    let mut header = tar::Header::new_ustar();
    header.set_path(&ENTRY[1..])?;
    header.set_size(size);
    header.set_mode(0o755);
    header.set_cksum();
    let mut tar =
        tar::Builder::new(Digested { inner: gzip, hasher: hoist_oci::digest::Hasher::new(hoist_oci::digest::Algorithm::Sha256) });
    tar.append(&header, std::fs::File::open(component)?)?;
    let Digested { inner, hasher } = tar.into_inner()?;
    inner.finish()?;
    Ok((file, hasher.finish()))
}

/// A writer that digests what goes through.
struct Digested<W> {
    inner: W,
    hasher: hoist_oci::digest::Hasher,
}

impl<W: io::Write> io::Write for Digested<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_looked_for_where_they_are_mounted() {
        let mount = |target: &str, source: Value| json!({"target": target, "source": source, "subPath": "key"});
        let topology: Topology = serde_json::from_value(json!({"version": 1, "services": {"a": {"mounts": [
            mount("/data", json!({"volume": {"name": "v"}})), mount("/secret", json!({"secret": {"name": "s"}})),
            {"target": "/conf", "source": {"config": {"name": "c"}}}, {"target": "/tmp", "source": {"tmpfs": {}}},
            {"target": "/own", "source": {"anonymous": {}}}, {"target": "/shared", "source": {"anonymous": {"shared": "s"}}},
        ]}}}))
        .expect("a topology");
        let image = json!({"config": {"Env": ["A=b"]}});
        assert_eq!(run_config(Some(&image), &topology)["Env"], json!(["A=b", "HOIST_VOLUMES=/data:/conf:/shared"]));
    }

    #[test]
    fn a_runtime_starts_the_component_and_gives_it_cmd() {
        let image = json!({"created": "2024-01-02T03:04:05Z", "config": {"Entrypoint": ["/bin/sh", "-c"], "Cmd": ["x"], "User": "app",
            "Env": ["A=b"], "Labels": {"org.opencontainers.image.revision": "abc", "other": "no"}}});
        assert_eq!(
            run_config(Some(&image), &Topology::default()),
            json!({"Entrypoint": ["/app.wasm"], "Cmd": ["x"], "Env": ["A=b"],
            "Labels": {"org.opencontainers.image.revision": "abc", "other": "no"}})
        );
        assert_eq!(run_config(None, &Topology::default()), json!({"Entrypoint": ["/app.wasm"]}));
        let expected = [("created", "2024-01-02T03:04:05Z"), ("revision", "abc")];
        let expected = expected.map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()));
        assert_eq!(annotations(None, Some(&image)), BTreeMap::from(expected));
        assert_eq!(created(None), "1970-01-01T00:00:00Z");
    }
}
