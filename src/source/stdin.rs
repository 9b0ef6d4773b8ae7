//! `source: stdin`: standard input, read to its end.
//!
//! ```yaml
//! source: stdin          # or with options: {stdin: {max_line_bytes: 64KiB}}
//! ```

use std::io::{self, Stdin};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::framing::{self, Framing};
use super::once::{Descriptor, Input, Once};
use super::{Claim, Kind, Source, Written};
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "stdin",
    help: "Reads standard input to its end; the metrics stay.",
    example: "source: stdin\n",
    keys: KEYS,
    fields: &[],
    record_fields: &[],
    record_maps: &[],
    meters: &[],
    read,
};

static KEYS: &[Key] = &[framing::MAX_LINE_BYTES, framing::MULTILINE];

fn read(node: &Node, faults: &mut Faults) -> Option<Box<dyn Written>> {
    let keys = Mapping::read(node, "stdin", &[KEYS], faults)?;
    Some(Box::new(StandardInput { framing: framing::read(&keys, faults)? }))
}

struct StandardInput {
    framing: Framing,
}

impl Written for StandardInput {
    fn source(&self) -> Box<dyn Source> {
        Box::new(Once {
            input: Box::new(Patient(Descriptor { from: io::stdin(), progress: Arc::default() })),
            name: "stdin".to_owned(),
            fields: Vec::new(),
            framing: self.framing.clone(),
        })
    }

    fn claims(&self) -> Vec<Claim> {
        vec![Claim { what: "`stdin`".to_owned(), or_else: "" }]
    }

    fn framing(&self) -> Framing {
        self.framing.clone()
    }
}

/// How long a read waits before it asks whether to shut down.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Standard input whose reads give up now and then, so that a silent pipe cannot hold up a shutdown.
struct Patient(Descriptor<Stdin>);

impl Input for Patient {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let mut waiting = [PollFd::new(&self.0.from, PollFlags::IN)];
        if poll(&mut waiting, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(into, most)
    }
}
