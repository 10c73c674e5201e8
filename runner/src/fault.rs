//! A bad access of lifted code is a trap: the component is done for, the machine that it is need not be. Its kernel is asked to go on without
//! the process that made the access, as Linux would.
//!
//! A trap unwinds the guest's Wasm frames and leaves globals and memories as they are. All guest state is there but what the functions that
//! trapped had in locals, so it is good enough to go on with the next process, or a signal's handler. The component model does not let
//! anybody into a component that has trapped, so the kernel is entered by way of its core instance.

use hoist_x86::accesses::{self, Accesses};
use hoist_x86::boundary::{NULL_PAGE, export};
use wasmtime::{AsContextMut, FrameInfo, Instance, Store, TypedFunc, WasmCoreDump};
use wasmtime_wasi::I32Exit;

use crate::trap::Trap;

/// The kernel's function.
type Fault = TypedFunc<(i64, i64, i32), i64>;

/// Goes on after a trap, to the end: the exit status.
///
/// # Errors
/// What the trap means, if the kernel does not know how to go on.
pub fn mend<T: 'static>(store: &mut Store<T>, mut error: wasmtime::Error, accesses: &dyn Fn() -> Vec<u8>) -> Result<u8, Trap> {
    let mut table = None;
    loop {
        let is_fault = matches!(error.downcast_ref(), Some(wasmtime::Trap::MemoryOutOfBounds));
        let dump = error.downcast_ref::<WasmCoreDump>().filter(|_| is_fault);
        let Some((kernel, frame)) = dump.and_then(|dump| Some((kernel(store, dump.instances())?, dump.frames().first()?))) else {
            return Err(Trap::new(error));
        };
        let (pc, unknown) = place(table.get_or_insert_with(accesses), frame);
        let address = address(&error).map_or(-1, i64::from);
        match kernel.call(store.as_context_mut(), (address, pc.map_or(-1, i64::from), unknown.into())) {
            Ok(code) => return u8::try_from(code).map_err(|_| Trap::new(error)),
            Err(next) => match next.downcast_ref::<I32Exit>() {
                Some(exit) => return Ok(exit.0 as u8),
                None => error = next,
            },
        }
    }
}

/// The kernel's entrance among all instances.
fn kernel<T: 'static>(store: &mut Store<T>, instances: &[Instance]) -> Option<Fault> {
    instances.iter().find_map(|instance| instance.get_typed_func(store.as_context_mut(), export::FAULT).ok())
}

/// The instruction that a frame of the guest stands at, and the general-purpose registers that are not in their globals.
fn place(table: &[u8], frame: &FrameInfo) -> (Option<u32>, u16) {
    let Some(Accesses { written, list, .. }) = accesses::find(table, frame.func_index()) else { return (None, u16::MAX) };
    // Of a load that the host's compiler has made an operand of the instruction behind it, the offset is that instruction's.
    let reached = frame.func_offset().map_or(0, |offset| list.partition_point(|access| access.offset as usize <= offset));
    (reached.checked_sub(1).map(|index| list[index].pc), written)
}

/// The guest address that was accessed.
///
/// wasmtime's type of this cause is not public; what it says is. (memory.copy and memory.fill do not say it.)
fn address(error: &wasmtime::Error) -> Option<u32> {
    const BEFORE: &str = "wasm address 0x";
    error.chain().find_map(|cause| {
        let text = cause.to_string();
        let digits = text.split_once(BEFORE)?.1.split(|c: char| !c.is_ascii_hexdigit()).next()?;
        Some((u64::from_str_radix(digits, 16).ok()? as u32).wrapping_add(NULL_PAGE))
    })
}
