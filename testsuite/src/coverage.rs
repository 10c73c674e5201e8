//! `docs/instructions.md`: every form that hoist knows, how it is treated, what it costs, and what the oracle made of it.
//!
//! The oracle's long run is recorded in `testsuite/oracle/` (`oracle --record`); the rest comes from the rows themselves. So
//! the page is the same on every machine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use hoist_x86::form::{Form, Prefix, Treatment, treatment};
use hoist_x86::iced_x86::{CodeSize, Instruction, RflagsBits};
use hoist_x86::{semantics, undefined};

use crate::alone;
use crate::oracle::forms::{self, Sample, Samples};

/// What the oracle's long run says of one form.
#[derive(Clone, Copy, Default)]
pub struct Recorded {
    /// How often it occurs in the files that were read.
    pub count: u64,
    pub variants: u32,
    pub states: u64,
}

/// Forms by [`key`].
pub type Record = BTreeMap<String, Recorded>;

/// A form's name in the record, which tells apart what Intel's notation does not: `Add_rm32_r32 memory lock`.
pub fn key(form: Form) -> String {
    let memory = if form.memory { " memory" } else { "" };
    let prefix = match form.prefix {
        Prefix::None => "",
        Prefix::Lock => " lock",
        Prefix::Rep => " rep",
        Prefix::Repne => " repne",
    };
    format!("{:?}{memory}{prefix}", form.code)
}

/// Where the record and the golden files of costs lie.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle")
}

/// Reads what [`write_record`] wrote.
///
/// # Errors
/// If the file is not there or a line has not four columns.
pub fn read_record() -> anyhow::Result<Record> {
    let path = directory().join("forms.tsv");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    text.lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, count, variants, states] = columns[..] else { anyhow::bail!("{}: {line:?}", path.display()) };
            Ok((name.to_owned(), Recorded { count: count.parse()?, variants: variants.parse()?, states: states.parse()? }))
        })
        .collect()
}

/// # Errors
/// Of the file system.
pub fn write_record(record: &Record) -> std::io::Result<()> {
    let mut text = String::new();
    for (name, recorded) in record {
        let _ = writeln!(text, "{name}\t{}\t{}\t{}", recorded.count, recorded.variants, recorded.states);
    }
    std::fs::write(directory().join("forms.tsv"), text)
}

/// One sample of every form that hoist models, the first that the enumeration finds; AVX-512 and the like, which always raise #UD, are
/// left out.
pub fn all_forms() -> BTreeMap<Form, Sample> {
    let mut samples = Samples::new();
    forms::enumerate(&mut samples, |instr| instr.code_size() == CodeSize::Code64 && !semantics::is_beyond(instr));
    let mut all = BTreeMap::new();
    for (variant, sample) in samples {
        all.entry(variant.form).or_insert(sample);
    }
    all
}

const HEAD: &str = "# Instructions

Made from the rows in `lifter/x86/src/semantics/` and the record of the oracle's long run by `BLESS=1 cargo test --release --test coverage`; do not
edit. The oracle compares an instruction on the real processor with both back ends, the interpreter and the Wasm: `cargo run --release -p
hoist-testsuite --bin oracle -- --all`; with `--record` and ELF files it writes the record.

- **treatment**: *inline* is Wasm in line; *helper* calls the routine named (`lifter/x86/src/helpers/`); *raises* always raises the exception. What the
  interpreter can do the lifter can, since both work from one row: no form is only interpreted.
- **flags** that are written: `O`F `S`F `Z`F `A`F `P`F `C`F `D`F. Behind a slash those that Intel's manual leaves undefined: hoist makes of them what Intel's
  processors do, and the oracle compares them too.
- **cost**: Wasm instructions, reads and writes of the guest's registers included, when nobody reads the flags; of the form with registers, then of the
  one with memory.
- **states** that the oracle ran. A dash: the outcome is not a function of the state (clocks, system calls), or other tests
  compare it (`lifter/x86/tests/`: images of the x87 state, transcendental functions, approximations).

Not listed: AVX-512 and whatever else no CPUID of hoist announces. It raises #UD, as on a processor without it.
";

