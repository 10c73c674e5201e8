//! Tests that can be trusted: the real processor and the real kernel are the oracles (DESIGN §8).

pub mod alone;
pub mod compare;
pub mod coverage;
pub mod fuzz;
pub mod layout;
pub mod machine;
pub mod oracle;
pub mod pty;
pub mod registry;
pub mod tree;
