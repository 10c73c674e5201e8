//! What a registry, or the way to it, has against a request.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use oci_client::errors::{OciEnvelope, OciError, OciErrorCode};
use reqwest::Response;
use reqwest::header::RETRY_AFTER;

use super::{ERROR_LIMIT, bounded, retry};
use crate::error::chain;

/// Why a registry did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The answer has an HTTP status that is not success; `reasons` are the registry's.
    #[error("{}{}", status_text(*.status), listed(.reasons))]
    Status { url: String, status: u16, reasons: Vec<Reason>, retry_after: Option<Duration> },
    #[error("{url} asks to come back after {} s, which is longer than hoist waits", .after.as_secs())]
    Wait { url: String, after: Duration },
    #[error("no answer from {host} within {} s", .after.as_secs_f64())]
    Timeout { host: String, after: Duration },
    #[error("{}", chain(.source))]
    Transport { source: reqwest::Error },
    #[error("{url}: {bytes} bytes are more than the {limit} that hoist takes")]
    TooLong { url: String, bytes: u64, limit: u64 },
    #[error("token server {realm}: {source}")]
    Token { realm: String, source: Box<RegistryError> },
    #[error("token server {realm}: {problem}")]
    TokenServer { realm: String, problem: &'static str },
    #[error("{path}: {problem}")]
    Certificate { path: PathBuf, problem: String },
    #[error("{url}: an upload was accepted without a Location to send it to")]
    NoLocation { url: String },
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
}

/// One of the reasons in the answer's JSON.
#[derive(Debug)]
pub struct Reason {
    pub code: OciErrorCode,
    pub message: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, self.message.as_str()) {
            (OciErrorCode::Other(code), "") => f.write_str(code),
            (code, "") => write!(f, "{code:?}"),
            (_, message) => f.write_str(message),
        }
    }
}

impl RegistryError {
    /// The client itself could not be made.
    pub(super) fn client(source: reqwest::Error) -> RegistryError {
        RegistryError::Transport { source }
    }

    pub(super) fn transport(url: &str, after: Duration, source: reqwest::Error) -> RegistryError {
        match source.is_timeout() {
            true => RegistryError::Timeout { host: host(url), after },
            false => RegistryError::Transport { source },
        }
    }

    /// The HTTP status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            RegistryError::Status { status, .. } => Some(*status),
            RegistryError::Token { source, .. } => source.status(),
            _ => None,
        }
    }

    /// Whether the answer gives one of these reasons.
    pub(crate) fn has(&self, codes: &[OciErrorCode]) -> bool {
        match self {
            RegistryError::Status { reasons, .. } => reasons.iter().any(|reason| codes.contains(&reason.code)),
            _ => false,
        }
    }
}

/// What an answer without success says.
pub(super) async fn of(response: Response, url: String) -> RegistryError {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| retry::after(value.to_str().ok()?));
    // A reason that cannot be read is none.
    let body = bounded(response, &url, ERROR_LIMIT, Duration::ZERO).await.unwrap_or_default();
    let reasons = serde_json::from_slice(&body).map(|envelope: OciEnvelope| envelope.errors).unwrap_or_default();
    let reason = |OciError { code, message, .. }| Reason { code, message };
    RegistryError::Status { url, status, reasons: reasons.into_iter().map(reason).collect(), retry_after }
}

/// `404 Not Found`
fn status_text(status: u16) -> String {
    match reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

fn listed(reasons: &[Reason]) -> String {
    let reasons: Vec<String> = reasons.iter().map(|reason| reason.to_string()).collect();
    match reasons.is_empty() {
        true => String::new(),
        false => format!(": {}", reasons.join("; ")),
    }
}

fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest).to_owned()
}
