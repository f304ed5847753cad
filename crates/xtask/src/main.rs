//! Chores of the repository: build artefacts, boot tests, benches, fuzz.
#![forbid(unsafe_code)]

mod bench;
mod bench_converge;
mod bench_disk;
mod bench_endurance;
mod bench_engine;
mod bench_libc;
mod bench_native;
mod bench_peers;
mod bench_runtime;
mod bench_sqlite;
mod bench_tiers;
mod bench_warm;
mod boot_stages;
mod build;
mod c_bitcode;
mod cargo_test;
mod check;
mod core_math;
mod demo;
mod differential;
mod embedded_test;
mod examples_test;
mod faults_test;
mod fuzz;
mod gen_model;
mod golden;
mod grub;
mod guest_bitcode;
mod guests;
mod guide_test;
mod jit_test;
mod ksyms;
mod libc_bitcode;
mod libc_sources;
mod libc_test;
mod licences;
mod link_data;
mod machine_test;
mod machines;
mod native_bitcode;
mod native_test;
mod paths;
mod payload_files;
mod payloads;
mod runtime_elf;
mod runtime_test;
mod sh;
mod shrink_test;
mod slots_test;
mod sqlite_sources;
mod sqlite_test;
mod test;
mod unseen;
mod warm;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::paths::Paths;

/// Chores of the BareFlow repository; `./x` installs what they need and calls them.
#[derive(Debug, Parser)]
#[command(name = "xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Make kernel, boot stages, runtime, guest modules and boot loaders in target/bareflow/
    Build {
        /// Say nothing unless something fails
        #[arg(long)]
        quiet: bool,
        /// Only the steps with this in their names (`kernel`, `runtime`, `boot`, ...)
        #[arg(long)]
        only: Option<String>,
    },
    /// Boot SmolLM2 from a disk image and let it write
    Demo {
        /// The text to continue
        #[arg(default_value = "Once upon a time")]
        prompt: String,
    },
    /// Every test, or the suites whose name contains FILTER
    Test {
        /// Part of a suite's name
        filter: Option<String>,
        /// Take the artefacts as they are
        #[arg(long)]
        built: bool,
    },
    /// Run the runtime as a process and write down which of its functions ran
    Watch {
        /// The record, to be made or added to
        coverage: PathBuf,
        /// Arguments of the runtime
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// rustfmt, clippy without warnings, licences
    Check,
    /// Run every program of the engine's corpus in every mode, beside machine code
    #[command(disable_help_flag = true)]
    Differential {
        /// `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure, and judge by what SPECIFICATION.md promises
    Bench {
        /// Name of the bench [default: boot]; a wrong one lists them
        which: Option<String>,
        /// One part of the bench `engine`
        part: Option<String>,
        /// Of the engine's kernels only those with this in their names
        #[arg(long)]
        kernels: Option<String>,
        /// Write the engine's figures into this file, too
        #[arg(long)]
        json: Option<PathBuf>,
        /// Number of kills, boots or rounds of the benches `kills`, `boots`, `native`, `sqlite`, `tiers` and `warm`
        #[arg(long)]
        rounds: Option<usize>,
        /// Measure what is built, without building it anew
        #[arg(long)]
        built: bool,
    },
    /// Write a model file of random weights
    GenModel {
        /// Which shape
        kind: gen_model::Kind,
        /// File to write
        #[arg(short, long)]
        output: PathBuf,
        /// Format of the matrices: F32, F16, Q8_0, Q4_0, Q4_1, Q6_K
        #[arg(long, default_value = "Q4_0")]
        format: String,
        /// Same seed, same file
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Run the fuzz targets
    Fuzz {
        /// One target; all without
        target: Option<String>,
        /// Time for each target
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Fetch SQLite's amalgamation into cache/ and print its folder
    Sqlite,
    /// The licence check alone
    Licences,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    let paths = Paths::find()?;
    match task {
        Task::Build { quiet, only } => build::steps(&paths, quiet, only.as_deref())?,
        Task::Test { filter, built } => {
            if !built {
                build::all(&paths, false)?;
            }
            if !test::all(&paths, filter.as_deref())? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Bench {
            which: Some(which),
            part,
            kernels,
            json,
            ..
        } if which == "engine" => {
            let which = part;
            let request = bench_engine::Request {
                which,
                kernels,
                json,
            };
            bench_engine::run(&paths, &request)?;
        }
        Task::Bench {
            which,
            rounds,
            built,
            ..
        } => {
            if !built {
                build::all(&paths, false)?;
            }
            bench::run(&paths, which.as_deref(), rounds)?;
        }
        Task::Differential { arguments } => {
            if !differential::run(&paths, &arguments)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        Task::Demo { prompt } => {
            build::all(&paths, false)?;
            demo::run(&paths, &prompt)?;
        }
        Task::Watch {
            coverage,
            arguments,
        } => watch::record(&paths, &coverage, &arguments)?,
        Task::Check => check::all(&paths)?,
        Task::Fuzz { target, seconds } => fuzz::all(&paths, target.as_deref(), seconds)?,
        Task::GenModel {
            kind,
            output,
            format,
            seed,
        } => {
            let vocabulary = "crates/llama/tests/data/ggml-vocab-llama-spm.gguf";
            gen_model::write(kind, &format, &paths.root.join(vocabulary), seed, &output)?;
        }
        Task::Sqlite => println!("{}", sqlite_sources::fetch(&paths)?.display()),
        Task::Licences => licences::check(&paths)?,
    }
    Ok(ExitCode::SUCCESS)
}
