//! Services, Ingresses and NetworkPolicies: they select Pods by label.

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Workload;
use super::select::{map_selects, selects, text};
use crate::model::{Endpoint, EndpointKind, EndpointPort, Peer, Policy, PolicyPort, Protocol, Route, Rule, Topology};

/// Gives the services that a Service selects an endpoint. False if it selects none.
pub fn endpoint(topology: &mut Topology, workloads: &[Workload], service: &core::Service) -> bool {
    let Some(spec) = &service.spec else { return false };
    let selector = spec.selector.clone().unwrap_or_default();
    let kind = match (spec.type_.as_deref(), spec.cluster_ip.as_deref()) {
        (Some("NodePort"), _) => EndpointKind::Node,
        (Some("LoadBalancer"), _) => EndpointKind::LoadBalancer,
        (_, Some("None")) => EndpointKind::Headless,
        _ => EndpointKind::Cluster,
    };
    let name = service.metadata.name.clone().unwrap_or_default();
    let mut selected = false;
    for workload in workloads.iter().filter(|workload| map_selects(&selector, &workload.labels)) {
        let alone = workload.services.len() == 1;
        for service in &workload.services {
            let Some(service) = topology.services.get_mut(service) else { continue };
            let ports = spec.ports.iter().flatten().filter_map(|port| {
                let target = match &port.target_port {
                    None => u16::try_from(port.port).ok()?,
                    Some(IntOrString::Int(number)) => u16::try_from(*number).ok()?,
                    Some(IntOrString::String(name)) => {
                        service.ports.iter().find(|port| port.name.as_ref() == Some(name)).map(|port| port.port)?
                    }
                };
                // Of several containers the one that says it listens there.
                let own = alone || service.ports.iter().any(|port| port.port == target);
                own.then(|| EndpointPort {
                    name: port.name.clone(),
                    port: u16::try_from(port.port).unwrap_or_default(),
                    target,
                    protocol: port.protocol.as_deref().and_then(Protocol::from_name).unwrap_or_default(),
                    node_port: port.node_port.and_then(|port| u16::try_from(port).ok()),
                })
            });
            let ports: Vec<EndpointPort> = ports.collect();
            for (port, stated) in ports.iter().zip(spec.ports.iter().flatten()) {
                if let (Some(protocol), Some(own)) =
                    (&stated.app_protocol, service.ports.iter_mut().find(|own| own.port == port.target))
                {
                    own.app_protocol = Some(protocol.clone());
                }
            }
            if !ports.is_empty() || kind == EndpointKind::Headless && alone {
                service.endpoints.push(Endpoint { name: name.clone(), kind, ports });
                selected = true;
            }
        }
    }
    selected
}

/// Gives services the routes of an Ingress. Names of Services that are not there are returned.
pub fn routes(topology: &mut Topology, ingress: &networking::Ingress) -> Vec<String> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let secret = |host: Option<&String>| {
        let mut certificates = spec.tls.iter().flatten();
        let of_host = |tls: &&networking::IngressTLS| match (&tls.hosts, host) {
            (Some(hosts), Some(host)) => hosts.contains(host),
            (Some(hosts), None) => hosts.is_empty(),
            (None, _) => true,
        };
        certificates.find(of_host).and_then(|tls| tls.secret_name.clone())
    };
    let mut wanted: Vec<(Option<String>, String, bool, &networking::IngressBackend)> = Vec::new();
    if let Some(backend) = &spec.default_backend {
        wanted.push((None, "/".into(), false, backend));
    }
    for rule in spec.rules.iter().flatten() {
        for path in rule.http.iter().flat_map(|http| &http.paths) {
            let exact = path.path_type == "Exact";
            wanted.push((rule.host.clone(), path.path.clone().unwrap_or_else(|| "/".into()), exact, &path.backend));
        }
    }
    let mut missing = Vec::new();
    for (host, path, exact, backend) in wanted {
        let Some(backend) = &backend.service else { continue };
        let is_port = |port: &EndpointPort| match &backend.port {
            Some(networking::ServiceBackendPort { number: Some(number), .. }) => i32::from(port.port) == *number,
            Some(networking::ServiceBackendPort { name: Some(name), .. }) => port.name.as_ref() == Some(name),
            _ => true,
        };
        let mut found = false;
        for service in topology.services.values_mut() {
            let endpoint = service.endpoints.iter().find(|endpoint| endpoint.name == backend.name);
            let Some(port) = endpoint.and_then(|endpoint| endpoint.ports.iter().find(|port| is_port(port))) else { continue };
            let (port, tls_secret) = (port.target, secret(host.as_ref()));
            service.routes.push(Route { host: host.clone(), path: path.clone(), exact, port, tls_secret });
            found = true;
        }
        if !found {
            missing.push(backend.name.clone());
        }
    }
    missing
}

