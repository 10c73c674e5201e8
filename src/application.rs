//! What is converted: one image, or the services of compose files or Kubernetes manifests; and what is written beside the components.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hoist_oci::reference::RegistryReference;
use hoist_oci::{Descriptor, Digest, ImageConfig, Reference};
use hoist_topology::emit::{self, Artifact, Target};
use hoist_topology::model::{Component, Process, Topology};
use hoist_topology::{Manifests, Overrides, image, section};

use crate::output::{Output, OutputError};
use crate::pipeline::image_name;

/// A service to convert, and all that is known of it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub manifests: Manifests,
    pub service: String,
    pub overrides: Overrides,
}

/// Why something could not be written beside the components.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Topology(#[from] hoist_topology::Error),
    #[error("cannot read {path}: {source}")]
    Read { path: String, source: io::Error },
}

impl Plan {
    /// An image alone: a service with the name of its repository.
    pub fn of_image(reference: &Reference, overrides: Overrides) -> Plan {
        let image = image_name(reference);
        let service = service_name(&image);
        Plan { manifests: image::application(&service, &image), service, overrides }
    }

    /// Completes the service by its image's config, and gives that config as it is then.
    pub fn complete(&mut self, config: &ImageConfig) -> ImageConfig {
        self.manifests.complete(&self.service, config, &self.overrides);
        self.manifests.finish();
        let Some(Process { entrypoint, cmd, env, working_dir, user, stop_signal, .. }) = self.process().cloned() else {
            return config.clone();
        };
        let known = env.into_iter().filter_map(|variable| Some(format!("{}={}", variable.name, variable.value?)));
        ImageConfig { entrypoint, cmd, env: known.collect(), working_dir, user, stop_signal, ..config.clone() }
    }

    /// The service's process.
    pub fn process(&self) -> Option<&Process> {
        self.manifests.topology.services.get(&self.service).map(|service| &service.process)
    }

    /// What the component carries.
    pub fn topology(&self) -> Topology {
        self.manifests.topology.of_service(&self.service).unwrap_or_default()
    }
}

/// The last word of an image's name: `nginx` of `docker.io/library/nginx:1.27`, `app` of `app.tar`.
fn service_name(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let name = last.split(['@', ':']).next().unwrap_or(last);
    let name = name.strip_suffix(".tar").unwrap_or(name);
    if name.is_empty() { "main".to_owned() } else { name.to_owned() }
}

/// The image's config with what a manifest or the command line says in place of what it says; the same bytes if that is the same.
pub fn effective_json(json: &[u8], image: &ImageConfig, effective: &ImageConfig) -> Vec<u8> {
    if image == effective {
        return json.to_vec();
    }
    let mut config: serde_json::Value = serde_json::from_slice(json).unwrap_or_default();
    let ImageConfig { entrypoint, cmd, env, working_dir, user, stop_signal, .. } = effective;
    let fields = serde_json::json!({
        "Entrypoint": entrypoint, "Cmd": cmd, "Env": env, "WorkingDir": working_dir, "User": user, "StopSignal": stop_signal,
    });
    if let (Some(config), serde_json::Value::Object(fields)) = (config.as_object_mut(), fields) {
        let run = config.entry("config").or_insert_with(|| serde_json::json!({}));
        for (name, value) in fields {
            match run.as_object_mut() {
                Some(run) if value.is_null() => drop(run.remove(&name)),
                Some(run) => drop(run.insert(name, value)),
                None => {}
            }
        }
    }
    config.to_string().into_bytes()
}

/// A topology's file beside a component: `app.topology.json` of `app.wasm`. `None` if the component is no file of its own.
pub fn topology_file(component: &Path) -> Option<PathBuf> {
    component.metadata().is_ok_and(|metadata| metadata.is_file()).then(|| component.with_extension("topology.json"))
}

/// Writes a topology to a file.
///
/// # Errors
/// `Output`
pub fn write_topology(topology: &Topology, file: &Path) -> Result<(), ApplicationError> {
    Ok(write(file, &section::encode(topology))?)
}

/// What a service became.
#[derive(Clone, Debug)]
pub struct Built {
    pub path: PathBuf,
    /// Its name in a registry and its manifest, if it was pushed.
    pub pushed: Option<(RegistryReference, Descriptor)>,
}

/// Adds to an application's services the components that they became.
///
/// # Errors
/// `Read`
pub fn index(topology: &mut Topology, components: &BTreeMap<String, Built>) -> Result<(), ApplicationError> {
    for (service, Built { path, pushed }) in components {
        let digest = File::open(path).and_then(Digest::of_reader);
        let (digest, _) = digest.map_err(|source| ApplicationError::Read { path: path.display().to_string(), source })?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(service) = topology.services.get_mut(service) {
            service.component = {
                let reference = pushed.as_ref().map(|(name, manifest)| format!("{name}@{}", manifest.digest));
                Some(Component { file, digest: Some(digest.to_string()), reference })
            };
        }
    }
    Ok(())
}

