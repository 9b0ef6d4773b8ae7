//! `source: {file: …}`: follows the lines of many files through every kind of rotation.
//!
//! ```yaml
//! source:
//!   file:
//!     include: [/var/log/nginx/access.log]
//!     exclude: ['*.gz']
//!     start_at: end
//! ```
//!
//! [`paths`] finds the files, [`head`] tells one content from another, [`content`] reads one of them,
//! [`tailer`] decides which contents there are, [`lanes`] and [`passed`] keep its books, [`wake`] says when
//! there is something to read. After a restart [`missing`] finds what is not where it was, and [`packed`] reads it where
//! it was compressed.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::tailer::Tailer;
use self::wake::Wake;
use super::framing::{self, Framing};
use super::{Closed, Context, Kind, Outlet, Source, SourceError, Written};
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;

pub mod content;
pub mod head;
pub mod lanes;
pub mod missing;
pub mod packed;
pub mod passed;
pub mod paths;
pub mod stranger;
pub mod tailer;
pub mod wake;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod tests;

pub(super) static KIND: Kind = Kind {
    name: "file",
    help: "Follows files as lines are appended to them, through rotation by rename and by copy-truncate.",
    example: "source:\n  file:\n    include: [/var/log/nginx/access.log]\n",
    keys: KEYS,
    fields: &["file.path"],
    record_fields: &[],
    record_maps: &[],
    meters: &[],
    read: |node: &Node, faults: &mut Faults| Some(Box::new(read(node, faults)?)),
};

const fn key(name: &'static str, wanted: &'static str, help: &'static str, default: &'static str) -> Key {
    Key { name, wanted, required: false, help, default: Some(default) }
}

static KEYS: &[Key] = &[
    Key {
        name: "include",
        wanted: "a list of globs, such as `[/var/log/app/*.log]`",
        required: true,
        help: "Which files are read; `*` and `?` stay within a folder, `**` does not.",
        default: None,
    },
    key(
        "exclude",
        "a list of globs",
        "Which files are not; globs without a slash are compared with the file's name.",
        "[]",
    ),
    key("start_at", "`beginning` or `end`", "Where to begin in files that exist at the start.", "end"),
    framing::MAX_LINE_BYTES,
    framing::MULTILINE,
    key(
        "poll_interval",
        "a duration, such as `250ms`",
        "The time between two looks at the folders.",
        "250ms",
    ),
];

fn read(node: &Node, faults: &mut Faults) -> Option<Options> {
    let keys = Mapping::read(node, "file", &[KEYS], faults)?;
    let default = Options::default();
    let include = keys.get("include").and_then(|node| globs(node, true, faults));
    let exclude = keys.get("exclude").map_or(Some(Vec::new()), |node| globs(node, false, faults));
    let places = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
    let start_at = keys
        .get("start_at")
        .map_or(Some(default.start_at), |node| node.one_of("start position", &places, faults));
    let framing = framing::read(&keys, faults);
    let poll_interval =
        keys.get("poll_interval").map_or(Some(default.poll_interval), |node| interval(node, faults));
    Some(Options {
        include: include?,
        exclude: exclude?,
        start_at: start_at?,
        framing: framing?,
        poll_interval: poll_interval?,
    })
}

fn globs(node: &Node, wanted: bool, faults: &mut Faults) -> Option<Vec<String>> {
    let nodes = node.list_or_one("a list of globs", faults)?;
    if nodes.is_empty() && wanted {
        faults.add_with_help(node.place, "no file is included", "name at least one file or glob");
        return None;
    }
    let valid = |node: &Node, faults: &mut Faults| {
        let text = node.text_of("a glob", faults)?;
        match globset::Glob::new(&text.text) {
            Ok(_) if !text.text.is_empty() => Some(text.text.clone()),
            Ok(_) => {
                faults.add(text.place, "the glob is empty");
                None
            }
            Err(error) => {
                faults.add(text.place, format!("`{}` is not a glob: {}", text.text, error.kind()));
                None
            }
        }
    };
    // Every glob is read before one that is wrong ends this, so that all their faults are found.
    let read: Vec<_> = nodes.iter().map(|node| valid(node, faults)).collect();
    read.into_iter().collect()
}

