//! Functions' extents and landing pads from .eh_frame (Linux Standard Base Core, §10.6; gcc's unwind-dw2-fde.c and unwind-c++.h).

use std::collections::BTreeMap;

use super::Elf;
use super::bytes::Reader;

/// One frame description entry: a contiguous piece of code that has unwind rules, as a rule a function or its cold part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unwind {
    pub start: u32,
    pub end: u32,
    /// Where exceptions are caught or frames cleaned up, ascending. They may lie in another entry (a cold part).
    pub landing_pads: Vec<u32>,
}

/// What its common information entry says about reading a frame description entry.
#[derive(Clone, Copy, Default)]
struct Common {
    /// Encoding of code addresses.
    pointer: u8,
    /// The entry has augmentation data.
    augmented: bool,
    /// Encoding of the pointer to the language-specific data, if there is one.
    language_data: Option<u8>,
}

const OMIT: u8 = 0xff;

/// All entries by address. `header` is the address of .eh_frame_hdr (PT_GNU_EH_FRAME).
pub(super) fn parse(elf: &Elf, header: Option<u32>) -> Vec<Unwind> {
    let section = elf.section(".eh_frame").map(|section| (section.address, Some(section.file.len())));
    let frames = section.or_else(|| Some((frames_from_header(elf, header?)?, None)));
    let Some((address, len)) = frames else { return Vec::new() };
    let Some(bytes) = elf.read_from(address) else { return Vec::new() };
    let bytes = &bytes[..len.unwrap_or(bytes.len()).min(bytes.len())];
    let mut entries = Vec::new();
    let mut commons: BTreeMap<usize, Common> = BTreeMap::new();
    // Entries may share language-specific data, so a table that lies could ask for the square of its size.
    let mut call_sites = elf.bytes.len();
    let mut reader = Reader::new(bytes, 0);
    while let Some(len) = reader.u32() {
        let len = match len {
            0 if section.is_some() => continue,
            // Without the section's size, the first zero ends the table.
            0 => break,
            u32::MAX => reader.u64().and_then(|len| usize::try_from(len).ok()),
            len => Some(len as usize),
        };
        let start = reader.at;
        let Some(record) = len.and_then(|len| reader.take(len)) else { break };
        let mut fields = Reader::new(&bytes[..start + record.len()], start);
        let Some(id) = fields.u32() else { break };
        if id == 0 {
            commons.extend(common(fields).map(|common| (start - record_header(bytes, start), common)));
            continue;
        }
        // The id is the distance back from itself to the common entry.
        let Some(common) = start.checked_sub(id as usize).and_then(|at| commons.get(&at)) else { continue };
        entries.extend(entry(elf, address, fields, common, &mut call_sites));
    }
    entries.sort_by(|a: &Unwind, b| (a.start, b.end).cmp(&(b.start, a.end)));
    entries.dedup_by_key(|entry| entry.start);
    entries
}

/// Bytes of the length field before a record's body.
fn record_header(bytes: &[u8], body: usize) -> usize {
    let extended = body >= 12 && Reader::new(bytes, body - 12).u32() == Some(u32::MAX);
    if extended { 12 } else { 4 }
}

fn frames_from_header(elf: &Elf, header: u32) -> Option<u32> {
    let bytes = elf.read_from(header)?;
    let mut reader = Reader::new(bytes, 0);
    let _version = reader.u8()?;
    let encoding = reader.u8()?;
    let _count_encoding = reader.u8()?;
    let _table_encoding = reader.u8()?;
    pointer(elf, &mut reader, encoding, header)
}

fn common(mut reader: Reader) -> Option<Common> {
    let version = reader.u8()?;
    let augmentation = reader.c_str()?;
    reader.uleb()?;
    reader.sleb()?;
    if version == 1 {
        reader.u8()?;
    } else {
        reader.uleb()?;
    }
    let mut common = Common::default();
    for letter in augmentation {
        match letter {
            b'z' => {
                common.augmented = true;
                reader.uleb()?;
            }
            b'R' => common.pointer = reader.u8()?,
            b'L' => common.language_data = Some(reader.u8()?),
            b'P' => {
                let encoding = reader.u8()?;
                skip(&mut reader, encoding)?;
            }
            b'S' | b'B' => {}
            _ => return None,
        }
    }
    Some(common)
}

