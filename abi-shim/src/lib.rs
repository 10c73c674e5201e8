//! The Linux kernel inside the component.

pub mod errno;
