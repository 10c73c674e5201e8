//! ELF64 headers, as the kernel needs them to start a program (elf(5), System V gABI chapters 4 and 5).

use crate::fs::uio::Buffer;
use crate::fs::{InodeRef, content};
use crate::mm::{PAGE, Prot, page_up};
use crate::user::{Pod, from_bytes};

/// `Elf64_Ehdr`.
#[derive(Clone, Copy)]
#[repr(C)]
struct FileHeader {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    phoff: u64,
    shoff: u64,
    flags: u32,
    ehsize: u16,
    phentsize: u16,
    phnum: u16,
    shentsize: u16,
    shnum: u16,
    shstrndx: u16,
}
unsafe impl Pod for FileHeader {}

/// `Elf64_Phdr`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    vaddr: u64,
    paddr: u64,
    filesz: u64,
    memsz: u64,
    align: u64,
}
unsafe impl Pod for ProgramHeader {}

/// `sizeof(Elf64_Phdr)`.
pub const PHENT: u64 = size_of::<ProgramHeader>() as u64;

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_PHDR: u32 = 6;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;
/// More program headers than this Linux refuses too (64 KiB of them).
const MAX_PHNUM: u16 = 1170;
const PATH_MAX: u64 = crate::user::PATH_MAX as u64;

/// Why a file is no program for this machine; all are ENOEXEC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ElfError {
    #[error("it is neither an ELF file nor a script that begins with #!")]
    NotElf,
    #[error("it is a 32-bit program; only x86-64 is supported")]
    Bits32,
    #[error("it is a program for {0}; only x86-64 is supported")]
    Machine(&'static str),
    #[error("it is an ELF file, but not an executable one")]
    NotExecutable,
    #[error("its ELF headers are damaged: {0}")]
    Damaged(&'static str),
    #[error("it is linked to addresses above 4 GiB")]
    TooHigh,
}

/// A PT_LOAD segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub vaddr: u64,
    pub offset: u64,
    pub file_size: u64,
    pub mem_size: u64,
    pub prot: Prot,
}

/// What execve(2) needs to know of an ELF file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Elf {
    /// ET_EXEC: its addresses are meant as they are.
    pub fixed: bool,
    pub entry: u64,
    /// Address of the program headers in memory, 0 if no segment has them.
    pub phdr: u64,
    pub phnum: u64,
    pub segments: Vec<Segment>,
    /// PT_INTERP: the path of the dynamic linker.
    pub interpreter: Option<Vec<u8>>,
}

/// What the machine of an ELF header is called.
fn machine_name(machine: u16) -> &'static str {
    match machine {
        3 => "32-bit x86",
        8 => "MIPS",
        20 => "32-bit PowerPC",
        21 => "64-bit PowerPC",
        22 => "s390x",
        40 => "32-bit ARM",
        183 => "arm64",
        243 => "RISC-V",
        258 => "LoongArch",
        _ => "another processor",
    }
}

/// Reads exactly this part of a file.
pub fn read(file: &InodeRef, offset: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    let count = content::read_at(file, offset, &mut Buffer::new(&mut bytes)).ok()?;
    (count == len).then_some(bytes)
}

impl Elf {
    /// Reads the headers.
    ///
    /// # Errors
    /// Says what is wrong with the file.
    pub fn read(file: &InodeRef) -> Result<Elf, ElfError> {
        let ident = read(file, 0, 20).filter(|bytes| bytes.starts_with(b"\x7fELF")).ok_or(ElfError::NotElf)?;
        let machine = u16::from_le_bytes([ident[18], ident[19]]);
        if ident[5] != 1 {
            return Err(ElfError::Machine("a big-endian processor"));
        }
        if machine != EM_X86_64 && machine != 3 {
            return Err(ElfError::Machine(machine_name(machine)));
        }
        if ident[4] != 2 {
            return Err(ElfError::Bits32);
        }
        let header = read(file, 0, size_of::<FileHeader>()).ok_or(ElfError::Damaged("the file is too short"))?;
        let header: FileHeader = from_bytes(&header).ok_or(ElfError::NotElf)?;
        if !matches!(header.kind, ET_EXEC | ET_DYN) {
            return Err(ElfError::NotExecutable);
        }
        if u64::from(header.phentsize) != PHENT || header.phnum == 0 || header.phnum > MAX_PHNUM {
            return Err(ElfError::Damaged("number or size of the program headers"));
        }
        let table = read(file, header.phoff, usize::from(header.phnum) * PHENT as usize);
        let table = table.ok_or(ElfError::Damaged("the program headers lie outside the file"))?;
        let headers: Vec<ProgramHeader> = table.chunks_exact(PHENT as usize).filter_map(from_bytes).collect();
        let elf = Elf {
            fixed: header.kind == ET_EXEC,
            entry: header.entry,
            phdr: program_headers(&header, &headers),
            phnum: header.phnum.into(),
            segments: segments(&headers)?,
            interpreter: interpreter(file, &headers)?,
        };
        elf.span().map(|_| elf)
    }

    /// The lowest page of its segments and their extent in bytes, whole pages.
    ///
    /// # Errors
    /// `TooHigh`, `Damaged` if there is nothing to load.
    pub fn span(&self) -> Result<(u64, u64), ElfError> {
        let start = self.segments.iter().map(|segment| segment.vaddr & !(PAGE - 1)).min();
        let end = self.segments.iter().map(|segment| page_up(segment.vaddr + segment.mem_size)).max();
        let (start, end) = start.zip(end).ok_or(ElfError::Damaged("there is nothing to load"))?;
        match end > crate::mm::TASK_SIZE {
            true => Err(ElfError::TooHigh),
            false => Ok((start, end - start)),
        }
    }
}

