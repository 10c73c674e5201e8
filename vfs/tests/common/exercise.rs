//! Asks a ROM of any bytes everything that the reader answers. Shared by the corruption test and the fuzz target.

use hoist_vfs::read::Source;
use hoist_vfs::{InodeId, Kind, Rom};

/// Entries of one directory that are looked at: a damaged ROM may give all entries to each of its inodes.
const ENTRIES_MAX: usize = 100;

/// Reads whatever can be read of a ROM.
///
/// # Panics
/// If the reader hands out what no sound ROM holds: the finding that the caller is looking for.
pub fn exercise<S: Source>(source: S) {
    let Ok(rom) = Rom::open(source) else { return };
    assert!(rom.len() <= rom.source().len());
    assert!(u64::from(rom.inode_count()) * 64 <= rom.len());
    for number in 0..=rom.inode_count() {
        let inode = InodeId(number);
        let _ = rom.elf(inode);
        if let Ok(xattrs) = rom.xattrs(inode) {
            for (name, value) in &xattrs {
                assert!(name.len() <= 255 && value.len() <= 65536);
                assert!(rom.xattr(inode, name).is_ok_and(|found| found.is_some()));
            }
        }
        let Ok(meta) = rom.meta(inode) else {
            assert!(rom.content(inode).is_err() && rom.readlink(inode).is_err() && rom.parent(inode).is_err());
            continue;
        };
        assert_eq!(rom.content(inode).is_ok(), meta.kind == Kind::Regular);
        assert_eq!(rom.entry_count(inode).is_ok(), meta.kind == Kind::Directory);
        if let Ok(content) = rom.content(inode) {
            assert!(content.offset.checked_add(content.len).is_some_and(|end| end <= rom.len()));
            assert_eq!(content.len, meta.size);
        }
        if let Ok(target) = rom.readlink(inode) {
            assert!(target.len() as u64 == meta.size && !target.is_empty() && !target.contains(&0));
        }
        if meta.kind == Kind::Directory {
            exercise_directory(&rom, inode);
        }
    }
}

fn exercise_directory<S: Source>(rom: &Rom<S>, dir: InodeId) {
    assert!(rom.parent(dir).is_ok_and(|parent| parent.0 < rom.inode_count()));
    let count = rom.entry_count(dir).unwrap_or(0);
    let Ok(entries) = rom.entries(dir, 0) else { return };
    for entry in entries.take(ENTRIES_MAX) {
        let Ok(entry) = entry else { break };
        assert!(entry.index < count && entry.inode.0 < rom.inode_count());
        assert!((1..=255).contains(&entry.name.len()) && !entry.name.contains(&b'/'));
        let _ = rom.lookup(dir, &entry.name);
    }
    for name in [&b""[..], b"usr", &[0xFF; 300]] {
        let _ = rom.lookup(dir, name);
    }
    assert!(rom.entries(dir, count).is_ok_and(|rest| rest.count() == 0));
}
