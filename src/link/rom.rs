//! The ROM in parts: a core module may have 1 GiB, an image may have more.
//!
//! The first part is a segment of the merged module. Each further one has a core module of its own, which imports both memories
//! and the table, and puts two functions into the table: `(address, offset, len)`, copy from this part to user memory, and
//! to kernel memory. They are instantiated last, when what they import is there, and the kernel runs later still.

use std::io::Write;
use std::ops::Range;

use hoist_vfs::Packed;
use hoist_x86::boundary::{IMPORT_MODULE, NULL_PAGE};
use wasm_encoder::{
    CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, EntityType, Function, FunctionSection,
    ImportSection, MemoryType, Module, RefType, TableType, TypeSection, ValType,
};

use super::error::LinkError;
use super::kernel::{KERNEL_MEMORY, USER_MEMORY};
use super::merge::{USER_MEMORY_NAME, USER_MEMORY_TYPE, open_rom};

/// Module name of what comes from the merged module's instance.
pub const MAIN_NAME: &str = "main";
/// Exports of the merged module: the kernel's memory, and the table if there are further parts.
pub const KERNEL_MEMORY_NAME: &str = "memory";
pub const TABLE_NAME: &str = "table";

/// Functions of a further part: one for each memory.
const FUNCTIONS: u32 = 2;

/// What a part's module may have beside the part.
const HEAD: u64 = 1 << 16;

/// Which bytes of the ROM are in which part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RomLayout {
    parts: Vec<Range<u32>>,
    /// Table index of the second part's first function.
    first_slot: u32,
}

impl RomLayout {
    /// A ROM of `len` bytes, of which the merged module has room for `first` and any other for `module_limit`.
    ///
    /// # Errors
    /// `RomTooLarge`.
    pub fn new(len: u64, first: u64, module_limit: u64, first_slot: u32) -> Result<RomLayout, LinkError> {
        let len = u32::try_from(len).map_err(|_| LinkError::RomTooLarge { len })?;
        let other = (module_limit - HEAD) as u32;
        let mut end = u64::from(len).min(first) as u32;
        let mut parts: Vec<Range<u32>> = std::iter::once(0..end).collect();
        while end < len {
            let start = end;
            end = len.min(start.saturating_add(other));
            parts.push(start..end);
        }
        Ok(RomLayout { parts, first_slot })
    }

    /// No ROM, as one part.
    pub fn empty() -> RomLayout {
        RomLayout { parts: std::iter::once(0..0).collect(), first_slot: 0 }
    }

    /// Bytes of the ROM.
    pub fn len(&self) -> u32 {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// The parts, at least one; the first may be empty.
    pub fn parts(&self) -> &[Range<u32>] {
        &self.parts
    }

    /// Bytes that are in the merged module.
    pub fn first_len(&self) -> u32 {
        self.parts[0].end
    }

    /// Table index of the function that copies from a part to a memory; `None` for the merged module's part.
    pub fn slot(&self, part: usize, memory: u32) -> Option<u32> {
        let further = u32::try_from(part).ok()?.checked_sub(1)?;
        Some(self.first_slot + further * FUNCTIONS + u32::from(memory == KERNEL_MEMORY))
    }

    /// Slots of the table that the parts take.
    pub fn slots(&self) -> u32 {
        (self.parts.len() as u32 - 1) * FUNCTIONS
    }
}

/// A core module that holds a further part.
pub struct RomModule<'a> {
    /// Everything up to the part's bytes.
    head: Vec<u8>,
    rom: &'a Packed<'a>,
    range: Range<u32>,
}

impl<'a> RomModule<'a> {
    /// The modules of all parts but the first.
    pub fn all(rom: &'a Packed<'a>, layout: &RomLayout, kernel_memory: MemoryType) -> Vec<RomModule<'a>> {
        let slots = |part| layout.slot(part, USER_MEMORY).map(|slot| (part, slot));
        let further = (1..layout.parts.len()).filter_map(slots);
        further
            .map(|(part, slot)| {
                let range = layout.parts[part].clone();
                RomModule { head: head(range.end - range.start, slot, kernel_memory), rom, range }
            })
            .collect()
    }

    /// Bytes of the module.
    pub fn len(&self) -> u64 {
        self.head.len() as u64 + u64::from(self.range.end - self.range.start)
    }

    /// # Errors
    /// `Rom`, `Write`.
    pub fn write_to(&self, out: &mut impl Write) -> Result<(), LinkError> {
        out.write_all(&self.head)?;
        Ok(self.rom.write_range(self.range.start.into()..self.range.end.into(), out)?)
    }
}

/// A part's module, up to the part's bytes; its functions go to table slots from `slot` on.
fn head(len: u32, slot: u32, kernel_memory: MemoryType) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32; 3], []);
    let mut imports = ImportSection::new();
    imports.import(IMPORT_MODULE, USER_MEMORY_NAME, EntityType::Memory(USER_MEMORY_TYPE));
    imports.import(MAIN_NAME, KERNEL_MEMORY_NAME, EntityType::Memory(kernel_memory));
    // Any table of functions.
    let table = TableType { element_type: RefType::FUNCREF, table64: false, minimum: 0, maximum: None, shared: false };
    imports.import(MAIN_NAME, TABLE_NAME, EntityType::Table(table));
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    for memory in [USER_MEMORY, KERNEL_MEMORY] {
        functions.function(0);
        let mut body = Function::new([]);
        let mut instructions = body.instructions();
        instructions.local_get(0);
        if memory == USER_MEMORY {
            instructions.i32_const(NULL_PAGE as i32).i32_sub();
        }
        instructions.local_get(1).local_get(2).memory_init(memory, 0).end();
        code.function(&body);
    }
    let mut elements = ElementSection::new();
    elements.active(None, &ConstExpr::i32_const(slot as i32), Elements::Functions([0, 1].as_slice().into()));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&elements);
    module.section(&DataCountSection { count: 1 }).section(&code);
    let mut head = module.finish();
    head.extend(open_rom(&DataSection::new(), len));
    head
}
