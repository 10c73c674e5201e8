//! The prebuilt kernel, taken apart: its sections, and where its parts go in the merged module.

use std::collections::BTreeMap;

use hoist_lifter::wasm::layout::Layout;
use hoist_x86::boundary::{IMPORT_MODULE, export};
use hoist_x86::helper::Helper;
use hoist_x86::reg::Reg;
use wasm_encoder::reencode::{self, Reencode};
use wasmparser::{
    CompositeInnerType, ConstExpr, CustomSectionReader, DataSectionReader, ElementSectionReader, Export, ExternalKind, FuncType,
    FunctionBody, Global, Import, MemoryType, Operator, Parser, Payload, TableType, TypeRef,
};

use super::boundary::Body;
use super::error::LinkError;

/// Index of the kernel's own memory in the merged module; the user memory is 0.
pub const KERNEL_MEMORY: u32 = 1;
pub const USER_MEMORY: u32 = 0;

/// The kernel's core module.
pub struct Kernel<'a> {
    /// Function types; the kernel has no others.
    pub types: Vec<FuncType>,
    /// Function imports that stay, in order.
    pub imports: Vec<Import<'a>>,
    /// The functions that the linker writes, with the type that the kernel declares.
    pub boundary: Vec<(Body, u32)>,
    /// Type of each defined function.
    pub functions: Vec<u32>,
    pub bodies: Vec<FunctionBody<'a>>,
    pub table: TableType,
    pub memory: MemoryType,
    pub globals: Vec<Global<'a>>,
    pub exports: Vec<Export<'a>>,
    pub elements: Option<ElementSectionReader<'a>>,
    pub data: Option<DataSectionReader<'a>>,
    /// By the kernel's own function index.
    pub names: BTreeMap<u32, &'a str>,
    /// The sections that describe the component's world.
    pub component_types: Vec<CustomSectionReader<'a>>,
    /// The kernel's function index → the merged module's.
    function_map: Vec<u32>,
}

impl<'a> Kernel<'a> {
    /// # Errors
    /// The kernel is not a module of the shape that rustc gives a cdylib, or does not fit this linker.
    pub fn parse(wasm: &'a [u8]) -> Result<Kernel<'a>, LinkError> {
        let mut parts = Parts::default();
        for payload in Parser::new(0).parse_all(wasm) {
            parts.add(payload?)?;
        }
        parts.finish()
    }

    /// Index in the merged module of the kernel's function `index`.
    pub fn function(&self, index: u32) -> Result<u32, LinkError> {
        self.function_map.get(index as usize).copied().ok_or(LinkError::Shape("a function index out of range"))
    }

    /// Merged index of the function that the kernel exports as `name`.
    pub fn exported_function(&self, name: &str) -> Result<u32, LinkError> {
        let export = self.exports.iter().find(|export| export.name == name && export.kind == ExternalKind::Func);
        self.function(export.ok_or_else(|| LinkError::MissingExport(name.into()))?.index)
    }

    /// The address that an exported static has: the initial value of the global of that name.
    fn exported_address(&self, name: &str) -> Result<u32, LinkError> {
        let export = self.exports.iter().find(|export| export.name == name && export.kind == ExternalKind::Global);
        let global = export.and_then(|export| self.globals.get(export.index as usize));
        let address = global.and_then(|global| constant(&global.init_expr));
        address.ok_or_else(|| LinkError::MissingExport(name.into()))
    }

    /// Functions of the merged module before the first lifted one.
    fn function_count(&self) -> u32 {
        (self.imports.len() + self.functions.len() + self.boundary.len()) as u32
    }

    /// Merged index of the first function that the linker writes.
    pub fn first_boundary(&self) -> u32 {
        (self.imports.len() + self.functions.len()) as u32
    }

    /// Type index of a function that the linker writes.
    ///
    /// # Errors
    /// The kernel does not import it.
    pub fn boundary_type(&self, body: Body) -> Result<u32, LinkError> {
        let found = self.boundary.iter().find(|(other, _)| *other == body);
        found.map(|(_, ty)| *ty).ok_or(LinkError::Shape("no import of the ROM"))
    }

    /// All indices that lifted code needs.
    ///
    /// # Errors
    /// `MissingExport`.
    pub fn layout(&self) -> Result<Layout, LinkError> {
        let helper = |helper: &Helper| self.exported_function(&format!("{}{}", export::HELPER_PREFIX, helper.name()));
        Ok(Layout {
            first_function: self.function_count(),
            guest_type: self.types.len() as u32,
            table: 0,
            table_base: self.table.initial as u32,
            user_memory: USER_MEMORY,
            kernel_memory: KERNEL_MEMORY,
            first_global: 0,
            code_map: self.exported_address(export::CODE_MAP)?,
            syscall: self.exported_function(export::SYSCALL)?,
            exception: self.exported_function(export::EXCEPTION)?,
            interpret: self.exported_function(export::INTERPRET)?,
            helpers: Helper::ALL.iter().map(helper).collect::<Result<_, _>>()?,
        })
    }

    /// The exports of the merged module: all but those that lifted code calls.
    pub fn public_exports(&self) -> impl Iterator<Item = &Export<'a>> {
        const INTERNAL: [&str; 5] = [export::SYSCALL, export::INTERPRET, export::FILL, export::EXCEPTION, export::CODE_MAP];
        self.exports.iter().filter(|export| {
            export.kind != ExternalKind::Global
                && !INTERNAL.contains(&export.name)
                && !export.name.starts_with(export::HELPER_PREFIX)
        })
    }

