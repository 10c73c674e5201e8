//! Tests that can be trusted: the real processor and the real kernel are the oracles (DESIGN §8).

pub mod compare;
pub mod layout;
pub mod oracle;
