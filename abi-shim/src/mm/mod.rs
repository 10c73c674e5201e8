//! The guest's address space: which guest addresses are mapped, to what, and where new maps go.
//!
//! From below: the homes of the ELF files (DESIGN §6), then from `first_free` on the stack, the reserve for brk(2), and the
//! area in which mmap(2) places what has no home, lowest address first, so that the user memory grows as late as can be.
//!
//! Wasm protects nothing within its memory, so programs' own accesses are not stopped; system calls honour protections ([`crate::user::access`]), and
//! `/proc/self/maps` tells of them. What counts is
//! execution: a map of a lifted file at its home, executable and never written to, makes its pages active in the [`code_map`].
//!
//! What lies in user memory when several processes have maps at the same addresses is the business of [`frames`].

mod area;
mod brk;
mod file;
mod fork;
pub mod frames;
mod place;
mod remap;
mod shared;

pub use area::{Area, Backing, Prot};
pub use file::FileMap;
pub use frames::Futex;

use std::collections::BTreeMap;
use std::rc::Rc;

use hoist_x86::boundary::MMAP_MIN_ADDR;

use crate::errno::Errno;
use crate::heap::Claim;
use crate::user::{access, unchecked as user};
use crate::{code_map, heap};
use frames::{Content, Owner, files};

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// The end of the address space: a guest address has 32 bits.
pub const TASK_SIZE: u64 = 1 << 32;
/// Bytes of the stack, RLIMIT_STACK.
pub const STACK_SIZE: u64 = 8 << 20;
/// Addresses that brk(2) can grow into: of the first process, and of those after it, which are many and can use mmap(2).
const BRK_RESERVE: u64 = 256 << 20;
const SMALL_BRK_RESERVE: u64 = 32 << 20;
/// Addresses below the stack that stay free, so that a stack that overflows is seen before it writes over something else: the
/// kernel looks whenever the Wasm stack is used up, and until then a guest's stack grows by a few MiB.
const STACK_GUARD: u64 = 16 << 20;
/// Addresses between the stack and the heap.
const STACK_GAP: u64 = 1 << 16;
/// vm.max_map_count.
const MAX_AREAS: usize = 65530;

/// Where a new map goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Where there is room; there, if it is free.
    Hint(u64),
    /// MAP_FIXED: there, over what was there.
    Fixed(u64),
    /// MAP_FIXED_NOREPLACE: there, or EEXIST.
    Free(u64),
}

/// The maps of a process.
pub struct AddressSpace {
    areas: BTreeMap<u64, Area>,
    /// Whose the private pages are.
    own: Rc<Owner>,
    /// The first address after all homes.
    first_free: u64,
    /// Where the stack begins, which grows down to there.
    stack: u64,
    /// The first address of the heap, and the program break.
    brk_start: u64,
    brk: u64,
    /// Where the mmap area begins.
    mmap_base: u64,
    /// A file is or was mapped whose code reads floating-point exception flags, or may: the process is run exactly.
    pub reads_exceptions: bool,
}

/// `value` up to whole pages.
pub const fn page_up(value: u64) -> u64 {
    value.saturating_add(PAGE - 1) & !(PAGE - 1)
}

impl AddressSpace {
    /// Nothing is mapped; `first_free` is the first address after all homes.
    pub fn new(first_free: u32) -> AddressSpace {
        let first_free = page_up(u64::from(first_free.max(MMAP_MIN_ADDR)));
        let own = Owner::of_process();
        let (base, reserve) = place::territory(&own, first_free);
        let stack = base + STACK_GUARD;
        let brk = stack + STACK_SIZE + STACK_GAP;
        let mmap_base = brk + reserve;
        own.set_territory(base..mmap_base);
        AddressSpace { areas: BTreeMap::new(), own, first_free, stack, brk_start: brk, brk, mmap_base, reads_exceptions: false }
    }

    /// Likewise for the program after this one.
    pub fn anew(&self) -> AddressSpace {
        AddressSpace::new(self.first_free as u32)
    }

    /// Unmaps everything: execve(2), exit(2). Shared maps of files are written back.
    pub fn clear(&mut self) {
        for (&start, area) in &self.areas {
            // There is nobody who could be told that a file could not be written.
            let _ = area.write_back(start, start, area.end);
        }
        self.areas.clear();
        access::forget();
        self.own = Owner::of_process();
        self.brk = self.brk_start;
        self.reads_exceptions = false;
    }

    /// The areas, by address.
    pub fn areas(&self) -> impl Iterator<Item = (u64, &Area)> {
        self.areas.iter().map(|(&start, area)| (start, area))
    }

