//! Registries over HTTP: the OCI distribution specification, and docker's token authentication.
//!
//! In the order a request goes: [`Client::send`] puts the credentials on it (`token`), repeats it where that may help
//! (`retry`), and gives the answer or says what was wrong. `blob` reads on where a connection broke; `upload` pushes.
//!
//! The requests are not oci-client's: its answers come without their headers (`Retry-After`, `OCI-Subject`), manifests are
//! read without a bound, and it has no identity tokens. Names and error codes are its types.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, RANGE, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::auth::{self, Credentials};
use crate::error::Error;
use crate::mirrors::{Endpoint, Mirror};

pub(crate) mod blob;
mod error;
mod retry;
mod tls;
mod token;
pub(crate) mod upload;

pub use error::RegistryError;

use token::{Access, Tokens};

const USER_AGENT: &str = concat!("hoist/", env!("CARGO_PKG_VERSION"));

/// How long a connection may take to be made, unless all timeouts are shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of an answer that says what went wrong.
const ERROR_LIMIT: u64 = 64 << 10;

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// False: take any certificate, and plain HTTP where there is no TLS.
    pub tls_verify: bool,
    /// Certificates as containers-certs.d(5) has them in the directory of one registry; without it, its directories are looked at.
    pub cert_dir: Option<PathBuf>,
    /// Who asks, for the registry of the reference; without it, files and helpers are asked.
    pub credentials: Option<Credentials>,
    /// Credentials; without it, the files that docker and podman use are looked at.
    pub authfile: Option<PathBuf>,
    /// Asked before the registry that a name says, in this order; before those of registries.conf.
    pub mirrors: Vec<Mirror>,
    /// Whether containers-registries.conf(5) counts.
    pub registries_conf: bool,
    /// How often a request is repeated that failed in a way that may pass.
    pub retries: u32,
    /// What is waited before the first repetition, unless the registry says how long; each further one waits twice as long.
    pub retry_delay: Duration,
    /// The longest time without a byte, and the longest that a document may take.
    pub timeout: Duration,
}

impl Default for RegistryOptions {
    fn default() -> RegistryOptions {
        RegistryOptions {
            tls_verify: true,
            cert_dir: None,
            credentials: None,
            authfile: None,
            mirrors: Vec::new(),
            registries_conf: true,
            retries: 3,
            retry_delay: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
        }
    }
}

/// What drives connections; all clients of one pull share it, and it outlives them.
///
/// # Errors
/// `Error::Asynchronous` if it is already inside asynchronous code.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    if Handle::try_current().is_ok() {
        return Err(Error::Asynchronous);
    }
    // An error means that somebody chose a provider for this process before us.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // One thread drives the connections; blobs are read from others.
    Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Error::Client)
}

/// A repository in a registry.
pub(crate) struct Client {
    endpoint: Endpoint,
    http: reqwest::Client,
    /// `https` or `http`, once that is known.
    scheme: OnceLock<&'static str>,
    tls_verify: bool,
    tokens: Tokens,
    options: RegistryOptions,
    /// Whoever made the client keeps the runtime itself.
    runtime: Handle,
}

/// A request, which can be sent several times.
pub(crate) struct Call<'a> {
    method: Method,
    /// Below `/v2/REPOSITORY/`, or a whole URL.
    path: &'a str,
    access: Access,
    accept: Option<String>,
    headers: Vec<(HeaderName, String)>,
    body: Option<&'a (dyn Fn() -> reqwest::Body + Sync)>,
    /// Whether the whole answer is to be there within the timeout.
    is_short: bool,
    /// Not to be repeated as it is.
    is_once: bool,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Call<'a> {
        Call { method, path, access: Access::Pull, accept: None, headers: Vec::new(), body: None, is_short: true, is_once: false }
    }

    /// A request that changes something.
    fn push(method: Method, path: &'a str) -> Call<'a> {
        Call { access: Access::Push, ..Call::new(method, path) }
    }

    fn once(mut self) -> Call<'a> {
        self.is_once = true;
        self
    }

    /// What is sent with it, in whatever time that takes.
    fn body(mut self, body: &'a (dyn Fn() -> reqwest::Body + Sync)) -> Call<'a> {
        self.body = Some(body);
        self.is_short = false;
        self
    }

    fn header(mut self, name: HeaderName, value: impl Into<String>) -> Call<'a> {
        self.headers.push((name, value.into()));
        self
    }
}

