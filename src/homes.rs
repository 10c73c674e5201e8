//! Homes: every ELF file of an image gets a fixed load address (DESIGN §6).
//!
//! ET_EXEC files live where they are linked. Several may want the same addresses: they never run in the same process, so each is lifted there, and
//! has an *overlay*, a number by which the kernel knows whose code is at these addresses at the moment. All other files are packed upwards
//! from [`FIRST`], in the order of their paths, around the ET_EXEC files. They start low, since a memory is as large as the highest address in use.

use std::collections::{BTreeMap, BTreeSet};

use hoist_vfs::{InodeId, RootFs};
use hoist_x86::boundary::NULL_PAGE;
use hoist_x86::manifest::{Elf, MAX_OVERLAY, Segment};

use crate::elf::{Head, PAGE, Placement};
use crate::floats;

/// The lowest home.
const FIRST: u64 = 0x20_0000;
/// Homes end here: the guest needs addresses for its stack, its heap and its mappings too.
const END: u64 = 0xc000_0000;
/// No home is aligned to more: linkers ask for 2 MiB, and get it, but not for more.
const MAX_ALIGN: u64 = 0x20_0000;

/// An ELF file of the image and where it lives.
#[derive(Clone, Debug)]
pub struct Home {
    pub inode: InodeId,
    /// Its first path, in the order of the tree.
    pub path: Vec<u8>,
    pub head: Head,
    /// Guest address of the page of its lowest segment.
    pub base: u32,
    /// Guest address = address in the file + bias.
    pub bias: u32,
    /// Which of the files that share addresses it is; 0 for all that share none.
    pub overlay: u32,
    /// Its code asks which floating-point exceptions there were.
    pub reads_exceptions: bool,
}

impl Home {
    /// The executable segments' pages, and what of the file lies there.
    pub fn manifest(&self) -> Elf {
        let (start, end) = self.head.range();
        let segment = |load: &crate::elf::Load| {
            let within = load.address % PAGE;
            Segment {
                start: (load.address - within).wrapping_add(self.bias.into()) as u32,
                len: (within + load.memory_size).div_ceil(PAGE).wrapping_mul(PAGE) as u32,
                file_offset: load.file_offset - within,
            }
        };
        Elf {
            base: self.base,
            overlay: self.overlay,
            span: (end - start) as u32,
            segments: self.head.loads.iter().filter(|load| load.executable).map(segment).collect(),
            reads_exceptions: self.reads_exceptions,
        }
    }
}

/// All ELF files of an image.
#[derive(Clone, Debug, Default)]
pub struct Homes {
    /// In the order of their numbers.
    pub homes: Vec<Home>,
    /// Paths of ELF files that could not get a home, and so are interpreted.
    pub homeless: Vec<Vec<u8>>,
    /// The first guest address after all homes, a multiple of 64 KiB.
    pub first_free: u32,
}

impl Homes {
    /// Finds the ELF files of an image and gives them homes. `first` (the image's program) is served before all others.
    pub fn assign(rootfs: &RootFs, first: Option<InodeId>) -> Homes {
        let files = find(rootfs);
        let order = |inode: &InodeId| (Some(*inode) != first, *inode);
        let mut inodes: Vec<&InodeId> = files.keys().collect();
        inodes.sort_by_key(|inode| (order(inode).0, &files[*inode].0));
        let mut homes = Homes::default();
        let mut taken = Ranges::default();
        let mut overlays = 1..=MAX_OVERLAY;
        let fixed: Vec<(u64, u64)> =
            files.values().filter(|file| file.1.placement == Placement::Fixed).map(|file| file.1.range()).collect();
        for placement in [Placement::Fixed, Placement::Anywhere] {
            for inode in inodes.iter().filter(|inode| files[**inode].1.placement == placement) {
                let (path, head) = &files[*inode];
                let (start, end) = head.range();
                let base = place(head, &taken);
                base.iter().for_each(|base| taken.insert(*base, base + (end - start)));
                let is_shared = placement == Placement::Fixed && sharers(&fixed, start, end) > 1;
                let overlay = if is_shared { overlays.next() } else { Some(0) };
                let (Some(base), Some(overlay)) = (base, overlay) else {
                    homes.homeless.push(path.clone());
                    continue;
                };
                let bias = base.wrapping_sub(start) as u32;
                let (path, head) = (path.clone(), head.clone());
                let content = rootfs.inode(**inode).ok().and_then(|inode| inode.content());
                let reads_exceptions = content.is_some_and(floats::reads_exceptions);
                homes.homes.push(Home { inode: **inode, path, head, base: base as u32, bias, overlay, reads_exceptions });
            }
        }
        let end = taken.0.values().copied().filter(|end| *end <= END).max().unwrap_or(0).max(FIRST);
        homes.first_free = end.next_multiple_of(NULL_PAGE.into()) as u32;
        homes
    }

    /// The number of the ELF file that an inode is.
    pub fn numbers(&self) -> BTreeMap<InodeId, u32> {
        self.homes.iter().zip(0..).map(|(home, number)| (home.inode, number)).collect()
    }
}

/// The ELF files, by inode, with the first path of each. What does not load is a data file.
pub fn find(rootfs: &RootFs) -> BTreeMap<InodeId, (Vec<u8>, Head)> {
    let mut files = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (path, inode) in rootfs.walk() {
        let content = rootfs.inode(inode).ok().and_then(|inode| inode.content());
        if let Some(content) = content.filter(|_| seen.insert(inode))
            && let Ok(head) = Head::read(content)
            && head.loads.iter().any(|load| load.executable)
        {
            files.insert(inode, (path, head));
        }
    }
    files
}

