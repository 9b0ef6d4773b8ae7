//! What was written: YAML files as nodes with their places, and the faults found in them.
//!
//! Knows shapes and places only. What the words mean is decided by whoever reads the nodes: text becomes a
//! [`Node`](node::Node) with [`parse`](fn@parse), a mapping is read against its table of [`Key`](mapping::Key)s, and every
//! fault on the way lands in [`Faults`](fault::Faults), so that a user sees all of them at once.

mod entries; // a mapping while it is parsed
pub mod environment; // `${NAME}` in values
pub mod fault; // what is wrong, and where
pub mod mapping; // a mapping read against the table of its keys
pub mod node; // what a file holds
pub mod parse; // text → nodes
pub mod place; // where things stand
pub mod quantity; // `1h30m`, `64KiB`
pub mod read; // nodes → texts, numbers, lists
pub mod regex; // a text → a regular expression
pub mod required; // a regular expression → literals of its matches
mod render; // faults as a terminal shows them
mod source; // from the parser's spans to places
mod syntax; // the parser's errors in our words
#[cfg(test)]
mod tests; // texts as trees and as faults

pub use environment::Environment;
pub use parse::parse;
