//! The command line: what can be asked for, and a help text that teaches by example.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use formats::options::SlotChoice;

use crate::inspect::kept::RecordName;
use crate::qemu::{Boot, Chipset, DiskInterface};

/// Turns a program into a machine of its own.
#[derive(Debug, Parser)]
#[command(
    name = "bareflow",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  bareflow llm SmolLM2-135M-Instruct.Q4_1.gguf -o app.img
  bareflow run app.img --prompt 'Once upon a time' -n 64
  bareflow run app.img --hosted --prompt 'Once upon a time' -n 64
  bareflow run app.img                      talk to it; Ctrl-C twice ends
  bareflow new hello                        a program to start from
  bareflow build main.c --file data.txt:/data.txt -o hello.img
  bareflow inspect app.img
  bareflow export app.img -o final.img --train 'Once upon a time'
  bareflow exec nbody.c --report - -- 1000000"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a disk image from bitcode modules or sources, and files
    Build(BuildArgs),
    /// Make a folder with a program to start from, in C or Rust
    New(NewArgs),
    /// Make a BareFlow module (.llbc) of LLVM bitcode
    Wrap(WrapArgs),
    /// Make a language-model machine from a model file, in one step
    Llm(LlmArgs),
    /// Boot an image in QEMU, or run its program as a Linux process
    Run(RunArgs),
    /// List what is on an image: boot stages, kernel, files, modules
    Inspect(InspectArgs),
    /// Boot an image until it has become native, and write a report
    Converge(ConvergeArgs),
    /// Feed given tokens to a language model and print its choices and the perplexity
    Eval(EvalArgs),
    /// Evict from an image's runtime what was measured never to run
    Shrink(ShrinkArgs),
    /// Turn an image's program into machine code that needs no runtime
    Export(ExportArgs),
    /// Run C or LLVM IR as a Linux process: interpreted first, compiled where it is hot (`exec --help` tells all)
    Exec(ExecArgs),
}

/// `bareflow build`
#[derive(Debug, Args)]
#[command(after_help = "\
Sources, told by their ending:
  .llbc      a BareFlow module, taken as it is
  .bc .ll    LLVM bitcode or assembly
  .c         C, compiled by clang-22; it finds <runtime.h>, the functions of the machine, by itself
  a folder   a Rust crate (the folder of its Cargo.toml), or all C files of the folder
The program starts at `bf_main`, or `main` of a C file.

Examples:
  bareflow build hello.c -o hello.img
  bareflow build main.c table.c -I include -D SIZE=64 --file data.txt:/data.txt -o app.img
  bareflow build module.bc helper.ll --arg --verbose -o app.img")]
pub struct BuildArgs {
    /// Modules, sources or crates of the program
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<PathBuf>,
    /// Image to write
    #[arg(short, long, value_name = "IMAGE")]
    pub output: PathBuf,
    /// A file for the program: HOST:/GUEST (repeatable)
    #[arg(long = "file", value_name = "HOST:/GUEST")]
    pub files: Vec<String>,
    /// A default argument of the program (repeatable)
    #[arg(long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// Folder in which clang looks for headers (repeatable)
    #[arg(short = 'I', value_name = "DIR")]
    pub include: Vec<PathBuf>,
    /// Macro for clang: NAME or NAME=VALUE (repeatable)
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub define: Vec<String>,
    /// Leave out what tells source lines: the image is smaller, and messages name functions alone
    #[arg(long)]
    pub no_lines: bool,
    /// A heap that tells of second frees, of writes behind the end of a block and of writes to freed blocks (C programs)
    #[arg(long)]
    pub checked_heap: bool,
    /// Any other option for clang (repeatable)
    #[arg(long = "cflag", value_name = "OPTION", allow_hyphen_values = true)]
    pub cflags: Vec<String>,
    /// The rest of the image.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

impl BuildArgs {
    /// What clang is told.
    #[must_use]
    pub fn clang_options(&self) -> Vec<String> {
        let include = self
            .include
            .iter()
            .map(|dir| format!("-I{}", dir.display()));
        let define = self.define.iter().map(|name| format!("-D{name}"));
        let no_lines = self.no_lines.then(|| crate::guest::NO_LINES.to_owned());
        include
            .chain(define)
            .chain(no_lines)
            .chain(self.cflags.clone())
            .collect()
    }
}

/// `bareflow new`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bareflow new hello && bareflow build hello -o hello.img && bareflow run hello.img
  bareflow new --language rust hello-rust")]
pub struct NewArgs {
    /// Folder to make; its name is the program's
    pub folder: PathBuf,
    /// Language of the program
    #[arg(short, long, value_enum, default_value_t = Language::C)]
    pub language: Language,
    /// Rust: where the crate `guest` is [default: in the checkout this command was built from]
    #[arg(long, value_name = "DIR")]
    pub guest: Option<PathBuf>,
}

/// Languages of new projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// C
    C,
    /// Rust
    Rust,
}

