//! The code of a file, with one byte of marks for each byte of it: what is known of the instruction that begins there.

use crate::elf::Elf;

/// Length of the instruction, 1 to 15; 0 = none was found to begin here.
pub(super) const LEN: u8 = 0x0f;
/// A block begins here.
pub(super) const LEADER: u8 = 0x10;
/// Control does not fall through to the next instruction.
pub(super) const END: u8 = 0x20;
/// A call or system call comes back to here.
pub(super) const RETURN: u8 = 0x40;
/// Something calls this.
pub(super) const CALLED: u8 = 0x80;

pub(super) struct Code<'a> {
    /// Ascending, disjoint.
    pub regions: Vec<Region<'a>>,
}

pub(super) struct Region<'a> {
    pub start: u32,
    pub bytes: &'a [u8],
    pub marks: Vec<u8>,
}

impl Region<'_> {
    pub fn end(&self) -> u32 {
        self.start + self.bytes.len() as u32
    }
}

impl<'a> Code<'a> {
    pub fn new(elf: &Elf<'a>) -> Code<'a> {
        let region = |range: &std::ops::Range<u32>| {
            let bytes = elf.read(range.start, range.len())?;
            Some(Region { start: range.start, bytes, marks: vec![0; bytes.len()] })
        };
        Code { regions: elf.code.iter().filter_map(region).collect() }
    }

    /// Index of the region that has this pc.
    pub fn region(&self, pc: u32) -> Option<usize> {
        let after = self.regions.partition_point(|region| region.start <= pc);
        let index = after.checked_sub(1)?;
        (pc < self.regions[index].end()).then_some(index)
    }

    /// The marks at a pc; 0 outside the code.
    pub fn marks(&self, pc: u32) -> u8 {
        self.region(pc).map_or(0, |region| {
            let region = &self.regions[region];
            region.marks[(pc - region.start) as usize]
        })
    }

    /// Adds marks and returns those from before; `None` outside the code.
    pub fn mark(&mut self, pc: u32, marks: u8) -> Option<u8> {
        let region = self.region(pc)?;
        let region = &mut self.regions[region];
        let at = &mut region.marks[(pc - region.start) as usize];
        let before = *at;
        *at |= marks;
        Some(before)
    }

    /// The bytes from a pc to the end of its region.
    pub fn bytes(&self, pc: u32) -> &'a [u8] {
        self.region(pc).map_or(&[], |region| {
            let region = &self.regions[region];
            &region.bytes[(pc - region.start) as usize..]
        })
    }

    /// The marks of a range, which must lie in one region; empty otherwise.
    pub fn slice(&self, start: u32, end: u32) -> &[u8] {
        self.region(start).map_or(&[], |region| {
            let region = &self.regions[region];
            region.marks.get((start - region.start) as usize..(end.max(start) - region.start) as usize).unwrap_or_default()
        })
    }

    /// Is this pc inside an instruction that was found, but not at its start?
    pub fn is_inside_instruction(&self, pc: u32) -> bool {
        self.marks(pc) & LEN == 0
            && (1..15).any(|back| {
                let len = pc.checked_sub(back).map_or(0, |start| self.marks(start) & LEN);
                u32::from(len) > back
            })
    }
}
