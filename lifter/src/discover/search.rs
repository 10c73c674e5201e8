//! The order in which discovery's sources are asked: the surest first, and after each, everything that follows from it.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::Mnemonic;

use super::assemble;
use super::code::{CALLED, LEN};
use super::explore::Explorer;
use super::layout::{Layout, Piece, References};
use super::pointers::{self, Pointer};
use super::sweep;
use super::tables::{Finder, Jump};
use super::values::Values;
use super::view::{View, Ways};
use super::{JumpTable, Program, TableEntry};
use crate::elf::Elf;

/// Rounds of finding tables and exploring where they lead; real programs need few.
const ROUNDS: usize = 24;

pub(super) struct Search<'a> {
    elf: &'a Elf<'a>,
    explorer: Explorer<'a>,
    /// Words of data that hold addresses of code, by target.
    pointers: Vec<Pointer>,
    /// Code that something refers to, as far as it was asked yet: target → words of data; `None` = an instruction or the loader.
    referred: BTreeMap<u32, Vec<Option<u32>>>,
    landing_pads: BTreeSet<u32>,
    /// (function, landing pad).
    landing_edges: Vec<(u32, u32)>,
    tables: BTreeMap<u32, JumpTable>,
    /// Indirect jumps that look like a switch without a known table.
    unknown: BTreeSet<u32>,
    /// Jumps whose table was believed until code turned up from where another one arrives. That code may only be reached by
    /// way of the table, so believing it again would go round in circles.
    distrusted: BTreeSet<u32>,
    /// What unknown jumps may lead to.
    guesses: BTreeSet<u32>,
    /// Where tables and other data begin, as far as instructions refer to them.
    data: BTreeSet<u32>,
    /// What was last seen of each function with indirect jumps: unchanged functions need no second look.
    seen: BTreeMap<u32, u64>,
    /// The same for guesses.
    guessed: BTreeMap<u32, u64>,
}

