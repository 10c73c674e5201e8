//! Layers with seeded damage: no panic, no tree that is none. The fuzz target does the same for longer.

mod common;
#[path = "common/exercise.rs"]
mod exercise;

use common::Tar;
use exercise::exercise;

/// Small archives that between them use every feature of the reader.
fn seeds() -> Vec<Vec<u8>> {
    let sparse = |map: &[(&str, &[u8])]| Tar::new().pax(map).file("GNUSparseFile.0/s", "middle!!").finish();
    let old_gnu = Tar::new().entry(b'S', "s", "", b"middle!!", |header| {
        *header = {
            let mut gnu = tar::Header::new_gnu();
            gnu.as_mut_bytes()[..157].copy_from_slice(&header.as_bytes()[..157]);
            let fields = gnu.as_gnu_mut().expect("a GNU header");
            fields.sparse[0].set_offset(4096);
            fields.sparse[0].set_length(8);
            fields.set_real_size(8192);
            gnu
        };
    });
    vec![
        Tar::new()
            .dir("./")
            .dir("a/")
            .file("a/f", "content")
            .file("s/x", "through")
            .symlink("l", "a/b")
            .hard_link("l/h", "a/f")
            .entry(b'3', "null", "", b"", |_| ())
            .entry(b'6', "p", "", b"", |_| ())
            .file("a/.wh.b", "")
            .file("a/.wh..wh..opq", "")
            .finish(),
        Tar::new()
            .pax(&[("path", b"a/long/name"), ("mtime", b"1.5"), ("uid", b"1"), ("SCHILY.xattr.user.a", b"b\nc")])
            .file("x", "pax")
            .entry(b'L', "././@LongLink", "", b"t/long\0", |_| ())
            .entry(b'K', "././@LongLink", "", b"../target\0", |_| ())
            .symlink("x", "y")
            .file("v/made", "up")
            .finish(),
        sparse(&[("GNU.sparse.map", b"4096,8"), ("GNU.sparse.size", b"8192"), ("GNU.sparse.name", b"s")]),
        sparse(&[
            ("GNU.sparse.size", b"8192"),
            ("GNU.sparse.numblocks", b"1"),
            ("GNU.sparse.offset", b"4096"),
            ("GNU.sparse.numbytes", b"8"),
        ]),
        Tar::new()
            .pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"8192")])
            .file("GNUSparseFile.0/s", &format!("1\n4096\n8\n{}middle!!", "\0".repeat(503)))
            .finish(),
        old_gnu.finish(),
    ]
}

/// xorshift64*: the same damage every time.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

#[test]
fn seeds_are_whole() {
    for (seed, number) in seeds().into_iter().zip(0..) {
        exercise(&seed);
        let fs = common::applied(&[Tar::new().dir("a/b").dir("s").dir("v").finish(), seed]);
        let fs = fs.unwrap_or_else(|error| panic!("seed {number}: {error}"));
        if number >= 2 {
            let lines = common::listing(&fs).join("\n");
            assert!(lines.contains("\\0middle!!\\0"), "seed {number}: {lines}");
        }
    }
}

#[test]
fn damaged_layers() {
    const INTERESTING: [u8; 8] = [0, 1, b'/', b'.', b'9', b'\n', 0x7f, 0xff];
    let mut random = Random(0x5eed);
    for seed in seeds() {
        for _ in 0..4000 {
            let mut bytes = seed.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(5) {
                    0 => bytes[at] = INTERESTING[random.below(INTERESTING.len())],
                    1 => bytes[at] ^= 1 << random.below(8),
                    // A block in another's place.
                    2 => {
                        let (from, to) = (random.below(bytes.len() / 512), random.below(bytes.len() / 512));
                        bytes.copy_within(from * 512..from * 512 + 512, to * 512);
                    }
                    // The type of an entry, or a digit of its size.
                    3 => bytes[at / 512 * 512 + 156] = b"01234567SLKxg\0"[random.below(14)],
                    _ => bytes[at / 512 * 512 + 124 + random.below(12)] = b"01234567\0 \x80"[random.below(11)],
                }
            }
            if random.below(10) == 0 {
                bytes.truncate(random.below(bytes.len()));
            }
            exercise(&bytes);
        }
    }
}
