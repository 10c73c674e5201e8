//! An ELF64 x86-64 file as the lifter sees it: what the kernel maps, what the dynamic loader stores, and every hint at where functions are.
//!
//! Sources: System V gABI, chapters 4 and 5; x86-64 psABI, chapters 4 and 5; elf(5). What the kernel and the loader rely on (headers,
//! segments) is checked and refused with an [`ElfError`]. Everything else (sections, symbols, unwind tables, relocations) is a hint: where it lies, the lie is left out.
//!
//! Addresses are guest addresses, that is with the file's home (its load bias) added.

use std::collections::BTreeMap;
use std::ops::Range;

use goblin::elf::header::{EI_CLASS, EI_DATA, ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_X86_64, ET_DYN, ET_EXEC, SIZEOF_IDENT};
use goblin::elf::program_header::{PF_W, PF_X, PT_DYNAMIC, PT_GNU_EH_FRAME, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_NOTE};

mod bytes;
mod dynamic;
mod go;
mod relocations;
mod sections;
mod stubs;
mod symbols;
mod unwind;

use bytes::{Reader, u64_at};
pub use relocations::{Relocation, Stored};
pub use sections::Section;
pub use stubs::Stub;
pub use symbols::Symbol;
pub use unwind::Unwind;

/// Why a file is not one that hoist can load.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ElfError {
    #[error("not an ELF file")]
    NotElf,
    #[error("not a 64-bit little-endian ELF file (class {class}, data encoding {data})")]
    NotElf64 { class: u8, data: u8 },
    #[error("not for x86-64 (ELF machine {0})")]
    Machine(u16),
    #[error("neither an executable nor a shared object (ELF type {0})")]
    NotLoadable(u16),
    #[error("truncated: {what} ends at byte {end} of {len}")]
    Truncated { what: &'static str, end: u64, len: usize },
    #[error("program headers of {0} bytes each, not 56")]
    HeaderSize(u16),
    #[error("nothing to load: no PT_LOAD segment")]
    NoSegments,
    #[error("segment {index} has more bytes in the file ({file}) than in memory ({memory})")]
    SegmentSize { index: usize, file: u64, memory: u64 },
    #[error("segment {index} does not fit below 4 GiB: {size} bytes at {address:#x}, loaded at {home:#x}")]
    TooHigh { index: usize, address: u64, size: u64, home: u32 },
    #[error("segments overlap at {0:#x}")]
    Overlap(u32),
    #[error("home {0:#x} is not a multiple of the page size, or the file has a fixed address and a home")]
    Home(u32),
}

/// A PT_LOAD segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First guest address.
    pub address: u32,
    /// Bytes in memory; those beyond the file's are zero.
    pub size: u32,
    /// The bytes of the file that are mapped at `address`.
    pub file: Range<usize>,
    pub writable: bool,
    pub executable: bool,
}

impl Segment {
    fn end(&self) -> u32 {
        self.address + self.size
    }

    /// Guest addresses that have bytes in the file.
    pub fn filled(&self) -> Range<u32> {
        self.address..self.address + self.file.len() as u32
    }
}

/// An ELF file at its home.
#[derive(Clone, Debug)]
pub struct Elf<'a> {
    bytes: &'a [u8],
    /// What is added to the file's addresses.
    pub home: u32,
    /// ET_EXEC: linked for one address, so that its pointers need no relocations.
    pub fixed: bool,
    /// Where the program starts; shared libraries have none.
    pub entry: Option<u32>,
    /// PT_INTERP: path of the dynamic loader.
    pub interpreter: Option<String>,
    /// Compiled by the Go compiler, which has its own calling convention and stacks.
    pub go: bool,
    /// In ascending order of addresses.
    pub segments: Vec<Segment>,
    /// In the order of the file; empty if the section headers are missing or lie.
    pub sections: Vec<Section>,
    /// Where instructions may be: the executable sections, or without sections the executable segments. Ascending, disjoint, not empty.
    pub code: Vec<Range<u32>>,
    /// PT_GNU_RELRO: writable only until the dynamic loader is done.
    pub relro: Range<u32>,
    /// Functions with names, by address; the name that a debugger would choose.
    pub symbols: Vec<Symbol>,
    /// Functions that the dynamic loader finds here by name. Not those that it has to call first (STT_GNU_IFUNC).
    pub exports: BTreeMap<&'a str, u32>,
    /// Stubs of the procedure linkage table, by address.
    pub stubs: BTreeMap<u32, Stub>,
    /// Functions' extents and landing pads from the unwind tables, by address.
    pub unwind: Vec<Unwind>,
    /// By the address that is written to.
    pub relocations: Vec<Relocation<'a>>,
    /// Functions that the start-up code or the dynamic loader calls: DT_INIT, DT_FINI and the init, fini and preinit arrays.
    pub initializers: Vec<u32>,
}

