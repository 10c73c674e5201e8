//! Files that appear only when they are complete.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tempfile::{NamedTempFile, TempPath};

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
    file: BufWriter<File>,
    /// Where it is until it is finished.
    place: TempPath,
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
            // The error of a temporary file would name that file.
            dir.metadata()?;
            temporary(dir)
        };
        let (file, place) = create().map_err(|source| error(path, source))?.into_parts();
        Ok(Output { path, file: BufWriter::with_capacity(1 << 20, file), place })
    }

    /// What an error of writing to this file means to a user.
    pub fn error(&self, source: io::Error) -> OutputError {
        error(self.path, source)
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
            file.sync_all()?;
            let len = file.metadata()?.len();
            self.place.persist(path).map_err(|error| error.error)?;
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

/// A temporary file with the mode of any new file: they are private by default, the umask decides here.
fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hoist-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_only_when_it_is_finished() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("out");
        let mut abandoned = Output::create(&path).expect("a file");
        abandoned.write_all(b"half").expect("space");
        drop(abandoned);
        assert_eq!(std::fs::read_dir(dir.path()).expect("the directory").count(), 0);
        let mut whole = Output::create(&path).expect("a file");
        whole.write_all(b"whole").expect("space");
        assert!(!path.exists());
        assert_eq!(whole.finish().expect("success"), 5);
        assert_eq!(std::fs::read(&path).expect("the file"), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).expect("the directory").count(), 1);
    }

    #[test]
    fn a_bad_place_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let nowhere = dir.path().join("no/such");
        let error = |path: &Path| Output::create(path).map(drop).expect_err("an error").to_string();
        assert!(error(&nowhere).ends_with("no/such: No such file or directory (os error 2)"));
        assert!(error(dir.path()).ends_with("is a directory"));
    }
}
