//! Guest addresses become Wasm memory indices, explicitly, so that what several accesses share is computed once.

use hoist_x86::boundary::{MMAP_MIN_ADDR, NULL_PAGE};
use hoist_x86::ir::{BinOp, BlockId, Func, Inst, Value};

use rustc_hash::FxHashMap;

use crate::unit::Unit;

/// After this pass an access to `addr + disp` means the Wasm address `addr` with the memory offset `disp`.
pub fn run(unit: &mut Unit) {
    for block in unit.reachable() {
        Lower { func: &mut unit.func, out: Vec::new(), bases: FxHashMap::default() }.block(block);
    }
}

struct Lower<'f> {
    func: &'f mut Func,
    out: Vec<Value>,
    /// `addr + constant` that the block has computed.
    bases: FxHashMap<(Value, i32), Value>,
}

impl Lower<'_> {
    fn block(&mut self, block: BlockId) {
        for value in std::mem::take(&mut self.func.block_mut(block).insts) {
            let mut inst = *self.func.inst(value);
            match &mut inst {
                Inst::Load { addr, disp, .. } | Inst::Store { addr, disp, .. } => (*addr, *disp) = self.address(*addr, *disp),
                Inst::Copy { to, from, .. } => {
                    *to = self.base(*to, NULL_PAGE.wrapping_neg() as i32);
                    *from = self.base(*from, NULL_PAGE.wrapping_neg() as i32);
                }
                Inst::Fill { to, .. } => *to = self.base(*to, NULL_PAGE.wrapping_neg() as i32),
                _ => {}
            }
            self.func.insts[value.0 as usize] = inst;
            self.out.push(value);
        }
        self.func.block_mut(block).insts = std::mem::take(&mut self.out);
    }

    /// A small displacement is a memory offset: see [`MMAP_MIN_ADDR`] for why its sum may not wrap.
    fn address(&mut self, addr: Value, disp: i32) -> (Value, i32) {
        let null_page = NULL_PAGE.wrapping_neg() as i32;
        if let Inst::I32(base) = *self.func.inst(addr) {
            let at = base.wrapping_add(disp).wrapping_add(null_page);
            return (self.add(Inst::I32(at)), 0);
        }
        if (0..(MMAP_MIN_ADDR - NULL_PAGE) as i32).contains(&disp) {
            (self.base(addr, null_page), disp)
        } else {
            (self.base(addr, null_page.wrapping_add(disp)), 0)
        }
    }

    fn base(&mut self, addr: Value, plus: i32) -> Value {
        if let Some(&base) = self.bases.get(&(addr, plus)) {
            return base;
        }
        let constant = self.add(Inst::I32(plus));
        let base = self.add(Inst::Bin(BinOp::I32Add, addr, constant));
        self.bases.insert((addr, plus), base);
        base
    }

    fn add(&mut self, inst: Inst) -> Value {
        let value = self.func.add_inst(inst);
        self.out.push(value);
        value
    }
}
