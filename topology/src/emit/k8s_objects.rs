//! Kubernetes objects from the model.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::k8s::{NO_EXEC, RUNTIME_CLASS};
use super::ledger::Ledger;
use super::{Application, Artifact, Loss, dns_label, object, unknown_variables};
use crate::model::{Amounts, Check, EnvFrom, Kind, MountSource, Probe, RestartPolicy, Service, Source, Volume};

mod metadata;

use metadata::{annotations, host_aliases};

const WHY: &str = "Kubernetes has no such field";
/// What a claim asks for if nobody says how much: it has to ask for something.
const DEFAULT_SIZE: u64 = 1 << 30;

/// Objects for all services and what they share; and what they do not say.
pub fn objects(application: &Application<'_>) -> (Vec<Value>, Vec<Loss>) {
    let topology = &application.manifests.topology;
    let mut ledgers = application.ledgers();
    let mut documents = Vec::new();
    for (name, config) in topology.configs.iter().filter(|(_, config)| !config.data.is_empty()) {
        documents.push(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": dns_label(name) },
            "data": config.data,
        }));
        ledgers.shared.done(&format!("configs.{name}.data"));
    }
    for (name, config) in topology.configs.iter().filter(|(_, config)| config.data.is_empty()) {
        let source =
            config.file.as_ref().map(|file| format!("kubectl create configmap {} --from-file={name}={file}", dns_label(name)));
        let reason = source.unwrap_or_else(|| format!("there has to be a ConfigMap {} with this key", dns_label(name)));
        ledgers.shared.lost(&format!("configs.{name}"), &reason);
    }
    // `secrets` are listed with their keys by the caller.
    ledgers.shared.done("secrets");
    for (name, volume) in topology.volumes.iter().filter(|(_, volume)| !volume.external) {
        documents.push(claim(name, volume, &mut ledgers.shared));
    }
    for (name, _) in topology.volumes.iter().filter(|(_, volume)| volume.external && volume.name.is_none()) {
        ledgers.shared.done(&format!("volumes.{name}.external"));
    }
    for (group, members) in pods(application) {
        let mut containers = Vec::new();
        for (name, service, artifact) in &members {
            containers.push(container(name, service, artifact, ledgers.of(name)));
        }
        documents.extend(workload(&group, &members, containers, &mut ledgers));
    }
    (documents, ledgers.losses(WHY))
}

type Member<'a> = (&'a String, &'a Service, &'a Artifact);

/// The services that share a Pod, by its name.
fn pods<'a>(application: &'a Application<'_>) -> BTreeMap<String, Vec<Member<'a>>> {
    let mut pods: BTreeMap<String, Vec<Member<'a>>> = BTreeMap::new();
    for member in application.services() {
        pods.entry(dns_label(member.1.group.as_ref().unwrap_or(member.0))).or_default().push(member);
    }
    pods
}

