//! The address space on memory of its own.

use super::*;
use crate::{machine, user};

const BASE: u32 = 0x40_0000;

fn space() -> AddressSpace {
    machine::install(vec![], vec![]);
    code_map::reset(0, TASK_SIZE);
    frames::reset();
    AddressSpace::new(BASE)
}

const RW: Prot = Prot(3);

fn anonymous(mm: &mut AddressSpace, place: Place, len: u64) -> Result<u64, Errno> {
    mm.map_anonymous(place, len, RW, false)
}

#[test]
fn maps_are_placed_low_and_reused_as_zeros() {
    let mut mm = space();
    let a = anonymous(&mut mm, Place::Hint(0), 2 * PAGE).unwrap();
    let b = anonymous(&mut mm, Place::Hint(0), 1).unwrap();
    assert_eq!(b, a + 2 * PAGE);
    user::write(a, &0x1234u64).unwrap();
    mm.unmap(a, PAGE).unwrap();
    assert!(!mm.is_mapped(a, a + 1) && mm.is_mapped(a + PAGE, b + PAGE));
    assert_eq!(anonymous(&mut mm, Place::Hint(0), PAGE), Ok(a));
    assert_eq!(user::read::<u64>(a), Ok(0));
    assert_eq!(anonymous(&mut mm, Place::Free(b), PAGE), Err(Errno::EEXIST));
    assert_eq!(anonymous(&mut mm, Place::Fixed(b + 1), PAGE), Err(Errno::EINVAL));
    assert_eq!(anonymous(&mut mm, Place::Fixed(0x1000), PAGE), Err(Errno::EPERM));
    assert_eq!(anonymous(&mut mm, Place::Hint(0), 0), Err(Errno::EINVAL));
    assert_eq!(anonymous(&mut mm, Place::Hint(0), 1 << 33), Err(Errno::ENOMEM));
    user::write(b, &7u64).unwrap();
    assert_eq!(anonymous(&mut mm, Place::Fixed(b), PAGE), Ok(b));
    assert_eq!(user::read::<u64>(b), Ok(0));
}

#[test]
fn a_reservation_costs_no_memory() {
    let mut mm = space();
    let a = mm.map_anonymous(Place::Hint(0), 1 << 30, Prot::NONE, false).unwrap();
    assert!(user::end() < a + (1 << 30));
    mm.protect(a + (1 << 20), PAGE, RW).unwrap();
    assert!(user::end() >= a + (1 << 20) + PAGE);
    user::write(a + (1 << 20), &1u64).unwrap();
    assert_eq!(mm.protect(a - PAGE, 2 * PAGE, RW), Err(Errno::ENOMEM));
}

#[test]
fn neighbours_alike_are_one_area() {
    let mut mm = space();
    let a = mm.map_anonymous(Place::Hint(0), 16 * PAGE, Prot::NONE, false).unwrap();
    for page in 0..16 {
        mm.protect(a + page * PAGE, PAGE, RW).unwrap();
    }
    assert_eq!(mm.areas().count(), 1);
    mm.protect(a + PAGE, PAGE, Prot::READ).unwrap();
    assert_eq!(mm.areas().count(), 3);
    mm.protect(a + PAGE, PAGE, RW).unwrap();
    assert_eq!(mm.areas().count(), 1);
}

#[test]
fn the_break_moves_and_comes_back_zero() {
    let mut mm = space();
    let (start, _) = mm.heap();
    assert_eq!(mm.set_brk(0), start);
    assert_eq!(mm.set_brk(start + 10_000), start + 10_000);
    assert_eq!(mm.set_brk(start + 20_000), start + 20_000);
    assert_eq!(mm.areas().count(), 1);
    user::write(start + 12_288, &9u64).unwrap();
    assert_eq!(mm.set_brk(start + 1), start + 1);
    assert!(!mm.is_mapped(start + PAGE, start + PAGE + 1));
    mm.set_brk(start + 20_000);
    assert_eq!(user::read::<u64>(start + 12_288), Ok(0));
    assert_eq!(mm.set_brk(start + BRK_RESERVE + 1), start + 20_000);
}

#[test]
fn remap_grows_in_place_or_moves() {
    let mut mm = space();
    let a = anonymous(&mut mm, Place::Hint(0), PAGE).unwrap();
    user::write(a, &5u64).unwrap();
    assert_eq!(mm.remap(a, PAGE, 2 * PAGE, 0, 0), Ok(a));
    let b = anonymous(&mut mm, Place::Hint(0), PAGE).unwrap();
    assert_eq!(mm.remap(a, 2 * PAGE, 3 * PAGE, 0, 0), Err(Errno::ENOMEM));
    let moved = mm.remap(a, 2 * PAGE, 3 * PAGE, remap::MREMAP_MAYMOVE, 0).unwrap();
    assert!(moved > b && user::read::<u64>(moved) == Ok(5) && !mm.is_mapped(a, a + 1));
    assert!(mm.is_mapped(moved, moved + 3 * PAGE));
    assert_eq!(mm.remap(moved, 3 * PAGE, PAGE, 0, 0), Ok(moved));
    assert!(!mm.is_mapped(moved + PAGE, moved + PAGE + 1));
    let fixed = remap::MREMAP_MAYMOVE | remap::MREMAP_FIXED;
    assert_eq!(mm.remap(moved, PAGE, PAGE, fixed, a), Ok(a));
    assert_eq!(user::read::<u64>(a), Ok(5));
    assert_eq!(mm.remap(moved, PAGE, PAGE, 0, 0), Err(Errno::EFAULT));
    assert_eq!(mm.remap(a, PAGE, 0, 0, 0), Err(Errno::EINVAL));
    assert_eq!(mm.remap(a, PAGE, u64::MAX, 1, 0), Err(Errno::ENOMEM));
    assert_eq!(mm.remap(a, u64::MAX, PAGE, 1, 0), Err(Errno::EINVAL));
}

#[test]
fn discarded_pages_are_zero() {
    let mut mm = space();
    let a = anonymous(&mut mm, Place::Hint(0), 2 * PAGE).unwrap();
    user::write(a, &[1u64, 2]).unwrap();
    user::write(a + PAGE, &3u64).unwrap();
    mm.discard(a, PAGE).unwrap();
    assert_eq!(user::read::<[u64; 2]>(a), Ok([0, 0]));
    assert_eq!(user::read::<u64>(a + PAGE), Ok(3));
    assert_eq!(mm.discard(a, 3 * PAGE), Err(Errno::ENOMEM));
}
