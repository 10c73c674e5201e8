//! File descriptors: small numbers for open files, `struct files_struct` of Linux.

use std::rc::Rc;

use super::Result;
use super::file::File;
use crate::errno::Errno::{EBADF, EINVAL, EMFILE};

/// More descriptors than this no process can have: `fs.nr_open`.
pub const NR_OPEN: u32 = 1 << 20;

#[derive(Clone)]
struct Slot {
    file: Rc<File>,
    cloexec: bool,
}

/// The descriptors of a process. A clone shares the open files, as after fork(2).
#[derive(Clone)]
pub struct FdTable {
    slots: Vec<Option<Slot>>,
    /// RLIMIT_NOFILE, the soft limit: one more than the largest descriptor.
    pub limit: u32,
}

impl Default for FdTable {
    fn default() -> FdTable {
        FdTable { slots: Vec::new(), limit: 1024 }
    }
}

impl FdTable {
    /// The file of a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn get(&self, fd: i32) -> Result<&Rc<File>> {
        self.slot(fd).map(|slot| &slot.file)
    }

    fn slot(&self, fd: i32) -> Result<&Slot> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.slots.get(fd)?.as_ref());
        slot.ok_or(EBADF)
    }

    /// Gives a file the lowest descriptor that is free, from `from` on.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn add_from(&mut self, from: u32, file: Rc<File>, cloexec: bool) -> Result<i32> {
        let taken = self.slots.iter().skip(from as usize).take_while(|slot| slot.is_some()).count();
        let fd = from as usize + taken;
        if fd >= self.limit as usize {
            return Err(EMFILE);
        }
        self.put(fd, file, cloexec);
        Ok(fd as i32)
    }

    /// Gives a file the lowest descriptor that is free.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn add(&mut self, file: Rc<File>, cloexec: bool) -> Result<i32> {
        self.add_from(0, file, cloexec)
    }

    /// Gives two files descriptors, or neither: pipe(2).
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn add_pair(&mut self, first: Rc<File>, second: Rc<File>, cloexec: bool) -> Result<[i32; 2]> {
        let one = self.add(first, cloexec)?;
        match self.add(second, cloexec) {
            Ok(other) => Ok([one, other]),
            Err(error) => {
                self.slots[one as usize] = None;
                Err(error)
            }
        }
    }

    /// Makes `fd` name a file; what it named before is returned, to be closed: dup2(2).
    ///
    /// # Errors
    /// `EBADF` if `fd` is beyond the limit.
    pub fn replace(&mut self, fd: i32, file: Rc<File>, cloexec: bool) -> Result<Option<Rc<File>>> {
        let index = usize::try_from(fd).ok().filter(|&fd| fd < self.limit as usize).ok_or(EBADF)?;
        let before = self.slots.get_mut(index).and_then(Option::take);
        self.put(index, file, cloexec);
        Ok(before.map(|slot| slot.file))
    }

    fn put(&mut self, fd: usize, file: Rc<File>, cloexec: bool) {
        if self.slots.len() <= fd {
            self.slots.resize(fd + 1, None);
        }
        self.slots[fd] = Some(Slot { file, cloexec });
    }

    /// Frees a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&mut self, fd: i32) -> Result<Rc<File>> {
        let slot = usize::try_from(fd).ok().and_then(|fd| self.slots.get_mut(fd)?.take());
        slot.map(|slot| slot.file).ok_or(EBADF)
    }

    /// Whether execve(2) closes it.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn cloexec(&self, fd: i32) -> Result<bool> {
        self.slot(fd).map(|slot| slot.cloexec)
    }

    /// # Errors
    /// `EBADF`.
    pub fn set_cloexec(&mut self, fd: i32, cloexec: bool) -> Result<()> {
        self.slot(fd)?;
        if let Some(Some(slot)) = self.slots.get_mut(fd as usize) {
            slot.cloexec = cloexec;
        }
        Ok(())
    }

    /// Closes what execve(2) does not pass on.
    pub fn close_on_exec(&mut self) -> Vec<Rc<File>> {
        let closing = self.slots.iter_mut().filter(|slot| slot.as_ref().is_some_and(|slot| slot.cloexec));
        closing.filter_map(Option::take).map(|slot| slot.file).collect()
    }

    /// The descriptors from `first` to `last` that are open: close_range(2).
    ///
    /// # Errors
    /// `EINVAL` if the range is backwards.
    pub fn range(&self, first: u32, last: u32) -> Result<Vec<i32>> {
        if first > last {
            return Err(EINVAL);
        }
        Ok(self.open().filter(|&fd| (first..=last).contains(&(fd as u32))).collect())
    }

    /// The descriptors that are open, in order.
    pub fn open(&self) -> impl Iterator<Item = i32> + '_ {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_some());
        open.map(|(fd, _)| fd as i32)
    }
}
