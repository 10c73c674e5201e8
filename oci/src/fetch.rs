//! From a source to bytes that can be trusted: sizes and digests are checked as the bytes stream by, and
//! nothing is handed on before its digest is right.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use hoist_vfs::Content;

use crate::Progress;
use crate::digest::{Digest, Hasher};
use crate::error::{Blob, Error};
use crate::manifest::Descriptor;
use crate::source::Source;

/// The most bytes of a manifest, an index or a config. Registries refuse manifests above 4 MiB.
pub(crate) const DOCUMENT_LIMIT: u64 = 8 << 20;

/// A document (manifest, index or config), verified.
pub(crate) fn document(source: &dyn Source, blob: &Blob, descriptor: &Descriptor) -> Result<Vec<u8>, Error> {
    let (bytes, limit) = (descriptor.size, DOCUMENT_LIMIT);
    if bytes > limit {
        let blob = blob.clone();
        return Err(Error::TooLong { blob, bytes, limit });
    }
    let mut stream = Verified::new(source.open(blob, descriptor)?, descriptor, &|_| {});
    let mut document = Vec::new();
    let result = stream.read_to_end(&mut document);
    stream.finish(blob)?;
    result.map(|_| document).map_err(|source| read_error(blob, source))
}

/// What a layer is to be, and where it goes.
pub(crate) struct LayerJob<'a> {
    /// Counted from one.
    pub(crate) number: usize,
    pub(crate) descriptor: &'a Descriptor,
    pub(crate) diff_id: &'a Digest,
    pub(crate) spool_dir: &'a Path,
    /// The most bytes uncompressed.
    pub(crate) limit: u64,
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
    pub(crate) fn fetch(&self, source: &dyn Source, progress: &dyn Progress) -> Result<Content, Error> {
        let blob = self.blob();
        progress.layer_started(self.number, self.descriptor);
        let on_bytes = |bytes| progress.layer_bytes(self.number, bytes);
        let mut stream = Verified::new(source.open(&blob, self.descriptor)?, self.descriptor, &on_bytes);
        let spooled = self.uncompress(&blob, &mut stream);
        stream.finish(&blob)?;
        let (content, actual) = spooled?;
        let expected = self.diff_id.clone();
        if actual != expected {
            return Err(Error::DiffId { blob, expected, actual });
        }
        progress.layer_done(self.number);
        Ok(content)
    }

    /// The uncompressed stream, spooled, and its digest.
    fn uncompress(&self, blob: &Blob, stream: &mut Verified<'_>) -> Result<(Content, Digest), Error> {
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
            if written > self.limit {
                let (blob, bytes, limit) = (blob.clone(), written, self.limit);
                return Err(Error::TooLong { blob, bytes, limit });
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
}

impl<'a> Verified<'a> {
    fn new(inner: Box<dyn Read + 'a>, descriptor: &'a Descriptor, on_bytes: &'a dyn Fn(u64)) -> Self {
        Verified { inner, descriptor, hasher: Hasher::new(descriptor.digest.algorithm()), read: 0, failure: None, on_bytes }
    }

    /// Reads what the decoder left, and checks size and digest.
    fn finish(mut self, blob: &Blob) -> Result<(), Error> {
        // An error lands in `failure`.
        let _ = io::copy(&mut self, &mut io::sink());
        let blob = blob.clone();
        if let Some(source) = self.failure {
            return Err(Error::Read { blob, source });
        }
        let (expected, actual) = (self.descriptor.size, self.read);
        if actual != expected {
            return Err(Error::Size { blob, expected, actual });
        }
        let (expected, actual) = (self.descriptor.digest.clone(), self.hasher.finish());
        match expected == actual {
            true => Ok(()),
            false => Err(Error::Digest { blob, expected, actual }),
        }
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