/// Gives services the rules of a NetworkPolicy; several add up.
pub fn policy(topology: &mut Topology, workloads: &[Workload], stated: &networking::NetworkPolicy) {
    let Some(spec) = &stated.spec else { return };
    let selector = spec.pod_selector.clone().unwrap_or_default();
    let types = spec.policy_types.clone().unwrap_or_else(|| {
        let egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()).then(|| "Egress".to_owned());
        [Some("Ingress".to_owned()), egress].into_iter().flatten().collect()
    });
    let has = |kind: &str| types.iter().any(|stated| stated == kind);
    let ingress: Vec<Rule> = spec.ingress.iter().flatten().map(|rule| self::rule(workloads, &rule.from, &rule.ports)).collect();
    let egress: Vec<Rule> = spec.egress.iter().flatten().map(|rule| self::rule(workloads, &rule.to, &rule.ports)).collect();
    for workload in workloads.iter().filter(|workload| selects(&selector, &workload.labels)) {
        for service in &workload.services {
            let Some(service) = topology.services.get_mut(service) else { continue };
            let policy = service.policy.get_or_insert_with(Policy::default);
            if has("Ingress") {
                policy.ingress.get_or_insert_default().extend(ingress.clone());
            }
            if has("Egress") {
                policy.egress.get_or_insert_default().extend(egress.clone());
            }
        }
    }
}

fn rule(
    workloads: &[Workload],
    peers: &Option<Vec<networking::NetworkPolicyPeer>>,
    ports: &Option<Vec<networking::NetworkPolicyPort>>,
) -> Rule {
    Rule {
        peers: peers.iter().flatten().map(|peer| self::peer(workloads, peer)).collect(),
        ports: ports.iter().flatten().map(policy_port).collect(),
    }
}

fn peer(workloads: &[Workload], peer: &networking::NetworkPolicyPeer) -> Peer {
    if let Some(block) = &peer.ip_block {
        return Peer::Addresses { cidr: block.cidr.clone(), except: block.except.clone().unwrap_or_default() };
    }
    match (&peer.namespace_selector, &peer.pod_selector) {
        (None, Some(pods)) => {
            let selected = workloads.iter().filter(|workload| selects(pods, &workload.labels));
            let names: Vec<String> = selected.flat_map(|workload| workload.services.clone()).collect();
            if names.is_empty() { Peer::Selector { namespaces: None, pods: text(pods) } } else { Peer::Services { names } }
        }
        (namespaces, pods) => {
            let all = |selector: &Option<_>| selector.as_ref().map(|selector| text(selector).unwrap_or_else(|| "*".into()));
            Peer::Selector { namespaces: all(namespaces), pods: all(pods) }
        }
    }
}

fn policy_port(port: &networking::NetworkPolicyPort) -> PolicyPort {
    PolicyPort {
        port: port.port.as_ref().map(|port| match port {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(name) => name.clone(),
        }),
        last_port: port.end_port.and_then(|port| u16::try_from(port).ok()),
        protocol: port.protocol.as_deref().and_then(Protocol::from_name).unwrap_or_default(),
    }
}
