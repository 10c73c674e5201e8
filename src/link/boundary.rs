//! The functions that the kernel imports from module `hoist` and the linker writes: the table in
//! [`hoist_x86::boundary`], as code.

use hoist_lifter::wasm::layout::Layout;
use hoist_x86::boundary::{NULL_PAGE, SAME_BLOCK, STACK_ROOM, code_map};
use hoist_x86::ir::Type;
use hoist_x86::reg::Reg;
use hoist_x86::state;
use wasm_encoder::{BlockType, Function, InstructionSink, MemArg, MemArgTarget};
use wasmparser::{FuncType, ValType};

use super::kernel::{KERNEL_MEMORY, USER_MEMORY};
use super::merge::{LIFTED_DATA, ROM_DATA, Segments};

/// One function that the linker writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// Zero-extending load of so many bytes of user memory.
    Load(u8),
    Store(u8),
    CopyFromUser,
    CopyToUser,
    UserCopy,
    UserFill,
    UserSame,
    UserPages,
    UserGrow,
    RomLen,
    RomToUser,
    RomToKernel,
    LiftedLen,
    LiftedRead,
    CpuSave,
    CpuLoad,
    Get(Reg),
    Set(Reg),
    Enter,
}

/// All but the accesses to registers.
const NAMES: [(&str, Body); 23] = [
    ("load8", Body::Load(1)),
    ("load16", Body::Load(2)),
    ("load32", Body::Load(4)),
    ("load64", Body::Load(8)),
    ("store8", Body::Store(1)),
    ("store16", Body::Store(2)),
    ("store32", Body::Store(4)),
    ("store64", Body::Store(8)),
    ("copy_from_user", Body::CopyFromUser),
    ("copy_to_user", Body::CopyToUser),
    ("user_copy", Body::UserCopy),
    ("user_fill", Body::UserFill),
    ("user_same", Body::UserSame),
    ("user_pages", Body::UserPages),
    ("user_grow", Body::UserGrow),
    ("rom_len", Body::RomLen),
    ("rom_to_user", Body::RomToUser),
    ("rom_to_kernel", Body::RomToKernel),
    ("lifted_len", Body::LiftedLen),
    ("lifted_read", Body::LiftedRead),
    ("cpu_save", Body::CpuSave),
    ("cpu_load", Body::CpuLoad),
    ("enter", Body::Enter),
];

/// Parameters and results of a [`Body`].
type Signature = (&'static [ValType], &'static [ValType]);

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;

impl Body {
    /// The function that the kernel imports under this name.
    pub fn by_name(name: &str) -> Option<Body> {
        if let Some((_, body)) = NAMES.iter().find(|(other, _)| *other == name) {
            return Some(*body);
        }
        let (access, reg) = name.split_once('_')?;
        let reg = Reg::all().find(|other| other.ty() != Type::V128 && other.name() == reg)?;
        match access {
            "get" => Some(Body::Get(reg)),
            "set" => Some(Body::Set(reg)),
            _ => None,
        }
    }

    /// The name that the kernel imports the function under.
    pub fn name(self) -> String {
        match self {
            Body::Get(reg) => format!("get_{}", reg.name()),
            Body::Set(reg) => format!("set_{}", reg.name()),
            _ => NAMES.iter().find(|(_, body)| *body == self).map_or("", |(name, _)| name).into(),
        }
    }

    fn signature(self) -> Signature {
        match self {
            Body::Load(8) => (&[I32], &[I64]),
            Body::Load(_) => (&[I32], &[I32]),
            Body::Store(8) => (&[I32, I64], &[]),
            Body::Store(_) => (&[I32, I32], &[]),
            Body::UserPages | Body::RomLen | Body::LiftedLen => (&[], &[I32]),
            Body::UserGrow | Body::Enter => (&[I32], &[I32]),
            Body::CpuSave | Body::CpuLoad => (&[I32], &[]),
            Body::Get(_) => (&[], &[I64]),
            Body::Set(_) => (&[I64], &[]),
            Body::UserSame => (&[I32, I32, I32], &[I32]),
            Body::CopyFromUser
            | Body::CopyToUser
            | Body::UserCopy
            | Body::UserFill
            | Body::RomToUser
            | Body::RomToKernel
            | Body::LiftedRead => (&[I32, I32, I32], &[]),
        }
    }

    /// Whether the kernel declares the function with the type that it has.
    pub fn has_type(self, declared: &FuncType) -> bool {
        self.signature() == (declared.params(), declared.results())
    }

