//! Compose files (github.com/compose-spec/compose-spec) → the model.

mod convert;
mod dotenv;
mod forms;
mod ignored;
mod interpolate;
mod load;
mod merge;
mod short;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

pub use interpolate::Environment;
pub use short::ports;

use crate::error::{At, Error, Problem};
use crate::model::{Ignored, MountSource, Topology};
use crate::yaml::{self, Node, Value};
use crate::{Manifests, Origin};
use load::Loader;
use types::RestartPolicy;

/// What is loaded, and with what.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Each is merged over those before it; relative paths start from the first one's directory.
    pub files: Vec<PathBuf>,
    /// In place of `.env`.
    pub env_files: Vec<PathBuf>,
    /// Profiles that are enabled, beside `COMPOSE_PROFILES`; `*` is all.
    pub profiles: Vec<String>,
    /// The services that are asked for: their profiles need not be enabled, nor those of what they depend on. Empty: all.
    pub services: Vec<String>,
    pub environment: Environment,
}

/// Loads compose files.
///
/// # Errors
/// [`Error`]; what is wrong in a file has its place.
pub fn load(options: &Options) -> Result<Manifests, Error> {
    let dir = options.files.first().and_then(|file| file.parent()).unwrap_or(Path::new(""));
    let mut loader = Loader::new(dir, options.environment.clone(), &options.env_files)?;
    let mut tree = loader.files(&options.files)?;
    let name = project_name(&tree, &loader.environment, dir);
    let mut topology = Topology { name, ..Topology::default() };
    topology.ignored = ignored::of_file(&mut tree);
    let mut ignored = BTreeMap::new();
    for entry in tree.get_mut("services").map_or(&mut [][..], Node::entries_mut) {
        ignored.insert(entry.key.clone(), ignored::of_service(&mut entry.value));
    }
    let mut file: types::File = yaml::from_node(&tree, "")?;
    check(&tree, &file)?;
    let enabled = enabled(options, &loader.environment, &file);
    file.services.retain(|name, _| enabled.contains(name));
    let context = convert::Context { dir: &loader.dir, environment: &loader.environment };
    let mut stated = BTreeMap::new();
    for (name, service) in file.services {
        let at = place(&tree, &["services", &name]);
        if service.image.is_none() {
            let problem =
                if service.build.is_some() { Problem::NoImage } else { Problem::Undefined { what: "its", name: "image".into() } };
            return Err(located(&name, problem, at));
        }
        let builds = service.build.is_some();
        let (mut service, said) = convert::service(service, &context)?;
        service.ignored = ignored.remove(&name).unwrap_or_default();
        if builds {
            let at = place(&tree, &["services", &name, "build"]).map(|at| at.brief());
            service.ignored.push(Ignored {
                field: "build".into(),
                at,
                reason: "hoist converts the image, and builds none".into(),
            });
        }
        stated.insert(name.clone(), said);
        topology.services.insert(name, service);
    }
    topology.volumes =
        file.volumes.into_iter().map(|(name, volume)| (name, convert::volume(volume.unwrap_or_default()))).collect();
    topology.networks = file.networks.into_iter().map(|(name, one)| (name, convert::network(one.unwrap_or_default()))).collect();
    topology.configs = file.configs.into_iter().map(|(name, one)| (name.clone(), convert::config(&name, one))).collect();
    topology.secrets = file.secrets.into_iter().map(|(name, one)| (name.clone(), convert::secret(&name, one))).collect();
    references(&tree, &topology)?;
    volumes_from(&mut topology);
    groups(&mut topology);
    if topology.services.is_empty() {
        return Err(Error::Empty(options.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")));
    }
    let warnings = loader.unset.iter().map(|name| format!("The {name:?} variable is not set. Defaulting to a blank string."));
    Ok(Manifests { topology, stated, origin: Origin::Compose, objects: Vec::new(), warnings: warnings.collect() })
}

/// compose-spec 04: `COMPOSE_PROJECT_NAME`, `name`, the directory's name.
fn project_name(tree: &Node, environment: &Environment, dir: &Path) -> Option<String> {
    let stated = environment.get("COMPOSE_PROJECT_NAME").map(str::to_owned);
    let named = || tree.get("name").and_then(yaml::string_of);
    let directory = || {
        let dir = std::path::absolute(dir).ok()?;
        let name = dir.file_name()?.to_string_lossy().to_ascii_lowercase();
        let kept: String =
            name.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-')).collect();
        Some(kept.trim_start_matches(['_', '-']).to_owned())
    };
    stated.filter(|name| !name.is_empty()).or_else(named).or_else(directory).filter(|name| !name.is_empty())
}

/// What a type cannot say: values of which only some have a meaning.
fn check(tree: &Node, file: &types::File) -> Result<(), Error> {
    let one_of = |path: &[&str], value: Option<&str>, allowed: &[&str], what: &'static str| match value {
        Some(value) if !allowed.contains(&value) => {
            Err(located(path[1], Problem::Value { value: value.to_owned(), what }, place(tree, path)))
        }
        _ => Ok(()),
    };
    for (name, service) in &file.services {
        let restart = service.restart.as_deref().map(|text| text.split(':').next().unwrap_or(text));
        let policies = ["no", "always", "on-failure", "unless-stopped"];
        one_of(
            &["services", name, "restart"],
            restart,
            &policies,
            "a restart policy: no, always, on-failure[:N], unless-stopped",
        )?;
        let item = |key: &str, index: usize| match place_node(tree, &["services", name, key]).map(|node| &node.value) {
            Some(Value::List(items)) => items.get(index).map(|item| item.at.clone()),
            _ => None,
        };
        let wrong = |key: &str, index, message| {
            let problem = Problem::Type { path: format!("services.{name}.{key}.{index}"), message };
            Err(item(key, index)
                .map_or_else(|| Error::Service { service: name.clone(), problem: problem.clone() }, |at| problem.clone().at(&at)))
        };
        for (index, forms::Either(entry)) in service.ports.iter().enumerate() {
            if let (None, Err(message)) = (&entry.short, short::long_port(entry)) {
                return wrong("ports", index, message);
            }
        }
        for (index, text) in service.expose.iter().enumerate() {
            if let Err(message) = short::ports(text) {
                return wrong("expose", index, message);
            }
        }
        for (index, forms::Either(entry)) in service.volumes.iter().enumerate() {
            if !entry.target.as_deref().is_some_and(|target| target.starts_with('/')) {
                return wrong("volumes", index, "the target is no absolute path".into());
            }
            if entry.source.is_none() && matches!(entry.kind, types::VolumeKind::Bind) {
                return wrong("volumes", index, "a bind has a source".into());
            }
        }
        let Some(deploy) = &service.deploy else { continue };
        let modes = ["replicated", "global", "replicated-job", "global-job"];
        one_of(&["services", name, "deploy", "mode"], deploy.mode.as_deref(), &modes, "a mode of deployment")?;
        if let Some(RestartPolicy { condition, .. }) = &deploy.restart_policy {
            let path = ["services", name, "deploy", "restart_policy", "condition"];
            one_of(&path, condition.as_deref(), &["none", "on-failure", "any"], "none, on-failure or any")?;
        }
    }
    Ok(())
}

/// Names of the services that run (compose-spec 15, "Profiles").
fn enabled(options: &Options, environment: &Environment, file: &types::File) -> BTreeSet<String> {
    let profiles: BTreeSet<&str> = match environment.get("COMPOSE_PROFILES") {
        Some(text) if options.profiles.is_empty() => text.split(',').map(str::trim).collect(),
        _ => options.profiles.iter().map(String::as_str).collect(),
    };
    let is_enabled = |service: &types::Service| {
        service.profiles.is_empty()
            || profiles.contains("*")
            || service.profiles.iter().any(|profile| profiles.contains(profile.as_str()))
    };
    let all = file.services.iter().filter(|(_, service)| is_enabled(service)).map(|(name, _)| name.clone());
    let mut enabled: BTreeSet<String> = all.collect();
    let mut wanted: Vec<String> = options.services.clone();
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if let Some(service) = file.services.get(&name).filter(|_| seen.insert(name.clone())) {
            wanted
                .extend(service.depends_on.0.iter().filter(|(_, dependency)| dependency.required).map(|(name, _)| name.clone()));
            enabled.insert(name);
        }
    }
    enabled
}

