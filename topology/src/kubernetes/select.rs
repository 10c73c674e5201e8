//! Label selectors and quantities.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Labels of a Pod.
pub type Labels = BTreeMap<String, String>;

/// Whether a selector selects a Pod with these labels. An empty one selects all.
pub fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let all = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    all && selector.match_expressions.iter().flatten().all(|requirement| {
        let values = requirement.values.as_deref().unwrap_or_default();
        let label = labels.get(&requirement.key);
        match requirement.operator.as_str() {
            "In" => label.is_some_and(|label| values.contains(label)),
            "NotIn" => label.is_none_or(|label| !values.contains(label)),
            "Exists" => label.is_some(),
            "DoesNotExist" => label.is_none(),
            _ => false,
        }
    })
}

/// Whether a plain map of labels, as a Service has it, selects a Pod. An empty one selects none.
pub fn map_selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// A selector as `kubectl --selector` writes it; `None` if it selects all.
pub fn text(selector: &LabelSelector) -> Option<String> {
    let equal = selector.match_labels.iter().flatten().map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().flatten().map(|requirement| {
        let (key, values) = (&requirement.key, requirement.values.as_deref().unwrap_or_default().join(","));
        match requirement.operator.as_str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.clone(),
            _ => format!("!{key}"),
        }
    });
    let all: Vec<String> = equal.chain(expressions).collect();
    Some(all.join(",")).filter(|text| !text.is_empty())
}

/// What a quantity is in thousandths, such as `500m` → 500 and `64Mi` → 67108864000.
pub fn milli(quantity: &Quantity) -> Option<u64> {
    let text = quantity.0.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        exponent => 10f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let value = number.parse::<f64>().ok()? * factor * 1000.0;
    (value >= 0.0).then_some(value.round() as u64)
}

/// The same in whole units, rounded up: bytes.
pub fn units(quantity: &Quantity) -> Option<u64> {
    milli(quantity).map(|milli| milli.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        let of = |text: &str| milli(&Quantity(text.into()));
        let cases = [("500m", 500), ("1", 1000), ("0.1", 100), ("64Mi", 67_108_864_000), ("1k", 1_000_000), ("1e3", 1_000_000)];
        cases.iter().for_each(|(text, expected)| assert_eq!(of(text), Some(*expected), "{text}"));
        assert!(["", "x", "1Xi", "-1"].iter().all(|text| of(text).is_none()));
        assert_eq!(units(&Quantity("1500m".into())), Some(2));
    }
}
