//! The helpers' bodies, a file a family; their types are the rows of [`crate::helper`].

pub mod crypto;
pub mod cpuid;
pub mod float;
pub mod fused;
pub mod integer;
pub mod text;
pub mod vector;
pub mod x87;
