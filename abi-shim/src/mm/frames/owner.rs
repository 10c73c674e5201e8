//! Those who have pages, and the copies of what is not in user memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::super::{FileMap, PAGE};
use super::{FRAMES, pages};
use crate::errno::Errno;
use crate::fs::Identity;
use crate::fs::inode::RomFile;
use crate::heap::{self, Claim};
use crate::rom;
use crate::user::unchecked as user;

/// A page's bytes.
pub(super) type Page = [u8; PAGE as usize];

/// What a page that was never written is.
pub enum Source {
    Zeros,
    /// Bytes of the ROM; `bias` and an address make the offset in the file. They do not change.
    Rom {
        file: RomFile,
        bias: u64,
    },
    /// Bytes of a file that is mapped shared.
    File {
        file: Rc<FileMap>,
        bias: u64,
    },
}

/// One who has pages.
pub struct Owner {
    pub(super) id: u32,
    pub(super) source: Source,
    /// By number of the page.
    pub(super) copies: RefCell<BTreeMap<u32, Rc<Page>>>,
    /// Addresses whose bytes nobody needs any more: below the stack pointer.
    dead: Cell<(u64, u64)>,
    /// Addresses where others should place nothing.
    pub(super) territory: Cell<(u64, u64)>,
    /// A process's private pages.
    is_process: bool,
    /// One of its maps was writable at some time.
    pub(super) is_written: Cell<bool>,
    /// A page of it is nowhere any more: there was no memory for its copy.
    lost: Cell<bool>,
}

/// Names a futex: private to an owner of pages, or wherever a file is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Futex {
    OfOwner(u32, u64),
    /// By the offset in the file.
    OfFile(Identity, u64),
}

/// What became of a page that goes.
pub(super) enum Saved {
    Zeros,
    Copy(Rc<Page>),
    Lost,
}

impl Owner {
    /// That of a new process's private pages.
    pub fn of_process() -> Rc<Owner> {
        FRAMES.with_borrow_mut(|frames| frames.add(Source::Zeros, true))
    }

    /// That of a shared map of no file.
    pub fn of_shared() -> Rc<Owner> {
        FRAMES.with_borrow_mut(|frames| frames.add(Source::Zeros, false))
    }

    /// The owner of a part of the ROM where it is mapped.
    pub fn of_rom(file: RomFile, bias: u64) -> Rc<Owner> {
        /// So many are kept before those that nobody maps are forgotten.
        const KEPT: usize = 4096;
        let (owner, unused) = FRAMES.with_borrow_mut(|frames| {
            let key = (file.inode.0, bias);
            if let Some(owner) = frames.rom.get(&key) {
                return (owner.clone(), Vec::new());
            }
            let mut unused = Vec::new();
            if frames.rom.len() >= KEPT {
                unused.extend(frames.rom.extract_if(.., |_, owner| Rc::strong_count(owner) == 1));
            }
            let owner = frames.add(Source::Rom { file, bias }, false);
            frames.rom.insert(key, owner.clone());
            (owner, unused)
        });
        drop(unused);
        owner
    }

    /// Names it: two futexes at one address are one if their owner is; those in files are known by the file.
    pub fn futex(&self, addr: u64) -> Futex {
        match &self.source {
            Source::File { file, bias } => Futex::OfFile(file.identity(), addr.wrapping_add(*bias)),
            _ => Futex::OfOwner(self.id, addr),
        }
    }

    /// Its pages are written to from now on.
    pub fn set_written(&self) {
        self.is_written.set(true);
    }

    pub fn set_dead(&self, range: Range<u64>) {
        self.dead.set((range.start, range.end));
    }

    pub fn dead(&self) -> Range<u64> {
        self.dead.get().0..self.dead.get().1
    }

    pub fn set_territory(&self, range: Range<u64>) {
        self.territory.set((range.start, range.end));
    }

    pub(super) fn is_dead(&self, page: u32) -> bool {
        let (start, end) = self.dead.get();
        (start..end).contains(&(u64::from(page) * PAGE))
    }

