//! The only place where the parts are put together: one function for each command.

mod check;
mod demo;
mod generate;
mod kinds;
mod output;
mod page;
mod reload;
mod replay;
mod run;
mod running;
mod state;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::Command;
use crate::config::{self, Plan};
use crate::raw::fault::Faults;

/// The exit code of a faulty configuration: `EX_CONFIG` of sysexits.h.
const FAULTY: u8 = 78;

/// Carries out a command.
///
/// # Errors
///
/// What it could not go on with. Faults of the configuration are not among them: they are printed, and end in
/// the exit code 78.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(options) => run::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Replay(options) => replay::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Generate(options) => generate::run(&options),
        Command::State(options) => state::run(&options),
        Command::Kinds(options) => kinds::run(&options),
        Command::Schema => kinds::schema(),
    }
}

/// Loads pipeline files with the process's environment, or prints their faults.
fn load(paths: &[PathBuf]) -> Result<Plan, ExitCode> {
    let environment = |name: &str| std::env::var(name).ok();
    config::load(paths, &environment).map_err(|faults| refuse(&faults))
}

/// Prints faults to standard error, in colour on a terminal.
#[expect(clippy::print_stderr, reason = "faults are the answer of the command, not log lines")]
fn refuse(faults: &Faults) -> ExitCode {
    let color =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    eprint!("{}", faults.render(color));
    ExitCode::from(FAULTY)
}