    /// The function's code.
    pub fn encode(self, layout: &Layout, segments: &Segments<'_>) -> Function {
        let mut function = match self {
            // Where the part of the range begins and ends that is in one part of the ROM.
            Body::RomToUser | Body::RomToKernel => Function::new([(2, wasm_encoder::ValType::I32)]),
            // The end of the bytes in the kernel.
            Body::UserSame => Function::new([(1, wasm_encoder::ValType::I32)]),
            _ => Function::new([]),
        };
        let mut code = function.instructions();
        match self {
            Body::Load(size) => load(user(&mut code, 0), size),
            Body::Store(size) => store(user(&mut code, 0).local_get(1), size),
            Body::CopyFromUser => {
                user(code.local_get(0), 1).local_get(2).memory_copy(KERNEL_MEMORY, USER_MEMORY);
            }
            Body::CopyToUser => {
                user(&mut code, 0).local_get(1).local_get(2).memory_copy(USER_MEMORY, KERNEL_MEMORY);
            }
            Body::UserCopy => {
                user(user(&mut code, 0), 1).local_get(2).memory_copy(USER_MEMORY, USER_MEMORY);
            }
            Body::UserFill => {
                user(&mut code, 0).local_get(1).local_get(2).memory_fill(USER_MEMORY);
            }
            Body::UserSame => user_same(&mut code),
            Body::UserPages => {
                code.memory_size(USER_MEMORY);
            }
            Body::UserGrow => {
                code.local_get(0).memory_grow(USER_MEMORY);
            }
            Body::RomLen => {
                code.i32_const(segments.rom.len() as i32);
            }
            Body::RomToUser => {
                rom(&mut code, USER_MEMORY, segments);
            }
            Body::RomToKernel => {
                rom(&mut code, KERNEL_MEMORY, segments);
            }
            Body::LiftedLen => {
                code.i32_const(segments.lifted_len as i32);
            }
            Body::LiftedRead => {
                code.local_get(0).local_get(1).local_get(2).memory_init(KERNEL_MEMORY, segments.first + LIFTED_DATA);
            }
            Body::CpuSave => Reg::all().for_each(|reg| cpu_save(&mut code, layout, reg)),
            Body::CpuLoad => Reg::all().for_each(|reg| cpu_load(&mut code, layout, reg)),
            Body::Get(reg) => {
                code.global_get(global(layout, reg));
                if reg.ty() == Type::I32 {
                    code.i64_extend_i32_u();
                }
            }
            Body::Set(reg) => {
                code.local_get(0);
                if reg.ty() == Type::I32 {
                    code.i32_wrap_i64();
                }
                code.global_set(global(layout, reg));
            }
            Body::Enter => enter(&mut code, layout),
        }
        code.end();
        function
    }
}

/// Pushes the index in user memory of the guest address in a local: it wraps, so that the null page lies outside.
fn user<'c, 'f>(code: &'c mut InstructionSink<'f>, local: u32) -> &'c mut InstructionSink<'f> {
    code.local_get(local).i32_const(NULL_PAGE as i32).i32_sub()
}

/// Compares user memory with bytes of the kernel, a block of vectors between two branches: parameters address, pointer and length, a multiple of
/// [`SAME_BLOCK`] and not zero. Most of what a switch between processes costs is spent here.
fn user_same(code: &mut InstructionSink<'_>) {
    let [address, bytes, len, end]: [u32; 4] = [0, 1, 2, 3];
    user(code, address).local_set(address);
    code.local_get(bytes).local_get(len).i32_add().local_set(end);
    code.block(BlockType::Empty).loop_(BlockType::Empty);
    for offset in (0..SAME_BLOCK).step_by(16) {
        code.local_get(address).v128_load(access(USER_MEMORY, offset, 0));
        code.local_get(bytes).v128_load(access(KERNEL_MEMORY, offset, 0)).v128_xor();
        if offset > 0 {
            code.v128_or();
        }
    }
    code.v128_any_true().br_if(1);
    code.local_get(address).i32_const(SAME_BLOCK as i32).i32_add().local_set(address);
    code.local_get(bytes).i32_const(SAME_BLOCK as i32).i32_add().local_tee(bytes);
    code.local_get(end).i32_ne().br_if(0);
    code.i32_const(1).return_().end().end().i32_const(0);
}

