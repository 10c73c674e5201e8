//! Which Wasm function a call leads to, over all files of an image.
//!
//! A call to another file goes by a stub of the procedure linkage table, which jumps through a slot that the dynamic loader fills. What it
//! fills in is nearly always what the image shows: the function of that name. So such a call compares the slot with the address that is expected and
//! then calls that function itself; the stub is for when something else is there (not bound yet, LD_PRELOAD, a resolver's choice).

use std::collections::BTreeMap;

use crate::elf::{Elf, Stored};

/// What a function must know of the others.
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

impl Callees {
    /// Finds the links of all `files`, whose functions have Wasm functions as in `functions`, and labels as in `labels`.
    pub fn new(files: &[&Elf<'_>], functions: BTreeMap<u32, u32>, labels: BTreeMap<u32, u32>) -> Callees {
        let mut exports = BTreeMap::new();
        for elf in files {
            for (&name, &address) in &elf.exports {
                exports.entry(name).or_insert(address);
            }
        }
        let mut links = BTreeMap::new();
        for elf in files {
            for (&pc, stub) in &elf.stubs {
                let Some(Stored::Symbol { name, value }) = elf.relocation(stub.slot).map(|relocation| relocation.stored) else {
                    continue;
                };
                let target = value.filter(|value| functions.contains_key(value)).or_else(|| exports.get(name).copied());
                let function = target.and_then(|target| functions.get(&target));
                if let (Some(target), Some(&function)) = (target, function) {
                    links.insert(pc, Link { slot: stub.slot, target, function });
                }
            }
        }
        Callees { functions, labels, links }
    }
}
