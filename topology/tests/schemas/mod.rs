//! The formats' published types, strict: a field that they do not have is an error.
//!
//! Kubernetes' are k8s-openapi's. wasmCloud's and Spin's are written after the WorkloadDeployment CRD (v1alpha1), wadm-types 0.8.3 and
//! spin-manifest's schema v2; those crates' own dependencies do not go with this workspace's (wadm-types wants regex 1.10).

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

use hoist_topology::compose;
use hoist_topology::kubernetes::typed;
use hoist_topology::yaml::{self, Node};
use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core, networking::v1 as networking, node::v1 as node};
use serde::Deserialize;

/// An object of Kubernetes or of wasmCloud's operator.
pub fn kubernetes_object(object: &Node) -> Result<(), String> {
    let kind = object.get("kind").and_then(Node::as_str).unwrap_or_default();
    macro_rules! check {
        ($($name:literal => $type:ty),* $(,)?) => {
            match kind {
                $($name => typed::<$type>(object).map(drop).map_err(|error| error.to_string()),)*
                "WorkloadDeployment" => yaml::from_node::<WorkloadDeployment>(object, "").map_err(|error| error.to_string())?.check(),
                _ => Err(format!("{kind:?} is no kind")),
            }
        };
    }
    check! {
        "ConfigMap" => core::ConfigMap,
        "CronJob" => batch::CronJob,
        "DaemonSet" => apps::DaemonSet,
        "Deployment" => apps::Deployment,
        "Ingress" => networking::Ingress,
        "Job" => batch::Job,
        "NetworkPolicy" => networking::NetworkPolicy,
        "PersistentVolumeClaim" => core::PersistentVolumeClaim,
        "Pod" => core::Pod,
        "RuntimeClass" => node::RuntimeClass,
        "Service" => core::Service,
        "StatefulSet" => apps::StatefulSet,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "what is there is what is checked")]
struct WorkloadDeployment {
    api_version: String,
    kind: String,
    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    spec: WorkloadDeploymentSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "what is there is what is checked")]
