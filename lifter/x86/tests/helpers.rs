//! Helpers of vector instructions against published test vectors and hand-made cases.

mod common;

use common::Bytes;
use hoist_x86::helpers::{crypto, float, sse, text, vector};
use hoist_x86::state::CpuState;

fn string(s: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes[..s.len()].copy_from_slice(s.as_bytes());
    u128::from_le_bytes(bytes)
}

/// FIPS 197, appendix B: the first and the last round, and back again.
#[test]
fn aes_rounds_of_fips_197() {
    let state = |hex: u128| u128::from_be_bytes(hex.to_le_bytes());
    let round_0 = state(0x193de3be_a0f4e22b_9ac68d2a_e9f84808);
    let key_1 = state(0xa0fafe17_88542cb1_23a33939_2a6c7605);
    assert_eq!(crypto::aes_encrypt(round_0, key_1), state(0xa49c7ff2_689f352b_6b5bea43_026a5049));
    let round_9 = state(0xeb40f21e_592e3884_8ba113e7_1bc342d2);
    let key_10 = state(0xd014f9a8_c9ee2589_e13f0cc8_b6630ca6);
    let cipher = state(0x3925841d_02dc09fb_dc118597_196a0b32);
    assert_eq!(crypto::aes_encrypt_last(round_9, key_10), cipher);
    // AESDECLAST undoes ShiftRows and SubBytes of the state that AddRoundKey is taken from.
    assert_eq!(crypto::aes_decrypt_last(cipher ^ key_10, 0), round_9);
    // AESDEC with a mixed key is the inverse of AESENC (FIPS 197, §5.3.5).
    let encrypted = crypto::aes_encrypt_last(round_0, 0);
    assert_eq!(crypto::aes_decrypt(encrypted, 0), crypto::aes_mix(round_0));
}

#[test]
fn aes_key_schedule_of_fips_197() {
    // Appendix A.1: w3 = 09cf4f3c, after RotWord and SubWord 8a84eb01, with Rcon 8b84eb01.
    let key = u128::from_le_bytes(0x2b7e1516_28aed2a6_abf71588_09cf4f3cu128.to_be_bytes());
    let assist = crypto::aes_key_assist(key, 1);
    assert_eq!(((assist >> 96) as u32).swap_bytes(), 0x8b84_eb01);
}

