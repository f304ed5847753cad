//! Work on several CPUs at once.
//!
//! One region runs at a time: the calling thread is number 0, its helpers wait in between. What a
//! region computes does not depend on the number of threads as long as every item is computed by
//! one thread alone; [`split_rows`] gives out work in that way.

use crate::abi;

/// Runs `f(index, threads)` for every index below `threads` at once; returns when all are done.
///
/// `threads` is cut to the number of CPUs. Not reentrant: `f` must not start a region itself.
pub fn run<F: Fn(usize, usize) + Sync>(threads: usize, f: F) {
    unsafe extern "C" fn call<F: Fn(usize, usize) + Sync>(
        context: *mut u8,
        index: u32,
        threads: u32,
    ) {
        // SAFETY: `context` is the `f` below, which lives until `bf_parallel` returns and may be
        // shared between threads (`Sync`).
        let f = unsafe { &*context.cast::<F>() };
        f(index as usize, threads as usize);
    }
    let threads = threads.clamp(1, crate::cpu::count());
    if threads == 1 {
        return f(0, 1);
    }
    let context = core::ptr::from_ref(&f).cast_mut().cast::<u8>();
    // SAFETY: `call::<F>` reads its context as an `F` only, and `f` outlives the call.
    unsafe { abi::bf_parallel(threads as u32, call::<F>, context) }
}

/// The rows that belong to thread `index`: contiguous, whole groups of `group` rows, and shares
/// that differ by one group at most.
#[must_use]
pub fn share(rows: usize, group: usize, index: usize, threads: usize) -> core::ops::Range<usize> {
    let groups = rows.div_ceil(group);
    let edge = |i: usize| (groups * i / threads * group).min(rows);
    edge(index)..edge(index + 1)
}

/// A slice whose disjoint parts are given to different threads.
struct Parts<T>(*mut T);

// SAFETY: each thread makes a slice of its own rows only (`share` gives disjoint ranges), so no
// element is reached from two threads; `T: Send` lets it be written elsewhere.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T> Parts<T> {
    /// First element; a method, so that a closure borrows the whole.
    fn start(&self) -> *mut T {
        self.0
    }
}

/// Gives each thread its [`share`] of `out`, counted in rows of `width` elements, to fill.
///
/// `f(first_row, part)` gets the number of its first row and its rows. `out` holds a whole number
/// of rows; shares are whole groups of `group` rows.
///
/// # Panics
/// If `width` or `group` is zero or `out` is not a whole number of rows.
pub fn split_rows<T: Send, F>(threads: usize, out: &mut [T], width: usize, group: usize, f: F)
where
    F: Fn(usize, &mut [T]) + Sync,
{
    assert!(width > 0 && group > 0 && out.len().is_multiple_of(width));
    let rows = out.len() / width;
    let threads = threads.clamp(1, rows.div_ceil(group).max(1));
    let parts = Parts(out.as_mut_ptr());
    run(threads, |index, threads| {
        let rows = share(rows, group, index, threads);
        if rows.is_empty() {
            return;
        }
        // SAFETY: `rows` lies inside `out`, which is borrowed for the whole region, and no other
        // thread gets any of these rows.
        let part = unsafe {
            core::slice::from_raw_parts_mut(
                parts.start().add(rows.start * width),
                rows.len() * width,
            )
        };
        f(rows.start, part);
    });
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::*;

    #[test]
    fn shares_cover_every_row_once_in_whole_groups() {
        for rows in [0, 1, 15, 16, 17, 64, 1000] {
            for threads in 1..5 {
                let mut next = 0;
                for index in 0..threads {
                    let rows_of = share(rows, 16, index, threads);
                    assert_eq!(rows_of.start, next);
                    assert!(rows_of.end == rows || rows_of.end % 16 == 0);
                    next = rows_of.end;
                }
                assert_eq!(next, rows);
            }
        }
    }

    #[test]
    fn every_row_is_written_by_one_thread() {
        for threads in 1..4 {
            let mut out = vec![0u32; 3 * 101];
            split_rows(threads, &mut out, 3, 8, |first, part| {
                for (i, row) in part.chunks_mut(3).enumerate() {
                    row.iter_mut().for_each(|x| *x += (first + i) as u32 + 1);
                }
            });
            for (i, row) in out.chunks(3).enumerate() {
                assert_eq!(row, [i as u32 + 1; 3]);
            }
        }
    }
}
