//! Which function each piece of code belongs to.
//!
//! A piece is a contiguous range: a known extent, or in a gap between those from one function start to the next. As a rule a piece is a function.
//! A piece that only jumps from one other function lead to, by other ways than a tail call, is that function's cold part (gcc's `.cold`, for
//! example): both become one function, since control inside a function is cheap and between functions is not.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{CALLED, LEADER, LEN};
use super::explore::{Crossing, Explorer};

/// A contiguous range of code of one function.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub start: u32,
    pub end: u32,
    /// Index of the piece that begins with the function's entry.
    pub root: usize,
    /// Nothing is known to call or mention its start, so it may be a part of another function.
    pub part: bool,
}

/// What is known of references, to decide which pieces must be functions of their own.
pub(super) struct References<'a> {
    /// Addresses that data or instructions mention.
    pub pointers: &'a BTreeSet<u32>,
    /// Jumps through tables and ways to landing pads: (from, to), besides the direct jumps.
    pub edges: &'a [(u32, u32)],
    /// Starts that cut a function because it has too many blocks.
    pub cuts: &'a BTreeSet<u32>,
}

pub(super) struct Layout {
    pub pieces: Vec<Piece>,
    /// Root → pieces, in ascending order, the root among them.
    pub functions: BTreeMap<usize, Vec<usize>>,
}

impl Layout {
    pub fn new(explorer: &Explorer, references: &References) -> Layout {
        let mut layout = Layout { pieces: pieces(explorer, references.cuts), functions: BTreeMap::new() };
        layout.merge(explorer, references);
        for index in 0..layout.pieces.len() {
            let root = layout.root(index);
            layout.pieces[index].root = root;
            layout.functions.entry(root).or_default().push(index);
        }
        layout
    }

    /// Index of the piece that has this pc.
    pub fn find(&self, pc: u32) -> Option<usize> {
        let after = self.pieces.partition_point(|piece| piece.start <= pc);
        let index = after.checked_sub(1)?;
        (pc < self.pieces[index].end).then_some(index)
    }

    /// Index of the root of the function that has this pc.
    pub fn function(&self, pc: u32) -> Option<usize> {
        self.find(pc).map(|piece| self.pieces[piece].root)
    }

    pub fn entry(&self, function: usize) -> u32 {
        self.pieces[function].start
    }

    pub fn ranges(&self, function: usize) -> impl Iterator<Item = Piece> {
        self.functions.get(&function).into_iter().flatten().map(|piece| self.pieces[*piece])
    }

    /// Follows roots to the end, while they are being merged.
    fn root(&self, mut index: usize) -> usize {
        while self.pieces[index].root != index {
            index = self.pieces[index].root;
        }
        index
    }

    fn merge(&mut self, explorer: &Explorer, references: &References) {
        let elf = explorer.elf;
        let named = |start| match elf.symbols.binary_search_by_key(&start, |symbol| symbol.address) {
            Ok(at) => !elf.symbols[at].name.contains(".cold"),
            Err(_) => elf.stubs.contains_key(&start) || elf.entry == Some(start),
        };
        for extent in explorer.extents.iter() {
            let start = extent.start;
            let referred = explorer.code.marks(start) & CALLED != 0 || references.pointers.contains(&start);
            if referred || named(start) || references.cuts.contains(&start) {
                continue;
            }
            if let Some(piece) = self.find(start).filter(|piece| self.pieces[*piece].start == start) {
                self.pieces[piece].part = true;
            }
        }
        // Pieces that edges come from, for the pieces that may be parts.
        let mut sources: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        // Pieces whose edges are more than tail calls: to or from the middle of another, or on a condition.
        let mut joined = vec![false; self.pieces.len()];
        let tables = references.edges.iter().map(|&(from, to)| Crossing { from, to, conditional: true });
        for crossing in explorer.crossings.iter().copied().chain(tables) {
            let (Some(from), Some(to)) = (self.find(crossing.from), self.find(crossing.to)) else { continue };
            if from == to {
                continue;
            }
            let middle = crossing.to != self.pieces[to].start;
            joined[from] |= middle;
            joined[to] |= middle || crossing.conditional;
            if self.pieces[to].part {
                sources.entry(to).or_default().insert(from);
            }
        }
        sources.retain(|piece, _| joined[*piece]);
        loop {
            let mut changed = false;
            for (&piece, sources) in &sources {
                if self.pieces[piece].root != piece {
                    continue;
                }
                let mut roots = sources.iter().map(|source| self.root(*source)).filter(|root| *root != piece);
                if let Some(first) = roots.next()
                    && roots.all(|root| root == first)
                {
                    self.pieces[piece].root = first;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }
}

fn pieces(explorer: &Explorer, cuts: &BTreeSet<u32>) -> Vec<Piece> {
    // Starts with the end, where it is known.
    let mut starts: Vec<(u32, Option<u32>)> = explorer.extents.iter().map(|extent| (extent.start, Some(extent.end))).collect();
    starts.extend(explorer.gap_starts.iter().map(|start| (*start, None)));
    for &cut in cuts {
        starts.push((cut, explorer.extents.find(cut).map(|extent| extent.end)));
    }
    starts.sort_unstable_by_key(|(start, end)| (*start, end.is_none()));
    starts.dedup_by_key(|(start, _)| *start);
    let mut pieces = Vec::with_capacity(starts.len());
    let mut push = |start: u32, end: u32| {
        if start < end {
            pieces.push(Piece { start, end, root: 0, part: false });
        }
    };
    for region in &explorer.code.regions {
        let first = starts.partition_point(|(start, _)| *start < region.start);
        let last = starts.partition_point(|(start, _)| *start < region.end());
        let mut at = region.start;
        for index in first..last {
            let (start, end) = starts[index];
            orphan(explorer, at, start).into_iter().for_each(|orphan| push(orphan, start));
            let next = if index + 1 < last { starts[index + 1].0 } else { region.end() };
            at = end.map_or(next, |end| end.min(next));
            push(start, at);
        }
        orphan(explorer, at, region.end()).into_iter().for_each(|orphan| push(orphan, region.end()));
    }
    for (index, piece) in pieces.iter_mut().enumerate() {
        piece.root = index;
    }
    pieces
}

/// The first block in a range that no function has.
fn orphan(explorer: &Explorer, start: u32, end: u32) -> Option<u32> {
    let marks = explorer.code.slice(start, end);
    let at = marks.iter().position(|marks| marks & LEADER != 0 && marks & LEN != 0)?;
    Some(start + at as u32)
}
