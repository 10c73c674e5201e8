//! The states that one form runs in: pairs of edge cases first, then random ones; addresses point into the test's memory.

use hoist_x86::iced_x86::{EncodingKind, Instruction, InstructionInfoFactory, Mnemonic as M, OpAccess, OpKind, Register};
use hoist_x86::reg::Reg;
use hoist_x86::semantics;
use hoist_x86::state::{CpuState, X87};

use super::values::{EDGES, Kind, Rng};
use crate::machine::HostNans;

use super::{DATA, DATA_SIZE, MEMORY_SIZE, STACK, State, TAKEN};

/// The middle of the data, which is where one page ends and the next begins.
const MIDDLE: u64 = (DATA + DATA_SIZE / 2) as u64;
const _: () = assert!(MIDDLE % 4096 == 0);

/// What an instruction needs of a state: prepared once a form.
pub struct Shape {
    instr: Instruction,
    kinds: Vec<Kind>,
    /// General-purpose and vector registers that it reads, by number.
    gprs: Vec<u8>,
    vectors: Vec<u8>,
    /// Bytes that its memory operand must be aligned to.
    alignment: u64,
    memory_bytes: u64,
    has_memory: bool,
    depends_on_mxcsr: bool,
    /// Registers, x87's and memory as no state changes them.
    rng: Rng,
    base: State,
}

impl Shape {
    pub fn new(instr: &Instruction, seed: u64, nans: HostNans) -> Shape {
        let mut rng = Rng::new(seed);
        let kinds = kinds(instr);
        let mut memory = Vec::with_capacity(MEMORY_SIZE);
        while memory.len() < MEMORY_SIZE {
            memory.extend(kinds[rng.below(kinds.len() as u64) as usize].random(&mut rng).to_le_bytes());
        }
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info(instr);
        let (mut gprs, mut vectors) = (Vec::new(), Vec::new());
        for used in info.used_registers() {
            let register = used.register().full_register();
            let reads = !matches!(used.access(), OpAccess::None | OpAccess::Write | OpAccess::NoMemAccess);
            if reads && register.is_gpr() && register != Register::RSP {
                gprs.push(register.number() as u8);
            } else if reads && register.is_vector_register() && register.number() < 16 {
                vectors.push(register.number() as u8);
            }
        }
        gprs.dedup();
        vectors.dedup();
        Shape {
            kinds,
            gprs,
            vectors,
            alignment: alignment(instr),
            memory_bytes: instr.memory_size().size().max(1) as u64,
            has_memory: (0..instr.op_count()).any(|i| instr.op_kind(i) == OpKind::Memory),
            depends_on_mxcsr: semantics::depends_on_mxcsr(instr),
            instr: *instr,
            rng,
            base: State { cpu: CpuState { foreign_nans: nans != HostNans::X86, ..CpuState::default() }, memory },
        }
    }

    fn kind(&mut self) -> Kind {
        match self.rng.below(8) {
            0 => Kind::Integer,
            n => self.kinds[n as usize % self.kinds.len()],
        }
    }

    fn random(&mut self) -> u64 {
        let kind = self.kind();
        kind.random(&mut self.rng)
    }

    /// The next state, in which the instruction can run; `edge` is the pair of edge cases that its operands are, if any.
    pub fn state(&mut self, edge: Option<usize>) -> &State {
        self.fill_registers();
        if let Some(edge) = edge {
            self.set_edges(edge % EDGES, edge / EDGES);
        }
        let rng = &mut self.rng;
        let stack = u64::from(STACK + 0x600) + 8 * rng.below(16);
        self.base.cpu.set(Reg::RSP, stack.into());
        self.prepare_special();
        let address = self.choose_address();
        self.fill_memory(address, stack, edge);
        self.prepare_memory(address, stack);
        &self.base
    }

    fn fill_registers(&mut self) {
        for n in 0..16 {
            self.base.cpu.int[n] = Kind::Integer.random(&mut self.rng);
        }
        for n in 0..32 {
            let (low, high) = (self.random(), self.random());
            self.base.cpu.vector[n] = u128::from(high) << 64 | u128::from(low);
        }
        let (cpu, rng) = (&mut self.base.cpu, &mut self.rng);
        for flag in Reg::all().filter(|reg| reg.is_status_flag()) {
            cpu.set(flag, rng.below(2).into());
        }
        cpu.set(Reg::DF, 0);
        cpu.mxcsr = CpuState::INITIAL_MXCSR;
        if self.depends_on_mxcsr && rng.below(3) != 0 {
            cpu.mxcsr = random_mxcsr(rng);
        }
        cpu.observes_flags = cpu.mxcsr != CpuState::INITIAL_MXCSR;
        cpu.int[16] = 64 * rng.below(16);
        cpu.int[17] = 64 * rng.below(16);
        cpu.x87 = random_x87(rng);
        cpu.update_exact();
    }

