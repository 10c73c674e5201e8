//! A Pod template → services: one for each container.

use std::collections::BTreeMap;
use std::convert::Infallible;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::select::{milli, units};
use crate::Stated;
use crate::dollars;
use crate::model::{
    Amounts, Check, Condition, ConfigFiles, EnvFrom, Health, Hook, Host, KeyPath, Kind, Link, Mount, MountSource, Port, Probe,
    Process, Protocol, Published, Resources, Restart, RestartPolicy, Secret, Service, Source, Variable, Via,
};

/// What a Pod's containers refer to.
pub struct Known<'a> {
    pub configs: &'a BTreeMap<String, ConfigFiles>,
    pub secrets: &'a BTreeMap<String, Secret>,
}

/// The services of a Pod template by name, in the order of its containers.
pub fn services(workload: &str, kind: Kind, spec: &core::PodSpec, known: &Known<'_>) -> Vec<(String, Service, Stated)> {
    let inits = spec.init_containers.as_deref().unwrap_or_default();
    let alone = spec.containers.len() == 1;
    let mut services = Vec::new();
    let mut before: Vec<Link> = Vec::new();
    for container in inits {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let (mut service, stated) = service(container, spec, known);
        service.kind = if sidecar { kind } else { Kind::Init };
        if let Some(restart) = &mut service.restart {
            restart.policy = restart_init(restart.policy, sidecar);
        }
        service.links.clone_from(&before);
        let name = service_name(workload, &container.name, false);
        let condition = if sidecar { Condition::Started } else { Condition::Completed };
        before.push(Link { service: name.clone(), condition, required: true, restart: false, alias: None, via: Via::Init });
        services.push((name, service, stated));
    }
    for container in &spec.containers {
        let (mut service, stated) = service(container, spec, known);
        service.kind = kind;
        service.links.clone_from(&before);
        services.push((service_name(workload, &container.name, alone), service, stated));
    }
    if services.len() > 1 {
        services.iter_mut().for_each(|(_, service, _)| service.group = Some(workload.to_owned()));
    }
    services
}

/// What a container's service is called: as its workload, if it is `alone` in it apart from init containers.
pub fn service_name(workload: &str, container: &str, alone: bool) -> String {
    if alone { workload.to_owned() } else { format!("{workload}-{container}") }
}

fn service(container: &core::Container, spec: &core::PodSpec, known: &Known<'_>) -> (Service, Stated) {
    let (env, env_from) = environment(container, known);
    let expand =
        |texts: &Option<Vec<String>>| texts.as_ref().map(|texts| texts.iter().map(|text| expand(text, &env)).collect::<Vec<_>>());
    let stated = Stated { entrypoint: expand(&container.command), cmd: expand(&container.args), image_health: false };
    let lifecycle = container.lifecycle.as_ref();
    let hook = |handler: Option<&core::LifecycleHandler>| {
        let exec = handler.and_then(|handler| handler.exec.as_ref());
        exec.map(|exec| Hook { command: exec.command.clone().unwrap_or_default(), ..Hook::default() }).into_iter().collect()
    };
    let pod_security = spec.security_context.as_ref();
    let groups = pod_security.and_then(|security| security.supplemental_groups.clone()).unwrap_or_default();
    let fs_group = pod_security.and_then(|security| security.fs_group);
    let ports: Vec<Port> = container.ports.iter().flatten().map(port).collect();
    let process = Process {
        entrypoint: stated.entrypoint.clone().unwrap_or_default(),
        cmd: stated.cmd.clone().unwrap_or_default(),
        env,
        env_from,
        working_dir: container.working_dir.clone(),
        user: user(container, spec),
        groups: groups.into_iter().chain(fs_group).map(|group| group.to_string()).collect(),
        hostname: spec.hostname.clone(),
        domainname: spec.subdomain.clone(),
        stop_signal: lifecycle.and_then(|lifecycle| lifecycle.stop_signal.clone()),
        stop_grace_ms: spec.termination_grace_period_seconds.map(ms),
        stdin: container.stdin.unwrap_or_default(),
        tty: container.tty.unwrap_or_default(),
        read_only_root: container
            .security_context
            .as_ref()
            .and_then(|security| security.read_only_root_filesystem)
            .unwrap_or_default(),
        post_start: hook(lifecycle.and_then(|lifecycle| lifecycle.post_start.as_ref())),
        pre_stop: hook(lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref())),
    };
    let probe = |probe: &Option<core::Probe>| probe.as_ref().and_then(|stated| self::probe(stated, &ports));
    let service = Service {
        image: container.image.clone().unwrap_or_default(),
        process,
        mounts: container.volume_mounts.iter().flatten().map(|stated| mount(stated, spec)).collect(),
        health: Health {
            disabled: false,
            startup: probe(&container.startup_probe),
            readiness: probe(&container.readiness_probe),
            liveness: probe(&container.liveness_probe),
        },
        network_mode: spec.host_network.unwrap_or_default().then(|| "host".to_owned()),
        hosts: hosts(spec),
        resources: resources(container),
        restart: Some(Restart { policy: restart(spec.restart_policy.as_deref()), ..Restart::default() }),
        ports,
        ..Service::default()
    };
    (service, stated)
}

