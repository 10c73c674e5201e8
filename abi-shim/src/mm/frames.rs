//! Whose bytes the pages of user memory hold.
//!
//! All processes share the one user memory (DESIGN §7), and a guest address is an index in it. So a page of it, a *frame*, holds what one
//! [`Owner`] has at its address. A process's private pages have one owner; a shared map has its own, and so has each unmodified file of the ROM
//! at each address where it is mapped: whoever maps that needs the same bytes there.
//!
//! Placement keeps owners apart where it can. Where two do have a page at one address (after fork(2), or the data of a library), [`enter`]
//! swaps: what is there goes to a copy of its owner's in kernel memory, and the copy of the one who needs the frame now comes in. Nothing
//! tells what lifted code writes, so a page that goes is compared with the copy from which it came; what has not changed is not copied again,
//! and after fork(2) parent and child have the very same copies.
//!
//! Invariant: an owner's page is in its frame, or in its copies, or what its [`Source`] has. A copy of a page that is in its frame is what it
//! was when it came there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::{Rc, Weak};

use super::same::{is_zero, same};
use super::{FileMap, PAGE};
use crate::errno::Errno;
use crate::fs::inode::RomFile;
use crate::{code_map, rom, user};

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
    id: u32,
    source: Source,
    /// By number of the page.
    copies: RefCell<BTreeMap<u32, Rc<[u8]>>>,
    /// Addresses whose bytes nobody needs any more: below the stack pointer.
    dead: Cell<(u64, u64)>,
    /// Addresses where others should place nothing.
    territory: Cell<(u64, u64)>,
}

/// Frames that hold zeros and nothing else ever.
const NOBODY: u32 = 0;
/// Frames that hold what nobody needs.
const STALE: u32 = 1;

/// What a frame is to hold for its new owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// What the owner has there.
    Its,
    /// Zeros.
    Zeros,
    /// Anything: it is written over.
    Any,
}

/// What swapping has cost so far: HOIST_STATS.
#[derive(Clone, Copy, Default, Debug)]
pub struct Stats {
    /// Changes from one address space to another.
    pub switches: u64,
    /// Bytes that went to copies and came from them.
    pub swapped: u64,
    /// Bytes that fork(2) copied.
    pub forked: u64,
}

#[derive(Default)]
struct Frames {
    /// By number of the page: whose it is.
    holders: Vec<u32>,
    owners: BTreeMap<u32, Weak<Owner>>,
    last: u32,
    /// Owners of what is mapped from the ROM, by inode and bias. They stay, and with them what is in their frames: the next execve(2) of a
    /// program finds its text in place.
    rom: BTreeMap<(u32, u64), Rc<Owner>>,
    /// Owners of shared maps of files, by inode and bias.
    files: BTreeMap<(usize, u64), Weak<Owner>>,
    stats: Stats,
}

thread_local! {
    static FRAMES: RefCell<Frames> = RefCell::default();
}

/// As before the first process.
pub fn reset() {
    // Owners take themselves out when they go, so not while the frames are borrowed.
    let before = FRAMES.take();
    code_map::reset(0, before.holders.len() as u64 * PAGE);
}

/// What swapping has cost.
pub fn stats() -> Stats {
    FRAMES.with_borrow(|frames| frames.stats)
}

/// Counts a change of address spaces.
pub fn count_switch() {
    FRAMES.with_borrow_mut(|frames| frames.stats.switches += 1);
}

