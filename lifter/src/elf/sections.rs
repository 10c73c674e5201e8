//! Section headers (gABI, chapter 4). The kernel never reads them, so a program runs even if they lie: then they are ignored.

use std::ops::Range;

use goblin::elf::section_header::{SHF_ALLOC, SHF_EXECINSTR, SHT_NOBITS};

use super::Segment;
use super::bytes::Reader;

/// A section whose bytes are in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    pub name: String,
    /// SHT_….
    pub kind: u32,
    /// Guest address; 0 if the section is not loaded.
    pub address: u32,
    pub file: Range<usize>,
    /// Index of the section that this one refers to: a symbol table's strings.
    pub link: u32,
    pub executable: bool,
}

struct Raw {
    name: u32,
    kind: u32,
    flags: u64,
    address: u64,
    offset: u64,
    size: u64,
    link: u32,
}

/// All sections, or none if one of them lies outside the file. SHT_NOBITS sections are kept with no bytes, so that indices hold.
pub(super) fn parse(bytes: &[u8], home: u32, table: u64, count: u16, names: u16) -> Vec<Section> {
    let raw: Option<Vec<Raw>> = (0..u64::from(count)).map(|index| read(bytes, table.checked_add(index * 64)?)).collect();
    let Some(raw) = raw else { return Vec::new() };
    let names = raw.get(usize::from(names)).and_then(|section| range(bytes, section)).unwrap_or(0..0);
    let sections = raw.iter().map(|section| {
        let loaded = section.flags & u64::from(SHF_ALLOC) != 0;
        let address = section.address.checked_add(u64::from(home))?;
        let mut name = Reader::new(&bytes[names.clone()], section.name as usize);
        Some(Section {
            name: String::from_utf8_lossy(name.c_str().unwrap_or_default()).into_owned(),
            kind: section.kind,
            address: if loaded { u32::try_from(address).ok()? } else { 0 },
            file: range(bytes, section)?,
            link: section.link,
            executable: loaded && section.flags & u64::from(SHF_EXECINSTR) != 0,
        })
    });
    sections.collect::<Option<Vec<Section>>>().unwrap_or_default()
}

fn read(bytes: &[u8], at: u64) -> Option<Raw> {
    let mut reader = Reader::new(bytes, usize::try_from(at).ok()?);
    let name = reader.u32()?;
    let kind = reader.u32()?;
    let flags = reader.u64()?;
    let address = reader.u64()?;
    let offset = reader.u64()?;
    let size = reader.u64()?;
    let link = reader.u32()?;
    Some(Raw { name, kind, flags, address, offset, size, link })
}

fn range(bytes: &[u8], section: &Raw) -> Option<Range<usize>> {
    if section.kind == SHT_NOBITS || section.kind == 0 {
        return Some(0..0);
    }
    let end = section.offset.checked_add(section.size)?;
    (end <= bytes.len() as u64).then_some(section.offset as usize..end as usize)
}

/// Executable sections, cut to the executable segments; without any, the executable segments.
pub(super) fn code(sections: &[Section], segments: &[Segment]) -> Vec<Range<u32>> {
    let executable = || segments.iter().filter(|segment| segment.executable).map(Segment::filled);
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for section in sections.iter().filter(|section| section.executable) {
        let end = u64::from(section.address) + section.file.len() as u64;
        for segment in executable() {
            let start = section.address.max(segment.start);
            let end = end.min(u64::from(segment.end)) as u32;
            if start < end {
                ranges.push(start..end);
            }
        }
    }
    if ranges.is_empty() {
        ranges = executable().filter(|range| !range.is_empty()).collect();
    }
    ranges.sort_by_key(|range| (range.start, range.end));
    // Ranges that overlap become one.
    let mut merged: Vec<Range<u32>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
