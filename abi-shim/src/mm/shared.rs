//! Shared maps of files. The second map of a file is the first one if it can be: nothing but the same address makes two maps the same bytes.

use std::rc::Rc;

use super::frames::{self, Content, Owner, files};
use super::{AddressSpace, Area, Backing, FileMap, Place, Prot, TASK_SIZE, page_up};
use crate::errno::Errno;

impl AddressSpace {
    /// mmap(2) with MAP_SHARED of a file.
    ///
    /// # Errors
    /// As [`AddressSpace::map_file`].
    pub(super) fn map_shared(
        &mut self,
        place: Place,
        len: u64,
        prot: Prot,
        file: &Rc<FileMap>,
        offset: u64,
    ) -> Result<u64, Errno> {
        // Other maps of it may have other owners.
        files::gather(file.inode(), offset, len)?;
        if let (Place::Hint(0), Some(start)) = (place, self.place_beside(file, offset, len)) {
            let (start, end) = self.check(Place::Fixed(start), len)?;
            self.map_again(start, end, prot, file, offset)?;
            return Ok(start);
        }
        let (start, end) = self.place(place, len)?;
        self.map_shared_at(start, end, prot, file, offset)?;
        Ok(start)
    }

    /// Maps what is mapped there already, part of it at least, once more.
    fn map_again(&mut self, start: u64, end: u64, prot: Prot, file: &Rc<FileMap>, offset: u64) -> Result<(), Errno> {
        self.split(start);
        self.split(end);
        let mut at = start;
        while at < end {
            let Some(area) = self.areas.get_mut(&at) else {
                let next = self.areas.range(at..end).next().map_or(end, |(&next, _)| next);
                self.map_shared_at(at, next, prot, file, offset + (at - start))?;
                at = next;
                continue;
            };
            area.again += 1;
            at = area.end;
        }
        self.protect(start, end - start, prot)
    }

    fn map_shared_at(&mut self, start: u64, end: u64, prot: Prot, file: &Rc<FileMap>, offset: u64) -> Result<(), Errno> {
        self.back(start, end)?;
        let frames = Owner::of_file(file, offset.wrapping_sub(start));
        frames::enter(&frames, start, end, Content::Its)?;
        if prot.has(Prot::WRITE) {
            frames.set_written();
        }
        let backing = Backing::File { file: file.clone(), offset };
        let area = Area { shared: true, frames: Some(frames), ..Area::private(end, prot, backing) };
        self.areas.insert(start, area);
        Ok(())
    }

    /// Where a shared map of a file is the same bytes as its other ones, in this process and in others.
    fn place_beside(&self, file: &FileMap, offset: u64, len: u64) -> Option<u64> {
        let len = page_up(len);
        let is_same = |at: u64, start: u64, area: &Area| {
            let Some((map, from)) = area.file().filter(|_| area.shared) else { return false };
            map.identity() == file.identity() && from.wrapping_sub(start) == offset.wrapping_sub(at)
        };
        let fits = |&at: &u64| {
            let end = at.checked_add(len).filter(|&end| at >= self.first_free && end <= TASK_SIZE);
            end.is_some_and(|end| self.overlapping(at, end).all(|(start, area)| is_same(at, start, area)))
        };
        Owner::places_of(file.inode(), offset).into_iter().find(fits)
    }

    /// Undoes one mmap(2) of all that is mapped in a range.
    pub(super) fn release(&mut self, start: u64, end: u64) {
        self.split(start);
        self.split(end);
        let mut at = start;
        while let Some((&first, area)) = self.areas.range_mut(at..end).next() {
            at = area.end;
            match area.again.checked_sub(1) {
                Some(again) => area.again = again,
                None => self.remove(first, at),
            }
        }
    }
}
