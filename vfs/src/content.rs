//! A file's bytes, in memory or in a spool file, so that a large image need not lie in memory.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

/// The bytes of one regular file. Cloning shares them.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Bytes(Arc<[u8]>),
    /// `len` bytes from `offset` of a file that nobody changes while the tree is in use.
    Spool { file: Arc<File>, offset: u64, len: u64 },
}

impl Content {
    /// Bytes in memory.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Content {
        Content::Bytes(bytes.into())
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Spool { len, .. } => *len,
        }
    }

    /// True if there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` from byte `offset` of the content; a shorter count than asked for only at its end.
    ///
    /// # Errors
    /// What reading the spool file gave; `UnexpectedEof` if it is shorter than the content it should hold.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.len().saturating_sub(offset);
        let count = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let buffer = &mut buffer[..count];
        if count == 0 {
            return Ok(0);
        }
        match self {
            // `rest` is not zero, so `offset` is below the length and fits usize.
            Content::Bytes(bytes) => buffer.copy_from_slice(&bytes[offset as usize..][..count]),
            Content::Spool { file, offset: base, .. } => {
                let position = base.checked_add(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
                read_exact_at(file, buffer, position)?;
            }
        }
        Ok(count)
    }

    /// A reader of the whole content from its start. Any number of readers can be at work at once.
    pub fn reader(&self) -> ContentReader<'_> {
        ContentReader { content: self, position: 0 }
    }

    /// The whole content in memory: shared if it is there already, read from the spool file otherwise.
    ///
    /// # Errors
    /// As [`Content::read_at`].
    pub fn to_bytes(&self) -> io::Result<Arc<[u8]>> {
        match self {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Spool { len, .. } => {
                let length = usize::try_from(*len).map_err(|_| io::ErrorKind::OutOfMemory)?;
                let mut bytes = vec![0; length];
                self.read_at(0, &mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

impl Default for Content {
    /// No bytes.
    fn default() -> Content {
        Content::Bytes(Arc::from([]))
    }
}

/// Reads a [`Content`] from its start.
#[derive(Debug)]
pub struct ContentReader<'a> {
    content: &'a Content,
    position: u64,
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read_at(self.position, buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// Fills `buffer` from `position` without moving a cursor that other readers of the file share.
#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, position)
}

/// Fills `buffer` from `position`; Windows moves the cursor, which nothing here relies on.
#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buffer.is_empty() {
        let count = file.seek_read(buffer, position)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[count..];
        position += count as u64;
    }
    Ok(())
}
