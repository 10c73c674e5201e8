//! AES rounds (FIPS 197; SDM vol. 1, §12.13), carry-less multiplication, and SHA rounds (FIPS 180-4; SDM vol. 2, SHA1…, SHA256…).

use super::vector::{dwords, from_dwords, qwords};

/// Product in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1.
const fn product(mut a: u8, mut b: u8) -> u8 {
    let mut sum = 0;
    while b != 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        a = a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    sum
}

/// The S-box: the inverse in GF(2⁸), then an affine map (FIPS 197, §5.1.1).
const fn s_box() -> [u8; 256] {
    let mut table = [0; 256];
    // 3 generates the group, 0xf6 is its inverse: so p and q run through all pairs of inverses.
    let (mut p, mut q) = (1u8, 1u8);
    loop {
        p = product(p, 3);
        q = product(q, 0xf6);
        table[p as usize] = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        if p == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
}

const fn inverted(table: &[u8; 256]) -> [u8; 256] {
    let mut inverse = [0; 256];
    let mut n = 0;
    while n < 256 {
        inverse[table[n] as usize] = n as u8;
        n += 1;
    }
    inverse
}

/// What a byte, after its S-box, contributes to its column when it is in row 0; other rows rotate it.
const fn columns(table: &[u8; 256], factors: [u8; 4]) -> [u32; 256] {
    let mut columns = [0; 256];
    let mut n = 0;
    while n < 256 {
        let s = table[n];
        columns[n] =
            u32::from_le_bytes([product(s, factors[0]), product(s, factors[1]), product(s, factors[2]), product(s, factors[3])]);
        n += 1;
    }
    columns
}

static S_BOX: [u8; 256] = s_box();
static INVERSE_S_BOX: [u8; 256] = inverted(&s_box());
static ENCRYPT: [u32; 256] = columns(&s_box(), [2, 1, 1, 3]);
static DECRYPT: [u32; 256] = columns(&inverted(&s_box()), [14, 9, 13, 11]);

/// The state's bytes after ShiftRows: row r of column c comes from column c + r.
fn shift_rows(state: u128) -> [[u8; 4]; 4] {
    let bytes = state.to_le_bytes();
    core::array::from_fn(|c| core::array::from_fn(|r| bytes[4 * ((c + r) % 4) + r]))
}

/// InvShiftRows: row r of column c comes from column c − r.
fn unshift_rows(state: u128) -> [[u8; 4]; 4] {
    let bytes = state.to_le_bytes();
    core::array::from_fn(|c| core::array::from_fn(|r| bytes[4 * ((c + 4 - r) % 4) + r]))
}

fn mix(columns: [[u8; 4]; 4], table: &[u32; 256]) -> u128 {
    from_dwords(
        columns.map(|column| (0..4).fold(0, |sum, row| sum ^ table[usize::from(column[row])].rotate_left(8 * row as u32))),
    )
}

fn substitute(columns: [[u8; 4]; 4], table: &[u8; 256]) -> u128 {
    from_dwords(columns.map(|column| u32::from_le_bytes(column.map(|byte| table[usize::from(byte)]))))
}

/// AESENC.
pub fn aes_encrypt(state: u128, key: u128) -> u128 {
    mix(shift_rows(state), &ENCRYPT) ^ key
}

/// AESENCLAST.
pub fn aes_encrypt_last(state: u128, key: u128) -> u128 {
    substitute(shift_rows(state), &S_BOX) ^ key
}

/// AESDEC.
pub fn aes_decrypt(state: u128, key: u128) -> u128 {
    mix(unshift_rows(state), &DECRYPT) ^ key
}

/// AESDECLAST.
pub fn aes_decrypt_last(state: u128, key: u128) -> u128 {
    substitute(unshift_rows(state), &INVERSE_S_BOX) ^ key
}

/// AESIMC: InvMixColumns; the S-box undoes the inverse one that the table contains.
pub fn aes_mix(state: u128) -> u128 {
    let columns = dwords(state).map(|column| column.to_le_bytes().map(|byte| S_BOX[usize::from(byte)]));
    mix(columns, &DECRYPT)
}

/// AESKEYGENASSIST.
pub fn aes_key_assist(state: u128, constant: u32) -> u128 {
    let [_, one, _, three] =
        dwords(state).map(|word| u32::from_le_bytes(word.to_le_bytes().map(|byte| S_BOX[usize::from(byte)])));
    from_dwords([one, one.rotate_right(8) ^ constant, three, three.rotate_right(8) ^ constant])
}

/// PCLMULQDQ: the product of polynomials over GF(2), four bits of `b` at a time.
pub fn multiply_carryless(a: u64, b: u64) -> u128 {
    let a = u128::from(a);
    let mut multiples = [0; 16];
    for n in 1..16 {
        multiples[n] = multiples[n >> 1] << 1 ^ if n & 1 == 1 { a } else { 0 };
    }
    (0..16).rev().fold(0, |sum, n| sum << 4 ^ multiples[(b >> (4 * n)) as usize & 15])
}

/// SHA1RNDS4: four rounds; `function` is imm8[1:0], which chooses f and K.
pub fn sha1_rounds(abcd: u128, message: u128, function: u32) -> u128 {
    let [mut d, mut c, mut b, mut a] = dwords(abcd);
    let [w3, w2, w1, w0] = dwords(message);
    let k = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6u32][function as usize & 3];
    // The first word of the message already has E added.
    let mut e = 0u32;
    for w in [w0, w1, w2, w3] {
        let f = match function & 3 {
            0 => b & c ^ !b & d,
            2 => b & c ^ b & d ^ c & d,
            _ => b ^ c ^ d,
        };
        let next = f.wrapping_add(a.rotate_left(5)).wrapping_add(w).wrapping_add(e).wrapping_add(k);
        (a, b, c, d, e) = (next, a, b.rotate_left(30), c, d);
    }
    from_dwords([d, c, b, a])
}

