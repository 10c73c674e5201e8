//! A compose file's types → the model.

use std::collections::BTreeMap;
use std::path::Path;

use super::dotenv;
use super::forms::{Duration, Either, Pairs, Size};
use super::interpolate::Environment;
use super::load::read;
use super::short;
use super::types::{self, DependencyCondition, VolumeKind};
use crate::Stated;
use crate::error::Error;
use crate::model::{
    Amounts, Attachment, Check, Condition, ConfigFiles, Health, Hook, Host, Kind, Link, Mount, MountSource, Network, Port, Probe,
    Process, Resources, Restart, RestartPolicy, Scale, Secret, Service, Source, Variable, Via, Volume,
};

/// What a service is converted with.
pub struct Context<'a> {
    /// Directory that relative paths start from.
    pub dir: &'a Path,
    pub environment: &'a Environment,
}

/// One service.
///
/// # Errors
/// `Read` and `At` of its `env_file` and `label_file`.
pub fn service(file: types::Service, context: &Context<'_>) -> Result<(Service, Stated), Error> {
    let stated = Stated { entrypoint: file.entrypoint.0.clone(), cmd: file.command.0.clone(), image_health: true };
    let mut labels = label_files(&file.label_file.0, context)?;
    labels.extend(texts(&file.labels));
    let mut annotations = texts(&file.annotations);
    let mut kind = Kind::Service;
    let (mut scale, mut resources, mut restart) = (Scale::default(), Resources::default(), None);
    if let Some(text) = &file.restart {
        restart = Some(restart_of(text));
    }
    scale.replicas = file.scale;
    let pids = |limit: Option<i64>| limit.and_then(|limit| u64::try_from(limit).ok());
    resources.limits = Amounts {
        milli_cpus: file.cpus.map(milli),
        memory: file.mem_limit.map(|Size(bytes)| bytes),
        pids: pids(file.pids_limit),
        ephemeral_storage: None,
    };
    resources.requests.memory = file.mem_reservation.map(|Size(bytes)| bytes);
    if let Some(deploy) = &file.deploy {
        deployed(deploy, &mut kind, &mut scale, &mut resources, &mut restart);
        annotations.extend(texts(&deploy.labels));
    }
    let mut links = links(&file);
    let (network_mode, group) = match file.network_mode.as_deref().and_then(|mode| mode.strip_prefix("service:")) {
        Some(other) => {
            links.push(Link { via: Via::Group, ..link(other) });
            (None, Some(other.to_owned()))
        }
        None => (file.network_mode.clone(), None),
    };
    let service = Service {
        image: file.image.clone().unwrap_or_default(),
        kind,
        group,
        ports: ports(&file),
        mounts: mounts(&file),
        health: file.healthcheck.as_ref().map(health).unwrap_or_default(),
        links,
        networks: attachments(&file.networks),
        network_mode,
        hosts: hosts(&file.extra_hosts),
        scale,
        resources,
        restart,
        labels,
        annotations,
        process: process(file, context)?,
        ..Service::default()
    };
    Ok((service, stated))
}

fn process(file: types::Service, context: &Context<'_>) -> Result<Process, Error> {
    let mut process = Process {
        entrypoint: file.entrypoint.0.unwrap_or_default(),
        cmd: file.command.0.unwrap_or_default(),
        working_dir: file.working_dir,
        user: file.user,
        groups: file.group_add,
        hostname: file.hostname,
        domainname: file.domainname,
        stop_signal: file.stop_signal,
        stop_grace_ms: file.stop_grace_period.map(|Duration(ms)| ms),
        stdin: file.stdin_open,
        tty: file.tty,
        read_only_root: file.read_only,
        post_start: file.post_start.into_iter().map(hook).collect(),
        pre_stop: file.pre_stop.into_iter().map(hook).collect(),
        ..Process::default()
    };
    for env_file in &file.env_file.0 {
        let path = context.dir.join(&env_file.path);
        if env_file.required == Some(false) && !path.exists() {
            continue;
        }
        let text = read(&path)?;
        let lookup = |name: &str| context.environment.get(name).map(str::to_owned);
        let variables = match env_file.format.as_deref() {
            Some("raw") => dotenv::parse_raw(&text),
            _ => dotenv::parse(&path.display().to_string(), &text, &lookup)?,
        };
        variables.into_iter().for_each(|(name, value)| process.set(variable(name, value)));
    }
    file.environment.0.into_iter().for_each(|(name, value)| process.set(variable(name, value)));
    Ok(process)
}

