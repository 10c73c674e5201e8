//! Reading, writing, sizes, holes, and where bytes of the ROM are still the ROM's.

use super::{Tree, error};
use crate::errno::Errno::*;
use crate::fs::file::Whence;
use crate::fs::types::OpenFlags;
use crate::fs::uio::Buffer;

fn big() -> Vec<u8> {
    (0..10_000u32).map(|n| (n % 251) as u8).collect()
}

#[test]
fn a_write_changes_its_page_and_no_other_byte() {
    let t = Tree::new();
    let file = t.open("/big", OpenFlags::RDWR).unwrap();
    assert!(file.inode().rom_file().is_some());
    assert_eq!(file.pwrite(5000, &mut &b"changed"[..]).unwrap(), 7);
    assert!(file.inode().rom_file().is_none());
    let mut expected = big();
    expected[5000..5007].copy_from_slice(b"changed");
    assert_eq!(super::contents(&file).unwrap(), expected);
    let mut middle = [0; 10];
    assert_eq!(file.pread(4998, &mut Buffer::new(&mut middle)).unwrap(), 10);
    assert_eq!(middle, expected[4998..5008]);
    assert_eq!(t.stat("/big").unwrap().blocks, 24);
}

#[test]
fn what_was_cut_off_does_not_come_back() {
    let t = Tree::new();
    let file = t.open("/big", OpenFlags::RDWR).unwrap();
    file.truncate(4100).unwrap();
    file.truncate(9000).unwrap();
    let mut expected = big();
    expected.truncate(4100);
    expected.resize(9000, 0);
    assert_eq!(super::contents(&file).unwrap(), expected);
    file.pwrite(8999, &mut &b"!!"[..]).unwrap();
    expected[8999] = b'!';
    expected.push(b'!');
    assert_eq!(super::contents(&file).unwrap(), expected);
    file.truncate(0).unwrap();
    assert_eq!(super::contents(&file).unwrap(), b"");
    assert_eq!(t.stat("/big").unwrap().blocks, 0);
}

#[test]
fn holes_read_as_zeros_and_are_found() {
    let t = Tree::new();
    let file = t.open("/tmp/sparse", OpenFlags::RDWR | OpenFlags::CREAT).unwrap();
    file.pwrite(1 << 40, &mut &b"end"[..]).unwrap();
    file.pwrite(8192, &mut &b"data"[..]).unwrap();
    assert_eq!(file.inode().stat().unwrap().size, (1 << 40) + 3);
    assert_eq!(file.inode().stat().unwrap().blocks, 16);
    assert_eq!(file.seek(0, Whence::Data), Ok(8192));
    assert_eq!(file.seek(8192, Whence::Hole), Ok(12288));
    assert_eq!(file.seek(12288, Whence::Data), Ok(1 << 40));
    assert_eq!(file.seek(1 << 40, Whence::Hole), Ok((1 << 40) + 3));
    assert_eq!(file.seek((1 << 40) + 3, Whence::Data), Err(ENXIO));
    file.inode().punch_hole(8193, 2).unwrap();
    let mut four = [9; 4];
    file.pread(8192, &mut Buffer::new(&mut four)).unwrap();
    assert_eq!(four, *b"d\0\0a");
    assert_eq!(error(file.pwrite(i64::MAX as u64, &mut &b"x"[..])), EFBIG);
}

#[test]
fn descriptions_keep_an_offset() {
    let t = Tree::new();
    t.write("/tmp/f", b"0123456789").unwrap();
    let file = t.open("/tmp/f", OpenFlags::RDWR).unwrap();
    let mut three = [0; 3];
    assert_eq!(file.read(&mut Buffer::new(&mut three)).unwrap(), 3);
    assert_eq!(file.read(&mut Buffer::new(&mut three)).unwrap(), 3);
    assert_eq!(three, *b"345");
    assert_eq!(file.seek(-1, Whence::End), Ok(9));
    assert_eq!(file.seek(-10, Whence::Current), Err(EINVAL));
    assert_eq!(file.seek(2, Whence::Set), Ok(2));
    file.write(&mut &b"xy"[..]).unwrap();
    assert_eq!(t.cat("/tmp/f").unwrap(), b"01xy456789");
    let append = t.open("/tmp/f", OpenFlags::WRONLY | OpenFlags::APPEND).unwrap();
    append.write(&mut &b"+"[..]).unwrap();
    assert_eq!(append.offset(), 11);
    assert_eq!(error(append.read(&mut Buffer::new(&mut three))), EBADF);
    assert_eq!(error(t.open("/tmp", 0).unwrap().read(&mut Buffer::new(&mut three))), EISDIR);
}

#[test]
fn devices_do_what_null_4_says() {
    let t = Tree::new();
    let mut four = [7; 4];
    assert_eq!(t.open("/dev/null", OpenFlags::RDWR).unwrap().read(&mut Buffer::new(&mut four)), Ok(0));
    assert_eq!(t.open("/dev/null", OpenFlags::RDWR).unwrap().write(&mut &b"abc"[..]), Ok(3));
    assert_eq!(t.open("/dev/zero", 0).unwrap().read(&mut Buffer::new(&mut four)), Ok(4));
    assert_eq!(four, [0; 4]);
    assert_eq!(t.open("/dev/full", OpenFlags::WRONLY).unwrap().write(&mut &b"abc"[..]), Err(ENOSPC));
    assert_eq!(t.open("/dev/urandom", 0).unwrap().read(&mut Buffer::new(&mut four)), Ok(4));
    assert_eq!(error(t.open("/dev/tty", OpenFlags::RDWR)), ENXIO);
    assert_eq!(t.stat("/dev/null").unwrap().st_mode(), 0o20666);
}
