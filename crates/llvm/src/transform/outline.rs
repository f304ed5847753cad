//! Modules of which only the outlines are read at first: bodies of functions come when they are asked for.

use super::done;
use crate::context::Context;
use crate::error::Error;
use crate::module::Module;
use crate::text::c_string;
use llvm_sys::bit_reader::LLVMGetBitcodeModuleInContext2;
use llvm_sys::core::LLVMCreateMemoryBufferWithMemoryRangeCopy;
use llvm_sys::prelude::{LLVMModuleRef, LLVMValueRef};
use std::ffi::c_char;
use std::ptr;

unsafe extern "C" {
    fn bareflow_read_body(function: LLVMValueRef) -> *mut c_char;
    fn bareflow_forget_body(function: LLVMValueRef);
    fn bareflow_forget_alias(module: LLVMModuleRef, name: *const c_char, length: usize);
}

impl<'c> Module<'c> {
    /// Makes an alias of that name a declaration, if it is one of a function.
    pub(crate) fn forget_alias(&mut self, name: &str) {
        // SAFETY: the module is alive and borrowed mutably, so there is no handle to the alias; the name has that length.
        unsafe { bareflow_forget_alias(self.raw(), name.as_ptr().cast(), name.len()) }
    }

    /// Reads types, variables and declarations of bitcode, but no bodies: functions that have one have no blocks until
    /// [`Module::read_body`]. Keeps a copy of the bitcode.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn outline_of_bitcode(
        context: &'c Context,
        name: &str,
        bitcode: &[u8],
    ) -> Result<Self, Error> {
        Self::check_signature(bitcode)?;
        context.take_diagnostics();
        let name = c_string(name);
        let mut raw = ptr::null_mut();
        // SAFETY: the buffer is a copy; the reader takes it over whatever happens. `raw` is written only on success.
        let failed = unsafe {
            let buffer = LLVMCreateMemoryBufferWithMemoryRangeCopy(
                bitcode.as_ptr().cast(),
                bitcode.len(),
                name.as_ptr(),
            );
            LLVMGetBitcodeModuleInContext2(context.raw(), buffer, &mut raw)
        };
        if failed != 0 || raw.is_null() {
            return Err(Error::Read {
                message: context.errors_or("no reason given"),
            });
        }
        Ok(Module::from_raw(raw, context))
    }

    /// Reads the body of a function that was left out. One that is there stays as it is.
    ///
    /// # Errors
    /// [`Error::NoFunction`]; [`Error::Transform`] if the bitcode is broken there.
    pub fn read_body(&self, name: &str) -> Result<(), Error> {
        let f = self.function(name).ok_or_else(|| Error::NoFunction {
            name: name.to_owned(),
        })?;
        // SAFETY: a function of this module. What is added hangs on it alone; handles to all else stay what they are.
        done(unsafe { bareflow_read_body(f.raw()) }, "read", name)
    }

    /// Drops the body of a function, which becomes a declaration: it saves memory where a body was used once. Nothing may
    /// hold a handle to anything inside it.
    pub fn unread_body(&self, name: &str) {
        if let Some(f) = self.function(name).filter(|f| !f.is_declaration()) {
            // SAFETY: a function of this module; nobody refers to what is inside it, as the caller promised.
            unsafe { bareflow_forget_body(f.raw()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, Module};

    #[test]
    fn a_function_with_two_names_can_be_forgotten() {
        let context = Context::new();
        let text = "@other = alias ptr (ptr), ptr @copy
define ptr @copy(ptr %x) {\n  ret ptr %x\n}
define ptr @f(ptr %x) {\n  %y = call ptr @other(ptr %x)\n  ret ptr %y\n}";
        let mut module = Module::from_ir(&context, "t", text).unwrap();
        module.forget_body("copy");
        module.forget_body("other");
        module.verify().unwrap();
        for name in ["copy", "other"] {
            assert!(module.function(name).unwrap().is_declaration(), "{name}");
        }
        module.forget_body("nothing");
    }

    #[test]
    fn bodies_come_and_go() {
        let bitcode = {
            let context = Context::new();
            let text = "define i32 @f(i32 %x) {\n  %y = call i32 @g(i32 %x)\n  ret i32 %y\n}
define i32 @g(i32 %x) {\n  ret i32 %x\n}";
            Module::from_ir(&context, "t", text).unwrap().to_bitcode()
        };
        let context = Context::new();
        let module = Module::outline_of_bitcode(&context, "t", &bitcode).unwrap();
        let size = |name: &str| module.function(name).unwrap().instruction_count();
        assert_eq!((size("f"), size("g")), (0, 0));
        assert!(!module.function("f").unwrap().is_declaration());
        module.read_body("f").unwrap();
        module.read_body("f").unwrap();
        assert_eq!((size("f"), size("g")), (2, 0));
        module.unread_body("f");
        assert!(module.function("f").unwrap().is_declaration());
        module.read_body("g").unwrap();
        assert_eq!(size("g"), 1);
        assert!(module.read_body("h").is_err());
    }

    #[test]
    fn what_is_no_bitcode_is_refused() {
        let context = Context::new();
        for bytes in [&b""[..], b"BC\xC0\xDE", b"BC\xC0\xDE\0\0\0\0\0\0\0\0"] {
            assert!(Module::outline_of_bitcode(&context, "t", bytes).is_err());
        }
    }
}