/// A name without a value has the one of whoever runs the service: that is not copied, so that nothing of this machine gets out.
fn variable(name: String, value: Option<String>) -> Variable {
    let from = value.is_none().then(|| Source::Host { variable: name.clone() });
    Variable { name, value, from }
}

fn hook(hook: types::Hook) -> Hook {
    Hook {
        command: hook.command.0.unwrap_or_default(),
        user: hook.user,
        working_dir: hook.working_dir,
        env: hook.environment.0.into_iter().map(|(name, value)| variable(name, value)).collect(),
    }
}

fn texts(pairs: &Pairs) -> BTreeMap<String, String> {
    pairs.0.iter().map(|(name, value)| (name.clone(), value.clone().unwrap_or_default())).collect()
}

fn label_files(files: &[String], context: &Context<'_>) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    for file in files {
        let path = context.dir.join(file);
        let variables = dotenv::parse(&path.display().to_string(), &read(&path)?, &|_| None)?;
        labels.extend(variables.into_iter().map(|(name, value)| (name, value.unwrap_or_default())));
    }
    Ok(labels)
}

/// Thousandths of a processor.
fn milli(cpus: f64) -> u64 {
    (cpus * 1000.0).round() as u64
}

/// `no`, `always`, `on-failure[:N]`, `unless-stopped`; anything else has been refused.
fn restart_of(text: &str) -> Restart {
    let (policy, attempts) = text.split_once(':').map_or((text, None), |(policy, count)| (policy, count.parse().ok()));
    let policy = match policy {
        "always" => RestartPolicy::Always,
        "on-failure" => RestartPolicy::OnFailure,
        "unless-stopped" => RestartPolicy::UnlessStopped,
        _ => RestartPolicy::No,
    };
    Restart { policy, max_attempts: attempts, ..Restart::default() }
}

fn deployed(
    deploy: &types::Deploy,
    kind: &mut Kind,
    scale: &mut Scale,
    resources: &mut Resources,
    restart: &mut Option<Restart>,
) {
    *kind = match deploy.mode.as_deref() {
        Some("global") => Kind::Daemon,
        Some("replicated-job" | "global-job") => Kind::Job,
        _ => Kind::Service,
    };
    scale.replicas = deploy.replicas.or(scale.replicas);
    scale.max_per_node = deploy.placement.as_ref().and_then(|placement| placement.max_replicas_per_node);
    let amounts = |amounts: &types::DeployAmounts, old: &mut Amounts| {
        old.milli_cpus = amounts.cpus.map(milli).or(old.milli_cpus);
        old.memory = amounts.memory.map(|Size(bytes)| bytes).or(old.memory);
        old.pids = amounts.pids.and_then(|limit| u64::try_from(limit).ok()).or(old.pids);
    };
    if let Some(stated) = &deploy.resources {
        stated.limits.iter().for_each(|limits| amounts(limits, &mut resources.limits));
        stated.reservations.iter().for_each(|requests| amounts(requests, &mut resources.requests));
    }
    if let Some(policy) = &deploy.restart_policy {
        let ms = |duration: Option<Duration>| duration.map(|Duration(ms)| ms);
        *restart = Some(Restart {
            policy: match policy.condition.as_deref() {
                Some("none") => RestartPolicy::No,
                Some("on-failure") => RestartPolicy::OnFailure,
                _ => RestartPolicy::Always,
            },
            max_attempts: policy.max_attempts,
            delay_ms: ms(policy.delay),
            window_ms: ms(policy.window),
        });
    }
}

