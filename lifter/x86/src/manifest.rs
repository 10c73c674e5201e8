//! What the converter tells the kernel about an image: the blob that the kernel reads through `lifted_read`.
//!
//! | part | read |
//! | --- | --- |
//! | head: magic, version, where the others lie, the first free guest address | at start |
//! | config: command, environment, working directory, user, … of the image | at start |
//! | ELF files: their homes (DESIGN §6), and the segments of them that hold code | one record for each file that is mapped |
//! | code pages: overlay and guest page → its entry points, sorted | a binary search and one read for each page that is entered |
//!
//! So start-up costs the same for every image. All numbers are little-endian. Nothing the blob says is believed: a
//! damaged one gives an [`Error`], never a panic.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::boundary::code_map::{ENTRIES, PAGE_BITS};
use crate::processor::Level;

const MAGIC: [u8; 8] = *b"hoistmap";
const VERSION: u32 = 3;
/// Head: magic, version, first free address, then offset and length of each [`Section`].
const HEAD_SIZE: usize = 16 + 8 * SECTIONS;
const SECTIONS: usize = 5;

/// The parts of the blob, in the order of the head.
#[derive(Clone, Copy)]
enum Section {
    Config,
    Elfs,
    Segments,
    Pages,
    Points,
}

const ELF_SIZE: u32 = 24;
/// Bit of an ELF file's flags.
const READS_EXCEPTIONS: u32 = 1;
const SEGMENT_SIZE: u32 = 16;
const PAGE_SIZE: u32 = 8;
const POINT_SIZE: u32 = 6;

/// Bits of the number of a page in an overlay, which stand above the guest page's.
const OVERLAY_BITS: u32 = 12;
/// So many ELF files may share addresses with others.
pub const MAX_OVERLAY: u32 = (1 << OVERLAY_BITS) - 1;

/// How the image wants to be run (OCI image-spec, config.md, "config"). Strings are as the config has them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Config {
    /// The reference that was converted; what messages call the image.
    pub image: String,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Empty means `/`.
    pub working_dir: String,
    /// `user`, `uid`, `user:group`, `uid:gid`; empty means root.
    pub user: String,
    /// Empty: the kernel picks one.
    pub hostname: String,
    /// Such as `SIGTERM` or `15`; empty means SIGTERM.
    pub stop_signal: String,
    /// The processor that CPUID announces.
    pub cpu: Level,
}

/// One ELF file and the place its code was lifted for. Its number is the vfs's `elf` attribute of its inode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elf {
    /// Guest address that the page of the file's lowest PT_LOAD address goes to.
    pub base: u32,
    /// Bytes from there to the end of its highest PT_LOAD segment, whole pages.
    pub span: u32,
    /// Which of the files that share addresses it is, up to [`MAX_OVERLAY`]; 0 for all that share none. Two of them never run in one process.
    pub overlay: u32,
    /// The executable segments, by address.
    pub segments: Vec<Segment>,
    /// Its code asks which floating-point exceptions there were (fetestexcept(3)): a process that maps it is run exactly.
    pub reads_exceptions: bool,
}

/// An executable PT_LOAD segment, whole pages: the map of the file that its lifted code is right for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Guest address.
    pub start: u32,
    pub len: u32,
    /// What lies at `start`, bytes from the start of the file.
    pub file_offset: u64,
}

/// All that the converter has to say.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub config: Config,
    /// The first guest address after all homes and all ET_EXEC files, a multiple of 64 KiB.
    pub first_free: u32,
    pub elfs: Vec<Elf>,
    /// Overlay and guest address → [`crate::boundary::code_map::entry`].
    pub code: BTreeMap<(u32, u32), u32>,
}

/// What is wrong with the blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    #[error("the table of lifted code is cut off: {len} bytes at {offset} do not exist")]
    Truncated { offset: u32, len: u32 },
    #[error("the table of lifted code has no or another format (version {0}, expected {VERSION})")]
    Format(u32),
    #[error("the table of lifted code is damaged in its part {0}")]
    Damaged(&'static str),
    #[error("the table of lifted code would have more than 4 GiB")]
    TooBig,
}

// ---- Writing

/// Tags of the config's strings. A tag that a reader does not know is skipped.
const IMAGE: u32 = 1;
const ENTRYPOINT: u32 = 2;
const CMD: u32 = 3;
const ENV: u32 = 4;
const WORKING_DIR: u32 = 5;
const USER: u32 = 6;
const HOSTNAME: u32 = 7;
const STOP_SIGNAL: u32 = 8;
const CPU: u32 = 9;

