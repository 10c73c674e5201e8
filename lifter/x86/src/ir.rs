//! The intermediate representation between x86 and its two back ends (DESIGN §5).
//!
//! - Values are SSA and have Wasm's types; operations have Wasm's meaning and names, so that the Wasm back end is a
//!   spelling and the interpreter has a specification. x86's 8- and 16-bit arithmetic is written with i32 and masks.
//! - Guest registers are read and written with [`Inst::GetReg`] and [`Inst::SetReg`]. As [`crate::semantics`]
//!   writes it, code does so at each instruction; the lifter's `ssa` pass then replaces all but those at the borders
//!   (entry, resume points, exits). The meaning of both instructions stays the same: read, write the guest's register.
//! - A guest address is an i32 value (the low 32 bits of the 64-bit address, DESIGN §2). Loads and stores
//!   add a constant displacement modulo 2³².
//! - Control stays inside a function by [`Term::Jump`], [`Term::Branch`] and [`Term::Switch`], and leaves it by [`Term::Exit`].
//!
//! Invariants, checked by [`crate::verify`]: every operand is defined before its use (in its block or in a
//! dominator), has the type its operation wants, and every block has a terminator.

use alloc::vec::Vec;

use crate::boundary::Vector;
use crate::helper::Helper;
pub use crate::ops::{BinOp, LoadOp, Shape, StoreOp, UnOp};
use crate::reg::Reg;

/// A Wasm value type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
}

/// The result of one instruction: an index into [`Func::insts`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Value(pub u32);

/// An index into [`Func::blocks`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockId(pub u32);

/// One instruction; it defines at most one value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Inst {
    /// Parameter of a block (after `ssa`): the value comes with the edge.
    Param(Type),
    I32(i32),
    I64(i64),
    /// Bits of a single, so that NaNs keep their payload.
    F32(u32),
    /// Bits of a double.
    F64(u64),
    V128(u128),
    Un(UnOp, Value),
    Bin(BinOp, Value, Value),
    /// `cond != 0 ? yes : no`; `cond` is i32, the others have one type.
    Select {
        cond: Value,
        yes: Value,
        no: Value,
    },
    /// Lane `lane` of a vector; 8- and 16-bit lanes are zero-extended.
    Extract {
        shape: Shape,
        lane: u8,
        vector: Value,
    },
    /// `vector` with lane `lane` replaced.
    Replace {
        shape: Shape,
        lane: u8,
        vector: Value,
        value: Value,
    },
    /// i8x16.shuffle: byte `i` of the result is byte `lanes[i]` of the 32 bytes `a‖b`.
    Shuffle {
        a: Value,
        b: Value,
        lanes: [u8; 16],
    },
    /// v128.bitselect: a bit of `a` where `mask` has a one, else of `b`.
    Bitselect {
        a: Value,
        b: Value,
        mask: Value,
    },
    /// `load op` from `addr + disp` (mod 2³²); `addr` is i32.
    Load {
        op: LoadOp,
        addr: Value,
        disp: i32,
    },
    Store {
        op: StoreOp,
        addr: Value,
        disp: i32,
        value: Value,
    },
    /// memory.copy inside user memory: `len` (i32) bytes from `from` to `to`, both i32 guest addresses, as memmove(3).
    Copy {
        to: Value,
        from: Value,
        len: Value,
    },
    /// memory.fill in user memory: `len` bytes with the low byte of `byte` (i32).
    Fill {
        to: Value,
        byte: Value,
        len: Value,
    },
    GetReg(Reg),
    SetReg(Reg, Value),
    /// Call of a routine in Rust; the arguments' and the result's types are in [`Helper::signature`]. Unused arguments repeat the first.
    Helper {
        helper: Helper,
        args: [Value; 4],
    },
    /// Counts a round of a loop: [`Reg::ROUNDS`], less one. An i32, 1 while there are more; after the last the task has to leave, so that the kernel
    /// can look after it and others. The register is no SSA value, and nothing but the terminator behind it uses this one.
    Round,
    /// The value of another instruction: what an optimisation leaves where it removed one.
    Alias(Value),
    /// Nothing: a removed instruction.
    Nop,
}

/// An edge to a block, with one argument for each of its parameters.
#[derive(Clone, PartialEq, Debug)]
pub struct Edge {
    pub to: BlockId,
    pub args: Vec<Value>,
}

impl From<BlockId> for Edge {
    fn from(to: BlockId) -> Edge {
        Edge { to, args: Vec::new() }
    }
}

