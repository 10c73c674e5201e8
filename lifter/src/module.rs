//! A core module of lifted functions by themselves: for validation, golden tests and looking at code.
//!
//! Its index spaces are those of [`Layout::alone`]; what the kernel would give is imported.

use std::collections::BTreeSet;

use hoist_x86::helper::Helper;
use hoist_x86::reg::Reg;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, FunctionSection, GlobalType, ImportSection, MemoryType, Module, NameMap,
    NameSection, RefType, TableType, TypeSection, ValType,
};

use crate::wasm::layout::{Layout, Lifted};
use crate::wasm::val_type;

impl Layout {
    /// Address of the code map in [`Layout::alone`].
    pub const fn alone_code_map() -> u32 {
        0x1_0000
    }

    /// Indices for a module that holds nothing but lifted functions.
    pub fn alone() -> Layout {
        let helpers = Helper::ALL.len() as u32;
        Layout {
            first_function: 3 + helpers,
            guest_type: 0,
            table: 0,
            table_base: 0,
            user_memory: 0,
            kernel_memory: 1,
            first_global: 0,
            code_map: Layout::alone_code_map(),
            syscall: 0,
            exception: 1,
            interpret: 2,
            helpers: (3..3 + helpers).collect(),
        }
    }
}

/// Encodes the module.
pub fn alone(layout: &Layout, lifted: &Lifted) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
    types.ty().function([ValType::I32], [ValType::I32]);
    for helper in Helper::ALL {
        let signature = helper.signature();
        types.ty().function(signature.params.iter().map(|&ty| val_type(ty)), signature.result.map(val_type));
    }
    let mut imports = ImportSection::new();
    imports.import("kernel", "syscall", EntityType::Function(1));
    imports.import("kernel", "exception", EntityType::Function(0));
    imports.import("kernel", "interpret", EntityType::Function(0));
    for (i, helper) in Helper::ALL.iter().enumerate() {
        imports.import("helper", helper.name(), EntityType::Function(2 + i as u32));
    }
    let memory = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("kernel", "user", memory);
    imports.import("kernel", "memory", memory);
    let table = TableType { element_type: RefType::FUNCREF, minimum: 0, maximum: None, table64: false, shared: false };
    imports.import("kernel", "table", table);
    for reg in Reg::all() {
        let ty = GlobalType { val_type: val_type(reg.ty()), mutable: true, shared: false };
        imports.import("register", reg.name(), ty);
    }
    let (mut functions, mut exports) = (FunctionSection::new(), ExportSection::new());
    let (mut code, mut names) = (CodeSection::new(), NameMap::new());
    let mut exported = BTreeSet::new();
    for (i, function) in lifted.bodies().enumerate() {
        functions.function(layout.guest_type);
        code.raw(&function.body);
        names.append(layout.first_function + i as u32, &function.name);
        // Names of static functions may repeat; an export's may not.
        if exported.insert(&function.name) {
            exports.export(&function.name, ExportKind::Func, layout.first_function + i as u32);
        }
    }
    let mut name_section = NameSection::new();
    name_section.functions(&names);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code).section(&name_section);
    module.finish()
}
