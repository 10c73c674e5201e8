//! wasi:io/poll: where the component sleeps.

use super::bindings::wasi::clocks::monotonic_clock;
use super::bindings::wasi::io::poll::{Pollable, poll};
use super::{Event, Nanos, clock, stdio};

/// Sleeps until one of the events has come or the monotonic clock has reached the deadline.
pub fn wait(events: &[Event], deadline: Option<Nanos>) {
    if deadline.is_some_and(|deadline| deadline <= clock::monotonic()) {
        return;
    }
    let reads = events.contains(&Event::Stdin);
    // In this order: what was asked for last is what the stream becomes ready for.
    if stdio::expects_signals() && (ready(Event::Signal) || reads && ready(Event::Stdin)) {
        return;
    }
    let pollables: Vec<Pollable> = (!events.is_empty())
        .then(stdio::subscribe_stdin)
        .into_iter()
        .chain(deadline.map(monotonic_clock::subscribe_instant))
        .collect();
    if !pollables.is_empty() {
        poll(&pollables.iter().collect::<Vec<_>>());
    }
}

/// Whether the event has come.
pub fn ready(event: Event) -> bool {
    match event {
        Event::Stdin if stdio::expects_signals() => stdio::is_readable(),
        Event::Stdin => stdio::subscribe_stdin().ready(),
        Event::Signal => stdio::has_signal(),
    }
}
