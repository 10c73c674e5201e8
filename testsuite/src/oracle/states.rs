//! Random states: boundary values, all classes of floating-point numbers, and addresses that point into the test's memory.

use hoist_x86::helper::Memory;
use hoist_x86::iced_x86::{Code, EncodingKind, Instruction, Mnemonic, OpKind, Register, RflagsBits};
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

use super::{CODE, DATA, DATA_SIZE, MEMORY_SIZE, STACK, State};

/// xorshift64*: deterministic from its seed.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    /// A number as bugs like it.
    fn interesting(&mut self) -> u64 {
        const EDGES: [u64; 12] =
            [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7fff_ffff, 0x8000_0000, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000];
        match self.below(6) {
            0 => EDGES[self.below(12) as usize],
            1 => EDGES[self.below(12) as usize].wrapping_neg(),
            2 => self.below(70),
            3 => u64::from(self.next() as u32),
            _ => self.next(),
        }
    }

    /// 64 bits that are two singles or a double of some class.
    fn floating(&mut self) -> u64 {
        const DOUBLES: [u64; 10] = [
            0x3ff0_0000_0000_0000, 0x8000_0000_0000_0000, 0x7ff0_0000_0000_0000, 0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000,
            0x7ff0_0000_0000_0001, 0xfff8_1234_5678_9abc, 0x0000_0000_0000_0001, 0x41df_ffff_ffc0_0000, 0x43e0_0000_0000_0000,
        ];
        const SINGLES: [u32; 10] = [
            0x3f80_0000, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 0xffc1_2345, 1, 0x4f00_0000, 0x5f00_0000,
        ];
        match self.below(5) {
            0 => DOUBLES[self.below(10) as usize],
            1 => (f64::from(self.next() as i32) / 64.0).to_bits(),
            2 => u64::from(SINGLES[self.below(10) as usize]) << 32 | u64::from((self.next() as i16 as f32 / 8.0).to_bits()),
            3 => u64::from(SINGLES[self.below(10) as usize]) | u64::from((self.next() as i16 as f32 / 8.0).to_bits()) << 32,
            _ => self.next(),
        }
    }
}

/// What an instruction needs of a state: prepared once a form.
pub struct Shape {
    base: Option<u8>,
    index: Option<(u8, u32)>,
    disp: u64,
    /// String instructions walk: their pointers and the count.
    is_string: bool,
    is_float: bool,
    bit_string: bool,
}

impl Shape {
    pub fn new(instr: &Instruction) -> Shape {
        let has_memory = (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Memory);
        let gpr = |register: Register| {
            (has_memory && register.is_gpr()).then(|| register.full_register().number() as u8)
        };
        Shape {
            base: gpr(instr.memory_base()),
            index: gpr(instr.memory_index()).map(|n| (n, instr.memory_index_scale())),
            disp: instr.memory_displacement64(),
            is_string: instr.is_string_instruction(),
            is_float: (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Register && instr.op_register(i).is_vector_register()),
            bit_string: has_memory
                && matches!(instr.mnemonic(), Mnemonic::Bt | Mnemonic::Bts | Mnemonic::Btr | Mnemonic::Btc)
                && instr.op1_kind() == OpKind::Register,
        }
    }

    /// A random state in which the instruction can run.
    pub fn state(&self, instr: &Instruction, rng: &mut Rng) -> State {
        let mut cpu = CpuState::default();
        for reg in Reg::all().take(16) {
            cpu.set(reg, rng.interesting().into());
        }
        for n in 0..16 {
            let (low, high) = if self.is_float && rng.below(4) != 0 {
                (rng.floating(), rng.floating())
            } else {
                (rng.interesting(), rng.interesting())
            };
            cpu.set(Reg::xmm(n), u128::from(high) << 64 | u128::from(low));
        }
        for flag in Reg::all().filter(|reg| reg.is_status_flag()) {
            cpu.set(flag, rng.below(2).into());
        }
        cpu.set(Reg::RSP, u128::from(STACK + 0x600 + 8 * rng.below(16) as u32));
        if instr.mnemonic() == Mnemonic::Leave {
            cpu.set(Reg::RBP, u128::from(STACK + 0x600 + 8 * rng.below(16) as u32));
        }
        if self.is_string {
            let middle = u64::from(DATA + DATA_SIZE / 2);
            cpu.set(Reg::RSI, (middle + rng.below(64)).into());
            cpu.set(Reg::RDI, (middle + rng.below(64)).into());
            cpu.set(Reg::RCX, rng.below(9).into());
            cpu.set(Reg::DF, rng.below(2).into());
        }
        if self.bit_string {
            if let Some(reg) = (instr.op1_kind() == OpKind::Register).then(|| instr.op1_register()) {
                cpu.set(Reg::gpr(reg.full_register().number() as u8), rng.below(256).into());
            }
        }
        self.point_into_data(&mut cpu, rng);
        let memory = (0..MEMORY_SIZE / 8)
            .flat_map(|_| if self.is_float { rng.floating() } else { rng.interesting() }.to_le_bytes())
            .collect();
        State { cpu, memory }
    }

