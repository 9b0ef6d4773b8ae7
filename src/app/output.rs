//! Standard output: an exposition of a ledger, chunk by chunk.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use anyhow::Context as _;

use crate::encode::{Chunks, Encode, Sink};
use crate::ledger::{Ledger, Posted};

/// Prints every metric as of `now`, and shows `see` what the ledger says about the pipelines.
pub(super) fn print(
    ledger: &Ledger,
    mut encoder: Box<dyn Encode>,
    now: Duration,
    see: impl FnOnce(&[Posted<'_>]),
) -> anyhow::Result<()> {
    let (mut output, mut out) = (Output { written: Ok(()) }, Output::buffer());
    let mut chunks = Chunks::new(&mut *encoder, &mut output);
    ledger.encode(now, &mut chunks, &mut out, |posted, _, _| see(posted));
    chunks.finish(&mut out);
    read_to(output.written)
}

/// Prints a text.
pub(super) fn text(text: &str) -> anyhow::Result<()> {
    read_to(std::io::stdout().lock().write_all(text.as_bytes()))
}

fn read_to(written: std::io::Result<()>) -> anyhow::Result<()> {
    match written {
        // Whoever reads has enough: `replay … | head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Chunk by chunk. Nobody but us wants the ledger meanwhile.
struct Output {
    written: std::io::Result<()>,
}

impl Sink for Output {
    fn take(&mut self, mut chunk: Vec<u8>) -> Option<Vec<u8>> {
        self.written = std::io::stdout().lock().write_all(&chunk);
        chunk.clear();
        self.written.is_ok().then_some(chunk)
    }
}