fn interval(node: &Node, faults: &mut Faults) -> Option<Duration> {
    let interval = node.duration(faults)?;
    if interval < Duration::from_millis(10) || interval > Duration::from_secs(3600) {
        let found = node.found();
        faults
            .add(node.place, format!("`poll_interval` is out of range: expected 10ms to 1h, found {found}"));
        return None;
    }
    Some(interval)
}

/// Which files are read, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Globs of absolute or relative paths.
    pub include: Vec<String>,
    /// Globs of paths that are not read; those without a slash are compared with the file's name.
    pub exclude: Vec<String>,
    /// Where to begin in files that exist at the start and that nothing is known of.
    pub start_at: StartAt,
    /// How much is read at once, and what a record is.
    pub framing: Framing,
    /// The time between two looks at the directories.
    pub poll_interval: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            include: Vec::new(),
            exclude: Vec::new(),
            start_at: StartAt::End,
            framing: Framing::default(),
            poll_interval: Duration::from_millis(250),
        }
    }
}

/// Where to begin in a file that was there before the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With its first line.
    Beginning,
    /// With the first line that ends after the start.
    End,
}

impl Written for Options {
    fn source(&self) -> Box<dyn Source> {
        Box::new(Files::new(self).expect("the globs were checked when they were read"))
    }

    fn describe(&self) -> String {
        self.include.join(", ")
    }

    fn framing(&self) -> Framing {
        self.framing.clone()
    }
}

/// The source.
#[derive(Debug)]
pub struct Files {
    tailer: Tailer,
    poll_interval: Duration,
}

impl Files {
    /// Compiles the patterns; fails on the first one that is not a valid glob.
    pub fn new(options: &Options) -> Result<Files, globset::Error> {
        Ok(Files { tailer: Tailer::new(options)?, poll_interval: options.poll_interval })
    }

    fn follow(&mut self, outlet: &mut dyn Outlet, context: &Context) -> Result<(), Closed> {
        let mut wake = Wake::new(&context.shutdown, outlet);
        let mut look_at = None;
        let mut next_scan = Duration::ZERO;
        while !context.shutdown.is_raised() {
            let now = context.clock.monotonic();
            let is_due = |at: Option<Duration>| at.is_some_and(|at| now >= at);
            if now >= next_scan || is_due(look_at) {
                if now >= next_scan {
                    self.tailer.scan(outlet, now)?;
                    next_scan = context.clock.monotonic() + self.poll_interval;
                } else {
                    self.tailer.look(outlet, now)?;
                }
                let (directories, files) = self.tailer.to_watch();
                wake.watch(directories, files, outlet, now);
                let took = context.clock.monotonic().saturating_sub(now);
                look_at = self.hear(&mut wake, now + LOOK_PAUSE.max(took * 10));
            }
            if !self.tailer.read_some(outlet, now)? {
                let due = look_at.into_iter().chain(self.tailer.deadline()).min();
                wake.wait(due.map_or(next_scan, |due| due.min(next_scan)), context);
                let appeared = self.hear(&mut wake, now);
                look_at = look_at.or(appeared);
            }
        }
        Ok(())
    }

    /// Makes readable what was written, and says when to look at the directories if something appeared there.
    fn hear(&mut self, wake: &mut Wake, look_at: Duration) -> Option<Duration> {
        let news = wake.take();
        if news.overflow {
            self.tailer.wake_all();
        } else if !news.written.is_empty() {
            self.tailer.wake(&news.written);
        }
        (news.appeared || news.overflow).then_some(look_at)
    }
}

impl Source for Files {
    fn run(mut self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError> {
        raise_file_limit();
        // `Closed` means that nobody is left to read for.
        self.follow(outlet, context).or(Ok(()))
    }
}

/// The shortest time from one look at the directories to the next.
const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// Every rotated file that still exists is held open, so as many files as the system allows are wanted.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}
