//! XSAVE and XRSTOR (SDM vol. 1, chapter 13): the components of XCR0, which are x87, SSE and AVX. AVX lies behind the header in the
//! standard and in the compacted format, so both are the same but for a word of the header.

use iced_x86::{Instruction, Mnemonic as M, Register};

use super::Row;
use super::sse_move::go_on_exactly;
use crate::boundary::Vector;
use crate::builder::Builder;
use crate::helper::Helper;
use crate::ir::{BinOp, LoadOp, StoreOp, Value};
use crate::processor::XCR0;
use crate::reg::Reg;

pub fn row(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Xsave | M::Xsave64 | M::Xsaveopt | M::Xsaveopt64 => |b, i| save(b, i, false),
        M::Xsavec | M::Xsavec64 => |b, i| save(b, i, true),
        M::Xrstor | M::Xrstor64 => restore,
        // For the system only.
        M::Xsaves | M::Xsaves64 | M::Xrstors | M::Xrstors64 => |b, _| b.exception(Vector::GeneralProtection),
        _ => return None,
    })
}

/// Bits of XCR0.
const SSE: i32 = 2;
const AVX: i32 = 4;
/// Where the image has XMM0, and bits 255…128 of YMM0.
const XMM_IMAGE: i32 = 160;
const YMM_IMAGE: i32 = 576;

/// Address of the image and the components that EDX:EAX asks for.
fn operands(b: &mut Builder<'_>, i: &Instruction) -> (Value, Value) {
    let (addr, disp) = b.address(i);
    let disp = b.i32(disp);
    let addr = b.bin(BinOp::I32Add, addr, disp);
    let wanted = b.read_gpr(Register::EAX);
    let all = b.i32(XCR0 as i32);
    (addr, b.bin(BinOp::I32And, wanted, all))
}

/// Writes code that runs if `bits` has this component.
fn if_component(b: &mut Builder<'_>, bits: Value, component: i32, body: impl FnOnce(&mut Builder<'_>)) {
    let component = b.i32(component);
    let has = b.bin(BinOp::I32And, bits, component);
    let (yes, after) = (b.new_block(), b.new_block());
    b.branch(has, yes, after);
    b.switch_to(yes);
    body(b);
    b.jump(after);
    b.switch_to(after);
}

fn save(b: &mut Builder<'_>, i: &Instruction, compacted: bool) {
    let (addr, wanted) = operands(b, i);
    let compacted = b.i32(compacted.into());
    b.helper(Helper::ExtendedSave, &[addr, wanted, compacted]);
    for (component, first, image) in [(SSE, Reg::xmm(0), XMM_IMAGE), (AVX, Reg::ymm_high(0), YMM_IMAGE)] {
        if_component(b, wanted, component, |b| {
            for n in 0..16 {
                let value = b.get(Reg(first.0 + n));
                b.store_op(StoreOp::V128Store, addr, image + 16 * i32::from(n), value);
            }
        });
    }
}

/// What is asked for and in the image is loaded; what is asked for and not there becomes as at a program's start.
fn restore(b: &mut Builder<'_>, i: &Instruction) {
    let (addr, wanted) = operands(b, i);
    let present = b.helper(Helper::ExtendedRestore, &[addr, wanted]);
    let loaded = b.bin(BinOp::I32And, wanted, present);
    let minus_one = b.i32(-1);
    let absent = b.bin(BinOp::I32Xor, present, minus_one);
    let cleared = b.bin(BinOp::I32And, wanted, absent);
    for (component, first, image) in [(SSE, Reg::xmm(0), XMM_IMAGE), (AVX, Reg::ymm_high(0), YMM_IMAGE)] {
        if_component(b, loaded, component, |b| {
            for n in 0..16 {
                let value = b.load_op(LoadOp::V128Load, addr, image + 16 * i32::from(n));
                b.set(Reg(first.0 + n), value);
            }
        });
        if_component(b, cleared, component, |b| {
            let zero = b.v128(0);
            (0..16).for_each(|n| b.set(Reg(first.0 + n), zero));
        });
    }
    let exact = b.helper(Helper::WantsExact, &[]);
    go_on_exactly(b, exact);
}