/// SHA1NEXTE.
pub fn sha1_next_e(abcd: u128, message: u128) -> u128 {
    let [_, _, _, a] = dwords(abcd);
    let [m0, m1, m2, m3] = dwords(message);
    from_dwords([m0, m1, m2, m3.wrapping_add(a.rotate_left(30))])
}

/// SHA1MSG1.
pub fn sha1_message_1(x: u128, y: u128) -> u128 {
    let [w3, w2, w1, w0] = dwords(x);
    let [_, _, w5, w4] = dwords(y);
    from_dwords([w5 ^ w3, w4 ^ w2, w3 ^ w1, w2 ^ w0])
}

/// SHA1MSG2.
pub fn sha1_message_2(x: u128, y: u128) -> u128 {
    let [x3, x2, x1, x0] = dwords(x);
    let [w15, w14, w13, _] = dwords(y);
    let w16 = (x0 ^ w13).rotate_left(1);
    from_dwords([(x3 ^ w16).rotate_left(1), (x2 ^ w15).rotate_left(1), (x1 ^ w14).rotate_left(1), w16])
}

/// SHA256RNDS2: two rounds; the two words of `message` have the round constants added.
pub fn sha256_rounds(cdgh: u128, abef: u128, message: u128) -> u128 {
    let [mut h, mut g, mut d, mut c] = dwords(cdgh);
    let [mut f, mut e, mut b, mut a] = dwords(abef);
    let [w0, w1, ..] = dwords(message);
    for w in [w0, w1] {
        let sum_1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let sum_0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t1 = h.wrapping_add(sum_1).wrapping_add(e & f ^ !e & g).wrapping_add(w);
        let t2 = sum_0.wrapping_add(a & b ^ a & c ^ b & c);
        (a, b, c, d, e, f, g, h) = (t1.wrapping_add(t2), a, b, c, d.wrapping_add(t1), e, f, g);
    }
    from_dwords([f, e, b, a])
}

/// SHA256MSG1.
pub fn sha256_message_1(x: u128, y: u128) -> u128 {
    let [w0, w1, w2, w3] = dwords(x);
    let [w4, ..] = dwords(y);
    let sigma = |w: u32| w.rotate_right(7) ^ w.rotate_right(18) ^ w >> 3;
    from_dwords([w0.wrapping_add(sigma(w1)), w1.wrapping_add(sigma(w2)), w2.wrapping_add(sigma(w3)), w3.wrapping_add(sigma(w4))])
}

/// SHA256MSG2.
pub fn sha256_message_2(x: u128, y: u128) -> u128 {
    let [x0, x1, x2, x3] = dwords(x);
    let [w14, w15] = [qwords(y)[1] as u32, (qwords(y)[1] >> 32) as u32];
    let sigma = |w: u32| w.rotate_right(17) ^ w.rotate_right(19) ^ w >> 10;
    let w16 = x0.wrapping_add(sigma(w14));
    let w17 = x1.wrapping_add(sigma(w15));
    from_dwords([w16, w17, x2.wrapping_add(sigma(w16)), x3.wrapping_add(sigma(w17))])
}