struct WorkloadDeploymentSpec {
    replicas: Option<i32>,
    deploy_policy: Option<String>,
    kubernetes: Option<Kubernetes>,
    template: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is there is what is checked")]
struct Kubernetes {
    service: Option<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is there is what is checked")]
struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is there is what is checked")]
struct Template {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    spec: WorkloadSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WorkloadSpec {
    service: Option<WorkloadService>,
    #[serde(default)]
    volumes: Vec<Volume>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "what is there is what is checked")]
struct WorkloadService {
    image: String,
    max_restarts: Option<i32>,
    #[serde(default)]
    local_resources: LocalResources,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct LocalResources {
    allowed_hosts: Vec<String>,
    #[serde(rename = "allowedIpNameLookups")]
    allowed_ip_name_lookups: Vec<String>,
    config: BTreeMap<String, String>,
    environment: Environment,
    volume_mounts: Vec<VolumeMount>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Environment {
    config: BTreeMap<String, String>,
    config_from: Vec<Name>,
    secret_from: Vec<Name>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "what is there is what is checked")]
struct VolumeMount {
    name: String,
    mount_path: String,
    read_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "what is there is what is checked")]
struct Volume {
    name: String,
    ephemeral: Option<Nothing>,
    host_path: Option<HostPath>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is there is what is checked")]
struct HostPath {
    path: String,
}

impl WorkloadDeployment {
    /// What the CRD says in patterns and words: mounts name volumes; hosts are names.
    fn check(&self) -> Result<(), String> {
        let spec = &self.spec.template.spec;
        let Some(service) = &spec.service else { return Ok(()) };
        for mount in &service.local_resources.volume_mounts {
            if !spec.volumes.iter().any(|volume| volume.name == mount.name) {
                return Err(format!("no volume {:?}", mount.name));
            }
        }
        let is_host = |host: &&String| *host == "*" || host.chars().all(|c| c.is_ascii_alphanumeric() || "-.:*".contains(c));
        let resources = &service.local_resources;
        match resources.allowed_hosts.iter().chain(&resources.allowed_ip_name_lookups).find(|host| !is_host(host)) {
            Some(host) => Err(format!("{host:?} is no host")),
            None => Ok(()),
        }
    }
}

/// wadm-types' `Manifest`, and what its `validate_manifest` asks of names and versions.
pub fn wadm(text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Manifest {
        api_version: String,
        kind: String,
        metadata: Metadata,
        spec: Specification,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Metadata {
        name: String,
        annotations: BTreeMap<String, String>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Specification {
        components: Vec<Component>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Component {
        name: String,
        #[serde(rename = "type")]
        kind: String,
        properties: Properties,
        traits: Vec<Trait>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Properties {
        image: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Trait {
        #[serde(rename = "type")]
        kind: String,
        properties: Scaler,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Scaler {
        instances: usize,
    }
    let documents = yaml::parse("wadm", text).map_err(|error| error.to_string())?;
    let [document] = &documents[..] else { return Err("not one document".into()) };
    let manifest: Manifest = yaml::from_node(document, "").map_err(|error| error.to_string())?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let components = &manifest.spec.components;
    let right = (manifest.api_version.as_str(), manifest.kind.as_str()) == ("core.oam.dev/v1beta1", "Application")
        && is_name(&manifest.metadata.name)
        && manifest.metadata.annotations.contains_key("version")
        && !components.is_empty()
        && components.iter().all(|one| is_name(&one.name) && one.kind == "component" && !one.properties.image.is_empty())
        && components
            .iter()
            .flat_map(|one| &one.traits)
            .all(|one| ["spreadscaler", "daemonscaler"].contains(&one.kind.as_str()) && one.properties.instances < 1 << 20);
    if right { Ok(()) } else { Err("a value that wadm refuses".into()) }
}

/// Spin's manifest, version 2.
pub fn spin(text: &str) -> Result<(), String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Manifest {
        spin_manifest_version: u32,
        application: Details,
        trigger: BTreeMap<String, Vec<Trigger>>,
        component: BTreeMap<String, Component>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Details {
        name: String,
        version: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Trigger {
        component: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Component {
        source: String,
        #[serde(default)]
        files: Vec<Files>,
        #[serde(default)]
        allowed_outbound_hosts: Vec<String>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Files {
        source: String,
        destination: String,
    }
    let manifest: Manifest = toml::from_str(text).map_err(|error| error.to_string())?;
    let is_kebab = |id: &str| {
        let is_word =
            |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_alphanumeric());
        id.split('-').all(is_word)
    };
    let triggers = manifest.trigger.values().flatten();
    let right = manifest.spin_manifest_version == 2
        && !manifest.application.name.is_empty()
        && manifest.application.version.split('.').count() == 3
        && triggers.into_iter().all(|trigger| manifest.component.contains_key(&trigger.component))
        && manifest.component.iter().all(|(id, one)| {
            let places = one.files.iter().all(|files| files.destination.starts_with('/') && !files.source.is_empty());
            is_kebab(id) && !one.source.is_empty() && places && one.allowed_outbound_hosts.iter().all(|host| host.contains("://"))
        });
    if right { Ok(()) } else { Err("a value that Spin refuses".into()) }
}

/// What is written can be read, by the strict reader of compose files, and has the same services.
pub fn compose(text: &str) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = dir.path().join("compose.yaml");
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    let options = compose::Options { files: vec![file], ..compose::Options::default() };
    let manifests = compose::load(&options).map_err(|error| error.to_string())?;
    let right = manifests.topology.services.values().all(|service| service.image.starts_with("registry.example/"));
    if right { Ok(()) } else { Err("a service of another image".into()) }
}

/// A script that the shell can read, and that shellwords do not break: each line that runs wasmtime ends in the component and "$@".
pub fn shell(text: &str) -> Result<(), String> {
    let mut shell = Command::new("sh").arg("-n").stdin(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    shell.stdin.take().ok_or("no pipe")?.write_all(text.as_bytes()).map_err(|error| error.to_string())?;
    let status = shell.wait().map_err(|error| error.to_string())?;
    if status.success() && text.contains("exec wasmtime run") { Ok(()) } else { Err(format!("sh -n: {status}")) }
}