/// One output of `--emit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emit {
    pub target: Target,
    /// Where to; `-` is standard output. `None`: beside the component.
    pub file: Option<PathBuf>,
}

impl std::str::FromStr for Emit {
    type Err = String;

    fn from_str(text: &str) -> Result<Emit, String> {
        let (name, file) = text.split_once('=').map_or((text, None), |(name, file)| (name, Some(PathBuf::from(file))));
        let target = Target::ALL.into_iter().find(|target| target.name() == name);
        let known = || Target::ALL.map(Target::name).join(", ");
        let target = target.ok_or_else(|| format!("there is no target {name:?}; there are {}", known()))?;
        if file.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            return Err("the file has no name".into());
        }
        Ok(Emit { target, file })
    }
}

/// Writes what `--emit` asks for; `stem` is the path that the default names begin with. Gives the lines that list what a target cannot say.
///
/// # Errors
/// `Topology`, `Output`
pub fn emit(
    wanted: &[Emit],
    manifests: &Manifests,
    artifacts: &BTreeMap<String, Artifact>,
    stem: &Path,
) -> Result<Vec<String>, ApplicationError> {
    let application = emit::Application { manifests, artifacts: artifacts.clone() };
    let mut lines = Vec::new();
    for Emit { target, file } in wanted {
        let emitted = emit::emit(*target, &application)?;
        lines.extend(emitted.losses.iter().map(|loss| format!("{target}: not expressed: {loss}")));
        for (index, (suffix, text)) in emitted.files.iter().enumerate().rev() {
            let path = match file {
                Some(file) if file == Path::new("-") => PathBuf::from("/dev/stdout"),
                // Of several files the last has the name that is asked for.
                Some(file) if index + 1 == emitted.files.len() => file.clone(),
                Some(file) => file.with_extension(suffix.trim_start_matches('.')),
                None => {
                    let name = format!("{}{suffix}", stem.file_name().unwrap_or_default().to_string_lossy());
                    stem.with_file_name(if *target == Target::Spin { "spin.toml".to_owned() } else { name })
                }
            };
            if path == Path::new("/dev/stdout") {
                print!("{text}");
                continue;
            }
            write(&path, text.as_bytes())?;
            executable(&path, *target);
        }
    }
    Ok(lines)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let mut output = Output::create(path)?;
    output.write_all(bytes).map_err(|source| output.error(source))?;
    output.finish()
}

/// A script is there to be run. Where that cannot be said, `sh` runs it.
#[cfg(unix)]
fn executable(path: &Path, target: Target) {
    use std::os::unix::fs::PermissionsExt;
    if let (Target::Wasmtime, Ok(metadata)) = (target, path.metadata()) {
        let mode = metadata.permissions().mode();
        let _ = std::fs::set_permissions(path, PermissionsExt::from_mode(mode | (mode & 0o444) >> 2));
    }
}

#[cfg(not(unix))]
fn executable(_: &Path, _: Target) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_called_as_their_repositories() {
        let cases =
            [("docker.io/library/nginx:1.27", "nginx"), ("image", "image"), ("app.tar", "app"), ("r:5000/a/b@sha256:0", "b")];
        cases.iter().for_each(|(image, expected)| assert_eq!(service_name(image), *expected, "{image}"));
    }

    #[test]
    fn emit_names_a_target_and_a_file() {
        let parse = |text: &str| text.parse::<Emit>();
        assert_eq!(parse("k8s"), Ok(Emit { target: Target::K8s, file: None }));
        assert_eq!(parse("spin=-"), Ok(Emit { target: Target::Spin, file: Some("-".into()) }));
        assert!(parse("nomad").is_err_and(|error| error.contains("wasmtime, k8s, wasmcloud, spin, compose")));
        assert!(parse("k8s=").is_err());
    }

    #[test]
    fn the_config_changes_only_where_something_else_is_said() {
        let json = br#"{"config":{"Cmd":["a"],"User":"me"},"os":"linux"}"#;
        let image = ImageConfig { cmd: vec!["a".into()], user: Some("me".into()), ..ImageConfig::default() };
        assert_eq!(effective_json(json, &image, &image), json);
        let other = ImageConfig { cmd: vec!["b".into()], ..ImageConfig::default() };
        let changed: serde_json::Value = serde_json::from_slice(&effective_json(json, &image, &other)).expect("JSON");
        assert_eq!(changed["config"]["Cmd"], serde_json::json!(["b"]));
        assert!(changed["config"].get("User").is_none() && changed["os"] == "linux");
    }
}
