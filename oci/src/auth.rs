//! Credentials for registries: those of the command line, and those of the files that `docker login` and
//! `podman login` write (containers-auth.json(5)) or of the helpers that these files name.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

mod helper;

/// What a registry is told about who asks.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Credentials {
    #[default]
    Anonymous,
    Basic {
        user: String,
        password: String,
    },
    /// A refresh token of OAuth 2, for which a token server gives access tokens.
    Identity(String),
    /// An access token for the registry itself.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::Anonymous => f.write_str("Anonymous"),
            Credentials::Basic { user, .. } => write!(f, "Basic({user:?}, …)"),
            Credentials::Identity(_) => f.write_str("Identity(…)"),
            Credentials::Bearer(_) => f.write_str("Bearer(…)"),
        }
    }
}

/// A string is not `USER:PASSWORD`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want USER:PASSWORD")]
pub struct CredentialsError;

impl FromStr for Credentials {
    type Err = CredentialsError;

    /// `USER:PASSWORD`, as `--creds` of skopeo takes it.
    fn from_str(text: &str) -> Result<Credentials, CredentialsError> {
        let (user, password) = text.split_once(':').filter(|(user, _)| !user.is_empty()).ok_or(CredentialsError)?;
        Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Why credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: malformed JSON: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{path}: the entry for {registry} is not base64 of USER:PASSWORD")]
    Entry { path: PathBuf, registry: String },
    #[error("credential helper {program}, which {path} names: {source}")]
    HelperStart { path: PathBuf, program: String, source: io::Error },
    #[error("credential helper {program}, which {path} names: {message}")]
    Helper { path: PathBuf, program: String, message: String },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AuthFile {
    auths: BTreeMap<String, Entry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

impl Entry {
    fn is_empty(&self) -> bool {
        [&self.auth, &self.username, &self.identitytoken, &self.registrytoken].iter().all(|field| field.is_empty())
    }

    /// What the entry says; `None` if its `auth` is malformed.
    fn credentials(&self) -> Option<Credentials> {
        if !self.identitytoken.is_empty() {
            return Some(Credentials::Identity(self.identitytoken.clone()));
        }
        if !self.registrytoken.is_empty() {
            return Some(Credentials::Bearer(self.registrytoken.clone()));
        }
        if self.auth.is_empty() {
            return Some(Credentials::Basic { user: self.username.clone(), password: self.password.clone() });
        }
        let text = String::from_utf8(STANDARD.decode(self.auth.trim()).ok()?).ok()?;
        // Old versions of docker padded with NULs.
        text.trim_end_matches('\0').parse().ok()
    }
}

/// The credentials for a repository: from `authfile` if it is given, else from the usual files, the first that has any for
/// it; anonymous if none has.
///
/// # Errors
/// If a file cannot be read or is not what it should be, or a helper fails.
pub(crate) fn for_repository(registry: &str, repository: &str, authfile: Option<&Path>) -> Result<Credentials, AuthError> {
    let files = match authfile {
        Some(path) => vec![path.to_owned()],
        None => usual_files().into_iter().filter(|path| path.is_file()).collect(),
    };
    for path in files {
        let found = in_file(&path, registry, repository)?;
        if found != Credentials::Anonymous {
            return Ok(found);
        }
    }
    Ok(Credentials::Anonymous)
}

/// What one file says: its helper for the registry, then its own entries, then the helper for everything.
fn in_file(path: &Path, registry: &str, repository: &str) -> Result<Credentials, AuthError> {
    let text = std::fs::read(path).map_err(|source| AuthError::Read { path: path.to_owned(), source })?;
    let file: AuthFile = serde_json::from_slice(&text).map_err(|source| AuthError::Json { path: path.to_owned(), source })?;
    let helper = file.cred_helpers.iter().find(|(written, _)| registry_key(written) == registry);
    if let Some((_, helper)) = helper {
        return helper::get(helper, registry, path);
    }
    if let Some((written, entry)) = find(&file.auths, registry, repository) {
        let entry = entry.credentials();
        return entry.ok_or_else(|| AuthError::Entry { registry: written.clone(), path: path.to_owned() });
    }
    match file.creds_store.as_str() {
        "" => Ok(Credentials::Anonymous),
        helper => helper::get(helper, registry, path),
    }
}

/// The entry for a name: the one for its repository, else for a namespace around it, else for the registry. Empty ones are
/// what `docker login` leaves where a helper has the secret.
fn find<'a>(auths: &'a BTreeMap<String, Entry>, registry: &str, repository: &str) -> Option<(&'a String, &'a Entry)> {
    let whole = format!("{registry}/{repository}");
    let ends = whole.match_indices('/').map(|(at, _)| at);
    let mut keys: Vec<&str> = ends.map(|at| &whole[..at]).collect();
    keys.push(&whole);
    let of_key = |key: &str| {
        let mut entries = auths.iter().filter(|(_, entry)| !entry.is_empty());
        entries.find(|(written, _)| registry_key(written) == key)
    };
    keys.into_iter().rev().find_map(of_key)
}

/// A key without what old versions of docker put around it: `https://index.docker.io/v1/` is `docker.io`.
fn registry_key(written: &str) -> &str {
    let schemes = ["https://", "http://"];
    let scheme = schemes.iter().find_map(|scheme| written.strip_prefix(scheme));
    let key = match scheme {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => written,
    };
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        key => key,
    }
}

/// Where podman and docker keep them, in the order podman looks.
fn usual_files() -> Vec<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable("REGISTRY_AUTH_FILE") {
        return vec![path];
    }
    let home = variable("HOME");
    let runtime = variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json"));
    let config = variable("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let config = config.map(|dir| dir.join("containers/auth.json"));
    let docker = variable("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    let docker = docker.map(|dir| dir.join("config.json"));
    runtime.into_iter().chain(config).chain(docker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::RegistryReference;

    fn auth(file: &str, name: &str) -> Result<Credentials, AuthError> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("auth.json");
        std::fs::write(&path, file).expect("a file");
        let name: RegistryReference = name.parse().expect("a reference");
        for_repository(name.registry(), name.repository(), Some(&path))
    }

    fn basic(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Basic { user: user.into(), password: password.into() })
    }

    #[test]
    fn found_by_registry_and_namespace() {
        // "u:p" and "v:q:r"
        let file = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"localhost:5000":{"auth":"dTpw"},
            "localhost:5000/team":{"auth":"djpxOnI="}}}"#;
        assert_eq!(auth(file, "debian").ok(), basic("u", "p"));
        assert_eq!(auth(file, "localhost:5000/a").ok(), basic("u", "p"));
        assert_eq!(auth(file, "localhost:5000/team/a").ok(), basic("v", "q:r"));
        assert_eq!(auth(file, "localhost:5000/teams/a").ok(), basic("u", "p"));
        assert_eq!(auth(file, "ghcr.io/a/b").ok(), Some(Credentials::Anonymous));
        assert_eq!(auth("{}", "debian").ok(), Some(Credentials::Anonymous));
    }

    #[test]
    fn tokens() {
        let file = r#"{"auths":{"a.io":{"auth":"dTpw","identitytoken":"refresh"},"b.io":{"registrytoken":"access"},
            "c.io":{"username":"u","password":"p"}}}"#;
        assert_eq!(auth(file, "a.io/x").ok(), Some(Credentials::Identity("refresh".into())));
        assert_eq!(auth(file, "b.io/x").ok(), Some(Credentials::Bearer("access".into())));
        assert_eq!(auth(file, "c.io/x").ok(), basic("u", "p"));
        assert!(!format!("{:?}", auth(file, "a.io/x")).contains("refresh"));
    }

    #[test]
    fn malformed() {
        assert!(matches!(auth("", "debian"), Err(AuthError::Json { .. })));
        let file = r#"{"auths":{"docker.io":{"auth":"!"}}}"#;
        assert!(matches!(auth(file, "debian"), Err(AuthError::Entry { .. })));
        let missing = for_repository("docker.io", "library/debian", Some(Path::new("/nonexistent")));
        assert!(matches!(missing, Err(AuthError::Read { .. })));
        let file = r#"{"credHelpers":{"docker.io":"not-installed"}}"#;
        assert!(matches!(auth(file, "debian"), Err(AuthError::HelperStart { .. })));
        // A name that would leave the PATH is no helper's.
        let file = r#"{"credsStore":"../x"}"#;
        assert!(matches!(auth(file, "debian"), Err(AuthError::Helper { .. })));
        assert_eq!("u".parse::<Credentials>(), Err(CredentialsError));
        assert_eq!(":p".parse::<Credentials>(), Err(CredentialsError));
    }
}
