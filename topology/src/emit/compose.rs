//! A compose file whose services are Wasm images (docs.docker.com/desktop/features/wasm): `platform: wasi/wasm` and a Wasm shim as runtime.

use serde_json::{Map, Value, json};

use super::ledger::Ledger;
use super::{Application, Artifact, Emitted, IN_COMPONENT, head, object, relative_paths, unknown_variables, yaml};
use crate::error::Error;
use crate::model::{Amounts, Condition, EndpointKind, Kind, Network, RestartPolicy, Service, Source, Topology, Via};

mod storage;

use storage::{config, mounts, secret, volumes};

const WHY: &str = "compose has no such field";
const NO_EXEC: &str = "Wasm shims run no second program in a container";

/// # Errors
/// `Encode`
pub fn emit(application: &Application<'_>) -> Result<Emitted, Error> {
    let mut ledgers = application.ledgers();
    let topology = &application.manifests.topology;
    let mut services = Map::new();
    for (name, service, artifact) in application.services() {
        services.insert(name.clone(), self::service(name, service, artifact, topology, ledgers.of(name)));
    }
    let shared = &mut ledgers.shared;
    let document = object([
        ("name", json!(topology.name)),
        ("services", Value::Object(services)),
        ("volumes", volumes(topology, shared)),
        ("networks", topology.networks.iter().map(|(name, one)| (name.clone(), network(name, one, shared))).collect()),
        ("configs", topology.configs.iter().filter_map(|(name, one)| Some((name.clone(), config(name, one, shared)?))).collect()),
        ("secrets", topology.secrets.iter().map(|(name, one)| (name.clone(), secret(name, one, shared))).collect()),
    ]);
    let losses = ledgers.losses(WHY);
    let document = with_escapes(document);
    let notes: Vec<String> = std::iter::once(IN_COMPONENT.to_owned()).chain(relative_paths(topology)).collect();
    let head = head("A compose application of Wasm images", &notes, &losses);
    Ok(Emitted { files: vec![(".compose.yaml", head + &yaml::documents(&[document]))], losses })
}

/// All but what services' `environment` says, whose variables are meant: `$` is `$$`, as compose interpolates every value.
fn with_escapes(document: Value) -> Value {
    let escape_fields = |fields: Map<String, Value>| fields.into_iter().map(|(name, value)| (name, escape(value))).collect();
    let service = |service: Value| match service {
        Value::Object(mut fields) => {
            let environment = fields.remove("environment");
            let mut fields: Map<String, Value> = escape_fields(fields);
            fields.extend(environment.map(|environment| ("environment".to_owned(), environment)));
            Value::Object(fields)
        }
        other => other,
    };
    let Value::Object(mut top) = document else { return document };
    let services = match top.remove("services") {
        Some(Value::Object(services)) => services.into_iter().map(|(name, one)| (name, service(one))).collect(),
        _ => Map::new(),
    };
    let mut top: Map<String, Value> = escape_fields(top);
    top.insert("services".into(), Value::Object(services));
    Value::Object(top)
}

fn escape(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace('$', "$$")),
        Value::Array(all) => all.into_iter().map(escape).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, escape(value))).collect(),
        other => other,
    }
}

