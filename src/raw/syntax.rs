//! The YAML parser's errors in our words.

use saphyr_parser::ScanError;

use super::fault::Faults;
use super::source::Source;

/// Words for an error of the parser: a part of its message, what is wrong, how to mend it.
struct Words(&'static str, &'static str, &'static str);

/// The errors that people make. The first that is part of the parser's message is taken.
const KNOWN: &[Words] = &[];

/// Reports the error at which the parser gave up.
pub(super) fn report(error: &ScanError, source: &Source<'_>, faults: &mut Faults) {
    let place = source.place(*error.marker());
    match KNOWN.iter().find(|Words(part, ..)| error.info().contains(part)) {
        Some(Words(_, problem, help)) => faults.add_with_help(place, *problem, *help),
        None => faults.add(place, format!("not valid YAML: {}", error.info())),
    }
}
