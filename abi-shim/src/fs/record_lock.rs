//! Locks on parts of files: fcntl(2). They belong to processes, or to open file descriptions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use super::{Identity, Result};
use crate::errno::Errno::{EAGAIN, EDEADLK};

/// Who has a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    Process(i32),
    /// By its address.
    Description(usize),
}

/// A lock on bytes of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub holder: Holder,
    pub bytes: Range<u64>,
    pub exclusive: bool,
}

/// By file. A kernel is a thread.
type Records = BTreeMap<Identity, Vec<Record>>;

thread_local! {
    static RECORDS: RefCell<Records> = RefCell::default();
    /// Which process waits for which.
    static WAITS: RefCell<BTreeMap<i32, i32>> = RefCell::default();
}

/// Whether anybody has any: else nobody has to be told that a file was closed.
pub fn are_any() -> bool {
    RECORDS.with_borrow(|records| !records.is_empty())
}

/// The first lock of another holder that is in the way of one: F_GETLK.
pub fn obstacle(file: Identity, wanted: &Record) -> Option<Record> {
    RECORDS.with_borrow(|records| {
        let in_the_way = |record: &&Record| {
            let overlaps = record.bytes.start < wanted.bytes.end && wanted.bytes.start < record.bytes.end;
            record.holder != wanted.holder && overlaps && (record.exclusive || wanted.exclusive)
        };
        records.get(&file)?.iter().find(in_the_way).cloned()
    })
}

/// Sets a lock in the place of what its holder has there: F_SETLK.
///
/// # Errors
/// `EAGAIN` if another's is in the way.
pub fn set(file: Identity, wanted: Record) -> Result<()> {
    if obstacle(file, &wanted).is_some() {
        return Err(EAGAIN);
    }
    free(file, wanted.holder, wanted.bytes.clone());
    RECORDS.with_borrow_mut(|records| {
        let records = records.entry(file).or_default();
        records.push(wanted);
        records.sort_by_key(|record| record.bytes.start);
    });
    Ok(())
}

/// Takes note that a process is about to wait for another's lock.
///
/// # Errors
/// `EDEADLK` if that one waits, by others perhaps, for this.
pub fn wait(process: i32, file: Identity, wanted: &Record) -> Result<()> {
    let Some(Record { holder: Holder::Process(holder), .. }) = obstacle(file, wanted) else { return Ok(()) };
    WAITS.with_borrow_mut(|waits| {
        let mut at = holder;
        while let Some(&next) = waits.get(&at) {
            if next == process {
                return Err(EDEADLK);
            }
            at = next;
        }
        waits.insert(process, holder);
        Ok(())
    })
}

/// The process does not wait any more.
pub fn stop_waiting(process: i32) {
    WAITS.with_borrow_mut(|waits| waits.remove(&process));
}

/// Frees what a holder has of these bytes: F_UNLCK.
pub fn free(file: Identity, holder: Holder, bytes: Range<u64>) {
    RECORDS.with_borrow_mut(|records| {
        let Some(its) = records.get_mut(&file) else { return };
        let mut kept = Vec::new();
        for record in its.drain(..) {
            if record.holder != holder {
                kept.push(record);
                continue;
            }
            let Record { exclusive, bytes: old, .. } = record;
            for part in [old.start..old.end.min(bytes.start), old.start.max(bytes.end)..old.end] {
                if part.start < part.end {
                    kept.push(Record { holder, bytes: part, exclusive });
                }
            }
        }
        *its = kept;
        if its.is_empty() {
            records.remove(&file);
        }
    });
}

/// Frees all that a holder has of a file: a process that closes it by any descriptor, a description that is closed.
pub fn free_file(file: Identity, holder: Holder) {
    free(file, holder, 0..u64::MAX);
}

/// Frees all that a process has: exit(2).
pub fn free_process(process: i32) {
    stop_waiting(process);
    let files: Vec<Identity> = RECORDS.with_borrow(|records| records.keys().copied().collect());
    files.into_iter().for_each(|file| free_file(file, Holder::Process(process)));
}

#[cfg(test)]
mod tests {
    use hoist_vfs::Device;

    use super::*;

    const FILE: Identity = Identity::numbered(Device { major: 0, minor: 1 }, 1);

    #[test]
    fn a_lock_is_cut_where_others_of_its_holder_come() {
        let record = |pid, bytes, exclusive| Record { holder: Holder::Process(pid), bytes, exclusive };
        set(FILE, record(1, 0..100, true)).unwrap();
        assert_eq!(set(FILE, record(2, 50..60, false)), Err(EAGAIN));
        set(FILE, record(1, 50..60, false)).unwrap();
        set(FILE, record(2, 50..60, false)).unwrap();
        assert_eq!(set(FILE, record(2, 40..60, false)), Err(EAGAIN));
        free(FILE, Holder::Process(1), 0..50);
        set(FILE, record(2, 0..50, true)).unwrap();
        assert_eq!(obstacle(FILE, &record(1, 0..10, false)), Some(record(2, 0..50, true)));
        wait(1, FILE, &record(1, 0..10, false)).unwrap();
        assert_eq!(wait(2, FILE, &record(2, 60..70, false)), Err(EDEADLK));
        free_process(2);
        assert_eq!(obstacle(FILE, &record(1, 0..100, true)), None);
    }
}
