//! `check`: says that pipeline files are valid, or everything that is wrong with them.

use std::io::Write;
use std::process::ExitCode;

use crate::cli::Check;
use crate::config::PipelinePlan;

/// Checks the files and starts nothing.
pub(super) fn run(options: &Check) -> anyhow::Result<ExitCode> {
    let plan = match super::load(&options.paths) {
        Ok(plan) => plan,
        Err(code) => return Ok(code),
    };
    let mut out = std::io::stdout().lock();
    for PipelinePlan { name, source_kind, metrics, .. } in &plan.pipelines {
        let metrics: Vec<_> = metrics.iter().map(|metric| metric.family.name.as_str()).collect();
        writeln!(out, "{name}: valid, from {} to {}", source_kind.name, metrics.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}