    /// Makes the operands edge cases: every other one `a`, the rest `b`; further lanes are further edge cases.
    fn set_edges(&mut self, a: usize, b: usize) {
        for (i, &n) in self.gprs.iter().enumerate() {
            self.base.cpu.int[usize::from(n)] = Kind::Integer.edge([a, b][i % 2]);
        }
        let kind = self.kind();
        for (i, &n) in self.vectors.iter().enumerate() {
            let first = [a, b][i % 2];
            let vector =
                |lane: usize| u128::from(kind.edge(first + 5 * lane + 5)) << 64 | u128::from(kind.edge(first + 5 * lane));
            // A third operand is any.
            if i < 2 {
                self.base.cpu.vector[usize::from(n)] = vector(0);
                self.base.cpu.vector[usize::from(n) + 16] = vector(2);
            }
        }
    }

    /// Registers with a meaning of their own.
    fn prepare_special(&mut self) {
        let is_bit_string = self.is_bit_string();
        let (instr, cpu, rng) = (&self.instr, &mut self.base.cpu, &mut self.rng);
        if instr.is_string_instruction() {
            cpu.set(Reg::RSI, (MIDDLE - 32 + rng.below(64)).into());
            cpu.set(Reg::RDI, (MIDDLE - 32 + rng.below(64)).into());
            cpu.set(Reg::RCX, rng.below(9).into());
            cpu.set(Reg::DF, rng.below(2).into());
        }
        match instr.mnemonic() {
            M::Leave | M::Enter => cpu.set(Reg::RBP, u128::from(STACK + 0x600) + u128::from(8 * rng.below(16))),
            M::Xlatb => cpu.set(Reg::RBX, u128::from(MIDDLE - 128)),
            M::Maskmovdqu | M::Maskmovq | M::Vmaskmovdqu => cpu.set(Reg::RDI, (MIDDLE - 32 + rng.below(64)).into()),
            M::Loop | M::Loope | M::Loopne | M::Jrcxz | M::Jecxz if rng.below(2) == 0 => cpu.set(Reg::RCX, rng.below(3).into()),
            // A dividend whose upper half is small: else nearly every division overflows.
            M::Div if rng.below(4) != 0 => {
                cpu.int[2] &= rng.next() >> (32 + rng.below(32));
                cpu.int[0] &= !0xff00 | rng.below(8) << 8;
            }
            M::Idiv if rng.below(4) != 0 => {
                let sign = (cpu.int[0] as i64 >> 63) as u64;
                cpu.int[2] = [sign, (cpu.int[0] as i32 >> 31) as u64, (cpu.int[0] as i16 >> 15) as u64][rng.below(3) as usize];
                cpu.int[0] = cpu.int[0] & !0xff00 | u64::from(((cpu.int[0] as i8) >> 7) as u8) << 8;
            }
            _ => {}
        }
        if is_bit_string {
            let register = instr.op1_register();
            let (at, garbage) = (rng.below(1024) as i64 - 512, rng.next());
            let keep = if register.size() == 8 { 0 } else { u64::MAX << (8 * register.size()) };
            cpu.int[register.full_register().number()] = garbage & keep | at as u64 & !keep;
        }
    }

    /// BT and its kin with a register for an index reach far beyond their operand.
    fn is_bit_string(&self) -> bool {
        self.has_memory
            && matches!(self.instr.mnemonic(), M::Bt | M::Bts | M::Btr | M::Btc)
            && self.instr.op1_kind() == OpKind::Register
    }

    /// Where the memory operand shall lie: aligned, anywhere, or across the pages' border.
    fn place(&mut self) -> u64 {
        let rng = &mut self.rng;
        match rng.below(3) {
            0 if self.memory_bytes > self.alignment => {
                let before = self.alignment * (1 + rng.below(self.memory_bytes.div_ceil(self.alignment) - 1));
                MIDDLE - before
            }
            1 => MIDDLE - 256 + rng.below(512) / self.alignment * self.alignment,
            _ => MIDDLE + 64 * rng.below(4),
        }
    }

