//! Families chosen by name: only those are written.

use std::collections::BTreeSet;

use super::Encode;
use crate::model::family::{Family, Reading};
use crate::model::series::Labels;

/// Which families somebody wants to see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The names that were asked for; all if there are none.
    names: BTreeSet<String>,
}

impl Selection {
    /// The families that are called so, or that have a sample called so. All if no name is given.
    pub fn of(names: impl IntoIterator<Item = String>) -> Selection {
        Selection { names: names.into_iter().collect() }
    }

    /// Whether a family is wanted.
    pub fn holds(&self, family: &Family) -> bool {
        self.names.is_empty() || family.names().iter().any(|name| self.names.contains(name))
    }
}

/// An encoder that writes only the families of a selection.
pub struct Selected<'s> {
    encoder: Box<dyn Encode + 's>,
    selection: &'s Selection,
    /// Whether the family started last is one of them.
    wanted: bool,
}

impl<'s> Selected<'s> {
    /// Hands on to `encoder` what the selection holds.
    pub fn new(encoder: Box<dyn Encode + 's>, selection: &'s Selection) -> Selected<'s> {
        Selected { encoder, selection, wanted: false }
    }
}

impl Encode for Selected<'_> {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        self.wanted = self.selection.holds(family);
        if self.wanted {
            self.encoder.family(family, out);
        }
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if self.wanted {
            self.encoder.series(key, reading, out);
        }
    }

    fn wants_series(&self) -> bool {
        self.wanted && self.encoder.wants_series()
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.encoder.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::family::FamilyKind;
    use crate::model::series::SeriesKey;

    #[track_caller]
    fn check(names: &[&str], written: &str) {
        let selection = Selection::of(names.iter().map(|name| (*name).to_owned()));
        let encoder = (super::super::KINDS[0].build)(std::time::Duration::ZERO);
        let mut selected = Selected::new(encoder, &selection);
        let mut out = Vec::new();
        for (name, kind) in
            [("a_total", FamilyKind::Counter), ("b", FamilyKind::Gauge), ("c", FamilyKind::Histogram)]
        {
            let (name, help) = (name.to_owned(), String::new());
            selected.family(&Family { name, help, unit: None, kind, labels: vec![] }, &mut out);
            selected.series(SeriesKey::new::<&str>([]).labels(), &Reading::Gauge(1.0), &mut out);
        }
        selected.finish(&mut out);
        let text = String::from_utf8(out).unwrap();
        let lines = text.lines().map(|line| line.trim_start_matches("# TYPE ").split(' ').next().unwrap());
        assert_eq!(lines.collect::<Vec<_>>().join(" "), written, "{names:?}");
    }

    #[test]
    fn families_are_chosen_by_their_name_and_those_of_their_samples() {
        check(&[], "a_total b b c");
        check(&["b"], "b b");
        check(&["a"], "a_total");
        check(&["a_total", "a_created"], "a_total");
        check(&["c_bucket"], "c");
        check(&["c_sum", "b"], "b b c");
    }

    #[test]
    fn names_that_nothing_has_select_nothing() {
        check(&["x"], "");
        check(&["b_total", "", "B"], "");
    }
}