/// `bareflow wrap`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bareflow wrap module.bc                              writes module.llbc
  bareflow wrap module.ll -o other.llbc --name other")]
pub struct WrapArgs {
    /// LLVM bitcode (.bc) or assembly (.ll)
    pub input: PathBuf,
    /// File to write [default: beside the input, ending in .llbc]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Name of the module [default: that of the input]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// What the image looks like besides its program.
#[derive(Debug, Args)]
pub struct LayoutArgs {
    /// How the runtime is stored
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compress: Compression,
    /// Space left free on the volume for files the program writes, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 8)]
    pub free: u64,
    /// Room for what the machine learns (profile, code, smaller images of itself), e.g. 64M; 0: it learns nothing for good
    /// [default: 32M for language models, 4M for other programs]
    #[arg(long, value_name = "SIZE", value_parser = parse_store)]
    pub store: Option<u64>,
    /// Options of the kernel, e.g. "log=debug cpus=1"
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub kernel_options: String,
}

/// Compression of the runtime on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// As it is: the fastest to boot
    None,
    /// LZ4: half the size, fast to open
    Lz4,
    /// zstd: a third of the size, slow to open
    Zstd,
}

/// `bareflow llm`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bareflow llm SmolLM2-135M-Instruct.Q4_1.gguf -o app.img
  bareflow llm stories260K.bin --tokenizer tok512.bin -o stories.img
  bareflow llm model.gguf -o app.img --arg --temp --arg 0.8")]
pub struct LlmArgs {
    /// Model: GGUF v3 (architecture llama), or llama2.c (.bin) with --tokenizer
    pub model: PathBuf,
    /// Image to write
    #[arg(short, long, value_name = "IMAGE")]
    pub output: PathBuf,
    /// Tokenizer of a llama2.c model
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,
    /// A default argument of the program (repeatable)
    #[arg(long = "arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    pub arguments: Vec<String>,
    /// The rest of the image.
    #[command(flatten)]
    pub layout: LayoutArgs,
}

/// `bareflow run`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bareflow run app.img --prompt 'Once upon a time' -n 64
  bareflow run app.img --boot uefi --machine q35 --cpus 2
  bareflow run app.img --boot pvh --machine microvm --cpu Nehalem
  bareflow run app.img --hosted -- --temp 0.8 --seed 7
  bareflow run app.img --hosted --tier O3 --engine '--report -' -n 64
  bareflow run app.img --json --prompt 'Hello' -n 8 > result.json

