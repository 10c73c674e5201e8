//! What a trap means to a user.

use std::fmt;

use wasmtime::WasmBacktrace;

/// The guest was ended by the host.
#[derive(Debug)]
pub struct Trap {
    /// `128 + signal` that Linux would have ended the program with.
    pub status: u8,
    message: String,
    /// Names of the innermost functions, innermost first.
    functions: Vec<String>,
}

const SIGILL: u8 = 4;
const SIGABRT: u8 = 6;
const SIGFPE: u8 = 8;
const SIGSEGV: u8 = 11;

/// So many functions of the stack are shown.
const SHOWN: usize = 8;

impl Trap {
    /// From the error of a call into the guest.
    pub fn new(error: wasmtime::Error) -> Trap {
        use wasmtime::Trap as T;
        let (signal, message) = match error.downcast_ref::<T>() {
            Some(T::MemoryOutOfBounds) => (SIGSEGV, "segmentation fault: access to an address that is not mapped".into()),
            Some(T::StackOverflow) => (SIGSEGV, "segmentation fault: the WebAssembly stack overflowed".into()),
            Some(T::IntegerDivisionByZero | T::IntegerOverflow) => (SIGFPE, "floating point exception".into()),
            Some(T::BadConversionToInteger) => (SIGFPE, "floating point exception: conversion to integer".into()),
            Some(T::TableOutOfBounds | T::IndirectCallToNull | T::BadSignature) => {
                (SIGILL, "illegal instruction: call to what is no function".into())
            }
            Some(T::UnreachableCodeReached) => (SIGABRT, "the kernel gave up".into()),
            Some(other) => (SIGABRT, other.to_string()),
            None => (SIGABRT, format!("{error:#}")),
        };
        let frames = error.downcast_ref::<WasmBacktrace>().map_or(&[][..], WasmBacktrace::frames);
        let name = |frame: &wasmtime::FrameInfo| {
            frame.func_name().map_or_else(|| format!("function {}", frame.func_index()), |name| format!("{:#}", demangle(name)))
        };
        Trap { status: 128 + signal, message, functions: frames.iter().take(SHOWN).map(name).collect() }
    }
}

/// A Rust symbol without its hash; other names as they are.
fn demangle(name: &str) -> impl fmt::Display + '_ {
    rustc_demangle::demangle(name)
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for (place, function) in ["in", "called by"].iter().chain(std::iter::repeat(&"called by")).zip(&self.functions) {
            write!(f, "\n  {place} {function}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Trap {}
