//! Pushes: the OCI distribution specification's "Push", "Mounting a blob from another repository", "Pushing manifests with
//! subject" and "Referrers tag schema".

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, select};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Method, Response, StatusCode};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::{Call, Client, RegistryError, retry::Retries};
use crate::digest::Digest;

/// Says that the registry keeps track of what refers to what.
const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// How often whoever waits hears how far an upload is.
const TICK: Duration = Duration::from_millis(100);

/// Bytes to push, which can be read several times.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    Bytes(bytes::Bytes),
    File(PathBuf),
}

/// A blob to push.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) data: Data,
}

/// What pushing a blob took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Nothing: the repository had it.
    There,
    /// It was in another repository of the registry.
    Mounted,
    Sent,
}

impl Client {
    /// Sees to it that the repository has a blob. `mount_from` are other repositories of the registry that may have it;
    /// with `chunk` it is sent in pieces of so many bytes.
    pub(crate) fn push_blob(
        &self,
        upload: &Upload,
        mount_from: &[String],
        chunk: Option<u64>,
        on_bytes: &dyn Fn(u64),
    ) -> Result<Pushed, RegistryError> {
        if self.exists(&format!("blobs/{}", upload.digest))? {
            return Ok(Pushed::There);
        }
        let sent = Arc::new(AtomicU64::new(0));
        self.runtime.block_on(async {
            for repository in mount_from {
                self.tokens.also(repository).await;
                // A mount is a favour; without it the blob is sent.
                if let Ok(StatusCode::CREATED) = self.mount(upload, repository).await {
                    return Ok(Pushed::Mounted);
                }
            }
            let mut uploading = pin!(self.upload(upload, chunk, &sent));
            loop {
                match select(uploading, pin!(tokio::time::sleep(TICK))).await {
                    Either::Left((result, _)) => return result.map(|()| Pushed::Sent),
                    Either::Right(((), rest)) => uploading = rest,
                }
                on_bytes(sent.load(Ordering::Relaxed));
            }
        })
    }