fn ports(file: &types::Service) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for Either(entry) in &file.ports {
        let parsed = entry.short.as_deref().map_or_else(|| short::long_port(entry), short::ports);
        // What is wrong was found when the file was read.
        ports.extend(parsed.unwrap_or_default());
    }
    for text in &file.expose {
        for port in short::ports(text).unwrap_or_default() {
            if !ports.iter().any(|old| (old.port, old.protocol) == (port.port, port.protocol)) {
                ports.push(Port { published: None, ..port });
            }
        }
    }
    ports
}

fn mounts(file: &types::Service) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = file.volumes.iter().map(|Either(entry)| mount(entry)).collect();
    for text in &file.tmpfs.0 {
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        let option = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name));
        let source = MountSource::Tmpfs {
            size: option("size=").and_then(short::size),
            mode: option("mode=").and_then(|mode| u32::from_str_radix(mode, 8).ok()),
        };
        mounts.push(Mount {
            target: target.to_owned(),
            source,
            read_only: options.split(',').any(|o| o == "ro"),
            sub_path: None,
        });
    }
    // A config or secret is a file: its one key has its name.
    let file_mount = |entry: &types::FileEntry, dir: &str, source| {
        let name = entry.target.as_deref().unwrap_or(&entry.source);
        let target = if name.starts_with('/') { name.to_owned() } else { format!("{dir}{name}") };
        Mount { target, source, read_only: true, sub_path: Some(entry.source.clone()) }
    };
    for Either(entry) in &file.configs {
        let source = MountSource::Config { name: entry.source.clone(), keys: vec![], mode: entry.mode };
        mounts.push(file_mount(entry, "/", source));
    }
    for Either(entry) in &file.secrets {
        let source = MountSource::Secret { name: entry.source.clone(), keys: vec![], mode: entry.mode };
        mounts.push(file_mount(entry, "/run/secrets/", source));
    }
    mounts
}

fn mount(entry: &types::VolumeEntry) -> Mount {
    let source = match (entry.kind, entry.source.clone()) {
        (VolumeKind::Volume, Some(name)) => MountSource::Volume { name },
        (VolumeKind::Volume, None) => MountSource::Anonymous { size: None, shared: None },
        (VolumeKind::Bind, path) => MountSource::Bind {
            path: path.unwrap_or_default(),
            propagation: entry.bind.as_ref().and_then(|bind| bind.propagation.clone()),
        },
        (VolumeKind::Tmpfs, _) => MountSource::Tmpfs {
            size: entry.tmpfs.as_ref().and_then(|tmpfs| tmpfs.size).map(|Size(bytes)| bytes),
            mode: entry.tmpfs.as_ref().and_then(|tmpfs| tmpfs.mode),
        },
        (VolumeKind::Image, _) => MountSource::Other { kind: "image".into() },
        (VolumeKind::Npipe, _) => MountSource::Other { kind: "npipe".into() },
        (VolumeKind::Cluster, _) => MountSource::Other { kind: "cluster".into() },
    };
    let sub_path = entry.volume.as_ref().and_then(|volume| volume.subpath.clone());
    Mount {
        target: entry.target.clone().unwrap_or_default(),
        source,
        read_only: entry.read_only.unwrap_or_default(),
        sub_path: sub_path.or_else(|| entry.image.as_ref().and_then(|image| image.subpath.clone())),
    }
}

fn health(file: &types::Healthcheck) -> Health {
    let ms = |duration: Option<Duration>| duration.map(|Duration(ms)| ms);
    let test: &[String] = file.test.as_ref().map_or(&[], |test| &test.0.0);
    let check = match test {
        [kind] if kind == "NONE" => None,
        [kind, command @ ..] if kind == "CMD" => Some(Check::Exec { command: command.to_vec() }),
        [kind, line @ ..] if kind == "CMD-SHELL" => Some(Check::Shell { line: line.join(" ") }),
        [line] => Some(Check::Shell { line: line.clone() }),
        // Times alone: they hold for the image's check.
        [] => Some(Check::Exec { command: vec![] }),
        command => Some(Check::Exec { command: command.to_vec() }),
    };
    let probe = check.filter(|_| !file.disable).map(|check| Probe {
        check,
        initial_delay_ms: None,
        interval_ms: ms(file.interval),
        timeout_ms: ms(file.timeout),
        start_period_ms: ms(file.start_period),
        start_interval_ms: ms(file.start_interval),
        retries: file.retries,
        successes: None,
    });
    Health { disabled: probe.is_none(), readiness: probe, ..Health::default() }
}

