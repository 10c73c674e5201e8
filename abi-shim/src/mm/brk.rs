//! brk(2): the heap that grows at its end.

use super::{AddressSpace, Area, Backing, Prot, page_up};

impl AddressSpace {
    /// Moves the program break, if it can be moved there; where it is then.
    pub fn set_brk(&mut self, wanted: u64) -> u64 {
        let limit = self.mmap_base;
        if wanted < self.brk_start || wanted > limit {
            return self.brk;
        }
        let (old, new) = (page_up(self.brk), page_up(wanted));
        if new < old {
            self.remove(new, old);
        } else if new > old && !self.grow_heap(old, new) {
            return self.brk;
        }
        self.brk = wanted;
        self.brk
    }

    /// Where the heap begins and ends.
    pub fn heap(&self) -> (u64, u64) {
        (self.brk_start, self.brk)
    }

    fn grow_heap(&mut self, old: u64, new: u64) -> bool {
        if !self.is_free(old, new - old) {
            return false;
        }
        let prot = Prot::READ | Prot::WRITE;
        if self.insert(old, Area::private(new, prot, Backing::Heap)).is_err() {
            return false;
        }
        // One area as long as the guest has not protected parts of it.
        let before = self.areas.range(..old).next_back();
        let joins = before.filter(|(_, area)| area.end == old && area.prot == prot && matches!(area.backing, Backing::Heap));
        if let Some(start) = joins.map(|(&start, _)| start) {
            self.areas.remove(&old);
            if let Some(area) = self.areas.get_mut(&start) {
                area.end = new;
            }
        }
        true
    }
}
