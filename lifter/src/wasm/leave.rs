//! Leaving a function: calls, returns, jumps elsewhere, and the code map that leads to functions by their address (DESIGN §4).

use hoist_x86::boundary::{NULL_PAGE, code_map};
use hoist_x86::ir::{Exit, Target};
use wasm_encoder::{BlockType, Instruction, MemArg, MemArgTarget, ValType};

use super::emit::Emitter;
use super::locals::{ROOM, SCRATCH};
use crate::callees::Link;

impl Emitter<'_> {
    pub(super) fn exit(&mut self, node: u32, exit: Exit) {
        match exit {
            Exit::Return(pc) => {
                self.value(pc);
                self.code.op(Instruction::Return);
            }
            Exit::Jump(Target::Pc(pc)) => {
                if let Some(&function) = self.callees.functions.get(&pc) {
                    if let Some(&link) = self.callees.links.get(&pc) {
                        self.is_linked(link);
                        self.code.op(Instruction::If(BlockType::Empty));
                        self.code.op(Instruction::I32Const(0));
                        self.code.op(Instruction::LocalGet(ROOM));
                        self.code.op(Instruction::ReturnCall(link.function));
                        self.code.op(Instruction::End);
                    }
                    self.code.op(Instruction::I32Const(0));
                    self.code.op(Instruction::LocalGet(ROOM));
                    self.code.op(Instruction::ReturnCall(function));
                } else if let Some(&function) = self.callees.labels.get(&pc) {
                    // Into the middle of a function: memcpy's variants share their tails so.
                    self.code.op(Instruction::I32Const(pc as i32));
                    self.code.op(Instruction::LocalGet(ROOM));
                    self.code.op(Instruction::ReturnCall(function));
                } else {
                    self.code.op(Instruction::I32Const(pc as i32));
                    self.jump_through_map();
                }
            }
            Exit::Jump(Target::Value(pc)) => {
                self.value(pc);
                self.jump_through_map();
            }
            Exit::Call { to, next } => {
                match to {
                    Target::Pc(pc) => match self.callees.functions.get(&pc) {
                        Some(&function) => match self.callees.links.get(&pc) {
                            Some(&link) => {
                                self.is_linked(link);
                                self.code.op(Instruction::If(BlockType::Result(ValType::I32)));
                                self.call(link.function);
                                self.code.op(Instruction::Else);
                                self.call(function);
                                self.code.op(Instruction::End);
                            }
                            None => self.call(function),
                        },
                        None => {
                            self.code.op(Instruction::I32Const(pc as i32));
                            self.call_through_map();
                        }
                    },
                    Target::Value(pc) => {
                        self.value(pc);
                        self.call_through_map();
                    }
                }
                self.go_on_at(node, next);
            }
            Exit::Syscall { next } => {
                self.code.op(Instruction::I32Const(next as i32));
                self.code.op(Instruction::Call(self.layout.syscall));
                self.go_on_at(node, next);
            }
            Exit::Exception { vector, at } => {
                self.code.op(Instruction::I32Const(vector as i32));
                self.code.op(Instruction::I32Const(at as i32));
                self.code.op(Instruction::Call(self.layout.exception));
                self.code.op(Instruction::Return);
            }
            // If a caller expects just this address, it has such an exit there, too.
            Exit::Leave { at } => {
                self.code.op(Instruction::I32Const(at as i32));
                self.code.op(Instruction::Return);
            }
            Exit::Interpret { at } => {
                self.code.op(Instruction::I32Const(at as i32));
                self.code.op(Instruction::LocalGet(ROOM));
                self.code.op(Instruction::ReturnCall(self.layout.interpret));
            }
        }
    }

    fn call(&mut self, function: u32) {
        self.code.op(Instruction::I32Const(0));
        self.room_for_callee();
        self.code.op(Instruction::Call(function));
    }

    /// Pushes whether the slot holds what is expected.
    fn is_linked(&mut self, link: Link) {
        let slot = MemArg { offset: 0, align: 2, target: MemArgTarget::Memory(self.layout.user_memory), ordering: None };
        self.code.op(Instruction::I32Const(link.slot.wrapping_sub(NULL_PAGE) as i32));
        self.code.op(Instruction::I32Load(slot));
        self.code.op(Instruction::I32Const(link.target as i32));
        self.code.op(Instruction::I32Eq);
    }

    /// The pc is on the stack: calls what is there.
    fn call_through_map(&mut self) {
        self.code.op(Instruction::LocalTee(SCRATCH));
        self.room_for_callee();
        self.slot(SCRATCH);
        self.code.op(Instruction::CallIndirect { type_index: self.layout.guest_type, table_index: self.layout.table });
    }

    /// The pc is on the stack: goes on there in place of this function.
    fn jump_through_map(&mut self) {
        self.code.op(Instruction::LocalTee(SCRATCH));
        self.code.op(Instruction::LocalGet(ROOM));
        self.slot(SCRATCH);
        self.code.op(Instruction::ReturnCallIndirect { type_index: self.layout.guest_type, table_index: self.layout.table });
    }

    fn room_for_callee(&mut self) {
        self.code.op(Instruction::LocalGet(ROOM));
        self.code.op(Instruction::I32Const(self.locals.frame_estimate() as i32));
        self.code.op(Instruction::I32Sub);
    }

    /// The pc to go on at is on the stack: if it is `next`, goes on in this function, else returns it.
    fn go_on_at(&mut self, node: u32, next: u32) {
        let Some(&succ) = self.flow.succs[node as usize].first() else {
            // A call that does not return, or whose return nobody lifted.
            self.code.op(Instruction::Return);
            return;
        };
        self.code.op(Instruction::LocalTee(SCRATCH));
        self.code.op(Instruction::I32Const(next as i32));
        self.code.op(Instruction::I32Ne);
        self.leave_if();
        self.go(node, succ);
    }

    /// Pushes the code map's entry for the pc in `local`, which is on the stack too.
    pub(super) fn code_map_entry(&mut self, local: u32) {
        let level = |offset| MemArg { offset, align: 2, target: MemArgTarget::Memory(self.layout.kernel_memory), ordering: None };
        let (first, second) = (level(u64::from(self.layout.code_map)), level(0));
        self.code.op(Instruction::I32Const(code_map::PAGE_BITS as i32 - 2));
        self.code.op(Instruction::I32ShrU);
        self.code.op(Instruction::I32Const(!3));
        self.code.op(Instruction::I32And);
        self.code.op(Instruction::I32Load(first));
        self.code.op(Instruction::LocalGet(local));
        self.code.op(Instruction::I32Const(code_map::ENTRIES as i32 - 1));
        self.code.op(Instruction::I32And);
        self.code.op(Instruction::I32Const(2));
        self.code.op(Instruction::I32Shl);
        self.code.op(Instruction::I32Add);
        self.code.op(Instruction::I32Load(second));
    }

    /// Pushes the table index for the pc in `local`.
    fn slot(&mut self, local: u32) {
        self.code.op(Instruction::LocalGet(local));
        self.code_map_entry(local);
        self.code.op(Instruction::I32Const(code_map::LABEL_BITS as i32));
        self.code.op(Instruction::I32ShrU);
        self.code.op(Instruction::I32Const(self.layout.table_base as i32));
        self.code.op(Instruction::I32Add);
    }
}
