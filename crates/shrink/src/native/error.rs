//! Why objects cannot be linked.

/// Every variant names the object (counted from 0) or the symbol it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No relocatable ELF file for x86-64.
    #[error("object {object} cannot be read: {message}")]
    Object {
        /// Which.
        object: usize,
        /// The reader's reason.
        message: String,
    },
    /// Something the linker does not know.
    #[error("object {object}, section {section}: {what}")]
    Unsupported {
        /// Which.
        object: usize,
        /// The section's name.
        section: String,
        /// What was found.
        what: String,
    },
    /// Two definitions of one symbol.
    #[error("{symbol} is defined by object {first} and by object {second}")]
    Duplicate {
        /// The symbol.
        symbol: String,
        /// One.
        first: usize,
        /// The other.
        second: usize,
    },
    /// A symbol that nobody defines.
    #[error(
        "{symbol} is used in section {section} and defined nowhere: the support code of native programs has no such \
         function"
    )]
    Undefined {
        /// The symbol.
        symbol: String,
        /// Who uses it.
        section: String,
    },
    /// The entry is not there.
    #[error("no object defines the entry {entry} as code")]
    NoEntry {
        /// Its symbol.
        entry: String,
    },
    /// A value does not fit where it has to go.
    #[error(
        "object {object}, section {section}, offset {offset:#x}: the value {value:#x} does not fit a relocation of \
         type {kind}"
    )]
    Overflow {
        /// Which object.
        object: usize,
        /// Its section.
        section: String,
        /// Where in it.
        offset: u64,
        /// ELF's number of the type.
        kind: u32,
        /// What should go there.
        value: i64,
    },
    /// The program is larger than the linker makes any.
    #[error("the program has {bytes} bytes, which is more than {most}")]
    TooLarge {
        /// Its size in memory.
        bytes: u64,
        /// The limit.
        most: u64,
    },
}
