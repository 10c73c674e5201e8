//! Writing a function's body: structured control after Ramsey, "Beyond Relooper: Recursive Translation of
//! Unstructured Control Flow to Structured Control Flow" (ICFP 2022), over the flow graph that [`super::flow`] made reducible.

use hoist_x86::accesses::Access;
use hoist_x86::boundary::code_map;
use hoist_x86::builder::Floats;
use hoist_x86::ir::{BinOp, BlockId, Edge, Exit, Func, Inst, Term, Type, UnOp, Value};
use hoist_x86::reg::Reg;
use wasm_encoder::{BlockType, Function, Ieee32, Ieee64, Instruction, MemArg, MemArgTarget, ValType};

use super::code::{Code, Hint};
use super::flow::{Flow, Node, Succ};
use super::layout::Layout;
use super::locals::{LABEL, Locals, PC, ROOM, SCRATCH};
use super::trees::Trees;
use crate::callees::Callees;
use crate::graph::Dominators;
use crate::unit::{Twin, Unit};

/// A function as Wasm. Offsets count from the start of its body with the declarations of its locals.
pub struct Emitted {
    pub body: Vec<u8>,
    /// For its branches.
    pub hints: Vec<Hint>,
    /// Its accesses to user memory, and those of helpers that it calls.
    pub accesses: Vec<Access>,
}

/// A function's body, with the declarations of its locals, and what is known of it.
pub fn emit(unit: &Unit, layout: &Layout, callees: &Callees) -> Emitted {
    let flow = Flow::new(unit);
    let graph = flow.graph();
    let dominators = Dominators::new(&graph, flow.entry);
    let trees = Trees::new(unit);
    let locals = Locals::new(unit, &trees, &flow, &dominators);
    let emitter = Emitter {
        needs_block: needs_block(&flow, unit, &dominators),
        back_edges: back_edges(&flow, &dominators),
        children: dominators.children(),
        depth_of: vec![u32::MAX; flow.nodes.len()],
        depth: 0,
        code: Code::default(),
        unit,
        layout,
        callees,
        flow: &flow,
        dominators: &dominators,
        trees: &trees,
        locals: &locals,
    };
    let (code, mut hints, accesses) = emitter.function();
    let declared = locals.declared.iter().map(|&(n, ty)| (n, val_type(ty)));
    let mut body = Vec::new();
    // `Function` writes the declarations; its encoding begins with the size, which the layer above writes.
    let mut function = Function::new(declared);
    let code_len = code.len();
    function.raw(code);
    body.extend(function.into_raw_body());
    let declarations = (body.len() - code_len) as u32;
    for hint in &mut hints {
        hint.offset += declarations;
    }
    let access = |(offset, value)| Some(Access { offset: offset + declarations, pc: unit.instruction_of(value)? });
    let accesses = accesses.into_iter().filter_map(access).collect();
    Emitted { body, hints, accesses }
}

pub fn val_type(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::I32,
        Type::I64 => ValType::I64,
        Type::F32 => ValType::F32,
        Type::F64 => ValType::F64,
        Type::V128 => ValType::V128,
    }
}

/// Nodes that are reached by a branch instruction and so need a Wasm block to end before them: merges, and the targets of
/// multi-way branches.
fn needs_block(flow: &Flow, unit: &Unit, dominators: &Dominators) -> Vec<bool> {
    let mut forward = vec![0u32; flow.nodes.len()];
    for &node in &dominators.order {
        let multiway = match flow.nodes[node as usize] {
            Node::Entry | Node::Dispatch => flow.succs[node as usize].len() > 1,
            Node::Block(block) => matches!(unit.func.block(block).term, Some(Term::Switch { .. })),
            _ => false,
        };
        for succ in &flow.succs[node as usize] {
            if dominators.position[succ.to as usize] > dominators.position[node as usize] {
                forward[succ.to as usize] += if multiway { 2 } else { 1 };
            }
        }
    }
    forward.into_iter().map(|n| n > 1).collect()
}

/// How many edges lead back to each node: any to the headers of loops only.
fn back_edges(flow: &Flow, dominators: &Dominators) -> Vec<u32> {
    let mut back = vec![0; flow.nodes.len()];
    for &node in &dominators.order {
        for succ in &flow.succs[node as usize] {
            if dominators.position[succ.to as usize] <= dominators.position[node as usize] {
                back[succ.to as usize] += 1;
            }
        }
    }
    back
}