    /// The area that an address lies in.
    pub fn area_at(&self, addr: u64) -> Option<(u64, &Area)> {
        let (&start, area) = self.areas.range(..=addr).next_back()?;
        (addr < area.end).then_some((start, area))
    }

    /// Maps the stack; its end, where it grows from.
    ///
    /// # Errors
    /// ENOMEM, also if the program is linked to these addresses.
    pub fn map_stack(&mut self) -> Result<u64, Errno> {
        let end = self.stack + STACK_SIZE;
        if !self.is_free(self.stack, STACK_SIZE) {
            return Err(Errno::ENOMEM);
        }
        self.insert(self.stack, Area::private(end, Prot::READ | Prot::WRITE, Backing::Stack))?;
        Ok(end)
    }

    /// Whether a stack pointer has left the stack at its lower end.
    pub fn is_stack_overflow(&self, rsp: u64) -> bool {
        (self.stack - STACK_GUARD..self.stack).contains(&rsp) && !self.is_mapped(rsp, rsp + 1)
    }

    /// Bytes of pages that are mapped: the VmSize of proc(5).
    pub fn total(&self) -> u64 {
        self.areas.iter().map(|(start, area)| area.end - start).sum()
    }

    /// Bytes of those that are the process's own to write, the stack apart: VmData of proc(5).
    pub fn data(&self) -> u64 {
        let own = |area: &Area| !area.shared && area.prot.has(Prot::WRITE) && !matches!(area.backing, Backing::Stack);
        self.areas.iter().filter(|(_, area)| own(area)).map(|(start, area)| area.end - start).sum()
    }

    /// Bytes of private maps from `start` to `end` that become data once they can be written to.
    pub fn not_writable(&self, start: u64, end: u64) -> u64 {
        let private = self.areas.range(..end).filter(|(_, area)| !area.shared && !area.prot.has(Prot::WRITE) && area.end > start);
        private.map(|(&from, area)| area.end.min(end) - from.max(start)).sum()
    }

    // ---- mmap(2) and its relatives

    /// mmap(2) of nothing: zeros.
    ///
    /// # Errors
    /// EINVAL, ENOMEM, EEXIST as the man page says.
    pub fn map_anonymous(&mut self, place: Place, len: u64, prot: Prot, shared: bool) -> Result<u64, Errno> {
        let (start, end) = self.place(place, len)?;
        let frames = shared.then(Owner::of_shared);
        self.insert(start, Area { shared, frames, ..Area::private(end, prot, Backing::Anonymous) })?;
        self.merge(start);
        Ok(start)
    }

    /// mmap(2) of a file, from `offset` on. A lifted file goes home, if it is mapped from its beginning and its home is free.
    ///
    /// # Errors
    /// Also what reading the file gives.
    pub fn map_file(
        &mut self,
        place: Place,
        len: u64,
        prot: Prot,
        shared: bool,
        file: &Rc<FileMap>,
        offset: u64,
    ) -> Result<u64, Errno> {
        // Of code that was not lifted nobody has looked what it does, and it is interpreted anyway.
        self.reads_exceptions |= file.elf().map_or(prot.has(Prot::EXEC), |elf| elf.reads_exceptions);
        if shared {
            return self.map_shared(place, len, prot, file, offset);
        }
        files::gather(file.inode(), offset, len)?;
        let place = match place {
            Place::Hint(0) => file.home(offset, len).filter(|home| self.is_free(*home, len)).map_or(place, Place::Fixed),
            _ => place,
        };
        let (start, end) = self.place(place, len)?;
        self.back(start, end)?;
        let backing = Backing::File { file: file.clone(), offset };
        let frames = file.rom().map(|rom| Owner::of_rom(rom, offset.wrapping_sub(start)));
        let mut area = Area::private(end, prot, backing);
        match frames {
            Some(rom) if area.dirty => self.load_own(&rom, start, end, file, offset)?,
            Some(frames) => {
                frames::enter(&frames, start, end, Content::Its)?;
                area.frames = Some(frames);
            }
            None => self.load(start, end, file, offset)?,
        }
        area.activate(start);
        self.areas.insert(start, area);
        Ok(start)
    }

    /// Makes private pages of a file. The dynamic linker maps a whole file, then its data again over that: what is in place need not be
    /// read again.
    fn load_own(&self, rom: &Owner, start: u64, end: u64, file: &FileMap, offset: u64) -> Result<(), Errno> {
        match frames::hand_over(rom, &self.own, start, end) {
            true => Ok(()),
            false => self.load(start, end, file, offset),
        }
    }

