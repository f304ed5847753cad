//! What compiled code calls when a countdown ends, and what it is told about itself.
//!
//! Compiled code knows only the address of a [`Site`]: which engine, which function, which loop. What it calls in loops and
//! at a function's entry keeps its registers.
#![allow(unsafe_code)]

use super::shared::Shared;
use crate::profile::{Tier, regions};
use llvm::{keep, keeping};
use std::ffi::{CStr, c_char};
use std::ptr::with_exposed_provenance;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Called by the entry counter of a function.
pub(crate) const CALLED: &str = "bareflow.hook.called";
/// Called by a loop of O0 code now and then.
pub(crate) const POLL_O0: &str = "bareflow.hook.poll.O0";
/// The same of O1 code.
pub(crate) const POLL_O1: &str = "bareflow.hook.poll.O1";
/// Called with the words of a function's arguments.
pub(crate) const ARGUMENTS: &str = "bareflow.hook.arguments";
/// Called with the target of a call through a pointer.
pub(crate) const TARGET: &str = "bareflow.hook.target";

/// What a hook is told: the address of a [`Site`], which code names by this prefix, the block (0 for the function
/// itself), a dot and the function's name. So code holds no address of the run it was made in.
pub(crate) const SITE: &str = "bareflow.site.";

/// A place in the program that calls a hook. Lives as long as the engine, at a fixed address.
pub(crate) struct Site {
    shared: AtomicPtr<Shared>,
    /// The function.
    pub function: u32,
    /// The block of a loop header.
    pub header: u32,
}

impl Site {
    pub fn new(function: u32, header: u32) -> Self {
        Site {
            shared: AtomicPtr::new(std::ptr::null_mut()),
            function,
            header,
        }
    }

    /// Makes the site usable. `shared` owns the site.
    pub fn connect(&self, shared: &Shared) {
        self.shared
            .store((&raw const *shared).cast_mut(), Ordering::Release);
    }

    /// What compiled code passes to the hook.
    pub fn id(&self) -> u64 {
        (&raw const *self).expose_provenance() as u64
    }
}

/// The sites of one function.
pub(crate) struct Sites {
    pub own: Site,
    /// Of its loops, in the order of [`Code::loops`](crate::interp::Code::loops); made when it has been decoded.
    loops: OnceLock<Box<[Site]>>,
}

impl Sites {
    pub fn new(function: u32) -> Self {
        Sites {
            own: Site::new(function, 0),
            loops: OnceLock::new(),
        }
    }

    /// The sites of its loops, whose header blocks are `headers`.
    pub fn loops(&self, shared: &Shared, headers: impl Iterator<Item = u32>) -> &[Site] {
        self.loops.get_or_init(|| {
            let sites: Box<[Site]> = headers
                .map(|header| Site::new(self.own.function, header))
                .collect();
            sites.iter().for_each(|site| site.connect(shared));
            sites
        })
    }
}

/// The site behind an `id`, and its engine.
///
/// # Safety
/// `id` came from [`Site::id`] of a site whose engine lives.
unsafe fn site<'a>(id: u64) -> Option<(&'a Site, &'a Shared)> {
    // SAFETY: as the caller promised; an engine owns its sites and all code that names them.
    unsafe {
        let site = &*with_exposed_provenance::<Site>(id as usize);
        let shared = site.shared.load(Ordering::Acquire).as_ref()?;
        Some((site, shared))
    }
}

unsafe extern "C" fn called(id: u64) {
    // SAFETY: compiled code passes the id it was built with.
    if let Some((site, shared)) = unsafe { site(id) } {
        shared.compiled_code_called(site.function);
    }
}

/// # Safety
/// As [`site`].
unsafe fn poll(id: u64, from: Tier) -> usize {
    // SAFETY: as the caller promised.
    match unsafe { site(id) } {
        Some((site, shared)) => shared
            .compiled_loop_went_round(site.function, site.header, from)
            .unwrap_or(0),
        None => 0,
    }
}

unsafe extern "C" fn poll_o0(id: u64) -> usize {
    // SAFETY: compiled code passes the id it was built with.
    unsafe { poll(id, Tier::O0) }
}

unsafe extern "C" fn poll_o1(id: u64) -> usize {
    // SAFETY: as above.
    unsafe { poll(id, Tier::O1) }
}

