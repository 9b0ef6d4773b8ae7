//! The program: parse, set up logging, run, map the outcome to an exit code.

use std::process::ExitCode;

use clap::Parser;
use streamgauge::cli::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.log.start(&arguments.command);
    match streamgauge::app::run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "streamgauge cannot go on");
            ExitCode::FAILURE
        }
    }
}
