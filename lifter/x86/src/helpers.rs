//! The helpers' bodies, a file a family; their types are the rows of [`crate::helper`].

pub mod integer;
