//! The root filesystem of an image, from layers to ROM.
//!
//! In the order data flows:
//!
//! | module | where | what |
//! | --- | --- | --- |
//! | [`node`] | everywhere | inode numbers, kinds, attributes, as stat(2) names them |
//! | [`name`] | everywhere | which bytes may be a file name, a link target, an extended attribute |
//! | `content` | host | a file's bytes, in memory or in a spool file |
//! | `tree` | host | [`RootFs`](tree::RootFs): the filesystem as a value that layers are applied to |
//! | `pack` | host | `RootFs` → ROM |
//! | [`layout`] | everywhere | the ROM's records: the one place where packer and reader meet |
//! | [`read`] | everywhere | the ROM, read record by record where it lies |
//!
//! Invariants: nothing here knows file descriptors, tasks or Wasm; the reader copies only the records
//! it is asked for and believes none of them; the same tree packs to the same bytes.

#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod layout;
pub mod name;
pub mod node;
pub mod read;

#[cfg(feature = "std")]
pub mod content;
#[cfg(feature = "std")]
pub mod pack;
#[cfg(feature = "std")]
pub mod tree;

pub use layout::Extent;
pub use node::{Attrs, Device, InodeId, Kind, Meta, Timestamp};
pub use read::{OutOfRange, Rom, RomError, Source};
#[cfg(feature = "std")]
pub use {
    content::Content,
    pack::{PackError, Packed, pack},
    tree::{Inode, Node, RootFs, TreeError},
};