impl Manifest {
    /// The blob. The same manifest gives the same bytes.
    ///
    /// # Errors
    /// `TooBig`.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let (elfs, segments) = self.encode_elfs()?;
        let (pages, points) = self.encode_code()?;
        let sections = [self.config.encode()?, elfs, segments, pages, points];
        let mut blob = Vec::new();
        blob.extend(MAGIC);
        blob.extend(VERSION.to_le_bytes());
        blob.extend(self.first_free.to_le_bytes());
        let mut offset = HEAD_SIZE;
        for section in &sections {
            blob.extend(number(offset)?.to_le_bytes());
            blob.extend(number(section.len())?.to_le_bytes());
            offset += section.len();
        }
        number(offset)?;
        sections.iter().for_each(|section| blob.extend(section));
        Ok(blob)
    }

    /// Records `[base, span, first segment, segments, flags, overlay]`, and `[start, len, offset, offset's high half]`.
    fn encode_elfs(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (mut elfs, mut segments) = (Vec::new(), Vec::new());
        for elf in &self.elfs {
            let first = number(segments.len() / SEGMENT_SIZE as usize)?;
            let flags = if elf.reads_exceptions { READS_EXCEPTIONS } else { 0 };
            push(&mut elfs, &[elf.base, elf.span, first, number(elf.segments.len())?, flags, elf.overlay]);
            for segment in &elf.segments {
                let offset = segment.file_offset;
                push(&mut segments, &[segment.start, segment.len, offset as u32, (offset >> 32) as u32]);
            }
        }
        Ok((elfs, segments))
    }

    /// Records `[page number, first point]`, and points: u16 offset in the page, u32 entry.
    fn encode_code(&self) -> Result<(Vec<u8>, Vec<u8>), Error> {
        let (mut pages, mut points) = (Vec::new(), Vec::new());
        let mut last = None;
        for (count, (&(overlay, pc), &entry)) in self.code.iter().enumerate() {
            let page = page_number(overlay, pc >> PAGE_BITS);
            if last != Some(page) {
                push(&mut pages, &[page, number(count)?]);
                last = Some(page);
            }
            points.extend((pc as u16 & (ENTRIES as u16 - 1)).to_le_bytes());
            points.extend(entry.to_le_bytes());
        }
        Ok((pages, points))
    }
}

impl Config {
    fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut put = |tag: u32, text: &str| {
            push(&mut bytes, &[tag, number(text.len())?]);
            bytes.extend(text.as_bytes());
            Ok(())
        };
        put(IMAGE, &self.image)?;
        self.entrypoint.iter().try_for_each(|text| put(ENTRYPOINT, text))?;
        self.cmd.iter().try_for_each(|text| put(CMD, text))?;
        self.env.iter().try_for_each(|text| put(ENV, text))?;
        put(WORKING_DIR, &self.working_dir)?;
        put(USER, &self.user)?;
        put(HOSTNAME, &self.hostname)?;
        put(STOP_SIGNAL, &self.stop_signal)?;
        put(CPU, self.cpu.name())?;
        Ok(bytes)
    }

    fn decode(mut bytes: &[u8]) -> Result<Config, Error> {
        const DAMAGED: Error = Error::Damaged("config");
        let mut config = Config::default();
        while !bytes.is_empty() {
            let (&tag, rest) = bytes.split_first_chunk().ok_or(DAMAGED)?;
            let (&len, rest) = rest.split_first_chunk().ok_or(DAMAGED)?;
            let (text, rest) = rest.split_at_checked(u32::from_le_bytes(len) as usize).ok_or(DAMAGED)?;
            let text = String::from(core::str::from_utf8(text).map_err(|_| DAMAGED)?);
            match u32::from_le_bytes(tag) {
                IMAGE => config.image = text,
                ENTRYPOINT => config.entrypoint.push(text),
                CMD => config.cmd.push(text),
                ENV => config.env.push(text),
                WORKING_DIR => config.working_dir = text,
                USER => config.user = text,
                HOSTNAME => config.hostname = text,
                STOP_SIGNAL => config.stop_signal = text,
                CPU => config.cpu = Level::from_name(&text).ok_or(DAMAGED)?,
                _ => {}
            }
            bytes = rest;
        }
        Ok(config)
    }
}

/// Names a page of an overlay.
fn page_number(overlay: u32, page: u32) -> u32 {
    overlay << (32 - OVERLAY_BITS) | page
}

fn number(count: usize) -> Result<u32, Error> {
    u32::try_from(count).map_err(|_| Error::TooBig)
}

