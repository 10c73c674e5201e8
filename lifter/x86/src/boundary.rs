//! Where lifted code and the kernel meet: what both must agree on, in one file.
//!
//! Lifted functions have the Wasm type `(param $pc i32) (param $room i32) (result i32)`:
//! - `$pc`: 0 = start at the function's entry; otherwise the guest address (a *resume point*) to go on at;
//! - `$room`: bytes of Wasm stack that are left; a function that needs more returns its own pc at once;
//! - result: the guest address at which the guest goes on. A caller whose return address it is goes on; any other caller
//!   returns it to its own caller, down to the dispatcher in the kernel.
//!
//! All guest state is in the globals ([`crate::reg::Reg`]) and in user memory at every call and return.

/// Guest addresses below this are never mapped; an access there falls outside the user memory and
/// traps. Guest address `a` is byte `a - NULL_PAGE` (mod 2³²) of the user memory (DESIGN §2).
pub const NULL_PAGE: u32 = 0x1_0000;

/// The kernel maps nothing below this guest address (like Linux's vm.mmap_min_addr). Displacements smaller than
/// `MMAP_MIN_ADDR - NULL_PAGE` can therefore be a Wasm memory offset: a sum that wraps past zero can only belong to an
/// address that is not mapped.
pub const MMAP_MIN_ADDR: u32 = 0x11_0000;

/// Result pcs below [`NULL_PAGE`] are not guest addresses but messages to the dispatcher.
/// The task cannot go on now (it blocks, ended, or was replaced by execve): look at the task's state.
pub const PC_RESCHEDULE: u32 = 0x10;

/// Bytes of Wasm stack that guest functions may use before they drain to the dispatcher: wasmtime's
/// default of 512 KiB less what the kernel itself and the host's calls need.
pub const STACK_ROOM: i32 = 320 * 1024;

/// Bytes that `user_same` of [`IMPORT_MODULE`] looks at between two branches.
pub const SAME_BLOCK: u32 = 128;

/// Code map (DESIGN §5, §6): guest address → how to enter it.
///
/// Two levels in kernel memory. Level one: `[u32; 1 << 20]` indexed by `pc >> 12`: kernel address of the page's
/// table. Level two: `[u32; 4096]` indexed by `pc & 0xfff`: an [`entry`]. A page without lifted code points to one shared
/// table of zeros: slot 0 is the interpreter, which so gets every unknown pc without a test.
pub mod code_map {
    /// log2 of the bytes of guest code that one level-two table covers.
    pub const PAGE_BITS: u32 = 12;
    pub const PAGES: usize = 1 << (32 - PAGE_BITS);
    pub const ENTRIES: usize = 1 << PAGE_BITS;
    /// Bits of an entry that hold the label of a resume point within its function; 0 = the function's entry.
    pub const LABEL_BITS: u32 = 13;
    pub const MAX_LABEL: u32 = (1 << LABEL_BITS) - 1;
    /// Slots of the table of lifted functions: what the remaining bits can number.
    pub const MAX_SLOTS: u32 = 1 << (32 - LABEL_BITS);
    /// Table slot of the interpreter.
    pub const SLOT_INTERPRETER: u32 = 0;
    /// Table slot of the function that fills a level-two table on its first use, then enters the pc.
    pub const SLOT_FILL: u32 = 1;
    pub const FIRST_FREE_SLOT: u32 = 2;

    pub const fn entry(slot: u32, label: u32) -> u32 {
        slot << LABEL_BITS | label
    }
    pub const fn slot(entry: u32) -> u32 {
        entry >> LABEL_BITS
    }
    pub const fn label(entry: u32) -> u32 {
        entry & MAX_LABEL
    }
}

/// A processor exception (SDM vol. 3, table 6-1) raised by translated code. The kernel turns it into a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Vector {
    /// #DE: divide error → SIGFPE.
    DivideError = 0,
    /// #DB, of INT1 only → SIGTRAP.
    Debug = 1,
    /// #BP: INT3 → SIGTRAP.
    Breakpoint = 3,
    /// #OF, of INT 4 only → SIGSEGV.
    Overflow = 4,
    /// #UD: invalid opcode → SIGILL.
    InvalidOpcode = 6,
    /// #GP: privileged instruction or non-canonical use → SIGSEGV.
    GeneralProtection = 13,
    /// #MF: unmasked exception of the x87 → SIGFPE.
    FloatingPoint = 16,
    /// #XM: unmasked exception of SSE or AVX → SIGFPE.
    SimdFloatingPoint = 19,
}