    /// Chooses base and index so that the memory operand lies in the data.
    fn point_into_data(&self, cpu: &mut CpuState, rng: &mut Rng) {
        // Aligned: some SSE and AVX forms insist.
        let target = u64::from(DATA + DATA_SIZE / 2) + 32 * rng.below(16);
        match (self.base, self.index) {
            (Some(base), Some((index, scale))) if base == index => {
                // base · (scale + 1) must be the target: only approximately.
                cpu.int[base as usize] = target.wrapping_sub(self.disp) / u64::from(scale + 1);
            }
            (base, Some((index, scale))) => {
                let at = if base.is_some() { rng.below(16) } else { target.wrapping_sub(self.disp) / u64::from(scale) };
                cpu.int[index as usize] = at;
                if let Some(base) = base {
                    cpu.int[base as usize] = target.wrapping_sub(self.disp).wrapping_sub(at * u64::from(scale));
                }
            }
            (Some(base), None) => cpu.int[base as usize] = target.wrapping_sub(self.disp),
            (None, None) => {}
        }
    }
}

/// Flags that the instruction leaves undefined in this state-independent sense (SDM vol. 1, appendix A).
pub fn undefined_flags(instr: &Instruction) -> Vec<Reg> {
    let mut bits = instr.rflags_undefined();
    // With a variable count OF and AF depend on it.
    if matches!(
        instr.mnemonic(),
        Mnemonic::Shl | Mnemonic::Shr | Mnemonic::Sar | Mnemonic::Rol | Mnemonic::Ror | Mnemonic::Rcl | Mnemonic::Rcr | Mnemonic::Shld | Mnemonic::Shrd
    ) {
        bits |= RflagsBits::OF | RflagsBits::AF;
        // Counts beyond the width: CF of narrow shifts is undefined.
        if instr.op0_kind() == OpKind::Register && instr.op0_register().size() < 4 || instr.memory_size().size() < 4 && instr.op0_kind() == OpKind::Memory {
            bits |= RflagsBits::CF;
        }
    }
    [
        (RflagsBits::CF, Reg::CF),
        (RflagsBits::PF, Reg::PF),
        (RflagsBits::AF, Reg::AF),
        (RflagsBits::ZF, Reg::ZF),
        (RflagsBits::SF, Reg::SF),
        (RflagsBits::OF, Reg::OF),
    ]
    .into_iter()
    .filter(|(bit, _)| bits & bit != 0)
    .map(|(_, reg)| reg)
    .collect()
}

/// Forms whose result is not a function of the state.
pub fn is_comparable(instr: &Instruction) -> bool {
    use Mnemonic as M;
    !matches!(
        instr.mnemonic(),
        M::Cpuid | M::Rdtsc | M::Rdtscp | M::Xgetbv | M::Rdrand | M::Rdseed | M::Syscall | M::Hlt | M::In | M::Out | M::Int | M::Int3
            | M::Int1 | M::Rdpid | M::Rdsspq | M::Incsspq | M::Xtest | M::Xbegin | M::Xabort | M::Xend | M::Rcpps | M::Rcpss | M::Rsqrtps
            | M::Rsqrtss | M::Popfq | M::Popf | M::Pushfq | M::Enter | M::Ud2 | M::Sti | M::Cli | M::Iretq | M::Iretd | M::Sysret | M::Vmcall | M::Wrpkru | M::Rdpkru
            // What they store and load besides the state compared here is x87's; its own tests cover them.
            | M::Fldenv | M::Fnstenv | M::Fnsave | M::Frstor | M::Fxsave | M::Fxsave64 | M::Fxrstor | M::Fxrstor64
            // CPUID announces no XSAVE: #UD.
            | M::Xsave | M::Xsave64 | M::Xsavec | M::Xsavec64 | M::Xrstor | M::Xrstor64
            | M::Insb | M::Insd | M::Outsb | M::Outsd | M::Insw | M::Outsw
    ) && instr.code() != Code::INVALID
        // AVX-512 stands only behind CPUID checks that fail.
        && instr.encoding() != EncodingKind::EVEX
        && !(0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Register && instr.op_register(i).is_k())
}

/// The interpreter's view of the test's memory; what lies outside reads as zero.
pub struct TestMemory {
    pub code: Vec<u8>,
    pub data: Vec<u8>,
}

impl TestMemory {
    fn byte(&mut self, addr: u32) -> Option<&mut u8> {
        if addr >= DATA {
            self.data.get_mut((addr - DATA) as usize)
        } else {
            self.code.get_mut(addr.wrapping_sub(CODE) as usize)
        }
    }
}

impl Memory for TestMemory {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        std::array::from_fn(|i| self.byte(addr.wrapping_add(i as u32)).copied().unwrap_or(0))
    }

    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        for (i, byte) in bytes.into_iter().enumerate() {
            if let Some(place) = self.byte(addr.wrapping_add(i as u32)) {
                *place = byte;
            }
        }
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        let bytes: Vec<u8> = (0..len).map(|i| self.load::<1>(from.wrapping_add(i))[0]).collect();
        for (i, byte) in bytes.into_iter().enumerate() {
            self.store(to.wrapping_add(i as u32), [byte]);
        }
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        for i in 0..len {
            self.store(to.wrapping_add(i), [byte]);
        }
    }
}

