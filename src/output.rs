//! Files that appear only when they are complete.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct OutputError {
    path: String,
    source: io::Error,
}

/// A file being written beside its destination; gone again if it is not finished.
pub struct Output<'p> {
    /// As the user names it.
    path: &'p Path,
    /// The same without symlinks: what they point to is replaced.
    target: PathBuf,
    file: BufWriter<File>,
    place: Place,
}

/// Where a file is until it is finished.
enum Place {
    /// It has no name, so that it is gone however this process ends.
    Nameless,
    Named(TempPath),
    /// In its place: a device or a pipe is written to, not replaced.
    Final,
}

impl<'p> Output<'p> {
    /// # Errors
    /// The destination's directory does not exist or cannot be written.
    pub fn create(path: &'p Path) -> Result<Output<'p>, OutputError> {
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let create = || {
            if path.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            if target.metadata().is_ok_and(|metadata| !metadata.is_file()) {
                return Ok((OpenOptions::new().write(true).open(&target)?, Place::Final));
            }
            let dir = directory(&target);
            // The error of a temporary file would name that file.
            dir.metadata()?;
            if let Some(file) = nameless(dir) {
                return Ok((file, Place::Nameless));
            }
            let (file, place) = temporary().tempfile_in(dir)?.into_parts();
            Ok((file, Place::Named(place)))
        };
        let (file, place) = create().map_err(|source| error(path, source))?;
        Ok(Output { path, file: BufWriter::with_capacity(1 << 20, file), place, target })
    }

    /// What an error of writing to this file means to a user.
    pub fn error(&self, source: io::Error) -> OutputError {
        error(self.path, source)
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// The disk is full, or the destination cannot be replaced.
    pub fn finish(self) -> Result<(), OutputError> {
        let path = self.path;
        let finish = || {
            let file = self.file.into_inner().map_err(|error| error.into_error())?;
            if matches!(self.place, Place::Final) {
                return Ok(());
            }
            // A full disk may show no earlier than here.
            file.sync_all()?;
            let place = match self.place {
                Place::Named(place) => place,
                _ => name(&file, directory(&self.target))?,
            };
            place.persist(&self.target).map_err(|error| error.error)
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

/// The directory that a file is to be in.
fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Temporary files with the mode of any new file: they are private by default, the umask decides here.
fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hoist-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// A file without a name in the directory's file system: O_TMPFILE of open(2), which not every file system has.
#[cfg(target_os = "linux")]
fn nameless(dir: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    open(dir, OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode).ok().map(File::from)
}

/// Gives a nameless file a temporary name, which can then replace another: linkat(2) cannot.
#[cfg(target_os = "linux")]
fn name(file: &File, dir: &Path) -> io::Result<TempPath> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, linkat};
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let named = temporary().make_in(dir, |path| Ok(linkat(CWD, &link, CWD, path, AtFlags::SYMLINK_FOLLOW)?))?;
    Ok(named.into_temp_path())
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> Option<File> {
    None
}

#[cfg(not(target_os = "linux"))]
fn name(_: &File, _: &Path) -> io::Result<TempPath> {
    Err(io::ErrorKind::Unsupported.into())
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
        whole.finish().expect("success");
        assert_eq!(std::fs::read(&path).expect("the file"), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).expect("the directory").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_points_to_is_replaced_and_a_device_is_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let (link, file) = (dir.path().join("link"), dir.path().join("file"));
        std::fs::write(&file, "old").expect("a file");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        let mut output = Output::create(&link).expect("a file");
        output.write_all(b"new").expect("space");
        output.finish().expect("success");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read(&file).expect("the file"), b"new");
        // A link to a device: if it were replaced, the machine would keep its own.
        let null = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).expect("a link");
        let output = Output::create(&null).expect("a device");
        assert!(matches!(output.place, Place::Final));
        output.finish().expect("success");
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
