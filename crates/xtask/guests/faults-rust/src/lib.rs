//! A guest that goes wrong by request: faults_test.rs. Lines it looks for end in a comment with their name.

#![no_std]

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

guest::entry!(main);

static KEPT: AtomicUsize = AtomicUsize::new(0);

#[inline(never)]
fn write(to: usize) {
    let to = core::ptr::with_exposed_provenance_mut::<u8>(to);
    // SAFETY: none: to end here is what this program is for.
    unsafe { to.write_volatile(1) } /* null */
}

#[inline(never)]
fn spin() {
    while KEPT.fetch_add(2, Relaxed) != 1 {} /* spin */
}

fn main() -> i32 {
    match guest::args::all().next() {
        Some(b"null") => write(KEPT.load(Relaxed)),
        Some(b"spin") => spin(),
        _ => return 1,
    }
    0
}
