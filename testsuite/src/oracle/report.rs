//! What the comparison of many forms found, by form.

use std::collections::BTreeMap;
use std::fmt;

use hoist_x86::form::Form;

use super::Compared;
use super::forms::Sample;

/// What came of one form, all its variants together.
#[derive(Clone, Default)]
pub struct FormResult {
    pub variants: u32,
    /// States in which all three agree.
    pub states: u64,
    /// Those of them in which the instruction raises an exception.
    pub exceptions: u64,
}

/// What came of all forms.
#[derive(Default)]
pub struct Report {
    pub forms: BTreeMap<Form, FormResult>,
    /// Variants without a row, and how often each occurs.
    pub unknown: Vec<(String, usize)>,
    /// Per variant the first difference.
    pub mismatches: Vec<String>,
}

impl Report {
    pub fn add(&mut self, form: Form, sample: &Sample, compared: Compared) {
        let name = format!("{form} {:02x?}", sample.bytes);
        if compared.is_unknown {
            self.unknown.push((name, sample.count));
            return;
        }
        if let Some(text) = compared.mismatch {
            self.mismatches.push(format!("{name}: {text}"));
        }
        let result = self.forms.entry(form).or_default();
        result.variants += 1;
        result.states += u64::from(compared.states);
        result.exceptions += u64::from(compared.exceptions);
    }

    pub fn is_clean(&self) -> bool {
        self.unknown.is_empty() && self.mismatches.is_empty()
    }

    pub fn states(&self) -> u64 {
        self.forms.values().map(|form| form.states).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mismatch in &self.mismatches {
            writeln!(f, "{mismatch}")?;
        }
        for (name, count) in &self.unknown {
            writeln!(f, "unknown: {name} ({count} times)")?;
        }
        let variants: u32 = self.forms.values().map(|form| form.variants).sum();
        let exceptions: u64 = self.forms.values().map(|form| form.exceptions).sum();
        writeln!(
            f,
            "{} forms in {variants} variants, {} states agree ({exceptions} of them raise exceptions), {} variants unknown, {} differ",
            self.forms.len(),
            self.states(),
            self.unknown.len(),
            self.mismatches.len()
        )
    }
}
