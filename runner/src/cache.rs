//! Compiled code, kept by content.
//!
//! The key is the SHA-256 of the Wasm bytes and what wasmtime says its compiled code depends on (version, target, settings), so a stale
//! entry is never found. Entries are written beside their place and renamed, so a half-written one is never seen.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Why a component could not be had from a file.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("{file}: {source}", file = .file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("{file}: {source}", file = .file.display())]
    Write { file: PathBuf, source: io::Error },
    #[error("{file}: not a WebAssembly component", file = .file.display())]
    NotWasm { file: PathBuf },
    #[error("{file}: not a WebAssembly component that can be compiled here: {source:#}", file = .file.display())]
    Compile { file: PathBuf, source: wasmtime::Error },
    #[error("{file}: compiled for another machine or by another version of wasmtime: {source:#}", file = .file.display())]
    Foreign { file: PathBuf, source: wasmtime::Error },
}

/// A directory of compiled components.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: Option<PathBuf>,
}

impl Cache {
    pub fn at(dir: impl Into<PathBuf>) -> Cache {
        Cache { dir: Some(dir.into()) }
    }

    /// Keeps nothing.
    pub fn none() -> Cache {
        Cache { dir: None }
    }

    pub(crate) fn load(&self, engine: &Engine, file: &Path, compiling: impl FnOnce()) -> Result<Component, CacheError> {
        let read = |source| CacheError::Read { file: file.to_owned(), source };
        match &magic(file).map_err(read)? {
            ELF => return deserialize(engine, file).map_err(|source| CacheError::Foreign { file: file.to_owned(), source }),
            WASM => {}
            _ => return Err(CacheError::NotWasm { file: file.to_owned() }),
        }
        let Some(dir) = &self.dir else {
            compiling();
            return Component::new(engine, fs::read(file).map_err(read)?).map_err(compile_error(file));
        };
        let entry = dir.join(format!("{}.cwasm", key(engine, file, dir).map_err(read)?));
        // A damaged entry, or one from a wasmtime that hashes its settings alike, is replaced.
        if entry.exists()
            && let Ok(component) = deserialize(engine, &entry)
        {
            return Ok(component);
        }
        compiling();
        precompile(engine, file, &entry)?;
        deserialize(engine, &entry).map_err(|source| CacheError::Foreign { file: entry, source })
    }
}

/// Compiles a component to a file, which appears only when it is complete.
pub(crate) fn precompile(engine: &Engine, file: &Path, output: &Path) -> Result<(), CacheError> {
    let wasm = fs::read(file).map_err(|source| CacheError::Read { file: file.to_owned(), source })?;
    let compiled = engine.precompile_component(&wasm).map_err(compile_error(file))?;
    write(output, &compiled).map_err(|source| CacheError::Write { file: output.to_owned(), source })
}

fn compile_error(file: &Path) -> impl FnOnce(wasmtime::Error) -> CacheError {
    |source| CacheError::Compile { file: file.to_owned(), source }
}

fn write(output: &Path, bytes: &[u8]) -> io::Result<()> {
    // A device or a pipe is written to, not replaced.
    if fs::metadata(output).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(output, bytes);
    }
    let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hoist-");
    // As any new file: temporary ones are private otherwise.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.persist(output).map(drop).map_err(|error| error.error)
}

/// Compiled code is an ELF file.
const ELF: &[u8; 4] = b"\x7fELF";
const WASM: &[u8; 4] = b"\0asm";

/// The first bytes of a file; zeros if it is shorter.
fn magic(file: &Path) -> io::Result<[u8; 4]> {
    let mut magic = [0; 4];
    match File::open(file)?.read_exact(&mut magic) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(magic),
    }
}

fn deserialize(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: compiled code is trusted as much as a program: it comes from this cache, or the user named it.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize_file(engine, file)
    }
}

/// The name of the entry for a file's content.
fn key(engine: &Engine, file: &Path, dir: &Path) -> io::Result<String> {
    let mut state = Feed(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut state);
    state.0.update(content_digest(file, dir)?);
    Ok(hex(&state.0.finalize()))
}

/// SHA-256 of a file's content. It is remembered for as long as the file does not change, by what git too takes for a
/// sign of change: a large component starts as fast as a small one.
fn content_digest(file: &Path, dir: &Path) -> io::Result<Vec<u8>> {
    let mut open = File::open(file)?;
    let note = identity(&open)?.map(|identity| dir.join("digests").join(hex(&Sha256::digest(identity))));
    if let Some(digest) = note.as_ref().and_then(|note| fs::read(note).ok()).filter(|digest| digest.len() == 32) {
        return Ok(digest);
    }
    let mut state = Sha256::new();
    io::copy(&mut open, &mut state)?;
    let digest = state.finalize().to_vec();
    if let Some(note) = note {
        // A note that cannot be kept costs time, not correctness.
        let _ = write(&note, &digest);
    }
    Ok(digest)
}

/// Device, inode, length and times of a file; `None` if it changed so recently that another change might not show.
#[cfg(unix)]
fn identity(file: &File) -> io::Result<Option<String>> {
    use std::os::unix::fs::MetadataExt;
    use std::time::{Duration, SystemTime};
    /// Coarser than any file system's clock in use.
    const SETTLED: Duration = Duration::from_secs(2);
    let stat = file.metadata()?;
    let changed = SystemTime::UNIX_EPOCH + Duration::new(stat.ctime().max(0) as u64, 0);
    let settled = SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLED);
    let times = [stat.mtime(), stat.mtime_nsec(), stat.ctime(), stat.ctime_nsec()];
    Ok(settled.then(|| format!("{} {} {} {times:?}", stat.dev(), stat.ino(), stat.size())))
}

#[cfg(not(unix))]
fn identity(_: &File) -> io::Result<Option<String>> {
    Ok(None)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 over what `Hash` feeds.
struct Feed(Sha256);

impl Hasher for Feed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
