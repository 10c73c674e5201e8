//! wasmCloud: a wadm manifest for version 1 (wasmcloud.com/docs/ecosystem/wadm/model), and for version 2 a WorkloadDeployment for each
//! service (CRD `workloaddeployments.runtime.wasmcloud.dev`, v1alpha1).

use serde_json::{Value, json};

use super::ledger::Ledger;
use super::{Application, Artifact, Emitted, IN_COMPONENT, Loss, dns_label, head, object, unknown_variables, yaml};
use crate::error::Error;
use crate::model::{EnvFrom, Kind, MountSource, Peer, Protocol, Restart, RestartPolicy, Service, Source, Topology};

/// # Errors
/// `Encode`
pub fn emit(application: &Application<'_>) -> Result<Emitted, Error> {
    let (first, first_losses) = wadm(application)?;
    let (second, second_losses) = workloads(application)?;
    let of = |version: &str, losses: Vec<Loss>| {
        let version = format!("wasmCloud {version}: ");
        losses.into_iter().map(move |loss| Loss { reason: format!("{version}{}", loss.reason), ..loss }).collect::<Vec<_>>()
    };
    let losses = [of("1", first_losses), of("2", second_losses)].concat();
    Ok(Emitted { files: vec![(".wadm.yaml", first), (".workload.yaml", second)], losses })
}

fn wadm(application: &Application<'_>) -> Result<(String, Vec<Loss>), Error> {
    const WHY: &str = "wadm has no such field";
    let mut ledgers = application.ledgers();
    let mut components = Vec::new();
    for (name, service, artifact) in application.services() {
        let ledger = ledgers.of(name);
        ledger.done("scale.replicas");
        let properties = json!({ "instances": service.scale.replicas.unwrap_or(1) });
        let scaler = if service.kind == Kind::Daemon { "daemonscaler" } else { "spreadscaler" };
        if matches!(service.kind, Kind::Service | Kind::Daemon) {
            ledger.done("kind");
        }
        components.push(json!({
            "name": dns_label(name),
            "type": "component",
            "properties": { "image": artifact.reference },
            "traits": [{ "type": scaler, "properties": properties }],
        }));
        for index in 0..service.links.len() {
            ledger.lost(&format!("links[{index}]"), "wadm's links join WIT interfaces, and order no starts");
        }
        ledger.lost("ports", "no provider listens for a component that is a command");
    }
    let document = json!({
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {
            "name": application.name(),
            "annotations": { "version": "v0.1.0", "description": "Converted by hoist" },
        },
        "spec": { "components": components },
    });
    let losses = ledgers.losses(WHY);
    let notes = [
        IN_COMPONENT.to_owned(),
        "wasmCloud 1 starts components by what they export; one that is a command (wasi:cli/run) is for version 2.".to_owned(),
    ];
    Ok((head("A wadm application for wasmCloud 1", &notes, &losses) + &yaml::documents(&[document]), losses))
}

fn workloads(application: &Application<'_>) -> Result<(String, Vec<Loss>), Error> {
    const WHY: &str = "a WorkloadDeployment has no such field";
    let mut ledgers = application.ledgers();
    let mut documents = Vec::new();
    for (name, service, artifact) in application.services() {
        documents.extend(workload(application, name, service, artifact, ledgers.of(name)));
    }
    let losses = ledgers.losses(WHY);
    let head = head("WorkloadDeployments for wasmCloud 2", &[IN_COMPONENT.to_owned()], &losses);
    Ok((head + &yaml::documents(&documents), losses))
}

