//! Messages that came together, on their way to be one batch.

use memchr::memchr_iter;

use super::sequence::{Found, Sequence};
use crate::model::batch::{Ends, Records};

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Each message, whatever lines it has.
    Message,
    /// Each line of a message.
    Lines,
}

/// A batch has at most so many bytes, and one message.
const MAX_BYTES: usize = 256 << 10;
/// The most messages of a batch.
const MAX_MESSAGES: usize = 4096;

/// The messages that came and are not handed over yet.
#[derive(Debug)]
pub struct Inbox {
    split: Split,
    sequence: Option<Sequence>,
    bytes: Vec<u8>,
    /// Where they end, where that is not at newlines.
    ends: Vec<usize>,
    messages: usize,
}

impl Inbox {
    /// Without messages.
    pub fn new(split: Split, sequence: Option<Sequence>) -> Inbox {
        Inbox { split, sequence, bytes: Vec::new(), ends: Vec::new(), messages: 0 }
    }

    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.ends.is_empty()
    }

    /// Whether it is time to hand over.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= MAX_BYTES || self.messages >= MAX_MESSAGES
    }

    /// Takes memory for the messages to come; there are none yet.
    pub fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.bytes = buffer;
    }

    /// Adds a message.
    pub fn push(&mut self, message: &[u8]) {
        self.messages += 1;
        self.bytes.extend_from_slice(message);
        match self.split {
            Split::Message => self.ends.push(self.bytes.len()),
            // A message ends its last line, but an empty one has no line at all.
            Split::Lines if message.last().is_some_and(|last| *last != b'\n') => self.bytes.push(b'\n'),
            Split::Lines => {}
        }
        match (&mut self.sequence, self.split) {
            (None, _) => {}
            (Some(sequence), Split::Message) => sequence.look(message),
            (Some(sequence), Split::Lines) => {
                message.split(|byte| *byte == b'\n').for_each(|line| sequence.look(line))
            }
        }
    }

    /// The messages as a batch has them.
    pub fn take(&mut self) -> (Vec<u8>, Ends) {
        self.messages = 0;
        let (bytes, ends) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.ends));
        match self.split {
            Split::Message => (bytes, Ends::At(Records::from(ends))),
            Split::Lines => (bytes, Ends::Newlines),
        }
    }

    /// What the numbers in the messages said since the last time.
    pub fn take_found(&mut self) -> Option<Found> {
        self.sequence.as_mut().map(Sequence::take)
    }
}

/// How many records a batch has.
pub fn records(bytes: &[u8], ends: &Ends) -> u64 {
    match ends {
        Ends::At(records) => records.ends.len() as u64,
        Ends::Newlines => memchr_iter(b'\n', bytes).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what messages become: bytes and number of records.
    #[track_caller]
    fn check(split: Split, messages: &[&str], bytes: &str, count: u64) {
        let mut inbox = Inbox::new(split, None);
        messages.iter().for_each(|message| inbox.push(message.as_bytes()));
        assert_eq!(inbox.is_empty(), count == 0);
        let (found, ends) = inbox.take();
        assert_eq!((String::from_utf8_lossy(&found).as_ref(), records(&found, &ends)), (bytes, count));
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_message_is_a_record_whatever_it_holds() {
        check(Split::Message, &["a\nb", "", "c\n"], "a\nbc\n", 3);
        check(Split::Message, &[""], "", 1);
    }

    #[test]
    fn the_lines_of_messages_are_records() {
        check(Split::Lines, &["a\nb", "", "c\n", "\n"], "a\nb\nc\n\n", 4);
        check(Split::Lines, &[""], "", 0);
    }

    #[test]
    fn a_batch_has_a_bound() {
        let mut inbox = Inbox::new(Split::Message, None);
        (1..MAX_MESSAGES).for_each(|_| inbox.push(b""));
        assert!(!inbox.is_full());
        inbox.push(b"");
        assert!(inbox.is_full());
        let mut inbox = Inbox::new(Split::Lines, None);
        inbox.push(&[b' '; MAX_BYTES]);
        assert!(inbox.is_full());
    }
}