fn ms(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or_default() * 1000
}

/// A Pod's `restartPolicy`, which is Always if it says none.
fn restart(policy: Option<&str>) -> RestartPolicy {
    match policy {
        Some("Never") => RestartPolicy::No,
        Some("OnFailure") => RestartPolicy::OnFailure,
        _ => RestartPolicy::Always,
    }
}

/// The same for an init container: what has succeeded is not started again, and a sidecar always is.
fn restart_init(policy: RestartPolicy, is_sidecar: bool) -> RestartPolicy {
    match policy {
        _ if is_sidecar => RestartPolicy::Always,
        RestartPolicy::Always => RestartPolicy::OnFailure,
        policy => policy,
    }
}

/// The container's user and group, else the Pod's.
fn user(container: &core::Container, spec: &core::PodSpec) -> Option<String> {
    let (own, pod) = (container.security_context.as_ref(), spec.security_context.as_ref());
    let user = own.and_then(|security| security.run_as_user).or(pod.and_then(|security| security.run_as_user));
    let group = own.and_then(|security| security.run_as_group).or(pod.and_then(|security| security.run_as_group));
    match (user, group) {
        (None, None) => None,
        (user, None) => user.map(|user| user.to_string()),
        (user, Some(group)) => Some(format!("{}:{group}", user.unwrap_or_default())),
    }
}

fn port(stated: &core::ContainerPort) -> Port {
    let published = stated.host_port.map(|port| Published {
        ip: stated.host_ip.clone(),
        port: u16::try_from(port).ok(),
        last_port: None,
        mode: Some("host".into()),
    });
    Port {
        port: u16::try_from(stated.container_port).unwrap_or_default(),
        protocol: stated.protocol.as_deref().and_then(Protocol::from_name).unwrap_or_default(),
        name: stated.name.clone(),
        app_protocol: None,
        published,
    }
}

/// `env` over `envFrom`. Of a ConfigMap in the manifests the values are known, of a Secret only the names of its keys.
fn environment(container: &core::Container, known: &Known<'_>) -> (Vec<Variable>, Vec<EnvFrom>) {
    let mut process = Process::default();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.clone().unwrap_or_default();
        if let Some(config) = &from.config_map_ref {
            let (name, optional) = (config.name.clone(), config.optional.unwrap_or_default());
            let Some(known) = known.configs.get(&name) else {
                process.env_from.push(EnvFrom::Config { name, prefix, optional });
                continue;
            };
            for (key, value) in &known.data {
                let from = Some(Source::Config { name: name.clone(), key: key.clone(), optional: false });
                process.set(Variable { name: format!("{prefix}{key}"), value: Some(value.clone()), from });
            }
        }
        if let Some(secret) = &from.secret_ref {
            let (name, optional) = (secret.name.clone(), secret.optional.unwrap_or_default());
            let Some(known) = known.secrets.get(&name) else {
                process.env_from.push(EnvFrom::Secret { name, prefix, optional });
                continue;
            };
            for key in &known.keys {
                let from = Some(Source::Secret { name: name.clone(), key: key.clone(), optional: false });
                process.set(Variable { name: format!("{prefix}{key}"), value: None, from });
            }
        }
    }
    for stated in container.env.iter().flatten() {
        let variable = variable(stated, known, &process.env);
        process.set(variable);
    }
    (process.env, process.env_from)
}

