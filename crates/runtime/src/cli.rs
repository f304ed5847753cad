//! The command line of the runtime.

use crate::grow::Policy;
use clap::Parser;
use engine::Level;
use engine_options::EngineArgs;
use std::path::PathBuf;

/// Runs a guest program: reads its bitcode modules, runs them from the first moment, compiles what is hot.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "runtime",
    version,
    after_help = "\
Where the program comes from, the first that is given:
  --module FILE   these modules (.llbc, .bc, .ll); its files come from --disk or --root, if given
  --disk IMAGE    /app/*.llbc of the image's FAT volume
  --root DIR      DIR/app/*.llbc
On the bare machine none is needed: the volume it booted from is /.

The program starts in the interpreter and gets faster while it runs (--tier auto). --ahead compiles all of it before
the start instead.

Default guest arguments stand in /app/args, one a line. Arguments after `--` replace those of the same name.

Examples:
  runtime --disk app.img -- --prompt 'Once upon a time' -n 64
  runtime --root folder --tier O3 --threads 2 --timings
  runtime --disk app.img --report - --trace trace.json -- --prompt 'Once upon a time'
  runtime --module hello.llbc --ahead O2 --dump-asm hello.s
  runtime --disk app.img --save-profile app.prof -- --prompt 'Once upon a time'
  runtime --disk app.img --export native.elf --profile app.prof

Exit code: the program's own; 63 the program could not be loaded or compiled; 114 the program met a CPU exception;
119 it made no progress (--watchdog); 130 ended by Ctrl-C twice."
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
    /// How it runs.
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Compile the whole program at this level before it starts; nothing is interpreted or measured
    #[arg(long, value_name = "LEVEL", conflicts_with = "tier", help_heading = AHEAD)]
    pub ahead: Option<Level>,
    /// Level of functions that do not look numeric [default: that of --ahead; O0 on an emulated CPU]
    #[arg(long, value_name = "LEVEL", requires = "ahead", help_heading = AHEAD)]
    pub ahead_cold: Option<Level>,
    /// Threads that compile before the start [default: one for each CPU, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), requires = "ahead", help_heading = AHEAD)]
    pub ahead_threads: Option<u32>,
    /// Write the program as machine code that needs no runtime, and do not run it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ahead", "tier"], help_heading = EXPORT)]
    pub export: Option<PathBuf>,
    /// What earlier runs learnt (see --save-profile): hot code first and specialised, cold code small
    #[arg(long, value_name = "FILE", requires = "export", help_heading = EXPORT)]
    pub profile: Option<PathBuf>,
    /// Support code of native programs [default: /boot/native.llbc of the volume]
    #[arg(long, value_name = "FILE", requires = "export", help_heading = EXPORT)]
    pub support: Option<PathBuf>,
    /// Leave out what tells source lines: the program is smaller, and messages name functions alone
    #[arg(long, requires = "export", help_heading = EXPORT)]
    pub no_lines: bool,
    /// Write what this run learns, at its end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ahead", "export"], help_heading = EXPORT)]
    pub save_profile: Option<PathBuf>,
    /// Write the optimised IR of the whole program
    #[arg(long, value_name = "FILE", help_heading = AHEAD)]
    pub dump_ir: Option<PathBuf>,
    /// Write the assembly of the whole program
    #[arg(long, value_name = "FILE", requires = "ahead", help_heading = AHEAD)]
    pub dump_asm: Option<PathBuf>,
    /// Threads the program may use [default: one for each CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: Option<u32>,
    /// Remember nothing of this run, and start as on the first one
    #[arg(long)]
    pub no_persist: bool,
    /// Forget profile, code and prepared program of earlier runs before this one
    #[arg(long, conflicts_with = "no_persist")]
    pub forget: bool,
    /// When the machine changes itself at the end of a boot: off, stable (evict when nothing new ran, export when nothing
    /// is compiled any more), or A/B/C (coverage from boot A on, evict at boot B, export at boot C)
    #[arg(long, value_name = "POLICY", default_value = "off")]
    pub grow: Policy,
    /// End the program with a message that says where it is when it makes no progress for so long: no output, no input
    /// asked for, no file used
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub watchdog: Option<u64>,
    /// Most memory the program can have on Linux, in MiB [default: seven eighths of what is available]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 24))]
    pub memory: Option<u64>,
    /// Say nothing but errors
    #[arg(long)]
    pub quiet: bool,
    /// Print how long each stage took: one line of JSON on standard error
    #[arg(long)]
    pub timings: bool,
    /// Pretend the CPU lacks a feature, by LLVM's name (repeatable)
    #[arg(long = "without", value_name = "FEATURE")]
    pub without: Vec<String>,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub guest: Vec<String>,
}

const AHEAD: &str = "Compiling ahead";
const EXPORT: &str = "Native programs";

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
    use engine::tier::Mode;

    #[test]
    fn definition_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn guest_arguments_stand_after_the_dashes() {
        let parse = |words: &[&str]| Options::try_parse_from(["runtime"].iter().chain(words));
        let o = parse(&["--tier", "O3", "--", "--tier", "x"]).unwrap();
        assert_eq!(o.engine.tier, Mode::Fixed(Level::O3));
        assert_eq!(o.guest, ["--tier", "x"]);
        assert_eq!(parse(&["--ahead", "O2"]).unwrap().ahead, Some(Level::O2));
        for wrong in [
            &["--tier", "O9"][..],
            &["--threads", "0"],
            &["--ahead", "O2", "--tier", "O2"],
            &["--dump-asm", "x"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
