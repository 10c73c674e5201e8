//! Numbers in memory (SDM vol. 1, §4.2 and §4.7): which formats there are, and how they get there.

use super::context::Context;
use super::convert;
use super::number::F80;
use crate::helper::Memory;
use crate::helpers::float::Rounding;

/// A format in memory, as rows number it for helpers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Format {
    Single,
    Double,
    Extended,
    Int16,
    Int32,
    Int64,
    Decimal,
}

impl Format {
    pub fn from_number(number: u32) -> Format {
        use Format::*;
        [Single, Double, Extended, Int16, Int32, Int64, Decimal][number as usize % 7]
    }

    /// Reads a value, exactly; notes a denormal.
    pub fn load(self, cx: &mut Context, memory: &mut impl Memory, addr: u32) -> F80 {
        let int = F80::from_i64;
        match self {
            Format::Single => convert::from_single(cx, u32::from_le_bytes(memory.load(addr))),
            Format::Double => convert::from_double(cx, u64::from_le_bytes(memory.load(addr))),
            Format::Extended => load_extended(memory, addr),
            Format::Int16 => int(i64::from(i16::from_le_bytes(memory.load(addr)))),
            Format::Int32 => int(i64::from(i32::from_le_bytes(memory.load(addr)))),
            Format::Int64 => int(i64::from_le_bytes(memory.load(addr))),
            Format::Decimal => {
                let low: [u8; 8] = memory.load(addr);
                let high: [u8; 2] = memory.load(addr.wrapping_add(8));
                let mut bytes = [0; 10];
                bytes[..8].copy_from_slice(&low);
                bytes[8..].copy_from_slice(&high);
                convert::from_decimal(bytes)
            }
        }
    }

    /// The bytes that `x` has in memory, in the low part.
    pub fn bytes_of(self, cx: &mut Context, x: F80, rounding: Rounding) -> u128 {
        match self {
            Format::Single => u128::from(convert::to_single(cx, x)),
            Format::Double => u128::from(convert::to_double(cx, x)),
            Format::Extended => u128::from(x.sign_exponent) << 64 | u128::from(x.significand),
            Format::Int16 => convert::to_signed(cx, x, rounding, 16) as u128,
            Format::Int32 => convert::to_signed(cx, x, rounding, 32) as u128,
            Format::Int64 => convert::to_signed(cx, x, rounding, 64) as u128,
            Format::Decimal => {
                let mut bytes = [0; 16];
                bytes[..10].copy_from_slice(&convert::to_decimal(cx, x));
                u128::from_le_bytes(bytes)
            }
        }
    }

    /// Writes what [`Format::bytes_of`] gave.
    pub fn store(self, memory: &mut impl Memory, addr: u32, bits: u128) {
        match self {
            Format::Int16 => memory.store(addr, (bits as u16).to_le_bytes()),
            Format::Single | Format::Int32 => memory.store(addr, (bits as u32).to_le_bytes()),
            Format::Double | Format::Int64 => memory.store(addr, (bits as u64).to_le_bytes()),
            Format::Extended | Format::Decimal => {
                let value = F80 { sign_exponent: (bits >> 64) as u16, significand: bits as u64 };
                store_extended(memory, addr, value);
            }
        }
    }
}

pub fn load_extended(memory: &mut impl Memory, addr: u32) -> F80 {
    let significand = u64::from_le_bytes(memory.load(addr));
    F80 { sign_exponent: u16::from_le_bytes(memory.load(addr.wrapping_add(8))), significand }
}

pub fn store_extended(memory: &mut impl Memory, addr: u32, value: F80) {
    memory.store(addr, value.significand.to_le_bytes());
    memory.store(addr.wrapping_add(8), value.sign_exponent.to_le_bytes());
}
