//! The host command: builds, runs and inspects machines.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use bareflow::cli::{Cli, Command};
use bareflow::{
    Artifacts, Error, converge, eval, exec, export, inspect, make, project, run, shrink, stop,
};
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
        Command::Build(args) => make::build(&args, &artifacts, stop::on_signals())?,
        Command::New(args) => project::new(&args)?,
        Command::Wrap(args) => project::wrap(&args)?,
        Command::Llm(args) => make::llm(&args, &artifacts, stop::on_signals())?,
        Command::Run(args) => return run::run(&args, &artifacts),
        Command::Inspect(args) => {
            if let (Some(record), Some(output)) = (&args.record, &args.output) {
                inspect::extract(&args.image, record, output)?;
                return Ok(0);
            }
            let report = inspect::inspect(&args.image)?;
            let text = if args.json {
                inspect::json(&report)
            } else {
                inspect::text(&report)
            };
            run::print_all(text.as_bytes())?;
        }
        Command::Converge(args) => {
            return converge::converge(&args, &artifacts, stop::on_signals());
        }
        Command::Eval(args) => return eval::eval(&args, &artifacts),
        Command::Shrink(args) => shrink::shrink(&args)?,
        Command::Export(args) => export::export(&args, &artifacts, stop::on_signals())?,
        Command::Exec(args) => return exec::exec(&args, &artifacts),
    }
    Ok(0)
}
