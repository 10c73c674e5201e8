//! Where lifter and linker meet: the indices that lifted code may use, and what the lifter hands back.
//!
//! The linker knows every index of the merged core module before a single function is emitted, so bodies are
//! encoded once, with their final indices, and copied into the module as they are.

use hoist_x86::accesses::Accesses;

use super::code::Hint;

/// The index spaces of the merged core module, as lifted code sees them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Function index of the first lifted function; function `i` of [`Lifted::functions`] is `first_function + i`.
    pub first_function: u32,
    /// Type index of `(i32 pc, i32 room) -> i32`, the type of every lifted function.
    pub guest_type: u32,
    /// The one table.
    pub table: u32,
    /// Table index of slot 0 of the code map ([`hoist_x86::boundary::code_map`]); slot `s` is `table_base + s`.
    pub table_base: u32,
    /// Memory index of the guest's memory: 0, so that loads and stores need no index byte.
    pub user_memory: u32,
    pub kernel_memory: u32,
    /// Global index of register 0; register `r` is `first_global + r.index()`. The flags are i32, the others as
    /// [`hoist_x86::reg::Reg::ty`] says; all are mutable.
    pub first_global: u32,
    /// Address in kernel memory of level one of the code map.
    pub code_map: u32,
    /// Function index of [`hoist_x86::boundary::export::SYSCALL`].
    pub syscall: u32,
    /// Function index of [`hoist_x86::boundary::export::EXCEPTION`].
    pub exception: u32,
    /// Function index of [`hoist_x86::boundary::export::INTERPRET`].
    pub interpret: u32,
    /// Function index of each helper, by `Helper as usize`.
    pub helpers: Vec<u32>,
}

impl Layout {
    /// Table index of function `i` of [`Lifted::functions`].
    pub fn table_index(&self, function: u32) -> u32 {
        self.table_base + Lifted::slot(function)
    }
}

/// One guest function as Wasm, of type [`Layout::guest_type`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LiftedFunction {
    /// Declarations of locals and code, as in the code section but without the size in front.
    pub body: Vec<u8>,
    /// The symbol, or a name made from the address: what profilers show.
    pub name: String,
    /// Which way its branches go, in the order of their offsets.
    pub hints: Vec<Hint>,
    /// Where it reaches memory.
    pub accesses: Accesses,
}

/// A guest address at which lifted code can be entered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CodeMapEntry {
    /// Which of the files that share addresses it is of; 0 for all that share none.
    pub overlay: u32,
    pub pc: u32,
    /// Index in [`Lifted::functions`].
    pub function: u32,
    /// 0 = the function's entry, else the number of the resume point within the function.
    pub label: u32,
}

/// What lifting one image gives.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lifted {
    pub functions: Vec<LiftedFunction>,
    /// Other translations of some of them, which only these and each other call; twin `i` has the function index
    /// `first_function + functions.len() + i`.
    pub twins: Vec<LiftedFunction>,
    /// In ascending order of overlay and pc, each pc of an overlay once.
    pub code_map: Vec<CodeMapEntry>,
    pub stats: Stats,
}

impl Lifted {
    /// All bodies in the order of their function indices.
    pub fn bodies(&self) -> impl Iterator<Item = &LiftedFunction> {
        self.functions.iter().chain(&self.twins)
    }

    /// The code map's slot of function `i`.
    pub const fn slot(function: u32) -> u32 {
        hoist_x86::boundary::code_map::FIRST_FREE_SLOT + function
    }
}

/// How much was lifted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Per ELF file, in the order in which the files were given.
    pub files: Vec<FileStats>,
}

/// How much of one ELF file was lifted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FileStats {
    /// Guest functions lifted.
    pub functions: u32,
    /// Bytes of x86 code in the lifted functions.
    pub x86_bytes: u64,
    /// Bytes of Wasm code that they became.
    pub wasm_bytes: u64,
}
