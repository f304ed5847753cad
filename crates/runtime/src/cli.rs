//! The command line of the runtime.

use clap::Parser;
use engine::Level;
use std::path::PathBuf;

/// Runs a guest program: reads its bitcode modules, compiles them for this processor, calls its entry.
#[derive(Debug, Parser)]
#[command(
    name = "runtime",
    version,
    after_help = "\
Where the program comes from, the first that is given:
  --module FILE   these modules (.llbc, .bc, .ll); its files come from --disk or --root, if given
  --disk IMAGE    /app/*.llbc of the image's FAT volume
  --root DIR      DIR/app/*.llbc
On the bare machine none is needed: the volume it booted from is /.

Default guest arguments stand in /app/args, one a line. Arguments after `--` replace those of the same name.

Examples:
  runtime --disk app.img -- --prompt 'Once upon a time' -n 64
  runtime --root folder --opt O3 --threads 2 --timings
  runtime --module hello.llbc --dump-asm hello.s

Exit code: the program's own; 63 the program could not be loaded or compiled; 114 the program met a CPU exception;
130 ended by Ctrl-C twice."
)]
pub struct Options {
    /// Disk image whose FAT volume holds /app and the program's files
    #[arg(long, value_name = "IMAGE", conflicts_with = "root")]
    pub disk: Option<PathBuf>,
    /// Folder that takes the place of the volume
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// A module of the program (repeatable), instead of those in /app
    #[arg(long = "module", value_name = "FILE")]
    pub modules: Vec<PathBuf>,
    /// Optimisation level: O0, O1, O2 or O3
    #[arg(long, value_name = "LEVEL", default_value = "O2")]
    pub opt: Level,
    /// Level of functions that do not look numeric [default: that of --opt; O0 on an emulated CPU]
    #[arg(long, value_name = "LEVEL")]
    pub opt_cold: Option<Level>,
    /// Threads the program may use [default: one for each CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Threads that compile [default: one for each CPU, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub compile_threads: Option<u32>,
    /// Say nothing but errors
    #[arg(long)]
    pub quiet: bool,
    /// Print how long each stage took: one line of JSON on standard error
    #[arg(long)]
    pub timings: bool,
    /// Pretend the CPU lacks a feature, by LLVM's name (repeatable)
    #[arg(long = "without", value_name = "FEATURE")]
    pub without: Vec<String>,
    /// Write the optimised IR of the whole program
    #[arg(long, value_name = "FILE")]
    pub dump_ir: Option<PathBuf>,
    /// Write the assembly of the whole program
    #[arg(long, value_name = "FILE")]
    pub dump_asm: Option<PathBuf>,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub guest: Vec<String>,
}

/// Parses the process's arguments; help and mistakes end the process here.
pub fn parse() -> Options {
    match Options::try_parse() {
        Ok(options) => options,
        Err(error) => {
            let _ = error.print();
            std::process::exit(if error.use_stderr() {
                crate::EXIT_REFUSED.into()
            } else {
                0
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definition_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn guest_arguments_stand_after_the_dashes() {
        let o = Options::try_parse_from(["runtime", "--opt", "O3", "--", "--opt", "x"]).unwrap();
        assert_eq!(o.opt, Level::O3);
        assert_eq!(o.guest, ["--opt", "x"]);
        assert!(Options::try_parse_from(["runtime", "--opt", "O9"]).is_err());
        assert!(Options::try_parse_from(["runtime", "--threads", "0"]).is_err());
    }
}
