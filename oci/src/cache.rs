//! Blobs that were fetched once: a directory of files named by digest, which several processes may use at a time.
//!
//! A blob appears in one step and whole: it is written to a temporary file, which gets its name when size and digest were
//! found right. It is verified again when it is read. Who wants a blob that another process is fetching waits for it; a
//! lock is a `flock(2)` on one of 256 files. A process that is killed leaves its temporary file to `remove_partial`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::digest::Digest;

/// The cache in a directory, which need not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobCache {
    dir: PathBuf,
}

/// A blob in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedBlob {
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// When it was last fetched or read.
    pub used: SystemTime,
    pub path: PathBuf,
}

/// A blob that is being fetched. Dropped unfinished, it leaves nothing.
pub(crate) struct Pending {
    file: tempfile::NamedTempFile,
    path: PathBuf,
    /// Why writing failed, if it did.
    failure: Option<io::Error>,
    _lock: Option<File>,
}

/// What the cache has of a blob.
pub(crate) enum Lookup {
    Hit(File),
    /// Somebody has to fetch it: this caller, while others wait. An error says why the cache could not keep it.
    Miss(io::Result<Pending>),
}

impl BlobCache {
    /// The cache in this directory.
    pub fn at(dir: impl Into<PathBuf>) -> BlobCache {
        BlobCache { dir: dir.into() }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.dir.join(digest.algorithm().name()).join(digest.hex())
    }

    /// The blob, or the right to fetch it.
    pub(crate) fn look_up(&self, digest: &Digest) -> Lookup {
        let path = self.path(digest);
        if let Some(file) = open(&path) {
            return Lookup::Hit(file);
        }
        let lock = self.lock(digest).ok();
        // Whoever had the lock may have brought it.
        match open(&path) {
            Some(file) => Lookup::Hit(file),
            None => Lookup::Miss(self.pending(path, lock)),
        }
    }

    fn pending(&self, path: PathBuf, lock: Option<File>) -> io::Result<Pending> {
        let dir = self.dir.join("partial");
        fs::create_dir_all(&dir)?;
        fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
        let file = tempfile::Builder::new().prefix(PARTIAL).tempfile_in(dir)?;
        Ok(Pending { file, path, failure: None, _lock: lock })
    }

    /// Waits until no other process fetches this blob. Two blobs of one lock wait for each other; nobody ever waits
    /// for a lock while having one.
    fn lock(&self, digest: &Digest) -> io::Result<File> {
        let dir = self.dir.join("locks");
        fs::create_dir_all(&dir)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(&digest.hex()[..2]))?;
        file.lock()?;
        Ok(file)
    }

    /// Forgets a blob, which was found damaged.
    pub(crate) fn discard(&self, digest: &Digest) {
        // What is gone already, or cannot go, makes no difference to the caller, who does without.
        let _ = fs::remove_file(self.path(digest));
    }

    /// The repositories of a registry to which a blob was pushed from here.
    pub(crate) fn pushed(&self, digest: &Digest, registry: &str) -> Vec<String> {
        let text = fs::read_to_string(self.pushed_path(digest)).unwrap_or_default();
        let mut found: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix(registry)?.strip_prefix('/').map(str::to_owned)).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Notes that a repository has a blob. That is a hint for later, so a failure is none.
    pub(crate) fn remember_pushed(&self, digest: &Digest, registry: &str, repository: &str) {
        if self.pushed(digest, registry).iter().any(|known| known == repository) {
            return;
        }
        let path = self.pushed_path(digest);
        let _ = fs::create_dir_all(path.parent().unwrap_or(&self.dir));
        // One short write at the end of a file is whole, whoever else writes.
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{registry}/{repository}\n").as_bytes()));
    }

    fn pushed_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("pushed").join(digest.hex())
    }

    /// The blobs, by digest.
    ///
    /// # Errors
    /// If a directory is there and cannot be read.
    pub fn list(&self) -> io::Result<Vec<CachedBlob>> {
        let mut blobs = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for path in files(&self.dir.join(algorithm))? {
                let hex = path.file_name().unwrap_or_default().to_string_lossy();
                let Ok(digest) = format!("{algorithm}:{hex}").parse() else { continue };
                // It may have gone meanwhile.
                let Ok(metadata) = path.metadata() else { continue };
                blobs.push(CachedBlob { digest, size: metadata.len(), used: metadata.modified()?, path });
            }
        }
        blobs.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(blobs)
    }

    /// Takes away a blob, and gives its size. Whoever is reading it goes on.
    ///
    /// # Errors
    /// If it is there and cannot be removed.
    pub fn remove(&self, blob: &CachedBlob) -> io::Result<u64> {
        match fs::remove_file(&blob.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Err(_) => Ok(0),
            Ok(()) => Ok(blob.size),
        }
    }

    /// Takes away what processes left that were killed while they fetched: files that nobody has written to for a day.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub fn remove_partial(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for path in files(&self.dir.join("partial"))? {
            let Ok(metadata) = path.metadata() else { continue };
            let is_old = metadata.modified()?.elapsed().is_ok_and(|age| age.as_secs() > 24 * 3600);
            if is_old && fs::remove_file(&path).is_ok() {
                bytes += metadata.len();
            }
        }
        Ok(bytes)
    }
}