Exit code: the program's own (0 to 63); 112 kernel panic, 113 CPU exception in the kernel, 114 CPU exception in
the program, 115 no payload or a broken one, 116 out of memory at boot, 117 QEMU failed, 119 no progress (--watchdog), 124 --timeout passed,
130 ended by Ctrl-C twice or a signal.")]
pub struct RunArgs {
    /// Image to run
    pub image: PathBuf,
    /// Run the image's program as a Linux process instead of booting it
    #[arg(long)]
    pub hosted: bool,
    /// Where it runs.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// How the program is executed
    #[command(flatten)]
    pub engine: EngineArgs,
    /// Language models: the text to continue
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    /// Language models: number of tokens to generate
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub tokens: Option<u32>,
    /// Language models: print prompt ids, generated ids, text and timings as JSON, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Show the QEMU command and the kernel's messages
    #[arg(short, long)]
    pub verbose: bool,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

/// How the runtime's engine executes the program. The runtime checks the values: this command is not linked with it.
#[derive(Debug, Default, Args)]
pub struct EngineArgs {
    /// Tiers: auto (by heat), interp (never compile), or everything at O0, O1, O2 or O3 [default: auto]
    #[arg(long, value_name = "TIER")]
    pub tier: Option<String>,
    /// Compile the whole program at this level before it starts
    #[arg(long, value_name = "O0|O1|O2|O3", conflicts_with = "tier")]
    pub ahead: Option<String>,
    /// More options of the runtime, e.g. '--report - --no-osr'; --engine=--help lists them (repeatable)
    #[arg(long = "engine", value_name = "OPTIONS", allow_hyphen_values = true, value_parser = parse_words)]
    pub more: Vec<Words>,
}

/// Words of one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words(pub Vec<String>);

impl EngineArgs {
    /// The same for the runtime.
    pub fn arguments(&self) -> Vec<String> {
        let named = [("--tier", &self.tier), ("--ahead", &self.ahead)];
        named
            .into_iter()
            .filter_map(|(name, value)| Some([name.to_owned(), value.clone()?]))
            .flatten()
            .chain(self.more.iter().flat_map(|words| words.0.clone()))
            .collect()
    }
}

/// The machine an image runs on.
#[derive(Debug, Clone, Args)]
pub struct MachineArgs {
    /// Memory, e.g. 512M or 2G [default: what the image needs]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: Option<u64>,
    /// Number of processors
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cpus: u32,
    /// Processor model, as QEMU names it [default: the best there is]
    #[arg(long, value_name = "MODEL")]
    pub cpu: Option<String>,
    /// Way of booting
    #[arg(long, value_enum, default_value_t = Boot::Disk)]
    pub boot: Boot,
    /// Chipset
    #[arg(long = "machine", value_enum, default_value_t = Chipset::Pc)]
    pub chipset: Chipset,
    /// Disk controller
    #[arg(long, value_enum, default_value_t = DiskInterface::Virtio)]
    pub disk: DiskInterface,
    /// Who executes: kvm only where a probe shows that it is real
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// Wait for a debugger on TCP port 1234 before the first instruction
    #[arg(long)]
    pub gdb: bool,
    /// End the program with a message that says where it is when it makes no progress for so long: no output, no input
    /// asked for, no file used
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub watchdog: Option<u64>,
    /// End the machine after so many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Boot slot to start: base, evicted, native or its number, if it can be started [default: the best one]
    #[arg(long, value_name = "SLOT", value_parser = parse_slot)]
    pub slot: Option<SlotChoice>,
    /// Let the kernel watch which functions of the runtime run and which of its pages are touched
    #[arg(long)]
    pub coverage: bool,
    /// Throw away what the machine writes to its disk
    #[arg(long)]
    pub discard_writes: bool,
}

/// Choice of accelerator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// KVM if it is real, else TCG
    Auto,
    /// QEMU's translator
    Tcg,
    /// The host's processor, without a probe
    Kvm,
}

/// `bareflow inspect`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bareflow inspect app.img
  bareflow inspect app.img --json | jq .kept.slots
  bareflow inspect app.img --record bootlog:0 -o boots.json
  bareflow inspect app.img --record profile:0@17 -o older.profile")]
pub struct InspectArgs {
    /// Image to look into
    pub image: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Take a record out instead: boot, profile, code, coverage, program or bootlog, its key (hexadecimal), and a generation for
    /// an old one
    #[arg(
        long,
        value_name = "KIND:KEY[@GENERATION]",
        requires = "output",
        conflicts_with = "json"
    )]
    pub record: Option<RecordName>,
    /// File to write the record to
    #[arg(short, long, value_name = "FILE", requires = "record")]
    pub output: Option<PathBuf>,
}

/// `bareflow converge`
#[derive(Debug, Args)]
#[command(after_help = "\
The machine decides by itself what becomes of it; this command boots it again and again with the same input, tells what each
boot measured, checks that the answer stays the same, and writes an HTML report with charts.

Policies:
  stable       evict when nothing of the runtime ran for the first time for some boots, export when nothing is compiled any more
  A/B/C        collect coverage from boot A on, evict at boot B, export at boot C, as in 10/100/500

Examples:
  bareflow converge app.img --prompt 'Once upon a time' -n 32
  bareflow converge app.img --policy 2/4/6 --boots 12 --report report.html --cpus 2

Exit code: 0 native; 1 not native within --boots; 130 stopped by Ctrl-C.")]
pub struct ConvergeArgs {
    /// Image that is to grow; it is written to
    pub image: PathBuf,
    /// Language models: text to continue in each boot
    #[arg(
        short,
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        default_value = "Once upon a time"
    )]
    pub prompt: String,
    /// Language models: tokens to generate in each boot
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 32)]
    pub tokens: u32,
    /// When the machine evicts and exports
    #[arg(long, value_name = "stable|A/B/C", default_value = "stable")]
    pub policy: String,
    /// Most boots
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub boots: u32,
    /// Report to write [default: beside the image, ending in .html]
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Where it runs.
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Arguments of the program in each boot, in place of the prompt and all that goes with it
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

