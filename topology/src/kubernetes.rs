//! Kubernetes manifests → the model.

mod held;
mod network;
mod pod;
mod select;

use std::collections::BTreeMap;
use std::path::PathBuf;

use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core, networking::v1 as networking};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Problem};
use crate::model::{ConfigFiles, Ignored, Job, Kind, Schedule, Secret, Service, Topology, Volume};
use crate::yaml::{self, Node, Value};
use crate::{Manifests, Origin};
use held::Stock;
use pod::Known;
pub(crate) use pod::service_name;
use select::{Labels, units};

/// What its services have of a workload.
pub struct Workload {
    /// Of its Pods.
    pub labels: Labels,
    /// Names in the topology.
    pub services: Vec<String>,
}

/// Loads manifests; `-` is for the caller to read.
///
/// # Errors
/// `Read`; `At` with what is wrong in a file.
pub fn load(files: &[PathBuf]) -> Result<Manifests, Error> {
    let mut documents = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|source| Error::Read { path: file.display().to_string(), source })?;
        documents.extend(yaml::parse(&file.display().to_string(), &text)?);
    }
    let mut objects = Vec::new();
    documents.into_iter().try_for_each(|document| unfold(document, &mut objects))?;
    let mut loader = Loader::default();
    // What is referred to comes before what refers to it, whatever the order in the files.
    for pass in [&["ConfigMap", "Secret", "PersistentVolumeClaim"][..], WORKLOADS, &["Service"], &["Ingress", "NetworkPolicy"]] {
        for (kind, object) in objects.iter().filter(|(kind, _)| pass.contains(&kind.as_str())) {
            loader.object(kind, object)?;
        }
    }
    if loader.topology.services.is_empty() {
        return Err(Error::Empty(files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")));
    }
    let known = |kind: &str| kind != "Secret";
    let objects = objects.iter().filter(|(kind, _)| known(kind)).map(|(_, object)| original(object)).collect();
    let Loader { topology, stated, .. } = loader;
    let warnings = topology.services.iter().flat_map(|(service, one)| {
        let warn =
            move |name| format!("{service}: $({name}) stays as it is in the component: its value is known only where it runs");
        pod::unknown_references(&one.process).into_iter().map(warn)
    });
    let warnings = warnings.collect();
    Ok(Manifests { topology, stated, origin: Origin::Kubernetes, objects, warnings })
}

/// Kinds that have Pods.
pub(crate) const WORKLOADS: &[&str] = &["Pod", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"];
const OTHERS: &[&str] = &["ConfigMap", "Secret", "PersistentVolumeClaim", "Service", "Ingress", "NetworkPolicy"];

/// A document's objects: a List has several.
fn unfold(document: Node, objects: &mut Vec<(String, Node)>) -> Result<(), Error> {
    let kind = document.get("kind").and_then(Node::as_str).map(str::to_owned);
    let version = document.get("apiVersion").and_then(Node::as_str);
    let (Some(kind), Some(version)) = (kind, version) else { return Err(Problem::NoObject.at(&document.at)) };
    if kind == "List" {
        let items = document.get("items").map(|items| items.value.clone());
        let Some(Value::List(items)) = items else { return Err(Problem::NoObject.at(&document.at)) };
        return items.into_iter().try_for_each(|item| unfold(item, objects));
    }
    let expected = match kind.as_str() {
        "Deployment" | "StatefulSet" | "DaemonSet" => "apps/v1",
        "Job" | "CronJob" => "batch/v1",
        "Ingress" | "NetworkPolicy" => "networking.k8s.io/v1",
        _ => "v1",
    };
    if !WORKLOADS.contains(&kind.as_str()) && !OTHERS.contains(&kind.as_str()) || version != expected {
        return Err(Problem::Kind(format!("{kind} of {version}")).at(&document.at));
    }
    objects.push((kind, document));
    Ok(())
}

/// An object as it was, without what the cluster adds.
fn original(object: &Node) -> serde_json::Value {
    let mut json = object.to_json();
    if let Some(fields) = json.as_object_mut() {
        fields.remove("status");
    }
    // `kubectl apply` keeps the whole object in it.
    if let Some(annotations) = json.pointer_mut("/metadata/annotations").and_then(|node| node.as_object_mut()) {
        annotations.remove(LAST_APPLIED);
    }
    json
}

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object by its published type; strictly, as `kubectl apply --validate=strict`.
///
/// # Errors
/// `At`, with `Type` or `UnknownKey`.
pub fn typed<T: DeserializeOwned + Serialize>(object: &Node) -> Result<T, Error> {
    let parsed: T = yaml::from_node_strictly(object)?;
    let known = serde_json::to_value(&parsed).map_err(|error| Error::Encode { format: "JSON", message: error.to_string() })?;
    unknown(object, &known, "")?;
    Ok(parsed)
}

/// An error if a node states a field that its type has not.
pub(crate) fn unknown(node: &Node, known: &serde_json::Value, path: &str) -> Result<(), Error> {
    match (&node.value, known) {
        (Value::Map(entries), serde_json::Value::Object(fields)) => entries.iter().try_for_each(|entry| {
            let below = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            match fields.get(&entry.key) {
                Some(known) => unknown(&entry.value, known, &below),
                None if entry.value.value == Value::Null => Ok(()),
                None => {
                    let path = if path.is_empty() { "top level" } else { path };
                    Err(Problem::UnknownKey { path: path.into(), key: entry.key.clone() }.at(&entry.key_at))
                }
            }
        }),
        (Value::List(items), serde_json::Value::Array(known)) => {
            let mut pairs = items.iter().zip(known).enumerate();
            pairs.try_for_each(|(index, (item, known))| unknown(item, known, &format!("{path}[{index}]")))
        }
        _ => Ok(()),
    }
}

#[derive(Default)]
struct Loader {
    topology: Topology,
    stated: BTreeMap<String, crate::Stated>,
    workloads: Vec<Workload>,
}

impl Loader {
    fn object(&mut self, kind: &str, object: &Node) -> Result<(), Error> {
        match kind {
            "ConfigMap" => self.config(object),
            "Secret" => self.secret(object),
            "PersistentVolumeClaim" => self.claim(object),
            "Service" => {
                let service: core::Service = typed(object)?;
                if !network::endpoint(&mut self.topology, &self.workloads, &service) {
                    self.ignore(object, "Service", "it selects none of these workloads");
                }
                Ok(())
            }
            "Ingress" => {
                let ingress: networking::Ingress = typed(object)?;
                let missing = network::routes(&mut self.topology, &ingress);
                missing
                    .iter()
                    .for_each(|name| self.ignore(object, "Ingress", &format!("there is no Service {name:?} with that port")));
                Ok(())
            }
            "NetworkPolicy" => {
                let policy: networking::NetworkPolicy = typed(object)?;
                network::policy(&mut self.topology, &self.workloads, &policy);
                Ok(())
            }
            _ => self.workload(kind, object),
        }
    }

    fn ignore(&mut self, object: &Node, kind: &str, reason: &str) {
        let name = object.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::as_str).unwrap_or_default();
        let at = Some(object.at.brief());
        self.topology.ignored.push(Ignored { field: format!("{kind} {name}"), at, reason: reason.to_owned() });
    }

    fn config(&mut self, object: &Node) -> Result<(), Error> {
        let config: core::ConfigMap = typed(object)?;
        let value = ConfigFiles {
            data: config.data.unwrap_or_default(),
            binary: config.binary_data.unwrap_or_default().into_keys().collect(),
            labels: config.metadata.labels.clone().unwrap_or_default(),
            ..ConfigFiles::default()
        };
        insert(&mut self.topology.configs, "ConfigMap", &config.metadata, value, object)
    }

    /// The names of its keys. Its values go nowhere.
    fn secret(&mut self, object: &Node) -> Result<(), Error> {
        let secret: core::Secret = typed(object)?;
        let keys = secret.data.unwrap_or_default().into_keys().chain(secret.string_data.unwrap_or_default().into_keys());
        let mut keys: Vec<String> = keys.collect();
        keys.sort();
        keys.dedup();
        let labels = secret.metadata.labels.clone().unwrap_or_default();
        let value = Secret { keys, kind: secret.type_, labels, ..Secret::default() };
        insert(&mut self.topology.secrets, "Secret", &secret.metadata, value, object)
    }

    fn claim(&mut self, object: &Node) -> Result<(), Error> {
        let claim: core::PersistentVolumeClaim = typed(object)?;
        let volume = volume(claim.spec.as_ref(), &claim.metadata);
        insert(&mut self.topology.volumes, "PersistentVolumeClaim", &claim.metadata, volume, object)
    }

    fn workload(&mut self, kind: &str, object: &Node) -> Result<(), Error> {
        let mut stock = Stock { found: Vec::new() };
        let mut held: Vec<&str> = vec!["template", "selector"];
        let (mut replicas, mut schedule, mut job) = (None, None, None);
        let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok());
        let (metadata, template, model_kind, node, path) = match kind {
            "Pod" => {
                let pod: core::Pod = typed(object)?;
                let template = core::PodTemplateSpec { metadata: Some(pod.metadata.clone()), spec: pod.spec };
                (pod.metadata, template, Kind::Pod, Some(object), "")
            }
            "Deployment" => {
                let deployment: apps::Deployment = typed(object)?;
                let spec = deployment.spec.unwrap_or_default();
                held.push("replicas");
                replicas = count(spec.replicas);
                (deployment.metadata, spec.template, Kind::Service, at(object, "spec.template"), "spec.template.")
            }
            "StatefulSet" => {
                let set: apps::StatefulSet = typed(object)?;
                let spec = set.spec.unwrap_or_default();
                held.extend(["replicas", "volumeClaimTemplates", "serviceName"]);
                replicas = count(spec.replicas);
                for claim in spec.volume_claim_templates.iter().flatten() {
                    let volume = Volume { per_replica: true, ..volume(claim.spec.as_ref(), &claim.metadata) };
                    insert(&mut self.topology.volumes, "volume", &claim.metadata, volume, object)?;
                }
                (set.metadata, spec.template, Kind::Stateful, at(object, "spec.template"), "spec.template.")
            }
            "DaemonSet" => {
                let set: apps::DaemonSet = typed(object)?;
                let spec = set.spec.unwrap_or_default();
                (set.metadata, spec.template, Kind::Daemon, at(object, "spec.template"), "spec.template.")
            }
            "Job" => {
                let stated: batch::Job = typed(object)?;
                let spec = stated.spec.unwrap_or_default();
                held.extend(JOB);
                job = Some(job_of(&spec));
                (stated.metadata, spec.template, Kind::Job, at(object, "spec.template"), "spec.template.")
            }
            _ => {
                let cron: batch::CronJob = typed(object)?;
                let spec = cron.spec.unwrap_or_default();
                held.extend(["schedule", "timeZone", "concurrencyPolicy", "suspend", "jobTemplate"]);
                schedule = Some(Schedule {
                    cron: spec.schedule,
                    time_zone: spec.time_zone,
                    concurrency: spec.concurrency_policy,
                    suspended: spec.suspend.unwrap_or_default(),
                });
                let spec = spec.job_template.spec.unwrap_or_default();
                job = Some(job_of(&spec));
                let held = [JOB, &["template", "selector"]].concat();
                stock.beside(at(object, "spec.jobTemplate.spec"), "spec.jobTemplate.spec", &held);
                let path = "spec.jobTemplate.spec.template.";
                (cron.metadata, spec.template, Kind::Cron, at(object, "spec.jobTemplate.spec.template"), path)
            }
        };
        if kind != "Pod" {
            stock.beside(object.get("spec"), "spec", &held);
        }
        let common = Common { metadata: &metadata, replicas, schedule, job };
        self.pod(object, node, template, model_kind, common, path, stock)
    }

    #[expect(clippy::too_many_arguments, reason = "what a workload of any kind comes down to")]
    fn pod(
        &mut self,
        object: &Node,
        node: Option<&Node>,
        template: core::PodTemplateSpec,
        kind: Kind,
        common: Common<'_>,
        path: &str,
        mut stock: Stock,
    ) -> Result<(), Error> {
        let workload = common.metadata.name.clone().unwrap_or_default();
        let pod = template.metadata.unwrap_or_default();
        let spec = template.spec.unwrap_or_default();
        if let Some(node) = node {
            stock.pod(node, path);
        }
        let known = Known { configs: &self.topology.configs, secrets: &self.topology.secrets };
        let mut names = Vec::new();
        for (name, mut service, stated) in pod::services(&workload, kind, &spec, &known) {
            if service.image.is_empty() {
                return Err(Error::Service { service: name, problem: Problem::Undefined { what: "its", name: "image".into() } });
            }
            service.scale.replicas = common.replicas;
            service.schedule.clone_from(&common.schedule);
            service.job.clone_from(&common.job);
            service.labels = common.metadata.labels.clone().unwrap_or_default();
            service.labels.extend(pod.labels.clone().unwrap_or_default());
            service.annotations = common.metadata.annotations.clone().unwrap_or_default();
            service.annotations.extend(pod.annotations.clone().unwrap_or_default());
            service.annotations.remove(LAST_APPLIED);
            service.ignored.clone_from(&stock.found);
            self.containers_ignored(&mut service, node, &workload, &name, path);
            if self.topology.services.contains_key(&name) {
                return Err(Problem::Twice { kind: "service".into(), name }.at(&object.at));
            }
            names.push(name.clone());
            self.stated.insert(name.clone(), stated);
            self.topology.services.insert(name, service);
        }
        self.workloads.push(Workload { labels: pod.labels.unwrap_or_default(), services: names });
        Ok(())
    }

    /// What the container of a service states that the model does not hold.
    fn containers_ignored(&self, service: &mut Service, node: Option<&Node>, workload: &str, name: &str, path: &str) {
        let Some(spec) = node.and_then(|node| node.get("spec")) else { return };
        for list in ["initContainers", "containers"] {
            let Some(Node { value: Value::List(containers), .. }) = spec.get(list) else { continue };
            for (index, container) in containers.iter().enumerate() {
                let own = container.get("name").and_then(Node::as_str).unwrap_or_default();
                let alone = list == "containers" && containers.len() == 1;
                if name == service_name(workload, own, alone) {
                    let mut stock = Stock { found: Vec::new() };
                    stock.container(container, &format!("{path}spec.{list}[{index}]"));
                    service.ignored.extend(stock.found);
                }
            }
        }
    }
}

