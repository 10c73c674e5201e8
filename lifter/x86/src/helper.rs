//! Helpers: what instructions do that is too long for inline code. Written once in Rust ([`crate::helpers`]); the interpreter calls
//! them directly, lifted code through the kernel's exports `hoist_helper_<name>`.

use crate::ir::Type;
use crate::state::CpuState;

/// User memory as helpers and the interpreter reach it. Addresses wrap modulo 2³². An access to an address that is not
/// backed ends the guest (Wasm traps), or does nothing and is remembered for [`Memory::take_fault`].
pub trait Memory {
    /// `N` is 1, 2, 4, 8 or 16.
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N];
    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]);
    /// As memmove(3).
    fn copy(&mut self, to: u32, from: u32, len: u32);
    fn fill(&mut self, to: u32, byte: u8, len: u32);

    /// The address of the first access since the last call that was a bad one. The interpreter asks after each instruction of the IR that may
    /// have made one.
    #[inline]
    fn take_fault(&mut self) -> Option<u32> {
        None
    }

    /// Reads code bytes.
    fn fetch(&mut self, addr: u32, into: &mut [u8]) {
        for (i, byte) in into.iter_mut().enumerate() {
            [*byte] = self.load(addr.wrapping_add(i as u32));
        }
    }

    /// Do these code bytes stand at `addr`?
    fn matches(&mut self, addr: u32, code: &[u8]) -> bool {
        let (words, rest) = code.as_chunks::<8>();
        let mut at = addr;
        for word in words {
            if self.load(at) != *word {
                return false;
            }
            at = at.wrapping_add(8);
        }
        rest.iter().enumerate().all(|(i, &byte)| self.load(at.wrapping_add(i as u32)) == [byte])
    }
}

/// A helper's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signature {
    pub params: &'static [Type],
    pub result: Option<Type>,
    /// Depends on nothing but its arguments and changes nothing, so that a call whose result is unused can go.
    pub pure: bool,
}