fn segments(headers: &[ProgramHeader]) -> Result<Vec<Segment>, ElfError> {
    let loads = headers.iter().filter(|header| header.kind == PT_LOAD && header.memsz != 0);
    loads
        .map(|header| {
            if header.vaddr.checked_add(header.memsz).is_none_or(|end| end > crate::mm::TASK_SIZE) {
                return Err(ElfError::TooHigh);
            }
            if header.filesz > header.memsz || header.offset.checked_add(header.filesz).is_none() {
                return Err(ElfError::Damaged("a segment has more bytes in the file than in memory"));
            }
            if header.vaddr % PAGE != header.offset % PAGE && header.filesz != 0 {
                return Err(ElfError::Damaged("a segment's place in the file does not fit its address"));
            }
            // PF_X, PF_W, PF_R are 1, 2, 4; PROT_READ, WRITE, EXEC are 1, 2, 4.
            let prot = Prot(header.flags >> 2 & 1 | header.flags & 2 | (header.flags & 1) << 2);
            let (offset, file_size) = (header.offset, header.filesz);
            Ok(Segment { vaddr: header.vaddr, offset, file_size, mem_size: header.memsz, prot })
        })
        .collect()
}

/// Where the program headers are once the file is loaded: what PT_PHDR says, else the segment that holds them.
fn program_headers(header: &FileHeader, headers: &[ProgramHeader]) -> u64 {
    if let Some(own) = headers.iter().find(|header| header.kind == PT_PHDR) {
        return own.vaddr;
    }
    let holds =
        |load: &&ProgramHeader| load.kind == PT_LOAD && load.offset <= header.phoff && header.phoff - load.offset < load.filesz;
    headers.iter().find(holds).map_or(0, |load| load.vaddr.wrapping_add(header.phoff - load.offset))
}

fn interpreter(file: &InodeRef, headers: &[ProgramHeader]) -> Result<Option<Vec<u8>>, ElfError> {
    let Some(header) = headers.iter().find(|header| header.kind == PT_INTERP) else { return Ok(None) };
    const DAMAGED: ElfError = ElfError::Damaged("the path of its dynamic linker");
    if !(2..=PATH_MAX).contains(&header.filesz) {
        return Err(DAMAGED);
    }
    let mut path = read(file, header.offset, header.filesz as usize).ok_or(DAMAGED)?;
    match path.pop() {
        Some(0) => {}
        _ => return Err(DAMAGED),
    }
    path.truncate(path.iter().position(|&byte| byte == 0).unwrap_or(path.len()));
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::mem::{MemFs, magic};
    use crate::fs::types::NewInode;
    use hoist_vfs::{Device, Kind, Timestamp};
    use std::rc::Rc;

    /// A file in memory.
    fn file(bytes: &[u8]) -> InodeRef {
        let root = MemFs::empty(0o755, Device::default(), magic::TMPFS, Rc::new(Timestamp::default));
        let new = NewInode { kind: Kind::Regular, mode: 0o755, uid: 0, gid: 0, rdev: Device::default(), target: vec![] };
        let file = root.create(b"file", &new).unwrap();
        file.write_at(0, &mut &bytes[..]).unwrap();
        file
    }

    /// A PIE with an interpreter and two segments.
    fn example() -> Vec<u8> {
        let header = FileHeader {
            ident: *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
            kind: ET_DYN,
            machine: EM_X86_64,
            version: 1,
            entry: 0x1040,
            phoff: 64,
            shoff: 0,
            flags: 0,
            ehsize: 64,
            phentsize: PHENT as u16,
            phnum: 3,
            shentsize: 0,
            shnum: 0,
            shstrndx: 0,
        };
        let program = |kind, flags, offset, vaddr, filesz, memsz| ProgramHeader {
            kind,
            flags,
            offset,
            vaddr,
            paddr: vaddr,
            filesz,
            memsz,
            align: 0x1000,
        };
        let headers = [
            program(PT_INTERP, 4, 0x100, 0x100, 7, 7),
            program(PT_LOAD, 5, 0, 0, 0x1100, 0x1100),
            program(PT_LOAD, 6, 0x1100, 0x2100, 0x10, 0x5000),
        ];
        let mut bytes = crate::user::bytes_of(&header).to_vec();
        headers.iter().for_each(|header| bytes.extend(crate::user::bytes_of(header)));
        bytes.resize(0x1110, 0);
        bytes[0x100..0x107].copy_from_slice(b"/ld.so\0");
        bytes
    }

    #[test]
    fn headers_are_read() {
        let elf = Elf::read(&file(&example())).unwrap();
        assert_eq!((elf.fixed, elf.entry, elf.phdr, elf.phnum), (false, 0x1040, 64, 3));
        assert_eq!(elf.interpreter.as_deref(), Some(&b"/ld.so"[..]));
        assert_eq!(elf.span(), Ok((0, 0x8000)));
        assert_eq!(elf.segments[1].prot, Prot::READ | Prot::WRITE);
        assert_eq!(elf.segments[0].prot, Prot::READ | Prot::EXEC);
    }

    #[test]
    fn lies_and_cuts_are_errors_not_panics() {
        let whole = example();
        for len in 0..0xe8 {
            assert!(Elf::read(&file(&whole[..len])).is_err(), "{len} bytes");
        }
        for at in 0..0x110 {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let Ok(elf) = Elf::read(&file(&bytes)) else { continue };
                let (start, span) = elf.span().unwrap();
                assert!(start + span <= crate::mm::TASK_SIZE);
                for segment in &elf.segments {
                    assert!(segment.vaddr >= start && segment.vaddr + segment.mem_size <= start + span);
                    assert!(segment.file_size <= segment.mem_size);
                }
            }
        }
    }
}
