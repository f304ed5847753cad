//! What compiled code calls when a countdown ends, and what it is told about itself.
//!
//! Compiled code knows only the address of a [`Site`]: which engine, which function, which loop.
#![allow(unsafe_code)]

use super::shared::Shared;
use crate::profile::{Tier, regions};
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
    let hook = match name {
        CALLED => called as *const (),
        POLL_O0 => poll_o0 as *const (),
        POLL_O1 => poll_o1 as *const (),
        ARGUMENTS => arguments as *const (),
        TARGET => target as *const (),
        _ => return None,
    };
    Some(hook.expose_provenance())
}
