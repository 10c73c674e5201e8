//! Runs a program of a directory on the kernel built natively, every instruction interpreted: the quickest way to try a system call.
//!
//! `cargo run --release -p hoist-abi-shim --example native -- ROOT PROGRAM [ARGS…]`; what stands in `HOIST_…` variables of the
//! environment is heeded (`HOIST_TRACE=syscalls`). Standard input is read to its end first.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

use hoist_abi_shim::wasi::{Output, environment, stdio};
use hoist_abi_shim::{entry, machine};
use hoist_vfs::{Attrs, Content, InodeId, RootFs, Timestamp};

/// Files that are in the tree already, by device and inode number.
type Known = BTreeMap<(u64, u64), InodeId>;

/// Copies a directory into the tree; what is neither file, directory nor symlink is left out.
fn add(tree: &mut RootFs, dir: InodeId, path: &Path, known: &mut Known) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let meta = fs::symlink_metadata(&path)?;
        let mtime = Timestamp { secs: meta.mtime(), nanos: meta.mtime_nsec() as u32 };
        let attrs = Attrs { mode: meta.mode() & 0o7777, uid: meta.uid(), gid: meta.gid(), mtime };
        if meta.is_dir() {
            let below = tree.mkdir(dir, name.as_bytes(), attrs)?;
            add(tree, below, &path, known)?;
        } else if meta.is_symlink() {
            tree.symlink(dir, name.as_bytes(), attrs, fs::read_link(&path)?.as_os_str().as_bytes())?;
        } else if let Some(inode) = known.get(&(meta.dev(), meta.ino())) {
            tree.link(dir, name.as_bytes(), *inode)?;
        } else if meta.is_file() {
            let inode = tree.create_file(dir, name.as_bytes(), attrs, Content::bytes(fs::read(&path)?))?;
            known.insert((meta.dev(), meta.ino()), inode);
        }
    }
    Ok(())
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().ok_or("usage: native ROOT PROGRAM [ARGS…]")?;
    let mut tree = RootFs::new();
    add(&mut tree, InodeId::ROOT, Path::new(&root), &mut Known::new())?;
    let mut rom = Vec::new();
    hoist_vfs::pack(&tree, |_| None)?.write_to(&mut rom)?;
    machine::install(rom, Vec::new());

    let mut input = Vec::new();
    if !std::io::stdin().is_terminal() {
        std::io::stdin().read_to_end(&mut input)?;
    }
    stdio::install(&input);
    let guest: Vec<String> = std::iter::once("hoist".to_owned()).chain(arguments).collect();
    let variables: Vec<(String, String)> = std::env::vars().filter(|(name, _)| name.starts_with("HOIST_")).collect();
    let guest: Vec<&str> = guest.iter().map(String::as_str).collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    environment::install(&guest, &variables);

    let code = entry::run();
    std::io::stdout().write_all(&stdio::take(Output::Stdout))?;
    std::io::stderr().write_all(&stdio::take(Output::Stderr))?;
    Ok(ExitCode::from(code as u8))
}