fn workload(name: &str, members: &[Member<'_>], containers: Vec<Value>, ledgers: &mut super::Ledgers) -> Vec<Value> {
    let main = members.iter().find(|(_, service, _)| service.kind != Kind::Init).unwrap_or(&members[0]);
    let (_, service, _) = *main;
    let labels = json!({ "app.kubernetes.io/name": name });
    let mut volumes = Vec::new();
    for (member, service, _) in members {
        let ledger = ledgers.of(member);
        ["kind", "group", "scale.replicas", "process.stopGraceMs", "schedule", "job"].iter().for_each(|field| ledger.done(field));
        match service.process.domainname.as_deref() {
            Some(domain) if domain != dns_label(domain) => {
                ledger.lost("process.domainname", "the domain of a Pod is the cluster's, below a label of its own")
            }
            _ => ledger.done("process.domainname"),
        }
        ledger.done("process.groups");
        for (index, group) in service.process.groups.iter().enumerate().filter(|(_, group)| group.parse::<i64>().is_err()) {
            ledger.lost(
                &format!("process.groups[{index}]"),
                &format!("supplementalGroups are numbers: {group} is in the image's /etc/group"),
            );
        }
        volumes.extend(self::volumes(member, service));
        for (index, link) in service.links.iter().enumerate() {
            let reason = format!("Pods start in no order: the service has to wait for {} itself", dns_label(&link.service));
            ledger.lost(&format!("links[{index}]"), &reason);
        }
        match service.network_mode.as_deref() {
            Some("host" | "bridge") => ledger.done("networkMode"),
            _ => ledger.lost("networkMode", "a Pod always has a network; a NetworkPolicy can close it"),
        }
        for (index, _) in service.networks.iter().enumerate() {
            ledger.lost(&format!("networks[{index}]"), "all Pods share one network; a NetworkPolicy can divide it");
        }
        restart(service, ledger);
    }
    let (inits, mains): (Vec<_>, Vec<_>) =
        containers.into_iter().zip(members).partition(|(_, (_, service, _))| service.kind == Kind::Init);
    let plain =
        |containers: Vec<(Value, &Member<'_>)>| containers.into_iter().map(|(container, _)| container).collect::<Vec<_>>();
    let groups: Vec<i64> = service.process.groups.iter().filter_map(|group| group.parse().ok()).collect();
    let (aliases, annotations) = (host_aliases(members, ledgers), annotations(members, ledgers));
    let policy = service.restart.as_ref().map(|restart| restart.policy);
    let restart_policy = match (service.kind, policy) {
        (Kind::Job | Kind::Cron, Some(RestartPolicy::No) | None) => Some("Never"),
        (Kind::Job | Kind::Cron, _) => Some("OnFailure"),
        (Kind::Pod, Some(RestartPolicy::No)) => Some("Never"),
        (Kind::Pod, Some(RestartPolicy::OnFailure)) => Some("OnFailure"),
        _ => None,
    };
    let spec = object([
        ("runtimeClassName", json!(RUNTIME_CLASS)),
        ("restartPolicy", json!(restart_policy)),
        ("terminationGracePeriodSeconds", json!(service.process.stop_grace_ms.map(|ms| ms.div_ceil(1000)))),
        ("hostNetwork", if service.network_mode.as_deref() == Some("host") { json!(true) } else { Value::Null }),
        ("hostAliases", aliases),
        ("subdomain", json!(service.process.domainname.as_deref().filter(|domain| *domain == dns_label(domain)))),
        ("securityContext", object([("supplementalGroups", json!(groups))])),
        ("initContainers", json!(plain(inits))),
        ("containers", json!(plain(mains))),
        ("volumes", json!(volumes)),
    ]);
    let pod = object([("labels", labels.clone()), ("annotations", annotations)]);
    let template = json!({ "metadata": pod, "spec": spec });
    let selector = json!({ "matchLabels": labels });
    let of_pod = if service.kind == Kind::Pod { pod["annotations"].clone() } else { Value::Null };
    let metadata = object([("name", json!(name)), ("labels", labels.clone()), ("annotations", of_pod)]);
    let replicas = json!(service.scale.replicas);
    let job = |template: Value| {
        let stated = service.job.clone().unwrap_or_default();
        object([
            ("completions", json!(stated.completions)),
            ("parallelism", json!(stated.parallelism)),
            ("backoffLimit", json!(stated.backoff_limit)),
            ("activeDeadlineSeconds", json!(stated.deadline_s)),
            ("template", template),
        ])
    };
    let (version, kind, spec) = match service.kind {
        Kind::Daemon => ("apps/v1", "DaemonSet", json!({ "selector": selector, "template": template })),
        Kind::Job => ("batch/v1", "Job", job(template)),
        Kind::Cron => {
            let schedule = service.schedule.clone().unwrap_or_default();
            let spec = object([
                ("schedule", json!(schedule.cron)),
                ("timeZone", json!(schedule.time_zone)),
                ("concurrencyPolicy", json!(schedule.concurrency)),
                ("suspend", if schedule.suspended { json!(true) } else { Value::Null }),
                ("jobTemplate", json!({ "spec": job(template) })),
            ]);
            ("batch/v1", "CronJob", spec)
        }
        Kind::Pod => ("v1", "Pod", template["spec"].clone()),
        Kind::Stateful => {
            let spec =
                object([("serviceName", json!(name)), ("replicas", replicas), ("selector", selector), ("template", template)]);
            ("apps/v1", "StatefulSet", spec)
        }
        Kind::Service | Kind::Init => {
            ("apps/v1", "Deployment", object([("replicas", replicas), ("selector", selector), ("template", template)]))
        }
    };
    let mut documents = vec![json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })];
    documents.extend(services(name, members, &labels, ledgers));
    documents
}

