//! Certificates: containers-certs.d(5), which docker's `/etc/docker/certs.d` follows too.

use std::env;
use std::path::{Path, PathBuf};

use reqwest::{Certificate, ClientBuilder, Identity};

use super::RegistryError;

/// Adds the authorities (`*.crt`) and the client's own certificate (`*.cert` with a `*.key`) of a registry's directory:
/// `dir`, or the first of the usual places that is there.
///
/// # Errors
/// `RegistryError::Certificate`, and that a directory that was named cannot be read.
pub(super) fn certificates(
    mut client: ClientBuilder,
    registry: &str,
    dir: Option<&Path>,
) -> Result<ClientBuilder, RegistryError> {
    let Some(dir) = dir.map(Path::to_owned).or_else(|| usual(registry)) else {
        return Ok(client);
    };
    let read_dir = std::fs::read_dir(&dir).map_err(|source| RegistryError::Read { path: dir.clone(), source })?;
    let mut paths: Vec<PathBuf> = read_dir.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let malformed = |problem: String| RegistryError::Certificate { path: path.clone(), problem };
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("crt") => {
                let bundle = Certificate::from_pem_bundle(&read(&path)?).map_err(|error| malformed(error.to_string()))?;
                if bundle.is_empty() {
                    return Err(malformed("has no certificate".to_owned()));
                }
                client = client.tls_certs_merge(bundle);
            }
            Some("cert") => {
                let key = path.with_extension("key");
                let mut pem = read(&path)?;
                pem.push(b'\n');
                pem.extend(read(&key)?);
                client = client.identity(Identity::from_pem(&pem).map_err(|error| malformed(error.to_string()))?);
            }
            _ => {}
        }
    }
    Ok(client)
}

fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|source| RegistryError::Read { path: path.to_owned(), source })
}

/// The directory of a registry in the places where podman and docker look.
fn usual(registry: &str) -> Option<PathBuf> {
    let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".config/containers/certs.d"));
    let places = home.into_iter().chain(["/etc/containers/certs.d".into(), "/etc/docker/certs.d".into()]);
    places.map(|place| place.join(registry)).find(|dir| dir.is_dir())
}