/// `bareflow eval`
#[derive(Debug, Args)]
#[command(after_help = "\
Prints JSON: per position the token, its logit, the most likely token and that one's logit; and the perplexity.

Examples:
  bareflow eval app.img --text story.txt
  bareflow eval app.img --tokens ids.json              ids.json: [6403, 1980, 253, 655]
  bareflow eval app.img --text story.txt --bare --cpus 2")]
pub struct EvalArgs {
    /// Image with a language model
    pub image: PathBuf,
    /// JSON array of token ids
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "text",
        required_unless_present = "text"
    )]
    pub tokens: Option<PathBuf>,
    /// Text, split into tokens by the model's own tokenizer
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// On the bare machine in QEMU instead of hosted
    #[arg(long)]
    pub bare: bool,
    /// Where it runs.
    #[command(flatten)]
    pub machine: MachineArgs,
}

/// `bareflow export`
#[derive(Debug, Args)]
#[command(after_help = "\
What is hot, which arguments repeat and what never runs comes from the profile that the machine kept on the image, or
from a training run (--train, or arguments after --). Code is made for this computer's processor.

Examples:
  bareflow export app.img -o native.elf --train 'Once upon a time'    the program alone; runs on Linux, too
  bareflow export app.img -o final.elf                                kernel and program: qemu-system-x86_64 -kernel
  bareflow export app.img -o final.img                                a disk with both and the program's files
  bareflow export app.img --slot                                      into app.img itself: it boots native next
  bareflow export app.img -o final.img --cpu x86-64-v3                for QEMU without KVM, and older processors
  bareflow export hello.img -o native.elf -- some arguments           trained with these arguments")]
pub struct ExportArgs {
    /// Image with the program
    pub image: PathBuf,
    /// File to write
    #[arg(short, long, value_name = "FILE", required_unless_present = "slot")]
    pub output: Option<PathBuf>,
    /// What to write [default: disk for *.img, program for native*, else machine]
    #[arg(long, value_enum)]
    pub kind: Option<ExportKind>,
    /// Put the program into a boot slot of the image
    #[arg(long)]
    pub slot: bool,
    /// Language models: run hosted first, with this prompt, to learn what is hot
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub train: Option<String>,
    /// Use this profile (the runtime's --save-profile writes one)
    #[arg(long, value_name = "FILE", conflicts_with = "train")]
    pub profile: Option<PathBuf>,
    /// Leave out what tells source lines: the program is smaller, and messages name functions alone
    #[arg(long)]
    pub no_lines: bool,
    /// The processor to make code for
    #[arg(long, value_enum, default_value_t = ExportCpu::Host)]
    pub cpu: ExportCpu,
    /// Make code for a processor without a feature, by LLVM's name (repeatable)
    #[arg(long = "without", value_name = "FEATURE")]
    pub without: Vec<String>,
    /// Arguments of the program for a training run
    #[arg(last = true, value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
}

/// The processors `bareflow export` makes code for; they are never better than the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportCpu {
    /// This computer's
    Host,
    /// AVX-512 (levels as the x86-64 psABI has them)
    #[value(name = "x86-64-v4")]
    V4,
    /// AVX2, FMA, BMI: Haswell; QEMU's own processors
    #[value(name = "x86-64-v3")]
    V3,
    /// SSE4.2, POPCNT: Nehalem
    #[value(name = "x86-64-v2")]
    V2,
    /// Any
    #[value(name = "x86-64")]
    V1,
}

/// `bareflow shrink`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bareflow shrink app.img                             by the coverage that the machine kept on its disk
  bareflow shrink app.img --report report/ --dry-run  only tell what of the runtime ran, with a picture")]
pub struct ShrinkArgs {
    /// Image whose runtime shrinks
    pub image: PathBuf,
    /// A record of coverage instead of what the machine kept (`inspect --record` takes one out)
    #[arg(long, value_name = "FILE")]
    pub coverage: Option<PathBuf>,
    /// Write what ran by library and object: text, JSON, HTML, SVG
    #[arg(long, value_name = "FOLDER")]
    pub report: Option<PathBuf>,
    /// Most bytes of code and constants that stay in memory; what ran last stays first
    #[arg(long, value_name = "BYTES")]
    pub resident: Option<usize>,
    /// Write the evicted runtime with its cold part, as one program for Linux
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Change nothing in the image
    #[arg(long)]
    pub dry_run: bool,
}

