//! The guest's processor state in kernel memory.

use crate::builder::Floats;
use crate::reg::Reg;

/// One task's processor state. The first part mirrors the register globals (`cpu_save`, `cpu_load`); the second, x87 and the
/// control words, lives only here.
///
/// The layout is `repr(C)` because the linker writes the code of `cpu_save` and `cpu_load` from the `*_OFFSET` constants.
#[derive(Clone, PartialEq, Debug)]
#[repr(C, align(16))]
pub struct CpuState {
    /// rax…r15, fs_base, gs_base: registers 0 to 17 of [`Reg`].
    pub int: [u64; 18],
    /// xmm0…15, then bits 255…128 of ymm0…15.
    pub vector: [u128; 32],
    /// CF, PF, AF, ZF, SF, OF, DF: 0 or 1; then [`Reg::EXACT`] and [`Reg::ROUNDS`].
    pub flags: [u32; 9],
    /// SSE control and status (SDM vol. 1, §10.2.3).
    pub mxcsr: u32,
    /// Exceptions that parts of the current SSE instruction raised; 0 between instructions.
    pub raised: u32,
    /// The program reads MXCSR's exception flags: it must be run exactly even while MXCSR is as at the start.
    pub observes_flags: bool,
    /// The host's arithmetic makes NaNs with other bits than SSE does.
    pub foreign_nans: bool,
    /// Bits of RFLAGS that the guest may set and that change nothing: [`CpuState::IDLE_FLAGS`].
    pub idle_flags: u32,
    pub x87: X87,
    /// What RDTSC read last: a count that only grows, the same in every run.
    pub tsc: u64,
}

/// The x87 FPU (SDM vol. 1, §8.1), MMX registers aliased to the significands.
#[derive(Clone, PartialEq, Debug)]
#[repr(C)]
pub struct X87 {
    /// 64-bit significands of the *physical* registers R0…R7; ST(i) is R[(top + i) & 7].
    pub significand: [u64; 8],
    /// Sign and 15-bit exponent of the physical registers.
    pub sign_exponent: [u16; 8],
    pub control: u16,
    /// Status word without TOP (bits 13…11), which is `top`.
    pub status: u16,
    /// Bit i: physical register i is in use (the abridged tag word of FXSAVE).
    pub in_use: u8,
    /// 0…7: the physical register that is ST(0).
    pub top: u8,
}

pub const INT_OFFSET: u32 = core::mem::offset_of!(CpuState, int) as u32;
pub const VECTOR_OFFSET: u32 = core::mem::offset_of!(CpuState, vector) as u32;
pub const FLAGS_OFFSET: u32 = core::mem::offset_of!(CpuState, flags) as u32;

impl Default for CpuState {
    /// As at a process's start: x87 control 0x37f, MXCSR 0x1f80 (System V ABI AMD64, §3.4.1), all else zero.
    fn default() -> CpuState {
        CpuState {
            int: [0; 18],
            vector: [0; 32],
            flags: [0; 9],
            mxcsr: CpuState::INITIAL_MXCSR,
            raised: 0,
            observes_flags: false,
            foreign_nans: false,
            idle_flags: 0,
            x87: X87 { significand: [0; 8], sign_exponent: [0; 8], control: 0x37f, status: 0, in_use: 0, top: 0 },
            tsc: 0,
        }
    }
}

impl CpuState {
    /// MXCSR at a process's start: to nearest, denormals are numbers, all exceptions masked, no flag set.
    pub const INITIAL_MXCSR: u32 = 0x1f80;

    /// NT, AC and ID (SDM vol. 1, §3.4.3): by whether AC and ID can be set programs know a 486 from a 386, and whether there is CPUID. Operands are
    /// not checked for alignment while AC is set.
    pub const IDLE_FLAGS: u32 = 1 << 14 | 1 << 18 | 1 << 21;

    /// What [`Reg::EXACT`] must be: how floating point must be translated to do what MXCSR and the x87's masks say. Exception flags (bits 5…0)
    /// matter only to programs that read them.
    pub fn wants_exact(&self) -> u32 {
        const FLAGS: u32 = 0x3f;
        const MASKS: u32 = FLAGS << 7;
        let floats = match self.mxcsr & !FLAGS {
            mxcsr if mxcsr & MASKS != MASKS || u32::from(self.x87.control) & FLAGS != FLAGS => Floats::Exact,
            CpuState::INITIAL_MXCSR if !self.observes_flags && self.foreign_nans => Floats::Portable,
            CpuState::INITIAL_MXCSR if !self.observes_flags => Floats::Plain,
            _ => Floats::Masked,
        };
        floats as u32
    }

    /// To be called when MXCSR was set from outside of guest code.
    pub fn update_exact(&mut self) {
        self.set(Reg::EXACT, self.wants_exact().into());
    }

    /// The register's bits, zero-extended.
    pub fn get(&self, reg: Reg) -> u128 {
        match reg.ty() {
            crate::ir::Type::I64 => self.int[reg.index()] as u128,
            crate::ir::Type::I32 => self.flags[reg.index() - Reg::CF.index()] as u128,
            _ => self.vector[reg.index() - Reg::xmm(0).index()],
        }
    }

    pub fn set(&mut self, reg: Reg, bits: u128) {
        match reg.ty() {
            crate::ir::Type::I64 => self.int[reg.index()] = bits as u64,
            crate::ir::Type::I32 => self.flags[reg.index() - Reg::CF.index()] = bits as u32,
            _ => self.vector[reg.index() - Reg::xmm(0).index()] = bits,
        }
    }

    /// RFLAGS as PUSHF stores them: bit 1 always set, IF set.
    pub fn rflags(&self) -> u64 {
        let [cf, pf, af, zf, sf, of, df, ..] = self.flags.map(u64::from);
        let idle = u64::from(self.idle_flags);
        cf | 1 << 1 | pf << 2 | af << 4 | zf << 6 | sf << 7 | 1 << 9 | df << 10 | of << 11 | idle
    }

    pub fn set_rflags(&mut self, rflags: u64) {
        for (flag, bit) in self.flags.iter_mut().zip([0, 2, 4, 6, 7, 11, 10]) {
            *flag = (rflags >> bit & 1) as u32;
        }
        self.idle_flags = rflags as u32 & CpuState::IDLE_FLAGS;
    }
}