impl Client {
    /// Prepares a client; nothing is sent yet.
    ///
    /// # Errors
    /// If credentials or certificates cannot be read.
    pub(crate) fn new(endpoint: Endpoint, options: &RegistryOptions, runtime: Handle) -> Result<Client, Error> {
        let credentials = match &options.credentials {
            Some(credentials) if !endpoint.is_mirror => credentials.clone(),
            _ => auth::for_repository(&endpoint.registry, &endpoint.repository, options.authfile.as_deref())?,
        };
        let tls_verify = options.tls_verify && !endpoint.insecure;
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_TIMEOUT.min(options.timeout))
            .read_timeout(options.timeout)
            .tls_danger_accept_invalid_certs(!tls_verify);
        let registry = endpoint.registry.clone();
        let http = tls::certificates(http, &registry, options.cert_dir.as_deref());
        let http = http.and_then(|http| http.build().map_err(RegistryError::client));
        let http = http.map_err(|source| Error::registry(&registry, source))?;
        let scheme = OnceLock::new();
        let tokens = Tokens::new(credentials, endpoint.repository.clone());
        Ok(Client { endpoint, http, scheme, tls_verify, tokens, options: options.clone(), runtime })
    }

    pub(crate) fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    pub(crate) fn repository(&self) -> &str {
        &self.endpoint.repository
    }

    /// `REGISTRY/REPOSITORY`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.endpoint.registry, self.endpoint.repository)
    }

    pub(crate) fn error(&self, source: RegistryError) -> Error {
        Error::registry(self.registry(), source)
    }

    /// Whether the registry speaks TLS. Where that need not be verified, it is tried, as podman does.
    async fn scheme(&self) -> Result<&'static str, RegistryError> {
        if let Some(scheme) = self.scheme.get() {
            return Ok(scheme);
        }
        let mut scheme = "https";
        if !self.tls_verify {
            let url = format!("https://{}/v2/", self.endpoint.host());
            let is_no_tls = |error: reqwest::Error| !error.is_timeout() && (error.is_connect() || error.is_request());
            if self.http.get(&url).timeout(self.options.timeout).send().await.is_err_and(is_no_tls) {
                scheme = "http";
            }
        }
        Ok(self.scheme.get_or_init(|| scheme))
    }

    async fn url(&self, path: &str) -> Result<String, RegistryError> {
        if path.starts_with("https://") || path.starts_with("http://") {
            return Ok(path.to_owned());
        }
        let (host, repository) = (self.endpoint.host(), &self.endpoint.repository);
        Ok(format!("{}://{host}/v2/{repository}/{path}", self.scheme().await?))
    }

    /// Sends a request until it is answered with success.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Response, RegistryError> {
        let url = self.url(call.path).await?;
        let mut retries = retry::Retries::new(&self.options);
        let mut challenged = false;
        loop {
            let error = match self.once(call, &url).await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) if response.status() == StatusCode::UNAUTHORIZED && !challenged => {
                    challenged = true;
                    let authorized = self.tokens.challenge(self, call.access, &response).await;
                    match authorized {
                        Ok(true) => continue,
                        Ok(false) => error::of(response, url.clone()).await,
                        Err(error) => error,
                    }
                }
                Ok(response) => error::of(response, url.clone()).await,
                Err(error) => RegistryError::transport(&url, self.options.timeout, error),
            };
            if call.is_once {
                return Err(error);
            }
            retries.wait(error).await?;
        }
    }

    async fn once(&self, call: &Call<'_>, url: &str) -> Result<Response, reqwest::Error> {
        let mut headers = HeaderMap::new();
        let mut put = |name, value: &str| {
            // What cannot be a header's value came from no registry, whose headers are such values.
            HeaderValue::from_str(value).map(|value| headers.append(name, value)).ok()
        };
        if let Some(accept) = &call.accept {
            put(ACCEPT, accept);
        }
        for (name, value) in &call.headers {
            put(name.clone(), value);
        }
        // Uploads may be sent elsewhere; what the registry said of itself is for itself.
        if let Some(authorization) = self.tokens.authorization(call.access).await.filter(|_| self.is_own(url)) {
            put(AUTHORIZATION, &authorization);
        }
        let mut request = self.http.request(call.method.clone(), url).headers(headers);
        if call.is_short {
            request = request.timeout(self.options.timeout);
        }
        if let Some(body) = call.body {
            request = request.body(body());
        }
        request.send().await
    }

    /// Whether a URL is the registry's.
    fn is_own(&self, url: &str) -> bool {
        let host = self.endpoint.host();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        rest.strip_prefix(host.as_str()).is_some_and(|rest| rest.starts_with('/'))
    }

    /// A document, all of it, with the headers it came with.
    ///
    /// # Errors
    /// `RegistryError::TooLong` beyond `limit` bytes, of which no more are read.
    pub(crate) fn document(&self, path: &str, accept: &[&str], limit: u64) -> Result<(Vec<u8>, HeaderMap), RegistryError> {
        self.runtime.block_on(async {
            let accept = (!accept.is_empty()).then(|| accept.join(", "));
            let response = self.send(&Call { accept, ..Call::new(Method::GET, path) }).await?;
            let headers = response.headers().clone();
            let url = response.url().to_string();
            Ok((bounded(response, &url, limit, self.options.timeout).await?, headers))
        })
    }

    /// Whether there is something: a blob, a manifest.
    pub(crate) fn exists(&self, path: &str) -> Result<bool, RegistryError> {
        match self.runtime.block_on(self.send(&Call::new(Method::HEAD, path))) {
            Ok(_) => Ok(true),
            Err(RegistryError::Status { status: 404, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// The body of an answer, of which no more than `limit` bytes are taken.
async fn bounded(mut response: Response, url: &str, limit: u64, timeout: Duration) -> Result<Vec<u8>, RegistryError> {
    let too_long = |bytes| RegistryError::TooLong { url: url.to_owned(), bytes, limit };
    if let Some(bytes) = response.content_length().filter(|&bytes| bytes > limit) {
        return Err(too_long(bytes));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| RegistryError::transport(url, timeout, error))? {
        body.extend_from_slice(&chunk);
        if body.len() as u64 > limit {
            return Err(too_long(body.len() as u64));
        }
    }
    Ok(body)
}