    /// Reads a file into private pages.
    fn load(&self, start: u64, end: u64, file: &FileMap, offset: u64) -> Result<(), Errno> {
        frames::enter(&self.own, start, end, Content::Any)?;
        let loaded = file.load(start, end - start, offset).inspect_err(|_| frames::leave(&self.own, start, end))?;
        let loaded = page_up(loaded).min(end - start);
        user::clear(start + loaded, end - start - loaded)
    }

    /// munmap(2).
    ///
    /// # Errors
    /// EINVAL.
    pub fn unmap(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        let end = addr.checked_add(page_up(len)).ok_or(Errno::EINVAL)?;
        if !addr.is_multiple_of(PAGE) || len == 0 || end > TASK_SIZE {
            return Err(Errno::EINVAL);
        }
        self.release(addr, end);
        Ok(())
    }

    /// mprotect(2). What is mapped more than once can be reached as any of its maps allows.
    ///
    /// # Errors
    /// EINVAL for an address within a page, ENOMEM where nothing is mapped.
    pub fn protect(&mut self, addr: u64, len: u64, prot: Prot) -> Result<(), Errno> {
        let end = addr.checked_add(page_up(len)).ok_or(Errno::ENOMEM)?;
        if !addr.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if !self.is_mapped(addr, end) {
            return Err(Errno::ENOMEM);
        }
        if prot != Prot::NONE && addr < end {
            self.back(addr, end)?;
        }
        access::forget();
        self.split(addr);
        self.split(end);
        for (&start, area) in self.areas.range_mut(addr..end) {
            let prot = if area.again > 0 { area.prot | prot } else { prot };
            area.prot = prot;
            if prot.has(Prot::WRITE) && !area.dirty {
                area.dirty = true;
                area.frames.iter().filter(|_| area.shared).for_each(|frames| frames.set_written());
                // From now on it is not what the file has.
                if let Some(rom) = area.frames.take_if(|_| !area.shared)
                    && !frames::hand_over(&rom, &self.own, start, area.end)
                {
                    frames::enter(&rom, start, area.end, Content::Its)?;
                    frames::hand_over(&rom, &self.own, start, area.end);
                }
            }
            if prot != Prot::NONE {
                frames::enter(area.frames.as_ref().unwrap_or(&self.own), start, area.end, Content::Its)?;
            }
            area.activate(start);
        }
        self.merge(addr);
        self.merge(end);
        Ok(())
    }

