//! AES-NI, PCLMULQDQ and SHA extensions (SDM vol. 1, §12.13 and §5.18.3): one helper each.

use iced_x86::{Instruction, Mnemonic as M};

use super::Row;
use crate::builder::Builder;
use crate::helper::Helper;
use crate::ir::Shape;
use crate::vector::imm8;

pub fn row(mnemonic: M) -> Option<Row> {
    Some(match mnemonic {
        M::Aesenc | M::Vaesenc => |b, i| both(b, i, Helper::AesEncrypt),
        M::Aesenclast | M::Vaesenclast => |b, i| both(b, i, Helper::AesEncryptLast),
        M::Aesdec | M::Vaesdec => |b, i| both(b, i, Helper::AesDecrypt),
        M::Aesdeclast | M::Vaesdeclast => |b, i| both(b, i, Helper::AesDecryptLast),
        M::Aesimc | M::Vaesimc => |b, i| b.packed1(i, |b, x| b.helper(Helper::AesMix, &[x])),
        M::Aeskeygenassist | M::Vaeskeygenassist => |b, i| {
            let imm = imm8(i);
            b.packed1(i, |b, x| {
                let constant = b.i32(i32::from(imm));
                b.helper(Helper::AesKeyAssist, &[x, constant])
            });
        },
        M::Pclmulqdq | M::Vpclmulqdq => |b, i| {
            let imm = imm8(i);
            b.packed2(i, |b, x, y| {
                let x = b.extract(Shape::I64x2, imm & 1, x);
                let y = b.extract(Shape::I64x2, imm >> 4 & 1, y);
                b.helper(Helper::MultiplyCarryless, &[x, y])
            });
        },
        M::Sha1rnds4 => |b, i| {
            let imm = imm8(i);
            b.packed2(i, |b, x, y| {
                let function = b.i32(i32::from(imm & 3));
                b.helper(Helper::Sha1Rounds, &[x, y, function])
            });
        },
        M::Sha1nexte => |b, i| both(b, i, Helper::Sha1NextE),
        M::Sha1msg1 => |b, i| both(b, i, Helper::Sha1Message1),
        M::Sha1msg2 => |b, i| both(b, i, Helper::Sha1Message2),
        M::Sha256msg1 => |b, i| both(b, i, Helper::Sha256Message1),
        M::Sha256msg2 => |b, i| both(b, i, Helper::Sha256Message2),
        M::Sha256rnds2 => |b, i| {
            let message = b.get(crate::reg::Reg::xmm(0));
            b.packed2(i, |b, x, y| b.helper(Helper::Sha256Rounds, &[x, y, message]));
        },
        _ => return None,
    })
}

fn both(b: &mut Builder<'_>, i: &Instruction, helper: Helper) {
    b.packed2(i, |b, x, y| b.helper(helper, &[x, y]));
}
