//! Which Wasm function a call leads to, over all files of an image.
//!
//! A call to another file goes by a stub of the procedure linkage table, which jumps through a slot that the dynamic loader fills. What it
//! fills in is nearly always what the image shows: the function of that name. So such a call compares the slot with the address that is expected and
//! then calls that function itself; the stub is for when something else is there (not bound yet, LD_PRELOAD, a resolver's choice).

use std::collections::{BTreeMap, BTreeSet};

use crate::elf::{Elf, Stored};

/// What a function must know of the others: those at its addresses' overlay ([`crate::lift::File::overlay`]).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Callees {
    /// Guest address of an entry → Wasm function index.
    pub functions: BTreeMap<u32, u32>,
    /// Guest address of a label → Wasm function index of the function that it is in.
    pub labels: BTreeMap<u32, u32>,
    /// Guest address of a stub → where it probably leads.
    pub links: BTreeMap<u32, Link>,
}

/// Where a stub probably leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// Guest address of the slot.
    pub slot: u32,
    /// What the slot is expected to hold: a guest address, the entry of the Wasm function `function`.
    pub target: u32,
    pub function: u32,
}

/// Finds the links of all `files`, each with its overlay. `callees` has the functions of each overlay.
pub fn link(callees: &mut BTreeMap<u32, Callees>, files: &[(u32, &Elf<'_>)]) {
    let exports = Exports::new(files);
    let mut links = BTreeMap::new();
    for &(overlay, elf) in files {
        let functions = |overlay| callees.get(&overlay).map(|callees: &Callees| &callees.functions);
        for (&pc, stub) in &elf.stubs {
            let Some(Stored::Symbol { name, value }) = elf.relocation(stub.slot).map(|relocation| relocation.stored) else {
                continue;
            };
            let own = value.filter(|value| functions(overlay).is_some_and(|functions| functions.contains_key(value)));
            let found = own.map(|value| (overlay, value)).or_else(|| exports.find(overlay, name));
            let function = found.and_then(|(overlay, target)| functions(overlay)?.get(&target));
            if let (Some((_, target)), Some(&function)) = (found, function) {
                links.insert((overlay, pc), Link { slot: stub.slot, target, function });
            }
        }
    }
    for ((overlay, pc), link) in links {
        callees.entry(overlay).or_default().links.insert(pc, link);
    }
}

/// Where the dynamic loader finds a name: the first file that has it.
struct Exports<'a> {
    /// In files that share no addresses.
    shared: BTreeMap<&'a str, u32>,
    /// In the others, which are programs: what a library asks of the one that loads it.
    programs: BTreeMap<&'a str, (u32, u32)>,
}

impl<'a> Exports<'a> {
    fn new(files: &[(u32, &Elf<'a>)]) -> Exports<'a> {
        let (mut shared, mut programs) = (BTreeMap::new(), BTreeMap::new());
        // A slot with that address would not tell which of the programs runs.
        let (mut seen, mut ambiguous) = (BTreeSet::new(), BTreeSet::new());
        for &(overlay, elf) in files {
            for (&name, &address) in &elf.exports {
                if overlay == 0 {
                    shared.entry(name).or_insert(address);
                } else if seen.insert((name, address)) {
                    programs.entry(name).or_insert((overlay, address));
                } else {
                    ambiguous.insert((name, address));
                }
            }
        }
        programs.retain(|&name, &mut (_, address)| !ambiguous.contains(&(name, address)));
        Exports { shared, programs }
    }

    /// The overlay and the address of what a file of an overlay asks for.
    fn find(&self, overlay: u32, name: &str) -> Option<(u32, u32)> {
        let shared = self.shared.get(name).map(|&address| (0, address));
        shared.or_else(|| self.programs.get(name).copied().filter(|_| overlay == 0))
    }
}
