//! The linker with the real kernel.

use hoist_lifter::wasm::layout::LiftedFunction;
use hoist_oci::PullOptions;
use hoist_runner::{Cache, Invocation, Profiler, Runner};
use hoist_vfs::{Attrs, Content, InodeId, RootFs};
use hoist_x86::processor::Level;
use wasmparser::{Encoding, Parser, Payload, TypeRef, Validator};

use super::*;
use crate::homes::Homes;
use crate::info::{self, INFO_SECTION};
use crate::progress::Progress;
use crate::{kernel, pipeline};

fn rootfs() -> RootFs {
    let mut rootfs = RootFs::new();
    let content = Content::bytes(b"bytes that nobody would take for code".to_vec());
    rootfs.create_file(InodeId::ROOT, b"file", Attrs::with_mode(0o644), content).expect("a file");
    rootfs
}

/// `(i32, i32) -> i32`, the constant 1.
fn one() -> LiftedFunction {
    LiftedFunction { body: vec![0, 0x41, 1, 0x0b], name: "one".into(), ..LiftedFunction::default() }
}

fn component(lifted: &Lifted) -> Result<Vec<u8>, LinkError> {
    let linker = Linker::new(kernel::WASM)?;
    let rootfs = rootfs();
    let rom = hoist_vfs::pack(&rootfs, |_| None).expect("a ROM");
    let mut out = Vec::new();
    linker.link(lifted, b"manifest", &rom)?.write(&[("custom", b"content")], &mut out)?;
    Ok(out)
}

#[test]
fn a_component_is_valid_with_and_without_lifted_code() {
    let lifted = Lifted { functions: vec![one(); 300], ..Lifted::default() };
    for lifted in [&lifted, &Lifted::default()] {
        let bytes = component(lifted).expect("a component");
        Validator::new().validate_all(&bytes).expect("valid, the ROM included");
        assert!(bytes.windows(8).any(|window| window == b"manifest"));
        assert!(bytes.windows(16).any(|window| window == b"nobody would tak"));
    }
}

#[test]
fn the_same_parts_give_the_same_bytes() {
    let lifted = Lifted { functions: vec![one()], ..Lifted::default() };
    assert!(component(&lifted).expect("a component") == component(&lifted).expect("a component"));
}

/// The default limits of wasmtime's pooling allocator, and nothing but WASI 0.2 from outside.
#[test]
fn core_modules_define_one_memory_and_one_table_and_import_only_wasi() {
    let bytes = component(&Lifted::default()).expect("a component");
    let (mut memories, mut tables, mut user_memories, mut depth) = (0, 0, 0, 0);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.expect("valid") {
            Payload::Version { encoding, .. } => {
                depth += 1;
                if encoding == Encoding::Module {
                    (memories, tables) = (0, 0);
                }
            }
            Payload::End(_) => depth -= 1,
            Payload::MemorySection(section) => memories += section.count(),
            Payload::TableSection(section) => tables += section.count(),
            Payload::ImportSection(section) => {
                let imports = section.into_imports().map(|import| import.expect("valid").ty);
                user_memories += imports.filter(|ty| matches!(ty, TypeRef::Memory(_))).count();
            }
            // Nested components only wrap the kernel's exports.
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    let name = import.expect("valid").name.name;
                    assert!(name.starts_with("wasi:") && name.contains("@0.2."), "{name}");
                }
            }
            _ => {}
        }
        assert!(memories <= 1 && tables <= 1);
    }
    assert_eq!(user_memories, 1);
}

#[test]
fn a_function_that_is_not_valid_is_refused() {
    let lifted = Lifted {
        functions: vec![LiftedFunction { body: vec![0, 0x0b], name: "nothing".into(), ..LiftedFunction::default() }],
        ..Lifted::default()
    };
    assert!(matches!(component(&lifted), Err(LinkError::Invalid(_))));
}

