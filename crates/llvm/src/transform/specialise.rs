//! Variants of a function for what it is often called with.
//!
//! ```text
//!  f(x, n, g) { body }   ==>   f(x, n, g) {                             the dispatcher: same name, type, address
//!                                if (n == 64 && g == @less) f.spec.0    n is 64, g is @less: both can be folded
//!                                else if (x % 32 == 0)      f.spec.1    x is aligned
//!                                else { misses += 1;        f.generic } the body as it was, kept out of line
//!                              }
//! ```
//!
//! 1. The copies are internal and called in tail position, with all arguments: a jump, where arguments are in registers.
//! 2. Calls of `f`, also those in the copies, go to the dispatcher, through whatever they went before.
//! 3. An integer or a function is put in place of the parameter. Of a data pointer only what follows from the number is
//!    used (not null, alignment); null itself is put in place.
//! 4. One variant alone becomes part of the dispatcher; several are inlined as LLVM sees fit.
//!
//! A profile (see [`Module::annotate_profile`]) is put on before, so that the copies have it too.

use super::{body, done};
use crate::error::Error;
use crate::module::Module;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_char;
use std::ptr;

/// What a variant knows of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Known {
    /// It is this number, zero-extended: an integer of at most 64 bits, or a pointer.
    Int(u64),
    /// It is the address of the function of that name.
    Function(String),
    /// It is a pointer to a multiple of this many bytes: a power of two, at most 4096.
    Align(u32),
}

/// A copy of a function for calls of which something is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Parameters, counted from 0, and what is known of them. At least one.
    pub known: Vec<(u32, Known)>,
    /// How many calls it would have served.
    pub count: u64,
}

/// `Known` of one parameter of one variant, for the shim: its `BareflowKnown` has the same layout.
#[repr(C)]
struct RawKnown {
    variant: u32,
    param: u32,
    /// 0 number, 1 function, 2 alignment.
    kind: u32,
    unused: u32,
    value: u64,
    name: *const c_char,
    length: usize,
}

unsafe extern "C" {
    fn bareflow_specialise(
        function: LLVMValueRef,
        known: *const RawKnown,
        known_count: usize,
        counts: *const u64,
        variants: usize,
        total: u64,
        misses: *const c_char,
        misses_length: usize,
        hits: *const c_char,
        hits_length: usize,
    ) -> *mut c_char;
    fn bareflow_set_param_align(function: LLVMValueRef, param: u32, align: u64) -> *mut c_char;
}

fn raw(variant: usize, (param, known): &(u32, Known)) -> RawKnown {
    let (kind, value, name) = match known {
        Known::Int(value) => (0, *value, ""),
        Known::Function(name) => (1, 0, name.as_str()),
        Known::Align(bytes) => (2, u64::from(*bytes), ""),
    };
    RawKnown {
        variant: variant as u32,
        param: *param,
        kind,
        unused: 0,
        value,
        name: name.as_ptr().cast(),
        length: name.len(),
    }
}

impl Module<'_> {
    /// Makes `function` choose between copies of its body, the most frequent first.
    ///
    /// Copy k of `variants` is named `function.spec.k`, what serves all other calls `function.generic`. `total` is the
    /// number of calls seen. Each call that no variant serves adds 1 to `misses`, an outside `i64` near the code; each
    /// call that variant k serves adds 1 to element k of `hits`, an outside `[n x i64]`, if that is given. Neither is
    /// atomic.
    ///
    /// Fails, and changes nothing, if there is no such function, its body cannot be copied (variable arguments, addresses of
    /// its blocks, `musttail`), or something known cannot be known of that parameter.
    pub fn specialise(
        &mut self,
        function: &str,
        variants: &[Variant],
        total: u64,
        misses: &str,
        hits: Option<&str>,
    ) -> Result<(), Error> {
        let f = body(self, function)?;
        let known: Vec<RawKnown> = variants
            .iter()
            .enumerate()
            .flat_map(|(v, variant)| variant.known.iter().map(move |k| raw(v, k)))
            .collect();
        let counts: Vec<u64> = variants.iter().map(|v| v.count).collect();
        let (hits, hits_length) = hits.map_or((ptr::null(), 0), |h| (h.as_ptr(), h.len()));
        // SAFETY: the function is alive and no handle into it is; pointers and lengths describe arrays and names that
        // live during the call; each `variant` is below the number of variants.
        let message = unsafe {
            bareflow_specialise(
                f,
                known.as_ptr(),
                known.len(),
                counts.as_ptr(),
                counts.len(),
                total,
                misses.as_ptr().cast(),
                misses.len(),
                hits.cast(),
                hits_length,
            )
        };
        done(message, "specialise", function)
    }

    /// Promises that pointer parameter `param` (from 0) of a function is a multiple of `align` bytes: a power of two, at
    /// most 4096. Fails if there is no such function or no such parameter.
    pub fn set_param_align(&mut self, function: &str, param: u32, align: u32) -> Result<(), Error> {
        let f = body(self, function)?;
        // SAFETY: the function is alive.
        let message = unsafe { bareflow_set_param_align(f, param, align.into()) };
        done(message, "set an alignment of", function)
    }
}
