//! The command line of `bareflow-exec`.

use clap::Parser;
use engine_options::EngineArgs;
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs a program under the engine: interpreted first, compiled where it is hot, while it runs
#[derive(Debug, Parser)]
#[command(
    name = "bareflow exec",
    bin_name = "bareflow exec",
    version,
    after_help = format!("{EXAMPLES}\n\n{}\n\n{ENDS}", engine_options::EXPLANATION)
)]
pub struct Options {
    /// Files of the program: .bc and .ll (LLVM IR), .c, and .cpp, .cc or .cxx (compiled by clang-22)
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Folder in which clang looks for headers (repeatable)
    #[arg(short = 'I', value_name = "DIR")]
    pub include: Vec<PathBuf>,
    /// Macro for clang: NAME or NAME=VALUE (repeatable)
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub define: Vec<String>,
    /// Level of clang's front end; what is optimised, the engine does
    #[arg(short = 'O', value_name = "LEVEL", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=3))]
    pub level: u8,
    /// Any other option for clang (repeatable)
    #[arg(long = "cflag", value_name = "OPTION", allow_hyphen_values = true)]
    pub cflags: Vec<OsString>,
    /// Shared library whose functions the program calls: `z` for libz.so, or a path (repeatable)
    #[arg(short = 'l', value_name = "LIBRARY")]
    pub libraries: Vec<OsString>,
    /// What the program finds as argv[0] [default: the first FILE]
    #[arg(long, value_name = "NAME")]
    pub argv0: Option<OsString>,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub rest: Vec<OsString>,
    /// How the engine runs it.
    #[command(flatten)]
    pub engine: EngineArgs,
}

const EXAMPLES: &str = "\
Examples:
  bareflow exec hello.c
  bareflow exec main.c table.c -I include -D SIZE=64 -- input.txt
  bareflow exec prog.ll --tier interp < data > result
  bareflow exec nbody.c --report - --trace nbody.json -- 1000000
  perf record -e cpu-clock bareflow exec nbody.c --perf-map && perf report
  bareflow exec sort.c --tier O3 --dump asm --dump-function 'sort*'
  bareflow exec main.c --function 'hash*=tier:O3' --function 'main=thresholds:1,1,1,1'";

const ENDS: &str = "\
The program's standard input and output, working directory and environment are those of this command. Missing symbols
are looked for in the C and mathematics libraries, and in those named by -l. Nothing unwinds: C++ is compiled without
exceptions. Programs can include jit_runtime.h, which is found by itself, to mark regions and ask how far functions got;
engines of their own (jit_create) need an image: bareflow build, bareflow run --hosted. A program that is ended by a signal
or by _exit leaves reports and traces empty.

Exit code: the program's own; a signal that ends the program ends this command. 63: the program could not be compiled,
linked or started.";

impl Options {
    /// `argv` of the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let first = match (&self.argv0, self.files.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(file)) => file.clone().into_os_string(),
            (None, None) => OsString::new(),
        };
        std::iter::once(first)
            .chain(self.rest.iter().cloned())
            .collect()
    }
}

/// Reads the process's arguments; help and mistakes end the process here.
pub fn parse() -> Options {
    Options::try_parse().unwrap_or_else(|error| {
        let _ = error.print();
        std::process::exit(if error.use_stderr() {
            crate::EXIT_REFUSED
        } else {
            0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn arguments_of_the_program_stand_behind_the_dashes() {
        let o = Options::parse_from([
            "x", "a.c", "-O2", "b.ll", "-Iinc", "-DX=1", "-lm", "--tier", "O1", "--", "-v",
            "--tier",
        ]);
        assert_eq!(o.files, [PathBuf::from("a.c"), "b.ll".into()]);
        assert_eq!(o.arguments(), ["a.c", "-v", "--tier"]);
        assert_eq!((o.level, o.include.len(), o.define.len()), (2, 1, 1));
        let named = Options::parse_from(["x", "--argv0", "me", "a.c"]);
        assert_eq!(named.arguments(), ["me"]);
    }

    #[test]
    fn options_for_clang_may_begin_with_a_dash() {
        let o = Options::parse_from(["x", "a.c", "--cflag", "-std=c99", "--cflag=-Wall"]);
        assert_eq!(o.cflags, ["-std=c99", "-Wall"]);
    }
}