/// `reader` reads the section that is at `base`; `call_sites` is how many of them may still be read.
fn entry(elf: &Elf, base: u32, mut reader: Reader, common: &Common, call_sites: &mut usize) -> Option<Unwind> {
    let start = pointer(elf, &mut reader, common.pointer, base)?;
    let len = u32::try_from(value(&mut reader, common.pointer)?).ok()?;
    let end = start.checked_add(len)?;
    if len == 0 || !elf.is_code(start) || !elf.is_code(end - 1) {
        return None;
    }
    let mut landing_pads = Vec::new();
    if common.augmented && reader.uleb()? > 0 {
        let data = common.language_data.and_then(|encoding| pointer(elf, &mut reader, encoding, base));
        if let Some(data) = data {
            // What cannot be read of a lying table is left out.
            let _ = language_data(elf, data, start, &mut landing_pads, call_sites);
            landing_pads.sort_unstable();
            landing_pads.dedup();
        }
    }
    Some(Unwind { start, end, landing_pads })
}

/// The call-site table of a language-specific data area.
fn language_data(elf: &Elf, address: u32, function: u32, landing_pads: &mut Vec<u32>, call_sites: &mut usize) -> Option<()> {
    let mut reader = Reader::new(elf.read_from(address)?, 0);
    let base_encoding = reader.u8()?;
    let base = if base_encoding == OMIT { function } else { pointer(elf, &mut reader, base_encoding, address)? };
    let types_encoding = reader.u8()?;
    if types_encoding != OMIT {
        reader.uleb()?;
    }
    let encoding = reader.u8()?;
    let len = usize::try_from(reader.uleb()?).ok()?;
    let end = reader.at.checked_add(len)?;
    while reader.at < end {
        *call_sites = call_sites.checked_sub(1)?;
        value(&mut reader, encoding)?;
        value(&mut reader, encoding)?;
        let landing_pad = value(&mut reader, encoding)? as u32;
        reader.uleb()?;
        let address = base.wrapping_add(landing_pad);
        if landing_pad != 0 && elf.is_code(address) {
            landing_pads.push(address);
        }
    }
    Some(())
}

/// The number in an encoded pointer (LSB, table "DWARF Pointer Encoding"), whatever it is relative to.
fn value(reader: &mut Reader, encoding: u8) -> Option<i64> {
    Some(match encoding & 15 {
        0x0 | 0x4 | 0xc => reader.u64()? as i64,
        0x1 => reader.uleb()? as i64,
        0x2 => i64::from(reader.u16()?),
        0x3 => i64::from(reader.u32()?),
        0x9 => reader.sleb()?,
        0xa => i64::from(reader.u16()? as i16),
        0xb => i64::from(reader.u32()? as i32),
        _ => return None,
    })
}

fn skip(reader: &mut Reader, encoding: u8) -> Option<()> {
    if encoding != OMIT {
        value(reader, encoding)?;
    }
    Some(())
}

/// An encoded pointer as a guest address. `base` is the guest address of the reader's first byte.
fn pointer(elf: &Elf, reader: &mut Reader, encoding: u8, base: u32) -> Option<u32> {
    if encoding == OMIT {
        return None;
    }
    let place = base.wrapping_add(reader.at as u32);
    let number = value(reader, encoding)?;
    if number == 0 {
        return None;
    }
    match encoding & 0x70 {
        // Absolute: the file's own address, which a relocation may have moved.
        0x00 => elf.guest(number as u64),
        // Relative to the pointer's own place.
        0x10 => Some(place.wrapping_add(number as u32)),
        // Relative to .eh_frame_hdr.
        0x30 => Some(base.wrapping_add(number as u32)),
        _ => None,
    }
}