/// The digest of "abc" by SHA256RNDS2 and the two message instructions, as in Intel's white paper on them.
#[test]
fn sha_256_of_abc() {
    let constants: Vec<u32> = (2u32..)
        .filter(|n| (2..*n).all(|d| n % d != 0))
        .take(64)
        .map(|prime| (f64::from(prime).cbrt().fract() * 4_294_967_296.0) as u32)
        .collect();
    let mut block = [0; 64];
    block[..4].copy_from_slice(b"abc\x80");
    block[63] = 24;
    let words = |n: usize| u128::from_le_bytes(core::array::from_fn(|k| block[16 * n + (k ^ 3)]));
    let mut messages: Vec<u128> = (0..4).map(words).collect();
    for n in 4..16 {
        let partial = crypto::sha256_message_1(messages[n - 4], messages[n - 3]);
        let between = messages[n - 1] << 96 | messages[n - 2] >> 32;
        let sum = add_lanes(partial, between);
        messages.push(crypto::sha256_message_2(sum, messages[n - 1]));
    }
    let start = [0x6a09e667u32, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let join = |[a, b, c, d]: [u32; 4]| [a, b, c, d].into_iter().rev().fold(0, |v, w| v << 32 | u128::from(w));
    let mut abef = join([start[5], start[4], start[1], start[0]]);
    let mut cdgh = join([start[7], start[6], start[3], start[2]]);
    for (n, &message) in messages.iter().enumerate() {
        let constants = join(core::array::from_fn(|k| constants[4 * n + k]));
        let sum = add_lanes(message, constants);
        cdgh = crypto::sha256_rounds(cdgh, abef, sum);
        abef = crypto::sha256_rounds(abef, cdgh, sum >> 64);
    }
    let lane = |v: u128, n: u32| (v >> (32 * n)) as u32;
    let digest = [(abef, 3), (abef, 2), (cdgh, 3), (cdgh, 2), (abef, 1), (abef, 0), (cdgh, 1), (cdgh, 0)];
    let digest: Vec<u32> = digest.iter().zip(start).map(|(&(v, n), h)| lane(v, n).wrapping_add(h)).collect();
    assert_eq!(digest, [0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c, 0xb410ff61, 0xf20015ad]);
}

fn add_lanes(a: u128, b: u128) -> u128 {
    (0..4).map(|n| u128::from(((a >> (32 * n)) as u32).wrapping_add((b >> (32 * n)) as u32)) << (32 * n)).sum()
}

#[test]
fn carryless_products() {
    assert_eq!(crypto::multiply_carryless(0b101, 0b11), 0b1111);
    assert_eq!(crypto::multiply_carryless(u64::MAX, u64::MAX), 0x5555_5555_5555_5555_5555_5555_5555_5555);
}

/// RFC 3720, appendix B.4, and the check value of the CRC catalogue, in steps of every width.
#[test]
fn crc_32c() {
    let whole = b"123456789".iter().fold(!0, |crc, &byte| text::crc32c(crc, byte.into(), 1));
    assert_eq!(!whole, 0xe306_9283);
    let eight = text::crc32c(!0, u64::from_le_bytes(*b"12345678"), 8);
    assert_eq!(!text::crc32c(eight, b'9'.into(), 1), 0xe306_9283);
    let four = text::crc32c(!0, u32::from_le_bytes(*b"1234").into(), 4);
    let two = text::crc32c(four, u16::from_le_bytes(*b"56").into(), 2);
    assert_eq!(text::crc32c(two, u16::from_le_bytes(*b"78").into(), 2), eight);
    let zeros = (0..4).fold(!0, |crc, _| text::crc32c(crc, 0, 8));
    assert_eq!(!zeros, 0x8a91_36aa);
}

const MATCHES: u32 = 0xffff;
const TEXT_ENDS: u32 = 1 << 16;
const SET_ENDS: u32 = 1 << 17;

#[test]
fn string_comparisons() {
    let set = string("aeiou");
    // Equal any: vowels of the text; both strings end within the vector.
    assert_eq!(text::compare_implicit(set, string("hoist"), 0x00), 0b00110 | TEXT_ENDS | SET_ENDS);
    // The same, negated where the text is valid (mask 11) and everywhere (01).
    assert_eq!(text::compare_implicit(set, string("hoist"), 0x30) & MATCHES, 0b11001);
    assert_eq!(text::compare_implicit(set, string("hoist"), 0x10) & MATCHES, 0xfff9);
    // Ranges: letters and digits; a half range at the end does not count.
    assert_eq!(text::compare_implicit(string("azAZ09"), string("a-Z_5"), 0x04) & MATCHES, 0b10101);
    assert_eq!(text::compare_implicit(string("azA"), string("bC"), 0x04) & MATCHES, 0b01);
    // Equal each: beyond both ends counts as equal.
    assert_eq!(text::compare_implicit(string("abcd"), string("abxd"), 0x08) & MATCHES, 0xfffb);
    assert_eq!(text::compare_implicit(string("abc"), string("abcd"), 0x08) & MATCHES, 0xfff7);
    // Equal ordered: "ab" starts at 2 and, cut off by the vector's end, at 15.
    assert_eq!(text::compare_implicit(string("ab"), string("xxabxxxxxxxxxxxa"), 0x0c), 1 << 15 | 1 << 2 | SET_ENDS);
    // Signed bytes: −128…−1 holds 0xff but not 0x41.
    assert_eq!(text::compare_explicit(0xff80, 0x41ff, 0x06 | 2 << 8 | 2 << 16) & MATCHES, 0b01);
    // Explicit lengths: zeros are ordinary elements; 8 words are full.
    assert_eq!(text::compare_explicit(0, 0, 0x01 | 1 << 8 | 16 << 16), 0xff | SET_ENDS);
    assert_eq!([5, -5i64 as u64, i64::MIN as u64, 16, 17].map(text::explicit_length), [5, 5, 16, 16, 16]);
    assert_eq!(text::spread_bits(0b101, 0), 0xff_00ff);
    assert_eq!(text::spread_bits(0b101, 1), 0xffff_0000_ffff);
}

#[test]
fn fused_products_round_once() {
    let fma = |a: f64, b: f64, c: f64| sse::fused_f64x2(a.to_bits().into(), b.to_bits().into(), c.to_bits().into(), 0) as u64;
    let cases = [
        (1.0 + f64::EPSILON, 1.0 - f64::EPSILON, -1.0),
        (0.1, 10.0, -1.0),
        (f64::MAX, 2.0, -f64::MAX),
        (f64::MIN_POSITIVE, f64::EPSILON, 0.0),
        (f64::from_bits(1), 0.5, f64::from_bits(1)),
        (f64::from_bits(1), 0.5, -f64::from_bits(1)),
        (-0.0, 1.0, 0.0),
        (-0.0, 1.0, -0.0),
        (3.0, -2.0, 6.0),
        (1e300, 1e300, -1e308),
        (1e-300, 1e-300, 1.0),
        (1.0, f64::EPSILON / 2.0, 1.0),
        (4503599627370497.0, 4503599627370499.0, -20282409603651683e15),
    ];
    for (a, b, c) in cases {
        assert_eq!(fma(a, b, c), a.mul_add(b, c).to_bits(), "{a:e} × {b:e} + {c:e}");
    }
    let single = |a: f32, b: f32, c: f32| sse::fused_f32x4(a.to_bits().into(), b.to_bits().into(), c.to_bits().into(), 0) as u32;
    for (a, b, c) in [(1.1f32, 1.1, -1.21), (1e-38, 1e-5, 1e-43), (f32::MAX, 1.0, 1e31), (16777217.0, 3.0, 0.5)] {
        assert_eq!(single(a, b, c), a.mul_add(b, c).to_bits(), "{a:e} × {b:e} + {c:e}");
    }
    // ∞ × 0 and ∞ − ∞ are the default NaN; a NaN operand comes out quiet.
    assert_eq!(fma(f64::INFINITY, 0.0, 1.0), 0xfff8_0000_0000_0000);
    assert_eq!(fma(f64::INFINITY, 1.0, f64::NEG_INFINITY), 0xfff8_0000_0000_0000);
    assert_eq!(fma(1.0, f64::from_bits(0x7ff0_0000_0000_0001), 1.0), 0x7ff8_0000_0000_0001);
}

/// Every half survives the way to single and back; sums of neighbours' midpoints round to even.
#[test]
fn halves() {
    let mut cpu = CpuState::default();
    let mut memory = Bytes(Vec::new());
    let mut narrow = |bits: u32, control: u32| float::singles_to_halves(&mut cpu, &mut memory, bits.into(), control) as u16;
    for half in 0..=u16::MAX {
        let single = float::halves_to_singles(half.into()) as u32;
        let quiet = if half & 0x7fff > 0x7c00 { half | 0x200 } else { half };
        assert_eq!(narrow(single, 0), quiet, "{half:04x}");
    }
    for half in 0..0x7bffu16 {
        let [low, high] = [half, half + 1].map(|h| f32::from_bits(float::halves_to_singles(h.into()) as u32));
        let middle = ((low + high) / 2.0).to_bits();
        assert_eq!(narrow(middle, 0), half + (half & 1), "{half:04x} to nearest even");
        assert_eq!(narrow(middle, 1), half, "{half:04x} down");
        assert_eq!(narrow(middle, 2), half + 1, "{half:04x} up");
        assert_eq!(narrow(middle | 1 << 31, 1), (half + 1) | 0x8000, "−{half:04x} down");
        assert_eq!(narrow(middle, 3), half, "{half:04x} towards zero");
    }
    assert_eq!([0, 1, 2, 3].map(|control| narrow(1e6f32.to_bits(), control)), [0x7c00, 0x7bff, 0x7c00, 0x7bff]);
}

#[test]
fn roundings_follow_mxcsr() {
    let mut cpu = CpuState::default();
    let mut memory = Bytes(Vec::new());
    let mut round = |x: f64, mode: u32| {
        cpu.mxcsr = 0x1f80 | mode << 13;
        float::round_to_i64(&mut cpu, &mut memory, x.to_bits()) as i64
    };
    let all = |round: &mut dyn FnMut(f64, u32) -> i64, x: f64| [0, 1, 2, 3].map(|mode| round(x, mode));
    assert_eq!(all(&mut round, 2.5), [2, 2, 3, 2]);
    assert_eq!(all(&mut round, -2.5), [-2, -3, -2, -2]);
    assert_eq!(all(&mut round, 3.5), [4, 3, 4, 3]);
    assert_eq!(all(&mut round, 9.3e18), [i64::MIN; 4]);
    assert_eq!(all(&mut round, f64::NAN), [i64::MIN; 4]);
    // Rounds to 2³¹ before it is found too large.
    let mut cpu = CpuState::default();
    assert_eq!(float::round_to_i32(&mut cpu, &mut memory, 2147483647.5f64.to_bits()), 0x8000_0000);
    assert_eq!(float::round_to_integral(-0.25, float::Rounding::Nearest).to_bits(), (-0.0f64).to_bits());
}

#[test]
fn masked_memory() {
    let mut cpu = CpuState::default();
    let mut memory = Bytes((0..16).collect());
    vector::store_masked(&mut cpu, &mut memory, 0, u128::MAX, 0b1001);
    assert_eq!(memory.0[..5], [255, 1, 2, 255, 4]);
    // Only the chosen bytes are read: the others lie outside.
    assert_eq!(vector::load_masked(&mut cpu, &mut memory, 14, 0b11), 0x0f0e);
}

#[test]
fn sums_and_minima() {
    assert_eq!(vector::minimum_position(vector_of([9, 3, 7, 3, 8, 9, 9, 9])), 0x0001_0003);
    let bytes = u128::from_le_bytes(core::array::from_fn(|n| n as u8));
    // Bytes 4…7 against 0…3 of themselves: each differs by 4 + n.
    assert_eq!(vector::sum_differences(bytes, bytes, 4), vector_of(core::array::from_fn(|n| 4 * (4 + n as u16))));
    assert_eq!(vector::shift_lanes(0x8000_0001, 31, 0), 0x8000_0000);
    assert_eq!(vector::shift_lanes(0x8000_0001, 32, 2), 0);
    assert_eq!(vector::shift_lanes(0x8000_0001, 99, 4), 0xffff_ffff);
}

fn vector_of(words: [u16; 8]) -> u128 {
    words.iter().rev().fold(0, |v, &word| v << 16 | u128::from(word))
}