/// What a workload says beside its template.
struct Common<'a> {
    metadata: &'a ObjectMeta,
    replicas: Option<u32>,
    schedule: Option<Schedule>,
    job: Option<Job>,
}

/// Fields of a Job's spec that the model holds.
const JOB: &[&str] = &["completions", "parallelism", "backoffLimit", "activeDeadlineSeconds"];

fn job_of(spec: &batch::JobSpec) -> Job {
    let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok());
    Job {
        completions: count(spec.completions),
        parallelism: count(spec.parallelism),
        backoff_limit: count(spec.backoff_limit),
        deadline_s: spec.active_deadline_seconds.and_then(|seconds| u64::try_from(seconds).ok()),
    }
}

fn volume(spec: Option<&core::PersistentVolumeClaimSpec>, metadata: &ObjectMeta) -> Volume {
    let requests = spec.and_then(|spec| spec.resources.as_ref()).and_then(|resources| resources.requests.as_ref());
    Volume {
        size: requests.and_then(|requests| requests.get("storage")).and_then(units),
        access_modes: spec.and_then(|spec| spec.access_modes.clone()).unwrap_or_default(),
        storage_class: spec.and_then(|spec| spec.storage_class_name.clone()),
        labels: metadata.labels.clone().unwrap_or_default(),
        ..Volume::default()
    }
}

/// A node by the path of its keys.
fn at<'n>(object: &'n Node, path: &str) -> Option<&'n Node> {
    path.split('.').try_fold(object, |node, key| node.get(key))
}

fn insert<T>(into: &mut BTreeMap<String, T>, kind: &str, metadata: &ObjectMeta, value: T, object: &Node) -> Result<(), Error> {
    let name = metadata.name.clone().unwrap_or_default();
    if into.insert(name.clone(), value).is_some() {
        return Err(Problem::Twice { kind: kind.to_owned(), name }.at(&object.at));
    }
    Ok(())
}
