//! A directory: the ROM's entries, less those removed, plus those added.

use std::collections::BTreeMap;
use std::rc::Rc;

use hoist_vfs::InodeId;

use super::node::Node;
use super::{MemFs, damaged};
use crate::errno::Errno::ENOENT;
use crate::fs::Result;
use crate::fs::inode::DirEntry;

/// The entries of a directory.
#[derive(Default)]
pub struct Dir {
    lower: Option<InodeId>,
    /// What differs from the ROM; `None` is a whiteout.
    upper: BTreeMap<Box<[u8]>, Option<Rc<Node>>>,
    /// True once the directory itself was removed: nothing can be made in it any more.
    pub dead: bool,
}

impl Dir {
    /// A directory of the ROM.
    pub fn over_rom(id: InodeId) -> Dir {
        Dir { lower: Some(id), ..Dir::default() }
    }

    /// The node under a name.
    pub fn lookup(&self, fs: &Rc<MemFs>, name: &[u8]) -> Result<Rc<Node>> {
        match (self.upper.get(name), self.lower) {
            (Some(Some(node)), _) => Ok(node.clone()),
            (Some(None), _) | (None, None) => Err(ENOENT),
            (None, Some(lower)) => match fs.rom()?.lookup(lower, name).map_err(damaged)? {
                Some(id) => fs.rom_node(id),
                None => Err(ENOENT),
            },
        }
    }

    /// Puts a node under a name, over whatever had it.
    pub fn insert(&mut self, name: &[u8], node: Rc<Node>) {
        self.upper.insert(name.into(), Some(node));
    }

    /// Takes a name away.
    pub fn remove(&mut self, fs: &MemFs, name: &[u8]) -> Result<()> {
        let in_rom = match self.lower {
            Some(lower) => fs.rom()?.lookup(lower, name).map_err(damaged)?.is_some(),
            None => false,
        };
        match in_rom {
            true => self.upper.insert(name.into(), None),
            false => self.upper.remove(name),
        };
        Ok(())
    }

    /// True if there is no entry.
    pub fn is_empty(&self, fs: &MemFs) -> Result<bool> {
        Ok(self.upper.values().all(Option::is_none) && self.lower_entries(fs)?.is_empty())
    }

    /// All entries, sorted by name.
    pub fn entries(&self, fs: &MemFs) -> Result<Vec<DirEntry>> {
        let mut entries = self.lower_entries(fs)?;
        for (name, node) in &self.upper {
            if let Some(node) = node {
                entries.push(DirEntry { name: name.to_vec(), ino: node.ino, kind: node.kind });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// The ROM's entries that nothing hides.
    fn lower_entries(&self, fs: &MemFs) -> Result<Vec<DirEntry>> {
        let Some(lower) = self.lower else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for entry in fs.rom()?.entries(lower, 0).map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            if !self.upper.contains_key(entry.name.as_slice()) {
                entries.push(DirEntry { name: entry.name, ino: entry.inode.ino(), kind: entry.kind });
            }
        }
        Ok(entries)
    }
}
