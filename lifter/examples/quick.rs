use hoist_lifter::discover::Function;
use hoist_lifter::elf::Elf;
use hoist_x86::iced_x86::*;
use std::collections::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let bytes = std::fs::read(&a[1]).unwrap();
    let elf = Elf::parse(&bytes, 0).unwrap();
    let entry = u32::from_str_radix(&a[2], 16).unwrap();
    let mut f = Function { entry, name: Some("f".into()), ..Default::default() };
    let mut leaders = BTreeSet::from([entry]);
    let mut work = vec![entry];
    let mut seen: BTreeMap<u32, (u32, bool)> = BTreeMap::new();
    while let Some(pc) = work.pop() {
        if seen.contains_key(&pc) { continue; }
        let mut d = Decoder::with_ip(64, elf.read_from(pc).unwrap(), pc as u64, 0);
        let i = d.decode();
        let n = i.next_ip() as u32;
        use FlowControl::*;
        let (ends, next) = match i.flow_control() {
            Next => (false, true),
            UnconditionalBranch => { leaders.insert(i.near_branch64() as u32); work.push(i.near_branch64() as u32); (true, false) }
            ConditionalBranch => { leaders.insert(i.near_branch64() as u32); work.push(i.near_branch64() as u32); leaders.insert(n); (true, true) }
            Call | IndirectCall => { f.returns.insert(n); leaders.insert(n); (true, true) }
            _ => (true, false),
        };
        seen.insert(pc, (n, ends));
        if next { work.push(n); }
    }
    for &l in &leaders {
        let mut pc = l;
        loop { let Some(&(n, e)) = seen.get(&pc) else { break }; pc = n; if e || leaders.contains(&pc) { break } }
        f.blocks.insert(l, pc);
    }

    show(&elf, &f);
}
use hoist_lifter::{module, opt, ssa, translate, wasm}; use hoist_lifter::wasm::layout::{Layout,Lifted};
fn show(elf: &Elf<'_>, function: &Function) {
    println!("{function:x?}");
    for (&start, &end) in &function.blocks {
        let code = elf.read(start, (end - start) as usize).unwrap_or(&[]);
        println!("block {start:x}");
        for instr in &mut Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE) {
            println!("    {:x}: {:?} {:?}", instr.ip(), instr.mnemonic(), instr.code());
        }
    }
    let mut unit = translate::translate(elf, function);
    println!("--- translated\n{}", unit.func);
    let status = ssa::reg_set(hoist_x86::reg::Reg::all().filter(|reg| reg.is_status_flag()));
    ssa::run(&mut unit, |_| !status & ((1 << hoist_x86::reg::Reg::COUNT) - 1));
    println!("--- SSA\n{}", unit.func);
    opt::run(&mut unit);
    println!("--- optimised\n{}", unit.func);
    wasm::lower(&mut unit);
    let layout = Layout::alone();
    let body = wasm::emit(&unit, &layout, &Default::default());
    let functions = vec![wasm::layout::LiftedFunction { body, name: unit.name.clone() }];
    let module = module::alone(&layout, &Lifted { functions, ..Lifted::default() });
    println!("--- Wasm\n{}", wasmprinter::print_bytes(&module).unwrap_or_else(|error| error.to_string()));
}