impl<'a> Search<'a> {
    pub fn new(elf: &'a Elf<'a>) -> Search<'a> {
        let landing_edges: Vec<(u32, u32)> =
            elf.unwind.iter().flat_map(|entry| entry.landing_pads.iter().map(|pad| (entry.start, *pad))).collect();
        Search {
            elf,
            explorer: Explorer::new(elf),
            pointers: pointers::find(elf),
            referred: BTreeMap::new(),
            landing_pads: landing_edges.iter().map(|(_, pad)| *pad).collect(),
            landing_edges,
            tables: BTreeMap::new(),
            unknown: BTreeSet::new(),
            distrusted: BTreeSet::new(),
            guesses: BTreeSet::new(),
            data: BTreeSet::new(),
            seen: BTreeMap::new(),
            guessed: BTreeMap::new(),
        }
    }

    pub fn run(mut self) -> Program {
        self.known_starts();
        self.follow_tables();
        self.follow_hints();
        sweep::sweep(&mut self.explorer);
        self.follow_tables();
        self.follow_hints();

        let mut cuts = BTreeSet::new();
        let (layout, labels) = loop {
            let layout = self.layout(&cuts);
            let mut labels = self.labels(&layout);
            labels.extend(&self.landing_pads);
            let more = assemble::cuts(&self.explorer, &layout, &labels);
            let before = cuts.len();
            cuts.extend(more);
            if cuts.len() == before {
                break (layout, labels);
            }
        };
        let mut program = assemble::assemble(&self.explorer, &layout, &self.tables, &labels);
        program.stats.cut = cuts.len();
        program.stats.jumps_without_table = self.unknown.len();
        let indirect = self.explorer.stub_jumps + self.explorer.indirect_jumps.len();
        program.stats.other_indirect_jumps = indirect - self.tables.len() - self.unknown.len();
        program
    }

    /// What the file itself says to be functions.
    fn known_starts(&mut self) {
        let extents: Vec<u32> = self.explorer.extents.iter().map(|extent| extent.start).collect();
        extents.into_iter().for_each(|start| self.explorer.push_function(start));
        for &start in self.elf.entry.iter().chain(&self.elf.initializers) {
            if self.elf.is_code(start) {
                self.explorer.push_function(start);
                self.referred.insert(start, vec![None]);
            }
        }
        for pad in &self.landing_pads {
            self.explorer.push(*pad);
        }
        self.explorer.drain();
    }

    /// Finds jump tables and explores where they lead, until nothing new turns up.
    fn follow_tables(&mut self) {
        for _ in 0..ROUNDS {
            let layout = self.layout(&BTreeSet::new());
            if !self.find_tables(&layout) {
                return;
            }
            self.explorer.drain();
        }
        // Not settled: what the last round believed was not believed on the whole graph.
        self.tables.clear();
    }

    /// Pointers, then guesses, which may lead to code with further pointers.
    fn follow_hints(&mut self) {
        for _ in 0..ROUNDS {
            self.follow_pointers();
            if !self.follow_guesses() {
                return;
            }
        }
    }

    /// Explores what data and instructions refer to.
    fn follow_pointers(&mut self) {
        let mut pointers: Vec<(u32, Option<u32>)> =
            self.pointers.iter().map(|pointer| (pointer.target, Some(pointer.place))).collect();
        for _ in 0..ROUNDS {
            pointers.extend(self.explorer.references.drain(..).map(|target| (target, None)));
            pointers.sort_unstable();
            pointers.dedup();
            let mut new = false;
            for (target, place) in pointers.drain(..) {
                if let Some(words) = self.referred.get_mut(&target) {
                    words.push(place);
                    continue;
                }
                if self.admit(target) {
                    self.referred.insert(target, vec![place]);
                    new = true;
                }
            }
            if !new {
                return;
            }
            self.follow_tables();
        }
    }

    /// Explores the code that something refers to. `false` if it does not look like code.
    fn admit(&mut self, target: u32) -> bool {
        let found = self.explorer.code.marks(target) & LEN != 0;
        if !found && !self.explorer.is_plausible(target) {
            return false;
        }
        if found {
            self.explorer.push(target);
        } else {
            self.explorer.push_function(target);
        }
        self.explorer.drain();
        true
    }

    /// In functions with a jump that could go anywhere: what it may lead to. That is where tables lead whose entries are loaded far
    /// from the jump, whatever looks like a table that the function refers to, and code of the function that nothing leads to.
    /// `true` if there was anything new.
    fn follow_guesses(&mut self) -> bool {
        for round in 0..ROUNDS {
            if !self.guess() {
                return round > 0;
            }
            self.follow_tables();
        }
        true
    }

    /// `true` if there is something new to explore.
    fn guess(&mut self) -> bool {
        let layout = self.layout(&BTreeSet::new());
        let labels = self.labels(&layout);
        let unresolved = self.explorer.indirect_jumps.iter().filter(|pc| !self.tables.contains_key(pc));
        let unresolved = unresolved.filter(|pc| self.explorer.jumps_to_register(**pc));
        let functions: BTreeSet<usize> = unresolved.filter_map(|pc| layout.function(*pc)).collect();
        let before = self.guesses.len();
        for function in functions {
            let digest = self.digest(&layout, function, &labels);
            if self.guessed.insert(layout.entry(function), digest) == Some(digest) {
                continue;
            }
            let guesses = self.guesses_of(&layout, function, &labels);
            self.add_guesses(guesses);
            for piece in layout.ranges(function) {
                let known = self.explorer.extents.find(piece.start).is_some();
                while known && self.add_guesses(sweep::holes(&self.explorer, piece.start, piece.end)) {}
            }
        }
        self.guesses.len() != before
    }

    /// Explores guesses. `true` if one is new.
    fn add_guesses(&mut self, guesses: BTreeSet<u32>) -> bool {
        let before = self.guesses.len();
        for guess in guesses {
            self.explorer.push(guess);
            self.guesses.insert(guess);
        }
        self.explorer.drain();
        self.guesses.len() != before
    }

    fn guesses_of(&self, layout: &Layout, function: usize, labels: &BTreeSet<u32>) -> BTreeSet<u32> {
        let pieces: Vec<Piece> = layout.ranges(function).collect();
        let view = self.view(layout, function, labels);
        let known: BTreeSet<u32> = self.tables.values().map(|table| table.address).collect();
        let finder = Finder { elf: self.elf, code: &self.explorer.code, layout, data: &self.data };
        let mut guesses = BTreeSet::new();
        for instr in view.instrs.iter().filter(|instr| instr.is_ip_rel_memory_operand()) {
            let Ok(address) = u32::try_from(instr.ip_rel_memory_address()) else { continue };
            if instr.mnemonic() == Mnemonic::Lea && !known.contains(&address) {
                guesses.extend(finder.guess(address, &pieces));
            }
        }
        if let Some(mut values) = Values::new(self.elf, &view) {
            for node in 0..view.nodes.len() {
                if !self.tables.contains_key(&(view.last(node).ip() as u32)) {
                    guesses.extend(finder.loose_targets(&view, &mut values, node, &pieces));
                }
            }
        }
        guesses
    }

    fn layout(&self, cuts: &BTreeSet<u32>) -> Layout {
        let pointers = self.pointers_left();
        let mut edges = self.landing_edges.clone();
        edges.extend(self.tables.iter().flat_map(|(pc, table)| table.targets.iter().map(|target| (*pc, *target))));
        Layout::new(&self.explorer, &References { pointers: &pointers, edges: &edges, cuts })
    }

    fn view(&self, layout: &Layout, function: usize, labels: &BTreeSet<u32>) -> View {
        let ways = Ways { labels, landing_pads: &self.landing_pads, tables: &self.tables };
        View::new(&self.explorer.code, layout.ranges(function), layout.entry(function), &ways, self.elf.go)
    }

    /// Looks for a table at each indirect jump of the functions that changed. `true` if anything is new.
    fn find_tables(&mut self, layout: &Layout) -> bool {
        let mut functions: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
        for &pc in &self.explorer.indirect_jumps {
            if let Some(function) = layout.function(pc) {
                functions.entry(function).or_default().insert(pc);
            }
        }
        self.data.extend(self.explorer.data_references.drain(..));
        let labels = self.labels(layout);
        let mut found = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for (function, jumps) in functions {
            let digest = self.digest(layout, function, &labels);
            if self.seen.insert(layout.entry(function), digest) == Some(digest) {
                for pc in jumps {
                    found.extend(self.tables.get(&pc).map(|table| (pc, table.clone())));
                    unknown.extend(self.unknown.get(&pc));
                }
                continue;
            }
            let pieces: Vec<Piece> = layout.ranges(function).collect();
            let view = self.view(layout, function, &labels);
            let finder = Finder { elf: self.elf, code: &self.explorer.code, layout, data: &self.data };
            let Some(mut values) = Values::new(self.elf, &view) else { continue };
            for node in 0..view.nodes.len() {
                let pc = view.last(node).ip() as u32;
                if !jumps.contains(&pc) {
                    continue;
                }
                match finder.jump(&view, &mut values, node, &pieces) {
                    Jump::Table(_) if self.distrusted.contains(&pc) => {
                        unknown.insert(pc);
                    }
                    Jump::Table(table) => {
                        found.insert(pc, table);
                    }
                    Jump::Unknown => {
                        unknown.insert(pc);
                    }
                    Jump::Other => {}
                }
            }
        }
        let new = self.compare(&mut found);
        self.tables = found;
        self.unknown = unknown;
        for target in self.tables.values().flat_map(|table| &table.targets) {
            self.explorer.push(*target);
        }
        new
    }

    /// Compares new tables with those from before: a jump must not lead to ever other tables. `true` if anything is new.
    fn compare(&mut self, found: &mut BTreeMap<u32, JumpTable>) -> bool {
        let mut new = found.keys().any(|pc| !self.tables.contains_key(pc));
        for (pc, old) in &self.tables {
            match found.get_mut(pc) {
                Some(table) if (table.address, table.entry) == (old.address, old.entry) => {
                    // Other ways to the jump can hide its bound; what was read stays read.
                    if table.targets.len() < old.targets.len() {
                        table.targets.clone_from(&old.targets);
                    }
                    new |= table != old;
                }
                _ => {
                    found.remove(pc);
                    self.distrusted.insert(*pc);
                    self.guesses.extend(&old.targets);
                    new = true;
                }
            }
        }
        new
    }

    /// A number that changes when a function's graph does.
    fn digest(&self, layout: &Layout, function: usize, labels: &BTreeSet<u32>) -> u64 {
        // FNV-1a.
        let mut digest = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |value: u64| digest = (digest ^ value).wrapping_mul(0x0100_0000_01b3);
        for piece in layout.ranges(function) {
            add(u64::from(piece.start));
            for marks in self.explorer.code.slice(piece.start, piece.end) {
                add(u64::from(*marks & !CALLED));
            }
            for label in labels.range(piece.start..piece.end) {
                add(u64::from(*label));
            }
            for (pc, table) in self.tables.range(piece.start..piece.end) {
                add(u64::from(*pc) << 32 | table.targets.len() as u64);
            }
        }
        digest
    }

    /// Code that something refers to besides the tables that are understood.
    fn pointers_left(&self) -> BTreeSet<u32> {
        let mut table_words: Vec<(u32, u32)> = self
            .tables
            .values()
            .filter(|table| table.entry == TableEntry::Address)
            .map(|table| (table.address, table.address + table.targets.len() as u32 * 8))
            .collect();
        table_words.sort_unstable();
        let in_table = |word: u32| {
            let after = table_words.partition_point(|(start, _)| *start <= word);
            after > 0 && word < table_words[after - 1].1
        };
        let referred = self.referred.iter().filter(|(_, words)| !words.iter().all(|word| word.is_some_and(in_table)));
        referred.map(|(target, _)| *target).collect()
    }

    /// Block starts that control may reach from outside their function, or in ways that are not known; without landing pads.
    fn labels(&self, layout: &Layout) -> BTreeSet<u32> {
        let mut labels = self.pointers_left();
        labels.extend(&self.guesses);
        let jumps = self.tables.iter().flat_map(|(pc, table)| table.targets.iter().map(|target| (*pc, *target)));
        let crossings = self.explorer.crossings.iter().map(|crossing| (crossing.from, crossing.to));
        for (from, to) in crossings.chain(jumps) {
            if layout.function(from) != layout.function(to) {
                labels.insert(to);
            }
        }
        for piece in &layout.pieces {
            let marks = self.explorer.code.slice(piece.start, piece.end);
            labels.extend((0..marks.len()).filter(|at| marks[*at] & CALLED != 0).map(|at| piece.start + at as u32));
        }
        labels
    }
}
