//! Message queues of POSIX: mq_overview(7).

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use super::file::{FileObject, Seek};
use super::types::poll;
use super::{Location, Result, Sink};
use crate::process::Notify;

/// A message, and how urgent it is.
pub struct Message {
    pub priority: u32,
    pub text: Vec<u8>,
}

/// Who is told of the next message that comes to the empty queue: mq_notify(3).
#[derive(Clone, Copy)]
pub struct Registration {
    pub process: i32,
    pub how: Notify,
    pub value: u64,
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
    pub registration: Cell<Option<Registration>>,
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
        let (how, signal, process) = match self.0.registration.get() {
            None => (0, 0, 0),
            Some(Registration { process, how: Notify::Nothing, .. }) => (1, 0, process),
            Some(Registration { process, how: Notify::Process(signal) | Notify::Task(signal, _), .. }) => (0, signal, process),
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
