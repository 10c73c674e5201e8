//! A machine in ordinary memory, one for each thread, so that tests run side by side.

use std::cell::RefCell;

use hoist_x86::boundary::NULL_PAGE;
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;

/// Bytes of a Wasm page.
const WASM_PAGE: usize = 1 << 16;

#[derive(Default)]
struct Machine {
    user: Vec<u8>,
    rom: Vec<u8>,
    lifted: Vec<u8>,
    cpu: CpuState,
}

thread_local! {
    static MACHINE: RefCell<Machine> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut Machine) -> R) -> R {
    MACHINE.with_borrow_mut(f)
}

/// A new machine for this thread: no user memory, and this ROM and manifest.
pub fn install(rom: Vec<u8>, lifted: Vec<u8>) {
    with(|machine| *machine = Machine { rom, lifted, ..Machine::default() });
}

/// Index in the user memory. Past its end the caller panics, as Wasm would trap.
fn index(addr: u32) -> usize {
    addr.wrapping_sub(NULL_PAGE) as usize
}

fn load<const N: usize>(addr: u32) -> [u8; N] {
    let mut bytes = [0; N];
    copy_from_user(&mut bytes, addr);
    bytes
}

pub fn load8(addr: u32) -> u32 {
    load::<1>(addr)[0].into()
}
pub fn load16(addr: u32) -> u32 {
    u16::from_le_bytes(load(addr)).into()
}
pub fn load32(addr: u32) -> u32 {
    u32::from_le_bytes(load(addr))
}
pub fn load64(addr: u32) -> u64 {
    u64::from_le_bytes(load(addr))
}
pub fn store8(addr: u32, value: u32) {
    copy_to_user(addr, &[value as u8]);
}
pub fn store16(addr: u32, value: u32) {
    copy_to_user(addr, &(value as u16).to_le_bytes());
}
pub fn store32(addr: u32, value: u32) {
    copy_to_user(addr, &value.to_le_bytes());
}
pub fn store64(addr: u32, value: u64) {
    copy_to_user(addr, &value.to_le_bytes());
}

pub fn copy_from_user(to: &mut [u8], addr: u32) {
    with(|machine| to.copy_from_slice(&machine.user[index(addr)..][..to.len()]));
}

pub fn copy_to_user(addr: u32, from: &[u8]) {
    with(|machine| machine.user[index(addr)..][..from.len()].copy_from_slice(from));
}

pub fn user_copy(to: u32, from: u32, len: u32) {
    let from = index(from);
    with(|machine| machine.user.copy_within(from..from + len as usize, index(to)));
}

pub fn user_fill(addr: u32, byte: u32, len: u32) {
    with(|machine| machine.user[index(addr)..][..len as usize].fill(byte as u8));
}

pub fn user_same(addr: u32, bytes: &[u8]) -> bool {
    with(|machine| machine.user[index(addr)..][..bytes.len()] == *bytes)
}

pub fn user_pages() -> u32 {
    with(|machine| (machine.user.len() / WASM_PAGE) as u32)
}

/// As memory.grow: the old number of pages, or -1.
pub fn user_grow(pages: u32) -> i32 {
    with(|machine| {
        let old = machine.user.len() / WASM_PAGE;
        let new = old + pages as usize;
        if new > 0xffff {
            return -1;
        }
        machine.user.resize(new * WASM_PAGE, 0);
        old as i32
    })
}

pub fn rom_len() -> u32 {
    with(|machine| machine.rom.len() as u32)
}

pub fn rom_to_user(addr: u32, offset: u32, len: u32) {
    with(|machine| {
        let from = &machine.rom[offset as usize..][..len as usize];
        machine.user[index(addr)..][..len as usize].copy_from_slice(from);
    });
}

pub fn rom_to_kernel(to: &mut [u8], offset: u32) {
    with(|machine| to.copy_from_slice(&machine.rom[offset as usize..][..to.len()]));
}

pub fn lifted_len() -> u32 {
    with(|machine| machine.lifted.len() as u32)
}

pub fn lifted_read(to: &mut [u8], offset: u32) {
    with(|machine| to.copy_from_slice(&machine.lifted[offset as usize..][..to.len()]));
}

/// The registers → `cpu`; x87 and the control words stay.
pub fn cpu_save(cpu: &mut CpuState) {
    with(|machine| (cpu.int, cpu.vector, cpu.flags) = (machine.cpu.int, machine.cpu.vector, machine.cpu.flags));
}

pub fn cpu_load(cpu: &CpuState) {
    with(|machine| (machine.cpu.int, machine.cpu.vector, machine.cpu.flags) = (cpu.int, cpu.vector, cpu.flags));
}

/// A register that is no vector.
pub fn get_register(number: u8) -> u64 {
    with(|machine| machine.cpu.get(Reg(number)) as u64)
}

pub fn set_register(number: u8, value: u64) {
    with(|machine| machine.cpu.set(Reg(number), value.into()));
}

/// There is no lifted code here: the interpreter goes on at once.
pub fn enter(pc: u32) -> u32 {
    crate::entry::interpret(pc)
}
