//! The Linux kernel inside the component.
//!
//! | module | what |
//! | --- | --- |
//! | [`entry`] | how control comes in: from the host, from lifted code, from the interpreter; the dispatcher |
//! | [`options`], [`boot`] | the host's arguments and the image's config → the first process |
//! | [`kernel`], [`process`], [`task`] | the state |
//! | [`call`] | the way of a system call through the kernel |
//! | [`sched`] | which task runs |
//! | [`syscall`] | the calls: a table, and a file a family |
//! | [`fork`], [`exit`], [`robust`] | how processes begin and end, and what becomes of their locks |
//! | [`exec`], [`elf`], [`stack`] | execve(2) |
//! | [`mm`], [`code_map`] | the address space; which lifted code is good where |
//! | [`terminal`] | what terminals have to do with processes |
//! | [`ipc`] | what processes share by number |
//! | [`fault`], [`backtrace`], [`symbols`] | bad accesses, and what is said of them and of other ends |
//! | [`nans`] | whether the host's floating point is x86's |
//! | [`signal`], [`timer`], [`cred`], [`limits`] | what their names say |
//! | [`fs`] | files |
//! | [`heap`], [`oom`] | the kernel's own memory, and when there is no more |
//! | [`user`], [`rom`], [`cpu`] over [`machine`] | guest memory, ROM and manifest, registers; natively a stand-in |
//! | [`wasi`] | the host |
//!
//! Invariants: only [`wasi`] imports WASI; guest memory is reached through [`user`] alone; everything but [`wasi`] and a few lines of
//! [`machine`], [`code_map`] and [`entry`] is the same natively, where it is tested.

pub mod backtrace;
pub mod boot;
pub mod call;
pub mod code_map;
pub mod cpu;
pub mod cred;
pub mod elf;
pub mod entry;
pub mod errno;
pub mod exec;
pub mod exit;
pub mod fault;
pub mod fork;
pub mod fs;
pub mod heap;
pub mod ipc;
pub mod kernel;
pub mod limits;
pub mod machine;
pub mod mm;
pub mod nans;
pub mod oom;
pub mod options;
pub mod process;
pub mod robust;
pub mod rom;
pub mod sched;
pub mod signal;
pub mod stack;
pub mod symbols;
pub mod syscall;
pub mod task;
pub mod terminal;
pub mod timer;
pub mod user;
pub mod wasi;
