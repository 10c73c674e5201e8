//! The host's terminal: bytes that are typed there, and between them what else the runner tells
//! ([`hoist_x86::boundary::terminal_input`]).

use std::cell::{Cell, RefCell};

use hoist_x86::boundary::terminal_input::{ESCAPE, SIGNAL, SIZE};

use super::{To, Tty};
use crate::wasi::Output;

/// The other side of the console.
pub(super) struct Host {
    pub output: Output,
    pub ended: Cell<bool>,
    /// A message of the runner's that is not complete yet.
    message: RefCell<Vec<u8>>,
}

impl Host {
    pub fn new(output: Output) -> Host {
        Host { output, ended: Cell::new(false), message: RefCell::default() }
    }

    /// Takes bytes of the stream. Where the host puts lines together there are no messages among them.
    pub fn decode(&self, bytes: &[u8], tty: &Tty) {
        if tty.host_cooks {
            return tty.type_in(bytes);
        }
        for &byte in bytes {
            let mut message = self.message.borrow_mut();
            if message.is_empty() && byte != ESCAPE {
                tty.type_in(&[byte]);
                continue;
            }
            message.push(byte);
            let complete = match message[..] {
                [_, ESCAPE] => {
                    tty.type_in(&[ESCAPE]);
                    true
                }
                [_, SIZE, r1, r0, c1, c0] => {
                    tty.set_size([u16::from_be_bytes([r1, r0]), u16::from_be_bytes([c1, c0]), 0, 0]);
                    true
                }
                // The first process is whom the host means.
                [_, SIGNAL, signal] => {
                    tty.posted.add(To::Process(1), signal);
                    true
                }
                [_] | [_, SIZE, ..] | [_, SIGNAL] => false,
                // No message that this kernel knows.
                _ => true,
            };
            if complete {
                message.clear();
            }
        }
    }
}