/// Where something stands in the file.
fn place(tree: &Node, path: &[&str]) -> Option<At> {
    place_node(tree, path).map(|node| node.at.clone())
}

fn place_node<'n>(tree: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(tree, |node, key| node.get(key))
}

fn located(service: &str, problem: Problem, at: Option<At>) -> Error {
    match at {
        Some(at) => {
            Error::At { at, problem: Problem::Type { path: format!("services.{service}"), message: problem.to_string() } }
        }
        None => Error::Service { service: service.to_owned(), problem },
    }
}

/// All that services name is there.
fn references(tree: &Node, topology: &Topology) -> Result<(), Error> {
    let undefined = |service: &str, key: &str, what, name: &str| {
        let problem = Problem::Undefined { what, name: name.to_owned() };
        Err(located(service, problem, place(tree, &["services", service, key])))
    };
    for (service, of) in &topology.services {
        for mount in &of.mounts {
            match &mount.source {
                MountSource::Volume { name } if !topology.volumes.contains_key(name) => {
                    return undefined(service, "volumes", "the volume", name);
                }
                MountSource::Config { name, .. } if !topology.configs.contains_key(name) => {
                    return undefined(service, "configs", "the config", name);
                }
                MountSource::Secret { name, .. } if !topology.secrets.contains_key(name) => {
                    return undefined(service, "secrets", "the secret", name);
                }
                _ => {}
            }
        }
        for network in &of.networks {
            if network.network != "default" && !topology.networks.contains_key(&network.network) {
                return undefined(service, "networks", "the network", &network.network);
            }
        }
        for link in &of.links {
            if link.required && !topology.services.contains_key(&link.service) {
                let key = match link.via {
                    crate::model::Via::Links => "links",
                    crate::model::Via::VolumesFrom => "volumes_from",
                    crate::model::Via::Group => "network_mode",
                    _ => "depends_on",
                };
                return undefined(service, key, "the service", &link.service);
            }
        }
    }
    let mut done = BTreeSet::new();
    for service in topology.services.keys() {
        if let Some(circle) = circle(topology, &mut vec![service], &mut done) {
            let problem = Problem::Circle(format!("services depend on each other: {circle}"));
            return Err(located(service, problem, place(tree, &["services", service])));
        }
    }
    Ok(())
}