/// One service's objects: the deployment, and the Kubernetes Service by whose name it is reached.
fn workload(
    application: &Application<'_>,
    name: &str,
    service: &Service,
    artifact: &Artifact,
    ledger: &mut Ledger,
) -> Vec<Value> {
    let label = dns_label(name);
    ledger.done("scale.replicas");
    if service.kind == Kind::Service {
        ledger.done("kind");
    }
    if service.group.is_some() {
        ledger.lost("group", "a workload has one service; each gets a workload of its own");
    }
    let (volumes, mounts) = mounts(service, ledger);
    let environment = environment(service, &application.manifests.topology, ledger);
    let hosts = outbound(service, ledger);
    for index in 0..service.links.len() {
        ledger.lost(&format!("links[{index}]"), "workloads start in no order");
    }
    let ports = ports(service, ledger);
    let resources = object([
        ("environment", environment),
        ("volumeMounts", mounts),
        ("allowedHosts", json!(hosts)),
        ("allowedIpNameLookups", json!(hosts)),
    ]);
    let workload = object([
        (
            "service",
            object([
                ("image", json!(artifact.reference)),
                ("maxRestarts", json!(max_restarts(service.restart.as_ref(), ledger))),
                ("localResources", resources),
            ]),
        ),
        ("volumes", volumes),
    ]);
    let kubernetes = if ports.is_empty() { json!({}) } else { json!({ "service": { "name": label } }) };
    let deployment = json!({
        "apiVersion": "runtime.wasmcloud.dev/v1alpha1",
        "kind": "WorkloadDeployment",
        "metadata": { "name": label, "labels": { "app.kubernetes.io/part-of": application.name() } },
        "spec": object([
            ("replicas", json!(service.scale.replicas.unwrap_or(1))),
            ("kubernetes", kubernetes),
            ("template", json!({ "spec": workload })),
        ]),
    });
    let mut documents = vec![deployment];
    if !ports.is_empty() {
        documents.push(json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": label },
            "spec": { "ports": ports },
        }));
    }
    documents
}

/// The Service has no selector: wasmCloud's operator keeps its endpoints.
fn ports(service: &Service, ledger: &mut Ledger) -> Vec<Value> {
    let mut ports = Vec::new();
    for (index, port) in service.ports.iter().enumerate() {
        if port.protocol == Protocol::Sctp {
            ledger.lost(&format!("ports[{index}]"), "WASI has no SCTP");
            continue;
        }
        for name in ["port", "protocol", "name", "appProtocol"] {
            ledger.done(&format!("ports[{index}].{name}"));
        }
        ledger.lost(&format!("ports[{index}].published"), "wasmCloud's gateway publishes HTTP only");
        let name = port.name.clone().unwrap_or_else(|| format!("{}-{}", port.protocol.name(), port.port));
        ports.push(object([
            ("name", json!(name)),
            ("port", json!(port.port)),
            ("protocol", json!(port.protocol.name().to_uppercase())),
            ("appProtocol", json!(port.app_protocol)),
        ]));
    }
    ports
}

fn mounts(service: &Service, ledger: &mut Ledger) -> (Value, Value) {
    let (mut volumes, mut mounts) = (Vec::new(), Vec::new());
    for (index, mount) in service.mounts.iter().enumerate() {
        let field = |name: &str| format!("mounts[{index}]{name}");
        let name = format!("mount-{index}");
        let volume = match &mount.source {
            MountSource::Anonymous { size: None, .. } => json!({ "name": name, "ephemeral": {} }),
            MountSource::Bind { path, propagation: None } if path.starts_with('/') => {
                json!({ "name": name, "hostPath": { "path": path } })
            }
            MountSource::Bind { path, .. } if !path.starts_with('/') => {
                ledger.lost(&field(""), "a path of the host is absolute there");
                continue;
            }
            MountSource::Tmpfs { size: None, mode: None } => {
                // All that the guest writes stays in its memory.
                ledger.done(&field(""));
                continue;
            }
            _ => {
                ledger.lost(&field(""), "its volumes are ephemeral or paths of the host");
                continue;
            }
        };
        ["target", "source", "readOnly"].iter().for_each(|name| ledger.done(&field(&format!(".{name}"))));
        volumes.push(volume);
        mounts.push(object([
            ("name", json!(name)),
            ("mountPath", json!(mount.target)),
            ("readOnly", if mount.read_only { json!(true) } else { Value::Null }),
        ]));
    }
    (json!(volumes), json!(mounts))
}

/// What `configFrom` and `secretFrom` name has to exist.
const MUST_BE_THERE: &str = "the workload waits until it is there";

