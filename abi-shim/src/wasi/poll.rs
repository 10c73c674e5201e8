//! wasi:io/poll: where the component sleeps.

use super::bindings::wasi::clocks::monotonic_clock;
use super::bindings::wasi::io::poll::{Pollable, poll};
use super::{Event, Nanos, clock, stdio};

/// Sleeps until one of the events has come or the monotonic clock has reached the deadline.
pub fn wait(events: &[Event], deadline: Option<Nanos>) {
    if deadline.is_some_and(|deadline| deadline <= clock::monotonic()) {
        return;
    }
    let pollables: Vec<Pollable> = events
        .iter()
        .map(|event| match event {
            Event::Stdin => stdio::subscribe_stdin(),
        })
        .chain(deadline.map(monotonic_clock::subscribe_instant))
        .collect();
    if !pollables.is_empty() {
        poll(&pollables.iter().collect::<Vec<_>>());
    }
}

/// Whether the event has come.
pub fn ready(event: Event) -> bool {
    match event {
        Event::Stdin => stdio::subscribe_stdin().ready(),
    }
}
