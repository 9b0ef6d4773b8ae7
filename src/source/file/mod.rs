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
//! [`tailer`] decides which contents there are, [`lanes`] and [`passed`] keep its books.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::tailer::Tailer;
use super::{Closed, Context, Kind, Outlet, Source, SourceError, Written};
use crate::raw::fault::Faults;
use crate::raw::mapping::{Key, Mapping};
use crate::raw::node::Node;

pub mod content;
pub mod head;
pub mod lanes;
pub mod passed;
pub mod paths;
pub mod tailer;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub(super) static KIND: Kind = Kind {
    name: "file",
    help: "Follows files as lines are appended to them, through rotation by rename and by copy-truncate.",
    example: "source:\n  file:\n    include: [/var/log/nginx/access.log]\n",
    keys: KEYS,
    exclusive: false,
    fields: &["file.path"],
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
    key("max_line_bytes", "a size, such as `1MiB`", "Longer lines are skipped and counted.", "1MiB"),
    key(
        "poll_interval",
        "a duration, such as `250ms`",
        "The time between two looks at the folders.",
        "250ms",
    ),
];

/// A longer line would not fit the bound on memory.
const MAX_LINE_BYTES: u64 = 64 << 20;

fn read(node: &Node, faults: &mut Faults) -> Option<Options> {
    let keys = Mapping::read(node, "file", &[KEYS], faults)?;
    let default = Options::default();
    let include = keys.get("include").and_then(|node| globs(node, true, faults));
    let exclude = keys.get("exclude").map_or(Some(Vec::new()), |node| globs(node, false, faults));
    let places = [("beginning", StartAt::Beginning), ("end", StartAt::End)];
    let start_at = keys
        .get("start_at")
        .map_or(Some(default.start_at), |node| node.one_of("start position", &places, faults));
    let max_line_bytes =
        keys.get("max_line_bytes").map_or(Some(default.max_line_bytes), |node| line_bytes(node, faults));
    let poll_interval =
        keys.get("poll_interval").map_or(Some(default.poll_interval), |node| interval(node, faults));
    Some(Options {
        include: include?,
        exclude: exclude?,
        start_at: start_at?,
        max_line_bytes: max_line_bytes?,
        poll_interval: poll_interval?,
        ..default
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

fn line_bytes(node: &Node, faults: &mut Faults) -> Option<usize> {
    let bytes = node.bytes(faults)?;
    if bytes == 0 || bytes > MAX_LINE_BYTES {
        let found = node.found();
        faults.add(
            node.place,
            format!("`max_line_bytes` is out of range: expected 1B to 64MiB, found {found}"),
        );
        return None;
    }
    Some(bytes as usize)
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
    /// The longest line that is handed on; longer ones are skipped and counted.
    pub max_line_bytes: usize,
    /// The time between two looks at the directories.
    pub poll_interval: Duration,
    /// How much is read at once.
    pub block_bytes: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            include: Vec::new(),
            exclude: Vec::new(),
            start_at: StartAt::End,
            max_line_bytes: 1 << 20,
            poll_interval: Duration::from_millis(250),
            block_bytes: 256 << 10,
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
        let mut next_scan = Duration::ZERO;
        while !context.shutdown.is_raised() {
            let now = context.clock.monotonic();
            if now >= next_scan {
                self.tailer.scan(outlet, now)?;
                next_scan = context.clock.monotonic() + self.poll_interval;
            }
            if !self.tailer.read_some(outlet, now)? {
                context.shutdown.wait(next_scan.saturating_sub(context.clock.monotonic()));
            }
        }
        Ok(())
    }
}

impl Source for Files {
    fn run(mut self: Box<Self>, outlet: &mut dyn Outlet, context: &Context) -> Result<(), SourceError> {
        raise_file_limit();
        // `Closed` means that nobody is left to read for.
        self.follow(outlet, context).or(Ok(()))
    }
}

/// Every rotated file that still exists is held open, so as many files as the system allows are wanted.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    if let Err(error) = raised {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}
