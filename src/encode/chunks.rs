//! An exposition in pieces, each handed on as soon as it is written.

use super::Encode;
use crate::model::family::{Family, Reading};
use crate::model::series::Labels;

/// How long a chunk is at least, but for the last. It fits the second-level cache, with room for what is read meanwhile;
/// longer ones gain nothing.
pub const LEN: usize = 128 << 10;

/// How much longer it may become with its last series before it has to grow.
const SLACK: usize = 16 << 10;

/// Who takes chunks.
pub trait Sink {
    /// Takes the next chunk, which is not empty, without waiting for anybody: the ledger is held meanwhile. Returns an
    /// empty buffer for the one after it; `None` if nobody reads on.
    fn take(&mut self, chunk: Vec<u8>) -> Option<Vec<u8>>;

    /// An empty buffer with room for a chunk.
    fn buffer() -> Vec<u8>
    where
        Self: Sized,
    {
        Vec::with_capacity(LEN + SLACK)
    }
}

/// Keeps them all.
impl Sink for Vec<Vec<u8>> {
    fn take(&mut self, chunk: Vec<u8>) -> Option<Vec<u8>> {
        self.push(chunk);
        Some(Self::buffer())
    }
}

/// An encoder that takes what was written out of the caller's buffer whenever it is a chunk.
pub struct Chunks<'e> {
    encoder: &'e mut dyn Encode,
    sink: &'e mut dyn Sink,
    /// Nobody reads on: nothing is written any more.
    abandoned: bool,
}

impl<'e> Chunks<'e> {
    /// Hands what `encoder` writes on to `sink`.
    pub fn new(encoder: &'e mut dyn Encode, sink: &'e mut dyn Sink) -> Chunks<'e> {
        Chunks { encoder, sink, abandoned: false }
    }

    fn hand_on(&mut self, out: &mut Vec<u8>) {
        match self.sink.take(std::mem::take(out)) {
            Some(buffer) => *out = buffer,
            None => self.abandoned = true,
        }
    }
}

impl Encode for Chunks<'_> {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        if !self.abandoned {
            self.encoder.family(family, out);
            if out.len() >= LEN {
                self.hand_on(out);
            }
        }
    }

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if !self.abandoned {
            self.encoder.series(key, reading, out);
            if out.len() >= LEN {
                self.hand_on(out);
            }
        }
    }

    fn wants_series(&self) -> bool {
        !self.abandoned && self.encoder.wants_series()
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.abandoned {
            self.encoder.finish(out);
            if !out.is_empty() {
                self.hand_on(out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::family::FamilyKind;
    use crate::model::series::SeriesKey;

    fn family() -> Family {
        Family {
            name: "x".to_owned(),
            help: String::new(),
            unit: None,
            kind: FamilyKind::Gauge,
            labels: vec!["a".to_owned()],
        }
    }

    fn write(encoder: &mut dyn Encode, out: &mut Vec<u8>) {
        encoder.family(&family(), out);
        for at in 0..100_000 {
            if encoder.wants_series() {
                encoder.series(SeriesKey::new([at.to_string()]).labels(), &Reading::Gauge(1.0), out);
            }
        }
        encoder.finish(out);
    }

    #[test]
    fn the_chunks_together_are_the_exposition() {
        let build = super::super::KINDS[0].build;
        let mut whole = Vec::new();
        write(&mut *build(std::time::Duration::ZERO), &mut whole);
        let (mut encoder, mut chunks) = (build(std::time::Duration::ZERO), Vec::new());
        write(&mut Chunks::new(&mut *encoder, &mut chunks), &mut Vec::new());
        assert!(chunks.len() > 8 && chunks.iter().all(|chunk| chunk.len() < LEN + SLACK));
        assert_eq!(chunks.concat(), whole);
    }

    #[test]
    fn nothing_is_written_once_nobody_reads_on() {
        /// Goes away after two chunks.
        struct Leaving(usize);
        impl Sink for Leaving {
            fn take(&mut self, _: Vec<u8>) -> Option<Vec<u8>> {
                self.0 += 1;
                (self.0 < 2).then(Self::buffer)
            }
        }
        let (mut leaving, mut out) = (Leaving(0), Vec::new());
        let mut encoder = (super::super::KINDS[0].build)(std::time::Duration::ZERO);
        let mut chunks = Chunks::new(&mut *encoder, &mut leaving);
        write(&mut chunks, &mut out);
        assert!(!chunks.wants_series());
        assert_eq!((leaving.0, out.len()), (2, 0));
    }
}
