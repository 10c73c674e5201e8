//! Damaged ROMs give errors: no panic, no answer that points outside.

mod common;

use common::exercise::exercise;
use common::{Random, rom_bytes, small_tree};
use hoist_vfs::layout::Superblock;
use hoist_vfs::read::Source;
use hoist_vfs::{OutOfRange, Rom};

/// How many damaged ROMs are read; `HOIST_FUZZ_ROUNDS` sets another number, for long runs.
fn rounds() -> u64 {
    let stated = std::env::var("HOIST_FUZZ_ROUNDS").ok();
    stated.and_then(|rounds| rounds.parse().ok()).unwrap_or(100_000)
}

#[test]
fn every_length() {
    let bytes = rom_bytes(&small_tree());
    for len in 0..bytes.len() {
        assert!(Rom::open(&bytes[..len].to_vec()).is_err());
    }
    // The same with a superblock that agrees with the length.
    for len in Superblock::SIZE..bytes.len() {
        let mut bytes = bytes[..len].to_vec();
        bytes[16..24].copy_from_slice(&(len as u64).to_le_bytes());
        exercise(bytes);
    }
}

#[test]
fn every_byte_of_the_index() {
    let bytes = rom_bytes(&small_tree());
    let mut damaged = bytes.clone();
    for at in 0..bytes.len() {
        for value in [0, 1, 0x7F, 0x80, 0xFF, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
            damaged[at] = value;
            exercise(&damaged);
        }
        damaged[at] = bytes[at];
    }
}

/// Damage where it does most: whole fields, aligned as the records are, with values that overflow.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at.max(Superblock::SIZE)),
            3 => {
                // A stretch of the ROM over another.
                let len = random.below(64).min(bytes.len() - at);
                let from = random.below(bytes.len() - len);
                bytes.copy_within(from..from + len, at);
            }
            width => {
                let at = at & !3;
                let value = match random.below(4) {
                    0 => random.next(),
                    1 => u64::MAX - random.below(300) as u64,
                    2 => random.below(bytes.len() * 2) as u64,
                    _ => 1 << random.below(64),
                };
                let value = &value.to_le_bytes()[..4 * (width - 3)];
                let end = bytes.len().min(at + value.len());
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
        }
    }
    // Mostly past the checks of the head, which else catch most of the damage.
    if random.below(8) > 0 {
        bytes[..16].copy_from_slice(&Superblock::default().encode()[..16]);
        let len = bytes.len() as u64;
        bytes[16..24].copy_from_slice(&len.to_le_bytes());
    }
}

#[test]
fn random_damage() {
    let bytes = rom_bytes(&small_tree());
    let mut random = Random(0x5EED);
    let mut opened = 0;
    for _ in 0..rounds() {
        let mut damaged = bytes.clone();
        damage(&mut damaged, &mut random);
        opened += u64::from(Rom::open(&damaged).is_ok());
        exercise(&damaged);
    }
    assert!(opened > rounds() / 4, "the damage is too heavy to test what follows the superblock: {opened} opened");
}

/// Claims more bytes than it has: a segment that is shorter than its linker said.
struct Short(Vec<u8>);

impl Source for Short {
    fn len(&self) -> u64 {
        u64::MAX
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), OutOfRange> {
        self.0.read_at(offset, buffer)
    }
}

#[test]
fn a_source_that_fails() {
    let bytes = rom_bytes(&small_tree());
    for len in 0..bytes.len() {
        exercise(Short(bytes[..len].to_vec()));
    }
    let mut random = Random(0xFA11);
    for _ in 0..rounds() / 10 {
        let mut damaged = bytes.clone();
        damage(&mut damaged, &mut random);
        damaged[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        exercise(Short(damaged));
    }
}
