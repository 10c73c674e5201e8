//! What the head of an ELF file says about loading it: as much as the kernel's execve(2) reads, and as sceptically.
//!
//! Of elf(5), the file header and the program headers. Nothing they say is believed: each range is checked against the
//! file and against the 32-bit address space.

use std::io;

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::{PF_X, PT_INTERP, PT_LOAD, ProgramHeader};
use hoist_vfs::Content;
use hoist_x86::boundary::MMAP_MIN_ADDR;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// Whether the file is loaded where it was linked for, or anywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// ET_EXEC.
    Fixed,
    /// ET_DYN: shared libraries and position-independent executables.
    Anywhere,
}

/// A PT_LOAD segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    pub address: u64,
    pub memory_size: u64,
    pub file_offset: u64,
    pub executable: bool,
}

/// An ELF file that can be loaded: 64-bit, little-endian, x86-64, with at least one segment and all of them within the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    pub placement: Placement,
    /// Where it starts; 0 in most shared libraries.
    pub entry: u64,
    /// By address.
    pub loads: Vec<Load>,
    /// The largest alignment that a segment asks for, a power of two, at least a page.
    pub align: u64,
    /// PT_INTERP: the dynamic linker's path.
    pub interpreter: Option<Vec<u8>>,
}

/// Why a file cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum NotLoadable {
    #[error("it is not an ELF file")]
    NotElf,
    #[error("it is a 32-bit program; hoist translates 64-bit x86 (x86-64) only")]
    Bits32,
    #[error("it is a program for {0}; hoist translates x86-64 only")]
    Machine(String),
    #[error("it is an ELF file of type {0}, not a program or a shared library")]
    Type(&'static str),
    #[error("its ELF header is damaged: {0}")]
    Damaged(&'static str),
    #[error("it is linked for addresses {start:#x} to {end:#x}, outside the 32-bit address space from {MMAP_MIN_ADDR:#x}")]
    Address { start: u64, end: u64 },
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// What goblin needs to read tables of a file of the right class.
const CONTEXT: Ctx = Ctx { container: Container::Big, le: Endian::Little };

impl Head {
    /// # Errors
    /// [`NotLoadable`] says why.
    pub fn read(content: &Content) -> Result<Head, NotLoadable> {
        let mut bytes = [0; header::header64::SIZEOF_EHDR];
        let read = content.read_at(0, &mut bytes)?;
        if read < 4 || bytes[..4] != *header::ELFMAG {
            return Err(NotLoadable::NotElf);
        }
        if read > header::EI_CLASS && bytes[header::EI_CLASS] == header::ELFCLASS32 {
            return Err(NotLoadable::Bits32);
        }
        if read < bytes.len() {
            return Err(NotLoadable::Damaged("it ends within the header"));
        }
        if bytes[header::EI_DATA] == header::ELFDATA2MSB {
            return Err(NotLoadable::Machine("a big-endian processor".into()));
        }
        let header = goblin::elf::Elf::parse_header(&bytes).map_err(|_| NotLoadable::Damaged("unknown class or version"))?;
        if header.e_machine != header::EM_X86_64 {
            return Err(NotLoadable::Machine(machine(header.e_machine)));
        }
        let placement = match header.e_type {
            header::ET_EXEC => Placement::Fixed,
            header::ET_DYN => Placement::Anywhere,
            other => return Err(NotLoadable::Type(header::et_to_str(other))),
        };
        let head = Head { placement, entry: header.e_entry, loads: Vec::new(), align: PAGE, interpreter: None };
        head.with_segments(&program_headers(content, &header)?, content)
    }

    fn with_segments(mut self, headers: &[ProgramHeader], content: &Content) -> Result<Head, NotLoadable> {
        let head = &mut self;
        for header in headers {
            match header.p_type {
                PT_LOAD => {
                    let end = header.p_offset.checked_add(header.p_filesz);
                    if end.is_none_or(|end| end > content.len()) {
                        return Err(NotLoadable::Damaged("a segment reaches beyond the file's end"));
                    }
                    if header.p_filesz > header.p_memsz || header.p_vaddr.checked_add(header.p_memsz).is_none() {
                        return Err(NotLoadable::Damaged("a segment's sizes contradict each other"));
                    }
                    if header.p_vaddr % PAGE != header.p_offset % PAGE {
                        return Err(NotLoadable::Damaged("a segment's address and offset differ within a page"));
                    }
                    if header.p_align.is_power_of_two() {
                        head.align = head.align.max(header.p_align);
                    }
                    head.loads.push(Load {
                        address: header.p_vaddr,
                        memory_size: header.p_memsz,
                        file_offset: header.p_offset,
                        executable: header.p_flags & PF_X != 0,
                    });
                }
                PT_INTERP => head.interpreter = Some(interpreter(content, header)?),
                _ => {}
            }
        }
        head.loads.retain(|load| load.memory_size > 0);
        head.loads.sort_by_key(|load| load.address);
        if head.loads.is_empty() {
            return Err(NotLoadable::Damaged("nothing of it is loaded"));
        }
        if head.loads.windows(2).any(|pair| pair[0].address + pair[0].memory_size > pair[1].address) {
            return Err(NotLoadable::Damaged("segments overlap"));
        }
        let (start, end) = head.range();
        let lowest = if head.placement == Placement::Fixed { u64::from(MMAP_MIN_ADDR) } else { 0 };
        if start < lowest || end > 1 << 32 {
            return Err(NotLoadable::Address { start, end });
        }
        Ok(self)
    }

    /// A program's entry is in it; a shared library has none.
    pub fn can_start(&self) -> bool {
        self.loads.iter().any(|load| load.executable && (load.address..load.address + load.memory_size).contains(&self.entry))
    }

    /// The pages that the file takes, as linked: first address, and the one after the last.
    pub fn range(&self) -> (u64, u64) {
        let start = self.loads.first().map_or(0, |load| load.address);
        let end = self.loads.last().map_or(0, |load| load.address + load.memory_size);
        (start / PAGE * PAGE, end.div_ceil(PAGE) * PAGE)
    }
}

/// The program headers, all of them within the file.
fn program_headers(content: &Content, header: &Header) -> Result<Vec<ProgramHeader>, NotLoadable> {
    const SIZE: usize = goblin::elf::program_header::program_header64::SIZEOF_PHDR;
    if usize::from(header.e_phentsize) != SIZE {
        return Err(NotLoadable::Damaged("program headers of an unknown size"));
    }
    let mut table = vec![0; usize::from(header.e_phnum) * SIZE];
    if content.read_at(header.e_phoff, &mut table)? < table.len() {
        return Err(NotLoadable::Damaged("the program headers reach beyond the file's end"));
    }
    ProgramHeader::parse(&table, 0, header.e_phnum.into(), CONTEXT).map_err(|_| NotLoadable::Damaged("bad program headers"))
}

/// Linux's PATH_MAX, terminator included.
const PATH_MAX: u64 = 4096;

fn interpreter(content: &Content, header: &ProgramHeader) -> Result<Vec<u8>, NotLoadable> {
    const DAMAGED: NotLoadable = NotLoadable::Damaged("the interpreter's path is not a string");
    if !(2..=PATH_MAX).contains(&header.p_filesz) {
        return Err(DAMAGED);
    }
    let mut path = vec![0; header.p_filesz as usize];
    if content.read_at(header.p_offset, &mut path)? < path.len() || path.pop() != Some(0) {
        return Err(DAMAGED);
    }
    // As the kernel, which reads a C string.
    path.truncate(path.iter().position(|byte| *byte == 0).unwrap_or(path.len()));
    Ok(path)
}

fn machine(number: u16) -> String {
    match number {
        header::EM_AARCH64 => "ARM64 (aarch64)".into(),
        header::EM_386 => "32-bit x86 (i386)".into(),
        header::EM_RISCV => "RISC-V".into(),
        header::EM_PPC64 => "POWER (ppc64le)".into(),
        number => format!("machine {number} ({})", header::machine_to_str(number)),
    }
}