/// A program header (gABI, figure 5-1), as far as it is used.
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_size: u64,
    memory_size: u64,
}

impl<'a> Elf<'a> {
    /// Reads the file `bytes`, loaded at `home`: the load bias, a multiple of 4096; 0 for ET_EXEC.
    pub fn parse(bytes: &'a [u8], home: u32) -> Result<Elf<'a>, ElfError> {
        let header = Header::parse(bytes)?;
        let fixed = header.kind == ET_EXEC;
        if !home.is_multiple_of(4096) || fixed && home != 0 {
            return Err(ElfError::Home(home));
        }
        let programs = header.programs(bytes)?;
        let mut elf = Elf {
            bytes,
            home,
            fixed,
            entry: None,
            interpreter: None,
            go: false,
            segments: segments(bytes, home, &programs)?,
            sections: Vec::new(),
            code: Vec::new(),
            relro: 0..0,
            symbols: Vec::new(),
            exports: BTreeMap::new(),
            stubs: BTreeMap::new(),
            unwind: Vec::new(),
            relocations: Vec::new(),
            initializers: Vec::new(),
        };
        elf.entry = if header.entry == 0 { None } else { elf.guest(header.entry) };
        elf.sections = sections::parse(bytes, home, header.section_table, header.section_count, header.section_names);
        elf.code = sections::code(&elf.sections, &elf.segments);
        let find = |kind| programs.iter().find(|program| program.kind == kind);
        if let Some(interp) = find(PT_INTERP) {
            let path = file_range(bytes, "PT_INTERP", interp.offset, interp.file_size)?;
            let path = bytes[path].split(|byte| *byte == 0).next().unwrap_or_default();
            elf.interpreter = Some(String::from_utf8_lossy(path).into_owned());
        }
        if let Some(relro) = find(PT_GNU_RELRO)
            && let (Some(start), Some(end)) =
                (elf.guest(relro.address), elf.guest(relro.address.saturating_add(relro.memory_size)))
        {
            elf.relro = start..end;
        }
        let notes = programs.iter().filter(|program| program.kind == PT_NOTE);
        elf.go = elf.section(".gopclntab").is_some()
            || elf.section(".note.go.buildid").is_some()
            || notes.filter_map(|note| elf.read(elf.guest(note.address)?, 16)).any(|note| note.get(12..16) == Some(b"Go\0\0"));

        let dynamic = find(PT_DYNAMIC).map(|program| elf.dynamic(program.address)).unwrap_or_default();
        elf.relocations = relocations::parse(&elf, &dynamic);
        elf.symbols = symbols::parse(&elf, &dynamic);
        if elf.go && elf.symbols.is_empty() {
            elf.symbols = go::functions(&elf);
        }
        elf.exports = symbols::exports(&elf, &dynamic);
        elf.stubs = stubs::find(&elf);
        elf.unwind = unwind::parse(&elf, find(PT_GNU_EH_FRAME).and_then(|program| elf.guest(program.address)));
        elf.initializers = elf.initializers_of(&dynamic);
        Ok(elf)
    }

    /// The guest address of an address in the file.
    pub(crate) fn guest(&self, address: u64) -> Option<u32> {
        u32::try_from(address.checked_add(u64::from(self.home))?).ok()
    }

    /// The segment that has this address in memory.
    pub fn segment(&self, address: u32) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.address <= address);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (address < segment.end()).then_some(segment)
    }

    /// `len` bytes of the file as it is mapped, without relocations; `None` if not all of them lie in one segment's file part.
    pub fn read(&self, address: u32, len: usize) -> Option<&'a [u8]> {
        self.read_from(address)?.get(..len)
    }

    /// The bytes of the file from this address to the end of the segment's file part.
    pub fn read_from(&self, address: u32) -> Option<&'a [u8]> {
        let segment = self.segment(address)?;
        self.bytes.get(segment.file.clone())?.get((address - segment.address) as usize..)
    }

    /// The guest address that the eight bytes at `address` hold once the dynamic loader is done; `None` if they hold no address below
    /// 4 GiB, or one that only the loader knows.
    pub fn read_pointer(&self, address: u32) -> Option<u32> {
        if let Some(relocation) = self.relocation(address) {
            return match relocation.stored {
                Stored::Relative(value) => Some(value),
                Stored::Symbol { value, .. } => value,
                Stored::Resolved(_) | Stored::Other(_) => None,
            };
        }
        u64_at(self.read(address, 8)?, 0)?.try_into().ok()
    }

    /// The relocation of the word at `address`.
    pub fn relocation(&self, address: u32) -> Option<&Relocation<'a>> {
        let at = self.relocations.binary_search_by_key(&address, |relocation| relocation.place).ok()?;
        self.relocations.get(at)
    }

    /// Do these bytes keep their value once the program runs? True of read-only segments and PT_GNU_RELRO.
    pub fn is_constant(&self, address: u32, len: u32) -> bool {
        let Some(end) = address.checked_add(len) else { return false };
        let relro = self.relro.start <= address && end <= self.relro.end;
        relro || self.segment(address).is_some_and(|segment| !segment.writable && end <= segment.filled().end)
    }

    /// May an instruction begin here?
    pub fn is_code(&self, address: u32) -> bool {
        let after = self.code.partition_point(|range| range.start <= address);
        after > 0 && address < self.code[after - 1].end
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }
}

