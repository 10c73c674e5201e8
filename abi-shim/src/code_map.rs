//! The code map: guest address → function and label (layout in [`hoist_x86::boundary::code_map`]).
//!
//! Nothing is prepared at start. Level one is all zeros, so every page's table is at kernel address 0: the 16 KiB at the far
//! end of the kernel's own stack (wasm-ld's `--stack-first`, which rustc asks for), which are zeros, as a kernel that came near them
//! would have trapped before. Zeros mean slot 0, the interpreter.
//!
//! A page is *active* if what is mapped there is the code that was lifted for it: its entry then points to a shared table whose every
//! entry is slot 1, and the first pc that is entered has [`fill`] make the page's own table from the manifest. There is such a table for each
//! overlay, that is for each of the programs that are linked for the same addresses: which of them it is says whose code is there.

use std::cell::{RefCell, UnsafeCell};

use hoist_x86::boundary::code_map::{ENTRIES, FIRST_FREE_SLOT, PAGE_BITS, PAGES, SLOT_FILL, entry, slot};
use hoist_x86::manifest::{Elf, Error, Reader};

use crate::rom::LiftedSource;

type Table = [u32; ENTRIES];

/// Level one. One task runs at a time and nothing here keeps a reference, so a cell may be shared.
#[repr(transparent)]
pub struct LevelOne(UnsafeCell<[u32; PAGES]>);
unsafe impl Sync for LevelOne {}

/// Lifted code looks here: for each guest page the kernel address of its table.
#[cfg_attr(target_arch = "wasm32", unsafe(no_mangle))]
#[cfg(target_arch = "wasm32")]
pub static HOIST_CODE_MAP: LevelOne = LevelOne(UnsafeCell::new([0; PAGES]));

/// The table of an active page of overlay 0 that has not been entered yet.
static FILL: Table = [entry(SLOT_FILL, 0); ENTRIES];

thread_local! {
    /// The other overlays that have been mapped, with their tables like [`FILL`]. They stay.
    static OVERLAYS: RefCell<Vec<(u32, u32)>> = const { RefCell::new(Vec::new()) };
}

/// The table of an overlay's active pages that have not been entered yet.
fn fill_table(overlay: u32) -> u32 {
    if overlay == 0 {
        return storage::fill_table();
    }
    OVERLAYS.with_borrow_mut(|overlays| match overlays.iter().find(|known| known.0 == overlay) {
        Some((_, table)) => *table,
        None => {
            let table = storage::add(Box::new(FILL));
            overlays.push((overlay, table));
            table
        }
    })
}

/// The overlay whose [`fill_table`] this is, if it is one.
fn overlay_of(table: u32) -> Option<u32> {
    if table == storage::fill_table() {
        return Some(0);
    }
    OVERLAYS.with_borrow(|overlays| overlays.iter().find(|known| known.1 == table).map(|known| known.0))
}

/// Tables as level one names them: by kernel address; 0 is the table of zeros.
#[cfg(target_arch = "wasm32")]
mod storage {
    use super::{FILL, HOIST_CODE_MAP, Table};

    pub fn level_one<R>(f: impl FnOnce(&mut [u32]) -> R) -> R {
        // Safety: see `LevelOne`; `f` is one of this file's, which do not call back.
        f(unsafe { &mut *HOIST_CODE_MAP.0.get() })
    }
    pub fn fill_table() -> u32 {
        FILL.as_ptr() as u32
    }
    pub fn add(table: Box<Table>) -> u32 {
        Box::into_raw(table) as u32
    }
    pub fn get<R>(table: u32, f: impl FnOnce(&Table) -> R) -> R {
        // Safety: what `add` gave, or `FILL`.
        f(unsafe { &*(table as *const Table) })
    }
    pub fn remove(table: u32) {
        // Safety: what `add` gave, once.
        drop(unsafe { Box::from_raw(table as *mut Table) });
    }
}

/// Natively tables are numbered, since their addresses have 64 bits.
#[cfg(not(target_arch = "wasm32"))]
mod storage {
    use super::{FILL, PAGES, Table};
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        static LEVEL_ONE: RefCell<Vec<u32>> = RefCell::new(vec![0; PAGES]);
        static TABLES: RefCell<BTreeMap<u32, Box<Table>>> = RefCell::default();
    }
    pub fn level_one<R>(f: impl FnOnce(&mut [u32]) -> R) -> R {
        LEVEL_ONE.with_borrow_mut(|pages| f(pages))
    }
    pub fn fill_table() -> u32 {
        1
    }
    pub fn add(table: Box<Table>) -> u32 {
        TABLES.with_borrow_mut(|tables| {
            let number = tables.last_key_value().map_or(2, |(last, _)| last + 1);
            tables.insert(number, table);
            number
        })
    }
    pub fn get<R>(table: u32, f: impl FnOnce(&Table) -> R) -> R {
        if table == fill_table() {
            return f(&FILL);
        }
        TABLES.with_borrow(|tables| f(&tables[&table]))
    }
    pub fn remove(table: u32) {
        TABLES.with_borrow_mut(|tables| tables.remove(&table));
    }
}