fn push(bytes: &mut Vec<u8>, numbers: &[u32]) {
    numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
}

// ---- Reading

/// Where the blob lies.
pub trait Source {
    /// How many bytes it has.
    fn len(&self) -> u32;
    /// Fills `buffer` with the bytes from `offset`, which are all there: the reader asks [`Source::len`] first.
    fn read_at(&self, offset: u32, buffer: &mut [u8]);
    /// True for a converter that lifted nothing and said nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Source for [u8] {
    fn len(&self) -> u32 {
        <[u8]>::len(self) as u32
    }
    fn read_at(&self, offset: u32, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self[offset as usize..][..buffer.len()]);
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn len(&self) -> u32 {
        (**self).len()
    }
    fn read_at(&self, offset: u32, buffer: &mut [u8]) {
        (**self).read_at(offset, buffer);
    }
}

/// The blob, opened.
#[derive(Clone, Debug)]
pub struct Reader<S> {
    source: S,
    first_free: u32,
    sections: [Extent; SECTIONS],
}

#[derive(Clone, Copy, Default, Debug)]
struct Extent {
    offset: u32,
    len: u32,
}

impl<S: Source> Reader<S> {
    /// Reads and checks the head.
    ///
    /// # Errors
    /// `Truncated`, `Format`, `Damaged`.
    pub fn open(source: S) -> Result<Reader<S>, Error> {
        let mut head = [0; HEAD_SIZE];
        if source.len() < HEAD_SIZE as u32 {
            return Err(Error::Truncated { offset: 0, len: HEAD_SIZE as u32 });
        }
        source.read_at(0, &mut head);
        if head[..8] != MAGIC {
            return Err(Error::Format(0));
        }
        let [version, first_free] = words(&head[8..]);
        if version != VERSION {
            return Err(Error::Format(version));
        }
        let mut sections = [Extent::default(); SECTIONS];
        for (section, bytes) in sections.iter_mut().zip(head[16..].chunks_exact(8)) {
            let [offset, len] = words(bytes);
            if offset.checked_add(len).is_none_or(|end| end > source.len()) {
                return Err(Error::Truncated { offset, len });
            }
            *section = Extent { offset, len };
        }
        Ok(Reader { source, first_free, sections })
    }

    /// The first guest address after all homes: where the kernel may begin to place what has none.
    pub fn first_free(&self) -> u32 {
        self.first_free
    }

    /// # Errors
    /// `Damaged`.
    pub fn config(&self) -> Result<Config, Error> {
        let extent = self.sections[Section::Config as usize];
        let mut bytes = alloc::vec![0; extent.len as usize];
        self.source.read_at(extent.offset, &mut bytes);
        Config::decode(&bytes)
    }

    pub fn elf_count(&self) -> u32 {
        self.sections[Section::Elfs as usize].len / ELF_SIZE
    }

    /// The ELF file with this number.
    ///
    /// # Errors
    /// `Damaged`, also if there is none.
    pub fn elf(&self, index: u32) -> Result<Elf, Error> {
        let [base, span, first, count, flags, overlay] =
            self.record(Section::Elfs, index, ELF_SIZE).ok_or(Error::Damaged("ELF files"))?;
        let mut segments = Vec::new();
        for number in first..first.saturating_add(count) {
            let record = self.record(Section::Segments, number, SEGMENT_SIZE);
            let [start, len, low, high] = record.ok_or(Error::Damaged("segments"))?;
            segments.push(Segment { start, len, file_offset: u64::from(high) << 32 | u64::from(low) });
        }
        Ok(Elf { base, span, overlay, segments, reads_exceptions: flags & READS_EXCEPTIONS != 0 })
    }

