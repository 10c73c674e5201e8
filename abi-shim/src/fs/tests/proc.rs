//! `/proc`: links into processes, directories.

use std::cell::RefCell;
use std::rc::Rc;

use super::{Tree, error};
use crate::errno::Errno::*;
use crate::fs::boot::open_stdio;
use crate::fs::procfs::Entry;
use crate::fs::types::OpenFlags;

fn tree() -> Tree {
    let t = Tree::new();
    let files = Rc::new(RefCell::new(open_stdio(&t.vfs, [false; 3]).unwrap()));
    let fs = Rc::new(RefCell::new(t.fs.clone()));
    let exe = Some(t.find("/big").unwrap());
    files.borrow_mut().add(t.open("/dir/a", OpenFlags::RDONLY).unwrap(), false).unwrap();
    t.vfs.processes().enter(7, Entry { files, fs, exe, uid: 0, gid: 0 });
    t
}

fn link(t: &Tree, path: &str) -> String {
    let target = t.walker().resolve(path.as_bytes(), false).unwrap().inode().readlink().unwrap();
    String::from_utf8(target).unwrap()
}

#[test]
fn links_lead_to_what_a_process_holds() {
    let t = tree();
    assert_eq!(link(&t, "/proc/self"), "7");
    assert_eq!(link(&t, "/proc/thread-self"), "7/task/7");
    assert_eq!(link(&t, "/proc/self/exe"), "/big");
    assert_eq!(link(&t, "/proc/self/fd/3"), "/dir/a");
    assert!(link(&t, "/proc/self/fd/1").starts_with("pipe:["));
    assert_eq!(link(&t, "/proc/7/cwd"), "/");
    assert_eq!(t.cat("/proc/self/fd/3").unwrap(), b"a");
    assert_eq!(t.cat("/proc/self/root/dir/b").unwrap(), b"b");
    t.unlink("/dir/a").unwrap();
    assert_eq!(link(&t, "/proc/self/fd/3"), "/dir/a (deleted)");
    assert_eq!(t.cat("/dev/fd/3").unwrap(), b"a");
    assert_eq!(t.ls("/proc/self/fd"), ["0", "1", "2", "3"]);
}

#[test]
fn there_is_nothing_else() {
    let t = tree();
    assert_eq!(error(t.find("/proc/8")), ENOENT);
    assert_eq!(error(t.find("/proc/07")), ENOENT);
    assert_eq!(error(t.find("/proc/self/fd/4")), ENOENT);
    assert_eq!(error(t.open("/proc/sys/kernel/hostname", OpenFlags::WRONLY)), EROFS);
    assert_eq!(t.ls("/proc/7/task"), ["7"]);
    assert!(!t.ls("/proc/7/task/7").contains(&"task".to_owned()), "or a walk of the tree would not end");
    assert!(t.ls("/proc").contains(&"7".to_owned()));
    assert_eq!(t.ls("/proc/sys"), ["fs", "kernel", "net", "vm"]);
    assert_eq!(t.ls("/proc/sys/kernel/random"), ["boot_id", "entropy_avail", "poolsize", "uuid"]);
}
