//! A tree → a ROM: the index in memory, the contents streamed after it.
//!
//! Inodes are numbered in the order of the tree's walk, so that what stands together in the tree stands
//! together in the ROM, and the same tree gives the same bytes. Contents of equal length are compared by
//! their SHA-256; equal ones are stored once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::content::Content;
use crate::layout::{ALIGNMENT, EntryRecord, Extent, InodeRecord, NONE, Superblock, XattrHead};
use crate::node::{InodeId, Kind};
use crate::tree::{Entries, Inode, Node, RootFs, TreeError, Xattrs};

/// Why a tree could not become a ROM.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("more {0} than a ROM can hold")]
    TooMany(&'static str),
    #[error("an ELF file's number must be below {NONE}")]
    ElfNumber,
    #[error("reading the content of /{path}")]
    Content { path: String, source: io::Error },
    #[error("writing the ROM")]
    Write(#[source] io::Error),
}

/// A tree made ready: everything of its ROM is known, only the contents are still where they were.
#[derive(Debug)]
pub struct Packed<'a> {
    tree: &'a RootFs,
    /// The ROM up to its data.
    index: Vec<u8>,
    /// What the data consists of, by offset in the ROM.
    contents: BTreeMap<u64, (InodeId, &'a Content)>,
    numbers: BTreeMap<InodeId, InodeId>,
    len: u64,
}

/// Lays a tree out as a ROM. `elf` says of each regular file which of the lifted ELF files it is, if any.
///
/// # Errors
/// `Content` if a content that has to be compared cannot be read; `TooMany`, `ElfNumber`.
pub fn pack(tree: &RootFs, elf: impl FnMut(InodeId) -> Option<u32>) -> Result<Packed<'_>, PackError> {
    let order = number_inodes(tree);
    let data = place_contents(tree, &order.inodes)?;
    let index = Index::build(tree, &order, &data, elf)?;
    let (index, superblock) = index.assemble(data.len)?;
    let start = superblock.data.offset;
    Ok(Packed { tree, index, contents: data.stored(start), numbers: order.numbers, len: superblock.len })
}

impl Packed<'_> {
    /// The bytes of the whole ROM.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// False: a ROM has a root at least.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The ROM up to its data: superblock, inodes, directories, names, targets, extended attributes.
    pub fn index(&self) -> &[u8] {
        &self.index
    }

    /// The number in the ROM of an inode of the tree.
    pub fn inode(&self, in_tree: InodeId) -> Option<InodeId> {
        self.numbers.get(&in_tree).copied()
    }

    /// Fills `buffer` from byte `offset` of the ROM; returns a count below its length only at the end.
    ///
    /// # Errors
    /// `Content`.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, PackError> {
        let rest = self.len.saturating_sub(offset);
        let count = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let buffer = &mut buffer[..count];
        buffer.fill(0);
        if offset < self.index.len() as u64 {
            let index = &self.index[offset as usize..];
            let part = index.len().min(count);
            buffer[..part].copy_from_slice(&index[..part]);
        }
        let end = offset + count as u64;
        // Contents do not overlap, so of those that start before `offset` only the last can reach into it.
        let first = self.contents.range(..=offset).next_back();
        let from = first.map_or(offset, |(start, _)| *start);
        for (&start, &(inode, content)) in self.contents.range(from..end) {
            let skipped = offset.saturating_sub(start);
            let at = (start.max(offset) - offset) as usize;
            content.read_at(skipped, &mut buffer[at..]).map_err(|source| unreadable(self.tree, inode, source))?;
        }
        Ok(count)
    }

    /// Writes the whole ROM, [`Packed::len`] bytes.
    ///
    /// # Errors
    /// `Content`, `Write`.
    pub fn write_to(&self, out: &mut impl Write) -> Result<(), PackError> {
        self.write_range(0..self.len, out)
    }

    /// Writes a part of the ROM; what lies beyond its end is left out.
    ///
    /// # Errors
    /// `Content`, `Write`.
    pub fn write_range(&self, range: Range<u64>, out: &mut impl Write) -> Result<(), PackError> {
        let mut buffer = vec![0; 1 << 20];
        let Range { start: mut offset, end } = range;
        let end = end.min(self.len);
        while offset < end {
            let wanted = (end - offset).min(buffer.len() as u64) as usize;
            let count = self.read_at(offset, &mut buffer[..wanted])?;
            out.write_all(&buffer[..count]).map_err(PackError::Write)?;
            offset += count as u64;
        }
        Ok(())
    }
}

