//! The register stack and the status word (SDM vol. 1, §8.1.2 to §8.1.8).

use super::context::{Context, status};
use super::number::{Class, F80};
use crate::state::X87;

impl X87 {
    /// The physical register that is ST(i).
    fn physical(&self, i: u32) -> usize {
        (u32::from(self.top) + i) as usize & 7
    }

    /// ST(i) as it stands, in use or not.
    pub fn peek(&self, i: u32) -> F80 {
        let n = self.physical(i);
        F80 { sign_exponent: self.sign_exponent[n], significand: self.significand[n] }
    }

    pub fn is_in_use(&self, i: u32) -> bool {
        self.in_use >> self.physical(i) & 1 != 0
    }

    /// ST(i), or `None` if it is empty.
    pub fn st(&self, i: u32) -> Option<F80> {
        self.is_in_use(i).then(|| self.peek(i))
    }

    /// Writes ST(i), which is in use then.
    pub fn set_st(&mut self, i: u32, value: F80) {
        let n = self.physical(i);
        self.sign_exponent[n] = value.sign_exponent;
        self.significand[n] = value.significand;
        self.in_use |= 1 << n;
    }

    pub fn free(&mut self, i: u32) {
        self.in_use &= !(1 << self.physical(i));
    }

    pub fn rotate(&mut self, by: u32) {
        self.top = self.physical(by) as u8;
    }

    /// FINCSTP, FDECSTP: TOP changes, the registers' use does not.
    pub fn step(&mut self, by: u32) {
        self.rotate(by);
        self.set_conditions(status::C1, 0);
    }

    pub fn pop(&mut self) {
        self.free(0);
        self.rotate(1);
    }

    /// Pushes what `value` gives, or the default NaN if ST(7) is in use.
    pub fn push(&mut self, value: impl FnOnce(&mut Context) -> F80) {
        let mut cx = self.context();
        let value = if self.is_in_use(7) { cx.stack_overflow() } else { value(&mut cx) };
        self.finish_push(&cx, value);
    }

    /// Pushes what was to come from an empty register.
    pub fn push_nothing(&mut self) {
        let mut cx = self.context();
        let value = cx.stack_underflow();
        self.finish_push(&cx, value);
    }

    fn finish_push(&mut self, cx: &Context, value: F80) {
        // A denormal is loaded even if that exception is not masked.
        if cx.raised & !cx.control & status::INVALID == 0 {
            self.rotate(7);
            self.set_st(0, value);
        }
        self.report(cx);
    }

    /// The surroundings of one operation.
    pub fn context(&self) -> Context {
        Context::new(self.control)
    }

    /// Writes C1, the exceptions and whether one of them is pending to the status word.
    pub fn report(&mut self, cx: &Context) {
        self.set_conditions(status::C1, if cx.c1 { status::C1 } else { 0 });
        self.status |= cx.raised;
        self.summarize();
    }

    /// FCMOVcc and FCOMI leave C1 as it was, unless the stack faults.
    pub fn keep_c1(&self, cx: &mut Context) {
        if cx.raised & status::STACK_FAULT == 0 {
            cx.c1 = self.status & status::C1 != 0;
        }
    }

    /// Sets those of C0 to C3 that are in `which` to `bits`.
    pub fn set_conditions(&mut self, which: u16, bits: u16) {
        self.status = self.status & !which | bits;
    }

    /// Recomputes whether an unmasked exception is pending.
    pub fn summarize(&mut self) {
        let pending = self.status & !self.control & status::EXCEPTIONS != 0;
        self.set_conditions(status::SUMMARY | status::BUSY, if pending { status::SUMMARY | status::BUSY } else { 0 });
    }

    pub fn set_control(&mut self, control: u16) {
        // Bits 15…13, 7 and 6 are not writable; bit 6 reads as one.
        self.control = control & 0x1f3f | 0x40;
        self.summarize();
    }

    /// The status word with TOP.
    pub fn status_word(&self) -> u16 {
        self.status & !status::TOP | u16::from(self.top & 7) << status::TOP_SHIFT
    }

    pub fn set_status_word(&mut self, word: u16) {
        self.status = word & !status::TOP;
        self.top = (word >> status::TOP_SHIFT & 7) as u8;
        self.summarize();
    }

    /// The tag word (SDM vol. 1, §8.1.7): two bits for each physical register.
    pub fn tag_word(&self) -> u16 {
        (0..8).rev().fold(0, |word, n| {
            let value = F80 { sign_exponent: self.sign_exponent[n], significand: self.significand[n] };
            let tag = match value.class() {
                _ if self.in_use >> n & 1 == 0 => 3,
                Class::Normal => 0,
                Class::Zero => 1,
                _ => 2,
            };
            word << 2 | tag
        })
    }

    /// From a tag word only what is empty counts.
    pub fn set_tag_word(&mut self, word: u16) {
        self.in_use = (0..8).filter(|n| word >> (2 * n) & 3 != 3).map(|n| 1 << n).sum();
    }

    /// FNINIT: registers keep their contents, but are empty.
    pub fn initialize(&mut self) {
        self.control = 0x37f;
        self.status = 0;
        self.in_use = 0;
        self.top = 0;
    }
}