/// Is a condition that a value or a lane of one is a NaN, as [`crate::opt::fix_nans`] asks for it?
fn is_rare(func: &Func, cond: Value) -> bool {
    let Inst::Un(op, test) = *func.inst(cond) else { return false };
    match (op, *func.inst(test)) {
        (UnOp::I32Eqz, Inst::Bin(BinOp::F32Ge | BinOp::F64Ge, a, b)) => a == b,
        (UnOp::V128AnyTrue, Inst::Bin(BinOp::F32x4Ne | BinOp::F64x2Ne, a, b)) => a == b,
        _ => false,
    }
}

pub(super) struct Emitter<'a> {
    unit: &'a Unit,
    pub(super) layout: &'a Layout,
    pub(super) callees: &'a Callees,
    pub(super) flow: &'a Flow,
    dominators: &'a Dominators,
    children: Vec<Vec<u32>>,
    needs_block: Vec<bool>,
    back_edges: Vec<u32>,
    trees: &'a Trees,
    pub(super) locals: &'a Locals,
    pub(super) code: Code,
    /// How many Wasm blocks, loops and ifs are open.
    depth: u32,
    /// For a node with an open label: the depth just inside its block or loop.
    depth_of: Vec<u32>,
}

impl Emitter<'_> {
    fn func(&self) -> &Func {
        &self.unit.func
    }

    fn function(mut self) -> (Vec<u8>, Vec<Hint>, Vec<(u32, Value)>) {
        self.check_exact();
        let has_calls = self.has_calls();
        if has_calls {
            self.check_room();
            // Whoever breaks out of this block leaves the function: see [`Self::leave_if`].
            self.code.op(Instruction::Block(BlockType::Empty));
            self.depth += 1;
        }
        self.tree(self.flow.entry);
        self.code.op(Instruction::Unreachable);
        if has_calls {
            self.code.op(Instruction::End);
            self.code.op(Instruction::LocalGet(SCRATCH));
        }
        self.code.op(Instruction::End);
        self.code.finish()
    }

    fn has_calls(&self) -> bool {
        self.flow.nodes.iter().any(|node| match node {
            Node::Block(block) => {
                matches!(self.func().block(*block).term, Some(Term::Exit(Exit::Call { .. } | Exit::Syscall { .. })))
            }
            _ => false,
        })
    }

    /// While floating point must be more exact than this translation is, the twin does the function's work.
    fn check_exact(&mut self) {
        if self.unit.twin == Twin::Unneeded {
            return;
        }
        self.code.op(Instruction::GlobalGet(self.layout.first_global + Reg::EXACT.index() as u32));
        if self.unit.floats != Floats::Plain {
            self.code.op(Instruction::I32Const(self.unit.floats as i32));
            self.code.op(Instruction::I32GtU);
        }
        self.code.hinted_if(BlockType::Empty, false);
        let does_it = match self.unit.twin {
            Twin::Is(twin) => {
                self.code.op(Instruction::LocalGet(PC));
                twin
            }
            Twin::Interpreter | Twin::Unneeded => {
                self.own_pc();
                self.layout.interpret
            }
        };
        self.code.op(Instruction::LocalGet(ROOM));
        self.code.op(Instruction::ReturnCall(does_it));
        self.code.op(Instruction::End);
    }

    /// Pushes where the function was entered.
    fn own_pc(&mut self) {
        self.code.op(Instruction::LocalGet(PC));
        self.code.op(Instruction::I32Const(self.unit.entry_pc as i32));
        self.code.op(Instruction::LocalGet(PC));
        self.code.op(Instruction::Select);
    }

    /// Too little Wasm stack left: return one's own pc to the dispatcher, which enters it again on an empty stack.
    fn check_room(&mut self) {
        self.code.op(Instruction::LocalGet(ROOM));
        self.code.op(Instruction::I32Const(self.locals.frame_estimate() as i32));
        self.code.op(Instruction::I32LtS);
        self.code.hinted_if(BlockType::Empty, false);
        self.own_pc();
        self.code.op(Instruction::Return);
        self.code.op(Instruction::End);
    }

    // Structure.

    fn tree(&mut self, node: u32) {
        if self.back_edges[node as usize] > 0 {
            self.code.op(Instruction::Loop(BlockType::Empty));
            self.depth += 1;
            self.depth_of[node as usize] = self.depth;
            self.within(node);
            self.depth -= 1;
            self.code.op(Instruction::End);
        } else {
            self.within(node);
        }
    }

    fn within(&mut self, node: u32) {
        let merges: Vec<u32> =
            self.children[node as usize].iter().copied().filter(|&child| self.needs_block[child as usize]).collect();
        // The farthest merge is the outermost block.
        let outer_labels: Vec<u32> = merges.iter().map(|&m| self.depth_of[m as usize]).collect();
        for &merge in merges.iter().rev() {
            self.code.op(Instruction::Block(BlockType::Empty));
            self.depth += 1;
            self.depth_of[merge as usize] = self.depth;
        }
        self.node(node);
        for (&merge, outer) in merges.iter().zip(outer_labels) {
            self.depth -= 1;
            self.code.end_block();
            self.depth_of[merge as usize] = outer;
            self.tree(merge);
        }
    }

    fn node(&mut self, node: u32) {
        match self.flow.nodes[node as usize] {
            Node::Entry => self.entry(node),
            Node::Dispatch => {
                // Label 0, the natural header, is where every iteration but the first comes.
                let succs = self.flow.succs[node as usize].clone();
                let natural = self.branch_depth(succs[0]);
                self.code.op(Instruction::LocalGet(LABEL));
                self.code.op(Instruction::I32Eqz);
                self.code.op(Instruction::BrIf(natural));
                match succs[1..] {
                    [other] => self.go(node, other),
                    _ => {
                        self.code.op(Instruction::LocalGet(LABEL));
                        self.table(&succs[2..], succs[1], 2);
                    }
                }
            }
            Node::Stub { from, edge } => {
                let term = self.unit.func.block(from).term.as_ref().expect("blocks have terminators");
                let edge = term.edges().nth(edge as usize).expect("the stub's edge exists").clone();
                self.arguments(&edge);
                self.go(node, self.flow.succs[node as usize][0]);
            }
            Node::SetLabel => self.go(node, self.flow.succs[node as usize][0]),
            Node::Block(block) => self.block(node, block),
        }
    }

    /// `$pc` is 0 at the function's entry, else a resume point whose number the code map has.
    fn entry(&mut self, node: u32) {
        let succs = self.flow.succs[node as usize].clone();
        if succs.len() == 1 {
            return self.go(node, succs[0]);
        }
        let start = self.branch_depth(succs[0]);
        self.code.op(Instruction::LocalGet(PC));
        self.code.op(Instruction::I32Eqz);
        self.code.op(Instruction::BrIf(start));
        self.code.op(Instruction::LocalGet(PC));
        self.code.op(Instruction::I32Const(self.unit.entry_pc as i32));
        self.code.op(Instruction::I32Eq);
        self.code.op(Instruction::BrIf(start));
        // A label that the code map does not have, or not yet, or no longer, is for the dispatcher.
        self.code.op(Instruction::Block(BlockType::Empty));
        self.depth += 1;
        self.code.op(Instruction::LocalGet(PC));
        self.code_map_entry(PC);
        self.code.op(Instruction::I32Const(code_map::MAX_LABEL as i32));
        self.code.op(Instruction::I32And);
        let targets: Vec<u32> = std::iter::once(0).chain(succs[1..].iter().map(|&succ| self.branch_depth(succ))).collect();
        self.code.op(Instruction::BrTable(targets.into(), 0));
        self.depth -= 1;
        self.code.op(Instruction::End);
        self.code.op(Instruction::LocalGet(PC));
        self.code.op(Instruction::Return);
    }

    /// `br_table` on the i32 on the stack: value `first + i` goes to `succs[i]`, any other to `default`.
    fn table(&mut self, succs: &[Succ], default: Succ, first: u32) {
        let default = self.branch_depth(default);
        let targets: Vec<u32> =
            std::iter::repeat_n(default, first as usize).chain(succs.iter().map(|&succ| self.branch_depth(succ))).collect();
        self.code.op(Instruction::BrTable(targets.into(), default));
    }

    fn branch_depth(&self, succ: Succ) -> u32 {
        debug_assert!(succ.label.is_none(), "labels on multi-way branches are set in stubs");
        self.depth - self.depth_of[succ.to as usize]
    }

    /// Is going there one branch instruction and nothing else?
    fn is_plain(&self, from: u32, succ: Succ, edge: &Edge) -> bool {
        succ.label.is_none() && !self.moves(edge) && (self.needs_block[succ.to as usize] || self.is_back_edge(from, succ))
    }

    fn is_back_edge(&self, from: u32, succ: Succ) -> bool {
        self.dominators.position[succ.to as usize] <= self.dominators.position[from as usize]
    }

    /// Goes on at a successor: a branch, or its code right here.
    pub(super) fn go(&mut self, from: u32, succ: Succ) {
        if let Some(label) = succ.label {
            self.code.op(Instruction::I32Const(label as i32));
            self.code.op(Instruction::LocalSet(LABEL));
        }
        if self.is_back_edge(from, succ) || self.needs_block[succ.to as usize] {
            self.code.br(self.depth - self.depth_of[succ.to as usize]);
        } else {
            self.tree(succ.to);
        }
    }

    /// Does the edge change any local?
    fn moves(&self, edge: &Edge) -> bool {
        self.moved(edge).next().is_some()
    }

    fn moved<'e>(&'e self, edge: &'e Edge) -> impl Iterator<Item = (Value, u32)> + 'e {
        let params = &self.func().block(edge.to).params;
        params.iter().zip(&edge.args).filter_map(|(param, &arg)| {
            let to = self.locals.of[param.0 as usize];
            (to != u32::MAX && self.locals.of[arg.0 as usize] != to).then_some((arg, to))
        })
    }

    /// All arguments first, then all parameters: a parallel move on the operand stack.
    fn arguments(&mut self, edge: &Edge) {
        let moved: Vec<(Value, u32)> = self.moved(edge).collect();
        for &(arg, _) in &moved {
            self.value(arg);
        }
        for &(_, to) in moved.iter().rev() {
            self.code.op(Instruction::LocalSet(to));
        }
    }

    // Blocks.

    fn block(&mut self, node: u32, block: BlockId) {
        let unit = self.unit;
        let data = unit.func.block(block);
        for &value in &data.insts {
            let local = self.locals.of[value.0 as usize];
            if local != u32::MAX {
                self.inst(value);
                self.code.op(Instruction::LocalSet(local));
            } else if matches!(unit.func.inst(value), Inst::Round) {
                // Where the terminator uses it.
            } else if unit.func.inst(value).has_effect() {
                self.inst(value);
                if unit.func.ty(value).is_some() {
                    self.code.op(Instruction::Drop);
                }
            }
        }
        let succs = &self.flow.succs[node as usize];
        match data.term.as_ref().expect("blocks have terminators") {
            Term::Jump(edge) => {
                self.arguments(edge);
                self.go(node, succs[0]);
            }
            Term::Branch { cond, yes, no } => self.branch(node, *cond, (yes, succs[0]), (no, succs[1])),
            Term::Switch { index, .. } => {
                self.value(*index);
                let (default, targets) = succs.split_last().expect("a switch has a default");
                self.table(targets, *default, 0);
            }
            Term::Exit(exit) => self.exit(node, *exit),
        }
    }

    fn branch(&mut self, node: u32, cond: Value, yes: (&Edge, Succ), no: (&Edge, Succ)) {
        self.value(cond);
        let is_plain = [yes, no].map(|way| self.is_plain(node, way.1, way.0));
        // At a loop's end the way back goes on here, so that engines take one branch a round and not two.
        let goes_round = self.is_back_edge(node, yes.1) && self.back_edges[yes.1.to as usize] == 1;
        let (first, second) = if is_plain[0] || !is_plain[1] && !goes_round {
            (yes, no)
        } else {
            self.code.op(Instruction::I32Eqz);
            (no, yes)
        };
        if self.is_plain(node, first.1, first.0) {
            self.code.op(Instruction::BrIf(self.depth - self.depth_of[first.1.to as usize]));
        } else {
            self.code.op(Instruction::If(BlockType::Empty));
            self.depth += 1;
            self.arguments(first.0);
            self.go(node, first.1);
            self.depth -= 1;
            self.code.op(Instruction::End);
        }
        self.arguments(second.0);
        self.go(node, second.1);
    }

    // Values.

    pub(super) fn value(&mut self, value: Value) {
        match self.locals.of[value.0 as usize] {
            u32::MAX => self.inst(value),
            local => self.code.local_get(local),
        }
    }

    /// A select whose first choice is worth a branch around it.
    fn choose(&mut self, cond: Value, yes: Value, no: Value) {
        let ty = self.func().ty(yes).expect("what is selected has a type");
        // Engines make one instruction of a comparison and a branch, but not with a negation between them.
        let rare = is_rare(self.func(), cond);
        let (cond, yes, no, likely) = match *self.func().inst(cond) {
            Inst::Un(UnOp::I32Eqz, test) if self.locals.of[cond.0 as usize] == u32::MAX => (test, no, yes, true),
            _ => (cond, yes, no, false),
        };
        self.value(cond);
        let block = BlockType::Result(val_type(ty));
        if rare {
            self.code.hinted_if(block, likely);
        } else {
            self.code.op(Instruction::If(block));
        }
        self.value(yes);
        self.code.op(Instruction::Else);
        self.value(no);
        self.code.op(Instruction::End);
    }

    /// If the i32 on the stack is not 0, returns the pc in [`SCRATCH`]; in functions with calls.
    pub(super) fn leave_if(&mut self) {
        self.code.op(Instruction::BrIf(self.depth - 1));
    }

    /// Computes an instruction's value onto the stack, or does what it does.
    fn inst(&mut self, value: Value) {
        let inst = *self.func().inst(value);
        debug_assert!(
            self.trees.in_local[value.0 as usize] || inst.has_effect() || !matches!(inst, Inst::Param(_)),
            "a parameter without a local is used"
        );
        if let Inst::Select { cond, yes, no } = inst {
            let worth = is_rare(self.func(), cond) || matches!(self.func().inst(yes), Inst::Helper { .. });
            if worth && self.locals.of[yes.0 as usize] == u32::MAX {
                return self.choose(cond, yes, no);
            }
        }
        inst.for_each_use(|operand| self.value(operand));
        let layout = self.layout;
        match inst {
            Inst::I32(c) => self.code.op(Instruction::I32Const(c)),
            Inst::I64(c) => self.code.op(Instruction::I64Const(c)),
            Inst::F32(bits) => self.code.op(Instruction::F32Const(Ieee32::new(bits))),
            Inst::F64(bits) => self.code.op(Instruction::F64Const(Ieee64::new(bits))),
            Inst::V128(bits) => self.code.op(Instruction::V128Const(bits as i128)),
            Inst::Un(op, _) => self.code.op(super::spelling::unary(op)),
            Inst::Bin(op, ..) => self.code.op(super::spelling::binary(op)),
            Inst::Select { .. } => self.code.op(Instruction::Select),
            Inst::Extract { shape, lane, .. } => self.code.op(super::spelling::extract(shape, lane)),
            Inst::Replace { shape, lane, .. } => self.code.op(super::spelling::replace(shape, lane)),
            Inst::Shuffle { lanes, .. } => self.code.op(Instruction::I8x16Shuffle(lanes)),
            Inst::Bitselect { .. } => self.code.op(Instruction::V128Bitselect),
            Inst::Load { op, disp, .. } => {
                let memory =
                    MemArg { offset: disp as u64, align: 0, target: MemArgTarget::Memory(layout.user_memory), ordering: None };
                self.code.access(value, super::spelling::load(op, memory));
            }
            Inst::Store { op, disp, .. } => {
                let memory =
                    MemArg { offset: disp as u64, align: 0, target: MemArgTarget::Memory(layout.user_memory), ordering: None };
                self.code.access(value, super::spelling::store(op, memory));
            }
            Inst::Copy { .. } => {
                self.code.access(value, Instruction::MemoryCopy { src_mem: layout.user_memory, dst_mem: layout.user_memory })
            }
            Inst::Fill { .. } => self.code.access(value, Instruction::MemoryFill(layout.user_memory)),
            Inst::GetReg(reg) => self.code.op(Instruction::GlobalGet(layout.first_global + reg.index() as u32)),
            Inst::Round => {
                let rounds = layout.first_global + Reg::ROUNDS.index() as u32;
                self.code.op(Instruction::GlobalGet(rounds));
                self.code.op(Instruction::I32Const(1));
                self.code.op(Instruction::I32Sub);
                self.code.op(Instruction::LocalTee(SCRATCH));
                self.code.op(Instruction::GlobalSet(rounds));
                self.code.op(Instruction::LocalGet(SCRATCH));
                self.code.op(Instruction::I32Const(0));
                self.code.op(Instruction::I32GtS);
            }
            Inst::SetReg(reg, _) => self.code.op(Instruction::GlobalSet(layout.first_global + reg.index() as u32)),
            Inst::Helper { helper, .. } => self.code.access(value, Instruction::Call(layout.helpers[helper as usize])),
            Inst::Param(_) | Inst::Alias(_) | Inst::Nop => unreachable!("{inst:?} has no code of its own"),
        }
    }
}