fn service(name: &str, service: &Service, artifact: &Artifact, topology: &Topology, ledger: &mut Ledger) -> Value {
    let process = &service.process;
    for field in ["labels", "process.groups", "process.domainname", "process.stopGraceMs", "scale.replicas"] {
        ledger.done(field);
    }
    for field in ["process.stdin", "process.tty", "process.readOnlyRoot", "scale.maxPerNode"] {
        ledger.done(field);
    }
    ["process.postStart", "process.preStop"].iter().for_each(|field| ledger.lost(field, NO_EXEC));
    health(service, ledger);
    ledger.done("annotations");
    ledger.done("resources");
    let mode = match service.kind {
        Kind::Daemon => Some("global"),
        Kind::Job => Some("replicated-job"),
        _ => None,
    };
    if matches!(service.kind, Kind::Service | Kind::Daemon | Kind::Job | Kind::Init | Kind::Pod) {
        ledger.done("kind");
    }
    let amounts = |amounts: &Amounts| {
        object([
            ("cpus", json!(amounts.milli_cpus.map(|milli| format!("{}", milli as f64 / 1000.0)))),
            ("memory", json!(amounts.memory.map(|bytes| bytes.to_string()))),
            ("pids", json!(amounts.pids)),
        ])
    };
    for kind in ["limits", "requests"] {
        ledger.lost(&format!("resources.{kind}.ephemeralStorage"), WHY);
    }
    let deploy = object([
        ("mode", json!(mode)),
        ("replicas", json!(service.scale.replicas)),
        (
            "resources",
            object([("limits", amounts(&service.resources.limits)), ("reservations", amounts(&service.resources.requests))]),
        ),
        ("placement", object([("max_replicas_per_node", json!(service.scale.max_per_node))])),
        ("restart_policy", restart_policy(service)),
    ]);
    let owner = owner(name, service, topology);
    let (volumes, configs, secrets) = mounts(service, topology, ledger);
    let of_network = |field: &str, ledger: &mut Ledger| match owner {
        Some(owner) => ledger.lost(field, &format!("{owner}, whose network it shares, has to say it")),
        None => ledger.done(field),
    };
    let hosts: Value = service.hosts.iter().map(|host| json!(format!("{}={}", host.name, host.address))).collect();
    of_network("hosts", ledger);
    let (mut published, mut expose) = (Value::Null, Value::Null);
    match owner {
        Some(_) => of_network("ports", ledger),
        None => (published, expose) = (ports(service, ledger), exposed(service, ledger)),
    }
    let (depends_on, links) = dependencies(service, topology, ledger);
    let (networks, network_mode) = networks(name, service, owner, ledger);
    object([
        ("image", json!(artifact.reference)),
        ("platform", json!("wasi/wasm")),
        ("runtime", json!("io.containerd.wasmtime.v1")),
        ("environment", environment(service, ledger)),
        ("group_add", json!(process.groups)),
        ("domainname", json!(process.domainname)),
        ("stop_grace_period", json!(process.stop_grace_ms.map(|ms| format!("{ms}ms")))),
        ("stdin_open", flag(process.stdin)),
        ("tty", flag(process.tty)),
        ("read_only", flag(process.read_only_root)),
        ("ports", published),
        ("expose", expose),
        ("volumes", volumes),
        ("configs", configs),
        ("secrets", secrets),
        ("depends_on", depends_on),
        ("links", links),
        ("networks", networks),
        ("network_mode", network_mode),
        ("extra_hosts", if owner.is_some() { Value::Null } else { hosts }),
        ("labels", json!(service.labels)),
        ("annotations", json!(service.annotations)),
        ("restart", restart(service, ledger)),
        ("deploy", deploy),
    ])
}

fn flag(set: bool) -> Value {
    if set { json!(true) } else { Value::Null }
}

/// Variables that the component does not have.
fn environment(service: &Service, ledger: &mut Ledger) -> Value {
    let mut environment = Map::new();
    for (index, variable) in unknown_variables(service) {
        let field = format!("process.env[{index}]");
        match &variable.from {
            Some(Source::Host { variable: host }) if *host == variable.name => {
                environment.insert(variable.name.clone(), Value::Null);
                ledger.done(&field);
            }
            Some(Source::Host { variable: host }) => {
                environment.insert(variable.name.clone(), json!(format!("${{{host}}}")));
                ledger.done(&field);
            }
            Some(Source::Secret { .. } | Source::Config { .. }) => {
                environment.insert(variable.name.clone(), Value::Null);
                ledger.done(&format!("{field}.name"));
                ledger.lost(&format!("{field}.from"), &format!("set {} in the environment or in .env yourself", variable.name));
            }
            _ => ledger.lost(&field, "there is no Pod whose field it could be"),
        }
    }
    Value::Object(environment)
}

