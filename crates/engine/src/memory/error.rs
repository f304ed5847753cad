//! Why code memory could not be had, or an object could not be linked.

/// Every variant names the section, symbol or address it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryError {
    /// The region would be larger than relative addresses reach.
    #[error(
        "code memory of {needed} bytes (slots, cells, guest variables and code) is more than the {most} that 32-bit relative addresses reach; lower the code limit"
    )]
    TooLarge {
        /// Bytes asked for.
        needed: usize,
        /// Bytes that can be had.
        most: usize,
    },
    /// The operating system refused memory or a protection.
    #[error("{what} of {bytes} bytes at {address:#x} was refused: {reason}")]
    System {
        /// The call, such as `mprotect to read and execute`.
        what: &'static str,
        /// Where; 0 where the place was free.
        address: usize,
        /// How much.
        bytes: usize,
        /// The system's reason.
        reason: String,
    },
    /// The limit of code memory is reached.
    #[error(
        "code memory is full: {needed} bytes more asked for, {used} of {limit} in use; evict units or raise the limit"
    )]
    Full {
        /// Bytes asked for, whole pages.
        needed: usize,
        /// Bytes in use, whole pages.
        used: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The object cannot be read.
    #[error("the object cannot be read: {message}")]
    Object {
        /// What is wrong with it.
        message: String,
    },
    /// An object of another kind.
    #[error("not an object this linker takes: {found}; expected a relocatable x86-64 ELF object")]
    Kind {
        /// What it is.
        found: String,
    },
    /// A section that has no place in a unit.
    #[error("section {section} cannot be part of a unit: {reason}")]
    Section {
        /// Its name.
        section: String,
        /// Why.
        reason: &'static str,
    },
    /// A symbol that means nothing here.
    #[error("symbol {symbol}: {reason}")]
    Symbol {
        /// Its name, or its number where it has none.
        symbol: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Symbols that neither the object nor the program defines.
    #[error(
        "undefined symbols: {}; neither the object, nor the program, nor the host has them",
        .symbols.join(", ")
    )]
    Undefined {
        /// All of them, sorted.
        symbols: Vec<String>,
    },
    /// A relocation of a type the linker does not know.
    #[error(
        "relocation type {kind} at {section}+{offset:#x} to {symbol} is not supported; compile position independent code in the small code model, without thread-local variables"
    )]
    Relocation {
        /// Number of the type, as in the processor's ABI supplement.
        kind: u32,
        /// Section it changes.
        section: String,
        /// Offset in the section.
        offset: u64,
        /// Symbol it refers to.
        symbol: String,
    },
    /// A relocation that lies outside its section.
    #[error("relocation at {section}+{offset:#x} lies outside the section, which has {size} bytes")]
    Outside {
        /// Section it would change.
        section: String,
        /// Offset in the section.
        offset: u64,
        /// Size of the section.
        size: usize,
    },
    /// A value that does not fit its place.
    #[error(
        "relocation at {section}+{offset:#x}: {symbol} is out of range, {value:#x} does not fit {bits} bits; reach it through the global offset table"
    )]
    Range {
        /// Section that would be changed.
        section: String,
        /// Offset in the section.
        offset: u64,
        /// Symbol it refers to.
        symbol: String,
        /// The value, sign-extended.
        value: i64,
        /// Bits there are.
        bits: u32,
    },
}