fn variable(stated: &core::EnvVar, known: &Known<'_>, before: &[Variable]) -> Variable {
    let name = stated.name.clone();
    let Some(from) = &stated.value_from else {
        let value = expand(stated.value.as_deref().unwrap_or_default(), before);
        return Variable { name, value: Some(value), from: None };
    };
    let (mut value, mut source) = (None, None);
    if let Some(config) = &from.config_map_key_ref {
        value = known.configs.get(&config.name).and_then(|known| known.data.get(&config.key)).cloned();
        let optional = config.optional.unwrap_or_default();
        source = Some(Source::Config { name: config.name.clone(), key: config.key.clone(), optional });
    } else if let Some(secret) = &from.secret_key_ref {
        let optional = secret.optional.unwrap_or_default();
        source = Some(Source::Secret { name: secret.name.clone(), key: secret.key.clone(), optional });
    } else if let Some(field) = &from.field_ref {
        source = Some(Source::Field { path: field.field_path.clone() });
    } else if let Some(resource) = &from.resource_field_ref {
        source = Some(Source::Resource { resource: resource.resource.clone() });
    } else if let Some(file) = &from.file_key_ref {
        source = Some(Source::Field { path: format!("file {}/{} key {}", file.volume_name, file.path, file.key) });
    }
    Variable { name, value, from: source }
}

/// `$(NAME)` as Kubernetes expands it: `$$` is `$`, and what is not known stays as it is.
fn expand(text: &str, variables: &[Variable]) -> String {
    let Ok(expanded) = dollars::replace(text, |rest, out| {
        let inside = rest.strip_prefix('(').and_then(|inside| inside.split_once(')'));
        let value = inside.and_then(|(name, after)| {
            let found = variables.iter().rev().find(|variable| variable.name == name)?;
            Some((found.value.as_deref()?, after))
        });
        let (value, after) = value.unwrap_or(("$", rest));
        out.push_str(value);
        Ok::<_, Infallible>(after)
    });
    expanded
}

/// Variables that its program, arguments and other variables refer to, and whose values are not known before it runs.
pub fn unknown_references(process: &Process) -> Vec<&str> {
    let values = process.env.iter().filter_map(|variable| variable.value.as_ref());
    let texts: Vec<&String> = process.entrypoint.iter().chain(&process.cmd).chain(values).collect();
    let is_meant = |variable: &&Variable| {
        let reference = format!("$({})", variable.name);
        variable.value.is_none() && texts.iter().any(|text| text.contains(&reference))
    };
    process.env.iter().filter(is_meant).map(|variable| variable.name.as_str()).collect()
}

fn hosts(spec: &core::PodSpec) -> Vec<Host> {
    let aliases = spec.host_aliases.iter().flatten();
    let pairs = aliases.flat_map(|alias| alias.hostnames.iter().flatten().map(|name| (name.clone(), alias.ip.clone())));
    pairs.map(|(name, address)| Host { name, address }).collect()
}

fn resources(container: &core::Container) -> Resources {
    let Some(stated) = &container.resources else { return Resources::default() };
    let amounts = |stated: &Option<BTreeMap<String, _>>| Amounts {
        milli_cpus: stated.as_ref().and_then(|all| all.get("cpu")).and_then(milli),
        memory: stated.as_ref().and_then(|all| all.get("memory")).and_then(units),
        pids: None,
        ephemeral_storage: stated.as_ref().and_then(|all| all.get("ephemeral-storage")).and_then(units),
    };
    Resources { limits: amounts(&stated.limits), requests: amounts(&stated.requests) }
}

