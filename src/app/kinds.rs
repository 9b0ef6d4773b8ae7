//! `kinds` and `schema`: what can be written in a pipeline file.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::cli::Kinds;
use crate::reference;

/// Prints the kinds, or everything about those of one name.
pub(super) fn run(options: &Kinds) -> anyhow::Result<ExitCode> {
    let text = match &options.name {
        Some(name) => reference::text::about(name).map_err(anyhow::Error::msg)?,
        None if options.markdown => reference::page::markdown(),
        None => reference::text::list(),
    };
    print(&text)
}

/// Prints the JSON Schema of a pipeline file.
pub(super) fn schema() -> anyhow::Result<ExitCode> {
    print(&format!("{:#}\n", reference::schema::schema()))
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