/// Finds the file a place.
fn place(head: &Head, taken: &Ranges) -> Option<u64> {
    let (start, end) = head.range();
    let len = end - start;
    match head.placement {
        Placement::Fixed => Some(start),
        Placement::Anywhere => {
            // The linked address keeps its place within the alignment.
            let align = head.align.min(MAX_ALIGN);
            let mut base = FIRST + start % align;
            while let Some(end) = taken.conflict(base, base + len) {
                base = (end - start % align).next_multiple_of(align) + start % align;
            }
            (base + len <= END).then_some(base)
        }
    }
}

/// How many of the ranges overlap this one.
fn sharers(ranges: &[(u64, u64)], start: u64, end: u64) -> usize {
    ranges.iter().filter(|(other, other_end)| *other < end && start < *other_end).count()
}

/// Disjoint address ranges: start → end.
#[derive(Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// The end of a range that overlaps this one.
    fn conflict(&self, start: u64, end: u64) -> Option<u64> {
        self.0.range(..end).next_back().map(|(_, end)| *end).filter(|end| *end > start)
    }

    /// Adds a range, joined with those it overlaps.
    fn insert(&mut self, mut start: u64, mut end: u64) {
        while let Some((&other, &other_end)) = self.0.range(..end).next_back().filter(|(_, end)| **end > start) {
            self.0.remove(&other);
            (start, end) = (start.min(other), end.max(other_end));
        }
        self.0.insert(start, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{DYN, EXEC, elf, put};

    fn overlays(homes: &Homes) -> Vec<u32> {
        homes.homes.iter().map(|home| home.overlay).collect()
    }

    fn bases(homes: &Homes) -> Vec<(String, u32)> {
        homes.homes.iter().map(|home| (String::from_utf8_lossy(&home.path).into_owned(), home.base)).collect()
    }

    #[test]
    fn libraries_are_packed_in_order_of_their_paths() {
        let mut rootfs = RootFs::new();
        put(&mut rootfs, "lib/b.so", elf(DYN, 0, 0x1801, None));
        put(&mut rootfs, "lib/a.so", elf(DYN, 0x3000, 0x1000, None));
        put(&mut rootfs, "etc/motd", "no ELF file");
        let homes = Homes::assign(&rootfs, None);
        assert_eq!(bases(&homes), [("lib/a.so".into(), 0x20_0000), ("lib/b.so".into(), 0x20_1000)]);
        assert_eq!(homes.homes[0].bias, 0x1f_d000);
        assert_eq!(homes.first_free, 0x21_0000);
        let manifest = homes.homes[1].manifest();
        assert_eq!((manifest.base, manifest.span), (0x20_1000, 0x2000));
        assert_eq!(manifest.segments, [Segment { start: 0x20_1000, len: 0x2000, file_offset: 0 }]);
    }

    #[test]
    fn executables_stay_and_the_program_of_the_image_comes_first() {
        let mut rootfs = RootFs::new();
        put(&mut rootfs, "bin/a", elf(EXEC, 0x40_0000, 0x5000, None));
        let program = put(&mut rootfs, "bin/b", elf(EXEC, 0x40_1000, 0x2000, None));
        put(&mut rootfs, "bin/c", elf(EXEC, 0x20_0000, 0x1000, None));
        put(&mut rootfs, "bin/d", elf(DYN, 0, 0x1000, None));
        // Does not fit below 0x40_0000, and `a` reaches to 0x40_5000.
        put(&mut rootfs, "bin/e", elf(DYN, 0, 0x20_0000, None));
        let homes = Homes::assign(&rootfs, Some(program));
        let expected =
            [("bin/b", 0x40_1000), ("bin/a", 0x40_0000), ("bin/c", 0x20_0000), ("bin/d", 0x20_1000), ("bin/e", 0x40_5000)];
        assert_eq!(bases(&homes), expected.map(|(path, base)| (path.to_owned(), base)));
        assert_eq!(overlays(&homes), [1, 2, 0, 0, 0]);
        assert!(homes.homeless.is_empty());
        assert_eq!(homes.numbers().get(&program), Some(&0));
    }

    #[test]
    fn a_hard_link_is_one_file() {
        let mut rootfs = RootFs::new();
        let inode = put(&mut rootfs, "lib/z.so", elf(DYN, 0, 0x1000, None));
        rootfs.link(InodeId::ROOT, b"a.so", inode).expect("a link");
        let homes = Homes::assign(&rootfs, None);
        assert_eq!(bases(&homes), [("a.so".into(), 0x20_0000)]);
    }

    /// Any byte may lie: whatever is in the headers, homes do not overlap and nothing panics.
    #[test]
    fn damaged_headers_do_no_harm() {
        let good = elf(DYN, 0, 0x1000, Some("/lib/ld.so"));
        for at in 0..64 + 2 * 56 {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut rootfs = RootFs::new();
                let mut bytes = good.clone();
                bytes[at] = byte;
                put(&mut rootfs, "a", bytes);
                put(&mut rootfs, "b", good.clone());
                let homes = Homes::assign(&rootfs, None);
                let own = homes.homes.iter().filter(|home| home.overlay == 0);
                let mut ranges: Vec<(u32, u32)> = own.map(|home| (home.base, home.manifest().span)).collect();
                ranges.sort();
                assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "byte {at} = {byte}");
                assert!(ranges.iter().all(|(base, span)| base + span <= homes.first_free || *base < FIRST as u32));
            }
        }
    }
}
