//! Which files ask what floating-point exceptions there were: a process that maps one of them is run exactly (docs/ARCHITECTURE.md).

use goblin::elf::Elf;
use goblin::elf::program_header::{PF_X, PT_LOAD};
use hoist_vfs::Content;
use memchr::memmem;

/// The C library's functions that give exception flags to their caller. Those that only set, clear or keep them tell nobody.
const READERS: [&str; 2] = ["fetestexcept", "fegetexceptflag"];

/// Does an ELF file import one of them, or is it linked with one statically? One that exports them (libm, or musl's libc) asks nothing itself.
/// What cannot be read asks nothing: it is not lifted either.
pub fn reads_exceptions(content: &Content) -> bool {
    let Ok(bytes) = content.to_bytes() else { return false };
    let names_one = READERS.iter().any(|name| memmem::find(&bytes, name.as_bytes()).is_some());
    // Few files are parsed.
    if !names_one && code_of_readers(&bytes).next().is_none() {
        return false;
    }
    let Ok(elf) = Elf::parse(&bytes) else { return false };
    let is_reader = |name: Option<&str>| name.is_some_and(|name| READERS.contains(&name));
    let mut dynamic = elf.dynsyms.iter().filter(|symbol| is_reader(elf.dynstrtab.get_at(symbol.st_name))).peekable();
    if dynamic.peek().is_some() {
        return dynamic.any(|symbol| symbol.is_import());
    }
    if !elf.syms.is_empty() || !elf.dynsyms.is_empty() {
        return elf.syms.iter().any(|symbol| is_reader(elf.strtab.get_at(symbol.st_name)));
    }
    // Static and without symbols.
    let executable = |offset: u64| {
        let mut segments = elf.program_headers.iter().filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_X != 0);
        segments.any(|header| header.file_range().contains(&(offset as usize)))
    };
    code_of_readers(&bytes).any(|at| executable(at as u64))
}

/// Where FNSTSW and STMXCSR on the stack stand side by side: so do those functions of glibc and musl look, and no other code that was seen.
fn code_of_readers(bytes: &[u8]) -> impl Iterator<Item = usize> {
    const STMXCSR: [u8; 2] = [0x0f, 0xae];
    // fnstsw ax; fnstsw [rsp]; fnstsw [rsp + disp8].
    const FNSTSW: [&[u8]; 3] = [&[0xdf, 0xe0], &[0xdd, 0x3c, 0x24], &[0xdd, 0x7c, 0x24]];
    const NEAR: usize = 12;
    memmem::find_iter(bytes, &STMXCSR).filter(move |&at| {
        // ModRM: opcode extension 3, an address of rsp and a displacement of eight bits or none.
        let on_stack = matches!(bytes.get(at + 2..at + 4), Some([0x1c | 0x5c, 0x24]));
        let around = &bytes[at.saturating_sub(NEAR)..(at + NEAR).min(bytes.len())];
        on_stack && FNSTSW.iter().any(|code| memmem::find(around, code).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exports_the_functions_does_not_ask() {
        let bytes = std::fs::read("/lib/x86_64-linux-gnu/libm.so.6").expect("the C library is installed");
        assert!(memmem::find(&bytes, READERS[0].as_bytes()).is_some() && code_of_readers(&bytes).next().is_some());
        assert!(!reads_exceptions(&Content::Bytes(bytes.into())));
    }
}
