//! Which content coding a client gets by its `Accept-Encoding` header (RFC 9110, section 12.5.3), and the coding.

use std::io::{self, Write};

use axum::body::Bytes;
use flate2::write::GzEncoder;

use crate::encode::negotiate::{Weight, weight};
use crate::encode::{Sink, chunks};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Gzip (RFC 1952).
    Gzip,
    /// Not at all.
    Identity,
}

/// The codings, between equals the first is taken: the faster, which here is also the smaller.
const CODINGS: [Coding; 3] = [Coding::Zstd, Coding::Gzip, Coding::Identity];

/// An exposition is compressed anew for every scrape, so speed is what counts.
const LEVEL: u8 = 1;

impl Coding {
    /// The coding that the header prefers. Without one, or if it accepts nothing that we can do: identity.
    pub fn negotiate(accepted: Option<&str>) -> Coding {
        let Some(accepted) = accepted else { return Coding::Identity };
        let ranges: Vec<_> = accepted.split(',').map(range).collect();
        let preference = |coding: &Coding| coding.preference(&ranges);
        let liked = CODINGS.into_iter().rev().filter(|coding| preference(coding) > (0, 0));
        liked.max_by_key(preference).unwrap_or(Coding::Identity)
    }

    /// The value of the `Content-Encoding` header, if there is to be one.
    pub fn token(self) -> Option<&'static str> {
        match self {
            Coding::Zstd => Some("zstd"),
            Coding::Gzip => Some("gzip"),
            Coding::Identity => None,
        }
    }

    /// The weight, and whether the coding was named. One that is not has the weight of `*`; without that, identity
    /// is still acceptable, after everything else.
    fn preference(self, ranges: &[(&str, Weight)]) -> (Weight, u8) {
        let weight_of = |name: &str| {
            ranges.iter().find(|(named, _)| named.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight)
        };
        let named = match self {
            Coding::Zstd => weight_of("zstd"),
            Coding::Gzip => weight_of("gzip").or_else(|| weight_of("x-gzip")),
            Coding::Identity => weight_of("identity"),
        };
        match (named, weight_of("*"), self) {
            (Some(0), ..) | (None, Some(0), _) => (0, 0),
            (Some(weight), ..) => (weight, 1),
            (None, _, Coding::Identity) => (0, 1),
            (None, weight, _) => (weight.unwrap_or_default(), 0),
        }
    }

    /// Compresses chunk by chunk what `next` brings, and hands it on in chunks until nobody takes them any more.
    ///
    /// # Errors
    /// Those of `next`; or of the library, if it has some: memory takes everything.
    pub fn encode(self, mut next: impl Next, sink: &mut dyn Sink) -> io::Result<()> {
        match self {
            Coding::Identity => {
                while let Some(chunk) = next()?
                    && sink.take(chunk.into()).is_some()
                {}
                Ok(())
            }
            Coding::Gzip => {
                let encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(LEVEL.into()));
                compress(encoder, next, sink, (GzEncoder::get_mut, GzEncoder::finish))
            }
            Coding::Zstd => {
                let encoder = zstd::Encoder::new(Vec::new(), LEVEL.into())?;
                compress(encoder, next, sink, (zstd::Encoder::get_mut, zstd::Encoder::finish))
            }
        }
    }
}

/// Brings the next chunk; `None` after the last.
pub trait Next: FnMut() -> io::Result<Option<Bytes>> {}

impl<F: FnMut() -> io::Result<Option<Bytes>>> Next for F {}

/// How to get at what an encoder has written, and how to end it.
type Access<E> = (fn(&mut E) -> &mut Vec<u8>, fn(E) -> io::Result<Vec<u8>>);

fn compress<E: Write>(
    mut encoder: E,
    mut next: impl Next,
    sink: &mut dyn Sink,
    (written, finish): Access<E>,
) -> io::Result<()> {
    while let Some(chunk) = next()? {
        encoder.write_all(&chunk)?;
        let written = written(&mut encoder);
        if written.len() >= chunks::LEN {
            match sink.take(std::mem::take(written)) {
                Some(buffer) => *written = buffer,
                None => return Ok(()),
            }
        }
    }
    let last = finish(encoder)?;
    if !last.is_empty() {
        sink.take(last);
    }
    Ok(())
}

/// One of the header's alternatives: a coding and its weight.
fn range(text: &str) -> (&str, Weight) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let is_q = |(name, _): &(&str, &str)| name.trim().eq_ignore_ascii_case("q");
    let q = parts.filter_map(|part| part.split_once('=')).find(is_q);
    (name, q.map_or(1000, |(_, q)| weight(q.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[track_caller]
    fn check(accepted: &str, coding: Coding) {
        assert_eq!(Coding::negotiate(Some(accepted)), coding, "{accepted}");
    }

    #[test]
    fn who_does_not_ask_for_compression_gets_none() {
        assert_eq!(Coding::negotiate(None), Coding::Identity);
        for accepted in
            ["", "identity", "br", "deflate, br;q=0.9", ",;=", "gzip;q=0", "*;q=0", "identity;q=0, br"]
        {
            check(accepted, Coding::Identity);
        }
    }

    #[test]
    fn prometheus_curl_and_browsers_get_what_they_can_read() {
        check("gzip", Coding::Gzip);
        check("gzip, zstd", Coding::Zstd);
        check("gzip, deflate, br, zstd", Coding::Zstd);
        check("deflate, gzip, br", Coding::Gzip);
        check("x-gzip", Coding::Gzip);
        check("*", Coding::Zstd);
    }

    #[test]
    fn weights_decide_and_zero_refuses() {
        check("gzip;q=1, zstd;q=0.5", Coding::Gzip);
        check("zstd;q=0, *", Coding::Gzip);
        check("gzip;q=0.5, identity", Coding::Identity);
        check("gzip;q=0.5, identity;q=0.5", Coding::Gzip);
        check("*;q=0.1, identity;q=0.2", Coding::Identity);
        check("identity;q=0, *;q=0.001", Coding::Zstd);
        check(" GZIP ; Q = 0.3 , zstd;q=0.2", Coding::Gzip);
    }

    fn chunks() -> Vec<Vec<u8>> {
        (0..50u32)
            .map(|at| format!("requests_total{{route=\"/{at}\"}} {at}\n").repeat(4000).into_bytes())
            .collect()
    }

    #[test]
    fn what_was_compressed_is_what_others_decompress() {
        for chunks in [chunks(), Vec::new(), vec![Vec::new()]] {
            let whole = chunks.concat();
            let encoded = |coding: Coding| {
                let (mut left, mut encoded) = (chunks.clone().into_iter(), Vec::new());
                coding.encode(|| Ok(left.next().map(Bytes::from)), &mut encoded).unwrap();
                encoded.concat()
            };
            assert_eq!(encoded(Coding::Identity), whole);

            let mut back = Vec::new();
            let gzip = encoded(Coding::Gzip);
            flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut back).unwrap();
            assert_eq!(back, whole);

            assert_eq!(zstd::decode_all(encoded(Coding::Zstd).as_slice()).unwrap(), whole);
        }
    }
}
