//! `source: stdin`: standard input, read to its end.

use std::io::{self, Stdin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::block::Limits;
use super::once::{Descriptor, Input, Once};
use super::{Kind, Source, Written};
use crate::raw::fault::Faults;
use crate::raw::node::Node;

pub(super) static KIND: Kind = Kind {
    name: "stdin",
    help: "Reads standard input to its end; the metrics stay.",
    example: "source: stdin\n",
    keys: &[],
    exclusive: true,
    fields: &[],
    read,
};

fn read(node: &Node, faults: &mut Faults) -> Option<Box<dyn Written>> {
    if node.is_null() {
        return Some(Box::new(StandardInput));
    }
    faults.add_with_help(node.place, "`stdin` has no options", "write `source: stdin`");
    None
}

struct StandardInput;

impl Written for StandardInput {
    fn source(&self) -> Box<dyn Source> {
        Box::new(source(Limits::default(), Arc::default()))
    }
}

/// How long a read waits before it asks whether to shut down.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// The source of standard input. `progress` counts the bytes read.
pub fn source(limits: Limits, progress: Arc<AtomicU64>) -> Once {
    let input = Box::new(Patient(Descriptor(io::stdin())));
    Once { input, name: "stdin".to_owned(), fields: Vec::new(), limits, progress }
}

/// Standard input whose reads give up now and then, so that a silent pipe cannot hold up a shutdown.
struct Patient(Descriptor<Stdin>);

impl Input for Patient {
    fn read(&mut self, into: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        let mut waiting = [PollFd::new(&self.0.0, PollFlags::IN)];
        if poll(&mut waiting, Some(&PATIENCE))? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(into, most)
    }
}