/// A Deployment's Pods are always started anew.
fn restart(service: &Service, ledger: &mut Ledger) {
    let Some(restart) = &service.restart else { return };
    let always = matches!(restart.policy, RestartPolicy::Always | RestartPolicy::UnlessStopped);
    if always || matches!(service.kind, Kind::Job | Kind::Cron | Kind::Pod) {
        ledger.done("restart.policy");
    } else {
        ledger.lost("restart.policy", "a workload of this kind always starts its Pods anew");
    }
}

fn container(name: &str, service: &Service, artifact: &Artifact, ledger: &mut Ledger) -> Value {
    ledger.done("resources");
    ledger.lost("resources.limits.pids", "it is set for the node (kubelet's podPidsLimit)");
    ledger.lost("resources.requests.pids", "it is set for the node (kubelet's podPidsLimit)");
    for field in ["stdin", "tty", "readOnlyRoot"] {
        ledger.done(&format!("process.{field}"));
    }
    ["process.postStart", "process.preStop"].iter().for_each(|field| ledger.lost(field, NO_EXEC));
    ledger.done("health.disabled");
    let ports: Vec<Value> = service
        .ports
        .iter()
        .map(|port| {
            let host = port.published.as_ref().filter(|published| published.mode.as_deref() == Some("host"));
            object([
                ("containerPort", json!(port.port)),
                ("protocol", json!(port.protocol.name().to_uppercase())),
                ("name", json!(port.name)),
                ("hostPort", json!(host.and_then(|host| host.port))),
                ("hostIP", json!(host.and_then(|host| host.ip.clone()))),
            ])
        })
        .collect();
    let flag = |set: bool| if set { json!(true) } else { Value::Null };
    object([
        ("name", json!(dns_label(name))),
        ("image", json!(artifact.reference)),
        ("env", env(service, ledger)),
        ("envFrom", env_from(service, ledger)),
        ("ports", json!(ports)),
        ("stdin", flag(service.process.stdin)),
        ("tty", flag(service.process.tty)),
        ("securityContext", object([("readOnlyRootFilesystem", flag(service.process.read_only_root))])),
        ("volumeMounts", mounts(name, service, ledger)),
        ("startupProbe", probe("startup", service.health.startup.as_ref(), ledger)),
        ("readinessProbe", probe("readiness", service.health.readiness.as_ref(), ledger)),
        ("livenessProbe", probe("liveness", service.health.liveness.as_ref(), ledger)),
        (
            "resources",
            object([("limits", amounts(&service.resources.limits)), ("requests", amounts(&service.resources.requests))]),
        ),
    ])
}

fn amounts(amounts: &Amounts) -> Value {
    object([
        ("cpu", json!(amounts.milli_cpus.map(|milli| format!("{milli}m")))),
        ("memory", json!(amounts.memory.map(|bytes| bytes.to_string()))),
        ("ephemeral-storage", json!(amounts.ephemeral_storage.map(|bytes| bytes.to_string()))),
    ])
}

/// Variables that the component does not have.
fn env(service: &Service, ledger: &mut Ledger) -> Value {
    let mut env = Vec::new();
    for (index, variable) in unknown_variables(service) {
        let from = match &variable.from {
            Some(Source::Secret { name, key, optional }) => {
                json!({ "secretKeyRef": key_ref(name, key, *optional) })
            }
            Some(Source::Config { name, key, optional }) => {
                json!({ "configMapKeyRef": key_ref(name, key, *optional) })
            }
            Some(Source::Field { path }) => json!({ "fieldRef": { "fieldPath": path } }),
            Some(Source::Resource { resource }) => json!({ "resourceFieldRef": { "resource": resource } }),
            Some(Source::Host { .. }) | None => {
                ledger.lost(&format!("process.env[{index}]"), "there is nobody whose environment it could come from");
                continue;
            }
        };
        ledger.done(&format!("process.env[{index}]"));
        env.push(json!({ "name": variable.name, "valueFrom": from }));
    }
    json!(env)
}

fn key_ref(name: &str, key: &str, optional: bool) -> Value {
    object([
        ("name", json!(dns_label(name))),
        ("key", json!(key)),
        ("optional", if optional { json!(true) } else { Value::Null }),
    ])
}

