//! The model in the words of other platforms. What a platform cannot say, or its hosts do not do, is listed field by field.

mod compose;
mod k8s;
mod k8s_objects;
mod ledger;
mod spin;
mod wasmcloud;
mod wasmtime;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

pub use ledger::Loss;

use crate::Manifests;
use crate::error::Error;
use crate::model::{MountSource, Network, Service, Topology, Variable, Volume};
use ledger::Ledger;

/// A platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// A shell script of `wasmtime run` command lines.
    Wasmtime,
    /// Objects for `kubectl apply`.
    K8s,
    /// A wadm manifest (wasmCloud 1) and WorkloadDeployments (wasmCloud 2).
    Wasmcloud,
    /// `spin.toml`
    Spin,
    /// A compose file of Wasm images.
    Compose,
}

impl Target {
    /// All of them.
    pub const ALL: [Target; 5] = [Target::Wasmtime, Target::K8s, Target::Wasmcloud, Target::Spin, Target::Compose];

    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Target::Wasmtime => "wasmtime",
            Target::K8s => "k8s",
            Target::Wasmcloud => "wasmcloud",
            Target::Spin => "spin",
            Target::Compose => "compose",
        }
    }
}

/// What is to be said: the services, completed from their images, and their components.
#[derive(Clone, Debug)]
pub struct Application<'a> {
    pub manifests: &'a Manifests,
    /// By service.
    pub artifacts: BTreeMap<String, Artifact>,
}

/// Where a service's component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Path from where the output is.
    pub file: String,
    /// Name in a registry.
    pub reference: String,
}

/// A platform's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// What follows the application's name in the file's name, and the text.
    pub files: Vec<(&'static str, String)>,
    pub losses: Vec<Loss>,
}

/// Says an application in a platform's words.
///
/// # Errors
/// `Encode`
pub fn emit(target: Target, application: &Application<'_>) -> Result<Emitted, Error> {
    match target {
        Target::Wasmtime => wasmtime::emit(application),
        Target::K8s => k8s::emit(application),
        Target::Wasmcloud => wasmcloud::emit(application),
        Target::Spin => spin::emit(application),
        Target::Compose => compose::emit(application),
    }
}

impl Application<'_> {
    /// The application's name as a DNS label.
    fn name(&self) -> String {
        let first = || self.manifests.topology.services.keys().next().cloned();
        dns_label(&self.manifests.topology.name.clone().or_else(first).unwrap_or_default())
    }

    /// The services that were converted.
    fn services(&self) -> impl Iterator<Item = (&String, &Service, &Artifact)> {
        let services = self.manifests.topology.services.iter();
        services.filter_map(|(name, service)| Some((name, service, self.artifacts.get(name)?)))
    }

    /// Ledgers of all services and of what they share.
    fn ledgers(&self) -> Ledgers {
        let service = |(name, service, _): (&String, &Service, &Artifact)| {
            let mut ledger = Ledger::of(service);
            // These are in the component, whoever runs it: so the platform need not say them.
            for field in ["image", "component", "wasi", "process.entrypoint", "process.cmd", "process.workingDir", "process.user"]
            {
                ledger.done(field);
            }
            for field in ["process.hostname", "process.stopSignal"] {
                ledger.done(field);
            }
            for (index, variable) in service.process.env.iter().enumerate() {
                if variable.value.is_some() {
                    ledger.done(&format!("process.env[{index}]"));
                }
            }
            (name.clone(), ledger)
        };
        let mut topology = self.manifests.topology.clone();
        topology.services.clear();
        let mut shared = Ledger::of(&topology);
        ["version", "name", "services"].iter().for_each(|field| shared.done(field));
        // A name alone says nothing: what refers to it does.
        let Topology { volumes, networks, configs, secrets, .. } = &topology;
        volumes
            .iter()
            .filter(|(_, one)| **one == Volume::default())
            .for_each(|(name, _)| shared.done(&format!("volumes.{name}")));
        networks
            .iter()
            .filter(|(_, one)| **one == Network::default())
            .for_each(|(name, _)| shared.done(&format!("networks.{name}")));
        configs.keys().for_each(|name| shared.done(&format!("configs.{name}.data")));
        secrets.keys().for_each(|name| shared.done(&format!("secrets.{name}.keys")));
        Ledgers { services: self.services().map(service).collect(), shared }
    }
}

/// What of an application has been said.
struct Ledgers {
    services: BTreeMap<String, Ledger>,
    shared: Ledger,
}

impl Ledgers {
    /// A service's.
    fn of(&mut self, service: &str) -> &mut Ledger {
        self.services.entry(service.to_owned()).or_default()
    }

    /// What has not been said; `why` for what nobody gave a reason for.
    fn losses(self, why: &str) -> Vec<Loss> {
        let mut losses = self.shared.losses(None, why);
        for (name, ledger) in self.services {
            losses.extend(ledger.losses(Some(&name), why));
        }
        losses
    }
}

/// Comment lines for the head of an output.
fn head(title: &str, notes: &[String], losses: &[Loss]) -> String {
    let mut lines = vec![format!("{title}, written by hoist.")];
    lines.extend(notes.iter().cloned());
    if !losses.is_empty() {
        lines.push("Not expressed here:".to_owned());
        lines.extend(losses.iter().map(|loss| format!("  {loss}")));
    }
    lines.iter().map(|line| format!("# {line}\n")).collect()
}

/// What the outputs say about the process.
const IN_COMPONENT: &str = "Program, arguments, environment, user and working directory are in the component.";

/// Where an output's relative paths start, if it has any: hoist does not change what manifests say of their host.
fn relative_paths(topology: &Topology) -> Option<String> {
    let binds = topology.services.values().flat_map(|service| &service.mounts).filter_map(|mount| match &mount.source {
        MountSource::Bind { path, .. } => Some(path),
        _ => None,
    });
    let files = topology.secrets.values().filter_map(|secret| secret.file.as_ref());
    let files = files.chain(topology.configs.values().filter_map(|config| config.file.as_ref()));
    let is_relative = |path: &String| !path.starts_with(['/', '~']);
    let note = "Relative paths start at the directory of the manifest: put this file there.";
    binds.chain(files).any(is_relative).then(|| note.to_owned())
}

/// A name as RFC 1123 labels allow: lower-case letters, digits and hyphens, at most 63.
fn dns_label(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let label: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "app".to_owned() } else { label.to_owned() }
}

/// Variables whose value only the platform knows, with their indices.
fn unknown_variables(service: &Service) -> impl Iterator<Item = (usize, &Variable)> {
    service.process.env.iter().enumerate().filter(|(_, variable)| variable.value.is_none())
}

/// An object of the fields that have something in them.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    let stated = fields.into_iter().filter(|(_, value)| !empty(value));
    Value::Object(stated.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