/// A guest address to go to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Target {
    Pc(u32),
    /// An i32 value.
    Value(Value),
}

/// How control leaves a function. The guest's registers are all in their globals then.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Exit {
    /// A jump out of the function, or to where nobody knows.
    Jump(Target),
    /// CALL: the return address `next` is already on the guest's stack.
    Call { to: Target, next: u32 },
    /// RET: the popped return address, an i32 value.
    Return(Value),
    /// SYSCALL; goes on at `next`.
    Syscall { next: u32 },
    /// A processor exception at the instruction at `at`.
    Exception { vector: Vector, at: u32 },
    /// The instruction at `at` is left to the interpreter.
    Interpret { at: u32 },
    /// Goes on at `at` when all callers have been left, too: plain floating point that they hold would no longer be right, or the kernel has to
    /// look after the task.
    Leave { at: u32 },
}

#[derive(Clone, PartialEq, Debug)]
pub enum Term {
    Jump(Edge),
    /// To `yes` if `cond` (i32) is not 0.
    Branch {
        cond: Value,
        yes: Edge,
        no: Edge,
    },
    /// To `targets[index]`, or to `default` when `index` (i32, unsigned) is not below their number.
    Switch {
        index: Value,
        targets: Vec<Edge>,
        default: Edge,
    },
    Exit(Exit),
}

impl Term {
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        let (list, rest): (&[Edge], [Option<&Edge>; 2]) = match self {
            Term::Jump(edge) => (&[], [Some(edge), None]),
            Term::Branch { yes, no, .. } => (&[], [Some(yes), Some(no)]),
            Term::Switch { targets, default, .. } => (targets, [Some(default), None]),
            Term::Exit(_) => (&[], [None, None]),
        };
        list.iter().chain(rest.into_iter().flatten())
    }

    pub fn edges_mut(&mut self) -> impl Iterator<Item = &mut Edge> {
        let (list, rest): (&mut [Edge], [Option<&mut Edge>; 2]) = match self {
            Term::Jump(edge) => (&mut [], [Some(edge), None]),
            Term::Branch { yes, no, .. } => (&mut [], [Some(yes), Some(no)]),
            Term::Switch { targets, default, .. } => (targets, [Some(default), None]),
            Term::Exit(_) => (&mut [], [None, None]),
        };
        list.iter_mut().chain(rest.into_iter().flatten())
    }

    /// Values that the terminator itself reads, edges' arguments included.
    pub fn for_each_use(&self, mut f: impl FnMut(Value)) {
        match self {
            Term::Branch { cond, .. } => f(*cond),
            Term::Switch { index, .. } => f(*index),
            Term::Exit(Exit::Jump(Target::Value(v)) | Exit::Call { to: Target::Value(v), .. } | Exit::Return(v)) => f(*v),
            Term::Jump(_) | Term::Exit(_) => {}
        }
        for edge in self.edges() {
            edge.args.iter().copied().for_each(&mut f);
        }
    }

    /// Replaces every value that the terminator reads.
    pub fn map_uses(&mut self, mut f: impl FnMut(Value) -> Value) {
        match self {
            Term::Branch { cond, .. } => *cond = f(*cond),
            Term::Switch { index, .. } => *index = f(*index),
            Term::Exit(Exit::Jump(Target::Value(v)) | Exit::Call { to: Target::Value(v), .. } | Exit::Return(v)) => *v = f(*v),
            Term::Jump(_) | Term::Exit(_) => {}
        }
        for edge in self.edges_mut() {
            for arg in &mut edge.args {
                *arg = f(*arg);
            }
        }
    }
}

/// A straight run of instructions with one terminator.
#[derive(Clone, PartialEq, Debug)]
pub struct Block {
    /// Guest address that the block begins at; blocks inside one instruction's meaning have that instruction's address.
    pub pc: u32,
    /// [`Inst::Param`]s, in the order of the edges' arguments.
    pub params: Vec<Value>,
    pub insts: Vec<Value>,
    /// `None` only while the block is being built.
    pub term: Option<Term>,
}

/// A unit of translation: a guest function, or for the interpreter a basic block.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Func {
    pub insts: Vec<Inst>,
    pub blocks: Vec<Block>,
}

impl Func {
    pub fn new() -> Func {
        Func::default()
    }

