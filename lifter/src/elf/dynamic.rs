//! The dynamic section (gABI, "Dynamic Section"): what the dynamic loader is told.

use goblin::elf::dynamic::{
    DT_FINI, DT_FINI_ARRAY, DT_FINI_ARRAYSZ, DT_GNU_HASH, DT_HASH, DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAYSZ, DT_JMPREL, DT_NULL,
    DT_PLTRELSZ, DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ, DT_RELA, DT_RELASZ, DT_STRTAB, DT_SYMTAB,
};
use goblin::elf::section_header::{SHT_FINI_ARRAY, SHT_INIT_ARRAY, SHT_PREINIT_ARRAY};

use super::Elf;
use super::bytes::Reader;

/// Compact relative relocations (gABI, "RELR"); goblin does not name these.
const DT_RELRSZ: u64 = 35;
const DT_RELR: u64 = 36;

/// Guest address and length in bytes of a table.
#[derive(Clone, Copy, Default)]
pub(super) struct Table {
    pub address: Option<u32>,
    pub size: u64,
}

#[derive(Default)]
pub(super) struct Dynamic {
    pub rela: Table,
    pub plt_rela: Table,
    pub relr: Table,
    pub symbols: Option<u32>,
    pub strings: Option<u32>,
    pub hash: Option<u32>,
    pub gnu_hash: Option<u32>,
    init: Option<u32>,
    fini: Option<u32>,
    arrays: [Table; 3],
}

impl Elf<'_> {
    /// Reads the dynamic section at this address of the file.
    pub(super) fn dynamic(&self, address: u64) -> Dynamic {
        let mut dynamic = Dynamic::default();
        let Some(bytes) = self.guest(address).and_then(|address| self.read_from(address)) else { return dynamic };
        let mut reader = Reader::new(bytes, 0);
        while let (Some(tag), Some(value)) = (reader.u64(), reader.u64()) {
            let address = self.guest(value);
            match tag {
                DT_NULL => break,
                DT_RELA => dynamic.rela.address = address,
                DT_RELASZ => dynamic.rela.size = value,
                DT_JMPREL => dynamic.plt_rela.address = address,
                DT_PLTRELSZ => dynamic.plt_rela.size = value,
                DT_RELR => dynamic.relr.address = address,
                DT_RELRSZ => dynamic.relr.size = value,
                DT_SYMTAB => dynamic.symbols = address,
                DT_STRTAB => dynamic.strings = address,
                DT_HASH => dynamic.hash = address,
                DT_GNU_HASH => dynamic.gnu_hash = address,
                DT_INIT => dynamic.init = address,
                DT_FINI => dynamic.fini = address,
                DT_PREINIT_ARRAY => dynamic.arrays[0].address = address,
                DT_PREINIT_ARRAYSZ => dynamic.arrays[0].size = value,
                DT_INIT_ARRAY => dynamic.arrays[1].address = address,
                DT_INIT_ARRAYSZ => dynamic.arrays[1].size = value,
                DT_FINI_ARRAY => dynamic.arrays[2].address = address,
                DT_FINI_ARRAYSZ => dynamic.arrays[2].size = value,
                _ => {}
            }
        }
        dynamic
    }

    /// The bytes of a table, as many as there are.
    pub(super) fn table(&self, table: Table) -> &[u8] {
        let bytes = table.address.and_then(|address| self.read_from(address)).unwrap_or_default();
        &bytes[..usize::try_from(table.size).map_or(bytes.len(), |size| size.min(bytes.len()))]
    }

    /// Functions called at start and exit. A static program has no dynamic section: there the sections say it.
    pub(super) fn initializers_of(&self, dynamic: &Dynamic) -> Vec<u32> {
        let sections = self.sections.iter().filter(|section| {
            [SHT_PREINIT_ARRAY, SHT_INIT_ARRAY, SHT_FINI_ARRAY].contains(&section.kind) && section.address != 0
        });
        let sections = sections.map(|section| Table { address: Some(section.address), size: section.file.len() as u64 });
        let mut functions: Vec<u32> = dynamic.init.into_iter().chain(dynamic.fini).collect();
        for table in dynamic.arrays.into_iter().chain(sections) {
            let Some(address) = table.address else { continue };
            let words = self.table(table).len() as u32 / 8;
            functions.extend((0..words).filter_map(|word| self.read_pointer(address + word * 8)));
        }
        for name in [".init", ".fini"] {
            functions.extend(self.section(name).filter(|section| section.executable).map(|section| section.address));
        }
        functions.sort_unstable();
        functions.dedup();
        functions
    }
}
