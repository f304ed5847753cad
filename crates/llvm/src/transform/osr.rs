//! On-stack replacement: a function that continues another one at a loop header.

use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;

/// Where a live value lies in the buffer of on-stack replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct OsrValue {
    /// Which value: parameters are counted first, then all instructions of the function in order.
    pub value: u32,
    /// Its place, in bytes from the start of the buffer; a multiple of 8.
    pub offset: u32,
}

unsafe extern "C" {
    fn bareflow_make_osr_entry(
        function: LLVMValueRef,
        header: u32,
        name: *const c_char,
        name_length: usize,
        live: *const OsrValue,
        live_count: usize,
    ) -> *mut c_char;
}

impl Module<'_> {
    /// Adds `void name(ptr buffer, ptr result)`, which continues `function` at the start of the block number `header`,
    /// after its phis, and runs it to its end. The function itself stays as it is.
    ///
    /// The values alive at the header are read from the buffer, where they lie as in the interpreter's slots (see
    /// `shim/slots.h`); what the function returns is written to `result` in the same way. The two must not overlap, and
    /// nobody else may touch them meanwhile. Values that are not listed are computed anew from those listed, where that has
    /// no effects.
    ///
    /// The value of a stack variable is its address. The memory must stay as long as the new function runs, and belongs to
    /// it: variables whose address nobody else can know are copied out of it.
    ///
    /// # Errors
    /// [`Error::NoFunction`] if it has no body here; [`Error::Transform`] if it cannot be entered in its middle, or a value
    /// is needed that is neither listed nor computable. The module is unchanged then.
    pub fn make_osr_entry(
        &mut self,
        function: &str,
        header: u32,
        name: &str,
        live: &[OsrValue],
    ) -> Result<(), Error> {
        let raw = body(self, function)?;
        // SAFETY: the function belongs to this module, which is borrowed mutably; pointers and lengths describe name and
        // list, alive during the call.
        let message = unsafe {
            bareflow_make_osr_entry(
                raw,
                header,
                name.as_ptr().cast(),
                name.len(),
                live.as_ptr(),
                live.len(),
            )
        };
        done(message, "make an entry into a loop of", function)
    }
}
