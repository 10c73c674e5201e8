//! Kernel + lifted functions + manifest + ROM → one core module.
//!
//! | index space | order |
//! | --- | --- |
//! | types | the kernel's, then the guest function's |
//! | functions | imports (WASI), the kernel's, the boundary's, the lifted ones |
//! | globals | the guest's registers (so that their indices take one byte), then the kernel's |
//! | memories | the user memory (imported), the kernel's |
//! | table | the kernel's elements, then the code map's slots, then those of further parts of the ROM |
//! | data | the kernel's segments, the manifest, the ROM or its first part |
//!
//! The module is not built in memory: what is large is written from where it lies.

use std::borrow::Cow;
use std::io::Write;

use hoist_lifter::wasm::Hint;
use hoist_lifter::wasm::layout::{Layout, Lifted};
use hoist_vfs::Packed;
use hoist_x86::boundary::{IMPORT_MODULE, code_map, export};
use hoist_x86::ir::Type;
use hoist_x86::reg::Reg;
use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    BranchHint, BranchHints, CodeSection, ConstExpr, DataCountSection, DataSection, ElementSection, Elements, Encode, EntityType,
    ExportKind, ExportSection, FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType, Module,
    NameMap, NameSection, Section, TableSection, TableType, TypeSection, ValType,
};

use super::boundary::Body;
use super::error::{LinkError, MAX_MODULE};
use super::kernel::Kernel;
use super::rom::{RomLayout, TABLE_NAME};

/// Export of the module that defines the user memory, and the import's field.
pub const USER_MEMORY_NAME: &str = "user";

/// The user memory: it ends below 4 GiB - 64 KiB, so that the null page lies outside; the kernel lets it grow.
pub const USER_MEMORY_TYPE: MemoryType =
    MemoryType { minimum: 0, maximum: Some(65_534), memory64: false, shared: false, page_size_log2: None };

/// Data segments after the kernel's.
pub const LIFTED_DATA: u32 = 0;
pub const ROM_DATA: u32 = 1;

/// The passive data segments.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    /// Index of the first.
    pub first: u32,
    pub lifted_len: u32,
    pub rom: &'a RomLayout,
    /// Type of a function that copies from the ROM.
    pub rom_type: u32,
}

/// What is merged.
#[derive(Clone)]
pub struct Parts<'a> {
    pub kernel: &'a Kernel<'a>,
    pub layout: &'a Layout,
    pub lifted: &'a Lifted,
    /// The encoded [`hoist_x86::manifest::Manifest`].
    pub manifest: &'a [u8],
    /// `None`: a module as if the ROM were empty, to validate and to measure the rest.
    pub rom: Option<&'a Packed<'a>>,
    pub rom_layout: RomLayout,
}

/// The merged module, ready to be written.
pub struct CoreModule<'a> {
    /// Everything up to the code of the boundary.
    head: Vec<u8>,
    lifted: &'a Lifted,
    /// The data section up to the ROM's bytes.
    data: Vec<u8>,
    rom: Option<&'a Packed<'a>>,
    /// Bytes of the ROM that are here.
    rom_len: u32,
    names: Vec<u8>,
}

