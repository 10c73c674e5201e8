//! The Wasm back end: the instruction as a lifted function, run by wasmtime.

use std::cell::RefCell;

use hoist_lifter::discover::Function;
use hoist_lifter::elf::Elf;
use hoist_lifter::wasm::layout::{Layout, Lifted as LiftedCode, LiftedFunction};
use hoist_lifter::{module, opt, ssa, translate, wasm};
use hoist_x86::boundary::{NULL_PAGE, Vector};
use hoist_x86::helper::Helper;
use hoist_x86::ir::Type;
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;
use wasmtime::{
    AsContext, AsContextMut, Engine, Extern, Func, FuncType, Global, GlobalType, Linker, Memory, MemoryType, Module, Mutability,
    Ref, RefType, Store, Table, TableType, TypedFunc, V128, Val, ValType,
};

use super::native::signal_of;
use super::{CODE, DATA, End, MEMORY_SIZE, SIZE, State};

/// What the imports of lifted code share.
struct Host {
    cpu: CpuState,
    memory: Option<Memory>,
    stopped: Option<End>,
}

/// The code map's first level has four bytes for each page of 4 KiB.
const KERNEL_PAGES: u32 = 1 + (4 << 20) / 65536;

/// An engine with registers and memory; instructions come and go.
pub struct Lifted {
    engine: Engine,
    store: RefCell<Store<Host>>,
    linker: Linker<Host>,
    globals: Vec<Global>,
    memory: Memory,
}

/// One lifted instruction.
pub struct Code(TypedFunc<(i32, i32), i32>);

impl Lifted {
    pub fn new() -> wasmtime::Result<Lifted> {
        let engine = Engine::default();
        let mut store = Store::new(&engine, Host { cpu: CpuState::default(), memory: None, stopped: None });
        let mut linker = Linker::new(&engine);
        let pages = u64::from(super::BASE + SIZE - NULL_PAGE).div_ceil(65536);
        let memory = Memory::new(&mut store, MemoryType::new(pages as u32, None))?;
        // The code map (address in `Layout::alone`) is all zeros: whatever is jumped to or called is slot 0, which goes back with its address.
        let kernel = Memory::new(&mut store, MemoryType::new(KERNEL_PAGES, None))?;
        let stay = Func::wrap(&mut store, |pc: i32, _room: i32| pc);
        let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 1, None), Ref::Func(Some(stay)))?;
        linker.define(&store, "kernel", "user", memory)?;
        linker.define(&store, "kernel", "memory", kernel)?;
        linker.define(&store, "kernel", "table", table)?;
        store.data_mut().memory = Some(memory);
        let globals = registers(&mut store, &mut linker)?;
        functions(&mut store, &mut linker)?;
        Ok(Lifted { engine, store: RefCell::new(store), linker, globals, memory })
    }

    /// Lifts and compiles instructions, many in one module: a module has costs of its own.
    pub fn compile(&self, codes: &[&[u8]]) -> wasmtime::Result<Vec<Code>> {
        let layout = Layout::alone();
        let mut lifted = LiftedCode::default();
        for bytes in codes {
            let file = elf_around(bytes);
            let elf = Elf::parse(&file, 0)?;
            let function = Function { entry: CODE, blocks: [(CODE, CODE + bytes.len() as u32)].into(), ..Function::default() };
            let mut unit = translate::translate(&elf, &function);
            ssa::run(&mut unit, |_| (1 << Reg::COUNT) - 1);
            opt::run(&mut unit);
            wasm::lower(&mut unit);
            let name = format!("form {}", lifted.functions.len());
            lifted.functions.push(LiftedFunction { body: wasm::emit(&unit, &layout, &Default::default()), name });
        }
        let module = Module::new(&self.engine, module::alone(&layout, &lifted))?;
        let mut store = self.store.borrow_mut();
        let instance = self.linker.instantiate(store.as_context_mut(), &module)?;
        lifted
            .functions
            .iter()
            .map(|function| Ok(Code(instance.get_typed_func(store.as_context_mut(), &function.name)?)))
            .collect()
    }

    /// Runs a lifted instruction; `result` is the state afterwards.
    pub fn run(&self, code: &Code, state: &State, result: &mut State) -> wasmtime::Result<End> {
        let mut store = self.store.borrow_mut();
        store.data_mut().stopped = None;
        store.data_mut().cpu.clone_from(&state.cpu);
        for (reg, global) in Reg::all().zip(&self.globals) {
            global.set(store.as_context_mut(), to_val(reg.ty(), state.cpu.get(reg)))?;
        }
        let at = (DATA - NULL_PAGE) as usize;
        self.memory.data_mut(&mut *store)[at..at + MEMORY_SIZE].copy_from_slice(&state.memory);
        let pc = match code.0.call(&mut *store, (0, 1 << 20)) {
            Ok(pc) => pc as u32,
            // An access outside the memory: the kernel would end the guest.
            Err(error) if error.is::<wasmtime::Trap>() => return Ok(End::Signal { signal: libc::SIGSEGV, at: CODE }),
            Err(error) => return Err(error),
        };
        result.cpu.clone_from(&store.data().cpu);
        for (reg, global) in Reg::all().zip(&self.globals) {
            result.cpu.set(reg, from_val(&global.get(&mut *store)));
        }
        result.memory.copy_from_slice(&self.memory.data(store.as_context())[at..at + MEMORY_SIZE]);
        Ok(store.data().stopped.unwrap_or(End::At(pc)))
    }
}

