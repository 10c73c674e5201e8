//! mremap(2).

use super::frames::{self, Content, Owner, files};
use super::{AddressSpace, Area, Backing, PAGE, Place, page_up};
use crate::errno::Errno;
use crate::user::unchecked as user;

/// Flags of mremap(2).
pub const MREMAP_MAYMOVE: u32 = 1;
pub const MREMAP_FIXED: u32 = 2;
pub const MREMAP_DONTUNMAP: u32 = 4;

impl AddressSpace {
    /// mremap(2): makes a map longer or shorter, in place or elsewhere.
    ///
    /// # Errors
    /// EINVAL, EFAULT where nothing is mapped, ENOMEM.
    pub fn remap(&mut self, old: u64, old_len: u64, new_len: u64, flags: u32, new: u64) -> Result<u64, Errno> {
        let known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
        let (old_len, new_len) = (page_up(old_len), page_up(new_len));
        let may_move = flags & MREMAP_MAYMOVE != 0;
        let needs_move = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) != 0;
        if flags & !known != 0 || !old.is_multiple_of(PAGE) || new_len == 0 || needs_move && !may_move {
            return Err(Errno::EINVAL);
        }
        if new_len > super::TASK_SIZE {
            return Err(Errno::ENOMEM);
        }
        if flags & MREMAP_DONTUNMAP != 0 && old_len != new_len {
            return Err(Errno::EINVAL);
        }
        let end = old.checked_add(old_len).ok_or(Errno::EINVAL)?;
        // One area, as Linux demands. Length zero means a second map of a shared area, which needs one memory behind two addresses.
        let area = self.area_at(old).filter(|(_, area)| end <= area.end && old_len != 0);
        let (start, area) = area.map(|(start, area)| (start, area.clone())).ok_or(Errno::EFAULT)?;
        let backing = area.backing.at(old - start);
        let area = Area { backing, ..area };
        if needs_move {
            let place = if flags & MREMAP_FIXED != 0 { Place::Fixed(new) } else { Place::Hint(0) };
            if flags & MREMAP_FIXED != 0 && new < end && old < new.saturating_add(new_len) {
                return Err(Errno::EINVAL);
            }
            return self.relocate(old, old_len, new_len, area, place, flags & MREMAP_DONTUNMAP == 0);
        }
        if new_len <= old_len {
            self.release(old + new_len, end);
            return Ok(old);
        }
        let grown = old + new_len;
        if end == self.area_at(old).map_or(0, |(_, area)| area.end) && grown <= super::TASK_SIZE && self.is_free(end, grown - end)
        {
            if let (true, Backing::File { file, offset }) = (area.shared, area.backing.at(old_len)) {
                self.map_shared(Place::Fixed(end), grown - end, area.prot, &file, offset)?;
            } else {
                let tail = Area { end: grown, backing: area.backing.at(old_len), code: false, ..area.clone() };
                self.extend(end, tail)?;
            }
            self.join(start, end);
            return Ok(old);
        }
        match may_move {
            true => self.relocate(old, old_len, new_len, area, Place::Hint(0), true),
            false => Err(Errno::ENOMEM),
        }
    }

    /// Adds an area with the content of its backing.
    fn extend(&mut self, start: u64, mut area: Area) -> Result<(), Errno> {
        let end = area.end;
        self.back(start, end)?;
        frames::enter(area.frames.as_ref().unwrap_or(&self.own), start, end, Content::Zeros)?;
        if let Backing::File { file, offset } = &area.backing {
            files::gather(file.inode(), *offset, end - start)?;
            file.load(start, end - start, *offset)?;
        }
        area.activate(start);
        self.areas.insert(start, area);
        Ok(())
    }

    /// Makes one area of two that came from one.
    fn join(&mut self, start: u64, at: u64) {
        if self.areas.get(&start).is_none_or(|lower| lower.again > 0) {
            return;
        }
        if let Some(upper) = self.areas.remove(&at)
            && let Some(lower) = self.areas.get_mut(&start)
        {
            lower.end = upper.end;
            lower.code |= upper.code;
        }
    }

    fn relocate(&mut self, old: u64, old_len: u64, new_len: u64, area: Area, place: Place, unmap: bool) -> Result<u64, Errno> {
        if let (true, Backing::File { file, offset }) = (area.shared, &area.backing) {
            // The file has what there was, and the new map gets it from there.
            let to = self.map_shared(place, new_len, area.prot, file, *offset)?;
            if unmap {
                self.release(old, old + old_len);
            }
            return Ok(to);
        }
        let (to, end) = self.place(place, new_len)?;
        // What another process maps stays where it is, and what moves is no longer the same.
        let frames = area.shared.then(Owner::of_shared);
        let area = Area { frames, ..area };
        let kept = old_len.min(new_len);
        if new_len > old_len {
            let tail = Area { end, backing: area.backing.at(old_len), code: false, ..area.clone() };
            self.extend(to + old_len, tail)?;
        }
        self.back(to, to + kept)?;
        self.back(old, old + kept)?;
        frames::enter(area.frames.as_ref().unwrap_or(&self.own), to, to + kept, Content::Any)?;
        user::copy_within(to, old, kept)?;
        let mut moved = Area { end: to + kept, code: false, ..area };
        moved.activate(to);
        self.areas.insert(to, moved);
        if new_len > old_len {
            self.join(to, to + old_len);
        }
        if unmap {
            self.remove(old, old + old_len);
            return Ok(to);
        }
        // What stays there is empty, and the process's own.
        self.split(old);
        self.split(old + old_len);
        if let Some(left) = self.areas.get_mut(&old) {
            left.shared = false;
            left.dirty = true;
            if left.frames.take().is_some() {
                frames::enter(&self.own, old, old + old_len, Content::Zeros)?;
            }
        }
        user::clear(old, old_len)?;
        Ok(to)
    }
}