/// The page.
///
/// # Errors
/// If the record cannot be read or an instruction cannot be lifted.
pub fn page() -> anyhow::Result<String> {
    let record = read_record()?;
    let mut rows: BTreeMap<_, [Option<Row>; 2]> = BTreeMap::new();
    let (mut forms, mut states) = (0, 0);
    for (form, sample) in all_forms() {
        let recorded = record.get(&key(form)).copied().unwrap_or_default();
        forms += u32::from(recorded.states != 0);
        states += recorded.states;
        rows.entry((form.code, form.prefix)).or_default()[usize::from(form.memory)] = Some(Row::new(&sample, recorded)?);
    }
    let mut page = String::from(HEAD);
    let _ = writeln!(page, "\n{forms} forms were compared in {states} states: no difference.\n");
    page += &std::fs::read_to_string(directory().join("files.md"))?;
    page += "\n| opcode | instruction | treatment | flags | cost | states |\n| --- | --- | --- | --- | --- | --- |\n";
    for ((code, prefix), row) in &rows {
        let prefix = match prefix {
            Prefix::None => "",
            Prefix::Lock => "LOCK ",
            Prefix::Rep => "REP ",
            Prefix::Repne => "REPNE ",
        };
        let info = code.op_code();
        let _ = write!(page, "| {} | {prefix}{} |", info.op_code_string(), info.instruction_string());
        let present: Vec<&Row> = row.iter().flatten().collect();
        let join = |text: &dyn Fn(&Row) -> String| {
            let mut texts: Vec<String> = present.iter().map(|row| text(row)).collect();
            texts.dedup();
            texts.join(" · ")
        };
        let states: u64 = present.iter().map(|row| row.states).sum();
        let states = if states == 0 { "–".into() } else { states.to_string() };
        let treatment = join(&|row| row.treatment.to_string());
        let _ = writeln!(
            page,
            " {treatment} | {} | {} | {states} |",
            join(&|row| row.flags.clone()),
            join(&|row| row.cost.to_string())
        );
    }
    Ok(page)
}

/// A form's part of a line.
struct Row {
    treatment: Treatment,
    flags: String,
    cost: usize,
    states: u64,
}

impl Row {
    fn new(sample: &Sample, recorded: Recorded) -> anyhow::Result<Row> {
        Ok(Row {
            treatment: treatment(&sample.instr),
            flags: flags(&sample.instr),
            cost: alone::operations(&sample.bytes, alone::all_but_flags())?.len(),
            states: recorded.states,
        })
    }
}

/// Flags that are written, and behind a slash those that the manual leaves undefined.
fn flags(instr: &Instruction) -> String {
    const NAMES: [(u32, char); 7] = [
        (RflagsBits::OF, 'O'),
        (RflagsBits::SF, 'S'),
        (RflagsBits::ZF, 'Z'),
        (RflagsBits::AF, 'A'),
        (RflagsBits::PF, 'P'),
        (RflagsBits::CF, 'C'),
        (RflagsBits::DF, 'D'),
    ];
    let names = |bits: u32| NAMES.iter().filter(move |(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect::<String>();
    let undefined = undefined::by_manual(instr);
    let defined = names(instr.rflags_modified() & !undefined);
    if undefined == 0 { defined } else { format!("{defined}/{}", names(undefined)) }
}

/// The instructions of a file, by how they are treated: a line of the table in `files.md`.
///
/// # Errors
/// If it is no ELF file of x86-64.
pub fn file_row(label: &str, bytes: &[u8]) -> anyhow::Result<(String, BTreeMap<Form, u64>)> {
    let census = forms::census(bytes)?;
    let of_kind = |kind: &str| -> (usize, u64) {
        let counts = census.values().filter(|counted| counted.treatment.kind() == kind).map(|counted| counted.count);
        (counts.clone().count(), counts.sum())
    };
    let total: u64 = census.values().map(|counted| counted.count).sum();
    let [inline, helper, exception, unknown] = ["inline", "helper", "exception", "unknown"].map(of_kind);
    let cell = |(forms, count): (usize, u64)| format!("{count} of {forms} forms");
    let row = format!("| {label} | {total} | {} | {} | {} | {} |", cell(inline), cell(helper), cell(exception), unknown.1);
    Ok((row, census.into_iter().map(|(form, counted)| (form, counted.count)).collect()))
}

/// The head of `files.md`.
pub const FILES_HEAD: &str = "| file | instructions | inline | helper | raise #UD (code behind tests of CPUID) or #GP | unknown |
| --- | --- | --- | --- | --- | --- |
";
