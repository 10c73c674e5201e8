//! The helpers' bodies, a file a family; their types are the rows of [`crate::helper`].

pub mod cpuid;
pub mod crypto;
pub mod float;
pub mod integer;
pub mod sse;
pub mod text;
pub mod vector;
pub mod x87;
