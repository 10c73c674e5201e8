//! Volumes, configs and secrets, and where services have them.

use serde_json::{Map, Value, json};

use super::super::ledger::Ledger;
use super::super::object;
use super::{WHY, flag};
use crate::model::{ConfigFiles, Mount, MountSource, Secret, Service, Topology, Volume};

/// The volume that a mount without a name shares with others of its group.
fn shared_volume(service: &Service, shared: Option<&str>, topology: &Topology) -> Option<String> {
    let (group, shared) = (service.group.as_deref()?, shared?);
    let has = |one: &&Service| {
        let is_it = |mount: &Mount| matches!(&mount.source, MountSource::Anonymous { shared: Some(name), .. } if name == shared);
        one.group.as_deref() == Some(group) && one.mounts.iter().any(is_it)
    };
    (topology.services.values().filter(has).count() > 1).then(|| format!("{group}-{shared}"))
}

/// Volumes with a name, and those that only a group shares.
pub(super) fn volumes(topology: &Topology, shared: &mut Ledger) -> Value {
    let mut volumes: Map<String, Value> =
        topology.volumes.iter().map(|(name, one)| (name.clone(), volume(name, one, shared))).collect();
    for service in topology.services.values() {
        for mount in &service.mounts {
            if let MountSource::Anonymous { shared, .. } = &mount.source
                && let Some(name) = shared_volume(service, shared.as_deref(), topology)
            {
                volumes.entry(name).or_insert(Value::Object(Map::new()));
            }
        }
    }
    Value::Object(volumes)
}

fn volume(name: &str, volume: &Volume, shared: &mut Ledger) -> Value {
    for field in ["name", "driver", "driverOpts", "external", "labels"] {
        shared.done(&format!("volumes.{name}.{field}"));
    }
    object([
        ("name", json!(volume.name)),
        ("driver", json!(volume.driver)),
        ("driver_opts", json!(volume.driver_opts)),
        ("external", flag(volume.external)),
        ("labels", json!(volume.labels)),
    ])
}

pub(super) fn mounts(service: &Service, topology: &Topology, ledger: &mut Ledger) -> (Value, Value, Value) {
    let (mut volumes, mut configs, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
    for (index, mount) in service.mounts.iter().enumerate() {
        let field = |name: &str| format!("mounts[{index}]{name}");
        let file = |name: &str, mode: Option<u32>| {
            object([("source", json!(name)), ("target", json!(mount.target)), ("mode", json!(mode))])
        };
        let volume = match &mount.source {
            MountSource::Config { name, keys, mode } | MountSource::Secret { name, keys, mode } => {
                if keys.is_empty() && mount.sub_path.as_ref() == Some(name) {
                    let list = if matches!(mount.source, MountSource::Config { .. }) { &mut configs } else { &mut secrets };
                    list.push(file(name, *mode));
                    ledger.done(&field(""));
                } else {
                    ledger.lost(&field(""), "a config or secret of compose is one file");
                }
                continue;
            }
            MountSource::Other { .. } => {
                ledger.lost(&field(""), "only its own platform has it");
                continue;
            }
            MountSource::Anonymous { size, shared } => {
                ledger.lost(&field(".source.anonymous.size"), WHY);
                let name = shared_volume(service, shared.as_deref(), topology);
                match &name {
                    Some(_) => {
                        ledger.lost(&field(".source.anonymous.shared"), "a volume with a name stays until `down --volumes`")
                    }
                    None => ledger.done(&field(".source.anonymous.shared")),
                }
                if size.is_none() && name.is_none() {
                    ledger.done(&field(".source"));
                }
                object([("type", json!("volume")), ("source", json!(name))])
            }
            MountSource::Volume { name } => {
                ledger.done(&field(".source"));
                let options = object([("subpath", json!(mount.sub_path))]);
                object([("type", json!("volume")), ("source", json!(name)), ("volume", options)])
            }
            MountSource::Bind { path, propagation } => {
                ledger.done(&field(".source"));
                let path = mount.sub_path.as_ref().map_or_else(|| path.clone(), |below| format!("{path}/{below}"));
                object([
                    ("type", json!("bind")),
                    ("source", json!(path)),
                    ("bind", object([("propagation", json!(propagation))])),
                ])
            }
            MountSource::Tmpfs { size, mode } => {
                ledger.done(&field(".source"));
                object([("type", json!("tmpfs")), ("tmpfs", object([("size", json!(size)), ("mode", json!(mode))]))])
            }
        };
        [".target", ".readOnly", ".subPath"].iter().for_each(|name| ledger.done(&field(name)));
        let Value::Object(mut volume) = volume else { continue };
        volume.insert("target".into(), json!(mount.target));
        if mount.read_only {
            volume.insert("read_only".into(), json!(true));
        }
        volumes.push(Value::Object(volume));
    }
    (json!(volumes), json!(configs), json!(secrets))
}

/// `None` if it cannot be one file.
pub(super) fn config(name: &str, config: &ConfigFiles, shared: &mut Ledger) -> Option<Value> {
    let field = format!("configs.{name}");
    let content = config.data.get(name).filter(|_| config.data.len() == 1);
    if content.is_none() && config.file.is_none() && config.environment.is_none() && !config.external {
        shared.lost(&field, "a config of compose is one file; those of its keys that are variables are in the components");
        return None;
    }
    shared.done(&field);
    Some(object([
        ("name", json!(config.name)),
        ("content", json!(content)),
        ("file", json!(config.file)),
        ("environment", json!(config.environment)),
        ("external", flag(config.external)),
        ("labels", json!(config.labels)),
    ]))
}

pub(super) fn secret(name: &str, secret: &Secret, shared: &mut Ledger) -> Value {
    for field in ["name", "keys", "file", "environment", "external", "labels"] {
        shared.done(&format!("secrets.{name}.{field}"));
    }
    let external = secret.external || secret.file.is_none() && secret.environment.is_none();
    object([
        ("name", json!(secret.name)),
        ("file", json!(secret.file)),
        ("environment", json!(secret.environment)),
        ("external", flag(external)),
        ("labels", if external { Value::Null } else { json!(secret.labels) }),
    ])
}