impl Owner {
    /// One who has nothing yet.
    #[allow(clippy::new_ret_no_self)] // frames name owners, so that they are shared always
    pub fn new(source: Source) -> Rc<Owner> {
        FRAMES.with_borrow_mut(|frames| frames.add(source))
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
            let owner = frames.add(Source::Rom { file, bias });
            frames.rom.insert(key, owner.clone());
            (owner, unused)
        });
        drop(unused);
        owner
    }

    /// The owner of a file's shared maps where they are.
    pub fn of_file(file: &Rc<FileMap>, bias: u64) -> Rc<Owner> {
        FRAMES.with_borrow_mut(|frames| {
            let key = (file.identity(), bias);
            if let Some(owner) = frames.files.get(&key).and_then(Weak::upgrade) {
                return owner;
            }
            frames.files.retain(|_, owner| owner.strong_count() > 0);
            let owner = frames.add(Source::File { file: file.clone(), bias });
            frames.files.insert(key, Rc::downgrade(&owner));
            owner
        })
    }

    /// Where other shared maps of a file are: a map of it from `offset` on would see what they write at these addresses.
    pub fn places_of(file: &FileMap, offset: u64) -> Vec<u64> {
        FRAMES.with_borrow(|frames| {
            let its = frames.files.range((file.identity(), 0)..=(file.identity(), u64::MAX));
            its.filter(|(_, owner)| owner.strong_count() > 0).map(|((_, bias), _)| offset.wrapping_sub(*bias)).collect()
        })
    }

    /// Names it: two futexes at one address are one if their owner is.
    pub fn id(&self) -> u32 {
        self.id
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

    fn is_dead(&self, page: u32) -> bool {
        let (start, end) = self.dead.get();
        (start..end).contains(&(u64::from(page) * PAGE))
    }

    /// Another owner of the same bytes in these ranges: fork(2). This one is at work.
    pub fn fork(&self, ranges: impl Iterator<Item = (u64, u64)>) -> Rc<Owner> {
        let child = Owner::new(Source::Zeros);
        child.dead.set(self.dead.get());
        child.territory.set(self.territory.get());
        FRAMES.with_borrow_mut(|frames| {
            for page in ranges.flat_map(|(start, end)| pages(start, end)) {
                let copy = match frames.holder(page) == self.id {
                    true if self.is_dead(page) => None,
                    true => {
                        frames.stats.forked += PAGE;
                        self.save(page)
                    }
                    false => self.copies.borrow().get(&page).cloned(),
                };
                if let Some(copy) = copy {
                    child.copies.borrow_mut().insert(page, copy);
                }
            }
        });
        child
    }

    /// Makes the copy of a page what is in its frame; none if that is zeros.
    fn save(&self, page: u32) -> Option<Rc<[u8]>> {
        thread_local! {
            static BYTES: RefCell<[u8; PAGE as usize]> = const { RefCell::new([0; PAGE as usize]) };
        }
        BYTES.with_borrow_mut(|bytes| {
            // The frame exists, since it has a holder.
            user::copy_from_user(u64::from(page) * PAGE, bytes).ok()?;
            let mut copies = self.copies.borrow_mut();
            if let Some(copy) = copies.get(&page).filter(|copy| same(copy, bytes)) {
                return Some(copy.clone());
            }
            if matches!(self.source, Source::Zeros) && is_zero(bytes) {
                copies.remove(&page);
                return None;
            }
            let copy: Rc<[u8]> = Rc::from(&bytes[..]);
            copies.insert(page, copy.clone());
            Some(copy)
        })
    }

    /// Fills frames with what the source has.
    fn load(&self, pages: Range<u32>) -> Result<(), Errno> {
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

/// How many of the first holders are the same.
fn alike(holders: &[u32]) -> usize {
    /// So many are compared at a time.
    const BLOCK: usize = 16;
    let Some(&first) = holders.first() else { return 0 };
    let is_other = |block: &[u32; BLOCK]| block.iter().fold(0, |different, holder| different | holder ^ first) != 0;
    let (blocks, _) = holders.as_chunks::<BLOCK>();
    let known = blocks.iter().position(is_other).unwrap_or(blocks.len()) * BLOCK;
    known + holders[known..].iter().take_while(|&&holder| holder == first).count()
}

/// The numbers of the pages of a range of whole pages.
fn pages(start: u64, end: u64) -> Range<u32> {
    (start / PAGE) as u32..end.div_ceil(PAGE) as u32
}

// ---- Frames

/// Makes the frames from `start` to `end` those of an owner. They exist.
///
/// # Errors
/// What reading a file gives.
pub fn enter(owner: &Owner, start: u64, end: u64, content: Content) -> Result<(), Errno> {
    FRAMES.with_borrow_mut(|frames| frames.enter(owner, pages(start, end), content))
}

/// The owner's pages from `start` to `end` are gone.
pub fn leave(owner: &Owner, start: u64, end: u64) {
    let pages = pages(start, end);
    FRAMES.with_borrow_mut(|frames| {
        let reached = pages.start as usize..(pages.end as usize).min(frames.holders.len());
        let holders = frames.holders.get_mut(reached).unwrap_or_default();
        holders.iter_mut().filter(|holder| **holder == owner.id).for_each(|holder| *holder = STALE);
    });
    owner.copies.borrow_mut().extract_if(pages, |_, _| true).for_each(drop);
}

/// Makes frames of `from`, as they are, those of `to`; false, and nothing has changed, if not all of them are `from`'s.
pub fn hand_over(from: &Owner, to: &Owner, start: u64, end: u64) -> bool {
    FRAMES.with_borrow_mut(|frames| {
        let pages = pages(start, end);
        let Some(holders) = frames.holders.get_mut(pages.start as usize..pages.end as usize) else { return false };
        let all = holders.iter().all(|&holder| holder == from.id);
        if all {
            holders.fill(to.id);
            code_map::reset(start, end);
        }
        all
    })
}

/// Whether another process has pages or a territory in a range; the end of what it has.
pub fn taken_by_others(owner: &Owner, start: u64, end: u64) -> Option<u64> {
    FRAMES.with_borrow(|frames| {
        let territories = frames.owners.values().filter_map(Weak::upgrade).filter(|other| {
            let (first, last) = other.territory.get();
            other.id != owner.id && first < end && start < last && other.territory.get() != owner.territory.get()
        });
        if let Some(last) = territories.map(|other| other.territory.get().1).max() {
            return Some(last);
        }
        let pages = pages(start, end);
        let reached = pages.start as usize..(pages.end as usize).min(frames.holders.len());
        let holders = frames.holders.get(reached)?;
        let mut free = [NOBODY, STALE, owner.id];
        for (index, &holder) in holders.iter().enumerate() {
            if free.contains(&holder) {
                continue;
            }
            if frames.is_used(holder) {
                let run = holders[index..].iter().take_while(|&&other| other == holder).count();
                return Some((u64::from(pages.start) + (index + run) as u64) * PAGE);
            }
            free[0] = holder;
        }
        None
    })
}

impl Frames {
    fn add(&mut self, source: Source) -> Rc<Owner> {
        self.last = self.last.max(STALE) + 1;
        let (copies, dead, territory) = Default::default();
        let owner = Rc::new(Owner { id: self.last, source, copies, dead, territory });
        self.owners.insert(owner.id, Rc::downgrade(&owner));
        owner
    }

    fn holder(&self, page: u32) -> u32 {
        self.holders.get(page as usize).copied().unwrap_or(NOBODY)
    }

    /// Whether what a holder has there is mapped by anybody.
    fn is_used(&self, holder: u32) -> bool {
        let Some(owner) = self.owners.get(&holder).and_then(Weak::upgrade) else { return false };
        // Owners of the ROM are kept in a table, and one is here.
        !matches!(owner.source, Source::Rom { .. }) || Rc::strong_count(&owner) > 2
    }

    fn enter(&mut self, owner: &Owner, pages: Range<u32>, content: Content) -> Result<(), Errno> {
        if self.holders.len() < pages.end as usize {
            self.holders.resize(pages.end as usize, NOBODY);
        }
        let mut at = pages.start;
        while at < pages.end {
            let rest = &self.holders[at as usize..pages.end as usize];
            let holder = rest[0];
            let run = at..at + alike(rest) as u32;
            at = run.end;
            if holder == owner.id {
                if content == Content::Zeros {
                    user::clear(u64::from(run.start) * PAGE, u64::from(run.end - run.start) * PAGE)?;
                }
                continue;
            }
            if holder != NOBODY {
                code_map::reset(u64::from(run.start) * PAGE, u64::from(run.end) * PAGE);
            }
            match self.owners.get(&holder).and_then(Weak::upgrade) {
                None => self.fill(owner, run.clone(), content, holder == NOBODY)?,
                Some(before) => self.swap(&before, owner, run.clone(), content)?,
            }
            self.holders[run.start as usize..run.end as usize].fill(owner.id);
        }
        Ok(())
    }

    /// Fills frames that nobody needs.
    fn fill(&mut self, owner: &Owner, run: Range<u32>, content: Content, zeros: bool) -> Result<(), Errno> {
        match content {
            Content::Any => return Ok(()),
            Content::Zeros if zeros => return Ok(()),
            Content::Zeros => return user::clear(u64::from(run.start) * PAGE, u64::from(run.end - run.start) * PAGE),
            Content::Its => {}
        }
        if !(zeros && matches!(owner.source, Source::Zeros)) {
            owner.load(run.clone())?;
        }
        for (&page, copy) in owner.copies.borrow().range(run) {
            self.stats.swapped += PAGE;
            user::copy_to_user(u64::from(page) * PAGE, copy)?;
        }
        Ok(())
    }

    /// Takes frames from one owner for another.
    fn swap(&mut self, before: &Owner, owner: &Owner, run: Range<u32>, content: Content) -> Result<(), Errno> {
        let mut next = run.start;
        while next < run.end {
            let page = next;
            if content == Content::Any && before.is_dead(page) {
                // Most of a stack: nobody needs what is there.
                next = (before.dead().end / PAGE) as u32;
                continue;
            }
            next += 1;
            let needless = before.is_dead(page) || matches!(before.source, Source::Rom { .. });
            let left = if needless { None } else { before.save(page) };
            self.stats.swapped += if needless { 0 } else { PAGE };
            let addr = u64::from(page) * PAGE;
            let is_zero = !needless && left.is_none() && matches!(before.source, Source::Zeros);
            let coming = if content == Content::Its { owner.copies.borrow().get(&page).cloned() } else { None };
            match (content, coming) {
                (Content::Any, _) => {}
                (Content::Its, Some(copy)) if left.is_some_and(|left| Rc::ptr_eq(&left, &copy)) => {}
                (Content::Its, Some(copy)) => {
                    self.stats.swapped += PAGE;
                    user::copy_to_user(addr, &copy)?;
                }
                (Content::Its, None) if matches!(owner.source, Source::Zeros) && is_zero => {}
                (Content::Its, None) => owner.load(page..page + 1)?,
                (Content::Zeros, _) if is_zero => {}
                (Content::Zeros, _) => user::clear(addr, PAGE)?,
            }
        }
        Ok(())
    }

    /// Drops copies that are kept for comparison only, now that nobody shares them.
    fn forget_copies(&mut self, pages: &[u32]) {
        for owner in self.owners.values().filter_map(Weak::upgrade) {
            let mut copies = owner.copies.borrow_mut();
            if copies.is_empty() {
                continue;
            }
            for page in pages {
                let lone = copies.get(page).is_some_and(|copy| Rc::strong_count(copy) == 1);
                if lone && self.holder(*page) == owner.id {
                    copies.remove(page);
                }
            }
        }
    }
}
