//! What the component exports: wasi:cli/run and hoist:guest/status.

use super::bindings::export;
use super::bindings::exports::hoist::guest::status;
use super::bindings::exports::wasi::cli::run;
use crate::entry;

struct Component;

impl run::Guest for Component {
    fn run() -> Result<(), ()> {
        match entry::run() {
            0 => Ok(()),
            _ => Err(()),
        }
    }
}

impl status::Guest for Component {
    fn exit_code() -> u32 {
        entry::exit_code()
    }
}

export!(Component with_types_in super::bindings);