/// The manifest.
///
/// # Errors
/// `Truncated` where there is none; what is wrong with it.
pub fn manifest() -> Result<Reader<LiftedSource>, Error> {
    Reader::open(LiftedSource)
}

/// The ELF file with this number.
pub fn elf(index: u32) -> Option<Elf> {
    manifest().ok()?.elf(index).ok()
}

/// Says that the pages from `start` to `end` hold what was lifted for them in an overlay. What is known of those that did before stays.
pub fn activate(overlay: u32, start: u64, end: u64) {
    let table = fill_table(overlay);
    storage::level_one(|level_one| {
        let pages = level_one.get_mut(pages(start, end)).unwrap_or_default();
        pages.iter_mut().filter(|page| **page == 0).for_each(|page| *page = table);
    });
}

/// Says that nobody knows what the pages from `start` to `end` hold.
pub fn reset(start: u64, end: u64) {
    let old: Vec<u32> = storage::level_one(|level_one| {
        let pages = level_one.get_mut(pages(start, end)).unwrap_or_default();
        // Most is no code at all: a stack, a heap.
        if pages.iter().fold(0, |any, page| any | page) == 0 {
            return Vec::new();
        }
        pages.iter_mut().map(std::mem::take).filter(|&old| is_own(old)).collect()
    });
    old.into_iter().for_each(storage::remove);
}

fn pages(start: u64, end: u64) -> std::ops::Range<usize> {
    (start >> PAGE_BITS) as usize..(end.div_ceil(1 << PAGE_BITS) as usize).min(PAGES)
}

/// Whether a page's table is its own and not shared.
fn is_own(table: u32) -> bool {
    table != 0 && overlay_of(table).is_none()
}

/// Gives the page of `pc` a table of its own, from the manifest. A page that is not active stays as it is.
pub fn fill(pc: u32) {
    let page = pc >> PAGE_BITS;
    let Some(overlay) = overlay_of(storage::level_one(|level_one| level_one[page as usize])) else { return };
    let mut table = Box::new([0; ENTRIES]);
    let mask = ENTRIES as u32 - 1;
    let read = manifest().and_then(|manifest| manifest.page(overlay, page, |pc, entry| table[(pc & mask) as usize] = entry));
    // Of a damaged page nothing is known.
    if read.is_err() {
        table.fill(0);
    }
    let table = storage::add(table);
    storage::level_one(|level_one| level_one[page as usize] = table);
}

/// Whether lifted code can be entered at `pc`.
pub fn is_lifted(pc: u32) -> bool {
    let entry = look_up(pc);
    let entry = if slot(entry) == SLOT_FILL {
        fill(pc);
        look_up(pc)
    } else {
        entry
    };
    slot(entry) >= FIRST_FREE_SLOT
}

fn look_up(pc: u32) -> u32 {
    match storage::level_one(|level_one| level_one[(pc >> PAGE_BITS) as usize]) {
        0 => 0,
        table => storage::get(table, |table| table[pc as usize % ENTRIES]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hoist_x86::manifest::Manifest;

    #[test]
    fn pages_are_filled_when_entered_and_forgotten_when_changed() {
        let code = [((0, 0x40_1000), entry(2, 0)), ((0, 0x40_1010), entry(2, 1)), ((0, 0x40_2000), entry(3, 0))].into();
        let blob = Manifest { code, ..Manifest::default() }.encode().unwrap();
        crate::machine::install(vec![], blob);
        assert!(!is_lifted(0x40_1000), "not active yet");
        activate(0, 0x40_1000, 0x40_3000);
        assert!(is_lifted(0x40_1000) && is_lifted(0x40_1010) && is_lifted(0x40_2000));
        assert!(!is_lifted(0x40_1011));
        reset(0x40_1000, 0x40_1001);
        assert!(!is_lifted(0x40_1000) && is_lifted(0x40_2000));
        activate(0, 0xffff_f000, 1 << 32);
        assert!(!is_lifted(0xffff_ffff));
        reset(0, 1 << 32);
        assert!(!is_lifted(0x40_2000));
    }

    #[test]
    fn programs_at_the_same_addresses_have_their_own_entries() {
        let code = [((1, 0x40_1000), entry(2, 0)), ((2, 0x40_1008), entry(3, 0)), ((3, 0x40_1000), entry(4, 0))].into();
        let blob = Manifest { code, ..Manifest::default() }.encode().unwrap();
        crate::machine::install(vec![], blob);
        for _ in 0..2 {
            for (overlay, first, second) in [(1, 2, 0), (2, 0, 3), (3, 4, 0)] {
                activate(overlay, 0x40_1000, 0x40_2000);
                let _ = (is_lifted(0x40_1000), is_lifted(0x40_1008));
                assert_eq!((slot(look_up(0x40_1000)), slot(look_up(0x40_1008))), (first, second), "overlay {overlay}");
                reset(0x40_1000, 0x40_2000);
            }
        }
        activate(0, 0x40_1000, 0x40_2000);
        assert!(!is_lifted(0x40_1000), "overlay 0 has nothing there");
        reset(0, 1 << 32);
    }
}
