//! The custom section of a component in which its topology is.

use wasmparser::{Parser, Payload};

use crate::model::{Topology, VERSION};

/// Name of the custom section, at the component's outermost level: a [`Topology`] of one service, as JSON.
pub const NAME: &str = "hoist.topology";

/// Media type of the document, for those who keep it beside the component.
pub const MEDIA_TYPE: &str = "application/vnd.hoist.topology.v1+json";

/// Why a component's topology cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SectionError {
    #[error("not a WebAssembly component, or a damaged one: {0}")]
    Parse(#[from] wasmparser::Error),
    #[error("its section {NAME:?} is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("its section {NAME:?} has version {0}; this hoist knows version {VERSION}")]
    Version(u32),
}

/// The topology as it stands in a component: the bytes of the document. `None` if it has none.
///
/// # Errors
/// `Parse`
pub fn read_bytes(component: &[u8]) -> Result<Option<&[u8]>, SectionError> {
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload? {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(section) if depth == 1 && section.name() == NAME => return Ok(Some(section.data())),
            _ => {}
        }
    }
    Ok(None)
}

/// The same, read.
///
/// # Errors
/// [`SectionError`]
pub fn read(component: &[u8]) -> Result<Option<Topology>, SectionError> {
    read_bytes(component)?.map(decode).transpose()
}

/// A document's topology.
///
/// # Errors
/// `Damaged`, `Version`
pub fn decode(document: &[u8]) -> Result<Topology, SectionError> {
    let topology: Topology = serde_json::from_slice(document)?;
    if topology.version == VERSION { Ok(topology) } else { Err(SectionError::Version(topology.version)) }
}

/// The document, as files have it: indented, with a newline at its end.
pub fn encode(topology: &Topology) -> Vec<u8> {
    // Keys are strings and nothing else can fail.
    let mut bytes = serde_json::to_vec_pretty(topology).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component of nothing but custom sections.
    fn component(name: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        bytes.extend([0, (1 + name.len() + data.len()) as u8, name.len() as u8]);
        bytes.extend(name.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        let topology = Topology { name: Some("app".into()), ..Topology::default() };
        let document = encode(&topology);
        assert_eq!(read(&component(NAME, &document)).expect("a section"), Some(topology));
        assert_eq!(read(&component("other", b"x")).expect("a component"), None);
        assert!(matches!(read(&component(NAME, b"{}")), Err(SectionError::Damaged(_))));
        assert!(matches!(read(&component(NAME, b"{\"version\":9,\"services\":{}}")), Err(SectionError::Version(9))));
        assert!(matches!(read(b"text"), Err(SectionError::Parse(_))));
    }
}
