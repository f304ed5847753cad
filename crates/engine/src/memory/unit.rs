//! A unit: machine code in pages of its own, freed as a whole.

use super::MemoryError;
use super::debug::{Debug, SourceFrame};
use super::region::{Region, Taken, Writing};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// A function of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFunction {
    /// Its symbol.
    pub name: String,
    /// First byte.
    pub address: usize,
    /// Bytes of code.
    pub size: usize,
}

/// Code that can be called.
///
/// Dropping it frees its pages at once: only when no processor can be inside and nothing can call it any more. Code that
/// has run is dropped by [`Reclaimer`](super::Reclaimer).
#[derive(Debug)]
pub struct Unit {
    pages: Taken,
    symbols: HashMap<String, usize>,
    functions: Vec<UnitFunction>,
    object_bytes: usize,
    writable_bytes: usize,
    owner: Option<u64>,
    debug: Debug,
}

impl Unit {
    /// `functions` in any order; `writable_bytes` at the end of the pages.
    pub(super) fn new(
        pages: Taken,
        symbols: HashMap<String, usize>,
        mut functions: Vec<UnitFunction>,
        object_bytes: usize,
        writable_bytes: usize,
    ) -> Self {
        functions.sort_by_key(|f| f.address);
        Unit {
            pages,
            symbols,
            functions,
            object_bytes,
            writable_bytes,
            owner: None,
            debug: Debug::default(),
        }
    }

    /// With what tells its source lines.
    pub(super) fn with_debug(mut self, debug: Debug) -> Self {
        self.debug = debug;
        self
    }

    /// Calls `visit` with the functions and source lines of the code at `address`, those inlined into others first; not at
    /// all if the object had no debug information. Allocates.
    pub fn source_frames(&self, address: usize, visit: &mut dyn FnMut(&[SourceFrame<'_>])) {
        self.debug.frames(address, visit);
    }

    /// Bytes of debug information kept beside the code.
    pub fn debug_bytes(&self) -> usize {
        self.debug.bytes()
    }

    /// Whose code it is, as [`Unit::set_owner`] said.
    pub fn owner(&self) -> Option<u64> {
        self.owner
    }

    /// Says whose code it is: a number of the caller's, for whoever sees it freed.
    pub fn set_owner(&mut self, owner: u64) {
        self.owner = Some(owner);
    }

    /// Address of a symbol the unit defines.
    pub fn address(&self, name: &str) -> Option<usize> {
        self.symbols.get(name).copied()
    }

    /// Its functions, by address.
    pub fn functions(&self) -> &[UnitFunction] {
        &self.functions
    }

    /// Addresses of its pages.
    pub fn range(&self) -> Range<usize> {
        self.pages.range()
    }

    /// Bytes of its pages.
    pub fn bytes(&self) -> usize {
        self.range().len()
    }

    /// Bytes of the object it was linked from; of the code for units without an object.
    pub fn object_bytes(&self) -> usize {
        self.object_bytes
    }

    /// Bytes of its pages that stay writable.
    pub fn writable_bytes(&self) -> usize {
        self.writable_bytes
    }

    /// The region it is in.
    pub fn region(&self) -> &Arc<Region> {
        self.pages.region()
    }
}

/// Makes a unit of code that `write` puts into `bytes` zeroed bytes, told their final address. The last instruction must
/// not be a call: its return address would be outside the unit.
///
/// # Errors
/// [`MemoryError::Full`], [`MemoryError::System`].
pub fn install_at(
    region: &Arc<Region>,
    bytes: usize,
    write: impl FnOnce(usize, &mut [u8]),
) -> Result<Unit, MemoryError> {
    let mut pages = Writing::new(region, bytes)?;
    let address = pages.address();
    if let Some(code) = pages.bytes().get_mut(..bytes) {
        write(address, code);
    }
    let pages = pages.seal(bytes.max(1))?;
    Ok(Unit::new(pages, HashMap::new(), Vec::new(), bytes, 0))
}

/// Makes a unit of code that runs at any address. The last instruction must not be a call.
///
/// # Errors
/// [`MemoryError::Full`], [`MemoryError::System`].
pub fn install(region: &Arc<Region>, code: &[u8]) -> Result<Unit, MemoryError> {
    install_at(region, code.len(), |_, bytes| bytes.copy_from_slice(code))
}