/// A ROM of this length that takes no space.
fn with_large_rom<T>(len: u64, check: impl FnOnce(Result<Component<'_>, LinkError>) -> T) -> T {
    let mut rootfs = rootfs();
    let file = tempfile::tempfile().expect("a file");
    file.set_len(len).expect("a sparse file");
    let content = Content::Spool { file: file.into(), offset: 0, len };
    rootfs.create_file(InodeId::ROOT, b"large", Attrs::with_mode(0o644), content).expect("a file");
    let linker = Linker::new(kernel::WASM).expect("the kernel");
    let rom = hoist_vfs::pack(&rootfs, |_| None).expect("a ROM");
    check(linker.link(&Lifted::default(), b"", &rom))
}

#[test]
fn no_core_module_is_larger_than_it_may_be() {
    with_large_rom(5 << 29, |component| {
        let component = component.expect("a component");
        let modules = std::iter::once(component.core_module_len()).chain(component.rom.iter().map(RomModule::len));
        let modules: Vec<u64> = modules.collect();
        assert!(modules.len() == 3 && modules.iter().all(|len| *len <= MAX_MODULE), "{modules:?}");
    });
}

#[test]
fn an_image_that_is_too_large_is_refused() {
    let error = with_large_rom(error::MAX_ROM, |component| component.map(drop).expect_err("an error"));
    assert!(error.to_string().contains("more than a component can address"), "{error}");
}

/// The image that ships with hoist runs out of a ROM in many parts, which its program and its files go across.
#[test]
fn the_rom_may_be_in_many_parts() {
    let reference = concat!("oci:", env!("CARGO_MANIFEST_DIR"), "/examples/hello/image").parse().expect("a reference");
    let image = hoist_oci::pull(&reference, &PullOptions::default(), &Progress::new(true)).expect("an image");
    let homes = Homes::assign(&image.rootfs, None);
    let numbers = homes.numbers();
    let rom = hoist_vfs::pack(&image.rootfs, |inode| numbers.get(&inode).copied()).expect("a ROM");
    let lifted = Lifted::default();
    let config = pipeline::config(&image.reference, &image.config, Level::V2);
    let manifest = pipeline::manifest(config, &homes, &lifted).encode().expect("a manifest");
    let linker = Linker::new(kernel::WASM).expect("the kernel");
    let component = linker.link_within(1 << 17, &lifted, &manifest, &rom).expect("a component");
    assert!(
        component.rom.len() as u64 == rom.len().div_ceil(1 << 16) && component.rom.len() > 3,
        "{} parts",
        component.rom.len()
    );
    let mut bytes = Vec::new();
    component.write(&[], &mut bytes).expect("written");
    Validator::new().validate_all(&bytes).expect("valid");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let runner = Runner::new(Profiler::None).expect("a runner");
    let component = runner.load(file.path(), &Cache::none(), || ()).expect("compiled");
    let invocation = Invocation { args: vec!["app".into(), "7".into()], ..Invocation::default() };
    assert_eq!(runner.run(&component, &invocation, &Vec::new).expect("an exit status"), 7);
}

#[test]
fn a_kernel_of_another_shape_is_refused() {
    let module = wasm_encoder::Module::new().finish();
    assert!(matches!(Linker::new(&module), Err(LinkError::Shape("not exactly one memory"))));
    assert!(matches!(Linker::new(b"\0asm\x01\0\0\0\x01"), Err(LinkError::Parse(_))));
    for len in (8..kernel::WASM.len()).step_by(10_007) {
        assert!(Linker::new(&kernel::WASM[..len]).is_err());
    }
}

#[test]
fn boundary_functions_are_known_by_their_names() {
    for name in ["load8", "rom_to_user", "get_rax", "set_fs_base", "enter"] {
        assert_eq!(boundary::Body::by_name(name).map(boundary::Body::name).as_deref(), Some(name));
    }
    assert_eq!(boundary::Body::by_name("get_xmm0"), None);
    assert_eq!(boundary::Body::by_name("reboot"), None);
}

#[test]
fn what_is_no_component_of_ours_is_not_described() {
    assert!(matches!(info::read(b"\0asm\xff"), Err(info::InfoError::Parse(_))));
    assert!(matches!(info::read(b"text"), Err(info::InfoError::NotWasm)));
    assert!(matches!(info::read(b"\x7fELF"), Err(info::InfoError::Compiled)));
    let bytes = component(&Lifted::default()).expect("a component");
    assert!(matches!(info::read(&bytes), Err(info::InfoError::Missing(INFO_SECTION))));
}
