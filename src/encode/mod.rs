//! How readings are written for those who ask: one file per format, and the table of them.

pub mod chunks;
pub mod negotiate;
pub mod select;

mod escape;
mod influx;
mod json;
mod number;
mod openmetrics;
mod prometheus;
mod sample;
#[cfg(test)]
mod sample_families;

use std::time::Duration;

pub use chunks::{Chunks, Sink};
pub use negotiate::negotiate;
pub use select::{Selected, Selection};

use crate::model::family::{Family, Reading};
use crate::model::series::Labels;

/// A format of an exposition.
#[derive(Debug)]
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line on what it is.
    pub help: &'static str,
    /// The value of the `Content-Type` header.
    pub content_type: &'static str,
    /// The versions of the media type that a client may ask for and be content with this format.
    pub versions: &'static [&'static str],
    /// Where it is served, if not at the path of the metrics for those who [negotiate](negotiate()) it.
    pub path: Option<&'static str>,
    /// Makes an encoder for one exposition, which happens so long after the Unix epoch.
    pub build: fn(Duration) -> Box<dyn Encode>,
}

/// Every format. The first is the one for clients that have no preference.
pub static KINDS: &[&Kind] = &[&prometheus::KIND, &openmetrics::KIND, &json::KIND, &influx::KIND];

/// Writes one exposition: any number of families, each followed by its series, then the end.
///
/// Everything is appended to the caller's buffer, which may be emptied between calls. Whatever the order of
/// the calls, what was written is valid: a series that follows no family, or whose reading is not of its
/// family's kind, writes nothing, and nothing is written after the end. That no two families share a name
/// and no two series of a family a key is for the caller to see to.
pub trait Encode {
    /// Starts a family.
    fn family(&mut self, family: &Family, out: &mut Vec<u8>);

    /// Writes one series of the family started last.
    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>);

    /// Whether series of the family started last are written at all. Where they are not, or nobody reads on, they may
    /// be left out.
    fn wants_series(&self) -> bool {
        true
    }

    /// Ends the exposition.
    fn finish(&mut self, out: &mut Vec<u8>);
}