    pub fn add_block(&mut self, pc: u32) -> BlockId {
        self.blocks.push(Block { pc, params: Vec::new(), insts: Vec::new(), term: None });
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// A new value that stands in no block yet.
    pub fn add_inst(&mut self, inst: Inst) -> Value {
        self.insts.push(inst);
        Value(self.insts.len() as u32 - 1)
    }

    pub fn inst(&self, value: Value) -> &Inst {
        &self.insts[value.0 as usize]
    }

    pub fn block(&self, block: BlockId) -> &Block {
        &self.blocks[block.0 as usize]
    }

    pub fn block_mut(&mut self, block: BlockId) -> &mut Block {
        &mut self.blocks[block.0 as usize]
    }

    pub fn block_ids(&self) -> impl Iterator<Item = BlockId> + use<> {
        (0..self.blocks.len() as u32).map(BlockId)
    }

    /// Follows aliases to the value that is meant.
    pub fn resolve(&self, mut value: Value) -> Value {
        while let Inst::Alias(other) = self.inst(value) {
            value = *other;
        }
        value
    }

    /// The type of a value; `None` for instructions without a result.
    pub fn ty(&self, value: Value) -> Option<Type> {
        Some(match *self.inst(value) {
            Inst::Param(ty) => ty,
            Inst::I32(_) => Type::I32,
            Inst::I64(_) => Type::I64,
            Inst::F32(_) => Type::F32,
            Inst::F64(_) => Type::F64,
            Inst::V128(_) | Inst::Replace { .. } | Inst::Shuffle { .. } | Inst::Bitselect { .. } => Type::V128,
            Inst::Extract { shape, .. } => shape.lane(),
            Inst::Un(op, _) => op.result(),
            Inst::Bin(op, ..) => op.result(),
            Inst::Select { yes, .. } => return self.ty(yes),
            Inst::Load { op, .. } => op.result(),
            Inst::GetReg(reg) => reg.ty(),
            Inst::Round => Type::I32,
            Inst::Helper { helper, .. } => return helper.signature().result,
            Inst::Alias(other) => return self.ty(other),
            Inst::Store { .. } | Inst::Copy { .. } | Inst::Fill { .. } | Inst::SetReg(..) | Inst::Nop => return None,
        })
    }
}

impl Inst {
    pub fn for_each_use(&self, mut f: impl FnMut(Value)) {
        let mut copy = *self;
        copy.map_uses(|v| {
            f(v);
            v
        });
    }

    /// Replaces every operand.
    pub fn map_uses(&mut self, mut f: impl FnMut(Value) -> Value) {
        match self {
            Inst::Un(_, a) | Inst::SetReg(_, a) | Inst::Alias(a) => *a = f(*a),
            Inst::Bin(_, a, b) | Inst::Shuffle { a, b, .. } => {
                *a = f(*a);
                *b = f(*b);
            }
            Inst::Select { cond, yes, no } => {
                *yes = f(*yes);
                *no = f(*no);
                *cond = f(*cond);
            }
            Inst::Bitselect { a, b, mask } => {
                *a = f(*a);
                *b = f(*b);
                *mask = f(*mask);
            }
            Inst::Extract { vector, .. } => *vector = f(*vector),
            Inst::Replace { vector, value, .. } => {
                *vector = f(*vector);
                *value = f(*value);
            }
            Inst::Load { addr, .. } => *addr = f(*addr),
            Inst::Store { addr, value, .. } => {
                *addr = f(*addr);
                *value = f(*value);
            }
            Inst::Copy { to, from: middle, len } | Inst::Fill { to, byte: middle, len } => {
                *to = f(*to);
                *middle = f(*middle);
                *len = f(*len);
            }
            Inst::Helper { helper, args } => {
                for arg in &mut args[..helper.signature().params.len()] {
                    *arg = f(*arg);
                }
            }
            Inst::Param(_)
            | Inst::I32(_)
            | Inst::I64(_)
            | Inst::F32(_)
            | Inst::F64(_)
            | Inst::V128(_)
            | Inst::GetReg(_)
            | Inst::Round
            | Inst::Nop => {}
        }
    }

    /// Does it do something besides defining its value? Such instructions keep their order and are never removed.
    pub fn has_effect(&self) -> bool {
        match self {
            Inst::Store { .. } | Inst::Copy { .. } | Inst::Fill { .. } | Inst::SetReg(..) | Inst::Round => true,
            Inst::Helper { helper, .. } => !helper.signature().pure,
            _ => false,
        }
    }

    /// Does it reach user memory, so that the address may be a bad one?
    pub fn may_fault(&self) -> bool {
        match self {
            Inst::Load { .. } | Inst::Store { .. } | Inst::Copy { .. } | Inst::Fill { .. } => true,
            Inst::Helper { helper, .. } => !helper.signature().pure,
            _ => false,
        }
    }
}
