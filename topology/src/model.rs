//! The model: what an application is made of, and how each part of it is run and reached.
//!
//! It is the one place where that is written down. The JSON Schema (`docs/topology.schema.json`) and the tables of `docs/topology.md`
//! come from these types and their comments. Absent means: nobody said anything, and the host's default holds.

mod deploy;
mod health;
mod network;
mod process;
mod storage;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use deploy::{Amounts, Job, Resources, Restart, RestartPolicy, Scale, Schedule};
pub use health::{Check, Health, Probe};
pub use network::{
    Attachment, Condition, Endpoint, EndpointKind, EndpointPort, Host, Link, Network, Peer, Policy, PolicyPort, Port, Protocol,
    Published, Route, Rule, Via,
};
pub use process::{EnvFrom, Hook, Process, Source, Variable};
pub use storage::{ConfigFiles, KeyPath, Mount, MountSource, Secret, Volume};

/// The version of the model that this crate writes.
pub const VERSION: u32 = 1;

/// An application: its services, and what they share. A component carries the topology of its own service; an application index has
/// all of them, and says which component each one is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Topology {
    /// Version of this model: 1.
    pub version: u32,
    /// The application (compose: the project's `name`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub name: Option<String>,
    /// By name.
    pub services: BTreeMap<String, Service>,
    /// Volumes with a name (compose: `volumes`; Kubernetes: PersistentVolumeClaim).
    #[serde(default, skip_serializing_if = "is_default")]
    pub volumes: BTreeMap<String, Volume>,
    /// Networks with a name (compose: `networks`).
    #[serde(default, skip_serializing_if = "is_default")]
    pub networks: BTreeMap<String, Network>,
    /// Configuration that is not secret (compose: `configs`; Kubernetes: ConfigMap).
    #[serde(default, skip_serializing_if = "is_default")]
    pub configs: BTreeMap<String, ConfigFiles>,
    /// Names of secrets and of their keys, never values (compose: `secrets`; Kubernetes: Secret).
    #[serde(default, skip_serializing_if = "is_default")]
    pub secrets: BTreeMap<String, Secret>,
    /// What was stated for the whole application and has no place in this model.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ignored: Vec<Ignored>,
}

/// One service: one component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Service {
    /// The image that it was made from, as the manifest names it.
    pub image: String,
    /// The component that it became; stated in an application index.
    #[serde(skip_serializing_if = "is_default")]
    pub component: Option<Component>,
    /// How it is meant to live.
    #[serde(skip_serializing_if = "is_default")]
    pub kind: Kind,
    /// Services with the same group share one network namespace, and reach each other as localhost (Kubernetes: a Pod's containers;
    /// compose: `network_mode: service:NAME`).
    #[serde(skip_serializing_if = "is_default")]
    pub group: Option<String>,
    pub process: Process,
    /// What it listens on.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<Port>,
    /// Names under which others reach it (Kubernetes: Service).
    #[serde(skip_serializing_if = "is_default")]
    pub endpoints: Vec<Endpoint>,
    /// HTTP paths that lead to it (Kubernetes: Ingress).
    #[serde(skip_serializing_if = "is_default")]
    pub routes: Vec<Route>,
    #[serde(skip_serializing_if = "is_default")]
    pub mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "is_default")]
    pub health: Health,
    /// Other services that it uses or waits for.
    #[serde(skip_serializing_if = "is_default")]
    pub links: Vec<Link>,
    /// Networks that it is attached to.
    #[serde(skip_serializing_if = "is_default")]
    pub networks: Vec<Attachment>,
    /// `none`, `host` or `bridge` in place of named networks (compose: `network_mode`; Kubernetes: `hostNetwork`).
    #[serde(skip_serializing_if = "is_default")]
    pub network_mode: Option<String>,
    /// Names it can look up beside those of its networks (compose: `extra_hosts`; Kubernetes: `hostAliases`).
    #[serde(skip_serializing_if = "is_default")]
    pub hosts: Vec<Host>,
    /// Who may talk to it and to whom it may talk; absent: everybody.
    #[serde(skip_serializing_if = "is_default")]
    pub policy: Option<Policy>,
    #[serde(skip_serializing_if = "is_default")]
    pub scale: Scale,
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Resources,
    #[serde(skip_serializing_if = "is_default")]
    pub restart: Option<Restart>,
    /// When it starts, if it is a `cron`.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: Option<Schedule>,
    /// What a `job` or `cron` is to achieve.
    #[serde(skip_serializing_if = "is_default")]
    pub job: Option<Job>,
    /// The image's, then the manifest's.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// What the component needs of its host.
    #[serde(skip_serializing_if = "is_default")]
    pub wasi: Wasi,
    /// What was stated and has no place in this model, since no Wasm host does it.
    #[serde(skip_serializing_if = "is_default")]
    pub ignored: Vec<Ignored>,
}