    /// Sets base, index and segment so that the memory operand lies in the data; its address.
    fn choose_address(&mut self) -> u64 {
        if !self.has_memory {
            return MIDDLE;
        }
        let mut target = self.place();
        let (instr, rng) = (self.instr, &mut self.rng);
        let cpu = &mut self.base.cpu;
        let number = |register: Register| register.full_register().number();
        let (base, index) = (instr.memory_base(), instr.memory_index());
        let disp = instr.memory_displacement64();
        let segment = match instr.memory_segment() {
            Register::FS => 16,
            Register::GS => 17,
            _ => usize::MAX,
        };
        let mut rest = target.wrapping_sub(disp);
        if let Some(&segment_base) = cpu.int.get(segment) {
            rest = rest.wrapping_sub(segment_base);
        }
        if index.is_vector_register() {
            let lanes: u128 = if instr.is_vsib32() { 0x0000_003f_0000_003f } else { 0x3f };
            let lanes = lanes << 64 | lanes;
            for n in [index.number(), index.number() + 16] {
                cpu.vector[n] &= lanes;
            }
        } else if index != Register::None {
            let scaled = rng.below(4) * 8;
            let at = scaled / u64::from(instr.memory_index_scale());
            cpu.int[number(index)] = at;
            rest = rest.wrapping_sub(at * u64::from(instr.memory_index_scale()));
            if !base.is_gpr() && segment == usize::MAX {
                // Nothing else can move: the displacement names the middle.
                target = target.wrapping_sub(rest);
                rest = 0;
            }
        }
        match base {
            // The stack pointer has its own place, and is only aligned.
            Register::RSP | Register::ESP => {
                let address = cpu.int[4].wrapping_add(target).wrapping_sub(rest);
                let aligned = address.next_multiple_of(self.alignment);
                cpu.int[4] += aligned - address;
                return aligned;
            }
            base if base.is_gpr() => cpu.int[number(base)] = rest,
            _ if segment != usize::MAX => cpu.int[segment] = cpu.int[segment].wrapping_add(rest),
            _ => return target.wrapping_sub(rest),
        }
        target
    }

    /// New bytes where the instruction reads: around its operand, and on the stack.
    fn fill_memory(&mut self, address: u64, stack: u64, edge: Option<usize>) {
        let around = if self.is_bit_string() { 0 } else { 32 };
        for (from, len) in [(address.wrapping_sub(around), 96), (stack, 64)] {
            let at = (from.wrapping_sub(u64::from(DATA)) as usize).min(MEMORY_SIZE - len);
            for i in (0..len).step_by(8) {
                let bits = self.random();
                self.base.memory[at + i..at + i + 8].copy_from_slice(&bits.to_le_bytes());
            }
        }
        let Some(edge) = edge else { return };
        let kind = self.kind();
        let operands = self.gprs.len() + self.vectors.len();
        let first = if operands == 0 { edge % EDGES } else { edge / EDGES };
        let at = address.wrapping_sub(u64::from(DATA)) as usize;
        if let Some(bytes) = self.base.memory.get_mut(at..at.saturating_add(32)) {
            for (lane, place) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                *place = kind.edge(first + 5 * lane).to_le_bytes();
            }
        }
    }

    /// Memory with a meaning of its own: what compares and exchanges finds, where jumps go, flags.
    fn prepare_memory(&mut self, address: u64, stack: u64) {
        let (cpu, rng) = (&mut self.base.cpu, &mut self.rng);
        let mut write = |address: u64, bytes: &[u8]| {
            let at = address.wrapping_sub(u64::from(DATA)) as usize;
            if let Some(place) = self.base.memory.get_mut(at..at.saturating_add(bytes.len())) {
                place.copy_from_slice(bytes);
            }
        };
        let taken = u64::from(TAKEN).to_le_bytes();
        match self.instr.mnemonic() {
            M::Cmpxchg8b if rng.below(2) == 0 => {
                write(address, &(cpu.int[2] << 32 | cpu.int[0] & 0xffff_ffff).to_le_bytes());
            }
            M::Cmpxchg16b if rng.below(2) == 0 => {
                write(address, &cpu.int[0].to_le_bytes());
                write(address + 8, &cpu.int[2].to_le_bytes());
            }
            M::Cmpxchg if rng.below(2) == 0 => match self.instr.op0_kind() {
                OpKind::Memory => write(address, &cpu.int[0].to_le_bytes()),
                _ => cpu.int[0] = cpu.int[self.instr.op0_register().full_register().number()],
            },
            M::Ldmxcsr | M::Vldmxcsr => write(address, &any_mxcsr(rng).to_le_bytes()),
            M::Fxrstor | M::Fxrstor64 => {
                write(address + 24, &any_mxcsr(rng).to_le_bytes());
                // The pointers to the last instruction and operand are not kept.
                write(address + 6, &[0; 18]);
            }
            M::Ret => write(stack, &taken),
            M::Jmp | M::Call => match self.instr.op0_kind() {
                OpKind::Memory => write(address, &taken),
                OpKind::Register => cpu.int[self.instr.op0_register().number()] = TAKEN.into(),
                _ => {}
            },
            // Status flags and the direction; bit 1 is always set, and the guest's interrupts are on.
            M::Popf | M::Popfq => write(stack, &(rng.next() & (0xcd5 | u64::from(CpuState::IDLE_FLAGS)) | 0x202).to_le_bytes()),
            _ => {}
        }
    }
}