impl Vector {
    /// The SDM's name of it.
    pub const fn mnemonic(self) -> &'static str {
        match self {
            Vector::DivideError => "#DE",
            Vector::Debug => "#DB",
            Vector::Breakpoint => "#BP",
            Vector::Overflow => "#OF",
            Vector::InvalidOpcode => "#UD",
            Vector::GeneralProtection => "#GP",
            Vector::FloatingPoint => "#MF",
            Vector::SimdFloatingPoint => "#XM",
        }
    }

    pub const fn from_number(number: u32) -> Option<Vector> {
        Some(match number {
            0 => Vector::DivideError,
            1 => Vector::Debug,
            3 => Vector::Breakpoint,
            4 => Vector::Overflow,
            6 => Vector::InvalidOpcode,
            13 => Vector::GeneralProtection,
            16 => Vector::FloatingPoint,
            19 => Vector::SimdFloatingPoint,
            _ => return None,
        })
    }
}

/// Names of the Wasm imports that the kernel declares and the linker gives bodies (module [`IMPORT_MODULE`]).
///
/// `addr` is a guest address, `ptr` a kernel address, both i32.
///
/// | import | body |
/// | --- | --- |
/// | `load8(addr) -> i32`, `load16`, `load32`, `load64(addr) -> i64` | zero-extending load from user memory |
/// | `store8(addr, i32)`, `store16`, `store32`, `store64(addr, i64)` | store to user memory |
/// | `copy_from_user(ptr, addr, len)`, `copy_to_user(addr, ptr, len)` | memory.copy between the memories |
/// | `user_copy(to, from, len)`, `user_fill(addr, byte, len)` | memory.copy, memory.fill in user memory |
/// | `user_same(addr, ptr, len) -> i32` | whether these bytes of both memories are the same; `len` is a multiple of [`SAME_BLOCK`], not zero |
/// | `user_pages() -> i32`, `user_grow(pages) -> i32` | memory.size, memory.grow of user memory, 64 KiB pages, index not address: mapping up to guest address `a` needs `a - NULL_PAGE` bytes |
/// | `rom_len() -> i32`, `rom_to_user(addr, offset, len)`, `rom_to_kernel(ptr, offset, len)` | memory.init from the ROM |
/// | `lifted_len() -> i32`, `lifted_read(ptr, offset, len)` | memory.init from the segment of [`lifted`] tables |
/// | `cpu_save(ptr)`, `cpu_load(ptr)` | every register global to/from [`crate::state::CpuState`] |
/// | `get_<reg>() -> i64`, `set_<reg>(i64)` for the 16 general-purpose registers, `fs_base`, `gs_base` | global.get, global.set |
/// | `enter(pc) -> i32` | code map look-up, call_indirect with `$pc` = pc and [`STACK_ROOM`] |
pub const IMPORT_MODULE: &str = "hoist";

/// Exports of the kernel that lifted code calls; the linker removes them from the module's exports.
pub mod export {
    /// `(next_pc: i32) -> i32`: performs the system call whose number and arguments are in the register globals; returns `next_pc`
    /// to go on in line, any other pc to drain to the dispatcher.
    pub const SYSCALL: &str = "hoist_syscall";
    /// `(pc: i32, room: i32) -> i32`, type of a lifted function, slot 0: interprets from pc until lifted code is reached.
    pub const INTERPRET: &str = "hoist_interpret";
    /// `(pc: i32, room: i32) -> i32`, slot 1: fills the code map's page of pc, then returns pc.
    pub const FILL: &str = "hoist_fill";
    /// `(vector: i32, pc: i32) -> i32`: raises a processor exception at pc; returns the pc to go on at.
    pub const EXCEPTION: &str = "hoist_exception";
    /// `(address: i64, pc: i64, unknown: i32) -> i64`: lifted code has reached a bad address and trapped; runs on to the end, and returns the exit
    /// code, or -1 if it cannot. For the host, which finds it among the exports of the core module; negative numbers are not known.
    pub const FAULT: &str = "hoist_fault";
    /// A static, so an exported global: kernel address of level one of the [`super::code_map`].
    pub const CODE_MAP: &str = "HOIST_CODE_MAP";
    /// `hoist_helper_<name>`: one for each [`crate::helper::Helper`].
    pub const HELPER_PREFIX: &str = "hoist_helper_";
}

