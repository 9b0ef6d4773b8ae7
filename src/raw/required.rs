//! A regular expression → literals that a text must have one of for it to match.

use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Hir, HirKind};

/// The literals that a text must have one of for a regex to match.
#[derive(Clone, Debug)]
pub struct Required {
    /// The literals, of which none is empty.
    pub literals: Vec<Vec<u8>>,
    /// Whether having one is enough.
    pub exact: bool,
}

impl Required {
    /// Shorter literals are in too many texts to tell them apart.
    pub const MIN_LEN: usize = 2;
    /// A literal this long is as good as any longer one.
    const GOOD_LEN: usize = 8;
    /// The most parts of a regex at which its literals are looked for.
    const MAX_PARTS: usize = 32;

    /// The best literals of a regex: those at its start, or at the start of one of the parts it is joined of.
    pub fn of(hir: &Hir) -> Option<Required> {
        let parts = match hir.kind() {
            HirKind::Concat(parts) => parts.as_slice(),
            HirKind::Capture(capture) => return Required::of(&capture.sub),
            _ => std::slice::from_ref(hir),
        };
        let found = (0..parts.len().min(Self::MAX_PARTS)).filter_map(|start| {
            let seq = Extractor::new().extract(&Hir::concat(parts[start..].to_vec()));
            let literals = seq.literals()?;
            // What is left between anchors and `\b` would not be enough.
            let exact = start == 0 && seq.is_exact() && hir.properties().look_set().is_empty();
            let literals: Vec<_> = literals.iter().map(|literal| literal.as_bytes().to_vec()).collect();
            let shortest = literals.iter().map(Vec::len).min()?;
            (shortest >= Self::MIN_LEN)
                .then_some((shortest.min(Self::GOOD_LEN), Required { literals, exact }))
        });
        let best = found.max_by_key(|(len, found)| (*len, std::cmp::Reverse(found.literals.len())));
        best.map(|(_, required)| required)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::regex;

    #[test]
    fn a_regex_requires_the_literals_that_tell_most() {
        let required = |pattern: &str| {
            let required = Required::of(&regex::parse(pattern).unwrap())?;
            let literals =
                required.literals.iter().map(|literal| String::from_utf8_lossy(literal).into_owned());
            Some((literals.collect::<Vec<_>>().join("|"), required.exact))
        };
        let some = |literals: &str, exact| Some((literals.to_owned(), exact));
        assert_eq!(required("timed? ?out"), some("timed out|timedout|time out|timeout", true));
        assert_eq!(required(r"^disk full$"), some("disk full", false));
        assert_eq!(required(r"\d+ retries (left|done)"), some(" retries left| retries done", false));
        assert_eq!(required(r"(\w+ failed)"), some(" failed", false));
        assert_eq!(required(r"\d+|failed"), None);
        assert_eq!(required("a.*b"), None);
        assert_eq!(required(""), None);
    }
}
