//! Lifts one ELF file and prints what came of it: `cargo run --release -p hoist-lifter --example lift -- FILE [FUNCTION]`.
//!
//! With a function's name (or its address in hexadecimal), prints its x86 code, its IR after each stage and its Wasm.

use hoist_lifter::discover::{Function, Program, discover};
use hoist_lifter::elf::Elf;
use hoist_lifter::lift::{File, lift};
use hoist_lifter::live::Liveness;
use hoist_lifter::wasm::layout::{Layout, Lifted};
use hoist_lifter::{module, opt, ssa, translate, wasm};
use hoist_x86::builder::Floats;
use hoist_x86::iced_x86::{Decoder, DecoderOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: lift FILE [FUNCTION]")?;
    let bytes = std::fs::read(&path)?;
    // A shared object gets some home; an executable with fixed addresses has its own.
    let elf = Elf::parse(&bytes, 0x1000_0000).or_else(|_| Elf::parse(&bytes, 0))?;
    let start = std::time::Instant::now();
    let program = discover(&elf);
    let discovered = start.elapsed();
    if let Some(wanted) = args.next() {
        let found = program.functions.values().find(|f| f.name.as_deref() == Some(&wanted) || format!("{:x}", f.entry) == wanted);
        show(&elf, &program, found.ok_or("no such function")?);
        return Ok(());
    }
    println!("discovery {discovered:.2?}: {:?}", program.stats);
    let layout = Layout::alone();
    let start = std::time::Instant::now();
    let lifted = lift(&[File { elf, program, overlay: 0 }], &layout, &|_| {});
    let elapsed = start.elapsed();
    let stats = &lifted.stats.files[0];
    println!(
        "lifting {elapsed:.2?}: {} functions, {} bytes of x86, {} of Wasm, {:.2} per byte",
        stats.functions,
        stats.x86_bytes,
        stats.wasm_bytes,
        stats.wasm_bytes as f64 / stats.x86_bytes as f64
    );
    validate(&layout, &lifted)
}

/// Every body by itself, so that a broken one is named.
fn validate(layout: &Layout, lifted: &Lifted) -> Result<(), Box<dyn std::error::Error>> {
    let module = module::alone(layout, lifted);
    let mut validator = wasmparser::Validator::new_with_features(wasmparser::WasmFeatures::all());
    let mut next = 0;
    let mut broken = 0;
    for payload in wasmparser::Parser::new(0).parse_all(&module) {
        if let wasmparser::ValidPayload::Func(function, body) = validator.payload(&payload?)? {
            if let Err(error) = function.into_validator(Default::default()).validate(&body) {
                broken += 1;
                if broken <= 10 {
                    println!("{}: {error}", lifted.functions[next].name);
                }
            }
            next += 1;
        }
    }
    println!("{next} bodies validated, {broken} broken");
    if broken == 0 { Ok(()) } else { Err("broken functions".into()) }
}

fn show(elf: &Elf<'_>, program: &Program, function: &Function) {
    println!("{function:x?}");
    for (&start, &end) in &function.blocks {
        let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
        println!("block {start:x}");
        for instr in &mut Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE) {
            println!("    {:x}: {:?} {:?}", instr.ip(), instr.mnemonic(), instr.code());
        }
    }
    let mut unit = translate::translate(elf, function, Floats::Plain);
    println!("--- translated\n{}", unit.func);
    let live = Liveness::new(elf, program);
    ssa::run(&mut unit, |exit| live.wanted(function.entry, exit));
    println!("--- SSA\n{}", unit.func);
    opt::run(&mut unit);
    println!("--- optimised\n{}", unit.func);
    wasm::lower(&mut unit);
    let layout = Layout::alone();
    let wasm::Emitted { body, hints, .. } = wasm::emit(&unit, &layout, &Default::default());
    let functions = vec![wasm::layout::LiftedFunction { body, hints, name: unit.name.clone(), ..Default::default() }];
    let module = module::alone(&layout, &Lifted { functions, ..Lifted::default() });
    println!("--- Wasm\n{}", wasmprinter::print_bytes(&module).unwrap_or_else(|error| error.to_string()));
}
