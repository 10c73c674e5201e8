//! Where a name leads: mirrors of the command line, and containers-registries.conf(5)'s `[[registry]]` tables with
//! `prefix`, `location`, `insecure`, `blocked` and `mirror`. Names without a registry are docker.io's, as docker has it.

use std::env;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use crate::error::Error;
use crate::reference::RegistryReference;
use crate::registry::RegistryOptions;

/// A repository of one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// `docker.io`, `localhost:5000`.
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// Certificates need not be right, and plain HTTP will do.
    pub(crate) insecure: bool,
    pub(crate) is_mirror: bool,
}

impl Endpoint {
    /// The registry that the name says, whatever is configured.
    pub(crate) fn of(name: &RegistryReference) -> Endpoint {
        let (registry, repository) = (name.registry().to_owned(), name.repository().to_owned());
        Endpoint { registry, repository, insecure: false, is_mirror: false }
    }

    /// Whom to connect to.
    pub(crate) fn host(&self) -> String {
        match self.registry.as_str() {
            "docker.io" => "registry-1.docker.io".to_owned(),
            registry => registry.to_owned(),
        }
    }

    fn at(location: &str, insecure: bool) -> Option<Endpoint> {
        let (registry, repository) = location.split_once('/')?;
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        Some(Endpoint { registry, repository, insecure, is_mirror: false })
    }
}

/// A mirror of a registry or of a part of one: `--mirror`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// What it mirrors: `docker.io`, `ghcr.io/team`.
    prefix: String,
    /// What stands for the prefix: `mirror:5000`, `mirror/docker`.
    location: String,
    insecure: bool,
}

/// A string is not a mirror.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want [REGISTRY[/NAMESPACE]=]HOST[:PORT][/NAMESPACE]")]
pub struct MirrorError;

impl FromStr for Mirror {
    type Err = MirrorError;

    /// `docker.io=mirror:5000`, or `mirror:5000` for a mirror of docker.io, as docker's are; `http://` before it allows plain HTTP.
    fn from_str(text: &str) -> Result<Mirror, MirrorError> {
        let (prefix, location) = text.split_once('=').unwrap_or(("docker.io", text));
        let insecure = location.starts_with("http://");
        let location = location.strip_prefix("http://").or(location.strip_prefix("https://")).unwrap_or(location);
        let location = location.trim_end_matches('/');
        let is_name =
            |name: &str| !name.is_empty() && name.split('/').all(|part| !part.is_empty()) && !name.contains(char::is_whitespace);
        match is_name(prefix) && is_name(location) {
            true => Ok(Mirror { prefix: prefix.to_owned(), location: location.to_owned(), insecure }),
            false => Err(MirrorError),
        }
    }
}

/// registries.conf, as far as it concerns us.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    registry: Vec<Registry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registry {
    prefix: String,
    location: String,
    insecure: bool,
    blocked: bool,
    #[serde(rename = "mirror-by-digest-only")]
    by_digest_only: bool,
    mirror: Vec<MirrorTable>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MirrorTable {
    location: String,
    insecure: bool,
    #[serde(rename = "pull-from-mirror")]
    pull: String,
}

impl Registry {
    fn prefix(&self) -> &str {
        if self.prefix.is_empty() { &self.location } else { &self.prefix }
    }
}

impl MirrorTable {
    fn is_for(&self, registry: &Registry, by_digest: bool) -> bool {
        match self.pull.as_str() {
            "digest-only" => by_digest,
            "tag-only" => !by_digest,
            _ => by_digest || !registry.by_digest_only,
        }
    }
}

