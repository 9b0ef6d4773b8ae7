//! `decode: {tsv: …}`: columns between tabs, without quotes.
//!
//! ```yaml
//! decode:
//!   tsv:
//!     columns: [time, customer, amount]
//! ```
//!
//! As `csv` in all else; `quote` may be given.

use super::Kind;
use super::csv::{COLUMN_KEYS, Dialect};
use crate::raw::fault::Faults;
use crate::raw::mapping::Mapping;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "tsv",
    help: "Columns between tabs, without quotes; their names are given here.",
    example: "decode:\n  tsv:\n    columns: [time, customer, amount]\n",
    keys: &COLUMN_KEYS,
    read: |node: &Node, faults: &mut Faults| {
        let keys = Mapping::read(node, KIND.name, &[&COLUMN_KEYS], faults)?;
        super::csv::read(&keys, Dialect { delimiter: b'\t', quote: None }, faults)
    },
};

#[cfg(test)]
mod tests {
    use bumpalo::Bump;

    use super::super::trial;
    use crate::model::refused::Refused;
    use crate::model::value::Value;

    #[track_caller]
    fn check(options: &str, record: &str, expected: Result<[&str; 2], Refused>) {
        let written = trial::read(&format!("tsv: {{columns: [a, b]{options}}}"));
        let arena = Bump::new();
        let found = trial::decode(&*written, &trial::fields(&["a", "b"]), record.as_bytes(), &arena);
        let expected = expected.map(|values| values.map(|value| Value::Text(value.as_bytes())).to_vec());
        assert_eq!(found, expected.map_err(Some), "{record}");
    }

    #[test]
    fn columns_stand_between_tabs() {
        check("", "1,1\t2", Ok(["1,1", "2"]));
        check("", "\"1\t2", Ok(["\"1", "2"]));
        check(", quote: '\"'", "\"1\t1\"\t2", Ok(["1\t1", "2"]));
        check("", "1 2", Err(Refused::WrongColumns));
        check(", trim: true", " 1 \t 2 ", Ok(["1", "2"]));
    }
}