/// Calls `$with! { … }` with every helper as
/// `Variant = family::function(Param, …) -> (Result or nothing), pure or effect;`.
///
/// In Rust i32 is `u32`, i64 is `u64`, f32 and f64 are their bits in `u32` and `u64`, v128 is `u128`. Helpers with `effect` take
/// `(cpu: &mut CpuState, memory: &mut impl Memory, …)`, pure ones only their arguments.
#[macro_export]
macro_rules! helpers {
    ($with:ident) => {
        $with! {
            // High halves of 64 × 64 → 128-bit products.
            MulHighU = integer::mul_high_u(I64, I64) -> (I64), pure;
            MulHighS = integer::mul_high_s(I64, I64) -> (I64), pure;
            // 128 / 64-bit division: upper half, lower half, divisor.
            DivU128 = integer::div_u128(I64, I64, I64) -> (I64), pure;
            RemU128 = integer::rem_u128(I64, I64, I64) -> (I64), pure;
            DivS128Overflows = integer::div_s128_overflows(I64, I64, I64) -> (I32), pure;
            DivS128 = integer::div_s128(I64, I64, I64) -> (I64), pure;
            RemS128 = integer::rem_s128(I64, I64, I64) -> (I64), pure;
            // BMI2: source, mask.
            Pdep = integer::pdep(I64, I64) -> (I64), pure;
            Pext = integer::pext(I64, I64) -> (I64), pure;
            // CPUID's four results: leaf, subleaf.
            CpuidEax = cpuid::cpuid_eax(I32, I32) -> (I32), pure;
            CpuidEbx = cpuid::cpuid_ebx(I32, I32) -> (I32), pure;
            CpuidEcx = cpuid::cpuid_ecx(I32, I32) -> (I32), pure;
            CpuidEdx = cpuid::cpuid_edx(I32, I32) -> (I32), pure;
            // RDTSC.
            Rdtsc = cpuid::rdtsc() -> (I64), effect;
            // MMX registers and MXCSR, which live in CpuState only.
            MmxRead = vector::mmx_read(I32) -> (I64), effect;
            MmxWrite = vector::mmx_write(I32, I64) -> (), effect;
            MmxEmpty = vector::mmx_empty() -> (), effect;
            MxcsrRead = vector::mxcsr_read() -> (I32), effect;
            MxcsrWrite = vector::mxcsr_write(I32) -> (I32), effect;
            // RFLAGS' bits that live in CpuState only; their new values, and which of them are written.
            IdleFlags = cpuid::idle_flags() -> (I32), effect;
            SetIdleFlags = cpuid::set_idle_flags(I32, I32) -> (), effect;
            // What the register EXACT must be.
            WantsExact = vector::wants_exact() -> (I32), effect;
            // MASKMOVDQU (address, bytes, mask), MPSADBW, PHMINPOSUW.
            StoreMasked = vector::store_masked(I32, V128, I32) -> (), effect;
            SumDifferences = vector::sum_differences(V128, V128, I32) -> (V128), pure;
            MinimumPosition = vector::minimum_position(V128) -> (V128), pure;
            // Roundings by MXCSR.
            RoundF32x4 = float::round_f32x4(V128) -> (V128), effect;
            RoundF64x2 = float::round_f64x2(V128) -> (V128), effect;
            RoundToI64 = float::round_to_i64(F64) -> (I64), effect;
            RoundToI32 = float::round_to_i32(F64) -> (I32), effect;
            // RCPPS, RSQRTPS, VCVTPH2PS, VCVTPS2PH.
            Reciprocal = float::reciprocal(V128) -> (V128), pure;
            ReciprocalRoot = float::reciprocal_root(V128) -> (V128), pure;
            HalvesToSingles = float::halves_to_singles(V128) -> (V128), pure;
            SinglesToHalves = float::singles_to_halves(V128, I32) -> (V128), effect;
            // Fused a × b + c of packed and scalar floats; the last argument chooses signs.
            FusedF32x4 = sse::fused_f32x4(V128, V128, V128, I32) -> (V128), pure;
            FusedF64x2 = sse::fused_f64x2(V128, V128, V128, I32) -> (V128), pure;
            // Floating point as MXCSR wants it (last argument: what, of which format), then the end of the instruction.
            SseBinary = sse::binary(V128, V128, I32) -> (V128), effect;
            SseUnary = sse::unary(V128, V128, I32) -> (V128), effect;
            SseFused = sse::fused(V128, V128, V128, I32) -> (V128), effect;
            SseCompareFlags = sse::compare_flags(V128, V128, I32) -> (I32), effect;
            SseToInteger = sse::to_integer(V128, I32) -> (I64), effect;
            SseFromInteger = sse::from_integer(V128, I64, I32) -> (V128), effect;
            SseFinish = sse::finish() -> (I32), effect;
            // PCMPxSTRx (a, b, control), the length for it, its mask; CRC32 (crc, data, bytes).
            CompareImplicit = text::compare_implicit(V128, V128, I32) -> (I32), pure;
            CompareExplicit = text::compare_explicit(V128, V128, I32) -> (I32), pure;
            ExplicitLength = text::explicit_length(I64) -> (I32), pure;
            SpreadBits = text::spread_bits(I32, I32) -> (V128), pure;
            Crc32c = text::crc32c(I32, I64, I32) -> (I32), pure;
            // AES-NI, PCLMULQDQ, SHA.
            AesEncrypt = crypto::aes_encrypt(V128, V128) -> (V128), pure;
            AesEncryptLast = crypto::aes_encrypt_last(V128, V128) -> (V128), pure;
            AesDecrypt = crypto::aes_decrypt(V128, V128) -> (V128), pure;
            AesDecryptLast = crypto::aes_decrypt_last(V128, V128) -> (V128), pure;
            AesMix = crypto::aes_mix(V128) -> (V128), pure;
            AesKeyAssist = crypto::aes_key_assist(V128, I32) -> (V128), pure;
            MultiplyCarryless = crypto::multiply_carryless(I64, I64) -> (V128), pure;
            Sha1Rounds = crypto::sha1_rounds(V128, V128, I32) -> (V128), pure;
            Sha1NextE = crypto::sha1_next_e(V128, V128) -> (V128), pure;
            Sha1Message1 = crypto::sha1_message_1(V128, V128) -> (V128), pure;
            Sha1Message2 = crypto::sha1_message_2(V128, V128) -> (V128), pure;
            Sha256Rounds = crypto::sha256_rounds(V128, V128, V128) -> (V128), pure;
            Sha256Message1 = crypto::sha256_message_1(V128, V128) -> (V128), pure;
            Sha256Message2 = crypto::sha256_message_2(V128, V128) -> (V128), pure;
            // AVX: masked loads, gathers, shifts by a count in each lane.
            LoadMasked = vector::load_masked(I32, I32) -> (V128), effect;
            Gather = vector::gather(I32, I32, I64, I32) -> (I64), effect;
            ShiftLanes = vector::shift_lanes(V128, V128, I32) -> (V128), pure;
            // x87: moves (address, format), ST(i).
            X87Load = x87::load(I32, I32) -> (), effect;
            X87Store = x87::store(I32, I32, I32) -> (), effect;
            X87PushRegister = x87::push_register(I32) -> (), effect;
            X87PushConstant = x87::push_constant(I32) -> (), effect;
            X87CopyTo = x87::copy_to(I32, I32) -> (), effect;
            X87Exchange = x87::exchange(I32) -> (), effect;
            X87MoveIf = x87::move_if(I32, I32) -> (), effect;
            X87Free = x87::free(I32, I32) -> (), effect;
            // x87: operations between registers and with memory; comparisons give ZF, PF, CF in their places.
            X87Arith = x87::arith(I32, I32, I32, I32) -> (), effect;
            X87ArithMemory = x87::arith_memory(I32, I32, I32) -> (), effect;
            X87Compare = x87::compare(I32, I32) -> (I32), effect;
            X87CompareMemory = x87::compare_memory(I32, I32, I32) -> (), effect;
            X87Execute = x87::execute(I32) -> (), effect;
            // x87: control and status; what changes the control word gives the new value of the register EXACT.
            X87ControlRead = x87::control_read() -> (I32), effect;
            X87ControlWrite = x87::control_write(I32) -> (I32), effect;
            X87StatusRead = x87::status_read() -> (I32), effect;
            // x87: images (address, is it the 32-bit format).
            X87SaveEnvironment = x87::save_environment(I32, I32) -> (I32), effect;
            X87RestoreEnvironment = x87::restore_environment(I32, I32) -> (I32), effect;
            X87Save = x87::save(I32, I32) -> (I32), effect;
            X87Restore = x87::restore(I32, I32) -> (I32), effect;
            X87FastSave = x87::fast_save(I32) -> (), effect;
            X87FastRestore = x87::fast_restore(I32) -> (I32), effect;
            // XSAVE (address, components, is it compacted), XRSTOR (which are in the image), but for XMM and YMM.
            ExtendedSave = x87::extended_save(I32, I32, I32) -> (), effect;
            ExtendedRestore = x87::extended_restore(I32, I32) -> (I32), effect;
        }
    };
}

