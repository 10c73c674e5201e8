//! A set of addresses, kept as ranges.

use std::collections::BTreeMap;

/// Start → end; ranges neither overlap nor touch.
#[derive(Default, Debug)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range.
    pub fn add(&mut self, mut start: u64, mut end: u64) {
        while let Some((&before, &its_end)) = self.0.range(..=end).next_back().filter(|&(_, &its_end)| its_end >= start) {
            self.0.remove(&before);
            start = start.min(before);
            end = end.max(its_end);
        }
        if start < end {
            self.0.insert(start, end);
        }
    }

    /// Removes a range; the parts of it that were in the set, highest first.
    pub fn take(&mut self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut taken = Vec::new();
        while let Some((&before, &its_end)) = self.0.range(..end).next_back().filter(|&(_, &its_end)| its_end > start) {
            self.0.remove(&before);
            if before < start {
                self.0.insert(before, start);
            }
            if its_end > end {
                self.0.insert(end, its_end);
            }
            taken.push((before.max(start), its_end.min(end)));
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_and_part() {
        let mut ranges = Ranges::default();
        ranges.add(10, 20);
        ranges.add(30, 40);
        ranges.add(20, 25);
        assert_eq!(ranges.0, [(10, 25), (30, 40)].into());
        ranges.add(5, 35);
        assert_eq!(ranges.0, [(5, 40)].into());
        assert_eq!(ranges.take(10, 20), [(10, 20)]);
        assert_eq!(ranges.take(0, 100), [(20, 40), (5, 10)]);
        assert_eq!(ranges.take(0, 100), []);
    }
}