fn ports(service: &Service, ledger: &mut Ledger) -> Value {
    let mut ports = Vec::new();
    for (index, port) in service.ports.iter().enumerate() {
        let Some(published) = &port.published else { continue };
        ledger.done(&format!("ports[{index}]"));
        let range = published.port.map(|first| match published.last_port {
            Some(last) => format!("{first}-{last}"),
            None => first.to_string(),
        });
        ports.push(object([
            ("name", json!(port.name)),
            ("target", json!(port.port)),
            ("published", json!(range)),
            ("host_ip", json!(published.ip)),
            ("protocol", json!(port.protocol.name())),
            ("app_protocol", json!(port.app_protocol)),
            ("mode", json!(published.mode)),
        ]));
    }
    json!(ports)
}

fn exposed(service: &Service, ledger: &mut Ledger) -> Value {
    let unpublished = service.ports.iter().enumerate().filter(|(_, port)| port.published.is_none());
    let exposed = unpublished.map(|(index, port)| {
        ledger.done(&format!("ports[{index}].port"));
        ledger.done(&format!("ports[{index}].protocol"));
        json!(format!("{}/{}", port.port, port.protocol.name()))
    });
    exposed.collect()
}

fn health(service: &Service, ledger: &mut Ledger) {
    ledger.done("health.disabled");
    let probes =
        [("startup", &service.health.startup), ("readiness", &service.health.readiness), ("liveness", &service.health.liveness)];
    for (name, _) in probes.iter().filter(|(_, probe)| probe.is_some()) {
        ledger.lost(&format!("health.{name}"), "compose checks by a program in the container, and Wasm shims run no second one");
    }
}

/// What it depends on, and the names it has for others.
fn dependencies(service: &Service, topology: &Topology, ledger: &mut Ledger) -> (Value, Value) {
    let (mut depends, mut links) = (Map::new(), Vec::new());
    for (index, link) in service.links.iter().enumerate() {
        let field = |name: &str| format!("links[{index}]{name}");
        if !topology.services.contains_key(&link.service) {
            ledger.lost(&field(""), "the service is not in this application");
            continue;
        }
        match link.via {
            Via::Links => {
                links.push(link.alias.as_ref().map_or_else(|| link.service.clone(), |alias| format!("{}:{alias}", link.service)));
            }
            // They need no order, or it is another field that says them.
            Via::Name | Via::Group | Via::VolumesFrom => {}
            Via::DependsOn | Via::Init => {
                let condition = match link.condition {
                    Condition::Completed => "service_completed_successfully",
                    Condition::Started | Condition::Healthy => "service_started",
                };
                let stated = object([
                    ("condition", json!(condition)),
                    ("required", if link.required { Value::Null } else { json!(false) }),
                    ("restart", flag(link.restart)),
                ]);
                depends.insert(link.service.clone(), stated);
            }
        }
        if link.condition == Condition::Healthy {
            for name in [".service", ".required", ".restart", ".alias", ".via"] {
                ledger.done(&field(name));
            }
            ledger.lost(&field(".condition"), "it waits for the start only, since nothing checks the other's health");
        } else {
            ledger.done(&field(""));
        }
    }
    (Value::Object(depends), json!(links))
}

/// The service whose network it shares: of its group the first to start that stays.
fn owner<'t>(name: &str, service: &Service, topology: &'t Topology) -> Option<&'t str> {
    let group = service.group.as_deref().filter(|_| service.kind != Kind::Init)?;
    let members: Vec<_> =
        topology.services.iter().filter(|(_, one)| one.group.as_deref() == Some(group) && one.kind != Kind::Init).collect();
    let waits = |one: &Service| one.links.iter().any(|link| members.iter().any(|(name, _)| **name == link.service));
    let (owner, _) = members.iter().find(|(_, one)| !waits(one)).or(members.first())?;
    Some(owner.as_str()).filter(|owner| *owner != name)
}

