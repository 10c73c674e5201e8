//! Small images for tests.

use hoist_vfs::{Attrs, Content, InodeId, RootFs};

/// An ELF file of one executable segment of `size` bytes at `address`, all of it within one file.
pub fn elf(kind: u16, address: u64, size: u64, interpreter: Option<&str>) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let programs = 1 + u16::from(interpreter.is_some());
    let half = |bytes: &mut Vec<u8>, values: &[u16]| values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    let word = |bytes: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    let long = |bytes: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
    half(&mut bytes, &[kind, 62]);
    word(&mut bytes, &[1]);
    long(&mut bytes, &[address, 64, 0]);
    word(&mut bytes, &[0]);
    half(&mut bytes, &[64, 56, programs, 64, 0, 0]);
    word(&mut bytes, &[1, 5]);
    long(&mut bytes, &[0, address, address, size, size, 0x1000]);
    let path = interpreter.map(|path| format!("{path}\0"));
    if let Some(path) = &path {
        let (at, len) = (64 + 2 * 56, path.len() as u64);
        word(&mut bytes, &[3, 4]);
        long(&mut bytes, &[at, 0, 0, len, len, 1]);
        bytes.extend(path.as_bytes());
    }
    bytes.resize(bytes.len().max(size as usize), 0x90);
    bytes
}

pub const EXEC: u16 = 2;
pub const DYN: u16 = 3;

/// Puts a file with execute permission into a tree, its directories too.
pub fn put(rootfs: &mut RootFs, path: &str, bytes: impl Into<Vec<u8>>) -> InodeId {
    let attrs = Attrs::with_mode(0o755);
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    let dir = rootfs.create_dirs(dir.as_bytes(), attrs).expect("a directory");
    rootfs.create_file(dir, name.as_bytes(), attrs, Content::bytes(bytes.into())).expect("a file")
}
