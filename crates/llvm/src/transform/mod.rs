//! Changes to IR that LLVM offers to C++ only, through the files of `shim/`.

mod counter;
mod emulated_tls;
mod extract;
mod fuse;
mod hooks;
mod loops;
mod osr;
mod outline;
mod poll;
mod prepare;
mod profile;
mod promote;
mod specialise;
mod unroll;
mod values;

pub use loops::{Nested, OsrLoop};
pub use osr::OsrValue;
pub use poll::PollLoop;
pub use specialise::{Known, Variant};

use crate::error::Error;
use crate::module::Module;
use crate::text;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;

/// The function of that name, which must have a body.
fn body(module: &Module<'_>, name: &str) -> Result<LLVMValueRef, Error> {
    match module.function(name) {
        Some(f) if !f.is_declaration() => Ok(f.raw()),
        _ => Err(Error::NoFunction {
            name: name.to_owned(),
        }),
    }
}

/// What the shim answered: null, or why it could not make the change.
fn done(message: *mut c_char, change: &'static str, function: &str) -> Result<(), Error> {
    if message.is_null() {
        return Ok(());
    }
    Err(Error::Transform {
        change,
        function: function.to_owned(),
        // SAFETY: the shim made the message for us.
        message: unsafe { text::taken(message) },
    })
}