fn mount(stated: &core::VolumeMount, spec: &core::PodSpec) -> Mount {
    let volume = spec.volumes.iter().flatten().find(|volume| volume.name == stated.name);
    let source = match volume {
        Some(volume) => source(volume, stated.mount_propagation.as_deref().map(propagation)),
        // Of a StatefulSet's templates.
        None => MountSource::Volume { name: stated.name.clone() },
    };
    let read_only =
        stated.read_only.unwrap_or_default() || matches!(source, MountSource::Config { .. } | MountSource::Secret { .. });
    Mount { target: stated.mount_path.clone(), source, read_only, sub_path: stated.sub_path.clone() }
}

/// What mount(8) calls it, and compose.
fn propagation(stated: &str) -> String {
    match stated {
        "HostToContainer" => "rslave",
        "Bidirectional" => "rshared",
        _ => "rprivate",
    }
    .to_owned()
}

fn source(volume: &core::Volume, propagation: Option<String>) -> MountSource {
    let keys = |items: &Option<Vec<core::KeyToPath>>| {
        let item = |item: &core::KeyToPath| KeyPath { key: item.key.clone(), path: item.path.clone(), mode: item.mode.map(bits) };
        items.iter().flatten().map(item).collect()
    };
    if let Some(claim) = &volume.persistent_volume_claim {
        MountSource::Volume { name: claim.claim_name.clone() }
    } else if let Some(empty) = &volume.empty_dir {
        let size = empty.size_limit.as_ref().and_then(units);
        match empty.medium.as_deref() {
            Some("Memory") => MountSource::Tmpfs { size, mode: None },
            _ => MountSource::Anonymous { size, shared: Some(volume.name.clone()) },
        }
    } else if let Some(path) = &volume.host_path {
        MountSource::Bind { path: path.path.clone(), propagation }
    } else if let Some(config) = &volume.config_map {
        MountSource::Config { name: config.name.clone(), keys: keys(&config.items), mode: config.default_mode.map(bits) }
    } else if let Some(secret) = &volume.secret {
        let name = secret.secret_name.clone().unwrap_or_default();
        MountSource::Secret { name, keys: keys(&secret.items), mode: secret.default_mode.map(bits) }
    } else {
        // Its type is the name of its one other field.
        let json = serde_json::to_value(volume).unwrap_or_default();
        let kind = json.as_object().and_then(|fields| fields.keys().find(|key| *key != "name").cloned());
        MountSource::Other { kind: kind.unwrap_or_else(|| "emptyDir".into()) }
    }
}

fn bits(mode: i32) -> u32 {
    mode as u32 & 0o7777
}

/// A probe; a port's name is that of one of the container's ports.
fn probe(stated: &core::Probe, ports: &[Port]) -> Option<Probe> {
    let number = |port: &IntOrString| match port {
        IntOrString::Int(port) => u16::try_from(*port).ok(),
        IntOrString::String(name) => {
            let named = ports.iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.port);
            named.or_else(|| name.parse().ok())
        }
    };
    let check = if let Some(exec) = &stated.exec {
        Check::Exec { command: exec.command.clone().unwrap_or_default() }
    } else if let Some(http) = &stated.http_get {
        let headers = http.http_headers.iter().flatten().map(|header| (header.name.clone(), header.value.clone())).collect();
        Check::Http {
            port: number(&http.port)?,
            path: http.path.clone().unwrap_or_else(|| "/".into()),
            https: http.scheme.as_deref() == Some("HTTPS"),
            host: http.host.clone(),
            headers,
        }
    } else if let Some(tcp) = &stated.tcp_socket {
        Check::Tcp { port: number(&tcp.port)? }
    } else {
        let grpc = stated.grpc.as_ref()?;
        Check::Grpc { port: u16::try_from(grpc.port).ok()?, service: grpc.service.clone() }
    };
    let seconds = |time: Option<i32>| time.map(|time| ms(time.into()));
    let count = |count: Option<i32>| count.and_then(|count| u32::try_from(count).ok());
    Some(Probe {
        check,
        initial_delay_ms: seconds(stated.initial_delay_seconds),
        interval_ms: seconds(stated.period_seconds),
        timeout_ms: seconds(stated.timeout_seconds),
        start_period_ms: None,
        start_interval_ms: None,
        retries: count(stated.failure_threshold),
        successes: count(stated.success_threshold),
    })
}
