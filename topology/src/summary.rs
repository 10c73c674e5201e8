//! A topology as people read it.

use std::fmt;

use crate::model::{Check, Condition, MountSource, Port, Probe, Service, Topology};

impl fmt::Display for Topology {
    /// A paragraph for each service, as `hoist inspect` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, service) in &self.services {
            writeln!(f, "service      {name}: {}", service.process.argv().collect::<Vec<_>>().join(" "))?;
            let lines = [
                ("ports", service.ports.iter().map(port).collect()),
                ("mounts", mounts(service)),
                ("secrets", secrets(service)),
                ("links", links(service)),
                ("health", health(service)),
                ("needs", service.wasi.needs.iter().map(|need| need.package.clone()).collect()),
                ("ignored", service.ignored.iter().map(|ignored| ignored.field.clone()).collect::<Vec<String>>()),
            ];
            for (what, items) in lines {
                if !items.is_empty() {
                    writeln!(f, "  {what:<10} {}", items.join(", "))?;
                }
            }
        }
        Ok(())
    }
}

/// `8080:80/tcp`, as docker prints it.
fn port(port: &Port) -> String {
    let number = |number: Option<u16>| number.map(|number| number.to_string());
    let published = port.published.as_ref().map(|published| {
        let ports: Vec<String> = [published.port, published.last_port].into_iter().filter_map(number).collect();
        let ip = published.ip.as_ref().map(|ip| format!("{ip}:")).unwrap_or_default();
        format!("{ip}{}:", ports.join("-"))
    });
    format!("{}{}/{}", published.unwrap_or_default(), port.port, port.protocol.name())
}

fn mounts(service: &Service) -> Vec<String> {
    let mounts = service.mounts.iter().map(|mount| {
        let source = match &mount.source {
            MountSource::Volume { name } => format!("{name}:"),
            MountSource::Bind { path, .. } => format!("{path}:"),
            MountSource::Config { name, .. } => format!("config {name}:"),
            MountSource::Secret { name, .. } => format!("secret {name}:"),
            MountSource::Tmpfs { .. } => "tmpfs:".into(),
            MountSource::Other { kind } => format!("{kind}:"),
            MountSource::Anonymous { .. } => String::new(),
        };
        format!("{source}{}{}", mount.target, if mount.read_only { ":ro" } else { "" })
    });
    mounts.collect()
}

/// Variables whose values are not in the component.
fn secrets(service: &Service) -> Vec<String> {
    let of = service.process.env.iter().filter(|variable| variable.from.as_ref().is_some_and(|from| from.secret().is_some()));
    of.map(|variable| format!("${}", variable.name)).collect()
}

fn links(service: &Service) -> Vec<String> {
    let links = service.links.iter().map(|link| match link.condition {
        Condition::Started => link.service.clone(),
        Condition::Healthy => format!("{} (healthy)", link.service),
        Condition::Completed => format!("{} (completed)", link.service),
    });
    links.collect()
}

fn health(service: &Service) -> Vec<String> {
    let check = |probe: &Probe| match &probe.check {
        Check::Exec { command } => command.join(" "),
        Check::Shell { line } => line.clone(),
        Check::Http { port, path, .. } => format!("GET :{port}{path}"),
        Check::Tcp { port } => format!("connect :{port}"),
        Check::Grpc { port, .. } => format!("gRPC :{port}"),
    };
    let probes = [&service.health.startup, &service.health.readiness, &service.health.liveness];
    probes.into_iter().flatten().map(check).collect()
}