    /// Calls `each` with every pc of a code page of an overlay and its entry, by address: `page` is `pc >> PAGE_BITS`. Of a page
    /// without lifted code there are none.
    ///
    /// # Errors
    /// `Damaged`.
    pub fn page(&self, overlay: u32, page: u32, mut each: impl FnMut(u32, u32)) -> Result<(), Error> {
        const DAMAGED: Error = Error::Damaged("code pages");
        let wanted = page_number(overlay, page);
        let all = self.sections[Section::Pages as usize].len / PAGE_SIZE;
        let (mut low, mut high) = (0, all);
        while low < high {
            let middle = low + (high - low) / 2;
            let [number, _] = self.record(Section::Pages, middle, PAGE_SIZE).ok_or(DAMAGED)?;
            if number < wanted {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        match self.record(Section::Pages, low, PAGE_SIZE) {
            Some([number, first]) if number == wanted => {
                let points = self.sections[Section::Points as usize].len / POINT_SIZE;
                let end = self.record(Section::Pages, low + 1, PAGE_SIZE).map_or(points, |[_, first]| first);
                self.points(page, first, end, &mut each)
            }
            _ => Ok(()),
        }
    }

    fn points(&self, page: u32, first: u32, end: u32, each: &mut impl FnMut(u32, u32)) -> Result<(), Error> {
        const DAMAGED: Error = Error::Damaged("entry points");
        let section = self.sections[Section::Points as usize];
        let count = end.checked_sub(first).filter(|&count| count as usize <= ENTRIES).ok_or(DAMAGED)?;
        if end > section.len / POINT_SIZE {
            return Err(DAMAGED);
        }
        let mut bytes = alloc::vec![0; (count * POINT_SIZE) as usize];
        self.source.read_at(section.offset + first * POINT_SIZE, &mut bytes);
        for point in bytes.chunks_exact(POINT_SIZE as usize) {
            let offset = u32::from(u16::from_le_bytes([point[0], point[1]]));
            if offset as usize >= ENTRIES {
                return Err(DAMAGED);
            }
            let [entry] = words(&point[2..]);
            each(page << PAGE_BITS | offset, entry);
        }
        Ok(())
    }

    /// The words of a fixed-size record; `None` past the section's end.
    fn record<const N: usize>(&self, section: Section, index: u32, size: u32) -> Option<[u32; N]> {
        let section = self.sections[section as usize];
        let start = index.checked_mul(size)?;
        if start.checked_add(size)? > section.len {
            return None;
        }
        let mut bytes = [0; ELF_SIZE as usize];
        let bytes = &mut bytes[..size as usize];
        self.source.read_at(section.offset + start, bytes);
        Some(words(bytes))
    }
}

/// The first `N` little-endian words, zero where there are none.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn example() -> Manifest {
        Manifest {
            config: Config {
                image: "debian:12".into(),
                entrypoint: vec!["/bin/sh".into(), "-c".into()],
                env: vec!["PATH=/bin".into()],
                cpu: Level::V3,
                ..Config::default()
            },
            first_free: 0x80_0000,
            elfs: vec![
                Elf { base: 0x40_0000, span: 0x5000, overlay: 0, segments: vec![], reads_exceptions: true },
                Elf {
                    base: 0x50_0000,
                    span: 0x20_0000,
                    overlay: 5,
                    segments: vec![Segment { start: 0x50_1000, len: 0x3000, file_offset: 1 << 33 }],
                    reads_exceptions: false,
                },
            ],
            code: [((0, 0x50_1000), 7), ((0, 0x50_1fff), 8), ((0, 0x50_3000), 9), ((5, 0x50_1000), 10)].into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let manifest = example();
        let blob = manifest.encode().unwrap();
        let reader = Reader::open(blob.as_slice()).unwrap();
        assert_eq!(reader.config().unwrap(), manifest.config);
        assert_eq!(reader.first_free(), manifest.first_free);
        assert_eq!(reader.elf_count(), 2);
        for (index, elf) in manifest.elfs.iter().enumerate() {
            assert_eq!(&reader.elf(index as u32).unwrap(), elf);
        }
        let page = |overlay, page| {
            let mut points = vec![];
            reader.page(overlay, page, |pc, entry| points.push((pc, entry))).unwrap();
            points
        };
        assert_eq!(page(0, 0x501), [(0x50_1000, 7), (0x50_1fff, 8)]);
        assert_eq!(page(0, 0x503), [(0x50_3000, 9)]);
        assert_eq!(page(5, 0x501), [(0x50_1000, 10)]);
        assert_eq!(page(5, 0x503), []);
        assert_eq!(page(0, 0x502), []);
        assert_eq!(page(0, 0), []);
        assert_eq!(page(MAX_OVERLAY, 0xf_ffff), []);
        assert_eq!(reader.elf(2), Err(Error::Damaged("ELF files")));
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let blob = example().encode().unwrap();
        for len in 0..blob.len() {
            assert!(Reader::open(&blob[..len]).is_err());
        }
        for at in 0..blob.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut blob = blob.clone();
                blob[at] = byte;
                let Ok(reader) = Reader::open(blob.as_slice()) else { continue };
                let _ = reader.config();
                for index in 0..reader.elf_count().min(10) {
                    let _ = reader.elf(index);
                }
                for page in 0x500..0x505 {
                    let _ = reader.page(page % 6, page, |_, _| ());
                }
            }
        }
    }
}
