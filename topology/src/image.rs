//! An image's config → the model: what holds where no manifest says otherwise.

use std::time::Duration;

use hoist_oci::ImageConfig;

use crate::model::{Check, Health, Mount, MountSource, Port, Probe, Protocol, Service, Topology, Variable};
use crate::{Manifests, Origin, Stated};

/// An application of one image.
pub fn application(name: &str, image: &str) -> Manifests {
    let service = Service { image: image.to_owned(), ..Service::default() };
    Manifests {
        topology: Topology { services: [(name.to_owned(), service)].into(), ..Topology::default() },
        stated: [(name.to_owned(), Stated { image_health: true, ..Stated::default() })].into(),
        origin: Origin::Image,
        objects: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Fills what a service's manifest leaves open from its image's config (image-spec, config.md).
pub fn complete(service: &mut Service, stated: &Stated, config: &ImageConfig) {
    let process = &mut service.process;
    // As docker and Kubernetes have it: who states another entrypoint does not mean the image's arguments.
    match (&stated.entrypoint, &stated.cmd) {
        (None, None) => {
            process.entrypoint = config.entrypoint.clone();
            process.cmd = config.cmd.clone();
        }
        (None, Some(cmd)) => {
            process.entrypoint = config.entrypoint.clone();
            process.cmd = cmd.clone();
        }
        (Some(entrypoint), cmd) => {
            process.entrypoint = entrypoint.clone();
            process.cmd = cmd.clone().unwrap_or_default();
        }
    }
    let own = std::mem::take(&mut process.env);
    for variable in &config.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        process.set(Variable { name: name.to_owned(), value: Some(value.to_owned()), from: None });
    }
    own.into_iter().for_each(|variable| process.set(variable));
    let fill = |own: &mut Option<String>, image: &Option<String>| {
        if own.is_none() {
            *own = image.clone();
        }
    };
    fill(&mut process.working_dir, &config.working_dir);
    fill(&mut process.user, &config.user);
    fill(&mut process.stop_signal, &config.stop_signal);
    for (key, value) in &config.labels {
        service.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    for text in &config.exposed_ports {
        service.ports.extend(exposed(text, &service.ports));
    }
    for target in &config.volumes {
        if !service.mounts.iter().any(|mount| mount.target == *target) {
            let source = MountSource::Anonymous { size: None, shared: None };
            service.mounts.push(Mount { target: target.clone(), source, read_only: false, sub_path: None });
        }
    }
    if stated.image_health {
        complete_health(&mut service.health, config);
    }
}

/// A port of `80`, `80/tcp` or `8000-8010/udp`, unless it is there.
fn exposed(text: &str, there: &[Port]) -> Vec<Port> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let (Ok(first), Ok(last), Some(protocol)) = (first.parse::<u16>(), last.parse::<u16>(), Protocol::from_name(protocol)) else {
        return Vec::new();
    };
    let new = |port: &u16| !there.iter().any(|old| old.port == *port && old.protocol == protocol);
    (first..=last).filter(new).map(|port| Port { port, protocol, ..Port::default() }).collect()
}

/// The image's check, unless the manifest has its own; times that the manifest states hold for it.
fn complete_health(health: &mut Health, config: &ImageConfig) {
    let Some(image) = &config.healthcheck else { return };
    let check = match &image.test[..] {
        [kind, command @ ..] if kind == "CMD" => Check::Exec { command: command.to_vec() },
        [kind, line @ ..] if kind == "CMD-SHELL" => Check::Shell { line: line.join(" ") },
        _ => return,
    };
    if health.disabled {
        return;
    }
    let ms = |time: Option<Duration>| time.map(|time| time.as_millis() as u64);
    let of_image = Probe {
        check,
        initial_delay_ms: None,
        interval_ms: ms(image.interval),
        timeout_ms: ms(image.timeout),
        start_period_ms: ms(image.start_period),
        start_interval_ms: ms(image.start_interval),
        retries: image.retries,
        successes: None,
    };
    match &mut health.readiness {
        None => health.readiness = Some(of_image),
        Some(own) if own.check == (Check::Exec { command: vec![] }) => {
            own.check = of_image.check;
            own.interval_ms = own.interval_ms.or(of_image.interval_ms);
            own.timeout_ms = own.timeout_ms.or(of_image.timeout_ms);
            own.start_period_ms = own.start_period_ms.or(of_image.start_period_ms);
            own.start_interval_ms = own.start_interval_ms.or(of_image.start_interval_ms);
            own.retries = own.retries.or(of_image.retries);
        }
        Some(_) => {}
    }
}