/// Copies from the ROM to a memory: parameters address, offset and length. The range may go over several parts.
fn rom(code: &mut InstructionSink<'_>, memory: u32, segments: &Segments<'_>) {
    let [address, offset, len, from, to]: [u32; 5] = [0, 1, 2, 3, 4];
    let segment = segments.first + ROM_DATA;
    if let [_] = segments.rom.parts() {
        if memory == USER_MEMORY {
            user(code, address)
        } else {
            code.local_get(address)
        };
        code.local_get(offset).local_get(len).memory_init(memory, segment);
        return;
    }
    for (number, part) in segments.rom.parts().iter().enumerate() {
        let (start, end) = (part.start as i32, part.end as i32);
        // from = max(offset, start); to = min(offset + len, end)
        code.local_get(offset).i32_const(start).local_get(offset).i32_const(start).i32_gt_u().select().local_set(from);
        code.local_get(offset).local_get(len).i32_add().local_tee(to).i32_const(end);
        code.local_get(to).i32_const(end).i32_lt_u().select().local_set(to);
        code.local_get(from).local_get(to).i32_lt_u().if_(BlockType::Empty);
        code.local_get(address).local_get(from).i32_add().local_get(offset).i32_sub();
        let slot = segments.rom.slot(number, memory);
        if slot.is_none() && memory == USER_MEMORY {
            code.i32_const(NULL_PAGE as i32).i32_sub();
        }
        code.local_get(from).i32_const(start).i32_sub().local_get(to).local_get(from).i32_sub();
        match slot {
            None => code.memory_init(memory, segment),
            Some(slot) => code.i32_const(slot as i32).call_indirect(0, segments.rom_type),
        };
        code.end();
    }
}

/// An access to user memory at an address of any alignment.
const UNALIGNED: MemArg = access(USER_MEMORY, 0, 0);

/// An access at a constant offset, `align` being log2 of the alignment that is sure.
const fn access(memory: u32, offset: u32, align: u32) -> MemArg {
    MemArg { offset: offset as u64, align, target: MemArgTarget::Memory(memory), ordering: None }
}

fn load(code: &mut InstructionSink<'_>, size: u8) {
    match size {
        1 => code.i32_load8_u(UNALIGNED),
        2 => code.i32_load16_u(UNALIGNED),
        4 => code.i32_load(UNALIGNED),
        _ => code.i64_load(UNALIGNED),
    };
}

fn store(code: &mut InstructionSink<'_>, size: u8) {
    match size {
        1 => code.i32_store8(UNALIGNED),
        2 => code.i32_store16(UNALIGNED),
        4 => code.i32_store(UNALIGNED),
        _ => code.i64_store(UNALIGNED),
    };
}

fn global(layout: &Layout, reg: Reg) -> u32 {
    layout.first_global + reg.index() as u32
}

/// Where a register lies in a [`state::CpuState`] of kernel memory.
fn cpu_field(reg: Reg) -> MemArg {
    let index = |first: Reg| (reg.index() - first.index()) as u32;
    let (offset, align) = match reg.ty() {
        Type::I64 => (state::INT_OFFSET + 8 * index(Reg::RAX), 3),
        Type::I32 => (state::FLAGS_OFFSET + 4 * index(Reg::CF), 2),
        _ => (state::VECTOR_OFFSET + 16 * index(Reg::xmm(0)), 4),
    };
    access(KERNEL_MEMORY, offset, align)
}

fn cpu_save(code: &mut InstructionSink<'_>, layout: &Layout, reg: Reg) {
    code.local_get(0).global_get(global(layout, reg));
    match reg.ty() {
        Type::I64 => code.i64_store(cpu_field(reg)),
        Type::I32 => code.i32_store(cpu_field(reg)),
        _ => code.v128_store(cpu_field(reg)),
    };
}

fn cpu_load(code: &mut InstructionSink<'_>, layout: &Layout, reg: Reg) {
    code.local_get(0);
    match reg.ty() {
        Type::I64 => code.i64_load(cpu_field(reg)),
        Type::I32 => code.i32_load(cpu_field(reg)),
        _ => code.v128_load(cpu_field(reg)),
    };
    code.global_set(global(layout, reg));
}

/// `table[code_map[pc >> 12][pc & 0xfff].slot](pc, STACK_ROOM)`.
fn enter(code: &mut InstructionSink<'_>, layout: &Layout) {
    let word = |offset: u32| access(KERNEL_MEMORY, offset, 2);
    code.local_get(0).i32_const(STACK_ROOM);
    code.local_get(0).i32_const(code_map::PAGE_BITS as i32).i32_shr_u().i32_const(2).i32_shl().i32_load(word(layout.code_map));
    code.local_get(0).i32_const(code_map::ENTRIES as i32 - 1).i32_and().i32_const(2).i32_shl().i32_add().i32_load(word(0));
    code.i32_const(code_map::LABEL_BITS as i32).i32_shr_u().i32_const(layout.table_base as i32).i32_add();
    code.call_indirect(layout.table, layout.guest_type);
}