    /// Gives every index of the kernel's code its place in the merged module.
    pub fn renumber(&self) -> Renumber<'_, 'a> {
        Renumber { kernel: self }
    }
}

/// Re-encodes the kernel's code for the merged module: globals after the registers, memory after the user's.
pub struct Renumber<'k, 'a> {
    kernel: &'k Kernel<'a>,
}

impl Reencode for Renumber<'_, '_> {
    type Error = LinkError;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<LinkError>> {
        self.kernel.function(index).map_err(reencode::Error::UserError)
    }

    fn global_index(&mut self, index: u32) -> Result<u32, reencode::Error<LinkError>> {
        Ok(index + Reg::COUNT as u32)
    }

    fn memory_index(&mut self, index: u32) -> Result<u32, reencode::Error<LinkError>> {
        Ok(index + KERNEL_MEMORY)
    }
}

/// The value of an expression that is one `i32.const`.
fn constant(expression: &ConstExpr<'_>) -> Option<u32> {
    match expression.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => Some(value as u32),
        _ => None,
    }
}

/// What parsing has found so far.
#[derive(Default)]
struct Parts<'a> {
    types: Vec<FuncType>,
    /// All imports, with the type's index.
    imports: Vec<(Import<'a>, u32)>,
    functions: Vec<u32>,
    bodies: Vec<FunctionBody<'a>>,
    tables: Vec<TableType>,
    memories: Vec<MemoryType>,
    globals: Vec<Global<'a>>,
    exports: Vec<Export<'a>>,
    elements: Option<ElementSectionReader<'a>>,
    data: Option<DataSectionReader<'a>>,
    names: BTreeMap<u32, &'a str>,
    component_types: Vec<CustomSectionReader<'a>>,
}

impl<'a> Parts<'a> {
    fn add(&mut self, payload: Payload<'a>) -> Result<(), LinkError> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        let CompositeInnerType::Func(ty) = ty.composite_type.inner else {
                            return Err(LinkError::Shape("a type that is not a function's"));
                        };
                        self.types.push(ty);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    let TypeRef::Func(ty) = import.ty else {
                        return Err(LinkError::Shape("an import that is not a function"));
                    };
                    self.imports.push((import, ty));
                }
            }
            Payload::FunctionSection(section) => self.functions = section.into_iter().collect::<Result<_, _>>()?,
            Payload::TableSection(section) => {
                self.tables = section.into_iter().map(|table| Ok(table?.ty)).collect::<Result<_, LinkError>>()?;
            }
            Payload::MemorySection(section) => self.memories = section.into_iter().collect::<Result<_, _>>()?,
            Payload::GlobalSection(section) => self.globals = section.into_iter().collect::<Result<_, _>>()?,
            Payload::ExportSection(section) => self.exports = section.into_iter().collect::<Result<_, _>>()?,
            Payload::StartSection { .. } => return Err(LinkError::Shape("a start function")),
            Payload::ElementSection(section) => self.elements = Some(section),
            Payload::DataSection(section) => self.data = Some(section),
            Payload::CodeSectionEntry(body) => self.bodies.push(body),
            Payload::CustomSection(section) => self.add_custom(section)?,
            _ => {}
        }
        Ok(())
    }

    fn add_custom(&mut self, section: CustomSectionReader<'a>) -> Result<(), LinkError> {
        if section.name().starts_with("component-type") {
            self.component_types.push(section);
        } else if let wasmparser::KnownCustom::Name(names) = section.as_known() {
            for subsection in names {
                if let wasmparser::Name::Function(names) = subsection? {
                    for naming in names {
                        let naming = naming?;
                        self.names.insert(naming.index, naming.name);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Kernel<'a>, LinkError> {
        let [memory] = self.memories[..] else { return Err(LinkError::Shape("not exactly one memory")) };
        let [table] = self.tables[..] else { return Err(LinkError::Shape("not exactly one table")) };
        let (mut imports, mut boundary) = (Vec::new(), Vec::new());
        // Where each import will be, the boundary functions counted from their own start for now.
        let mut places = Vec::new();
        for (import, ty) in self.imports {
            if import.module == IMPORT_MODULE {
                let body = Body::by_name(import.name)
                    .ok_or_else(|| LinkError::UnknownImport { module: import.module.into(), name: import.name.into() })?;
                let declared = self.types.get(ty as usize).ok_or(LinkError::Shape("a type index out of range"))?;
                if !body.has_type(declared) {
                    return Err(LinkError::ImportType { name: import.name.into() });
                }
                places.push(Err(boundary.len()));
                boundary.push((body, ty));
            } else {
                places.push(Ok(imports.len()));
                imports.push(import);
            }
        }
        let first_boundary = imports.len() + self.functions.len();
        let imported = places.iter().map(|place| match place {
            Ok(import) => *import as u32,
            Err(written) => (first_boundary + written) as u32,
        });
        let defined = (imports.len()..first_boundary).map(|index| index as u32);
        Ok(Kernel {
            types: self.types,
            boundary,
            functions: self.functions,
            bodies: self.bodies,
            table,
            memory,
            globals: self.globals,
            exports: self.exports,
            elements: self.elements,
            data: self.data,
            names: self.names,
            component_types: self.component_types,
            function_map: imported.chain(defined).collect(),
            imports,
        })
    }
}
