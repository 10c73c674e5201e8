//! The core module → a component.
//!
//! wit-component refuses a core module that imports a memory. It also reads nothing of the module but its types,
//! imports and exports. So it encodes a *facade* of the kernel, whose functions are empty, and this file rewrites
//! the result: the module that defines the user memory and its instance come first, which moves all core modules and
//! instances by one; the merged module takes the facade's place and gets the user memory as one more argument.

use std::io::Write;

use hoist_x86::boundary::{IMPORT_MODULE, export};
use wasm_encoder::reencode::{self, Reencode, ReencodeComponent};
use wasm_encoder::{
    CodeSection, Component, ComponentSectionId, CustomSection, Encode, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, InstanceSection, MemorySection, ModuleArg, ModuleSection, RawSection, TypeSection,
};
use wasmparser::{ExternalKind, Instance, Parser};
use wit_component::ComponentEncoder;

use super::error::LinkError;
use super::kernel::Kernel;
use super::merge::{CoreModule, USER_MEMORY_NAME, USER_MEMORY_TYPE};
use super::rom::{MAIN_NAME, RomModule};

/// A component without its largest part, the merged core module.
pub struct Skeleton {
    bytes: Vec<u8>,
    /// Where the merged module goes.
    split: usize,
    /// Core modules, the merged one included.
    modules: u32,
    /// The merged module's instance.
    main_instance: u32,
}

impl Skeleton {
    /// # Errors
    /// `Skeleton`, if what the kernel imports and exports is not its world.
    pub fn build(kernel: &Kernel<'_>) -> Result<Skeleton, LinkError> {
        let facade = facade(kernel)?;
        let encode = || ComponentEncoder::default().module(&facade)?.validate(true).encode();
        // The chain of causes is the message: wit-component's errors are anyhow's.
        let encoded = encode().map_err(|error| LinkError::Skeleton(format!("{error:#}")))?;
        let mut component = Component::new();
        component.section(&ModuleSection(&user_memory()));
        let mut instances = InstanceSection::new();
        instances.instantiate::<[(&str, ModuleArg); 0], &str>(USER_MODULE, []);
        component.section(&instances);
        let mut rewrite = Rewrite { depth: 0, split: None, modules: MOVED, instances: MOVED, main_instance: None };
        rewrite.parse_component(&mut component, Parser::new(0), &encoded)?;
        let missing = || LinkError::Skeleton("it has no core module, or no instance of it".into());
        let (split, main_instance) = rewrite.split.zip(rewrite.main_instance).ok_or_else(missing)?;
        Ok(Skeleton { bytes: component.finish(), split, modules: rewrite.modules, main_instance })
    }