/// The key that a variable is, among `keys`, or others that are not known, all of which become variables.
fn one_of_all(field: &str, keys: &[String], service: &Service, ledger: &mut Ledger) {
    let is_wanted = |key: &String| service.process.env.iter().any(|variable| variable.value.is_none() && variable.name == *key);
    if keys.is_empty() || !keys.iter().all(is_wanted) {
        ledger.lost(&format!("{field}.key"), "its other keys become variables too");
    }
    ledger.lost(&format!("{field}.optional"), MUST_BE_THERE);
}

/// As the model names it.
fn from_kind(from: &EnvFrom) -> &'static str {
    match from {
        EnvFrom::Config { .. } => "config",
        EnvFrom::Secret { .. } => "secret",
    }
}

/// All keys of a Secret or ConfigMap become variables of the same names.
fn environment(service: &Service, topology: &Topology, ledger: &mut Ledger) -> Value {
    let (mut configs, mut secrets): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let add = |names: &mut Vec<String>, name: &str| {
        if !names.iter().any(|old| old == name) {
            names.push(name.to_owned());
        }
    };
    for (index, variable) in unknown_variables(service) {
        let field = format!("process.env[{index}]");
        match &variable.from {
            Some(Source::Secret { name, key, .. }) if *key == variable.name => {
                add(&mut secrets, name);
                ledger.done(&field);
                let keys = topology.secrets.get(name).map(|secret| secret.keys.as_slice()).unwrap_or_default();
                one_of_all(&format!("{field}.from.secret"), keys, service, ledger);
            }
            Some(Source::Config { name, key, .. }) if *key == variable.name => {
                add(&mut configs, name);
                ledger.done(&field);
                // Its keys are not known, or the value would be.
                one_of_all(&format!("{field}.from.config"), &[], service, ledger);
            }
            _ => ledger.lost(&field, "a variable has the name of its key there"),
        }
    }
    for (index, from) in service.process.env_from.iter().enumerate() {
        let (kind, EnvFrom::Config { name, prefix, .. } | EnvFrom::Secret { name, prefix, .. }) = (from_kind(from), from);
        let field = format!("process.envFrom[{index}]");
        if !prefix.is_empty() {
            ledger.lost(&field, "a variable has the name of its key there");
            continue;
        }
        add(if kind == "secret" { &mut secrets } else { &mut configs }, name);
        ledger.done(&field);
        ledger.lost(&format!("{field}.{kind}.optional"), MUST_BE_THERE);
    }
    let names = |names: Vec<String>| names.into_iter().map(|name| json!({ "name": name })).collect::<Value>();
    object([("configFrom", names(configs)), ("secretFrom", names(secrets))])
}

/// Hosts that it may look up and connect to: all, unless a policy says which.
fn outbound(service: &Service, ledger: &mut Ledger) -> Vec<String> {
    if service.network_mode.as_deref() == Some("none") {
        ledger.done("networkMode");
        return Vec::new();
    }
    let Some(rules) = service.policy.as_ref().and_then(|policy| policy.egress.as_ref()) else { return vec!["*".into()] };
    let mut hosts = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if rule.peers.is_empty() {
            hosts.push("*".to_owned());
            ledger.done(&format!("policy.egress[{index}].peers"));
        }
        for (number, peer) in rule.peers.iter().enumerate() {
            let field = format!("policy.egress[{index}].peers[{number}]");
            match peer {
                Peer::Services { names } => {
                    hosts.extend(names.iter().map(|name| dns_label(name)));
                    ledger.done(&field);
                }
                _ => ledger.lost(&field, "hosts are allowed by name"),
            }
        }
    }
    hosts
}

/// `None` is the operator's default.
fn max_restarts(restart: Option<&Restart>, ledger: &mut Ledger) -> Option<u32> {
    let restart = restart?;
    match restart.policy {
        RestartPolicy::No => {
            ledger.done("restart");
            Some(0)
        }
        RestartPolicy::OnFailure if restart.max_attempts.is_some() => {
            ledger.done("restart.policy");
            ledger.done("restart.maxAttempts");
            restart.max_attempts
        }
        RestartPolicy::Always | RestartPolicy::UnlessStopped | RestartPolicy::OnFailure => {
            ledger.done("restart.policy");
            None
        }
    }
}
