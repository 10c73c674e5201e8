//! Floating-point operations, exact to the bit on every host.
//!
//! Wasm leaves the payload of a NaN result open; here it is what SSE gives (SDM vol. 1, §4.8.3.5 and table 4-7): the first operand
//! that is a NaN, made quiet, or the default NaN, whose sign is set. Values are passed as their bits.

/// Defines the operations of one format: bits type, float type, quiet bit, default NaN.
macro_rules! format {
    ($module:ident, $bits:ident, $float:ident, $quiet:literal, $default:literal,
     $sqrt:path, $ceil:path, $floor:path, $trunc:path, $rint:path) => {
        pub mod $module {
            const SIGN: $bits = 1 << ($bits::BITS - 1);

            fn value(bits: $bits) -> $float {
                $float::from_bits(bits)
            }

            fn is_nan(bits: $bits) -> bool {
                value(bits).is_nan()
            }

            /// The result of an operation whose operands are no NaNs.
            fn result(value: $float) -> $bits {
                if value.is_nan() { $default } else { value.to_bits() }
            }

            fn unary(a: $bits, f: impl Fn($float) -> $float) -> $bits {
                if is_nan(a) { a | $quiet } else { result(f(value(a))) }
            }

            fn binary(a: $bits, b: $bits, f: impl Fn($float, $float) -> $float) -> $bits {
                if is_nan(a) {
                    a | $quiet
                } else if is_nan(b) {
                    b | $quiet
                } else {
                    result(f(value(a), value(b)))
                }
            }

            pub fn add(a: $bits, b: $bits) -> $bits {
                binary(a, b, |x, y| x + y)
            }
            pub fn sub(a: $bits, b: $bits) -> $bits {
                binary(a, b, |x, y| x - y)
            }
            pub fn mul(a: $bits, b: $bits) -> $bits {
                binary(a, b, |x, y| x * y)
            }
            pub fn div(a: $bits, b: $bits) -> $bits {
                binary(a, b, |x, y| x / y)
            }
            /// Wasm's min: −0 is less than +0, and a NaN wins.
            pub fn min(a: $bits, b: $bits) -> $bits {
                binary(a, b, |x, y| if x < y || (x == y && x.is_sign_negative()) { x } else { y })
            }
            pub fn max(a: $bits, b: $bits) -> $bits {
                binary(a, b, |x, y| if x > y || (x == y && x.is_sign_positive()) { x } else { y })
            }
            /// Wasm's pmin: `b < a ? b : a`, bits unchanged.
            pub fn pmin(a: $bits, b: $bits) -> $bits {
                if value(b) < value(a) { b } else { a }
            }
            pub fn pmax(a: $bits, b: $bits) -> $bits {
                if value(a) < value(b) { b } else { a }
            }
            pub fn copysign(a: $bits, b: $bits) -> $bits {
                a & !SIGN | b & SIGN
            }
            pub fn abs(a: $bits) -> $bits {
                a & !SIGN
            }
            pub fn neg(a: $bits) -> $bits {
                a ^ SIGN
            }
            pub fn sqrt(a: $bits) -> $bits {
                unary(a, $sqrt)
            }
            pub fn ceil(a: $bits) -> $bits {
                unary(a, $ceil)
            }
            pub fn floor(a: $bits) -> $bits {
                unary(a, $floor)
            }
            pub fn trunc(a: $bits) -> $bits {
                unary(a, $trunc)
            }
            /// To the nearest integer, ties to even.
            pub fn nearest(a: $bits) -> $bits {
                unary(a, $rint)
            }
            pub fn eq(a: $bits, b: $bits) -> bool {
                value(a) == value(b)
            }
            pub fn ne(a: $bits, b: $bits) -> bool {
                value(a) != value(b)
            }
            pub fn lt(a: $bits, b: $bits) -> bool {
                value(a) < value(b)
            }
            pub fn gt(a: $bits, b: $bits) -> bool {
                value(a) > value(b)
            }
            pub fn le(a: $bits, b: $bits) -> bool {
                value(a) <= value(b)
            }
            pub fn ge(a: $bits, b: $bits) -> bool {
                value(a) >= value(b)
            }
            // Rust's casts saturate and give 0 for NaN: Wasm's trunc_sat.
            pub fn to_i32(a: $bits) -> u32 {
                value(a) as i32 as u32
            }
            pub fn to_u32(a: $bits) -> u32 {
                value(a) as u32
            }
            pub fn to_i64(a: $bits) -> u64 {
                value(a) as i64 as u64
            }
            pub fn to_u64(a: $bits) -> u64 {
                value(a) as u64
            }
            pub fn from_i32(a: u32) -> $bits {
                (a as i32 as $float).to_bits()
            }
            pub fn from_u32(a: u32) -> $bits {
                (a as $float).to_bits()
            }
            pub fn from_i64(a: u64) -> $bits {
                (a as i64 as $float).to_bits()
            }
            pub fn from_u64(a: u64) -> $bits {
                (a as $float).to_bits()
            }
        }
    };
}

format!(single, u32, f32, 0x0040_0000, 0xffc0_0000, libm::sqrtf, libm::ceilf, libm::floorf, libm::truncf, libm::rintf);
format!(
    double,
    u64,
    f64,
    0x0008_0000_0000_0000,
    0xfff8_0000_0000_0000,
    libm::sqrt,
    libm::ceil,
    libm::floor,
    libm::trunc,
    libm::rint
);

/// Double to single; of a NaN the upper bits of the payload stay, and it becomes quiet.
pub fn demote(a: u64) -> u32 {
    let value = f64::from_bits(a);
    if value.is_nan() {
        let sign = (a >> 32) as u32 & 0x8000_0000;
        return sign | 0x7fc0_0000 | (a >> 29) as u32 & 0x003f_ffff;
    }
    (value as f32).to_bits()
}

/// Single to double; a NaN keeps its payload as the upper bits, and becomes quiet.
pub fn promote(a: u32) -> u64 {
    let value = f32::from_bits(a);
    if value.is_nan() {
        let sign = u64::from(a & 0x8000_0000) << 32;
        return sign | 0x7ff8_0000_0000_0000 | u64::from(a & 0x003f_ffff) << 29;
    }
    f64::from(value).to_bits()
}
