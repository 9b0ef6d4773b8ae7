//! What the demo prints.

use std::io::{IsTerminal, Stdout, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::super::page::Page;
use crate::cli::Demo;
use crate::demo::Counted;
use crate::demo::report::{self, Moment};
use crate::demo::totals::Comparison;
use crate::encode::{self, Encode};
use crate::model::family::{Family, Reading};
use crate::model::series::SeriesKey;

/// The time between two summaries where they cannot be written over.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// The families that are shown at the end.
const SHOWN: [&str; 2] = ["log_lines_total", "log_errors_total"];

/// Standard output, with a summary that is written over on a terminal.
pub(super) struct Display {
    out: Stdout,
    is_terminal: bool,
    /// How many lines of the last summary stand above the cursor.
    lines: usize,
    /// When the next summary is due where it cannot be written over.
    next: Duration,
}

impl Display {
    pub(super) fn start() -> Display {
        let out = std::io::stdout();
        Display { is_terminal: out.is_terminal(), out, lines: 0, next: PLAIN_INTERVAL }
    }

    /// Says what is about to happen and where to look.
    pub(super) fn introduce(
        &mut self,
        options: &Demo,
        folder: &Path,
        address: SocketAddr,
        taken: Option<&str>,
    ) -> std::io::Result<()> {
        let out = &mut self.out;
        writeln!(out, "Writing app.log and access.log in {}: {} lines/s.", folder.display(), options.rate)?;
        writeln!(out, "Counting them with the pipelines log-errors and access-log.")?;
        if let Some(taken) = taken {
            writeln!(out, "{taken} is in use; serving on {address} instead.")?;
        }
        writeln!(out, "  page     http://{address}/")?;
        writeln!(out, "  metrics  http://{address}{}", options.web.telemetry_path)?;
        let end = options.duration.map_or("until Ctrl+C".to_owned(), |duration| format!("for {duration:?}"));
        writeln!(out, "Running {end}; then all that was written is compared with what was counted.")
    }

    /// Shows where things stand.
    pub(super) fn update(&mut self, moment: &Moment, counted: &Counted) -> std::io::Result<()> {
        let lines = report::summary(moment, counted);
        if !self.is_terminal {
            if moment.elapsed < self.next {
                return Ok(());
            }
            self.next = moment.elapsed + PLAIN_INTERVAL;
            return writeln!(self.out, "{}", lines.join("; "));
        }
        if self.lines > 0 {
            // Up to the first line of the last summary.
            write!(self.out, "\x1b[{}A", self.lines)?;
        }
        self.lines = lines.len();
        for line in lines {
            // Each line ends with what clears the rest of the one below it.
            writeln!(self.out, "\r{line}\x1b[K")?;
        }
        self.out.flush()
    }

    /// Prints some metrics and the comparison; says whether everything agrees.
    pub(super) fn conclude(&mut self, page: &Page, compared: &[Comparison]) -> anyhow::Result<bool> {
        let (table, agree) = report::table(compared);
        writeln!(self.out, "\nFrom the metrics:\n")?;
        self.out.write_all(&some_families(page))?;
        write!(self.out, "\nAll of it:\n\n{table}")?;
        let differ = compared.iter().filter(|row| !row.agrees()).count();
        match differ {
            0 => writeln!(self.out, "\nAll {} totals agree.", compared.len())?,
            _ => writeln!(self.out, "\n{differ} of {} totals DIFFER.", compared.len())?,
        }
        Ok(agree)
    }
}

/// The exposition of the families that are shown.
fn some_families(page: &Page) -> Vec<u8> {
    let mut selection = Selection { inner: (encode::KINDS[0].build)(page.clock.unix()), is_shown: false };
    let mut out = Vec::new();
    page.ledger.encode(page.clock.unix(), &mut selection, &mut out, |_, _, _| {});
    selection.finish(&mut out);
    out
}

/// An encoder that leaves out most families.
struct Selection {
    inner: Box<dyn Encode>,
    is_shown: bool,
}

impl Encode for Selection {
    fn family(&mut self, family: &Family, out: &mut Vec<u8>) {
        self.is_shown = SHOWN.contains(&family.name.as_str());
        if self.is_shown {
            self.inner.family(family, out);
        }
    }

    fn series(&mut self, key: &SeriesKey, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if self.is_shown {
            self.inner.series(key, reading, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.inner.finish(out);
    }
}
