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

pub mod files;
mod owner;

pub use owner::{Futex, Owner, Source};

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::{Rc, Weak};

use owner::Saved;

use super::PAGE;
use crate::errno::Errno;
use crate::fs::Identity;
use crate::heap::Claim;
use crate::user::unchecked as user;
use crate::{code_map, heap};

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
    files: BTreeMap<(Identity, u64), Weak<Owner>>,
    stats: Stats,
    /// Somebody's pages are lost, and nobody has asked yet.
    has_lost: bool,
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

/// Whether pages of a process have been lost since this was asked last.
pub fn take_lost() -> bool {
    FRAMES.with_borrow_mut(|frames| std::mem::take(&mut frames.has_lost))
}

/// Makes memory free at the cost of another process than the one at work, the one that has most; false if there is none.
pub fn reclaim(at_work: &Owner) -> bool {
    FRAMES.with_borrow_mut(|frames| frames.reclaim([at_work.id; 2]))
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
    fn add(&mut self, source: Source, is_process: bool) -> Rc<Owner> {
        self.last = self.last.max(STALE) + 1;
        let owner = Owner::numbered(self.last, source, is_process);
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
            let more = pages.end as usize - self.holders.len();
            heap::fallible(Claim::Process, || self.holders.try_reserve(more))?;
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
            user::copy_to_user(u64::from(page) * PAGE, &copy[..])?;
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
            if heap::is_low() {
                self.reclaim([before.id, owner.id]);
            }
            let left = (!needless).then(|| before.save(page));
            self.has_lost |= matches!(left, Some(Saved::Lost));
            self.stats.swapped += if needless { 0 } else { PAGE };
            let addr = u64::from(page) * PAGE;
            let is_zero = matches!(left, Some(Saved::Zeros));
            let coming = if content == Content::Its { owner.copies.borrow().get(&page).cloned() } else { None };
            match (content, coming) {
                (Content::Any, _) => {}
                (Content::Its, Some(copy)) if matches!(&left, Some(Saved::Copy(left)) if Rc::ptr_eq(left, &copy)) => {}
                (Content::Its, Some(copy)) => {
                    self.stats.swapped += PAGE;
                    user::copy_to_user(addr, &copy[..])?;
                }
                (Content::Its, None) if matches!(owner.source, Source::Zeros) && is_zero => {}
                (Content::Its, None) => owner.load(page..page + 1)?,
                (Content::Zeros, _) if is_zero => {}
                (Content::Zeros, _) => user::clear(addr, PAGE)?,
            }
        }
        Ok(())
    }

    /// Takes its copies from the process that has most, so that it has to be killed; false if none has any but those at work.
    fn reclaim(&mut self, at_work: [u32; 2]) -> bool {
        let others = self.owners.values().filter_map(Weak::upgrade).filter(|owner| !at_work.contains(&owner.id));
        let spoils = others.map(|owner| (owner.spoils(), owner)).max_by_key(|(spoils, _)| *spoils);
        let Some((_, largest)) = spoils.filter(|(spoils, _)| *spoils > 0) else { return false };
        largest.lose();
        self.has_lost = true;
        heap::restore();
        true
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