/// Where to look for an image, in this order; the last is the registry itself.
///
/// # Errors
/// If a configuration file cannot be read, or blocks the registry.
pub(crate) fn endpoints(name: &RegistryReference, options: &RegistryOptions) -> Result<Vec<Endpoint>, Error> {
    let whole = format!("{}/{}", name.registry(), name.repository());
    let mut endpoints = Vec::new();
    let mut add = |location: String, insecure, is_mirror| {
        endpoints.extend(Endpoint::at(&location, insecure).map(|endpoint| Endpoint { is_mirror, ..endpoint }));
    };
    for mirror in &options.mirrors {
        if let Some(rest) = rest_of(&whole, &mirror.prefix) {
            add(format!("{}{rest}", mirror.location), mirror.insecure, true);
        }
    }
    let config = if options.registries_conf { config()? } else { Config::default() };
    let matches = config.registry.iter().filter_map(|registry| Some((rest_of(&whole, registry.prefix())?, registry)));
    // The longest prefix counts: the shortest rest.
    let Some((rest, registry)) = matches.min_by_key(|(rest, _)| rest.len()) else {
        endpoints.push(Endpoint::of(name));
        return Ok(endpoints);
    };
    if registry.blocked {
        return Err(Error::Blocked { name: whole, prefix: registry.prefix().to_owned() });
    }
    for mirror in &registry.mirror {
        if mirror.is_for(registry, name.digest().is_some()) {
            add(format!("{}{rest}", mirror.location), mirror.insecure, true);
        }
    }
    let is_rewritten = !registry.location.is_empty();
    let location = if is_rewritten { format!("{}{rest}", registry.location) } else { whole.clone() };
    add(location, registry.insecure, false);
    Ok(endpoints)
}

/// What follows a prefix in a name, with its slash; `*.example.com` is the prefix of every host below.
fn rest_of<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    if let Some(domain) = prefix.strip_prefix('*') {
        let (host, _) = name.split_once('/')?;
        return host.ends_with(domain).then(|| &name[host.len()..]);
    }
    let rest = name.strip_prefix(prefix)?;
    (!prefix.is_empty() && rest.starts_with('/') || rest.is_empty()).then_some(rest)
}

/// The configuration file that counts, and what the directory beside it adds.
fn config() -> Result<Config, Error> {
    let Some(path) = config_path() else {
        return Ok(Config::default());
    };
    let mut paths = vec![path.clone()];
    let drop_ins = path.with_extension("conf.d");
    if let Ok(dir) = std::fs::read_dir(&drop_ins) {
        let mut more: Vec<PathBuf> = dir.filter_map(|entry| Some(entry.ok()?.path())).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        more.sort();
        paths.extend(more);
    }
    let mut config = Config::default();
    for path in paths.iter().filter(|path| path.is_file()) {
        // Later tables of the same prefix take the place of earlier ones.
        for registry in parse(path)?.registry {
            config.registry.retain(|earlier| earlier.prefix() != registry.prefix());
            config.registry.push(registry);
        }
    }
    Ok(config)
}

fn parse(path: &Path) -> Result<Config, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::file(path, source))?;
    toml::from_str(&text).map_err(|source| Error::RegistriesConf { path: path.to_owned(), source: Box::new(source) })
}

fn config_path() -> Option<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable("CONTAINERS_REGISTRIES_CONF") {
        return Some(path);
    }
    let home = variable("XDG_CONFIG_HOME").or_else(|| Some(variable("HOME")?.join(".config")));
    let home = home.map(|dir| dir.join("containers/registries.conf")).filter(|path| path.is_file());
    Some(home.unwrap_or_else(|| "/etc/containers/registries.conf".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(rest_of("docker.io/library/debian", "docker.io"), Some("/library/debian"));
        assert_eq!(rest_of("docker.io/library/debian", "docker.io/library"), Some("/debian"));
        assert_eq!(rest_of("docker.io/library/debian", "docker.io/lib"), None);
        assert_eq!(rest_of("a.example.com/x", "*.example.com"), Some("/x"));
        assert_eq!(rest_of("example.com/x", "*.example.com"), None);
        assert_eq!(rest_of("docker.io/x", ""), None);
    }

    #[test]
    fn mirrors_of_the_command_line() {
        let name: RegistryReference = "debian".parse().expect("a name");
        let mirrors = ["mirror:5000", "ghcr.io=other", "docker.io/library=http://third/x/"];
        let mirrors = mirrors.map(|mirror| mirror.parse().expect("a mirror")).to_vec();
        let options = RegistryOptions { mirrors, registries_conf: false, ..RegistryOptions::default() };
        let endpoints = endpoints(&name, &options).expect("no configuration");
        let shown: Vec<_> =
            endpoints.iter().map(|e| (e.registry.as_str(), e.repository.as_str(), e.insecure, e.is_mirror)).collect();
        let expected = [
            ("mirror:5000", "library/debian", false, true),
            ("third", "x/debian", true, true),
            ("docker.io", "library/debian", false, false),
        ];
        assert_eq!(shown, expected);
        for text in ["", "=", "docker.io=", "a b"] {
            assert_eq!(text.parse::<Mirror>(), Err(MirrorError), "{text}");
        }
    }
}