/// A link that nothing more is known of.
fn link(service: &str) -> Link {
    Link {
        service: service.to_owned(),
        condition: Condition::Started,
        required: true,
        restart: false,
        alias: None,
        via: Via::DependsOn,
    }
}

fn links(file: &types::Service) -> Vec<Link> {
    let dependencies = file.depends_on.0.iter().map(|(name, dependency)| Link {
        condition: match dependency.condition {
            DependencyCondition::ServiceStarted => Condition::Started,
            DependencyCondition::ServiceHealthy => Condition::Healthy,
            DependencyCondition::ServiceCompletedSuccessfully => Condition::Completed,
        },
        required: dependency.required,
        restart: dependency.restart,
        ..link(name)
    });
    let links = file.links.iter().map(|text| {
        let (service, alias) = text.split_once(':').map_or((&**text, None), |(service, alias)| (service, Some(alias.to_owned())));
        Link { alias, via: Via::Links, ..link(service) }
    });
    let volumes = file.volumes_from.iter().filter(|text| !text.starts_with("container:"));
    let volumes = volumes.map(|text| Link { via: Via::VolumesFrom, ..link(text.split(':').next().unwrap_or(text)) });
    dependencies.chain(links).chain(volumes).collect()
}

fn attachments(networks: &types::ServiceNetworks) -> Vec<Attachment> {
    let attachment = |(name, network): (&String, &Option<types::ServiceNetwork>)| {
        let network = network.clone().unwrap_or_default();
        Attachment { network: name.clone(), aliases: network.aliases, ipv4: network.ipv4_address, ipv6: network.ipv6_address }
    };
    networks.0.iter().map(attachment).collect()
}

fn hosts(hosts: &types::ExtraHosts) -> Vec<Host> {
    let pairs = hosts.0.iter().flat_map(|(name, addresses)| addresses.0.iter().map(move |address| (name, address)));
    let plain = |address: &str| address.trim_matches(['[', ']']).to_owned();
    pairs.map(|(name, address)| Host { name: name.clone(), address: plain(address) }).collect()
}

/// `volumes.NAME`
pub fn volume(file: types::Volume) -> Volume {
    Volume {
        name: file.name.or(file.external.name),
        driver: file.driver,
        driver_opts: file.driver_opts,
        external: file.external.external,
        labels: texts(&file.labels),
        ..Volume::default()
    }
}

/// `networks.NAME`
pub fn network(file: types::Network) -> Network {
    Network {
        name: file.name.or(file.external.name),
        driver: file.driver,
        driver_opts: file.driver_opts,
        external: file.external.external,
        internal: file.internal,
        ipv6: file.enable_ipv6,
        subnets: file.ipam.into_iter().flat_map(|ipam| ipam.config).filter_map(|config| config.subnet).collect(),
        labels: texts(&file.labels),
    }
}

/// `configs.NAME`, whose one key has its name
pub fn config(name: &str, file: types::Config) -> ConfigFiles {
    ConfigFiles {
        name: file.name.or(file.external.name),
        data: file.content.map(|content| (name.to_owned(), content)).into_iter().collect(),
        binary: Vec::new(),
        file: file.file,
        environment: file.environment,
        external: file.external.external,
        labels: texts(&file.labels),
    }
}

/// `secrets.NAME`, whose one key has its name. Neither its file nor its variable is read.
pub fn secret(name: &str, file: types::Secret) -> Secret {
    Secret {
        name: file.name.or(file.external.name),
        keys: vec![name.to_owned()],
        kind: None,
        file: file.file,
        environment: file.environment,
        external: file.external.external,
        labels: texts(&file.labels),
    }
}