impl<'a> CoreModule<'a> {
    /// # Errors
    /// `TooLarge`, `TooManyFunctions`; the rest if kernel and linker do not fit.
    pub fn merge(parts: &Parts<'a>) -> Result<CoreModule<'a>, LinkError> {
        let max = code_map::MAX_SLOTS - code_map::FIRST_FREE_SLOT;
        if parts.lifted.functions.len() > max as usize {
            return Err(LinkError::TooManyFunctions { max });
        }
        // Nothing below overflows if what can be large does not.
        let rom_len = parts.rom_layout.first_len();
        let large = u64::from(rom_len) + parts.manifest.len() as u64 + lifted_len(parts.lifted);
        if large > MAX_MODULE {
            return Err(LinkError::TooLarge { len: large });
        }
        let segments = Segments {
            first: parts.kernel.data.as_ref().map_or(0, |data| data.count()),
            lifted_len: parts.manifest.len() as u32,
            rom: &parts.rom_layout,
            rom_type: parts.kernel.boundary_type(Body::RomToUser)?,
        };
        let mut head = declarations(parts, &segments)?.finish();
        code(parts, &segments, &mut head)?;
        let module = CoreModule {
            head,
            lifted: parts.lifted,
            data: data(parts, &segments)?,
            rom: parts.rom,
            rom_len,
            names: names(parts),
        };
        if module.len() > MAX_MODULE {
            return Err(LinkError::TooLarge { len: module.len() });
        }
        Ok(module)
    }

    /// Bytes of the whole module.
    pub fn len(&self) -> u64 {
        let rest = self.head.len() + self.data.len() + self.names.len();
        rest as u64 + lifted_len(self.lifted) + u64::from(self.rom_len)
    }

    /// # Errors
    /// `Rom`, `Write`.
    pub fn write_to(&self, out: &mut impl Write) -> Result<(), LinkError> {
        out.write_all(&self.head)?;
        let mut size = Vec::new();
        for function in self.lifted.bodies() {
            size.clear();
            function.body.len().encode(&mut size);
            out.write_all(&size)?;
            out.write_all(&function.body)?;
        }
        out.write_all(&self.data)?;
        if let Some(rom) = self.rom {
            rom.write_range(0..self.rom_len.into(), out)?;
        }
        out.write_all(&self.names)?;
        Ok(())
    }
}

/// Bytes that the functions take in the code section.
fn lifted_len(lifted: &Lifted) -> u64 {
    lifted.bodies().map(|function| (leb_len(function.body.len() as u64) + function.body.len()) as u64).sum()
}

/// Bytes of an unsigned LEB128 number.
fn leb_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// All sections before the code.
fn declarations(parts: &Parts<'_>, segments: &Segments<'_>) -> Result<Module, LinkError> {
    let mut module = Module::new();
    module.section(&types(parts.kernel)?);
    module.section(&imports(parts.kernel)?);
    module.section(&functions(parts));
    module.section(&table(parts)?);
    let mut memories = MemorySection::new();
    memories.memory(parts.kernel.renumber().memory_type(parts.kernel.memory)?);
    module.section(&memories);
    module.section(&globals(parts.kernel)?);
    let mut exports = ExportSection::new();
    for export in parts.kernel.public_exports() {
        parts.kernel.renumber().parse_export(&mut exports, *export)?;
    }
    if parts.rom_layout.slots() > 0 {
        exports.export(TABLE_NAME, ExportKind::Table, parts.layout.table);
    }
    module.section(&exports);
    module.section(&elements(parts)?);
    module.section(&DataCountSection { count: segments.first + ROM_DATA + 1 });
    module.section(&hints(parts));
    Ok(module)
}

fn types(kernel: &Kernel<'_>) -> Result<TypeSection, LinkError> {
    let mut types = TypeSection::new();
    for ty in &kernel.types {
        types.ty().func_type(&kernel.renumber().func_type(ty.clone())?);
    }
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    Ok(types)
}

fn imports(kernel: &Kernel<'_>) -> Result<ImportSection, LinkError> {
    let mut imports = ImportSection::new();
    imports.import(IMPORT_MODULE, USER_MEMORY_NAME, EntityType::Memory(USER_MEMORY_TYPE));
    for import in &kernel.imports {
        kernel.renumber().parse_import(&mut imports, *import)?;
    }
    Ok(imports)
}

fn functions(parts: &Parts<'_>) -> FunctionSection {
    let mut functions = FunctionSection::new();
    let boundary = parts.kernel.boundary.iter().map(|(_, ty)| ty);
    for &ty in parts.kernel.functions.iter().chain(boundary) {
        functions.function(ty);
    }
    for _ in parts.lifted.bodies() {
        functions.function(parts.layout.guest_type);
    }
    functions
}

/// Slots of the one table before those of further parts of the ROM.
pub fn first_rom_slot(layout: &Layout, functions: usize) -> u64 {
    u64::from(layout.table_base + code_map::FIRST_FREE_SLOT) + functions as u64
}

fn table(parts: &Parts<'_>) -> Result<TableSection, LinkError> {
    let size = first_rom_slot(parts.layout, parts.lifted.functions.len()) + u64::from(parts.rom_layout.slots());
    let kernel = parts.kernel.renumber().table_type(parts.kernel.table)?;
    let mut tables = TableSection::new();
    tables.table(TableType { minimum: size, maximum: Some(size), ..kernel });
    Ok(tables)
}

fn globals(kernel: &Kernel<'_>) -> Result<GlobalSection, LinkError> {
    let mut globals = GlobalSection::new();
    for reg in Reg::all() {
        let (val_type, zero) = match reg.ty() {
            Type::I64 => (ValType::I64, ConstExpr::i64_const(0)),
            Type::I32 => (ValType::I32, ConstExpr::i32_const(0)),
            _ => (ValType::V128, ConstExpr::v128_const(0)),
        };
        globals.global(GlobalType { val_type, mutable: true, shared: false }, &zero);
    }
    for global in &kernel.globals {
        kernel.renumber().parse_global(&mut globals, global.clone())?;
    }
    Ok(globals)
}

fn elements(parts: &Parts<'_>) -> Result<ElementSection, LinkError> {
    let kernel = parts.kernel;
    let mut elements = ElementSection::new();
    if let Some(section) = &kernel.elements {
        kernel.renumber().parse_element_section(&mut elements, section.clone())?;
    }
    let mut slots = vec![kernel.exported_function(export::INTERPRET)?, kernel.exported_function(export::FILL)?];
    slots.extend((parts.layout.first_function..).take(parts.lifted.functions.len()));
    let offset = ConstExpr::i32_const(parts.layout.table_base as i32);
    elements.active(None, &offset, Elements::Functions(Cow::Owned(slots)));
    Ok(elements)
}

/// What is known of branches, for engines that lay out code by it (the branch-hinting proposal).
fn hints(parts: &Parts<'_>) -> BranchHints {
    let mut hints = BranchHints::new();
    for (index, function) in (parts.layout.first_function..).zip(parts.lifted.bodies()) {
        if !function.hints.is_empty() {
            let hint = |hint: &Hint| BranchHint { branch_func_offset: hint.offset, branch_hint_value: hint.likely.into() };
            hints.function_hints(index, function.hints.iter().map(hint));
        }
    }
    hints
}

/// Appends the code section up to the first lifted function.
fn code(parts: &Parts<'_>, segments: &Segments, out: &mut Vec<u8>) -> Result<(), LinkError> {
    let mut code = CodeSection::new();
    for body in &parts.kernel.bodies {
        parts.kernel.renumber().parse_function_body(&mut code, body.clone())?;
    }
    for (body, _) in &parts.kernel.boundary {
        code.function(&body.encode(parts.layout, segments));
    }
    let count = parts.lifted.bodies().count();
    open_section(out, &code, code.len() as usize + count, lifted_len(parts.lifted));
    Ok(())
}

/// The data section up to the ROM's bytes.
fn data(parts: &Parts<'_>, segments: &Segments<'_>) -> Result<Vec<u8>, LinkError> {
    let mut data = DataSection::new();
    if let Some(section) = &parts.kernel.data {
        parts.kernel.renumber().parse_data_section(&mut data, section.clone())?;
    }
    data.passive(parts.manifest.iter().copied());
    Ok(open_rom(&data, segments.rom.first_len()))
}

/// A data section of these segments and one of `len` bytes of the ROM, up to the latter's bytes.
pub fn open_rom(data: &DataSection, len: u32) -> Vec<u8> {
    let mut rom_head = vec![PASSIVE];
    len.encode(&mut rom_head);
    let mut out = Vec::new();
    open_section(&mut out, data, data.len() as usize + 1, rom_head.len() as u64 + u64::from(len));
    out.extend(rom_head);
    out
}

/// First byte of a passive data segment.
const PASSIVE: u8 = 1;

/// Appends a section of `count` items, of which `first` holds the first ones and `rest` more bytes will follow.
fn open_section(out: &mut Vec<u8>, first: &impl Section, count: usize, rest: u64) {
    let mut alone = Vec::new();
    first.encode(&mut alone);
    // In front of the items: the section's size and their count.
    let mut starts = alone.iter().enumerate().filter(|(_, byte)| **byte < 0x80).map(|(at, _)| at + 1);
    let items = &alone[starts.nth(1).unwrap_or(alone.len())..];
    out.push(first.id());
    (leb_len(count as u64) + items.len() + rest as usize).encode(out);
    count.encode(out);
    out.extend(items);
}

/// The name section: profilers show guest symbols beside the kernel's functions.
fn names(parts: &Parts<'_>) -> Vec<u8> {
    let mut functions = NameMap::new();
    let kernel = parts.kernel;
    let mut sorted: Vec<(u32, Cow<'_, str>)> = Vec::new();
    sorted.extend(kernel.names.iter().filter_map(|(&index, &name)| Some((kernel.function(index).ok()?, name.into()))));
    let boundary = (kernel.first_boundary()..).zip(&kernel.boundary);
    sorted.extend(boundary.map(|(index, (body, _))| (index, format!("{IMPORT_MODULE}.{}", body.name()).into())));
    sorted.sort();
    // A name that the kernel gave an import that became a boundary function yields to the boundary's.
    sorted.dedup_by_key(|(index, _)| *index);
    sorted.iter().for_each(|(index, name)| functions.append(*index, name));
    for (index, function) in (parts.layout.first_function..).zip(parts.lifted.bodies()) {
        functions.append(index, &function.name);
    }
    let mut globals = NameMap::new();
    Reg::all().for_each(|reg| globals.append(parts.layout.first_global + reg.index() as u32, reg.name()));
    let mut names = NameSection::new();
    names.module("hoist");
    names.functions(&functions);
    names.globals(&globals);
    let mut out = Vec::new();
    names.append_to(&mut out);
    out
}
