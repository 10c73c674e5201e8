//! Message queues of POSIX: mq_overview(7).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::file::{FileObject, Seek};
use super::socket::{Ancillary, Socket};
use super::types::poll;
use super::{Location, Result, Sink};

/// A message, and how urgent it is.
pub struct Message {
    pub priority: u32,
    pub text: Vec<u8>,
}

/// Who is told of the next message that comes to the empty queue: mq_notify(3).
#[derive(Clone)]
pub struct Registration {
    pub process: i32,
    pub how: Notify,
}

/// How it is told.
#[derive(Clone)]
pub enum Notify {
    Nothing,
    /// By a signal with a value.
    Signal {
        signal: u8,
        value: u64,
    },
    /// By its own cookie, which comes from a netlink(7) socket on which a thread of the C library listens.
    Thread {
        socket: Rc<Socket>,
        cookie: [u8; COOKIE_LEN],
    },
}

/// Bytes of a cookie, the last of which says what happened: NOTIFY_COOKIE_LEN.
pub const COOKIE_LEN: usize = 32;
/// NOTIFY_WOKENUP, NOTIFY_REMOVED.
pub const WOKEN_UP: u8 = 1;
pub const REMOVED: u8 = 2;

impl Registration {
    /// Tells a thread what happened.
    pub fn tell_thread(&self, what: u8) {
        let Notify::Thread { socket, mut cookie } = self.how.clone() else { return };
        cookie[COOKIE_LEN - 1] = what;
        // A socket that is full has been told often enough.
        socket.deliver(cookie.into(), Ancillary::default());
    }
}

/// A queue, which lives as long as it has a name or is open.
pub struct MessageQueue {
    /// An inode of its own: owner and mode.
    pub location: Location,
    pub max_messages: usize,
    pub message_size: usize,
    /// What the user's limit counts: RLIMIT_MSGQUEUE.
    pub bytes: u64,
    /// The most urgent first.
    messages: RefCell<VecDeque<Message>>,
    pub registration: RefCell<Option<Registration>>,
    arrivals: Cell<u64>,
}

impl MessageQueue {
    /// An empty queue.
    pub fn new(location: Location, max_messages: usize, message_size: usize, bytes: u64) -> MessageQueue {
        let (messages, registration, arrivals) = Default::default();
        MessageQueue { location, max_messages, message_size, bytes, messages, registration, arrivals }
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.messages.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_full(&self) -> bool {
        self.len() >= self.max_messages
    }

    /// Puts a message behind those that are as urgent.
    pub fn put(&self, message: Message) {
        let mut messages = self.messages.borrow_mut();
        let at = messages.partition_point(|other| other.priority >= message.priority);
        messages.insert(at, message);
        self.arrivals.set(self.arrivals.get() + 1);
    }

    /// Takes the first of the most urgent.
    pub fn take(&self) -> Option<Message> {
        self.messages.borrow_mut().pop_front()
    }
}

/// A queue, open.
pub struct MessageQueueFile(pub Rc<MessageQueue>);

impl FileObject for MessageQueueFile {
    fn read(&self, offset: u64, sink: &mut dyn Sink) -> Result<usize> {
        let bytes: usize = self.0.messages.borrow().iter().map(|message| message.text.len()).sum();
        let (how, signal, process) = match &*self.0.registration.borrow() {
            None => (0, 0, 0),
            Some(Registration { process, how: Notify::Signal { signal, .. } }) => (0, *signal, *process),
            Some(Registration { process, how: Notify::Nothing }) => (1, 0, *process),
            Some(Registration { process, how: Notify::Thread { .. } }) => (2, 0, *process),
        };
        let text = format!("QSIZE:{bytes:<10} NOTIFY:{how:<5} SIGNO:{signal:<5} NOTIFY_PID:{process:<6}\n");
        let rest = usize::try_from(offset).ok().and_then(|offset| text.as_bytes().get(offset..)).unwrap_or_default();
        let part = &rest[..rest.len().min(sink.room())];
        sink.put(part)?;
        Ok(part.len())
    }

    fn poll(&self) -> u32 {
        let readable = if self.0.is_empty() { 0 } else { poll::IN | poll::RDNORM };
        let writable = if self.0.is_full() { 0 } else { poll::OUT | poll::WRNORM };
        readable | writable
    }

    fn seek(&self) -> Seek {
        Seek::Offset
    }

    fn activity(&self) -> u64 {
        self.0.arrivals.get()
    }
}