/// Messages to the kernel among the bytes of standard input, where [`environment::TERMINAL`] says that there are: WASI 0.2 has no window
/// size, and no signals.
pub mod terminal_input {
    /// Begins a message; twice it is this byte itself, which no text in UTF-8 has.
    pub const ESCAPE: u8 = 0xff;
    /// The window has another size: rows and columns follow, two bytes each, the high one first.
    pub const SIZE: u8 = b'S';
    /// A signal for the first process: its number follows.
    pub const SIGNAL: u8 = b'K';
}

/// Signals beside what is read from standard input, where [`environment::SIGNALS`] says that they come.
///
/// A read of this many bytes does not read what is there to read: it gives the number of a signal that has come for the first process, or
/// nothing. After such a read that gave nothing the stream is ready once a signal has come; after any other, also once there is something to read.
pub mod signal_input {
    pub const SIGNAL_READ: u64 = 1;
}

/// Environment variables that whoever starts the component sets for the kernel. The guest does not see them; all
/// others are added to the image's environment.
pub mod environment {
    /// The program to start instead of the image's Entrypoint; the image's Cmd is then dropped too, as docker does.
    pub const ENTRYPOINT: &str = "HOIST_ENTRYPOINT";
    /// Working directory instead of the image's.
    pub const CWD: &str = "HOIST_CWD";
    /// `user`, `uid`, `user:group` or `uid:gid` instead of the image's.
    pub const USER: &str = "HOIST_USER";
    pub const HOSTNAME: &str = "HOIST_HOSTNAME";
    /// `ROWSxCOLUMNS`: the terminal that standard input, output and error are is of this size and is raw: bytes come as they are typed, and
    /// go as they are. Messages of [`super::terminal_input`] come among them. Without it the host's terminal is taken to put lines together.
    pub const TERMINAL: &str = "HOIST_TERMINAL";
    /// `1`: standard input tells of signals too, as [`super::signal_input`] says.
    pub const SIGNALS: &str = "HOIST_SIGNALS";
    /// The most bytes that programs may have to write to, as [`crate::run_options::size`] reads it.
    pub const MEMORY: &str = "HOIST_MEMORY";
    /// Lines of [`crate::run_options::Tmpfs`].
    pub const TMPFS: &str = "HOIST_TMPFS";
    /// Paths with colons between them: directories that are mounted from a granted `/`, if they are there. Shims for containerd grant a
    /// container's root, in which its volumes are mounted; otherwise the root is the image's alone.
    pub const VOLUMES: &str = "HOIST_VOLUMES";
    /// Lines of [`crate::run_options::host_line`].
    pub const ADD_HOST: &str = "HOIST_ADD_HOST";
    /// Lines of [`crate::run_options::ip_address`].
    pub const DNS: &str = "HOIST_DNS";
    /// `1`: nothing of the root filesystem can be changed.
    pub const READ_ONLY: &str = "HOIST_READ_ONLY";
    /// Comma-separated: `syscalls` prints every system call to standard error in strace's notation, `blocks` the address of each block
    /// that is interpreted.
    pub const TRACE: &str = "HOIST_TRACE";
    /// `1`: every program is run as if it read floating-point exception flags, which otherwise only those do that import fetestexcept(3) or
    /// fegetexceptflag(3). For programs that read them with STMXCSR alone.
    pub const EXACT: &str = "HOIST_EXACT";
    /// `1`: prints at the end, to standard error, what was interpreted, and where.
    pub const STATS: &str = "HOIST_STATS";
    /// `1`: when a process ends by a signal that makes a core dump elsewhere, says on standard error who called whom.
    pub const BACKTRACE: &str = "HOIST_BACKTRACE";
}
