//! Registries as sources: the distribution specification's pull, from the first mirror that has the image.

use std::io::{Cursor, Read};
use std::sync::{Arc, OnceLock};

use oci_client::errors::OciErrorCode as Code;
use tokio::runtime::Runtime;

use super::{Source, Start};
use crate::PullOptions;
use crate::digest::Digest;
use crate::error::{Blob, Error};
use crate::manifest::{DOCUMENT_TYPES, Descriptor};
use crate::mirrors::{self, Endpoint};
use crate::reference::RegistryReference;
use crate::registry::{self, Client, RegistryError};

/// A repository in a registry, and which of its images is meant.
pub(super) struct Registry {
    name: RegistryReference,
    options: PullOptions,
    /// Where the image may be, in this order.
    endpoints: Vec<Endpoint>,
    /// The one that has it.
    client: OnceLock<Arc<Client>>,
    // After the clients: fields are dropped in this order.
    runtime: Runtime,
}

impl Registry {
    /// Finds out whom to ask; nothing is sent yet.
    pub(super) fn new(name: &RegistryReference, options: &PullOptions) -> Result<Registry, Error> {
        let endpoints = mirrors::endpoints(name, &options.registry)?;
        Ok(Registry {
            name: name.clone(),
            options: options.clone(),
            endpoints,
            client: OnceLock::new(),
            runtime: registry::runtime()?,
        })
    }

    /// The manifest or index that the name leads to, and who has it.
    fn find(&self) -> Result<(Arc<Client>, Vec<u8>), Error> {
        let wanted = self.name.digest().or(self.name.tag()).unwrap_or("latest");
        let mut failures: Vec<Error> = Vec::new();
        for endpoint in &self.endpoints {
            let client = Client::new(endpoint.clone(), &self.options.registry, self.runtime.handle().clone()).map(Arc::new);
            let found = client.and_then(|client| {
                let bytes = self.document(&client, wanted, &Blob::Manifest(None))?;
                Ok((client, bytes))
            });
            match found {
                Ok(found) => return Ok(found),
                Err(error) => failures.push(error),
            }
        }
        let last = failures.pop().unwrap_or_else(|| Error::NotFound(self.name.to_string()));
        let mirrors = failures.iter().map(|error| error.to_string()).collect::<Vec<_>>();
        match mirrors.is_empty() {
            true => Err(last),
            false => Err(Error::Mirrors { error: Box::new(last), mirrors }),
        }
    }

    /// A manifest or an index, by tag or digest, as long as it is allowed to be. If the answer says its digest, that is checked.
    fn document(&self, client: &Client, wanted: &str, blob: &Blob) -> Result<Vec<u8>, Error> {
        let limit = self.options.limits.document;
        let document = client.document(&format!("manifests/{wanted}"), &DOCUMENT_TYPES, limit);
        let (bytes, headers) = document.map_err(|error| self.error(client, blob, error))?;
        let said = headers.get("docker-content-digest").and_then(|digest| digest.to_str().ok());
        for expected in [Some(wanted), said].into_iter().flatten().filter_map(|digest| digest.parse::<Digest>().ok()) {
            let actual = Digest::by(expected.algorithm(), &bytes);
            if expected != actual {
                return Err(Error::Digest { blob: blob.clone(), expected, actual });
            }
        }
        Ok(bytes)
    }

    /// The client, of whom the name was asked already or is asked now.
    fn client(&self) -> Result<&Arc<Client>, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let (client, _) = self.find()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// A registry's refusal in docker's words.
    fn error(&self, client: &Client, blob: &Blob, error: RegistryError) -> Error {
        match error {
            RegistryError::TooLong { bytes, limit, .. } => Error::TooLong { blob: blob.clone(), bytes, limit },
            error if error.has(&[Code::ManifestUnknown, Code::BlobUnknown, Code::NotFound]) => {
                Error::NotFound(self.name.to_string())
            }
            error if error.has(&[Code::NameUnknown, Code::Unauthorized, Code::Denied]) => denied(client, error),
            error => match error.status() {
                Some(404) => Error::NotFound(self.name.to_string()),
                Some(401 | 403) => denied(client, error),
                _ => client.error(error),
            },
        }
    }
}

fn denied(client: &Client, error: RegistryError) -> Error {
    let status = error.status().unwrap_or_default();
    Error::AccessDenied { name: client.name(), status, source: Box::new(error) }
}

impl Source for Registry {
    fn start(&self) -> Result<Start, Error> {
        let (client, document) = self.find()?;
        self.client.get_or_init(|| client);
        Ok(Start::Document(document))
    }

    fn open(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        let (digest, client) = (descriptor.digest.to_string(), self.client()?);
        if matches!(blob, Blob::Index(_) | Blob::Manifest(_)) {
            return Ok(Box::new(Cursor::new(self.document(client, &digest, blob)?)));
        }
        let reader = client.blob(&digest).map_err(|error| match self.error(client, blob, error) {
            Error::NotFound(_) => Error::MissingBlob { blob: blob.clone() },
            error => error,
        })?;
        Ok(Box::new(reader))
    }

    fn is_remote(&self) -> bool {
        true
    }
}
