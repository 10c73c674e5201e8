//! A directory of the host for a command to work in.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Where commands have it.
pub const TARGET: &str = "/mnt";
/// The directory of a root filesystem that it is a copy of.
const SOURCE: &str = "work/tree";

/// A fresh volume: the same for every command.
pub fn create(rootfs: &Path) -> Result<TempDir> {
    let dir = tempfile::tempdir()?;
    copy(&rootfs.join(SOURCE), dir.path())?;
    Ok(dir)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir(&to)?;
            copy(&entry.path(), &to)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// All that is in a directory, by path: a file's bytes, a link's target, nothing of a directory.
pub fn contents(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    collect(dir, "", &mut files)?;
    Ok(files)
}

fn collect(dir: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
            files.insert(format!("{name}/"), Vec::new());
        } else if kind.is_symlink() {
            files.insert(format!("{name}@"), fs::read_link(entry.path())?.into_os_string().into_encoded_bytes());
        } else {
            files.insert(name, fs::read(entry.path())?);
        }
    }
    Ok(())
}