fn env_from(service: &Service, ledger: &mut Ledger) -> Value {
    ledger.done("process.envFrom");
    let from = service.process.env_from.iter().map(|from| {
        let (EnvFrom::Config { name, prefix, optional } | EnvFrom::Secret { name, prefix, optional }) = from;
        let kind = if matches!(from, EnvFrom::Config { .. }) { "configMapRef" } else { "secretRef" };
        let reference =
            object([("name", json!(dns_label(name))), ("optional", if *optional { json!(true) } else { Value::Null })]);
        object([("prefix", if prefix.is_empty() { Value::Null } else { json!(prefix) }), (kind, reference)])
    });
    from.collect()
}

/// The Pod's volume for a mount. Anonymous ones that have the same name are one.
fn volume_name(service: &str, index: usize, source: &MountSource) -> String {
    match source {
        MountSource::Volume { name } => dns_label(name),
        MountSource::Anonymous { shared: Some(name), .. } => dns_label(name),
        _ => dns_label(&format!("{service}-{index}")),
    }
}

fn volumes(service: &str, of: &Service) -> Vec<Value> {
    let mut volumes: Vec<Value> = Vec::new();
    for (index, mount) in of.mounts.iter().enumerate() {
        let name = volume_name(service, index, &mount.source);
        let items = |keys: &[crate::model::KeyPath]| -> Value {
            let item = |key: &crate::model::KeyPath| {
                object([("key", json!(key.key)), ("path", json!(key.path)), ("mode", json!(key.mode))])
            };
            keys.iter().map(item).collect()
        };
        let (kind, source) = match &mount.source {
            MountSource::Volume { name } => ("persistentVolumeClaim", json!({ "claimName": dns_label(name) })),
            MountSource::Anonymous { size, .. } => {
                ("emptyDir", object([("sizeLimit", json!(size.map(|size| size.to_string())))]))
            }
            MountSource::Tmpfs { size, .. } => {
                ("emptyDir", object([("medium", json!("Memory")), ("sizeLimit", json!(size.map(|size| size.to_string())))]))
            }
            MountSource::Bind { path, .. } if path.starts_with('/') => ("hostPath", json!({ "path": path })),
            MountSource::Config { name, keys, mode } => {
                ("configMap", object([("name", json!(dns_label(name))), ("items", items(keys)), ("defaultMode", json!(mode))]))
            }
            MountSource::Secret { name, keys, mode } => {
                ("secret", object([("secretName", json!(dns_label(name))), ("items", items(keys)), ("defaultMode", json!(mode))]))
            }
            MountSource::Bind { .. } | MountSource::Other { .. } => continue,
        };
        if !volumes.iter().any(|volume| volume["name"] == json!(name)) {
            volumes.push(json!({ "name": name, kind: source }));
        }
    }
    volumes
}

fn mounts(name: &str, service: &Service, ledger: &mut Ledger) -> Value {
    let mut mounts = Vec::new();
    for (index, mount) in service.mounts.iter().enumerate() {
        let field = format!("mounts[{index}]");
        match &mount.source {
            MountSource::Bind { path, .. } if !path.starts_with('/') => {
                ledger.lost(&field, "a path of the node is absolute there");
                continue;
            }
            MountSource::Other { .. } => {
                ledger.lost(&field, "only its own platform has it");
                continue;
            }
            MountSource::Tmpfs { mode: Some(_), .. } => {
                ["target", "source.tmpfs.size", "readOnly", "subPath"]
                    .iter()
                    .for_each(|part| ledger.done(&format!("{field}.{part}")));
                ledger.lost(&format!("{field}.source.tmpfs.mode"), "an emptyDir has no mode");
            }
            MountSource::Bind { propagation: Some(_), .. } => {
                ["target", "source.bind.path", "readOnly", "subPath"]
                    .iter()
                    .for_each(|part| ledger.done(&format!("{field}.{part}")));
                ledger.lost(&format!("{field}.source.bind.propagation"), "a Wasm shim mounts nothing later");
            }
            _ => ledger.done(&field),
        }
        mounts.push(object([
            ("name", json!(volume_name(name, index, &mount.source))),
            ("mountPath", json!(mount.target)),
            ("readOnly", if mount.read_only { json!(true) } else { Value::Null }),
            ("subPath", json!(mount.sub_path)),
        ]));
    }
    json!(mounts)
}

