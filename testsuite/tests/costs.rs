//! What instructions cost in Wasm: a golden file of the 300 most frequent forms, so that slower code shows as a difference, and promises
//! about what compilers write most. `BLESS=1 cargo test --release --test costs` writes the golden file anew.

use std::collections::HashMap;
use std::fmt::Write as _;

use hoist_testsuite::{alone, coverage};

const FORMS: usize = 300;

fn operations(code: &[u8]) -> Vec<String> {
    alone::operations(code, alone::all_but_flags()).expect("it can be lifted")
}

/// The most frequent forms of the files in the record, with the Wasm instructions of each when nobody reads its flags.
#[test]
fn the_most_frequent_forms() {
    let record = coverage::read_record().expect("the record is there");
    let samples: HashMap<String, _> =
        coverage::all_forms().into_iter().map(|(form, sample)| (coverage::key(form), (form, sample))).collect();
    let mut frequent: Vec<_> = record.iter().filter(|(key, _)| samples.contains_key(*key)).collect();
    frequent.sort_by_key(|(key, recorded)| (std::cmp::Reverse(recorded.count), (*key).clone()));
    let mut text =
        String::from("# Made by `BLESS=1 cargo test --release --test costs`: form, number of Wasm instructions, and which.\n");
    for (key, _) in frequent.into_iter().take(FORMS) {
        let (form, sample) = &samples[key];
        let operations = operations(&sample.bytes);
        let _ = writeln!(text, "{form} = {}: {}", operations.len(), operations.join(" "));
    }
    let path = coverage::directory().join("costs.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("the file is written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let different: Vec<_> = golden.lines().zip(text.lines()).filter(|(old, new)| old != new).take(5).collect();
    assert!(golden == text, "{} is old; BLESS=1 writes it anew. First: {different:#?}", path.display());
}

/// An instruction whose flags the next one overwrites costs what it costs when nobody reads flags.
#[test]
fn flags_that_nobody_reads_cost_nothing() {
    const CMP_RCX_RDX: &[u8] = &[0x48, 0x39, 0xd1];
    // Moves between locals are the machine's registers.
    let is_move = |name: &String| name.starts_with("Local");
    let count = |code: &[u8], wanted| {
        let names = alone::operations(code, wanted).expect("it can be lifted");
        names.iter().filter(|name| !is_move(name)).count()
    };
    let instructions: [(&str, &[u8]); 12] = [
        ("add rax, rbx", &[0x48, 0x01, 0xd8]),
        ("sub eax, 5", &[0x83, 0xe8, 0x05]),
        ("and r8, r9", &[0x4d, 0x21, 0xc8]),
        ("xor eax, ebx", &[0x31, 0xd8]),
        ("or al, bl", &[0x08, 0xd8]),
        ("inc rax", &[0x48, 0xff, 0xc0]),
        ("dec eax", &[0xff, 0xc8]),
        ("neg rax", &[0x48, 0xf7, 0xd8]),
        ("shl rax, 3", &[0x48, 0xc1, 0xe0, 0x03]),
        ("sar eax, 31", &[0xc1, 0xf8, 0x1f]),
        ("imul rax, rbx", &[0x48, 0x0f, 0xaf, 0xc3]),
        ("ucomisd xmm0, xmm1", &[0x66, 0x0f, 0x2e, 0xc1]),
    ];
    for (text, code) in instructions {
        let both = count(&[code, CMP_RCX_RDX].concat(), alone::ALL);
        assert_eq!(both - count(CMP_RCX_RDX, alone::ALL), count(code, alone::all_but_flags()), "{text}");
    }
    assert_eq!(operations(&[0x48, 0x01, 0xd8]), ["GlobalGet", "GlobalGet", "I64Add", "GlobalSet"], "add rax, rbx");
}

fn is_comparison(name: &str) -> bool {
    let name = name.trim_start_matches("I32").trim_start_matches("I64").trim_end_matches(['S', 'U']);
    matches!(name, "Eq" | "Ne" | "Lt" | "Le" | "Gt" | "Ge" | "Eqz")
}

/// One comparison (or none, of a value with zero) up to where control parts, and no logic on single flags.
fn assert_one_comparison(text: &str, code: &[u8]) {
    let mut names = operations(code);
    let parting = names.iter().position(|name| matches!(name.as_str(), "If" | "BrIf"));
    names.truncate(parting.unwrap_or(names.len()));
    let comparisons = names.iter().filter(|name| is_comparison(name)).count();
    let logic =
        names.iter().filter(|name| matches!(name.as_str(), "I32And" | "I32Or" | "I32Xor" | "I32ShrU" | "I32Popcnt")).count();
    assert!(comparisons <= 1 && logic == 0, "{text}: {names:?}");
}

/// Condition codes but for overflow and parity, which no comparison is.
const CONDITIONS: [(u8, &str); 12] = [
    (2, "b"),
    (3, "ae"),
    (4, "e"),
    (5, "ne"),
    (6, "be"),
    (7, "a"),
    (8, "s"),
    (9, "ns"),
    (12, "l"),
    (13, "ge"),
    (14, "le"),
    (15, "g"),
];

#[test]
fn a_comparison_and_its_use_are_one_wasm_comparison() {
    let compares: [(&str, &[u8]); 3] =
        [("cmp rax, rbx", &[0x48, 0x39, 0xd8]), ("cmp ecx, edx", &[0x39, 0xd1]), ("cmp esi, 7", &[0x83, 0xfe, 0x07])];
    for (condition, name) in CONDITIONS {
        for (compare, code) in compares {
            assert_one_comparison(&format!("{compare}; j{name}"), &[code, &[0x70 | condition, 0x20]].concat());
            // CMOVcc rdi, r8.
            assert_one_comparison(&format!("{compare}; cmov{name}"), &[code, &[0x49, 0x0f, 0x40 | condition, 0xf8]].concat());
            // SETcc dil; MOVZX edi, dil, as compilers write it.
            let setcc = [code, &[0x40, 0x0f, 0x90 | condition, 0xc7, 0x40, 0x0f, 0xb6, 0xff]].concat();
            let names = operations(&setcc);
            assert_eq!(names.iter().filter(|name| is_comparison(name)).count(), 1, "{compare}; set{name}: {names:?}");
        }
        let tests: [(&str, &[u8]); 2] = [("test rax, rax", &[0x48, 0x85, 0xc0]), ("test ecx, ecx", &[0x85, 0xc9])];
        for (test, code) in tests.into_iter().filter(|_| !matches!(name, "b" | "ae" | "be" | "a")) {
            assert_one_comparison(&format!("{test}; j{name}"), &[code, &[0x70 | condition, 0x20]].concat());
        }
    }
    // A mask is an operation of its own: TEST al, 8; JNE.
    let names = operations(&[0xa8, 0x08, 0x75, 0x20]);
    assert!(names.iter().filter(|name| is_comparison(name)).count() <= 1, "test al, 8; jne: {names:?}");
}

/// Operands are taken out of their vectors once, and the result is put back once.
#[test]
fn scalar_arithmetic_does_not_shuffle_lanes() {
    let doubles: &[&[u8]] = &[
        &[0xf2, 0x0f, 0x10, 0x06], // movsd xmm0, [rsi]
        &[0xf2, 0x0f, 0x59, 0x07], // mulsd xmm0, [rdi]
        &[0xf2, 0x0f, 0x58, 0xc1], // addsd xmm0, xmm1
        &[0xf2, 0x0f, 0x5c, 0xc2], // subsd xmm0, xmm2
        &[0xf2, 0x0f, 0x5e, 0xc1], // divsd xmm0, xmm1
        &[0xf2, 0x0f, 0x51, 0xc0], // sqrtsd xmm0, xmm0
        &[0xf2, 0x0f, 0x11, 0x02], // movsd [rdx], xmm0
    ];
    for (prefix, extract) in [(0xf2, "F64x2ExtractLane"), (0xf3, "F32x4ExtractLane")] {
        let code: Vec<u8> = doubles.iter().flat_map(|instr| std::iter::once(prefix).chain(instr[1..].iter().copied())).collect();
        let names = operations(&code);
        let count = |part: &str| names.iter().filter(|name| name.contains(part)).count();
        assert!(count(extract) <= 3 && count("ExtractLane") == count(extract), "{names:?}");
        assert!(count("ReplaceLane") + count("Shuffle") <= 1, "{names:?}");
    }
}
