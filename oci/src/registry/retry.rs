//! Which failures may pass, and how long to wait for that.

use std::time::{Duration, SystemTime};

use super::{RegistryError, RegistryOptions};

/// The longest that a registry's `Retry-After` is heeded.
const LONGEST: Duration = Duration::from_secs(60);

/// The repetitions that a request has left.
pub(super) struct Retries {
    left: u32,
    delay: Duration,
}

impl Retries {
    pub(super) fn new(options: &RegistryOptions) -> Retries {
        Retries { left: options.retries, delay: options.retry_delay }
    }

    /// Waits until the request may be sent again.
    ///
    /// # Errors
    /// The error itself, if it will not pass or there were enough of them.
    pub(super) async fn wait(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        if self.left == 0 || !may_pass(&error) {
            return Err(error);
        }
        let delay = match error {
            RegistryError::Status { retry_after: Some(after), url, .. } if after > LONGEST => {
                return Err(RegistryError::Wait { url, after });
            }
            RegistryError::Status { retry_after: Some(after), .. } => after,
            _ => self.delay,
        };
        self.left -= 1;
        self.delay = (self.delay * 2).min(LONGEST);
        tokio::time::sleep(delay).await;
        Ok(())
    }
}

/// Whether the same request may be answered differently a little later: too many requests, a server in trouble, a
/// connection that broke. Whoever was silent for a whole timeout is not asked again, nor is who refuses to be connected to.
fn may_pass(error: &RegistryError) -> bool {
    match error {
        RegistryError::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
        RegistryError::Transport { source } if source.is_connect() => is_network(source),
        RegistryError::Transport { source } => !source.is_builder() && !source.is_redirect(),
        _ => false,
    }
}

/// Whether a connection did not come about for a reason of the network's, and not of the name's, the server's or TLS's.
fn is_network(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind as Kind;
    let passing =
        [Kind::ConnectionReset, Kind::ConnectionAborted, Kind::HostUnreachable, Kind::NetworkUnreachable, Kind::NetworkDown];
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| passing.contains(&error.kind())) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
pub(super) fn after(value: &str) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(value.trim()).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after() {
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(after("Tue, 01 Jan 2999 00:00:00 GMT").is_some_and(|after| after > LONGEST));
        assert_eq!(after("soon"), None);
    }
}