macro_rules! rust_type {
    (I32) => {
        u32
    };
    (I64) => {
        u64
    };
    (F32) => {
        u32
    };
    (F64) => {
        u64
    };
    (V128) => {
        u128
    };
}
macro_rules! invoke {
    (pure, $cpu:ident, $memory:ident, $function:path, $($arg:expr,)*) => { $function($($arg),*) };
    (effect, $cpu:ident, $memory:ident, $function:path, $($arg:expr,)*) => { $function($cpu, $memory, $($arg),*) };
}
macro_rules! widen {
    (() $call:expr) => {{
        $call;
        0
    }};
    (($result:ident) $call:expr) => {
        $call as u128
    };
}
macro_rules! result_type {
    () => {
        None
    };
    ($ty:ident) => {
        Some(Type::$ty)
    };
}
macro_rules! is_pure {
    (pure) => {
        true
    };
    (effect) => {
        false
    };
}

macro_rules! define_helpers {
    ($($name:ident = $family:ident::$function:ident($($param:ident),*) -> ($($result:ident)?), $kind:ident;)*) => {
        /// One routine in Rust.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Helper { $($name,)* }

        impl Helper {
            pub const ALL: &'static [Helper] = &[$(Helper::$name,)*];

            pub const fn signature(self) -> Signature {
                match self {
                    $(Helper::$name => Signature {
                        params: &[$(Type::$param,)*],
                        result: result_type!($($result)?),
                        pure: is_pure!($kind),
                    },)*
                }
            }

            /// The function's name, which is also the end of the export's.
            pub const fn name(self) -> &'static str {
                match self { $(Helper::$name => stringify!($function),)* }
            }

            /// Runs the helper; arguments and result are zero-extended, 0 where there is none.
            pub fn call(self, cpu: &mut CpuState, memory: &mut impl Memory, args: [u128; 4]) -> u128 {
                match self {
                    $(Helper::$name => {
                        let mut _args = args.into_iter();
                        let _ = (&cpu, &memory);
                        widen!(($($result)?) invoke!($kind, cpu, memory, crate::helpers::$family::$function,
                            $(_args.next().unwrap_or(0) as rust_type!($param),)*))
                    })*
                }
            }
        }
    };
}
helpers!(define_helpers);
