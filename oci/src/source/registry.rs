//! Registries, over HTTP: the OCI distribution specification's pull.

use std::io::{self, Cursor, Read};
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::StreamExt;
use oci_client::client::{ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use tokio::runtime::{Builder, Handle, Runtime};

use super::{Source, Start};
use crate::PullOptions;
use crate::auth;
use crate::error::{Blob, Error};
use crate::manifest::{DOCUMENT_TYPES, Descriptor};
use crate::reference::RegistryReference;

/// How long a registry may take to accept a connection, and to say anything at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
const READ_TIMEOUT: Duration = Duration::from_secs(120);

const USER_AGENT: &str = concat!("hoist/", env!("CARGO_PKG_VERSION"));

/// A repository in a registry, and which of its images is meant.
pub(super) struct Registry {
    name: RegistryReference,
    auth: RegistryAuth,
    tls_verify: bool,
    /// Set by the first request, which finds out whether the registry speaks TLS.
    client: OnceLock<Client>,
    runtime: Runtime,
}

impl Registry {
    /// Prepares a client; nothing is sent yet.
    pub(super) fn new(name: &RegistryReference, options: &PullOptions) -> Result<Registry, Error> {
        if Handle::try_current().is_ok() {
            return Err(Error::Asynchronous);
        }
        // An error means that somebody chose a provider for this process before us.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // One thread drives the connections; layers are read from others.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(Error::Client)?;
        Ok(Registry {
            name: name.clone(),
            auth: auth::for_repository(name, options.authfile.as_deref())?,
            tls_verify: options.tls_verify,
            client: OnceLock::new(),
            runtime,
        })
    }

    fn new_client(&self, protocol: ClientProtocol) -> Result<Client, OciDistributionError> {
        let config = ClientConfig {
            protocol,
            accept_invalid_certificates: !self.tls_verify,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        Client::try_from(config)
    }

    /// The client, once a request has told which protocol it is.
    fn client(&self) -> Result<&Client, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.connect()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Logs in, over TLS; where TLS need not be verified and the registry does not speak it, without it, as
    /// podman does.
    fn connect(&self) -> Result<Client, Error> {
        let login = |protocol| {
            let client = self.new_client(protocol)?;
            let token = client.auth(&self.name.0, &self.auth, RegistryOperation::Pull);
            self.runtime.block_on(token).map(|_| client)
        };
        let is_no_tls = |error: &OciDistributionError| match error {
            OciDistributionError::RequestError(error) => error.is_connect() || error.is_request(),
            _ => false,
        };
        let client = match login(ClientProtocol::Https) {
            Err(error) if !self.tls_verify && is_no_tls(&error) => login(ClientProtocol::Http),
            client => client,
        };
        client.map_err(|error| self.error(error))
    }

    /// A manifest or an index, by tag or digest.
    fn document(&self, reference: &oci_client::Reference) -> Result<Vec<u8>, Error> {
        let client = self.client()?;
        let document = client.pull_manifest_raw(reference, &self.auth, &DOCUMENT_TYPES);
        match self.runtime.block_on(document) {
            Ok((bytes, _)) => Ok(bytes.to_vec()),
            Err(error) => Err(self.error(error)),
        }
    }

    /// The client's error in docker's words.
    fn error(&self, error: OciDistributionError) -> Error {
        use OciErrorCode as Code;
        let codes: Vec<&Code> = match &error {
            OciDistributionError::RegistryError { envelope, .. } => envelope.errors.iter().map(|error| &error.code).collect(),
            _ => Vec::new(),
        };
        let is = |wanted: &[Code]| codes.iter().any(|code| wanted.contains(code));
        let repository = || format!("{}/{}", self.name.registry(), self.name.repository());
        match error {
            // Found by the client, for what was asked for by tag or digest; in our words.
            OciDistributionError::DigestError(DigestError::VerificationError { expected, actual }) => {
                match (expected.parse(), actual.parse()) {
                    (Ok(expected), Ok(actual)) => Error::Digest { blob: Blob::Manifest(None), expected, actual },
                    _ => self.registry_error(DigestError::VerificationError { expected, actual }.into()),
                }
            }
            _ if is(&[Code::ManifestUnknown, Code::BlobUnknown, Code::NotFound]) => Error::NotFound(self.name.to_string()),
            OciDistributionError::ServerError { code: 404, .. } => Error::NotFound(self.name.to_string()),
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                Error::AccessDenied(repository())
            }
            _ if is(&[Code::NameUnknown, Code::Unauthorized, Code::Denied]) => Error::AccessDenied(repository()),
            error => self.registry_error(error),
        }
    }

    fn registry_error(&self, error: OciDistributionError) -> Error {
        Error::Registry { registry: self.name.registry().to_owned(), source: Box::new(error) }
    }
}

impl Source for Registry {
    fn start(&self) -> Result<Start, Error> {
        // By tag, the registry's word is all there is. By digest, size and all are checked later; the
        // client has checked the digest.
        self.document(&self.name.0).map(Start::Document)
    }

    fn open(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        let digest = descriptor.digest.to_string();
        if matches!(blob, Blob::Index(_) | Blob::Manifest(_)) {
            let reference = self.name.0.clone_with_digest(digest);
            return Ok(Box::new(Cursor::new(self.document(&reference)?)));
        }
        let layer = OciDescriptor { digest, media_type: descriptor.media_type.clone(), ..OciDescriptor::default() };
        let client = self.client()?;
        let stream = self.runtime.block_on(client.pull_blob_stream(&self.name.0, &layer));
        Ok(Box::new(BlobReader {
            runtime: &self.runtime,
            stream: stream.map_err(|error| match self.error(error) {
                Error::NotFound(_) => Error::MissingBlob { blob: blob.clone() },
                error => error,
            })?,
            chunk: Cursor::default(),
        }))
    }
}

/// A blob's stream as a blocking reader.
struct BlobReader<'a> {
    runtime: &'a Runtime,
    stream: SizedStream,
    chunk: Cursor<Vec<u8>>,
}

impl Read for BlobReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.chunk.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.runtime.block_on(self.stream.next()) {
                Some(Ok(chunk)) => self.chunk = Cursor::new(chunk.into()),
                Some(Err(error)) if is_wrong_digest(&error) => return Ok(0),
                Some(Err(error)) => return Err(error),
                None => return Ok(0),
            }
        }
    }
}

/// Whether the client found the blob's digest wrong. That is an end like any other here: the digest is
/// checked once for all sources, with one message.
fn is_wrong_digest(error: &io::Error) -> bool {
    let digest_error = error.get_ref();
    digest_error.is_some_and(|error| error.is::<DigestError>())
}
