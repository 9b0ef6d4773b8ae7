//! An exposition in pieces, none of which was ever copied to make room for the next.

use super::Encode;
use crate::model::family::{Family, Reading};
use crate::model::series::Labels;

/// How long a chunk is at least, but for the last. Longer ones gain nothing more.
const LEN: usize = 256 << 10;

/// How much longer it may become with its last series before it has to grow.
const SLACK: usize = 16 << 10;

/// An encoder that takes what was written out of the caller's buffer whenever it is a chunk.
pub struct Chunks<'e> {
    encoder: &'e mut dyn Encode,
    full: Vec<Vec<u8>>,
}

impl<'e> Chunks<'e> {
    /// Hands on to `encoder`.
    pub fn new(encoder: &'e mut dyn Encode) -> Chunks<'e> {
        Chunks { encoder, full: Vec::new() }
    }

    /// All chunks; the last one is the buffer that everything was written to.
    pub fn with(mut self, last: Vec<u8>) -> Vec<Vec<u8>> {
        self.full.push(last);
        self.full
    }

    fn cut(&mut self, out: &mut Vec<u8>) {
        if out.len() >= LEN {
            self.full.push(std::mem::replace(out, Vec::with_capacity(LEN + SLACK)));
        }
    }
}

impl Encode for Chunks<'_> {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        self.encoder.family(family, out);
        self.cut(out);
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        self.encoder.series(key, reading, out);
        self.cut(out);
    }

    fn wants_series(&self) -> bool {
        self.encoder.wants_series()
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.encoder.finish(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::series::SeriesKey;
    use crate::model::family::FamilyKind;

    #[test]
    fn the_chunks_together_are_the_exposition() {
        let family = Family {
            name: "x".to_owned(),
            help: String::new(),
            unit: None,
            kind: FamilyKind::Gauge,
            labels: vec!["a".to_owned()],
        };
        let write = |encoder: &mut dyn Encode, out: &mut Vec<u8>| {
            encoder.family(&family, out);
            for at in 0..100_000 {
                encoder.series(SeriesKey::new([at.to_string()]).labels(), &Reading::Gauge(1.0), out);
            }
            encoder.finish(out);
        };
        let build = super::super::KINDS[0].build;
        let (mut whole, mut last) = (Vec::new(), Vec::new());
        write(&mut *build(std::time::Duration::ZERO), &mut whole);
        let mut encoder = build(std::time::Duration::ZERO);
        let mut chunks = Chunks::new(&mut *encoder);
        write(&mut chunks, &mut last);
        let chunks = chunks.with(last);
        assert!(chunks.len() > 4 && chunks.iter().all(|chunk| chunk.len() < LEN + SLACK));
        assert_eq!(chunks.concat(), whole);
    }
}
