//! What must hold for any bytes taken as a layer: shared by the mutation test and the fuzz target.

use hoist_oci::{Limits, layer};
use hoist_vfs::{Attrs, Content, Kind, RootFs};

/// Applies `bytes` as a layer, as they are and with every header's checksum made right, which chance would
/// never hit. Neither may panic, and what comes of it must be a tree.
pub fn exercise(bytes: &[u8]) {
    apply(bytes.to_vec());
    let mut repaired = bytes.to_vec();
    repaired.as_chunks_mut::<512>().0.iter_mut().for_each(repair);
    apply(repaired);
}

fn repair(block: &mut [u8; 512]) {
    // Data that says nothing in a header's place is left as it is.
    if block[156] == 0 && block[257..262] != *b"ustar" {
        return;
    }
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn apply(bytes: Vec<u8>) {
    let limits = Limits { entries: 1000, name: 8192, extended_header: 1 << 16, bytes: 1 << 20, ..Limits::default() };
    let mut fs = below();
    let result = layer::apply(&mut fs, &Content::bytes(bytes), &limits, &std::env::temp_dir());
    if let Err(error) = result {
        assert!(!error.to_string().is_empty());
    }
    for (path, id) in fs.walk() {
        assert!(path.split(|&byte| byte == b'/').all(|name| name != b".."));
        let inode = fs.inode(id).expect("a name of something");
        assert!(fs.meta(id).expect("an inode").nlink > 0);
        if let Some(content) = inode.content() {
            let bytes = content.to_bytes().expect("the content that was promised");
            assert_eq!(bytes.len() as u64, content.len());
        }
    }
}

/// Something for whiteouts, hard links and symlinks to meet.
fn below() -> RootFs {
    let mut fs = RootFs::new();
    let attrs = Attrs::with_mode(0o755);
    let dir = fs.create_dirs(b"a/b", attrs).expect("a new tree");
    fs.create_file(dir, b"f", attrs, Content::bytes(*b"below")).expect("a new tree");
    for (name, target) in [(&b"s"[..], &b"/a"[..]), (b"t", b"../.."), (b"u", b"u"), (b"v", b"missing/dir")] {
        let root = hoist_vfs::InodeId::ROOT;
        let link = fs.symlink(root, name, attrs, target).expect("a new tree");
        assert_eq!(fs.inode(link).map(|inode| inode.kind()), Ok(Kind::Symlink));
    }
    fs
}
