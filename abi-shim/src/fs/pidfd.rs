//! Processes as files: pidfd_open(2).

use std::cell::Cell;
use std::rc::Rc;

use super::file::FileObject;
use super::types::poll;

/// A process.
pub struct PidFd {
    pub pid: i32,
    /// It has ended; shared with the process itself.
    ended: Rc<Cell<bool>>,
}

impl PidFd {
    #[allow(clippy::new_ret_no_self)] // it is made to be an open file
    pub fn new(pid: i32, ended: &Rc<Cell<bool>>) -> Rc<PidFd> {
        Rc::new(PidFd { pid, ended: ended.clone() })
    }
}

impl FileObject for PidFd {
    fn poll(&self) -> u32 {
        if self.ended.get() { poll::IN | poll::RDNORM } else { 0 }
    }

    fn fdinfo(&self) -> String {
        format!("Pid:\t{0}\nNSpid:\t{0}\n", self.pid)
    }
}
