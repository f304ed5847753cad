//! What can go wrong in the host command: each error says what, where, and what to do.

use std::path::{Path, PathBuf};

use thiserror::Error;

/// An error of the host command.
#[derive(Debug, Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "write", ...
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A folder whose name makes no program's name.
    #[error("{}: a program's name begins with a letter and has letters, digits, - and _, and is not the name of a library", path.display())]
    ProjectName {
        /// The folder.
        path: PathBuf,
    },
    /// A slot table that cannot be made.
    #[error("{0}")]
    Slots(#[from] formats::slots::SlotError),
    /// A record that cannot be taken out.
    #[error("record {name}: {what}; `bareflow inspect` lists those there are")]
    Record {
        /// Its name.
        name: String,
        /// Why not.
        what: String,
    },
    /// A runtime from which nothing can be evicted.
    #[error("{what}")]
    Shrink {
        /// Why not.
        what: String,
    },
    /// A native program that cannot be made.
    #[error("{what}")]
    Export {
        /// Why not.
        what: String,
    },
    /// A part that `xtask build` makes is not there.
    #[error("{} has not been built: run `./x build` in the BareFlow checkout, or set BAREFLOW_ARTIFACTS to the folder that holds it", path.display())]
    MissingArtifact {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// An image without the places a growing machine writes to.
    #[error("{} cannot grow: {what}; build it again with `bareflow llm` or `bareflow build`, without `--store 0`", path.display())]
    CannotGrow {
        /// The image.
        path: PathBuf,
        /// What is missing or damaged.
        what: String,
    },
    /// A boot of `converge` did not end well; the console was shown.
    #[error(
        "boot {number} failed; its console is above. `bareflow inspect` shows the state of its slots"
    )]
    BootFailed {
        /// Number of the boot, from 1.
        number: u32,
    },
    /// The program's answer changed from one boot to the next.
    #[error(
        "boot {number}: the program's answer changed, which is a bug of BareFlow: before {expected}, now {found}"
    )]
    AnswerChanged {
        /// Number of the boot, from 1.
        number: u32,
        /// Tokens of the first boot.
        expected: String,
        /// Tokens of this boot.
        found: String,
    },
    /// No UEFI firmware for QEMU.
    #[error(
        "no UEFI firmware (OVMF) for QEMU found: install the package `ovmf`, or use another --boot"
    )]
    MissingFirmware,
    /// A combination of options that no machine has.
    #[error("{what}: use {instead}")]
    ImpossibleMachine {
        /// What is impossible.
        what: String,
        /// The options that would work.
        instead: String,
    },
    /// A program that is needed is not installed.
    #[error(
        "cannot start {program}: {source}; install it with `./x setup` or `apt-get install {package}`"
    )]
    MissingProgram {
        /// Its name.
        program: String,
        /// The Debian package that brings it.
        package: &'static str,
        /// Why it did not start.
        source: std::io::Error,
    },
    /// A source whose ending says nothing.
    #[error("{}: unknown kind of source: expected .llbc, .bc, .ll, .c or the folder of a Rust crate", path.display())]
    UnknownSource {
        /// The source.
        path: PathBuf,
    },
    /// The C compiler refused; it has said why.
    #[error("{} does not compile: clang's messages are above", path.display())]
    Compiler {
        /// The source.
        path: PathBuf,
    },
    /// One of LLVM's tools refused a file.
    #[error("{program} refuses {}: {message}", path.display())]
    Tool {
        /// Name of the tool.
        program: String,
        /// The file.
        path: PathBuf,
        /// What it said.
        message: String,
    },
    /// A Rust crate that is no guest program.
    #[error("{}: {what}", path.display())]
    Crate {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A module is broken.
    #[error("{}: {source}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: formats::llbc::Error,
    },
    /// Two modules would have the same name on the disk.
    #[error("two modules would both be /app/{file}: rename one of the sources")]
    SameName {
        /// The name.
        file: String,
    },
    /// No module starts the program.
    #[error("no module defines `bf_main` (or, in C, `main`): the program has no start")]
    NoEntry,
    /// More than one module starts the program.
    #[error("`bf_main` is defined more than once, in {}: a program has one start", files.join(" and "))]
    ManyEntries {
        /// The modules.
        files: Vec<String>,
    },
    /// A model that cannot be run.
    #[error("{}: {source}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<llama_model::ModelError>,
    },
    /// A tokenizer was given for a file that has its own.
    #[error("{} is not needed: a GGUF file holds its own tokenizer; leave --tokenizer out", path.display())]
    TokenizerInside {
        /// The tokenizer.
        path: PathBuf,
    },
    /// A llama2.c model without its tokenizer.
    #[error("{} is a llama2.c model, whose tokenizer is a file of its own: add --tokenizer FILE", path.display())]
    TokenizerMissing {
        /// The model.
        path: PathBuf,
    },
    /// A file that is no BareFlow image, or a damaged one.
    #[error("{}: {what}; is this an image made by `bareflow build` or `bareflow llm`?", path.display())]
    NotAnImage {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// An image file could not be opened or created.
    #[error("{0}")]
    Device(String),
    /// The machine ended well but printed no JSON.
    #[error("{}: the program printed no JSON: does it know --json? Its output is above", image.display())]
    NoJson {
        /// The image.
        image: PathBuf,
    },
    /// The image could not be written.
    #[error(transparent)]
    Image(#[from] crate::image::ImageError),
    /// A `--file` of another form.
    #[error("--file {text}: expected HOST:/GUEST, for example data.txt:/data.txt")]
    BadFile {
        /// What was given.
        text: String,
    },
    /// A default argument that has no line of its own.
    #[error(
        "--arg {argument:?}: default arguments are stored one a line, so none may be empty or hold a line break; give it to `bareflow run` instead"
    )]
    BadArgument {
        /// What was given.
        argument: String,
    },
    /// Kernel options that the kernel would not understand.
    #[error("--kernel-options: {what}")]
    KernelOptions {
        /// What is wrong.
        what: String,
    },
    /// A file of tokens that is none.
    #[error("{}: expected a JSON array of token ids like [1, 2, 3]: {what}", path.display())]
    BadTokens {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// `eval` without input.
    #[error("nothing to evaluate: use --tokens FILE.json or --text FILE")]
    NothingToEval,
}

impl Error {
    /// An error of the operating system with the file it is about.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.as_ref().to_path_buf(),
            source,
        }
    }
}
