use std::collections::BTreeMap;

use hoist_x86::builder::Builder;
use hoist_x86::iced_x86::{Decoder, DecoderOptions};
use hoist_x86::ir::{Exit, Func, Target};
use hoist_x86::semantics::translate;

use crate::unit::{Entry, Unit};

/// Each step of a hash uses the value before it twice: to look for the value's size along all ways would take 2⁶⁴ looks.
#[test]
fn a_hash_is_optimised_in_time() {
    let mut code = vec![0x89, 0xf8]; // mov eax, edi
    for _ in 0..64 {
        code.extend([0x89, 0xc1, 0xd1, 0xe9, 0x31, 0xc8]); // mov ecx, eax; shr ecx, 1; xor eax, ecx
    }
    code.extend([0x83, 0xe0, 0x7f]); // and eax, 0x7f
    let mut func = Func::new();
    let block = func.add_block(0);
    let labels = BTreeMap::from([(0, block)]);
    let mut builder = Builder::new(&mut func, block, &labels);
    for instr in &mut Decoder::with_ip(64, &code, 0, DecoderOptions::NONE) {
        assert!(translate(&mut builder, &instr));
    }
    builder.exit(Exit::Jump(Target::Pc(0x1000)));
    let mut unit = Unit { func, entries: vec![Entry { pc: 0, block }], ..Unit::default() };
    crate::ssa::run(&mut unit, |_| crate::ssa::RegSet::MAX);
    crate::opt::run(&mut unit);
    assert!(unit.func.block(block).term.is_some());
}
