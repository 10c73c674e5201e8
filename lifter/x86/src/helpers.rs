//! The helpers' bodies, a file a family; their types are the rows of [`crate::helper`].

pub mod float;
pub mod integer;
pub mod vector;
