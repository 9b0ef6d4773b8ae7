//! `state`: looks at a directory in which a ledger is kept, and changes nothing there.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use super::output;
use crate::base::civil::Civil;
use crate::base::clock::Clock;
use crate::cli::{State, StateCommand};
use crate::encode;
use crate::journal::{self, FORMAT};
use crate::ledger::{Account, Found, KEEP_REMOVED, Remembered};
use crate::model::batch::Position;

/// Carries out one of its commands.
pub(super) fn run(options: &State) -> anyhow::Result<ExitCode> {
    match &options.command {
        StateCommand::Inspect(options) => inspect(&options.directory)?,
        StateCommand::Verify(options) => verify(&options.directory)?,
        StateCommand::Export(options) => export(&options.directory, options.format)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn look(directory: &Path) -> anyhow::Result<Found> {
    let found = Found::look(directory, Arc::new(journal::System))?;
    if found.journal.sequence == 0 {
        anyhow::bail!("nothing was kept in {} yet", directory.display());
    }
    Ok(found)
}

/// Says that everything can be read.
fn verify(directory: &Path) -> anyhow::Result<()> {
    let Found { ledger, journal, .. } = look(directory)?;
    let (pipelines, metrics, series) = ledger.remembered(|all| {
        let accounts = || all.iter().flat_map(|kept| kept.metrics.iter().map(|(account, _)| *account));
        (all.len(), accounts().count(), accounts().map(|account| account.series().0).sum::<usize>())
    });
    let (records, bytes) = (journal.records, journal.bytes);
    output::text(&format!(
        "ok: pipelines {pipelines}, metrics {metrics}, series {series}, records {records}, bytes {bytes}\n"
    ))
}

/// Prints the metrics as of the last posting.
fn export(directory: &Path, format: &encode::Kind) -> anyhow::Result<()> {
    let Found { ledger, posted, .. } = look(directory)?;
    output::print(&ledger, (format.build)(posted), posted, |_| {})
}

/// Prints what is kept, for people.
fn inspect(directory: &Path) -> anyhow::Result<()> {
    let Found { ledger, journal, posted } = look(directory)?;
    let mut rows = vec![
        ["directory".to_owned(), directory.display().to_string()],
        ["instance".to_owned(), journal.instance],
        ["format".to_owned(), FORMAT.to_string()],
        ["files".to_owned(), format!("{}, {} bytes", journal.segments, journal.bytes)],
        ["records".to_owned(), format!("{}, the newest is number {}", journal.records, journal.sequence)],
    ];
    let age = Clock::system().unix().checked_sub(posted);
    let age = age.map_or_else(|| "in the future".to_owned(), |age| format!("{} ago", span(age)));
    rows.push(["last posted".to_owned(), format!("{}, {age}", time(posted))]);
    let mut text = String::new();
    table(&rows, 0, &mut text);
    ledger.remembered(|all| all.iter().for_each(|kept| pipeline(kept, &mut text)));
    output::text(&text)
}

fn pipeline(kept: &Remembered<'_>, text: &mut String) {
    let Remembered { about, removed, started, flow, positions, metrics } = kept;
    let mut rows = vec![
        ["source".to_owned(), format!("{} {}", about.source, about.reads)],
        ["since".to_owned(), time(*started)],
        ["counted".to_owned(), format!("{} events, {} bytes", flow.events, flow.bytes)],
    ];
    rows.extend(removed.map(|since| ["removed".to_owned(), until(since)]));
    append(text, format_args!("\npipeline {}\n", about.name));
    table(&rows, 2, text);
    if !positions.is_empty() {
        text.push_str("\n  positions\n");
        let heads = [["lane", "offset"].map(str::to_owned)];
        let row = |(key, position): &(String, Position)| [key.clone(), position.offset.to_string()];
        table(&heads.into_iter().chain(positions.iter().map(row)).collect::<Vec<_>>(), 4, text);
    }
    text.push_str("\n  metrics\n");
    let heads = [["name", "type", "labels", "series", "of at most", "since", ""].map(str::to_owned)];
    let row = |(account, since): &(&Account, Option<Duration>)| {
        metric(account, since.filter(|since| Some(*since) != *removed))
    };
    table(&heads.into_iter().chain(metrics.iter().map(row)).collect::<Vec<_>>(), 4, text);
}

/// The cells of a metric, which may have been removed before its pipeline was.
fn metric(account: &Account, removed: Option<Duration>) -> [String; 7] {
    let (family, (series, most)) = (account.family(), account.series());
    let labels = if family.labels.is_empty() { "-".to_owned() } else { family.labels.join(", ") };
    let removed = removed.map(|since| format!("removed {}", until(since)));
    [
        family.name.clone(),
        family.kind.name().to_owned(),
        labels,
        series.to_string(),
        most.to_string(),
        time(account.started()),
        removed.unwrap_or_default(),
    ]
}

/// Since when something is not configured any more, and for how long it is kept.
fn until(removed: Duration) -> String {
    format!("{}, kept until {}", time(removed), time(removed + KEEP_REMOVED))
}

fn time(unix: Duration) -> String {
    Civil::of(unix.as_secs()).to_string()
}

/// A length of time in its largest unit.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

/// Appends rows whose cells begin below each other.
fn table<const CELLS: usize>(rows: &[[String; CELLS]], indent: usize, text: &mut String) {
    let width = |cell: usize| rows.iter().map(|row| row[cell].chars().count()).max().unwrap_or(0);
    let widths: [usize; CELLS] = std::array::from_fn(width);
    for row in rows {
        let mut line = " ".repeat(indent);
        for (cell, width) in row.iter().zip(widths) {
            append(&mut line, format_args!("{cell:width$}  "));
        }
        append(text, format_args!("{}\n", line.trim_end()));
    }
}

fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a text takes whatever is appended");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other() {
        let mut text = String::new();
        table(&[["a", "b", ""], ["long \u{e9}", "c", "d"]].map(|row| row.map(str::to_owned)), 2, &mut text);
        assert_eq!(text, "  a       b\n  long \u{e9}  c  d\n");
    }

    #[test]
    fn times_are_said_in_their_largest_unit() {
        let spans = [0, 119, 120, 7199, 7200, 172_799, 172_800];
        let said = ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 days"];
        assert_eq!(spans.map(|seconds| span(Duration::from_secs(seconds))), said);
    }
}
