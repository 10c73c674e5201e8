//! Credentials for registries, from the files that `docker login` and `podman login` write
//! (containers-auth.json(5)).

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

use crate::reference::RegistryReference;

/// Why credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: malformed JSON: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{path}: the entry for {registry} is not base64 of USER:PASSWORD")]
    Entry { path: PathBuf, registry: String },
}

#[derive(Deserialize)]
struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
}

/// The credentials for a repository: from `authfile` if it is given, else from the first of the usual files
/// that is there; anonymous if that has none for it.
///
/// # Errors
/// If the file cannot be read, or is not what it should be.
pub(crate) fn for_repository(name: &RegistryReference, authfile: Option<&Path>) -> Result<RegistryAuth, AuthError> {
    let usual = || usual_files().into_iter().find(|path| path.is_file());
    let Some(path) = authfile.map(Path::to_owned).or_else(usual) else {
        return Ok(RegistryAuth::Anonymous);
    };
    let text = std::fs::read(&path).map_err(|source| AuthError::Read { path: path.clone(), source })?;
    let file: AuthFile = serde_json::from_slice(&text).map_err(|source| AuthError::Json { path: path.clone(), source })?;
    let Some((registry, entry)) = find(&file.auths, name) else {
        return Ok(RegistryAuth::Anonymous);
    };
    let text = STANDARD.decode(entry.auth.trim()).ok();
    let text = text.and_then(|text| String::from_utf8(text).ok());
    match text.as_deref().and_then(|text| text.split_once(':')) {
        Some((user, password)) => Ok(RegistryAuth::Basic(user.to_owned(), password.to_owned())),
        None => Err(AuthError::Entry { registry: registry.clone(), path }),
    }
}

/// The entry for a name: the one for its repository, else for a namespace around it, else for the registry.
fn find<'a>(auths: &'a BTreeMap<String, Entry>, name: &RegistryReference) -> Option<(&'a String, &'a Entry)> {
    let whole = format!("{}/{}", name.registry(), name.repository());
    let ends = whole.match_indices('/').map(|(at, _)| at);
    let mut keys: Vec<&str> = ends.map(|at| &whole[..at]).collect();
    keys.push(&whole);
    let of_key = |key: &str| {
        let mut entries = auths.iter().filter(|(_, entry)| !entry.auth.is_empty());
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
        "index.docker.io" => "docker.io",
        key => key,
    }
}

/// Where podman and docker keep them, in the order podman looks.
fn usual_files() -> Vec<PathBuf> {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable("REGISTRY_AUTH_FILE") {
        return vec![path];
    }
    let docker = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
    let runtime = variable("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json"));
    let docker = docker.map(|dir| dir.join("config.json"));
    runtime.into_iter().chain(docker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(file: &str, name: &str) -> Result<RegistryAuth, AuthError> {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("auth.json");
        std::fs::write(&path, file).expect("a file");
        for_repository(&name.parse().expect("a reference"), Some(&path))
    }

    #[test]
    fn found_by_registry_and_namespace() {
        // "u:p" and "v:q:r"
        let file = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"},"localhost:5000":{"auth":"dTpw"},
            "localhost:5000/team":{"auth":"djpxOnI="}},"credsStore":"x"}"#;
        let basic = |user: &str, password: &str| RegistryAuth::Basic(user.into(), password.into());
        assert_eq!(auth(file, "debian").ok(), Some(basic("u", "p")));
        assert_eq!(auth(file, "localhost:5000/a").ok(), Some(basic("u", "p")));
        assert_eq!(auth(file, "localhost:5000/team/a").ok(), Some(basic("v", "q:r")));
        assert_eq!(auth(file, "localhost:5000/teams/a").ok(), Some(basic("u", "p")));
        assert_eq!(auth(file, "ghcr.io/a/b").ok(), Some(RegistryAuth::Anonymous));
        assert_eq!(auth("{}", "debian").ok(), Some(RegistryAuth::Anonymous));
    }

    #[test]
    fn malformed() {
        assert!(matches!(auth("", "debian"), Err(AuthError::Json { .. })));
        let file = r#"{"auths":{"docker.io":{"auth":"!"}}}"#;
        assert!(matches!(auth(file, "debian"), Err(AuthError::Entry { .. })));
        let missing = for_repository(&"debian".parse().expect("a name"), Some(Path::new("/nonexistent")));
        assert!(matches!(missing, Err(AuthError::Read { .. })));
    }
}