/// How a service is meant to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Runs until it is stopped, and each replica is like any other (compose; Kubernetes: Deployment, ReplicaSet).
    #[default]
    Service,
    /// Replicas have names and volumes of their own (Kubernetes: StatefulSet).
    Stateful,
    /// One on each node (Kubernetes: DaemonSet; compose: `deploy.mode: global`).
    Daemon,
    /// Runs to its end (Kubernetes: Job).
    Job,
    /// A job at times (Kubernetes: CronJob).
    Cron,
    /// Runs to its end before the others of its group start (Kubernetes: `initContainers`).
    Init,
    /// A Pod on its own: nothing replaces it.
    Pod,
}

/// A component's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Component {
    /// Relative to the index.
    pub file: String,
    /// `sha256:…` of the file.
    #[serde(skip_serializing_if = "is_default")]
    pub digest: Option<String>,
    /// Where it was pushed to: `registry.example/shop:1-web@sha256:…`, of the manifest.
    #[serde(skip_serializing_if = "is_default")]
    pub reference: Option<String>,
}

/// What a component needs of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Wasi {
    /// The world that it targets.
    pub world: String,
    /// What the service uses of WASI, and for which of its fields. What it does not list the component imports too, as any image's does,
    /// but this service does not depend on.
    #[serde(skip_serializing_if = "is_default")]
    pub needs: Vec<Need>,
}

/// One WASI package that a service depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Need {
    /// Such as `wasi:sockets`.
    pub package: String,
    /// Paths of this model's fields, such as `ports[0]`.
    pub why: Vec<String>,
}

/// Something stated in a manifest that this model does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Ignored {
    /// As the manifest names it.
    pub field: String,
    /// `FILE:LINE`
    #[serde(skip_serializing_if = "is_default")]
    pub at: Option<String>,
    pub reason: String,
}

impl Default for Topology {
    fn default() -> Topology {
        Topology {
            version: VERSION,
            name: None,
            services: BTreeMap::new(),
            volumes: BTreeMap::new(),
            networks: BTreeMap::new(),
            configs: BTreeMap::new(),
            secrets: BTreeMap::new(),
            ignored: Vec::new(),
        }
    }
}

impl Topology {
    /// The topology of one service alone, with what it refers to: what its component carries. `None` if there is no such service.
    pub fn of_service(&self, name: &str) -> Option<Topology> {
        let service = self.services.get(name)?.clone();
        fn keep<T: Clone>(all: &BTreeMap<String, T>, used: impl Fn(&str) -> bool) -> BTreeMap<String, T> {
            all.iter().filter(|(name, _)| used(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        let mounts = |wanted: &dyn Fn(&MountSource) -> bool| service.mounts.iter().any(|mount| wanted(&mount.source));
        Some(Topology {
            version: self.version,
            name: self.name.clone(),
            volumes: keep(&self.volumes, |volume| {
                mounts(&|source| matches!(source, MountSource::Volume { name, .. } if name == volume))
            }),
            networks: keep(&self.networks, |network| service.networks.iter().any(|attachment| attachment.network == network)),
            configs: keep(&self.configs, |config| {
                mounts(&|source| matches!(source, MountSource::Config { name, .. } if name == config))
                    || service.process.env.iter().any(|variable| variable.from.as_ref().and_then(Source::config) == Some(config))
                    || service.process.env_from.iter().any(|from| matches!(from, EnvFrom::Config { name, .. } if name == config))
            }),
            secrets: keep(&self.secrets, |secret| {
                mounts(&|source| matches!(source, MountSource::Secret { name, .. } if name == secret))
                    || service.process.env.iter().any(|variable| variable.from.as_ref().and_then(Source::secret) == Some(secret))
                    || service.process.env_from.iter().any(|from| matches!(from, EnvFrom::Secret { name, .. } if name == secret))
                    || service.routes.iter().any(|route| route.tls_secret.as_deref() == Some(secret))
            }),
            ignored: self.ignored.clone(),
            services: BTreeMap::from([(name.to_owned(), service)]),
        })
    }
}

/// What is not stated is not written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
