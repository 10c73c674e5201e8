//! What a component's file says at its outside: imports, exports and custom sections, without reading the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use wasmparser::{BinaryReader, ComponentExportSectionReader, ComponentImportSectionReader};

/// A component's outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Names of what it needs: `wasi:cli/environment@0.2.6`.
    pub imports: Vec<String>,
    /// Names of what it gives: `wasi:cli/run@0.2.6`.
    pub exports: Vec<String>,
    /// Custom sections by name; of several with one name the last.
    pub custom: BTreeMap<String, Vec<u8>>,
}

/// Why a file is not a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    #[error("{0}")]
    Read(#[from] io::Error),
    #[error("not a WebAssembly component")]
    NotAComponent,
    #[error("a core WebAssembly module, not a component")]
    CoreModule,
    #[error("section at byte {offset}: {problem}")]
    Malformed { offset: u64, problem: &'static str },
    #[error(transparent)]
    Parse(#[from] wasmparser::BinaryReaderError),
}

/// Ids of sections, component-model Binary.md.
const CUSTOM: u8 = 0;
const IMPORT: u8 = 10;
const EXPORT: u8 = 11;

/// Magic and version, where bytes 6 and 7 say that it is a component.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

/// The most bytes of a section that is read; large custom sections are names for debuggers.
const SECTION_LIMIT: u64 = 64 << 20;

impl Outside {
    /// Reads a file's sections as far as they concern its outside.
    ///
    /// # Errors
    /// [`ComponentError`]
    pub fn read(path: &Path) -> Result<Outside, ComponentError> {
        let mut file = BufReader::new(File::open(path)?);
        let len = file.get_ref().metadata()?.len();
        let mut magic = [0; 8];
        match file.read_exact(&mut magic) {
            Ok(()) if magic == COMPONENT => {}
            Ok(()) if magic == MODULE => return Err(ComponentError::CoreModule),
            _ => return Err(ComponentError::NotAComponent),
        }
        let (mut outside, mut offset) = (Outside::default(), magic.len() as u64);
        while offset < len {
            let mut id = [0];
            file.read_exact(&mut id)?;
            let (size, digits) = leb128(&mut file, offset)?;
            let start = offset + 1 + digits;
            let end = start.checked_add(size).filter(|&end| end <= len);
            let end = end.ok_or(ComponentError::Malformed { offset, problem: "it is longer than the file" })?;
            if matches!(id[0], CUSTOM | IMPORT | EXPORT) && size <= SECTION_LIMIT {
                let mut data = vec![0; size as usize];
                file.read_exact(&mut data)?;
                outside.take(id[0], &data, start)?;
            } else {
                file.seek(SeekFrom::Start(end))?;
            }
            offset = end;
        }
        Ok(outside)
    }

    fn take(&mut self, id: u8, data: &[u8], offset: u64) -> Result<(), ComponentError> {
        match id {
            IMPORT => {
                for import in ComponentImportSectionReader::new(BinaryReader::new(data, offset))? {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            EXPORT => {
                for export in ComponentExportSectionReader::new(BinaryReader::new(data, offset))? {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {
                let mut reader = BinaryReader::new(data, offset);
                let name = reader.read_string()?.to_owned();
                self.custom.insert(name, data[data.len() - reader.bytes_remaining()..].to_vec());
            }
        }
        Ok(())
    }
}

/// An unsigned number of up to 32 bits and how many bytes it took.
fn leb128(file: &mut impl Read, offset: u64) -> Result<(u64, u64), ComponentError> {
    let (mut value, mut byte) = (0, [0]);
    for digit in 0..5 {
        file.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7f) << (7 * digit);
        if byte[0] & 0x80 == 0 {
            return Ok((value, digit + 1));
        }
    }
    Err(ComponentError::Malformed { offset, problem: "its size is malformed" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Outside, ComponentError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("a file");
        Outside::read(file.path())
    }

    #[test]
    fn custom_sections_of_the_outermost_component() {
        let mut component = wasm_encoder::Component::new();
        let custom =
            |name: &'static str, data: &'static [u8]| wasm_encoder::CustomSection { name: name.into(), data: data.into() };
        let mut inner = wasm_encoder::Module::new();
        inner.section(&custom("inner", b"no"));
        component.section(&wasm_encoder::ModuleSection(&inner));
        component.section(&custom("a", b"1"));
        component.section(&custom("b", b""));
        let outside = read(&component.finish()).expect("a component");
        let expected = BTreeMap::from([("a".to_owned(), b"1".to_vec()), ("b".to_owned(), Vec::new())]);
        assert_eq!(outside, Outside { custom: expected, ..Outside::default() });
    }

    #[test]
    fn other_files() {
        assert!(matches!(read(b""), Err(ComponentError::NotAComponent)));
        assert!(matches!(read(&MODULE), Err(ComponentError::CoreModule)));
        let truncated = [&COMPONENT[..], &[CUSTOM, 5, 1]].concat();
        assert!(matches!(read(&truncated), Err(ComponentError::Malformed { .. })));
        assert!(matches!(
            read(&[&COMPONENT[..], &[1, 0x80, 0x80, 0x80, 0x80, 0x80]].concat()),
            Err(ComponentError::Malformed { .. })
        ));
    }
}