unsafe extern "C" fn arguments(id: u64, words: *const u64, count: u64) {
    // SAFETY: compiled code passes the id it was built with, and `count` words on its stack.
    unsafe {
        if let Some((site, shared)) = site(id)
            && count > 0
        {
            let words = std::slice::from_raw_parts(words, count as usize);
            shared.saw_arguments(site.function, words.iter().copied());
        }
    }
}

unsafe extern "C" fn target(id: u64, number: u64, target: u64) {
    // SAFETY: as above.
    if let Some((site, shared)) = unsafe { site(id) } {
        shared.saw_target(site.function, number as usize, target);
    }
}

keeping!(called_keeping calls called, without_result);
keeping!(poll_o0_keeping calls poll_o0, with_result);
keeping!(poll_o1_keeping calls poll_o1, with_result);

/// `void profile_begin(const char *name)`: the thread enters the region of that name.
unsafe extern "C" fn profile_begin(name: *const c_char) {
    // SAFETY: the guest's contract: a string with a NUL at its end.
    if let Ok(name) = unsafe { CStr::from_ptr(name) }.to_str() {
        regions::region_begin(name);
    }
}

/// `void profile_end(const char *name)`: the thread leaves it.
unsafe extern "C" fn profile_end(name: *const c_char) {
    // SAFETY: as above.
    if let Ok(name) = unsafe { CStr::from_ptr(name) }.to_str() {
        regions::region_end(name);
    }
}

/// Address of a function that the engine offers to programs: `profile_begin` and `profile_end`, which take the name of a
/// region as a C string and measure the time between them.
pub fn service(name: &str) -> Option<usize> {
    let function = match name {
        "profile_begin" => profile_begin as *const (),
        "profile_end" => profile_end as *const (),
        _ => return None,
    };
    Some(function.expose_provenance())
}

/// Address of a hook.
pub(crate) fn address(name: &str) -> Option<usize> {
    Some(match name {
        CALLED => keep::address(called_keeping),
        POLL_O0 => keep::address(poll_o0_keeping),
        POLL_O1 => keep::address(poll_o1_keeping),
        ARGUMENTS => (arguments as *const ()).expose_provenance(),
        TARGET => (target as *const ()).expose_provenance(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::probe::registers::{Registers, vectors_here};
    use std::arch::asm;

    /// Changes every register that a function may change.
    unsafe extern "C" fn changes_all(id: u64) -> u64 {
        // SAFETY: everything that is written is said to be; ymm registers exist where AVX is.
        unsafe {
            if is_x86_feature_detected!("avx") {
                asm!(
                    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                    "vcmptrueps ymm\\n, ymm\\n, ymm\\n",
                    ".endr",
                    clobber_abi("C")
                );
            } else {
                asm!(
                    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                    "pcmpeqd xmm\\n, xmm\\n",
                    ".endr",
                    clobber_abi("C")
                );
            }
            asm!(
                ".irp r,rax,rcx,rdx,rsi,rdi,r8,r9,r10,r11",
                "mov \\r, -1",
                ".endr",
                clobber_abi("C")
            );
        }
        id.wrapping_add(1)
    }

    keeping!(answers calls changes_all, with_result);
    keeping!(is_silent calls changes_all, without_result);

    /// What registers hold after a call of `hook`, whose low 32 bytes of vectors count.
    fn after(hook: unsafe extern "C" fn(), fill: &Registers) -> Registers {
        // SAFETY: the hook keeps the stack, and all that the ABI says must be kept.
        unsafe { fill.through(keep::address(hook)) }
    }

    #[test]
    fn registers_are_kept() {
        let (vectors, words) = vectors_here();
        // What is beyond AVX may change.
        let fill = Registers::numbered(3, vectors.min(16), words.min(4));
        for hook in [answers, is_silent] {
            let mut found = after(hook, &fill);
            // rax comes first, rdi sixth.
            if hook as *const () == answers as *const () {
                assert_eq!(found.general[0], fill.general[5].wrapping_add(1));
                found.general[0] = fill.general[0];
            }
            assert_eq!(found.general, fill.general);
            for (n, (found, expected)) in found.vector.iter().zip(&fill.vector).take(16).enumerate()
            {
                assert_eq!(found[..4], expected[..4], "vector register {n}");
            }
        }
    }
}