/// A content could not be read: says whose, by the first of its names.
fn unreadable(tree: &RootFs, inode: InodeId, source: io::Error) -> PackError {
    let mut walk = tree.walk();
    while let Some((path, id)) = walk.advance() {
        if id == inode {
            let path = String::from_utf8_lossy(path).into_owned();
            return PackError::Content { path, source };
        }
    }
    PackError::Tree(TreeError::NoSuchInode(inode))
}

/// The tree's inodes in the order of the ROM, and the number of each there.
struct Order {
    inodes: Vec<InodeId>,
    numbers: BTreeMap<InodeId, InodeId>,
}

fn number_inodes(tree: &RootFs) -> Order {
    let mut order = Order { inodes: Vec::new(), numbers: BTreeMap::new() };
    let mut walk = tree.walk();
    while let Some((_, id)) = walk.advance() {
        let number = InodeId(order.inodes.len() as u32);
        // An inode with several names takes its number from the first.
        order.numbers.entry(id).or_insert_with(|| {
            order.inodes.push(id);
            number
        });
    }
    order
}

/// Where each content lies in the data.
struct Data<'a> {
    /// By inode of the tree.
    places: BTreeMap<InodeId, u64>,
    /// The contents that are stored, in order, with an inode that has each.
    stored: Vec<(u64, InodeId, &'a Content)>,
    len: u64,
}

impl<'a> Data<'a> {
    /// The stored contents by offset in the ROM, given where its data starts.
    fn stored(self, start: u64) -> BTreeMap<u64, (InodeId, &'a Content)> {
        let in_rom = |(place, inode, content)| (start + place, (inode, content));
        self.stored.into_iter().map(in_rom).collect()
    }
}

fn place_contents<'a>(tree: &'a RootFs, order: &[InodeId]) -> Result<Data<'a>, PackError> {
    let mut contents = Vec::new();
    for &id in order {
        if let Some(content) = tree.inode(id)?.content() {
            contents.push((id, content));
        }
    }
    // Only contents of equal length can be equal; the others need not be read twice.
    let (mut lengths, mut shared_lengths) = (BTreeSet::new(), BTreeSet::new());
    for (_, content) in &contents {
        if !lengths.insert(content.len()) {
            shared_lengths.insert(content.len());
        }
    }
    let mut data = Data { places: BTreeMap::new(), stored: Vec::new(), len: 0 };
    let mut known = BTreeMap::new();
    for (id, content) in contents {
        if content.is_empty() {
            data.places.insert(id, 0);
            continue;
        }
        let mut place = aligned(data.len).ok_or(PackError::TooMany("bytes of file contents"))?;
        if shared_lengths.contains(&content.len()) {
            let digest = digest(content).map_err(|source| unreadable(tree, id, source))?;
            place = *known.entry((content.len(), digest)).or_insert(place);
        }
        if place >= data.len {
            data.stored.push((place, id, content));
            let end = place.checked_add(content.len());
            data.len = end.ok_or(PackError::TooMany("bytes of file contents"))?;
        }
        data.places.insert(id, place);
    }
    Ok(data)
}

fn digest(content: &Content) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    match content {
        Content::Bytes(bytes) => hash.update(bytes),
        Content::Spool { .. } => {
            let mut buffer = vec![0; 1 << 16];
            let mut offset = 0;
            while offset < content.len() {
                let count = content.read_at(offset, &mut buffer)?;
                hash.update(&buffer[..count]);
                offset += count as u64;
            }
        }
    }
    Ok(hash.finalize().into())
}

/// The sections of the index as they grow.
#[derive(Default)]
struct Index {
    inodes: Vec<u8>,
    entries: Vec<u8>,
    names: Vec<u8>,
    targets: Vec<u8>,
    xattrs: Vec<u8>,
    /// Where each name and each set of extended attributes that was met already lies.
    known_names: BTreeMap<Vec<u8>, u32>,
    known_xattrs: BTreeMap<Xattrs, u64>,
}