fn registers(store: &mut Store<Host>, linker: &mut Linker<Host>) -> wasmtime::Result<Vec<Global>> {
    Reg::all()
        .map(|reg| {
            let ty = GlobalType::new(val_type(reg.ty()), Mutability::Var);
            let global = Global::new(&mut *store, ty, to_val(reg.ty(), 0))?;
            linker.define(&*store, "register", reg.name(), global)?;
            Ok(global)
        })
        .collect()
}

fn functions(store: &mut Store<Host>, linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let engine = store.engine().clone();
    let stop = FuncType::new(&engine, [ValType::I32, ValType::I32], [ValType::I32]);
    let exception = Func::new(&mut *store, stop.clone(), |mut caller, params, results| {
        let [vector, at] = [0, 1].map(|n| from_val(&params[n]) as u32);
        let vector = Vector::from_number(vector).ok_or_else(|| wasmtime::Error::msg(format!("exception {vector}")))?;
        caller.data_mut().stopped = Some(End::Signal { signal: signal_of(vector), at });
        results[0] = Val::I32(0);
        Ok(())
    });
    linker.define(&*store, "kernel", "exception", Extern::Func(exception))?;
    let interpret = Func::new(&mut *store, stop, |mut caller, _, results| {
        caller.data_mut().stopped = Some(End::Unknown);
        results[0] = Val::I32(0);
        Ok(())
    });
    linker.define(&*store, "kernel", "interpret", Extern::Func(interpret))?;
    linker.func_wrap("kernel", "syscall", |next: i32| next)?;
    for &helper in Helper::ALL {
        let signature = helper.signature();
        let ty = FuncType::new(&engine, signature.params.iter().map(|&ty| val_type(ty)), signature.result.map(val_type));
        let function = Func::new(&mut *store, ty, move |mut caller, params, results| {
            let mut args = [0; 4];
            for (arg, param) in args.iter_mut().zip(params) {
                *arg = from_val(param);
            }
            let memory = caller.data().memory.expect("set at the start");
            let mut cpu = caller.data().cpu.clone();
            let result = helper.call(&mut cpu, &mut UserMemory { caller: &mut caller, memory }, args);
            caller.data_mut().cpu = cpu;
            if let (Some(ty), Some(place)) = (helper.signature().result, results.first_mut()) {
                *place = to_val(ty, result);
            }
            Ok(())
        });
        linker.define(&*store, "helper", helper.name(), Extern::Func(function))?;
    }
    Ok(())
}

/// Guest memory for helpers.
struct UserMemory<'a, C> {
    caller: &'a mut C,
    memory: Memory,
}

impl<C: AsContextMut> hoist_x86::helper::Memory for UserMemory<'_, C> {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        let at = addr.wrapping_sub(NULL_PAGE) as usize;
        self.memory.data(self.caller.as_context()).get(at..at + N).and_then(|b| b.try_into().ok()).unwrap_or([0; N])
    }

    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        let at = addr.wrapping_sub(NULL_PAGE) as usize;
        if let Some(place) = self.memory.data_mut(self.caller.as_context_mut()).get_mut(at..at + N) {
            place.copy_from_slice(&bytes);
        }
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        for i in 0..len {
            let byte = self.load::<1>(from.wrapping_add(i));
            self.store(to.wrapping_add(i), byte);
        }
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        for i in 0..len {
            self.store(to.wrapping_add(i), [byte]);
        }
    }
}

fn val_type(ty: Type) -> ValType {
    match ty {
        Type::I32 => ValType::I32,
        Type::I64 => ValType::I64,
        Type::F32 => ValType::F32,
        Type::F64 => ValType::F64,
        Type::V128 => ValType::V128,
    }
}

fn to_val(ty: Type, bits: u128) -> Val {
    match ty {
        Type::I32 => Val::I32(bits as i32),
        Type::I64 => Val::I64(bits as i64),
        Type::F32 => Val::F32(bits as u32),
        Type::F64 => Val::F64(bits as u64),
        Type::V128 => Val::V128(V128::from(bits)),
    }
}

fn from_val(val: &Val) -> u128 {
    match val {
        Val::I32(v) => (*v as u32).into(),
        Val::I64(v) => (*v as u64).into(),
        Val::F32(v) => (*v).into(),
        Val::F64(v) => (*v).into(),
        Val::V128(v) => v.as_u128(),
        _ => 0,
    }
}

/// The smallest ELF file with these bytes at [`CODE`].
fn elf_around(code: &[u8]) -> Vec<u8> {
    const OFFSET: u64 = 0x1000;
    let mut file = Vec::new();
    file.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    file.extend(u64::from(CODE).to_le_bytes());
    file.extend(64u64.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
    file.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [OFFSET, u64::from(CODE), u64::from(CODE), code.len() as u64, code.len() as u64, 0x1000] {
        file.extend(word.to_le_bytes());
    }
    file.resize(OFFSET as usize, 0);
    file.extend(code);
    file
}
