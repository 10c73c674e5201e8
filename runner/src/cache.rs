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
        if is_compiled(file).map_err(read)? {
            return deserialize(engine, file).map_err(|source| CacheError::Foreign { file: file.to_owned(), source });
        }
        let Some(dir) = &self.dir else {
            compiling();
            return Component::new(engine, fs::read(file).map_err(read)?).map_err(compile_error(file));
        };
        let entry = dir.join(format!("{}.cwasm", key(engine, file).map_err(read)?));
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
    let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.persist(output).map(drop).map_err(|error| error.error)
}

/// Whether a file holds compiled code: that is an ELF file.
fn is_compiled(file: &Path) -> io::Result<bool> {
    let mut magic = [0; 4];
    let mut file = File::open(file)?;
    Ok(file.read_exact(&mut magic).is_ok() && magic == *b"\x7fELF")
}

fn deserialize(engine: &Engine, file: &Path) -> wasmtime::Result<Component> {
    // SAFETY: compiled code is trusted as much as a program: it comes from this cache, or the user named it.
    #[allow(unsafe_code)]
    unsafe {
        Component::deserialize_file(engine, file)
    }
}

/// The name of the entry for a file's content.
fn key(engine: &Engine, file: &Path) -> io::Result<String> {
    let mut content = Content(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut content);
    io::copy(&mut File::open(file)?, &mut content.0)?;
    Ok(content.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// SHA-256 as what `Hash` feeds.
struct Content(Sha256);

impl Hasher for Content {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
