//! The meaning of x86-64, once: decoded instructions ([`iced_x86`]) → [`ir`], and an interpreter of that IR.
//!
//! `no_std`, because the kernel inside the component interprets with it what was not lifted. The lifter on the host uses
//! the same meaning and turns the IR into Wasm functions.
#![no_std]

extern crate alloc;

pub mod accesses;
pub mod boundary;
pub mod builder;
pub mod decode;
pub mod flags;
pub mod form;
pub mod helper;
pub mod helpers;
pub mod interpreter;
pub mod ir;
pub mod manifest;
pub mod ops;
mod print;
pub mod processor;
pub mod reg;
pub mod run_options;
pub mod semantics;
pub mod state;
pub mod undefined;
pub mod vector;
pub mod verify;

pub use iced_x86;
