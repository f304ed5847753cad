//! What a run leaves for the next one: the profile, the code, the prepared program.
//!
//! ```text
//!  running engine --snapshot--> profile, code set           (bytes; whoever runs the engine keeps them)
//!                 --prepared--> the pristine program
//!  next start:    prepared program --> engine --restore--> heat goes on, code of the last run is linked and published
//! ```
//!
//! Each of the three is believed as long as what it was made from is the same, and each is refused by itself:
//!
//! | artefact | believed while | checked by |
//! |---|---|---|
//! | prepared program | modules, CPU and build are the same | the key it is stored under |
//! | profile of a function | the modules, or else its own IR, are the same | [`Origin::source`], hash of the function |
//! | code of a function | build and CPU are the same, and the IR of all functions it was built from | hash of each |
//!
//! Code is kept as the relocatable objects that LLVM made. They name everything outside of themselves (functions,
//! variables, cells, hooks and the places that call them), so linking again is all they need. Work that takes LLVM
//! (hashing IR) is done on the compiler's thread; the program's threads are never stopped.

pub(crate) mod code;
mod desk;
mod hash;
mod prepared;
mod profile;
mod restore;

pub(crate) use code::Kept;
pub(crate) use desk::Desk;
pub use hash::Hash;
pub use prepared::Prepared;
pub(crate) use restore::Memory;
pub use restore::{Figures, Imported, Rejected};

/// Where kept things come from: what has to be the same for them to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Hash of the program's modules, whatever the CPU.
    pub source: Hash,
    /// Hash of modules, CPU and build: equal programs have equal IR in every function.
    pub program: Hash,
    /// Key of the CPU features code is made for.
    pub cpu: u64,
    /// Build of LLVM and runtime.
    pub build: u64,
}

/// What an earlier run left; empty fields are simply not there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Left<'a> {
    /// As [`Snapshot::profile`].
    pub profile: Option<&'a [u8]>,
    /// As [`Snapshot::code`].
    pub code: Option<&'a [u8]>,
}

/// What a run leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The profile of every function that ran: see `formats::profile`.
    pub profile: Vec<u8>,
    /// Code of every function that has some: see `formats::snap`.
    pub code: Vec<u8>,
    /// Functions in the profile.
    pub functions: usize,
    /// Units in the code set.
    pub units: usize,
}

/// Why nothing can be kept, or what was kept not be read as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The compiler's thread, which does the work, has ended.
    #[error("the engine's compiler has ended: nothing can be taken from it any more")]
    Stopped,
    /// The code set cannot be written.
    #[error("{0}")]
    Snap(formats::snap::SnapError),
    /// A profile or a prepared program that is none.
    #[error("{what}: {found}, expected {expected}")]
    Format {
        /// Which of the two.
        what: &'static str,
        /// What was found.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// LLVM failed.
    #[error("{0}")]
    Engine(#[from] crate::Error),
}
