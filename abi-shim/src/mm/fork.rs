//! Several address spaces: fork(2), and which of them is in user memory.

use super::frames::{self, Content, Futex, Owner, files};
use super::{AddressSpace, Backing, Prot};
use crate::errno::Errno;
use crate::user::unchecked as user;

impl AddressSpace {
    /// A copy for a new process: shared maps are shared, private pages are alike. This one is in memory.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn fork(&self) -> Result<AddressSpace, Errno> {
        let private = self.areas.iter().filter(|(_, area)| area.frames.is_none());
        let own = self.own.fork(private.map(|(&start, area)| (start, area.end)))?;
        let AddressSpace { areas, first_free, stack, brk_start, brk, mmap_base, .. } = self;
        let (first_free, stack, brk_start, brk, mmap_base) = (*first_free, *stack, *brk_start, *brk, *mmap_base);
        let reads_exceptions = self.reads_exceptions;
        Ok(AddressSpace { areas: areas.clone(), own, first_free, stack, brk_start, brk, mmap_base, reads_exceptions })
    }

    /// Takes note that of the stack only what lies at and above an address is needed; of `None`, all.
    pub fn rest(&self, stack_pointer: Option<u64>) {
        let live = stack_pointer.filter(|rsp| self.is_on_stack(*rsp)).map_or(self.stack, |rsp| rsp & !(super::PAGE - 1));
        self.own.set_dead(self.stack..live);
    }

    /// All of it is needed: it is at work again.
    pub fn awake(&self) {
        self.own.set_dead(0..0);
    }

    /// What a process that has ended maps.
    pub fn nothing() -> AddressSpace {
        let own = Owner::of_process();
        let areas = Default::default();
        AddressSpace { areas, own, first_free: 0, stack: 0, brk_start: 0, brk: 0, mmap_base: 0, reads_exceptions: false }
    }

    /// Whether an address is one of the stack.
    pub fn is_on_stack(&self, addr: u64) -> bool {
        (self.stack..self.stack + super::STACK_SIZE).contains(&addr)
    }

    /// Brings its pages into memory, in the place of others'.
    pub fn enter(&mut self) {
        files::settle();
        let live = self.own.dead().end;
        for (&start, area) in &mut self.areas {
            if area.prot == Prot::NONE {
                continue;
            }
            let owner = area.frames.as_ref().unwrap_or(&self.own);
            let dead_end = if matches!(area.backing, Backing::Stack) { live.clamp(start, area.end) } else { start };
            // The frames exist and what they came from could be read before: only a file that a host took away fails.
            let entered = frames::enter(owner, start, dead_end, Content::Any)
                .and_then(|()| frames::enter(owner, dead_end, area.end, Content::Its));
            if entered.is_err() {
                let _ = user::clear(start, area.end - start);
            }
            area.reactivate(start);
        }
        self.awake();
    }

    /// Whether a page of the process is gone, for want of memory.
    pub fn is_lost(&self) -> bool {
        self.own.is_lost()
    }

    /// Makes memory free at the cost of another process; false if there is none that has some. This one is at work.
    pub fn reclaim(&self) -> bool {
        frames::reclaim(&self.own)
    }

    /// Bytes at an address of a process that may not be in memory; what cannot be had is zero.
    pub fn peek(&self, addr: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        let mut done = 0;
        while done < bytes.len() {
            let at = addr + done as u64;
            let part = (super::PAGE - at % super::PAGE).min((bytes.len() - done) as u64) as usize;
            if let Some((_, area)) = self.area_at(at) {
                area.frames.as_ref().unwrap_or(&self.own).peek(at, &mut bytes[done..done + part]);
            }
            done += part;
        }
        bytes
    }

    /// Names what a futex at an address is to all who map it.
    pub fn futex_key(&self, addr: u64) -> Futex {
        self.area_at(addr).and_then(|(_, area)| area.frames.as_ref()).unwrap_or(&self.own).futex(addr)
    }
}
