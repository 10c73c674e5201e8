//! From a source to bytes that can be trusted: sizes and digests are checked as the bytes stream by, and
//! nothing is handed on before its digest is right.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hoist_vfs::Content;

use crate::cache::{BlobCache, Lookup, Pending};
use crate::digest::{Digest, Hasher};
use crate::error::{Blob, Error};
use crate::manifest::Descriptor;
use crate::source::Source;
use crate::{Limits, Progress, PullOptions};

/// How often the cache is asked for a blob, which may be damaged there and brought anew by another process.
const CACHE_TRIES: usize = 2;

/// Bytes that are taken at a time where nothing is done with them but to keep them.
const BUFFER: usize = 1 << 18;

/// Where blobs come from: a source, and for a registry the cache before it.
pub(crate) struct Fetcher<'a> {
    pub(crate) source: &'a dyn Source,
    cache: Option<&'a BlobCache>,
    limits: &'a Limits,
    /// Bytes of all layers so far, uncompressed.
    uncompressed: AtomicU64,
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(source: &'a dyn Source, options: &'a PullOptions) -> Fetcher<'a> {
        let cache = options.cache.as_ref().filter(|_| source.is_remote());
        Fetcher { source, cache, limits: &options.limits, uncompressed: AtomicU64::new(0) }
    }

    /// A document (manifest, index or config), verified.
    pub(crate) fn document(&self, blob: &Blob, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
        let (bytes, limit) = (descriptor.size, self.limits.document);
        if bytes > limit {
            let blob = blob.clone();
            return Err(Error::TooLong { blob, bytes, limit });
        }
        self.verified(blob, descriptor, &|_| {}, |stream| {
            let mut document = Vec::new();
            let result = stream.read_to_end(&mut document);
            result.map(|_| document).map_err(|source| read_error(blob, source))
        })
    }

    /// Brings a blob into the cache unless it is there; gives whether it was. What is there is verified too.
    ///
    /// # Errors
    /// `Error::Keep` if the cache does not take it.
    pub(crate) fn keep(&self, blob: &Blob, descriptor: &Descriptor, on_bytes: &dyn Fn(u64)) -> Result<bool, Error> {
        let drained = |stream: &mut Verified<'_>| {
            stream.drain();
            Ok(())
        };
        match self.verified_and_kept(blob, descriptor, on_bytes, drained)? {
            ((), Kept::Before) => Ok(true),
            ((), Kept::Now) => Ok(false),
            ((), Kept::Not(source)) => Err(Error::Keep { blob: blob.clone(), source }),
        }
    }

    /// As `verified_and_kept`, for whom what could not be kept is no loss.
    fn verified<T>(
        &self,
        blob: &Blob,
        descriptor: &Descriptor,
        on_bytes: &dyn Fn(u64),
        take: impl FnMut(&mut Verified<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.verified_and_kept(blob, descriptor, on_bytes, take).map(|(taken, _)| taken)
    }

    /// Gives a blob's bytes to `take`, checks them, and keeps them in the cache if they were right. What is wrong with the
    /// bytes counts before what `take` made of them. If the cache's own are wrong, the source is asked.
    fn verified_and_kept<T>(
        &self,
        blob: &Blob,
        descriptor: &Descriptor,
        on_bytes: &dyn Fn(u64),
        mut take: impl FnMut(&mut Verified<'_>) -> Result<T, Error>,
    ) -> Result<(T, Kept), Error> {
        let mut pending = Err(io::ErrorKind::Unsupported.into());
        for cache in self.cache.into_iter().cycle().take(CACHE_TRIES) {
            match cache.look_up(&descriptor.digest) {
                Lookup::Hit(file) => {
                    let mut stream =
                        Verified::new(Box::new(file), descriptor, on_bytes, Err(io::ErrorKind::AlreadyExists.into()));
                    let taken = take(&mut stream);
                    if stream.finish(blob).is_ok() {
                        return taken.map(|taken| (taken, Kept::Before));
                    }
                    cache.discard(&descriptor.digest);
                }
                Lookup::Miss(miss) => {
                    pending = miss;
                    break;
                }
            }
        }
        let mut stream = Verified::new(self.source.open(blob, descriptor)?, descriptor, on_bytes, pending);
        let taken = take(&mut stream);
        let kept = stream.finish(blob)?;
        taken.map(|taken| (taken, kept))
    }
}

/// Whether the cache has a blob.
enum Kept {
    /// It had it.
    Before,
    Now,
    /// There is no cache, or it took nothing.
    Not(io::Error),
}

/// What a layer is to be, and where it goes.
pub(crate) struct LayerJob<'a> {
    /// Counted from one.
    pub(crate) number: usize,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) diff_id: &'a Digest,
    pub(crate) spool_dir: &'a Path,
}

