//! Reads a blob; where the connection breaks, another one reads on.

use std::io::{self, Read};
use std::sync::Arc;

use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Call, Client, RANGE, RegistryError, retry::Retries};

/// Pieces that wait to be read.
const AHEAD: usize = 32;

/// After so many bytes a further break counts as the first.
const PROGRESS: u64 = 1 << 20;

/// A blob's bytes, as they come.
pub(crate) struct BlobReader {
    pieces: Receiver<Result<Piece, RegistryError>>,
    piece: Piece,
}

type Piece = bytes::Bytes;

impl Client {
    /// Begins to read a blob.
    ///
    /// # Errors
    /// What the registry says before it sends any of it.
    pub(crate) fn blob(self: &Arc<Client>, digest: &str) -> Result<BlobReader, RegistryError> {
        let path = format!("blobs/{digest}");
        let response = self.runtime.block_on(self.send(&Call { is_short: false, ..Call::new(Method::GET, &path) }))?;
        let (sender, pieces) = channel(AHEAD);
        self.runtime.spawn(pump(Arc::clone(self), path, response, sender));
        Ok(BlobReader { pieces, piece: Piece::new() })
    }
}

/// Sends on what comes, until it ends or nobody wants it.
async fn pump(client: Arc<Client>, path: String, mut response: Response, sender: Sender<Result<Piece, RegistryError>>) {
    let (mut offset, mut broken_at) = (0_u64, 0_u64);
    let mut retries = Retries::new(&client.options);
    loop {
        let error = match response.chunk().await {
            Ok(None) => return,
            Ok(Some(piece)) => {
                offset += piece.len() as u64;
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
                continue;
            }
            Err(source) => RegistryError::Transport { source },
        };
        if offset >= broken_at + PROGRESS {
            retries = Retries::new(&client.options);
        }
        broken_at = offset;
        let next = match retries.wait(error).await {
            Ok(()) => resume(&client, &path, offset).await,
            Err(error) => Err(error),
        };
        match next {
            Ok(next) => response = next,
            Err(error) => {
                // Nobody may be there to hear it.
                let _ = sender.send(Err(error)).await;
                return;
            }
        }
    }
}

/// The rest of a blob from a byte on.
async fn resume(client: &Client, path: &str, offset: u64) -> Result<Response, RegistryError> {
    let call = Call { is_short: false, ..Call::new(Method::GET, path) }.header(RANGE, format!("bytes={offset}-"));
    let mut response = client.send(&call).await?;
    let is_from =
        |range: &str| range.strip_prefix("bytes ").and_then(|range| range.split('-').next()?.parse().ok()) == Some(offset);
    let range = response.headers().get(reqwest::header::CONTENT_RANGE).and_then(|range| range.to_str().ok());
    if response.status() == StatusCode::PARTIAL_CONTENT && range.is_some_and(is_from) {
        return Ok(response);
    }
    // All of it again: what is known is passed over. What is left of the piece it ends in would be lost, so it is cut.
    let mut skipped = 0;
    while skipped < offset {
        let piece = response.chunk().await.map_err(|source| RegistryError::Transport { source })?;
        let Some(piece) = piece else { break };
        skipped += piece.len() as u64;
        if skipped > offset {
            let rest = piece.slice((piece.len() as u64 - (skipped - offset)) as usize..);
            return Ok(with_first(rest, response));
        }
    }
    Ok(response)
}

/// An answer whose body begins with a piece that was read already.
fn with_first(first: Piece, response: Response) -> Response {
    use futures_util::StreamExt;
    let first = futures_util::stream::once(async { Ok::<_, reqwest::Error>(first) });
    let body = reqwest::Body::wrap_stream(first.chain(response.bytes_stream()));
    http::Response::new(body).into()
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(0),
            }
        }
        let count = self.piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
