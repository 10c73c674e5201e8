//! Sets of files that are waited for: epoll(7).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::Result;
use super::file::{File, FileObject, Seek};
use super::types::poll;
use crate::errno::Errno::{EEXIST, EINVAL, ELOOP, ENOENT, EPERM};
use crate::wasi::{Event, Nanos};

pub const EPOLLONESHOT: u32 = 1 << 30;
pub const EPOLLET: u32 = 1 << 31;
/// EPOLLWAKEUP and EPOLLEXCLUSIVE, which concern machines that sleep and several waiters.
const EPOLL_IGNORED: u32 = 1 << 29 | 1 << 28;
/// Sets within sets, at most so deep.
const MAX_NESTS: usize = 5;

/// What is asked for about one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    pub events: u32,
    /// Given back with the events.
    pub data: u64,
}

struct Member {
    file: Weak<File>,
    interest: Interest,
    /// Of an edge-triggered member: what was reported when, by [`FileObject::activity`].
    reported: Option<(u32, u64)>,
}

/// A set.
#[derive(Default)]
pub struct Epoll {
    /// By descriptor and open file: a descriptor that was closed and used anew is another member.
    members: RefCell<BTreeMap<(i32, usize), Member>>,
}

fn key(fd: i32, file: &Rc<File>) -> (i32, usize) {
    (fd, Rc::as_ptr(file).addr())
}

impl Epoll {
    /// EPOLL_CTL_ADD.
    ///
    /// # Errors
    /// `EPERM` for files that are always ready, `EEXIST`, `ELOOP`, `EINVAL`.
    pub fn add(self: &Rc<Self>, fd: i32, file: &Rc<File>, interest: Interest) -> Result<()> {
        if !file.pollable() {
            return Err(EPERM);
        }
        if let Some(other) = file.as_object::<Epoll>() {
            if Rc::ptr_eq(&other, self) {
                return Err(EINVAL);
            }
            if other.reaches(self, MAX_NESTS) {
                return Err(ELOOP);
            }
        }
        let mut members = self.members.borrow_mut();
        members.retain(|_, member| member.file.strong_count() > 0);
        if members.contains_key(&key(fd, file)) {
            return Err(EEXIST);
        }
        members.insert(key(fd, file), Member { file: Rc::downgrade(file), interest, reported: None });
        Ok(())
    }

    /// EPOLL_CTL_MOD.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn modify(&self, fd: i32, file: &Rc<File>, interest: Interest) -> Result<()> {
        let mut members = self.members.borrow_mut();
        let member = members.get_mut(&key(fd, file)).ok_or(ENOENT)?;
        (member.interest, member.reported) = (interest, None);
        Ok(())
    }

    /// EPOLL_CTL_DEL.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn remove(&self, fd: i32, file: &Rc<File>) -> Result<()> {
        self.members.borrow_mut().remove(&key(fd, file)).map(drop).ok_or(ENOENT)
    }

    /// True if the other set is a member of this one, or of a member; or if they nest too deep.
    fn reaches(&self, other: &Rc<Epoll>, depth: usize) -> bool {
        let files: Vec<Rc<File>> = self.files();
        depth == 0
            || files
                .iter()
                .filter_map(|file| file.as_object::<Epoll>())
                .any(|set| Rc::ptr_eq(&set, other) || set.reaches(other, depth - 1))
    }

    fn files(&self) -> Vec<Rc<File>> {
        self.members.borrow().values().filter_map(|member| member.file.upgrade()).collect()
    }

    /// At most `limit` members that are ready, and what they are ready for. One-shot and edge-triggered members take note.
    pub fn ready(&self, limit: usize) -> Vec<Interest> {
        let mut found = Vec::new();
        for member in self.members.borrow_mut().values_mut() {
            if found.len() == limit {
                break;
            }
            let Some(file) = member.file.upgrade() else { continue };
            let Some((events, activity)) = member.due(&file) else { continue };
            found.push(Interest { events, data: member.interest.data });
            member.reported = Some((events, activity));
            if member.interest.events & EPOLLONESHOT != 0 {
                member.interest.events = 0;
            }
        }
        found
    }

    /// The host's events that could make a member ready.
    pub fn host_events(&self) -> Vec<Event> {
        self.waiting().into_iter().flat_map(|file| crate::kernel::host_events(&file, poll::IN)).collect()
    }

    /// Members that are to be reported when they can be read.
    fn waiting(&self) -> Vec<Rc<File>> {
        let members = self.members.borrow();
        let waiting = members.values().filter(|member| member.interest.events & poll::IN != 0);
        waiting.filter_map(|member| member.file.upgrade()).collect()
    }
}

impl Member {
    /// What is to be reported now, if anything, and at which activity.
    fn due(&mut self, file: &Rc<File>) -> Option<(u32, u64)> {
        let asked = self.interest.events & !(EPOLLET | EPOLLONESHOT | EPOLL_IGNORED);
        if asked == 0 {
            // Disabled by EPOLLONESHOT; errors are not reported either.
            return None;
        }
        let events = file.poll() & (asked | poll::ERR | poll::HUP);
        let activity = file.any_object().map_or(0, |object| object.activity());
        if events == 0 {
            self.reported = None;
            return None;
        }
        let edge = self.interest.events & EPOLLET == 0
            || self.reported.is_none_or(|(before, when)| events & !before != 0 || when != activity);
        edge.then_some((events, activity))
    }
}

impl FileObject for Epoll {
    fn poll(&self) -> u32 {
        let mut members = self.members.borrow_mut();
        let ready = members.values_mut().any(|member| member.file.upgrade().is_some_and(|file| member.due(&file).is_some()));
        if ready { poll::IN | poll::RDNORM } else { 0 }
    }

    fn deadline(&self) -> Option<Nanos> {
        self.waiting().iter().filter_map(|file| file.deadline()).min()
    }

    fn seek(&self) -> Seek {
        Seek::Zero
    }

    fn fdinfo(&self) -> String {
        let members = self.members.borrow();
        let line = |(&(fd, _), member): (&(i32, usize), &Member)| {
            format!("tfd: {fd:8} events: {:8x} data: {:16x}\n", member.interest.events, member.interest.data)
        };
        members.iter().map(line).collect()
    }
}
