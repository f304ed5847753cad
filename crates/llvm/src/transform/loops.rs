//! Loops of a function, and the values a jump into them must carry.

use super::osr::OsrValue;
use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::{c_char, c_void};

/// A loop header with what is alive there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OsrLoop {
    /// Index of the block in the function.
    pub header: u32,
    /// Values alive after the header's phis, these included, with places for them one after the other.
    pub live: Vec<OsrValue>,
    /// Bytes of all of them.
    pub buffer_bytes: u32,
}

/// A loop with one way in, and the loop around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nested {
    /// Index of its header among the function's blocks.
    pub header: u32,
    /// The same of the innermost loop around it.
    pub around: Option<u32>,
    /// Instructions in its blocks, but those of loops in it.
    pub instructions: u32,
    /// Those of them that call a function, or copy or fill a variable length: nobody knows how long they take.
    pub calls: u32,
}

/// As in `loops.cpp`.
#[repr(C)]
struct RawNested {
    header: u32,
    around: u32,
    instructions: u32,
    calls: u32,
}

type Found = extern "C" fn(*mut c_void, u32, *const OsrValue, usize, u32);

unsafe extern "C" {
    fn bareflow_osr_loops(
        function: LLVMValueRef,
        context: *mut c_void,
        found: Found,
    ) -> *mut c_char;
    fn bareflow_loop_nest(
        function: LLVMValueRef,
        context: *mut c_void,
        found: extern "C" fn(*mut c_void, RawNested),
    );
}

extern "C" fn found_nested(context: *mut c_void, raw: RawNested) {
    let nested = Nested {
        header: raw.header,
        around: (raw.around > 0).then_some(raw.around),
        instructions: raw.instructions,
        calls: raw.calls,
    };
    // SAFETY: `context` is the list of `loop_nest`, lent for the call.
    unsafe { (*context.cast::<Vec<Nested>>()).push(nested) };
}

extern "C" fn found(
    context: *mut c_void,
    header: u32,
    live: *const OsrValue,
    count: usize,
    bytes: u32,
) {
    // SAFETY: `context` is the list of `osr_loops`, lent for the call; pointer and length describe the values, and a
    // pointer of a list without values is not used.
    unsafe {
        let live = match count {
            0 => Vec::new(),
            _ => std::slice::from_raw_parts(live, count).to_vec(),
        };
        (*context.cast::<Vec<OsrLoop>>()).push(OsrLoop {
            header,
            live,
            buffer_bytes: bytes,
        });
    }
}

impl Module<'_> {
    /// Blocks that a jump from themselves or a later block leads to, with all values alive there. The interpreter has lists
    /// of its own, which leave out what it does not keep; these are for functions that it cannot run.
    ///
    /// Loops with live values that have no place in slots (tokens, scalable vectors) are left out.
    ///
    /// # Errors
    /// [`Error::NoFunction`] if it has no body here; [`Error::Transform`] if its loops cannot be entered or left.
    pub fn osr_loops(&self, function: &str) -> Result<Vec<OsrLoop>, Error> {
        let raw = body(self, function)?;
        let mut list: Vec<OsrLoop> = Vec::new();
        let context: *mut Vec<OsrLoop> = &mut list;
        // SAFETY: the function is alive and not changed; the list lives during the call, the only time `found` runs.
        let message = unsafe { bareflow_osr_loops(raw, context.cast(), found) };
        done(message, "find the loops of", function)?;
        Ok(list)
    }

    /// Which loop is in which, and what is in each; each before those in it. Loops with several ways in (irreducible ones)
    /// are not among them.
    ///
    /// # Errors
    /// [`Error::NoFunction`] if it has no body here.
    pub fn loop_nest(&self, function: &str) -> Result<Vec<Nested>, Error> {
        let raw = body(self, function)?;
        let mut list: Vec<Nested> = Vec::new();
        let context: *mut Vec<Nested> = &mut list;
        // SAFETY: the function is alive and not changed; the list lives during the call, the only time it is added to.
        unsafe { bareflow_loop_nest(raw, context.cast(), found_nested) };
        Ok(list)
    }
}
