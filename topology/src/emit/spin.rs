//! `spin.toml`, manifest version 2 (spinframework.dev/manifest-reference). A component that is a command runs by the command trigger.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ledger::Ledger;
use super::{Application, Artifact, Emitted, IN_COMPONENT, dns_label, head};
use crate::error::Error;
use crate::model::{MountSource, Peer, Service};

const WHY: &str = "Spin has no such field";

#[derive(Serialize)]
struct Manifest {
    spin_manifest_version: u32,
    application: Details,
    trigger: BTreeMap<&'static str, Vec<Trigger>>,
    component: BTreeMap<String, Component>,
}

#[derive(Serialize)]
struct Details {
    name: String,
    version: &'static str,
}

#[derive(Serialize)]
struct Trigger {
    component: String,
}

#[derive(Serialize)]
struct Component {
    source: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<Files>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_outbound_hosts: Vec<String>,
}

#[derive(Serialize)]
struct Files {
    source: String,
    destination: String,
}

/// # Errors
/// `Encode`
pub fn emit(application: &Application<'_>) -> Result<Emitted, Error> {
    let mut ledgers = application.ledgers();
    let (mut triggers, mut components) = (Vec::new(), BTreeMap::new());
    for (name, service, artifact) in application.services() {
        let id = kebab(name);
        triggers.push(Trigger { component: id.clone() });
        components.insert(id, component(service, artifact, ledgers.of(name)));
    }
    let manifest = Manifest {
        spin_manifest_version: 2,
        application: Details { name: application.name(), version: "0.1.0" },
        trigger: BTreeMap::from([("command", triggers)]),
        component: components,
    };
    let losses = ledgers.losses(WHY);
    let text = toml::to_string(&manifest).map_err(|error| Error::Encode { format: "TOML", message: error.to_string() })?;
    let notes = [IN_COMPONENT.to_owned(), "The command trigger is a plugin: spin plugins install trigger-command".to_owned()];
    Ok(Emitted { files: vec![(".spin.toml", head("A Spin application", &notes, &losses) + &text)], losses })
}

fn component(service: &Service, artifact: &Artifact, ledger: &mut Ledger) -> Component {
    ledger.done("kind");
    let mut files = Vec::new();
    for (index, mount) in service.mounts.iter().enumerate() {
        let field = |name: &str| format!("mounts[{index}]{name}");
        match &mount.source {
            MountSource::Bind { path, .. } => {
                let source = mount.sub_path.as_ref().map_or_else(|| path.clone(), |below| format!("{path}/{below}"));
                files.push(Files { source, destination: mount.target.clone() });
                if mount.read_only {
                    [".target", ".source.bind.path", ".subPath", ".readOnly"].iter().for_each(|name| ledger.done(&field(name)));
                } else {
                    [".target", ".subPath"].iter().for_each(|name| ledger.done(&field(name)));
                    ledger.lost(&field(".source.bind.path"), "it is shown, but can be read only");
                }
            }
            MountSource::Anonymous { size: None, shared: None } | MountSource::Tmpfs { size: None, mode: None } => {
                // All that the guest writes stays in its memory.
                ledger.done(&field(""));
            }
            _ => ledger.lost(&field(""), "Spin shows directories of the host only"),
        }
    }
    for (index, variable) in super::unknown_variables(service) {
        let reason = format!("pass it with spin up --env {}=VALUE", variable.name);
        ledger.lost(&format!("process.env[{index}]"), &reason);
    }
    for (index, _) in service.ports.iter().enumerate() {
        ledger.lost(&format!("ports[{index}]"), "Spin's triggers own the ports; a command may not listen");
    }
    for index in 0..service.links.len() {
        ledger.lost(&format!("links[{index}]"), "Spin orders no components, and lets them reach each other by HTTP only");
    }
    Component { source: artifact.file.clone(), files, allowed_outbound_hosts: outbound(service, ledger) }
}

/// Where it may connect to: everywhere, unless a policy says where.
fn outbound(service: &Service, ledger: &mut Ledger) -> Vec<String> {
    if service.network_mode.as_deref() == Some("none") {
        ledger.done("networkMode");
        return Vec::new();
    }
    let Some(rules) = service.policy.as_ref().and_then(|policy| policy.egress.as_ref()) else { return vec!["*://*:*".into()] };
    let mut hosts = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let ports: Vec<String> =
            rule.ports.iter().filter_map(|port| port.port.clone()).filter(|port| port.parse::<u16>().is_ok()).collect();
        let ports = if rule.ports.is_empty() { vec!["*".to_owned()] } else { ports };
        let field = |name: &str| format!("policy.egress[{index}]{name}");
        if rule.peers.is_empty() {
            hosts.extend(ports.iter().map(|port| format!("*://*:{port}")));
            ledger.done(&field(""));
        }
        for (number, peer) in rule.peers.iter().enumerate() {
            match peer {
                Peer::Services { names } => {
                    hosts.extend(names.iter().flat_map(|name| ports.iter().map(move |port| format!("*://{name}:{port}"))));
                    ledger.done(&field(&format!(".peers[{number}]")));
                }
                Peer::Addresses { cidr, except } if except.is_empty() => {
                    hosts.extend(ports.iter().map(|port| format!("*://{cidr}:{port}")));
                    ledger.done(&field(&format!(".peers[{number}]")));
                }
                _ => ledger.lost(&field(&format!(".peers[{number}]")), "Spin allows by name or network only"),
            }
        }
        for (number, port) in rule.ports.iter().enumerate() {
            if port.last_port.is_none() && port.port.as_ref().is_some_and(|port| port.parse::<u16>().is_ok()) {
                ledger.done(&field(&format!(".ports[{number}].port")));
            }
        }
    }
    hosts
}

/// An identifier as Spin has them: words of letters and digits, the first of each a letter, joined by hyphens.
fn kebab(name: &str) -> String {
    let label = dns_label(name);
    let words = label.split('-').filter(|word| !word.is_empty());
    let word = |word: &str| if word.starts_with(|c: char| c.is_ascii_digit()) { format!("n{word}") } else { word.to_owned() };
    words.map(word).collect::<Vec<_>>().join("-")
}