    /// madvise(2) MADV_DONTNEED: private pages are again as they were when they were mapped.
    ///
    /// # Errors
    /// EINVAL, ENOMEM where nothing is mapped; the rest is done nevertheless.
    pub fn discard(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        let end = addr.checked_add(page_up(len)).ok_or(Errno::EINVAL)?;
        if !addr.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        self.split(addr);
        self.split(end);
        for (&start, area) in self.areas.range_mut(addr..end) {
            if !area.dirty || area.shared {
                continue;
            }
            frames::leave(&self.own, start, area.end);
            if area.prot != Prot::NONE {
                frames::enter(&self.own, start, area.end, Content::Zeros)?;
            }
            if let Backing::File { file, offset } = &area.backing {
                files::gather(file.inode(), *offset, area.end - start)?;
                file.load(start, area.end - start, *offset)?;
            }
        }
        let mapped = self.is_mapped(addr, end);
        self.merge(addr);
        self.merge(end);
        if mapped { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// msync(2): shared maps of files are written back.
    ///
    /// # Errors
    /// ENOMEM where nothing is mapped, and what writing gives.
    pub fn sync(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        let end = addr.checked_add(page_up(len)).ok_or(Errno::ENOMEM)?;
        for (start, area) in self.overlapping(addr, end) {
            area.write_back(start, start.max(addr), area.end.min(end))?;
        }
        if self.is_mapped(addr, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Whether all of a range is mapped.
    pub fn is_mapped(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        while at < end {
            match self.area_at(at) {
                Some((_, area)) => at = area.end,
                None => return false,
            }
        }
        true
    }

    fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, &Area)> {
        let first = self.area_at(start).map_or(start, |(first, _)| first);
        self.areas.range(first..end.max(first)).map(|(&start, area)| (start, area))
    }

    // ---- Placement

    /// The range that a new map gets, free when this returns.
    fn place(&mut self, place: Place, len: u64) -> Result<(u64, u64), Errno> {
        let (start, end) = self.check(place, len)?;
        if matches!(place, Place::Fixed(_)) {
            self.remove(start, end);
        }
        Ok((start, end))
    }

    /// The range that a new map gets; nothing changes yet.
    fn check(&self, place: Place, len: u64) -> Result<(u64, u64), Errno> {
        let len = page_up(len);
        if len == 0 {
            return Err(Errno::EINVAL);
        }
        if len > TASK_SIZE || self.areas.len() >= MAX_AREAS {
            return Err(Errno::ENOMEM);
        }
        heap::check(Claim::Process)?;
        match place {
            Place::Hint(addr) => {
                let addr = page_up(addr);
                let good = addr >= self.mmap_base
                    && addr.checked_add(len).is_some_and(|end| end <= TASK_SIZE)
                    && self.is_free(addr, len);
                let start = if good { addr } else { self.find_free(len).ok_or(Errno::ENOMEM)? };
                Ok((start, start + len))
            }
            Place::Fixed(addr) | Place::Free(addr) => {
                let end = addr.checked_add(len).filter(|&end| end <= TASK_SIZE).ok_or(Errno::ENOMEM)?;
                if !addr.is_multiple_of(PAGE) {
                    return Err(Errno::EINVAL);
                }
                if addr < u64::from(MMAP_MIN_ADDR) {
                    return Err(Errno::EPERM);
                }
                if matches!(place, Place::Free(_)) && !self.is_free(addr, len) {
                    return Err(Errno::EEXIST);
                }
                Ok((addr, end))
            }
        }
    }

    /// Whether nothing is mapped there.
    pub fn is_free(&self, start: u64, len: u64) -> bool {
        self.overlapping(start, start.saturating_add(len)).next().is_none()
    }

    // ---- Areas

    /// Makes sure that the memory behind a range exists.
    fn back(&self, start: u64, end: u64) -> Result<(), Errno> {
        debug_assert!(start < end);
        user::grow_to(end)
    }

    /// Adds an area over free addresses; its bytes are zero.
    fn insert(&mut self, start: u64, area: Area) -> Result<(), Errno> {
        // Programs reserve far more than they use; memory comes when it becomes accessible.
        if area.prot != Prot::NONE {
            self.back(start, area.end)?;
            frames::enter(area.frames.as_ref().unwrap_or(&self.own), start, area.end, Content::Zeros)?;
        }
        self.areas.insert(start, area);
        Ok(())
    }

    /// Removes all areas, and parts of areas, in a range.
    fn remove(&mut self, start: u64, end: u64) {
        access::forget();
        self.split(start);
        self.split(end);
        let starts: Vec<u64> = self.areas.range(start..end).map(|(&start, _)| start).collect();
        for start in starts {
            let Some(area) = self.areas.remove(&start) else { continue };
            // munmap(2) has no way to say that a file could not be written.
            let _ = area.write_back(start, start, area.end);
            if area.code {
                code_map::reset(start, area.end);
            }
            if area.frames.is_none() {
                frames::leave(&self.own, start, area.end);
            }
        }
    }

    /// Makes an area begin at `at`, if one goes over it.
    fn split(&mut self, at: u64) {
        let Some((start, area)) = self.area_at(at) else { return };
        if start == at {
            return;
        }
        let upper = Area { backing: area.backing.at(at - start), ..area.clone() };
        if let Some(lower) = self.areas.get_mut(&start) {
            lower.end = at;
        }
        self.areas.insert(at, upper);
    }

    /// Joins the area that begins at `at` with the one before and the one after, where they are alike.
    fn merge(&mut self, at: u64) {
        let start = match self.areas.range(..at).next_back() {
            Some((&before, _)) if self.joins(before) => before,
            _ => at,
        };
        while self.areas.contains_key(&start) && self.joins(start) {
            let next = self.areas.get(&start).map_or(start, |area| area.end);
            let Some(upper) = self.areas.remove(&next) else { return };
            if let Some(area) = self.areas.get_mut(&start) {
                area.end = upper.end;
                area.dirty |= upper.dirty;
            }
        }
    }

    /// Whether the area at `start` and the next one can be one.
    fn joins(&self, start: u64) -> bool {
        let Some(area) = self.areas.get(&start) else { return false };
        self.areas.get(&area.end).is_some_and(|next| {
            let alike = area.prot == next.prot && !area.shared && !next.shared;
            alike && matches!((&area.backing, &next.backing), (Backing::Anonymous, Backing::Anonymous))
        })
    }
}

#[cfg(test)]
mod tests;
