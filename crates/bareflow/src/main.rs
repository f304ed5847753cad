//! The host command: builds, runs and inspects machines.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use bareflow::cli::{Cli, Command};
use bareflow::{Artifacts, Error, inspect, run};
use clap::Parser;

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("bareflow: {error}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> Result<u8, Error> {
    let artifacts = Artifacts::locate()?;
    match command {
        Command::Run(args) => return run::run(&args, &artifacts),
        Command::Inspect(args) => {
            let report = inspect::inspect(&args.image)?;
            let text = if args.json {
                inspect::json(&report)
            } else {
                inspect::text(&report)
            };
            run::print_all(text.as_bytes())?;
        }
        _ => {}
    }
    Ok(0)
}
