//! What follows from the rest of a topology: links that only a name shows, and what a service needs of WASI.

use std::collections::BTreeMap;

use crate::model::{Condition, Kind, Link, MountSource, Need, Protocol, Service, Source, Topology, Via, Wasi};

/// Fills in what follows, once the services are complete.
pub fn derive(topology: &mut Topology) {
    links(topology);
    for service in topology.services.values_mut() {
        service.wasi = Wasi { world: "wasi:cli/command@0.2".into(), needs: needs(service) };
    }
}

/// A variable or an argument that names another service's host: `db`, `db:5432`, `postgres://user@db/x`.
fn links(topology: &mut Topology) {
    let mut hosts: BTreeMap<String, String> = BTreeMap::new();
    for (name, service) in &topology.services {
        hosts.insert(name.clone(), name.clone());
        let aliases = service.networks.iter().flat_map(|attachment| &attachment.aliases).chain(&service.process.hostname);
        let endpoints = service.endpoints.iter().map(|endpoint| &endpoint.name);
        hosts.extend(aliases.chain(endpoints).map(|host| (host.clone(), name.clone())));
    }
    for (name, service) in &mut topology.services {
        // A word alone is a host where its variable says so: a database may have the name of a service too.
        let values =
            service.process.env.iter().filter_map(|variable| Some((variable.value.as_deref()?, names_host(&variable.name))));
        let texts = values.chain(service.process.cmd.iter().map(|argument| (argument.as_str(), false)));
        let named = texts.filter(|(text, alone)| *alone || host(text) != *text);
        let named = named.filter_map(|(text, _)| Some((hosts.get(host(text))?.clone(), host(text).to_owned())));
        let mut named: Vec<(String, String)> = named.collect();
        named.sort();
        named.dedup();
        for (other, host) in named {
            if other != *name && !service.links.iter().any(|link| link.service == other) {
                let alias = (host != other).then_some(host);
                service.links.push(Link {
                    service: other,
                    condition: Condition::Started,
                    required: false,
                    restart: false,
                    alias,
                    via: Via::Name,
                });
            }
        }
    }
}

/// Whether a variable's name says that it holds a host.
fn names_host(variable: &str) -> bool {
    const WORDS: [&str; 9] = ["HOST", "HOSTNAME", "HOSTS", "SERVER", "SERVERS", "ADDR", "ADDRESS", "ENDPOINT", "UPSTREAM"];
    variable.to_ascii_uppercase().split(['_', '.', '-']).any(|word| WORDS.contains(&word))
}

/// The host of a URL or of `HOST:PORT`, without the domain of a cluster; else the text.
fn host(text: &str) -> &str {
    let authority = match text.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            authority.rsplit_once('@').map_or(authority, |(_, host)| host)
        }
        None => text,
    };
    let host = match authority.split_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    // NAME.NAMESPACE.svc[.cluster.local]
    match host.split_once(".svc") {
        Some((name, "" | ".cluster.local")) => name.split('.').next().unwrap_or(name),
        _ => host,
    }
}

/// Packages of WASI 0.2 that the service depends on, and for what.
fn needs(service: &Service) -> Vec<Need> {
    let mut needs: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut need = |package: &'static str, why: String| needs.entry(package).or_default().push(why);
    need("wasi:cli", "process".into());
    need("wasi:clocks", "process".into());
    need("wasi:io", "process".into());
    need("wasi:random", "process".into());
    for (index, variable) in service.process.env.iter().enumerate() {
        if variable.value.is_none() && !matches!(variable.from, Some(Source::Field { .. } | Source::Resource { .. })) {
            need("wasi:cli", format!("process.env[{index}]"));
        }
    }
    for (index, port) in service.ports.iter().enumerate() {
        if port.protocol != Protocol::Sctp {
            need("wasi:sockets", format!("ports[{index}]"));
        }
    }
    for (index, link) in service.links.iter().enumerate() {
        let talks = match link.via {
            Via::Links | Via::Name | Via::Group => true,
            Via::DependsOn => link.condition != Condition::Completed,
            Via::VolumesFrom | Via::Init => false,
        };
        if talks && service.kind != Kind::Init {
            need("wasi:sockets", format!("links[{index}]"));
        }
    }
    for (index, mount) in service.mounts.iter().enumerate() {
        let outside = match &mount.source {
            MountSource::Anonymous { shared, .. } => shared.is_some(),
            MountSource::Tmpfs { .. } => false,
            _ => true,
        };
        if outside {
            need("wasi:filesystem", format!("mounts[{index}]"));
        }
    }
    needs.into_iter().map(|(package, why)| Need { package: package.to_owned(), why }).collect()
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_in_values() {
        let cases = [
            ("db", "db"),
            ("db:5432", "db"),
            ("postgres://user:pass@db:5432/x", "db"),
            ("http://redis.default.svc.cluster.local:6379", "redis"),
            ("redis.default.svc", "redis"),
            ("a:b", "a:b"),
        ];
        cases.iter().for_each(|(text, expected)| assert_eq!(host(text), *expected, "{text}"));
    }
}
