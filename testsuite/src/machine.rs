//! What lifted functions import, on wasmtime without the kernel: registers, user memory, helpers.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use hoist_lifter::wasm::layout::Layout;
use hoist_x86::boundary::{NULL_PAGE, Vector, code_map};
use hoist_x86::helper::{self, Helper};
use hoist_x86::ir::Type;
use hoist_x86::reg::Reg;
use hoist_x86::state::CpuState;
use wasmtime::{
    AsContextMut, Config, Engine, Extern, Func, FuncType, Global, GlobalType, Instance, Linker, Memory, MemoryType, Module,
    Mutability, Ref, RefType, Result, Store, Table, TableType, Trap, TypedFunc, V128, Val, ValType,
};

/// What the imports of lifted code share.
struct Host {
    cpu: CpuState,
    memory: Option<Memory>,
    stopped: Option<Stopped>,
}

/// Why lifted code did not just return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    Exception {
        vector: Vector,
        at: u32,
    },
    /// There is no row for the instruction.
    Interpret,
    /// It touched what is outside the memory.
    OutOfBounds,
    /// The fuel is used up.
    OutOfFuel,
}

/// A lifted function.
pub type Guest = TypedFunc<(i32, i32), i32>;

/// Registers and memory; modules of lifted functions come and go.
pub struct Machine {
    engine: Engine,
    store: Store<Host>,
    linker: Linker<Host>,
    globals: Vec<Global>,
    memory: Memory,
    kernel: Memory,
    has_fuel: bool,
}

/// Where the tables of the code map's second level begin in kernel memory: behind the first level, and how many there may be.
const TABLES: u32 = Layout::alone_code_map() + (4 * code_map::PAGES) as u32;
const MAX_TABLES: u32 = 128;
const TABLE_SIZE: u32 = 4 * code_map::ENTRIES as u32;
/// Wasm stack that lifted code may use.
const ROOM: i32 = 1 << 18;

/// The NaNs that arithmetic makes on a machine's host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostNans {
    /// As on this one.
    X86,
    /// Always the same one, as on RISC-V.
    One,
}

impl Machine {
    /// A machine with user memory up to the guest address `end`. With `has_fuel` runs can be limited.
    pub fn new(end: u32, has_fuel: bool, nans: HostNans) -> Result<Machine> {
        let mut config = Config::new();
        config.cranelift_nan_canonicalization(nans == HostNans::One);
        config.consume_fuel(has_fuel);
        let engine = Engine::new(&config)?;
        let mut store = Store::new(&engine, Host { cpu: CpuState::default(), memory: None, stopped: None });
        if has_fuel {
            store.set_fuel(u64::MAX)?;
        }
        let mut linker = Linker::new(&engine);
        let memory = Memory::new(&mut store, MemoryType::new((end - NULL_PAGE).div_ceil(65536), None))?;
        // The code map: whatever is jumped to or called is slot 0, which goes back with its address.
        let kernel = Memory::new(&mut store, MemoryType::new((TABLES + MAX_TABLES * TABLE_SIZE).div_ceil(65536), None))?;
        let stay = Func::wrap(&mut store, |pc: i32, _room: i32| pc);
        let table = Table::new(&mut store, TableType::new(RefType::FUNCREF, 1, None), Ref::Func(Some(stay)))?;
        linker.define(&store, "kernel", "user", memory)?;
        linker.define(&store, "kernel", "memory", kernel)?;
        linker.define(&store, "kernel", "table", table)?;
        store.data_mut().memory = Some(memory);
        let globals = registers(&mut store, &mut linker)?;
        functions(&mut store, &mut linker)?;
        Ok(Machine { engine, store, linker, globals, memory, kernel, has_fuel })
    }

    pub fn load(&mut self, module: &[u8]) -> Result<Instance> {
        let module = Module::new(&self.engine, module)?;
        self.linker.instantiate(&mut self.store, &module)
    }

    pub fn function(&mut self, instance: &Instance, name: &str) -> Result<Guest> {
        instance.get_typed_func(&mut self.store, name)
    }

    /// Tells lifted code the labels of resume points: `(pc, label)`, in at most [`MAX_TABLES`] pages of code. What was told before is forgotten.
    pub fn set_labels(&mut self, labels: impl Iterator<Item = (u32, u32)>) {
        let kernel = self.kernel.data_mut(&mut self.store);
        kernel.fill(0);
        let mut write = |at: u32, word: u32| kernel[at as usize..][..4].copy_from_slice(&word.to_le_bytes());
        let mut tables = BTreeMap::new();
        for (pc, label) in labels {
            let next = TABLES + tables.len() as u32 * TABLE_SIZE;
            let table = *tables.entry(pc >> code_map::PAGE_BITS).or_insert(next);
            write(Layout::alone_code_map() + 4 * (pc >> code_map::PAGE_BITS), table);
            write(table + 4 * (pc % code_map::ENTRIES as u32), code_map::entry(code_map::SLOT_INTERPRETER, label));
        }
    }

