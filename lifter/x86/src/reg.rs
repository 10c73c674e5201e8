//! The guest's registers as the IR names them.
//!
//! Between guest functions each of these lives in one Wasm global; inside a function it is an SSA value
//! (DESIGN §4). x87, MMX and the control words are rare, so they live in [`crate::state::CpuState`]
//! in kernel memory and are reached through helpers.

use crate::ir::Type;

/// One guest register. The order is the order of the Wasm globals and of [`crate::state::CpuState`].
///
/// Numbers 0–15 are the general-purpose registers in the encoding order of the Intel SDM
/// (vol. 2, table 3-1): rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8…r15.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Reg(pub u8);

impl Reg {
    pub const RAX: Reg = Reg(0);
    pub const RCX: Reg = Reg(1);
    pub const RDX: Reg = Reg(2);
    pub const RBX: Reg = Reg(3);
    pub const RSP: Reg = Reg(4);
    pub const RBP: Reg = Reg(5);
    pub const RSI: Reg = Reg(6);
    pub const RDI: Reg = Reg(7);
    pub const R8: Reg = Reg(8);
    pub const R9: Reg = Reg(9);
    pub const R10: Reg = Reg(10);
    pub const R11: Reg = Reg(11);
    pub const R12: Reg = Reg(12);
    pub const R13: Reg = Reg(13);
    pub const R14: Reg = Reg(14);
    pub const R15: Reg = Reg(15);
    /// Base address of the fs segment (thread-local storage), type i64.
    pub const FS_BASE: Reg = Reg(16);
    pub const GS_BASE: Reg = Reg(17);
    /// The six status flags and the direction flag (SDM vol. 1, §3.4.3), each an i32 that is 0 or 1.
    pub const CF: Reg = Reg(18);
    pub const PF: Reg = Reg(19);
    pub const AF: Reg = Reg(20);
    pub const ZF: Reg = Reg(21);
    pub const SF: Reg = Reg(22);
    pub const OF: Reg = Reg(23);
    pub const DF: Reg = Reg(24);
    /// Not a register of x86: an i32, how exact the translation of floating point must be: a number of [`crate::builder::Floats`]. A translation
    /// with a lower number hands over to another or to the interpreter; see [`crate::state::CpuState::wants_exact`].
    pub const EXACT: Reg = Reg(25);
    /// Not a register of x86: an i32, how many rounds of loops the task may still make before the kernel looks after it; see
    /// [`crate::ir::Inst::Round`].
    pub const ROUNDS: Reg = Reg(26);
    const FIRST_XMM: u8 = 27;
    const FIRST_YMM_HIGH: u8 = Self::FIRST_XMM + 16;
    /// How many registers there are, and so how many Wasm globals.
    pub const COUNT: usize = Self::FIRST_YMM_HIGH as usize + 16;

    /// General-purpose register by its number in the encoding, 0 to 15.
    pub const fn gpr(number: u8) -> Reg {
        assert!(number < 16);
        Reg(number)
    }

    /// Low 128 bits of vector register `number`, 0 to 15.
    pub const fn xmm(number: u8) -> Reg {
        assert!(number < 16);
        Reg(Self::FIRST_XMM + number)
    }

    /// Bits 255…128 of vector register `number`, 0 to 15 (AVX).
    pub const fn ymm_high(number: u8) -> Reg {
        assert!(number < 16);
        Reg(Self::FIRST_YMM_HIGH + number)
    }

    pub fn all() -> impl Iterator<Item = Reg> {
        (0..Self::COUNT as u8).map(Reg)
    }

    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub const fn is_flag(self) -> bool {
        self.0 >= Self::CF.0 && self.0 <= Self::DF.0
    }

    /// One of CF, PF, AF, ZF, SF, OF: what arithmetic sets (DF is changed by CLD, STD and POPF only).
    pub const fn is_status_flag(self) -> bool {
        self.0 >= Self::CF.0 && self.0 <= Self::OF.0
    }

    pub const fn ty(self) -> Type {
        if self.0 >= Self::CF.0 && self.0 <= Self::ROUNDS.0 {
            Type::I32
        } else if self.0 >= Self::FIRST_XMM {
            Type::V128
        } else {
            Type::I64
        }
    }

    /// The name that Intel's manual gives it.
    pub fn name(self) -> &'static str {
        const NAMES: [&str; Reg::COUNT] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
            "fs_base", "gs_base", "cf", "pf", "af", "zf", "sf", "of", "df", "exact", "rounds", "xmm0", "xmm1", "xmm2", "xmm3",
            "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "ymm0h",
            "ymm1h", "ymm2h", "ymm3h", "ymm4h", "ymm5h", "ymm6h", "ymm7h", "ymm8h", "ymm9h", "ymm10h", "ymm11h", "ymm12h",
            "ymm13h", "ymm14h", "ymm15h",
        ];
        NAMES[self.index()]
    }
}