impl Index {
    fn build(tree: &RootFs, order: &Order, data: &Data, mut elf: impl FnMut(InodeId) -> Option<u32>) -> Result<Index, PackError> {
        let mut index = Index::default();
        for &id in &order.inodes {
            let inode = tree.inode(id)?;
            let elf = match inode.kind() {
                Kind::Regular => elf(id),
                _ => None,
            };
            if elf == Some(NONE) {
                return Err(PackError::ElfNumber);
            }
            let (size, place) = match inode.node() {
                Node::Regular(content) => (content.len(), data.places[&id]),
                Node::Directory { entries, .. } => index.add_directory(tree, order, entries)?,
                Node::Symlink(target) => index.add_target(target),
                Node::CharDevice(device) | Node::BlockDevice(device) => {
                    (0, u64::from(device.major) << 32 | u64::from(device.minor))
                }
                Node::Fifo | Node::Socket => (0, 0),
            };
            let parent = match inode.node() {
                Node::Directory { parent, .. } => order.numbers[parent],
                _ => InodeId::ROOT,
            };
            let record = InodeRecord {
                kind: inode.kind(),
                attrs: *inode.attrs(),
                nlink: tree.meta(id)?.nlink,
                elf: elf.unwrap_or(NONE),
                xattrs: index.add_xattrs(inode),
                size,
                place,
                parent,
            };
            index.inodes.extend(record.encode());
        }
        Ok(index)
    }

    /// Adds a directory's entries; returns their number and the number of the first.
    fn add_directory(&mut self, tree: &RootFs, order: &Order, entries: &Entries) -> Result<(u64, u64), PackError> {
        let first = self.entries.len() / EntryRecord::SIZE;
        for (name, &id) in entries {
            let record = EntryRecord {
                name_offset: self.add_name(name)?,
                // A tree admits no name longer than 255 bytes.
                name_len: name.len() as u16,
                inode: order.numbers[&id],
                kind: tree.inode(id)?.kind(),
            };
            self.entries.extend(record.encode());
        }
        Ok((entries.len() as u64, first as u64))
    }

    fn add_name(&mut self, name: &[u8]) -> Result<u32, PackError> {
        if let Some(&offset) = self.known_names.get(name) {
            return Ok(offset);
        }
        let offset = u32::try_from(self.names.len()).map_err(|_| PackError::TooMany("bytes of file names"))?;
        self.names.extend_from_slice(name);
        self.known_names.insert(name.to_vec(), offset);
        Ok(offset)
    }

    /// Adds a symlink's target; returns its length and its offset.
    fn add_target(&mut self, target: &[u8]) -> (u64, u64) {
        let offset = self.targets.len() as u64;
        self.targets.extend_from_slice(target);
        (target.len() as u64, offset)
    }

    /// Adds an inode's extended attributes; returns the offset of the set.
    fn add_xattrs(&mut self, inode: &Inode) -> u64 {
        let set = inode.xattrs();
        if set.is_empty() {
            return InodeRecord::NO_XATTRS;
        }
        if let Some(&offset) = self.known_xattrs.get(set) {
            return offset;
        }
        let offset = self.xattrs.len() as u64;
        self.xattrs.extend((set.len() as u32).to_le_bytes());
        for (name, value) in set {
            // A tree admits no attribute whose lengths do not fit.
            let head = XattrHead { name_len: name.len() as u32, value_len: value.len() as u32 };
            self.xattrs.extend(head.encode());
            self.xattrs.extend_from_slice(name);
            self.xattrs.extend_from_slice(value);
        }
        self.known_xattrs.insert(set.clone(), offset);
        offset
    }

    /// The index as one piece, and its superblock, for data of this length.
    fn assemble(self, data_len: u64) -> Result<(Vec<u8>, Superblock), PackError> {
        let inode_count = self.inodes.len() / InodeRecord::SIZE;
        let entry_count = self.entries.len() / EntryRecord::SIZE;
        let mut index = vec![0; Superblock::SIZE];
        let mut append = |section: &[u8]| {
            let offset = index.len() as u64;
            index.extend_from_slice(section);
            index.resize(index.len().next_multiple_of(ALIGNMENT as usize), 0);
            Extent { offset, len: section.len() as u64 }
        };
        let mut superblock = Superblock {
            inode_count: inode_count as u32,
            entry_count: u32::try_from(entry_count).map_err(|_| PackError::TooMany("directory entries"))?,
            inodes: append(&self.inodes),
            entries: append(&self.entries),
            names: append(&self.names),
            targets: append(&self.targets),
            xattrs: append(&self.xattrs),
            ..Superblock::default()
        };
        superblock.data = Extent { offset: index.len() as u64, len: data_len };
        superblock.len = superblock.data.offset.checked_add(data_len).ok_or(PackError::TooMany("bytes"))?;
        index[..Superblock::SIZE].copy_from_slice(&superblock.encode());
        Ok((index, superblock))
    }
}

/// The next multiple of the alignment.
fn aligned(offset: u64) -> Option<u64> {
    offset.checked_next_multiple_of(ALIGNMENT)
}