    /// User memory from the guest address [`NULL_PAGE`].
    pub fn memory(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    pub fn set_cpu(&mut self, cpu: &CpuState) -> Result<()> {
        self.store.data_mut().cpu.clone_from(cpu);
        for (reg, global) in Reg::all().zip(&self.globals) {
            global.set(&mut self.store, to_val(reg.ty(), cpu.get(reg)))?;
        }
        Ok(())
    }

    pub fn cpu(&mut self, into: &mut CpuState) {
        into.clone_from(&self.store.data().cpu);
        for (reg, global) in Reg::all().zip(&self.globals) {
            into.set(reg, from_val(&global.get(&mut self.store)));
        }
    }

    /// Enters a function at a resume point, or with 0 at its beginning; the address it returns, or why it stopped. `fuel` counts Wasm
    /// instructions.
    pub fn enter(&mut self, function: &Guest, pc: u32, fuel: u64) -> Result<std::result::Result<u32, Stopped>> {
        if self.has_fuel {
            self.store.set_fuel(fuel)?;
        }
        self.store.data_mut().stopped = None;
        let pc = match function.call(&mut self.store, (pc as i32, ROOM)) {
            Ok(pc) => pc as u32,
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::MemoryOutOfBounds) => return Ok(Err(Stopped::OutOfBounds)),
                Some(Trap::OutOfFuel) => return Ok(Err(Stopped::OutOfFuel)),
                _ => return Err(error),
            },
        };
        Ok(self.store.data().stopped.map_or(Ok(pc), Err))
    }
}

fn registers(store: &mut Store<Host>, linker: &mut Linker<Host>) -> Result<Vec<Global>> {
    Reg::all()
        .map(|reg| {
            let ty = GlobalType::new(val_type(reg.ty()), Mutability::Var);
            let global = Global::new(&mut *store, ty, to_val(reg.ty(), 0))?;
            linker.define(&*store, "register", reg.name(), global)?;
            Ok(global)
        })
        .collect()
}

fn functions(store: &mut Store<Host>, linker: &mut Linker<Host>) -> Result<()> {
    let engine = store.engine().clone();
    let stop = FuncType::new(&engine, [ValType::I32, ValType::I32], [ValType::I32]);
    let exception = Func::new(&mut *store, stop.clone(), |mut caller, params, results| {
        let [vector, at] = [0, 1].map(|n| from_val(&params[n]) as u32);
        let vector = Vector::from_number(vector).ok_or_else(|| wasmtime::Error::msg(format!("exception {vector}")))?;
        caller.data_mut().stopped = Some(Stopped::Exception { vector, at });
        results[0] = Val::I32(0);
        Ok(())
    });
    linker.define(&*store, "kernel", "exception", Extern::Func(exception))?;
    let interpret = Func::new(&mut *store, stop, |mut caller, _, results| {
        caller.data_mut().stopped = Some(Stopped::Interpret);
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
            let bytes = memory.data_mut(caller.as_context_mut());
            let result =
                or_fault(|| helper.call(&mut cpu, &mut UserMemory(bytes), args)).map_err(|Fault| Trap::MemoryOutOfBounds)?;
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

/// Guest memory from [`NULL_PAGE`] on, for helpers and the interpreter. An access outside it unwinds with a [`Fault`], as in the
/// component it would trap: run what uses it with [`or_fault`].
pub struct UserMemory<'a>(pub &'a mut [u8]);

/// An access outside the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault;

/// Runs code on a [`UserMemory`].
///
/// # Errors
/// [`Fault`], if it leaves the memory.
pub fn or_fault<T>(run: impl FnOnce() -> T) -> std::result::Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| match payload.downcast::<Fault>() {
        Ok(fault) => *fault,
        Err(payload) => resume_unwind(payload),
    })
}

impl UserMemory<'_> {
    fn place(&mut self, addr: u32, len: usize) -> &mut [u8] {
        let at = addr.wrapping_sub(NULL_PAGE) as usize;
        match self.0.get_mut(at..at + len) {
            Some(place) => place,
            None => resume_unwind(Box::new(Fault)),
        }
    }
}

impl helper::Memory for UserMemory<'_> {
    fn load<const N: usize>(&mut self, addr: u32) -> [u8; N] {
        self.place(addr, N).first_chunk().copied().unwrap_or([0; N])
    }

    fn store<const N: usize>(&mut self, addr: u32, bytes: [u8; N]) {
        self.place(addr, N).copy_from_slice(&bytes);
    }

    fn copy(&mut self, to: u32, from: u32, len: u32) {
        self.place(to, len as usize);
        self.place(from, len as usize);
        let [to, from] = [to, from].map(|addr| addr.wrapping_sub(NULL_PAGE) as usize);
        self.0.copy_within(from..from + len as usize, to);
    }

    fn fill(&mut self, to: u32, byte: u8, len: u32) {
        self.place(to, len as usize).fill(byte);
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