impl LayerJob<'_> {
    pub(crate) fn blob(&self) -> Blob {
        Blob::Layer { number: self.number, digest: self.descriptor.digest.clone() }
    }

    /// Fetches, verifies and uncompresses the layer into a file without a name, which goes when the
    /// content is dropped.
    ///
    /// # Errors
    /// A wrong digest is reported before what it made of the decompression.
    pub(crate) fn fetch(&self, fetcher: &Fetcher<'_>, progress: &dyn Progress) -> Result<Content, Error> {
        let blob = self.blob();
        progress.layer_started(self.number, self.descriptor);
        let on_bytes = |bytes| progress.layer_bytes(self.number, bytes);
        let uncompress = |stream: &mut Verified<'_>| self.uncompress(&blob, stream, fetcher);
        let (content, actual) = fetcher.verified(&blob, self.descriptor, &on_bytes, uncompress)?;
        let expected = self.diff_id.clone();
        if actual != expected {
            return Err(Error::DiffId { blob, expected, actual });
        }
        progress.layer_done(self.number);
        Ok(content)
    }

    /// The uncompressed stream, spooled, and its digest.
    fn uncompress(&self, blob: &Blob, stream: &mut Verified<'_>, fetcher: &Fetcher<'_>) -> Result<(Content, Digest), Error> {
        let spool_error = |source| Error::Spool { dir: self.spool_dir.to_owned(), source };
        let mut file = tempfile::tempfile_in(self.spool_dir).map_err(spool_error)?;
        let mut hasher = Hasher::new(self.diff_id.algorithm());
        let mut decoder = Decoder::new(&mut *stream).map_err(|source| read_error(blob, source))?;
        if let Decoder::Unknown(format) = decoder {
            let blob = blob.clone();
            return Err(Error::Compression { blob, format });
        }
        let mut written = 0_u64;
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = match decoder.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let format = decoder.format();
                    drop(decoder);
                    return Err(self.decode_error(blob, format, stream.read, written, source));
                }
            };
            written += count as u64;
            let limit = fetcher.limits.bytes;
            if fetcher.uncompressed.fetch_add(count as u64, Ordering::Relaxed) + count as u64 > limit {
                let blob = blob.clone();
                return Err(Error::TooBig { blob, limit });
            }
            hasher.update(&buffer[..count]);
            file.write_all(&buffer[..count]).map_err(spool_error)?;
        }
        Ok((spooled(file, written), hasher.finish()))
    }

    fn decode_error(&self, blob: &Blob, format: Option<&'static str>, read: u64, written: u64, source: io::Error) -> Error {
        let blob = blob.clone();
        match format {
            Some(format) => Error::Decompress { blob, format, read, written, source },
            None => Error::Read { blob, source },
        }
    }
}

/// All of a file as a content.
pub(crate) fn spooled(file: File, len: u64) -> Content {
    Content::Spool { file: Arc::new(file), offset: 0, len }
}

fn read_error(blob: &Blob, source: io::Error) -> Error {
    let blob = blob.clone();
    Error::Read { blob, source }
}

/// A stream that counts and digests what is read from it.
struct Verified<'a> {
    inner: Box<dyn Read + 'a>,
    descriptor: &'a Descriptor,
    hasher: Hasher,
    read: u64,
    /// The source's own failure, which decoders tend to hide behind theirs.
    failure: Option<io::Error>,
    on_bytes: &'a dyn Fn(u64),
    /// Where the bytes are kept, or why they are not.
    pending: io::Result<Pending>,
}

