//! Files that appear only when they are complete.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct OutputError {
    path: String,
    source: io::Error,
}

/// A file being written beside its destination; gone again if it is not finished.
pub struct Output<'p> {
    path: &'p Path,
    file: BufWriter<NamedTempFile>,
}

impl<'p> Output<'p> {
    /// # Errors
    /// The destination's directory does not exist or cannot be written.
    pub fn create(path: &'p Path) -> Result<Output<'p>, OutputError> {
        let create = || {
            if path.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            NamedTempFile::with_prefix_in(".hoist-", dir)
        };
        let file = create().map_err(|source| error(path, source))?;
        Ok(Output { path, file: BufWriter::with_capacity(1 << 20, file) })
    }

    /// Puts the file in its place; returns its length in bytes.
    ///
    /// # Errors
    /// The disk is full, or the destination cannot be replaced.
    pub fn finish(self) -> Result<u64, OutputError> {
        let path = self.path;
        let finish = || {
            let file = self.file.into_inner().map_err(|error| error.into_error())?;
            // A full disk may show no earlier than here.
            file.as_file().sync_all()?;
            set_mode(&file)?;
            let len = file.as_file().metadata()?.len();
            file.persist(path).map_err(|error| error.error)?;
            Ok(len)
        };
        finish().map_err(|source| error(path, source))
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn error(path: &Path, source: io::Error) -> OutputError {
    OutputError { path: path.display().to_string(), source }
}

/// Temporary files are private; the result has the mode of any new file.
#[cfg(unix)]
fn set_mode(file: &NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // The umask can only be read by creating a file.
    let dir = file.path().parent().unwrap_or(Path::new("."));
    let probe = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(dir)?;
    file.as_file().set_permissions(probe.as_file().metadata()?.permissions())
}

#[cfg(not(unix))]
fn set_mode(_: &NamedTempFile) -> io::Result<()> {
    Ok(())
}
