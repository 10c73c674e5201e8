//! Keys of the Compose specification that say nothing about a Wasm component: each is known, and listed as ignored.

use crate::model::Ignored;
use crate::yaml::Node;

const CGROUP: &str = "the host's control groups do not see inside a component";
const KERNEL: &str = "the kernel is inside the component, and no host grants it rights";
const DEVICE: &str = "WASI gives no access to devices";
const RESOLVER: &str = "names are resolved by the host (wasi:sockets/ip-name-lookup)";
const SWARM: &str = "how an update proceeds is the platform's";
const TOOL: &str = "it concerns docker compose itself";
const NAMESPACE: &str = "a component has namespaces of its own";
const NETWORK: &str = "networks are the platform's";

/// Path below a service, and why it is ignored.
const SERVICE: &[(&str, &str)] = &[
    ("attach", TOOL),
    ("blkio_config", CGROUP),
    ("cap_add", KERNEL),
    ("cap_drop", KERNEL),
    ("cgroup", NAMESPACE),
    ("cgroup_parent", CGROUP),
    ("container_name", "a component has the name of its service"),
    ("cpu_count", CGROUP),
    ("cpu_percent", CGROUP),
    ("cpu_period", CGROUP),
    ("cpu_quota", CGROUP),
    ("cpu_rt_period", CGROUP),
    ("cpu_rt_runtime", CGROUP),
    ("cpu_shares", CGROUP),
    ("cpuset", CGROUP),
    ("credential_spec", "it concerns Windows"),
    ("develop", TOOL),
    ("device_cgroup_rules", DEVICE),
    ("devices", DEVICE),
    ("dns", RESOLVER),
    ("dns_opt", RESOLVER),
    ("dns_search", RESOLVER),
    ("external_links", "it leads to a container outside of this application"),
    ("gpus", DEVICE),
    ("init", "the component's kernel reaps orphans itself"),
    ("ipc", NAMESPACE),
    ("isolation", "it concerns Windows"),
    ("logging", "standard output and error are the host's to log"),
    ("mac_address", NETWORK),
    ("mem_swappiness", CGROUP),
    ("memswap_limit", CGROUP),
    ("models", TOOL),
    ("oom_kill_disable", CGROUP),
    ("oom_score_adj", CGROUP),
    ("pid", NAMESPACE),
    ("platform", "the image's platform is --platform; the component's is wasm"),
    ("privileged", KERNEL),
    ("provider", TOOL),
    ("pull_policy", TOOL),
    ("pull_refresh_after", TOOL),
    ("runtime", "what runs the component is the host's choice"),
    ("security_opt", KERNEL),
    ("shm_size", "/dev/shm is as large as the component's memory"),
    ("storage_opt", "the root filesystem is in the component"),
    ("sysctls", KERNEL),
    ("ulimits", KERNEL),
    ("use_api_socket", TOOL),
    ("userns_mode", NAMESPACE),
    ("uts", NAMESPACE),
    ("deploy.endpoint_mode", NETWORK),
    ("deploy.placement.constraints", "where replicas go is the platform's"),
    ("deploy.placement.preferences", "where replicas go is the platform's"),
    ("deploy.resources.reservations.devices", DEVICE),
    ("deploy.resources.reservations.generic_resources", DEVICE),
    ("deploy.rollback_config", SWARM),
    ("deploy.update_config", SWARM),
];

/// The same below `networks.NAME` of a service.
const ATTACHMENT: &[(&str, &str)] = &[
    ("driver_opts", NETWORK),
    ("gw_priority", NETWORK),
    ("interface_name", NETWORK),
    ("link_local_ips", NETWORK),
    ("mac_address", NETWORK),
    ("priority", NETWORK),
];

/// The same below `networks.NAME` of the file.
const NETWORK_KEYS: &[(&str, &str)] =
    &[("attachable", SWARM), ("enable_ipv4", NETWORK), ("ipam.driver", NETWORK), ("ipam.options", NETWORK)];

/// The same below an entry of a network's `ipam.config`.
const IPAM_KEYS: &[(&str, &str)] = &[("aux_addresses", NETWORK), ("gateway", NETWORK), ("ip_range", NETWORK)];

const DRIVER: &str = "where it comes from is the platform's";
/// The same below `configs.NAME` and `secrets.NAME` of the file.
const FILE_KEYS: &[(&str, &str)] = &[("driver", DRIVER), ("driver_opts", DRIVER), ("template_driver", DRIVER)];

/// Takes ignored keys out of a service.
pub fn of_service(service: &mut Node) -> Vec<Ignored> {
    let mut found = take(service, SERVICE, "");
    for (name, network) in children(service, "networks") {
        found.extend(take(network, ATTACHMENT, &format!("networks.{name}.")));
    }
    found
}

/// Takes ignored keys out of the file's networks, configs and secrets.
pub fn of_file(file: &mut Node) -> Vec<Ignored> {
    let mut found = Vec::new();
    if let Some(models) = file.remove("models") {
        found.push(ignored("models".into(), &models, TOOL));
    }
    for (name, network) in children(file, "networks") {
        let path = format!("networks.{name}.");
        found.extend(take(network, NETWORK_KEYS, &path));
        if let Some(config) = network.get_mut("ipam").and_then(|ipam| ipam.get_mut("config"))
            && let crate::yaml::Value::List(items) = &mut config.value
        {
            items.iter_mut().for_each(|item| found.extend(take(item, IPAM_KEYS, &format!("{path}ipam.config."))));
        }
    }
    for kind in ["configs", "secrets"] {
        for (name, entry) in children(file, kind) {
            found.extend(take(entry, FILE_KEYS, &format!("{kind}.{name}.")));
        }
    }
    found
}

fn children<'n>(node: &'n mut Node, key: &str) -> Vec<(String, &'n mut Node)> {
    let Some(node) = node.get_mut(key) else { return Vec::new() };
    node.entries_mut().iter_mut().map(|entry| (entry.key.clone(), &mut entry.value)).collect()
}

fn take(node: &mut Node, keys: &[(&str, &str)], prefix: &str) -> Vec<Ignored> {
    let mut found = Vec::new();
    for (path, reason) in keys {
        let (parents, key) = path.rsplit_once('.').unwrap_or(("", path));
        let parent = parents.split('.').filter(|name| !name.is_empty()).try_fold(&mut *node, |node, name| node.get_mut(name));
        if let Some(value) = parent.and_then(|parent| parent.remove(key)) {
            found.push(ignored(format!("{prefix}{path}"), &value, reason));
        }
    }
    found
}

fn ignored(field: String, node: &Node, reason: &str) -> Ignored {
    Ignored { field, at: Some(node.at.brief()), reason: reason.to_owned() }
}
