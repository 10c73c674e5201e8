//! SSE4.2 string comparison (SDM vol. 2B, §4.1) and CRC-32C.

use super::vector::words;

/// The low 16 bits of a result are IntRes2; then these.
const B_ENDS: u32 = 1 << 16;
const A_ENDS: u32 = 1 << 17;

/// PCMPISTRx: strings that end at their first zero. Result: IntRes2, bit 16 if `b` ends within the vector, bit 17 if `a` does.
pub fn compare_implicit(a: u128, b: u128, imm: u32) -> u32 {
    let (count, a, b) = elements(a, b, imm);
    let length = |s: &[i32; 16]| s[..count].iter().position(|&c| c == 0).unwrap_or(count);
    compare(&a, length(&a), &b, length(&b), count, imm)
}

/// PCMPESTRx: `control` is imm8, the length of `a` in bits 15…8 and that of `b` in bits 23…16, each at most 16.
pub fn compare_explicit(a: u128, b: u128, control: u32) -> u32 {
    let (count, a, b) = elements(a, b, control);
    let length = |shift: u32| (control >> shift & 0xff).min(count as u32) as usize;
    compare(&a, length(8), &b, length(16), count, control)
}

/// The length that a register gives to PCMPESTRx: its absolute value, at most 16.
pub fn explicit_length(value: u64) -> u32 {
    (value as i64).unsigned_abs().min(16) as u32
}

/// imm8[0]: bytes or words; imm8[1]: unsigned or signed.
fn elements(a: u128, b: u128, imm: u32) -> (usize, [i32; 16], [i32; 16]) {
    let split = |v: u128| -> [i32; 16] {
        let (bytes, words) = (v.to_le_bytes(), words(v));
        core::array::from_fn(|n| match imm & 3 {
            0 => i32::from(bytes[n]),
            2 => i32::from(bytes[n] as i8),
            _ if n >= 8 => 0,
            1 => i32::from(words[n]),
            _ => i32::from(words[n] as i16),
        })
    };
    (if imm & 1 == 0 { 16 } else { 8 }, split(a), split(b))
}

fn compare(a: &[i32; 16], a_len: usize, b: &[i32; 16], b_len: usize, count: usize, imm: u32) -> u32 {
    let (set, text) = (&a[..a_len], &b[..b_len]);
    // IntRes1: does element j of b match?
    let matches = |j: usize| match imm >> 2 & 3 {
        0 => j < b_len && set.contains(&b[j]),
        1 => j < b_len && set.chunks_exact(2).any(|range| range[0] <= b[j] && b[j] <= range[1]),
        2 => (j >= a_len && j >= b_len) || (j < a_len && j < b_len && a[j] == b[j]),
        // The part of the needle that fits must follow; what lies beyond the vector counts as equal.
        _ => set.iter().take(count - j).enumerate().all(|(k, c)| text.get(j + k) == Some(c)),
    };
    let all = (1 << count) - 1;
    let raw = (0..count).map(|j| u32::from(matches(j)) << j).sum::<u32>();
    let result = match imm >> 4 & 3 {
        1 => raw ^ all,
        3 => raw ^ ((1 << b_len) - 1),
        _ => raw,
    };
    result | if b_len < count { B_ENDS } else { 0 } | if a_len < count { A_ENDS } else { 0 }
}

/// PCMPxSTRM with imm8[6]: each of the low bits as a byte (`words` = 0) or a word of ones or zeros.
pub fn spread_bits(bits: u32, words: u32) -> u128 {
    let (count, lane) = if words == 0 { (16, 0xffu128) } else { (8, 0xffff) };
    let width = 128 / count;
    (0..count).filter(|n| bits >> n & 1 == 1).map(|n| lane << (n * width)).sum()
}

/// Tables for eight bytes at once: `TABLE[k][x]` is the remainder of byte `x` followed by `k` zero bytes.
static CRC_TABLE: [[u32; 256]; 8] = crc_table();

const fn crc_table() -> [[u32; 256]; 8] {
    const CASTAGNOLI: u32 = 0x82f6_3b78; // 0x11EDC6F41, reflected
    let mut table = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { CASTAGNOLI } else { 0 };
            bit += 1;
        }
        table[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let crc = table[k - 1][byte];
            table[k][byte] = crc >> 8 ^ table[0][crc as usize & 0xff];
            byte += 1;
        }
        k += 1;
    }
    table
}

/// CRC32: adds the low `bytes` (1, 2, 4, 8) bytes of `data` to a CRC-32C.
pub fn crc32c(crc: u32, data: u64, bytes: u32) -> u32 {
    let count = (bytes as usize).clamp(1, 8);
    let mixed = data ^ u64::from(crc);
    let folded = (0..count).fold(0, |sum, n| sum ^ CRC_TABLE[count - 1 - n][(mixed >> (8 * n)) as usize & 0xff]);
    // Fewer than four bytes leave the crc's upper bytes to shift down.
    if count < 4 { folded ^ crc >> (8 * count) } else { folded }
}
