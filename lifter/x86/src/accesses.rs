//! Where lifted functions reach user memory: which instruction each access of a function belongs to. So that whoever sees a trap can say
//! which instruction it was.
//!
//! The table of a component is its custom section [`SECTION`]: numbers in LEB128, the index of the first function first. Then for each function,
//! in the order of their indices, the bytes of its record; and the record: its entry, [`Accesses::written`], and for each access how much
//! further its offset is, and its pc, than those of the one before (of the first: than 0 and the entry). Differences of pcs are zigzag.

use alloc::vec::Vec;

/// Name of the custom section, at the component's outermost level.
pub const SECTION: &str = "hoist.accesses";

/// An access of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Of the Wasm instruction, in bytes from the start of the function's body with its declarations.
    pub offset: u32,
    /// Guest address of the instruction.
    pub pc: u32,
}

/// The accesses of a function.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Accesses {
    /// Guest address of the function's entry.
    pub entry: u32,
    /// General-purpose registers that the function writes, bit `n` for register `n`: while it runs, they need not be in their globals.
    pub written: u16,
    /// In ascending order of offsets.
    pub list: Vec<Access>,
}

/// Encodes the table of all functions.
pub fn encode<'a>(first_function: u32, functions: impl Iterator<Item = &'a Accesses>) -> Vec<u8> {
    let (mut table, mut record) = (Vec::new(), Vec::new());
    write(&mut table, first_function);
    for function in functions {
        record.clear();
        write(&mut record, function.entry);
        write(&mut record, function.written.into());
        let (mut offset, mut pc) = (0, function.entry);
        for access in &function.list {
            write(&mut record, access.offset.wrapping_sub(offset));
            let distance = access.pc.wrapping_sub(pc) as i32;
            write(&mut record, (distance << 1 ^ distance >> 31) as u32);
            (offset, pc) = (access.offset, access.pc);
        }
        write(&mut table, record.len() as u32);
        table.extend(&record);
    }
    table
}

/// Looks up the function with a Wasm index; `None` if the table does not have it, or is damaged.
pub fn find(mut table: &[u8], function: u32) -> Option<Accesses> {
    let first = read(&mut table)?;
    for _ in 0..function.checked_sub(first)? {
        let len = read(&mut table)? as usize;
        table = table.get(len..)?;
    }
    let len = read(&mut table)? as usize;
    let mut record = table.get(..len)?;
    let entry = read(&mut record)?;
    let mut found = Accesses { entry, written: read(&mut record)? as u16, list: Vec::new() };
    let mut at = Access { offset: 0, pc: entry };
    while !record.is_empty() {
        at.offset = at.offset.wrapping_add(read(&mut record)?);
        let zigzag = read(&mut record)?;
        at.pc = at.pc.wrapping_add(zigzag >> 1 ^ (zigzag & 1).wrapping_neg());
        found.list.push(at);
    }
    Some(found)
}

fn write(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read(from: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for digit in 0..5 {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u32::from(byte & 0x7f) << (7 * digit);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_table_gives_back_what_went_in() {
        let access = |offset, pc| Access { offset, pc };
        let many = Accesses {
            entry: 0x40_1000,
            written: 0xffff,
            list: vec![access(9, 0x40_1004), access(700, 0x40_0f00), access(701, u32::MAX), access(u32::MAX, 0)],
        };
        let none = Accesses { entry: u32::MAX, written: 0, list: vec![] };
        let table = encode(77, [&none, &many, &none].into_iter());
        assert_eq!(find(&table, 77), Some(none.clone()));
        assert_eq!(find(&table, 78), Some(many));
        assert_eq!(find(&table, 79), Some(none));
        assert_eq!((find(&table, 76), find(&table, 80), find(&table[..5], 78), find(&[], 0)), (None, None, None, None));
    }
}