/// The ELF header (gABI, figure 4-3), as far as it is used.
struct Header {
    kind: u16,
    entry: u64,
    program_table: u64,
    program_size: u16,
    program_count: u16,
    section_table: u64,
    section_count: u16,
    section_names: u16,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Header, ElfError> {
        if !bytes.starts_with(ELFMAG) {
            return Err(ElfError::NotElf);
        }
        let truncated = ElfError::Truncated { what: "ELF header", end: 64, len: bytes.len() };
        let ident = bytes.get(..SIZEOF_IDENT).ok_or(truncated.clone())?;
        let (class, data) = (ident[EI_CLASS], ident[EI_DATA]);
        if class != ELFCLASS64 || data != ELFDATA2LSB {
            return Err(ElfError::NotElf64 { class, data });
        }
        let (machine, header) = Header::fields(bytes).ok_or(truncated)?;
        if machine != EM_X86_64 {
            return Err(ElfError::Machine(machine));
        }
        if header.kind != ET_EXEC && header.kind != ET_DYN {
            return Err(ElfError::NotLoadable(header.kind));
        }
        Ok(header)
    }

    fn fields(bytes: &[u8]) -> Option<(u16, Header)> {
        let mut reader = Reader::new(bytes, SIZEOF_IDENT);
        let kind = reader.u16()?;
        let machine = reader.u16()?;
        let _version = reader.u32()?;
        let entry = reader.u64()?;
        let program_table = reader.u64()?;
        let section_table = reader.u64()?;
        let _flags = reader.u32()?;
        let _header_size = reader.u16()?;
        let program_size = reader.u16()?;
        let program_count = reader.u16()?;
        let section_size = reader.u16()?;
        let section_count = reader.u16()?;
        let section_names = reader.u16()?;
        let header = Header {
            kind,
            entry,
            program_table,
            program_size,
            program_count,
            section_table,
            section_count: if section_size == 64 { section_count } else { 0 },
            section_names,
        };
        Some((machine, header))
    }

    fn programs(&self, bytes: &[u8]) -> Result<Vec<ProgramHeader>, ElfError> {
        if self.program_count > 0 && self.program_size != 56 {
            return Err(ElfError::HeaderSize(self.program_size));
        }
        let table = file_range(bytes, "program header table", self.program_table, u64::from(self.program_count) * 56)?;
        let mut reader = Reader::new(&bytes[table], 0);
        let mut next = || {
            let kind = reader.u32()?;
            let flags = reader.u32()?;
            let offset = reader.u64()?;
            let address = reader.u64()?;
            let _physical = reader.u64()?;
            let file_size = reader.u64()?;
            let memory_size = reader.u64()?;
            let _align = reader.u64()?;
            Some(ProgramHeader { kind, flags, offset, address, file_size, memory_size })
        };
        Ok(std::iter::from_fn(&mut next).collect())
    }
}

fn file_range(bytes: &[u8], what: &'static str, offset: u64, size: u64) -> Result<Range<usize>, ElfError> {
    let end = offset.saturating_add(size);
    if end > bytes.len() as u64 {
        return Err(ElfError::Truncated { what, end, len: bytes.len() });
    }
    Ok(offset as usize..end as usize)
}

fn segments(bytes: &[u8], home: u32, programs: &[ProgramHeader]) -> Result<Vec<Segment>, ElfError> {
    let mut segments = Vec::new();
    for (index, program) in programs.iter().enumerate() {
        if program.kind != PT_LOAD || program.memory_size == 0 {
            continue;
        }
        let (file, memory) = (program.file_size, program.memory_size);
        if file > memory {
            return Err(ElfError::SegmentSize { index, file, memory });
        }
        let range = file_range(bytes, "PT_LOAD segment", program.offset, file)?;
        let address = program.address.saturating_add(u64::from(home));
        if address.saturating_add(memory) > u64::from(u32::MAX) {
            return Err(ElfError::TooHigh { index, address: program.address, size: memory, home });
        }
        segments.push(Segment {
            address: address as u32,
            size: memory as u32,
            file: range,
            writable: program.flags & PF_W != 0,
            executable: program.flags & PF_X != 0,
        });
    }
    segments.sort_by_key(|segment| segment.address);
    if segments.is_empty() {
        return Err(ElfError::NoSegments);
    }
    match segments.windows(2).find(|pair| pair[1].address < pair[0].end()) {
        Some(pair) => Err(ElfError::Overlap(pair[1].address)),
        None => Ok(segments),
    }
}