/// What `bareflow export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportKind {
    /// The program: for Linux, and for a kernel that loads it
    Program,
    /// A small kernel with the program inside: boots by PVH and Multiboot2
    Machine,
    /// A disk that boots, with the program's files
    Disk,
}

/// `bareflow exec`
#[derive(Debug, Args)]
#[command(
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "bareflow exec [OPTIONS] <FILE>... [-- <ARGUMENTS>...]",
    after_help = "`bareflow exec --help` lists files, options and examples."
)]
pub struct ExecArgs {
    /// Files, options and arguments, as `bareflow exec --help` lists them
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        hide = true,
        value_name = "ARGUMENT"
    )]
    pub arguments: Vec<OsString>,
}

/// Words as a shell splits them.
fn parse_words(text: &str) -> Result<Words, String> {
    formats::options::split_words(text)
        .map(Words)
        .map_err(|error| error.to_string())
}

/// A boot slot.
fn parse_slot(text: &str) -> Result<SlotChoice, String> {
    SlotChoice::parse(text).ok_or_else(|| format!("expected {}", SlotChoice::EXPECTED))
}

/// Memory in MiB from `512M`, `2G` or a plain number of MiB.
fn parse_memory(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['G', 'g']) {
        Some(digits) => (digits, 1024),
        None => (text.strip_suffix(['M', 'm']).unwrap_or(text), 1),
    };
    let mib = digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    mib.filter(|n| *n > 0)
        .ok_or_else(|| "expected a size like 512M or 2G".into())
}

/// Size of the record store in MiB, 0 for none.
fn parse_store(text: &str) -> Result<u64, String> {
    match text {
        "0" => Ok(0),
        _ => parse_memory(text)
            .ok()
            .filter(|mib| *mib <= 2048)
            .ok_or_else(|| "expected 0 or a size like 32M, at most 2G".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn memory_has_units() {
        assert_eq!(parse_memory("512M"), Ok(512));
        assert_eq!(parse_memory("2G"), Ok(2048));
        assert_eq!(parse_memory("300"), Ok(300));
        for wrong in ["", "M", "0", "-1M", "5T", "99999999999999999999G"] {
            assert!(parse_memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_store_may_be_none() {
        assert_eq!(parse_store("0"), Ok(0));
        assert_eq!(parse_store("64M"), Ok(64));
        assert_eq!(parse_store("2G"), Ok(2048));
        for wrong in ["", "3G", "x", "-1"] {
            assert!(parse_store(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_runtime_gets_what_is_said_of_its_engine() {
        let words = ["bareflow", "run", "a.img", "--tier", "O1"];
        let more = ["--engine", "--report - --no-osr", "--engine=--timings"];
        let cli = Cli::try_parse_from(words.iter().chain(&more)).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        let expected = ["--tier", "O1", "--report", "-", "--no-osr", "--timings"];
        assert_eq!(run.engine.arguments(), expected);
    }

    #[test]
    fn arguments_behind_the_dashes_belong_to_the_program() {
        let cli = Cli::try_parse_from(["bareflow", "run", "a.img", "--", "--temp", "0.8"]).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.arguments, ["--temp", "0.8"]);
    }

    #[test]
    fn clang_gets_folders_macros_and_options() {
        let words = [
            "bareflow", "build", "a.c", "-o", "a.img", "-Iinc", "-I", "b", "-DX=1",
        ];
        let cli = Cli::try_parse_from(words.iter().chain(&["--cflag", "-O1"])).unwrap();
        let Command::Build(build) = cli.command else {
            panic!("not build")
        };
        assert_eq!(build.clang_options(), ["-Iinc", "-Ib", "-DX=1", "-O1"]);
    }

    #[test]
    fn all_that_follows_exec_is_passed_on() {
        for words in [
            &["a.c", "--tier", "O1", "--", "-x", "--", "y"][..],
            &["--tier", "O1", "a.c"],
            &["-O2", "a.c", "b.c", "--help"],
            &["--help"],
            &["-V"],
            &[],
        ] {
            let all = ["bareflow", "exec"].iter().chain(words);
            let Command::Exec(exec) = Cli::try_parse_from(all).unwrap().command else {
                panic!("not exec")
            };
            assert_eq!(exec.arguments, words);
        }
    }

    #[test]
    fn eval_needs_exactly_one_input() {
        assert!(Cli::try_parse_from(["bareflow", "eval", "a.img"]).is_err());
        let both = ["bareflow", "eval", "a.img", "--text", "t", "--tokens", "j"];
        assert!(Cli::try_parse_from(both).is_err());
    }
}
