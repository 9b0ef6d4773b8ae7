//! What the demo prints.

use std::fmt::Write as _;
use std::io::{IsTerminal, Stdout, Write};
use std::net::SocketAddr;
use std::time::Duration;

use super::super::page::Page;
use super::streams::KINDS;
use crate::cli::Demo;
use crate::demo::report::{self, Row};
use crate::demo::totals::{Comparison, grouped};
use crate::encode::{self, Encode};
use crate::model::family::{Family, Reading};
use crate::model::series::Labels;

/// The time between two summaries where they cannot be written over.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// The families that are shown at the end.
const SHOWN: [&str; 2] = ["orders_total", "revenue_eur_total"];

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
        places: &[String],
        address: SocketAddr,
        taken: Option<&str>,
    ) -> std::io::Result<()> {
        let out = &mut self.out;
        let rate = grouped(options.rate);
        writeln!(out, "Three live streams, {rate} events a second. A pipeline file counts each:\n")?;
        for (kind, place) in KINDS.iter().zip(places) {
            let place = format!("{}{place}", kind.at);
            writeln!(out, "  {:<10} {place:<38} pipelines/{}", kind.name, kind.file)?;
        }
        writeln!(out)?;
        if let Some(taken) = taken {
            writeln!(out, "{taken} is in use; serving on {address} instead.")?;
        }
        writeln!(out, "  page       http://{address}/")?;
        writeln!(out, "  metrics    http://{address}{}\n", options.web.telemetry_path)
    }

    /// Says that the pipelines connect.
    pub(super) fn connecting(&mut self) -> std::io::Result<()> {
        writeln!(self.out, "Connecting: a Kafka group takes a few seconds to form.")
    }

    /// Says that the streams begin.
    pub(super) fn running(&mut self, duration: Option<Duration>) -> std::io::Result<()> {
        let end = duration.map_or("until Ctrl+C".to_owned(), |duration| format!("for {duration:?}"));
        writeln!(self.out, "Connected. Running {end}.\n")
    }

    /// Shows where things stand.
    pub(super) fn update(&mut self, elapsed: Duration, rows: &[Row]) -> std::io::Result<()> {
        if !self.is_terminal {
            if elapsed < self.next {
                return Ok(());
            }
            self.next += PLAIN_INTERVAL;
            return writeln!(self.out, "{}", report::line(elapsed, rows));
        }
        let mut text = String::new();
        if self.lines > 0 {
            // Up to the first line of the last summary.
            write!(text, "\x1b[{}A", self.lines).expect("memory takes any text");
        }
        // What is too long for the terminal is cut: broken lines would be more than are gone up.
        text.push_str("\x1b[?7l");
        let lines = report::summary(elapsed, rows);
        self.lines = lines.len();
        for line in lines {
            // Each line ends with what clears the rest of the one below it.
            writeln!(text, "\r{line}\x1b[K").expect("memory takes any text");
        }
        text.push_str("\x1b[?7h");
        // One write, so that no half of it is seen.
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Says that the last events are waited for.
    pub(super) fn waiting(&mut self) -> std::io::Result<()> {
        writeln!(self.out, "\nNo more is generated. Waiting for the last counts.")
    }

    /// Prints some metrics and the comparison; says whether everything agrees.
    pub(super) fn conclude(&mut self, page: &Page, compared: &[Comparison]) -> anyhow::Result<bool> {
        if compared.is_empty() {
            writeln!(self.out, "\nNothing was generated.")?;
            return Ok(true);
        }
        let (table, agree) = report::table(compared);
        writeln!(self.out, "\nFrom the metrics, as Prometheus reads them:\n")?;
        self.out.write_all(&some_families(page))?;
        writeln!(
            self.out,
            "\nWhat was generated, and what the metrics say. A line is a metric with its series"
        )?;
        writeln!(self.out, "added up; every single series was compared.\n")?;
        write!(self.out, "{table}")?;
        let differ = compared.iter().filter(|row| !row.agrees()).count();
        match differ {
            0 => writeln!(
                self.out,
                "\nAll {} totals agree: no event was missed, none was counted twice.",
                compared.len()
            )?,
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

    fn series(&mut self, key: Labels<'_>, reading: &Reading<'_>, out: &mut Vec<u8>) {
        if self.is_shown {
            self.inner.series(key, reading, out);
        }
    }

    fn wants_series(&self) -> bool {
        self.is_shown
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.inner.finish(out);
    }
}
