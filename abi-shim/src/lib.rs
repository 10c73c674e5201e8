//! The Linux kernel inside the component.

pub mod errno;
pub mod machine;
pub mod rom;
pub mod user;