    async fn mount(&self, upload: &Upload, repository: &str) -> Result<StatusCode, RegistryError> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("mount", &upload.digest.to_string())
            .append_pair("from", repository)
            .finish();
        let path = format!("blobs/uploads/?{query}");
        let response = self.send(&Call::push(Method::POST, &path).header(CONTENT_LENGTH, "0")).await?;
        if response.status() == StatusCode::ACCEPTED {
            // An upload was begun instead, which nobody will go on with.
            let location = self.location(&response)?;
            let _ = self.send(&Call::push(Method::DELETE, &location).once()).await;
        }
        Ok(response.status())
    }

    /// Sends a blob, again from the start where that may help. A registry that does not take it in one piece gets pieces.
    async fn upload(&self, upload: &Upload, chunk: Option<u64>, sent: &Arc<AtomicU64>) -> Result<(), RegistryError> {
        let mut retries = Retries::new(&self.options);
        let mut chunk = chunk;
        loop {
            sent.store(0, Ordering::Relaxed);
            let error = match chunk {
                None => self.monolithic(upload, sent).await,
                Some(bytes) => self.chunked(upload, bytes.max(1), sent).await,
            };
            match error {
                Ok(()) => return Ok(()),
                Err(RegistryError::Status { status: 413, .. }) if chunk.is_none() => chunk = Some(CHUNK),
                Err(error) => retries.wait(error).await?,
            }
        }
    }

    async fn begin(&self) -> Result<String, RegistryError> {
        let response = self.send(&Call::push(Method::POST, "blobs/uploads/").header(CONTENT_LENGTH, "0")).await?;
        self.location(&response)
    }

    /// All in one request.
    async fn monolithic(&self, upload: &Upload, sent: &Arc<AtomicU64>) -> Result<(), RegistryError> {
        let location = with_digest(&self.begin().await?, &upload.digest);
        let body = body(&upload.data, 0, upload.size, sent)?;
        let call = Call::push(Method::PUT, &location).once().body(&body);
        let call = call.header(CONTENT_TYPE, "application/octet-stream").header(CONTENT_LENGTH, upload.size.to_string());
        self.send(&call).await.map(drop)
    }

    /// Piece by piece, in order.
    async fn chunked(&self, upload: &Upload, bytes: u64, sent: &Arc<AtomicU64>) -> Result<(), RegistryError> {
        let mut location = self.begin().await?;
        let mut offset = 0;
        while offset < upload.size {
            let count = bytes.min(upload.size - offset);
            let body = body(&upload.data, offset, count, sent)?;
            let call = Call::push(Method::PATCH, &location).once().body(&body);
            let call = call
                .header(CONTENT_TYPE, "application/octet-stream")
                .header(CONTENT_LENGTH, count.to_string())
                .header(CONTENT_RANGE, format!("{offset}-{}", offset + count - 1));
            let response = self.send(&call).await?;
            location = self.location(&response)?;
            offset += count;
        }
        let location = with_digest(&location, &upload.digest);
        self.send(&Call::push(Method::PUT, &location).once().header(CONTENT_LENGTH, "0")).await.map(drop)
    }

    /// Where to send what follows: a URL, or a path of the registry.
    fn location(&self, response: &Response) -> Result<String, RegistryError> {
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        let url = location.and_then(|location| response.url().join(location).ok());
        url.map(String::from).ok_or_else(|| RegistryError::NoLocation { url: response.url().to_string() })
    }

    /// Pushes a manifest, by tag or digest. True if the registry noted that it has a subject.
    pub(crate) fn push_manifest(&self, name: &str, media_type: &str, json: &[u8]) -> Result<bool, RegistryError> {
        let bytes = bytes::Bytes::copy_from_slice(json);
        let path = format!("manifests/{name}");
        let body = move || reqwest::Body::from(bytes.clone());
        let call = Call::push(Method::PUT, &path).header(CONTENT_TYPE, media_type).body(&body);
        let response = self.runtime.block_on(self.send(&call))?;
        Ok(response.headers().contains_key(OCI_SUBJECT))
    }
}

/// Pieces for a registry that does not take a blob in one.
const CHUNK: u64 = 16 << 20;

fn with_digest(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// Makes the body of a request as often as it is needed: a part of the data, counted as it is sent.
fn body(
    data: &Data,
    offset: u64,
    count: u64,
    sent: &Arc<AtomicU64>,
) -> Result<Box<dyn Fn() -> reqwest::Body + Send + Sync>, RegistryError> {
    match data {
        Data::Bytes(bytes) => {
            let part = bytes.slice(offset as usize..(offset + count) as usize);
            Ok(Box::new(move || reqwest::Body::from(part.clone())))
        }
        Data::File(path) => {
            let read = |source| RegistryError::Read { path: path.clone(), source };
            let file = Arc::new(File::open(path).map_err(read)?);
            let sent = Arc::clone(sent);
            Ok(Box::new(move || {
                let sent = Arc::clone(&sent);
                let part = part(&file, offset, count);
                let pieces = futures_util::stream::once(async move { part }).flat_map(|part| match part {
                    Ok(part) => Either::Left(ReaderStream::with_capacity(part, PIECE)),
                    Err(error) => Either::Right(futures_util::stream::iter([Err(error)])),
                });
                reqwest::Body::wrap_stream(pieces.inspect(move |piece| {
                    sent.fetch_add(piece.as_ref().map_or(0, |piece| piece.len() as u64), Ordering::Relaxed);
                }))
            }))
        }
    }
}

/// Bytes that are read from a file at a time.
const PIECE: usize = 1 << 18;

fn part(file: &File, offset: u64, count: u64) -> std::io::Result<tokio::io::Take<tokio::fs::File>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(tokio::fs::File::from_std(file).take(count))
}