impl<'a> Verified<'a> {
    fn new(
        inner: Box<dyn Read + 'a>,
        descriptor: &'a Descriptor,
        on_bytes: &'a dyn Fn(u64),
        pending: io::Result<Pending>,
    ) -> Verified<'a> {
        let hasher = Hasher::new(descriptor.digest.algorithm());
        Verified { inner, descriptor, hasher, read: 0, failure: None, on_bytes, pending }
    }

    /// Reads what is left.
    fn drain(&mut self) {
        let mut buffer = vec![0; BUFFER];
        // An error lands in `failure`, after which there is nothing to read.
        while !matches!(self.read(&mut buffer), Ok(0)) {}
    }

    /// Reads what the decoder left, and checks size and digest.
    fn finish(mut self, blob: &Blob) -> Result<Kept, Error> {
        self.drain();
        let blob = blob.clone();
        if let Some(source) = self.failure {
            return Err(Error::Read { blob, source });
        }
        let (expected, actual) = (self.descriptor.size, self.read);
        if actual != expected {
            return Err(Error::Size { blob, expected, actual });
        }
        let (expected, actual) = (self.descriptor.digest.clone(), self.hasher.finish());
        if expected != actual {
            return Err(Error::Digest { blob, expected, actual });
        }
        Ok(match self.pending.and_then(Pending::finish) {
            Ok(()) => Kept::Now,
            Err(error) => Kept::Not(error),
        })
    }
}

impl Read for Verified<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // One byte more than promised tells that there is more; further ones tell nothing.
        let left = (self.descriptor.size + 1).saturating_sub(self.read);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if count == 0 || self.failure.is_some() {
            return Ok(0);
        }
        match self.inner.read(&mut buffer[..count]) {
            Ok(count) => {
                self.hasher.update(&buffer[..count]);
                if let Ok(pending) = &mut self.pending {
                    pending.write(&buffer[..count]);
                }
                self.read += count as u64;
                (self.on_bytes)(self.read.min(self.descriptor.size));
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                let kind = error.kind();
                self.failure = Some(error);
                Err(kind.into())
            }
        }
    }
}

/// Uncompresses what the first bytes say it is; media types are often wrong about it.
pub(crate) enum Decoder<'a> {
    Plain(Box<dyn BufRead + 'a>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Box<dyn BufRead + 'a>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Box<dyn BufRead + 'a>>>),
    /// A format that is recognised and not read.
    Unknown(&'static str),
}

impl<'a> Decoder<'a> {
    /// Looks at the first bytes.
    pub(crate) fn new(mut stream: impl Read + 'a) -> io::Result<Decoder<'a>> {
        let mut magic = Vec::new();
        stream.by_ref().take(6).read_to_end(&mut magic)?;
        let head = io::Cursor::new(magic.clone());
        let whole: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 17, head.chain(stream)));
        Ok(match magic[..] {
            [0x1f, 0x8b, ..] => Decoder::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(whole))),
            // A frame, or a skippable frame before one, as zstd:chunked and pzstd write it.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                Decoder::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(whole)?))
            }
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Decoder::Unknown("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Decoder::Unknown("xz"),
            _ => Decoder::Plain(whole),
        })
    }

    /// The name of the compression; `None` for a stream that is not compressed.
    pub(crate) fn format(&self) -> Option<&'static str> {
        match self {
            Decoder::Plain(_) => None,
            Decoder::Gzip(_) => Some("gzip"),
            Decoder::Zstd(_) => Some("zstd"),
            Decoder::Unknown(format) => Some(format),
        }
    }
}

impl Read for Decoder<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Decoder::Plain(stream) => stream.read(buffer),
            Decoder::Gzip(stream) => stream.read(buffer),
            Decoder::Zstd(stream) => stream.read(buffer),
            Decoder::Unknown(format) => Err(io::Error::other(format!("compressed with {format}"))),
        }
    }
}