/// What the names of unfinished files begin with.
const PARTIAL: &str = "blob-";

/// The files of a directory; none if it is not there.
fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

/// A blob's file, which is then marked as used.
fn open(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    // A cache that is not ours to write can be read all the same.
    let _ = file.set_modified(SystemTime::now());
    Some(file)
}

impl Pending {
    /// Takes the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            self.failure = self.file.write_all(bytes).err();
        }
    }

    /// Gives the blob its name: it was found right.
    ///
    /// # Errors
    /// It could not be written; then the cache has nothing of it.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.failure {
            Some(error) => Err(error),
            None => self.file.persist(&self.path).map(drop).map_err(|error| error.error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_there_when_it_is_finished() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = BlobCache::at(dir.path().join("blobs"));
        let digest = Digest::of(b"abc");
        let pending = |cache: &BlobCache| match cache.look_up(&digest) {
            Lookup::Miss(Ok(pending)) => pending,
            _ => panic!("a miss"),
        };
        let mut first = pending(&cache);
        first.write(b"ab");
        assert!(cache.list().expect("readable").is_empty());
        drop(first);
        let mut second = pending(&cache);
        second.write(b"abc");
        second.finish().expect("a place");
        assert!(matches!(cache.look_up(&digest), Lookup::Hit(_)));
        let blobs = cache.list().expect("readable");
        assert_eq!((blobs.len(), blobs[0].size, &blobs[0].digest), (1, 3, &digest));
        assert_eq!(files(&dir.path().join("blobs/partial")).expect("readable").len(), 0);
        assert_eq!(cache.remove(&blobs[0]).expect("removable"), 3);
        assert!(cache.list().expect("readable").is_empty());
    }

    #[test]
    fn others_wait_for_who_fetches() {
        let dir = tempfile::tempdir().expect("a directory");
        let (cache, digest) = (BlobCache::at(dir.path()), Digest::of(b"abc"));
        let Lookup::Miss(Ok(mut pending)) = cache.look_up(&digest) else { panic!("a miss") };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| matches!(cache.look_up(&digest), Lookup::Hit(_)));
            pending.write(b"abc");
            pending.finish().expect("a place");
            assert!(waiting.join().expect("no panic"));
        });
    }

    #[test]
    fn a_cache_that_cannot_be_is_none() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let cache = BlobCache::at(file.path().join("below"));
        assert!(matches!(cache.look_up(&Digest::of(b"")), Lookup::Miss(Err(_))));
    }
}