/// Its networks; names of endpoints are aliases there.
fn networks(name: &str, service: &Service, owner: Option<&str>, ledger: &mut Ledger) -> (Value, Value) {
    ledger.done("networkMode");
    let mut aliases = Vec::new();
    for (index, endpoint) in service.endpoints.iter().enumerate() {
        let same = endpoint.ports.iter().all(|port| port.port == port.target);
        let field = |name: &str| format!("endpoints[{index}]{name}");
        if endpoint.name != name {
            aliases.push(endpoint.name.clone());
        }
        ledger.done(&field(".name"));
        if same {
            ledger.done(&field(".ports"));
        } else {
            ledger.lost(&field(".ports"), "a name leads to the ports that the service listens on");
        }
        if matches!(endpoint.kind, EndpointKind::Cluster | EndpointKind::Headless) {
            ledger.done(&field(".kind"));
        }
        for (number, port) in endpoint.ports.iter().enumerate() {
            if port.node_port.is_some() {
                ledger.lost(&field(&format!(".ports[{number}].nodePort")), "publish the port with `ports` yourself");
            }
        }
    }
    match (service.group.as_deref(), owner) {
        (Some(_), Some(owner)) => {
            ledger.done("group");
            return (Value::Null, json!(format!("service:{owner}")));
        }
        (Some(_), None) if service.kind == Kind::Init => ledger.lost("group", "the network of the others is not there yet"),
        _ => ledger.done("group"),
    }
    if service.network_mode.is_some() {
        return (Value::Null, json!(service.network_mode));
    }
    ledger.done("networks");
    let mut networks = Map::new();
    for (index, attachment) in service.networks.iter().enumerate() {
        let mut all = attachment.aliases.clone();
        if index == 0 {
            all.append(&mut aliases);
        }
        let stated =
            object([("aliases", json!(all)), ("ipv4_address", json!(attachment.ipv4)), ("ipv6_address", json!(attachment.ipv6))]);
        networks.insert(attachment.network.clone(), stated);
    }
    if !aliases.is_empty() {
        networks.insert("default".into(), json!({ "aliases": aliases }));
    }
    (Value::Object(networks), Value::Null)
}

/// `restart`, unless `deploy.restart_policy` has to say it.
fn restart(service: &Service, ledger: &mut Ledger) -> Value {
    let Some(restart) = &service.restart else { return Value::Null };
    ledger.done("restart");
    if restart.delay_ms.is_some() || restart.window_ms.is_some() {
        return Value::Null;
    }
    json!(match restart.max_attempts {
        Some(count) => format!("{}:{count}", restart.policy.name()),
        None => restart.policy.name().to_owned(),
    })
}

fn restart_policy(service: &Service) -> Value {
    let Some(restart) = service.restart.as_ref().filter(|one| one.delay_ms.is_some() || one.window_ms.is_some()) else {
        return Value::Null;
    };
    let ms = |time: Option<u64>| json!(time.map(|ms| format!("{ms}ms")));
    object([
        (
            "condition",
            json!(match restart.policy {
                RestartPolicy::No => "none",
                RestartPolicy::OnFailure => "on-failure",
                RestartPolicy::Always | RestartPolicy::UnlessStopped => "any",
            }),
        ),
        ("max_attempts", json!(restart.max_attempts)),
        ("delay", ms(restart.delay_ms)),
        ("window", ms(restart.window_ms)),
    ])
}

fn network(name: &str, network: &Network, shared: &mut Ledger) -> Value {
    shared.done(&format!("networks.{name}"));
    let subnets: Value = network.subnets.iter().map(|subnet| json!({ "subnet": subnet })).collect();
    object([
        ("name", json!(network.name)),
        ("driver", json!(network.driver)),
        ("driver_opts", json!(network.driver_opts)),
        ("external", flag(network.external)),
        ("internal", flag(network.internal)),
        ("enable_ipv6", flag(network.ipv6)),
        ("ipam", object([("config", subnets)])),
        ("labels", json!(network.labels)),
    ])
}
