//! A host for tests: the clocks of the machine, streams in memory, random bytes that are the same each time.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::{Event, Nanos, Output};
use crate::errno::Errno;

#[derive(Default)]
struct Host {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    stdin: VecDeque<u8>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    seed: u64,
}

thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

pub mod clock {
    use super::Nanos;
    use std::sync::OnceLock;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    pub fn monotonic() -> Nanos {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed().as_nanos() as Nanos
    }

    pub fn realtime() -> (u64, u32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (now.as_secs(), now.subsec_nanos())
    }
}

pub mod random {
    use super::HOST;

    pub fn fill(buffer: &mut [u8]) {
        HOST.with_borrow_mut(|host| {
            for byte in buffer {
                host.seed = host.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                *byte = (host.seed >> 56) as u8;
            }
        });
    }
}

pub mod environment {
    use super::HOST;

    pub fn arguments() -> Vec<String> {
        HOST.with_borrow(|host| host.arguments.clone())
    }

    pub fn variables() -> Vec<(String, String)> {
        HOST.with_borrow(|host| host.variables.clone())
    }

    /// What the two functions above give from now on, in this thread.
    pub fn install(arguments: &[&str], variables: &[(&str, &str)]) {
        HOST.with_borrow_mut(|host| {
            host.arguments = arguments.iter().map(|&text| text.into()).collect();
            host.variables = variables.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        });
    }
}

pub mod poll {
    use super::{Event, Nanos, clock};

    pub fn wait(events: &[Event], deadline: Option<Nanos>) {
        if let (false, Some(deadline)) = (events.iter().any(|&event| ready(event)), deadline) {
            std::thread::sleep(std::time::Duration::from_nanos(deadline.saturating_sub(clock::monotonic())));
        }
    }

    /// Standard input is in memory, so always.
    pub fn ready(event: Event) -> bool {
        match event {
            Event::Stdin => true,
            Event::Signal => false,
        }
    }
}

pub mod stdio {
    use super::{Errno, HOST, Output};

    pub fn read(buffer: &mut [u8]) -> Result<usize, Errno> {
        HOST.with_borrow_mut(|host| {
            let len = buffer.len().min(host.stdin.len());
            buffer[..len].iter_mut().zip(host.stdin.drain(..len)).for_each(|(to, from)| *to = from);
            Ok(len)
        })
    }

    pub fn write(output: Output, bytes: &[u8]) -> Result<(), Errno> {
        HOST.with_borrow_mut(|host| match output {
            Output::Stdout => host.stdout.extend(bytes),
            Output::Stderr => host.stderr.extend(bytes),
        });
        Ok(())
    }

    pub fn flush() {}

    pub fn expect_signals() {}

    pub fn signal() -> Option<u8> {
        None
    }

    pub fn is_terminal(_fd: u32) -> bool {
        false
    }

    /// What standard input has from now on, in this thread.
    pub fn install(stdin: &[u8]) {
        HOST.with_borrow_mut(|host| host.stdin = stdin.iter().copied().collect());
    }

    /// What was written to a stream since the last call, in this thread.
    pub fn take(output: Output) -> Vec<u8> {
        HOST.with_borrow_mut(|host| match output {
            Output::Stdout => std::mem::take(&mut host.stdout),
            Output::Stderr => std::mem::take(&mut host.stderr),
        })
    }
}