/// A circle of links from the last service of the trail, as `a → b → a`. From those in `done` none comes.
fn circle<'t>(topology: &'t Topology, trail: &mut Vec<&'t str>, done: &mut BTreeSet<&'t str>) -> Option<String> {
    let last = *trail.last()?;
    for link in topology.services.get(last).map_or(&[][..], |service| &service.links) {
        if let Some(start) = trail.iter().position(|name| *name == link.service) {
            return Some(trail[start..].iter().chain([&link.service.as_str()]).copied().collect::<Vec<_>>().join(" → "));
        }
        if done.contains(link.service.as_str()) {
            continue;
        }
        trail.push(&link.service);
        let found = circle(topology, trail, done);
        trail.pop();
        if found.is_some() {
            return found;
        }
    }
    done.insert(last);
    None
}

/// `volumes_from`: the other service's mounts, unless there is one at the same place.
fn volumes_from(topology: &mut Topology) {
    let names: Vec<String> = topology.services.keys().cloned().collect();
    for name in names {
        let links = topology.services[&name].links.clone();
        for link in links.iter().filter(|link| link.via == crate::model::Via::VolumesFrom) {
            let mounts = topology.services.get(&link.service).map(|service| service.mounts.clone()).unwrap_or_default();
            let Some(service) = topology.services.get_mut(&name) else { continue };
            for mount in mounts {
                if !service.mounts.iter().any(|own| own.target == mount.target) {
                    service.mounts.push(mount);
                }
            }
        }
    }
}

/// A service whose network another shares is in the group of its name too.
fn groups(topology: &mut Topology) {
    let groups: BTreeSet<String> = topology.services.values().filter_map(|service| service.group.clone()).collect();
    for group in groups {
        if let Some(service) = topology.services.get_mut(&group) {
            service.group = Some(group);
        }
    }
}
