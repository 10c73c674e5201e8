//! What a user may do about an error: a line below the message, where there is something to say.

use std::error::Error;

use hoist_oci::{Error as Pull, RegistryError};

/// The hint for an error, not for its causes.
pub fn of(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<Pull>() {
        return of_pull(error);
    }
    None
}

fn of_pull(error: &Pull) -> Option<String> {
    let hint = match error {
        Pull::AccessDenied { name, .. } | Pull::PushDenied { name, .. } => {
            let registry = name.split('/').next().unwrap_or(name);
            format!("log in with `docker login {registry}` or `podman login {registry}`, or pass --creds or --authfile")
        }
        Pull::NotFound(name) => {
            let name = name.split('@').next().unwrap_or(name);
            let name = name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name);
            format!("`skopeo list-tags docker://{name}` shows what tags there are")
        }
        Pull::NoPlatform { .. } | Pull::WrongPlatform { .. } => {
            "hoist translates x86-64; --platform chooses another image".into()
        }
        Pull::TooLong { .. } => "--max-manifest-size raises the limit".into(),
        Pull::TooBig { .. } | Pull::TooBigStored { .. } => "--max-size raises the limit".into(),
        Pull::Layer { source, .. } if source.is_too_many() => "--max-entries raises the limit".into(),
        Pull::Keep { .. } => "XDG_CACHE_HOME says where the cache is".into(),
        Pull::Spool { .. } => "TMPDIR says where layers are unpacked".into(),
        Pull::Mirrors { error, .. } => return of_pull(error),
        Pull::Registry { source, .. } => return of_registry(source),
        _ => return None,
    };
    Some(hint)
}

fn of_registry(error: &RegistryError) -> Option<String> {
    let hint = match error {
        RegistryError::Timeout { .. } => "--timeout sets how long hoist waits",
        RegistryError::Wait { .. } => "registries give more to who is logged in; --mirror asks another one first",
        RegistryError::Status { status: 429, .. } => "registries give more to who is logged in; --mirror asks another one first",
        RegistryError::Transport { source } if source.is_connect() => {
            "if the registry has a certificate of its own authority, --cert-dir names it; --tls-verify=false takes any, and plain HTTP"
        }
        RegistryError::Token { source, .. } => return of_registry(source),
        _ => return None,
    };
    Some(hint.into())
}
