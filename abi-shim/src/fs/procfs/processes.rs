//! Which processes there are, as far as links in `/proc` lead into them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::fs::{FdTable, FsInfo, Location, Result};

use crate::errno::Errno::ENOENT;

/// What links of one process lead to.
#[derive(Clone)]
pub struct Entry {
    pub files: Rc<RefCell<FdTable>>,
    pub fs: Rc<RefCell<FsInfo>>,
    /// `None` before the first execve(2).
    pub exe: Option<Location>,
    /// Whose the files are that stand for the process.
    pub uid: u32,
    pub gid: u32,
}

/// The processes by number, and the one that is at work.
#[derive(Default)]
pub struct Processes {
    current: Cell<i32>,
    entries: RefCell<BTreeMap<i32, Entry>>,
}

impl Processes {
    /// This process is at work, and this is how it stands.
    pub fn enter(&self, pid: i32, entry: Entry) {
        self.current.set(pid);
        self.entries.borrow_mut().insert(pid, entry);
    }

    /// This process is at work from now on.
    pub fn set_current(&self, pid: i32) {
        self.current.set(pid);
    }

    /// This is how a process stands.
    pub fn put(&self, pid: i32, entry: Entry) {
        self.entries.borrow_mut().insert(pid, entry);
    }

    /// This process is gone.
    pub fn remove(&self, pid: i32) {
        self.entries.borrow_mut().remove(&pid);
    }

    /// The process that is at work.
    pub fn current(&self) -> i32 {
        self.current.get()
    }

    /// In order.
    pub fn pids(&self) -> Vec<i32> {
        self.entries.borrow().keys().copied().collect()
    }

    /// # Errors
    /// `ENOENT` if there is no such process.
    pub fn get(&self, pid: i32) -> Result<Entry> {
        self.entries.borrow().get(&pid).cloned().ok_or(ENOENT)
    }
}