/// Probes that the node makes by itself; programs in the guest it cannot start.
fn probe(name: &str, probe: Option<&Probe>, ledger: &mut Ledger) -> Value {
    let Some(probe) = probe else { return Value::Null };
    let field = format!("health.{name}");
    let (kind, check) = match &probe.check {
        Check::Exec { .. } | Check::Shell { .. } => {
            ledger.lost(&field, NO_EXEC);
            return Value::Null;
        }
        Check::Http { port, path, https, host, headers } => {
            let headers: Value = headers.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            let scheme = if *https { json!("HTTPS") } else { Value::Null };
            let fields = [
                ("port", json!(port)),
                ("path", json!(path)),
                ("scheme", scheme),
                ("host", json!(host)),
                ("httpHeaders", headers),
            ];
            ("httpGet", object(fields))
        }
        Check::Tcp { port } => ("tcpSocket", json!({ "port": port })),
        Check::Grpc { port, service } => ("grpc", object([("port", json!(port)), ("service", json!(service))])),
    };
    for part in ["check", "initialDelayMs", "intervalMs", "timeoutMs", "startPeriodMs", "retries", "successes"] {
        ledger.done(&format!("{field}.{part}"));
    }
    let seconds = |ms: Option<u64>| json!(ms.map(|ms| ms.div_ceil(1000)));
    object([
        (kind, check),
        ("initialDelaySeconds", seconds(probe.initial_delay_ms.or(probe.start_period_ms))),
        ("periodSeconds", seconds(probe.interval_ms)),
        ("timeoutSeconds", seconds(probe.timeout_ms)),
        ("failureThreshold", json!(probe.retries)),
        ("successThreshold", json!(probe.successes)),
    ])
}

/// A Service of the Pod's name for its ports, and one more for those that are published.
fn services(name: &str, members: &[Member<'_>], labels: &Value, ledgers: &mut super::Ledgers) -> Vec<Value> {
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (member, service, _) in members {
        let ledger = ledgers.of(member);
        for (index, port) in service.ports.iter().enumerate() {
            let field = |name: &str| format!("ports[{index}].{name}");
            ["port", "protocol", "name", "appProtocol"].iter().for_each(|name| ledger.done(&field(name)));
            let entry = |number: u16| {
                object([
                    ("name", json!(port.name.clone().unwrap_or_else(|| format!("{}-{number}", port.protocol.name())))),
                    ("port", json!(number)),
                    ("targetPort", json!(port.port)),
                    ("protocol", json!(port.protocol.name().to_uppercase())),
                    ("appProtocol", json!(port.app_protocol)),
                ])
            };
            inside.push(entry(port.port));
            let Some(published) = &port.published else { continue };
            ledger.done(&field("published.mode"));
            if published.mode.as_deref() == Some("host") {
                ["ip", "port"].iter().for_each(|name| ledger.done(&field(&format!("published.{name}"))));
                continue;
            }
            ledger.lost(&field("published.ip"), "a load balancer has an address of its own");
            ledger.lost(&field("published.lastPort"), "the first port of the range is taken");
            match published.port {
                Some(number) => {
                    ledger.done(&field("published.port"));
                    outside.push(entry(number));
                }
                None => outside.push(entry(port.port)),
            }
        }
    }
    let service = |name: String, kind: &str, ports: Vec<Value>| {
        let spec = json!({ "type": kind, "selector": labels, "ports": ports });
        (!ports.is_empty()).then(|| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name }, "spec": spec }))
    };
    let inside = service(name.to_owned(), "ClusterIP", inside);
    let outside = service(dns_label(&format!("{name}-public")), "LoadBalancer", outside);
    inside.into_iter().chain(outside).collect()
}

fn claim(name: &str, volume: &Volume, shared: &mut Ledger) -> Value {
    for field in ["size", "accessModes", "storageClass"] {
        shared.done(&format!("volumes.{name}.{field}"));
    }
    shared.lost(&format!("volumes.{name}.driver"), "where it comes from is its storage class");
    shared.lost(&format!("volumes.{name}.driverOpts"), "where it comes from is its storage class");
    let modes = if volume.access_modes.is_empty() { vec!["ReadWriteOnce".to_owned()] } else { volume.access_modes.clone() };
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": dns_label(name) },
        "spec": object([
            ("accessModes", json!(modes)),
            ("storageClassName", json!(volume.storage_class)),
            ("resources", json!({ "requests": { "storage": volume.size.unwrap_or(DEFAULT_SIZE).to_string() } })),
        ]),
    })
}