    /// Writes the component. `rom` are the modules of further parts of the ROM; `custom` are names and contents of custom sections that go to its end.
    ///
    /// # Errors
    /// `Rom`, `Write`.
    pub fn write(
        &self,
        module: &CoreModule<'_>,
        rom: &[RomModule<'_>],
        custom: &[(&str, &[u8])],
        out: &mut impl Write,
    ) -> Result<(), LinkError> {
        let (before, after) = self.bytes.split_at(self.split);
        out.write_all(before)?;
        out.write_all(&module_head(module.len()))?;
        module.write_to(out)?;
        out.write_all(after)?;
        for part in rom {
            out.write_all(&module_head(part.len()))?;
            part.write_to(out)?;
        }
        if !rom.is_empty() {
            let mut instances = InstanceSection::new();
            for index in (self.modules..).take(rom.len()) {
                let [user, main] = [USER_INSTANCE, self.main_instance].map(ModuleArg::Instance);
                instances.instantiate(index, [(IMPORT_MODULE, user), (MAIN_NAME, main)]);
            }
            let mut section = vec![ComponentSectionId::CoreInstance as u8];
            instances.encode(&mut section);
            out.write_all(&section)?;
        }
        for (name, data) in custom {
            let mut section = vec![ComponentSectionId::CoreCustom as u8];
            CustomSection { name: (*name).into(), data: (*data).into() }.encode(&mut section);
            out.write_all(&section)?;
        }
        Ok(())
    }
}

/// What stands before a core module of `len` bytes.
fn module_head(len: u64) -> Vec<u8> {
    let mut head = vec![ComponentSectionId::CoreModule as u8];
    (len as usize).encode(&mut head);
    head
}

/// Index of the user memory's core module and of its instance.
const USER_MODULE: u32 = 0;
const USER_INSTANCE: u32 = 0;
/// wit-component's index of the main module.
const MAIN_MODULE: u32 = 0;
/// By how much the other core modules and instances move.
const MOVED: u32 = 1;

/// The core module that defines the user memory. Hosts that pool instances allow one memory defined per core module
/// (DESIGN §2), and the kernel's takes that place in the merged one.
fn user_memory() -> wasm_encoder::Module {
    let mut memories = MemorySection::new();
    memories.memory(USER_MEMORY_TYPE);
    let mut exports = ExportSection::new();
    exports.export(USER_MEMORY_NAME, ExportKind::Memory, 0);
    let mut module = wasm_encoder::Module::new();
    module.section(&memories).section(&exports);
    module
}

/// A module with the imports, exports and world of the kernel, and nothing inside.
fn facade(kernel: &Kernel<'_>) -> Result<Vec<u8>, LinkError> {
    let mut types = TypeSection::new();
    for ty in &kernel.types {
        types.ty().func_type(&kernel.renumber().func_type(ty.clone())?);
    }
    let mut imports = ImportSection::new();
    for import in &kernel.imports {
        kernel.renumber().parse_import(&mut imports, *import)?;
    }
    let (mut functions, mut exports, mut code) = (FunctionSection::new(), ExportSection::new(), CodeSection::new());
    // What hosts call behind the component's back is no part of its world.
    for export in kernel.public_exports().filter(|export| export.name != export::FAULT) {
        match export.kind {
            ExternalKind::Func => {
                let defined = kernel.function(export.index)?.checked_sub(kernel.imports.len() as u32);
                let ty = defined.and_then(|index| kernel.functions.get(index as usize));
                functions.function(*ty.ok_or(LinkError::Shape("an import that is exported"))?);
                exports.export(export.name, ExportKind::Func, kernel.imports.len() as u32 + code.len());
                let mut body = Function::new([]);
                body.instructions().unreachable().end();
                code.function(&body);
            }
            ExternalKind::Memory => {
                exports.export(export.name, ExportKind::Memory, 0);
            }
            _ => {}
        }
    }
    let mut memories = MemorySection::new();
    memories.memory(kernel.renumber().memory_type(kernel.memory)?);
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports).section(&functions).section(&memories).section(&exports).section(&code);
    for section in &kernel.component_types {
        module.section(&CustomSection { name: section.name().into(), data: section.data().into() });
    }
    Ok(module.finish())
}

/// Rewrites wit-component's component.
struct Rewrite {
    /// Components around the one being rewritten; index spaces move in the outermost only.
    depth: u32,
    /// Where in the output the facade was left out.
    split: Option<usize>,
    /// Core modules and core instances so far, in the output.
    modules: u32,
    instances: u32,
    main_instance: Option<u32>,
}

impl Reencode for Rewrite {
    type Error = LinkError;
}

impl ReencodeComponent for Rewrite {
    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn module_index(&mut self, index: u32) -> u32 {
        if self.depth == 0 { index + MOVED } else { index }
    }

    fn instance_index(&mut self, index: u32) -> u32 {
        if self.depth == 0 { index + MOVED } else { index }
    }

    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _parser: Parser,
        module: &[u8],
    ) -> Result<(), reencode::Error<LinkError>> {
        if self.depth == 0 {
            self.modules += 1;
        }
        if self.depth == 0 && self.split.is_none() {
            self.split = Some(component.as_slice().len());
        } else {
            component.section(&RawSection { id: ComponentSectionId::CoreModule as u8, data: module });
        }
        Ok(())
    }

    fn parse_instance(
        &mut self,
        instances: &mut InstanceSection,
        instance: Instance<'_>,
    ) -> Result<(), reencode::Error<LinkError>> {
        let index = self.instances;
        if self.depth == 0 {
            self.instances += 1;
        }
        match &instance {
            Instance::Instantiate { module_index: MAIN_MODULE, args } if self.depth == 0 => {
                let mut moved = vec![(IMPORT_MODULE, ModuleArg::Instance(USER_INSTANCE))];
                moved.extend(args.iter().map(|arg| (arg.name, ModuleArg::Instance(arg.index + MOVED))));
                instances.instantiate(MAIN_MODULE + MOVED, moved);
                self.main_instance = Some(index);
                Ok(())
            }
            _ => reencode::component_utils::parse_instance(self, instances, instance),
        }
    }
}