/// Any rounding, DAZ, FTZ and flags; most often all exceptions are masked.
fn random_mxcsr(rng: &mut Rng) -> u32 {
    const MASKS: u32 = 0x1f80;
    let bits = rng.next() as u32 & 0xffff;
    if rng.below(8) == 0 { bits } else { bits | MASKS }
}

/// Also with reserved bits.
fn any_mxcsr(rng: &mut Rng) -> u32 {
    random_mxcsr(rng) | if rng.below(8) == 0 { 1 << (16 + rng.below(16)) } else { 0 }
}

/// x87 as programs have it: exceptions masked but now and then, any rounding and precision, any registers in use.
fn random_x87(rng: &mut Rng) -> X87 {
    const CONTROLS: [u16; 8] = [0x37f, 0x37f, 0x37f, 0x27f, 0x07f, 0x77f, 0xb7f, 0xf7f];
    const CONDITIONS: u16 = 0x4700;
    const EXCEPTIONS: u16 = 0x3f;
    let mut x87 = X87 {
        significand: std::array::from_fn(|_| Kind::Integer.random(rng) | (rng.below(8) != 0) as u64 * (1 << 63)),
        sign_exponent: std::array::from_fn(|_| match rng.below(4) {
            0 => [0, 0x7fff, 0x8000, 0xffff, 1, 0x7ffe][rng.below(6) as usize],
            1 => 0x3fff + rng.below(80) as u16,
            2 => 0xbfff - rng.below(80) as u16,
            _ => rng.next() as u16,
        }),
        control: CONTROLS[rng.below(8) as usize],
        status: rng.next() as u16 & CONDITIONS,
        in_use: if rng.below(4) == 0 { rng.next() as u8 } else { 0xff },
        top: rng.below(8) as u8,
    };
    if rng.below(8) == 0 {
        // Some exceptions are not masked, and some pending.
        x87.set_control(x87.control & !EXCEPTIONS | rng.next() as u16 & EXCEPTIONS);
        if rng.below(2) == 0 {
            x87.set_status_word(x87.status_word() | rng.next() as u16 & EXCEPTIONS);
        }
    }
    x87
}

/// How the operands are read, as far as the mnemonic tells.
fn kinds(instr: &Instruction) -> Vec<Kind> {
    let name = format!("{:?}", instr.mnemonic()).to_lowercase();
    let name = name.strip_prefix('v').unwrap_or(&name);
    let mut kinds = Vec::new();
    if !name.starts_with('p') {
        if name.contains("ps") || name.contains("ss") {
            kinds.push(Kind::Single);
        }
        if name.contains("pd") || name.contains("sd") {
            kinds.push(Kind::Double);
        }
        if name.starts_with("cvt") {
            kinds.push(Kind::Integer);
        }
        if name.starts_with('f') {
            kinds.extend([Kind::Single, Kind::Double]);
        }
    }
    if kinds.is_empty() { vec![Kind::Integer] } else { kinds }
}

/// What a memory operand must be aligned to, or the processor raises #GP (SDM vol. 1, §4.1.1; vol. 2, §2.4): 128 bits of legacy SSE but
/// in the instructions that say otherwise, and the aligned moves of AVX.
fn alignment(instr: &Instruction) -> u64 {
    let bytes = instr.memory_size().size() as u64;
    let aligned = match instr.mnemonic() {
        M::Movups | M::Movupd | M::Movdqu | M::Lddqu | M::Pcmpestri | M::Pcmpestrm | M::Pcmpistri | M::Pcmpistrm => false,
        M::Vmovaps | M::Vmovapd | M::Vmovdqa | M::Vmovntdq | M::Vmovntps | M::Vmovntpd | M::Vmovntdqa => true,
        M::Cmpxchg16b => true,
        M::Fxsave | M::Fxsave64 | M::Fxrstor | M::Fxrstor64 => return 16,
        _ => instr.encoding() == EncodingKind::Legacy && bytes == 16,
    };
    if aligned { bytes } else { 1 }
}