    /// Another owner of the same bytes in these ranges: fork(2). This one is at work.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn fork(&self, ranges: impl Iterator<Item = (u64, u64)>) -> Result<Rc<Owner>, Errno> {
        let child = Owner::of_process();
        child.dead.set(self.dead.get());
        child.territory.set(self.territory.get());
        FRAMES.with_borrow_mut(|frames| {
            for page in ranges.flat_map(|(start, end)| pages(start, end)) {
                heap::check(Claim::Process)?;
                let copy = match frames.holder(page) == self.id {
                    true if self.is_dead(page) => None,
                    true => {
                        frames.stats.forked += PAGE;
                        match self.save(page) {
                            Saved::Zeros => None,
                            Saved::Copy(copy) => Some(copy),
                            Saved::Lost => return Err(Errno::ENOMEM),
                        }
                    }
                    false => self.copies.borrow().get(&page).cloned(),
                };
                if let Some(copy) = copy {
                    child.copies.borrow_mut().insert(page, copy);
                }
            }
            Ok(())
        })?;
        Ok(child)
    }

    /// Makes the copy of a page what is in its frame; none if that is zeros.
    pub(super) fn save(&self, page: u32) -> Saved {
        /// What most pages are that were never written.
        static ZEROS: Page = [0; PAGE as usize];
        let mut copies = self.copies.borrow_mut();
        let addr = u64::from(page) * PAGE;
        if let Some(copy) = copies.get(&page).filter(|copy| user::is_same(addr, copy)) {
            return Saved::Copy(copy.clone());
        }
        if matches!(self.source, Source::Zeros) && user::is_same(addr, &ZEROS) {
            copies.remove(&page);
            return Saved::Zeros;
        }
        if heap::is_exhausted() {
            self.lost.set(true);
            return Saved::Lost;
        }
        let mut bytes = ZEROS;
        // The frame exists, since it has a holder.
        if user::copy_from_user(addr, &mut bytes).is_err() {
            return Saved::Lost;
        }
        let copy = Rc::new(bytes);
        copies.insert(page, copy.clone());
        Saved::Copy(copy)
    }

    /// Whether it cannot go on, since a page of it is gone.
    pub fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// An owner, known by this number from now on.
    pub(super) fn numbered(id: u32, source: Source, is_process: bool) -> Rc<Owner> {
        let (copies, dead, territory, is_written, lost) = Default::default();
        Rc::new(Owner { id, source, copies, dead, territory, is_process, is_written, lost })
    }

    /// How many pages of the kernel's memory are free if its process is killed for it.
    pub(super) fn spoils(&self) -> usize {
        let may_go = self.is_process && !self.lost.get();
        let copies = self.copies.borrow();
        copies.values().filter(|copy| may_go && Rc::strong_count(copy) == 1).count()
    }

    /// Takes away its copies, for somebody else.
    pub(super) fn lose(&self) {
        self.lost.set(true);
        self.copies.take();
    }

    /// Fills frames with what the source has.
    pub(super) fn load(&self, pages: Range<u32>) -> Result<(), Errno> {
        let (addr, len) = (u64::from(pages.start) * PAGE, u64::from(pages.end - pages.start) * PAGE);
        let loaded = match &self.source {
            Source::Zeros => 0,
            Source::Rom { file, bias } => {
                let offset = addr.wrapping_add(*bias);
                let len = file.len.saturating_sub(offset).min(len);
                rom::rom_to_user(addr, file.offset + offset.min(file.len), len)?;
                len
            }
            Source::File { file, bias } => file.load(addr, len, addr.wrapping_add(*bias))?,
        };
        user::clear(addr + loaded, len - loaded)
    }

    /// Whether it has had a page: that is in its frame or in a copy.
    pub(super) fn has(&self, page: u32) -> bool {
        FRAMES.with_borrow(|frames| frames.holder(page)) == self.id || self.copies.borrow().contains_key(&page)
    }

    /// Its bytes at an address, wherever they are now; false if they are nowhere in memory.
    pub fn peek(&self, addr: u64, bytes: &mut [u8]) -> bool {
        let page = (addr / PAGE) as u32;
        if FRAMES.with_borrow(|frames| frames.holder(page)) == self.id {
            return user::copy_from_user(addr, bytes).is_ok();
        }
        let copies = self.copies.borrow();
        let start = (addr % PAGE) as usize;
        let copy = copies.get(&page).and_then(|copy| copy.get(start..start + bytes.len()));
        copy.map(|copy| bytes.copy_from_slice(copy)).is_some()
    }

    /// Changes its bytes within a page, wherever they are now.
    ///
    /// # Errors
    /// EFAULT where there is no memory.
    pub(super) fn poke(&self, addr: u64, bytes: &[u8]) -> Result<(), Errno> {
        let page = (addr / PAGE) as u32;
        if FRAMES.with_borrow(|frames| frames.holder(page)) == self.id {
            return user::copy_to_user(addr, bytes);
        }
        if let Some(copy) = self.copies.borrow_mut().get_mut(&page) {
            let start = (addr % PAGE) as usize;
            Rc::make_mut(copy)[start..start + bytes.len()].copy_from_slice(bytes);
        }
        Ok(())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let id = self.id;
        // Copies that were shared with this one alone need not be kept for comparison.
        let shared: Vec<u32> = self.copies.get_mut().keys().copied().collect();
        self.copies.get_mut().clear();
        let _ = FRAMES.try_with(|frames| {
            let Ok(mut frames) = frames.try_borrow_mut() else { return };
            frames.owners.remove(&id);
            if matches!(self.source, Source::Zeros) {
                frames.forget_copies(&shared);
            }
        });
    }
}
