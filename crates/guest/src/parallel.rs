//! Work on all CPUs: contiguous parts of one range, each with its own part of the results.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ops::Range;

use crate::sys;

/// Runs `work(index)` for every `index` below `n`, each on a thread of its own; returns when all
/// are done. With `n` = 1 it is a plain call.
#[inline]
pub fn run<F: Fn(usize) + Sync>(n: usize, work: F) {
    if n <= 1 {
        return work(0);
    }
    unsafe extern "C" fn part<F: Fn(usize) + Sync>(ctx: *mut c_void, index: u32, _n: u32) {
        // SAFETY: `ctx` is the `F` below, which outlives the job and may be shared (`Sync`).
        let work = unsafe { &*ctx.cast::<F>() };
        work(index as usize);
    }
    let ctx = (&raw const work).cast_mut().cast::<c_void>();
    // SAFETY: `part` takes the context as what it is; the call returns after all parts have.
    unsafe { sys::bf_parallel(n as u32, part::<F>, ctx) }
}

/// Part `index` of `0..len` cut into `n` contiguous parts whose bounds are multiples of `grain`.
///
/// The parts cover the range, do not overlap, and differ by at most one grain (but for the last).
#[must_use]
pub fn part(len: usize, grain: usize, index: usize, n: usize) -> Range<usize> {
    let (grain, n) = (grain.max(1), n.max(1));
    let grains = len.div_ceil(grain);
    let bound = |i: usize| ((grains * i.min(n)) / n * grain).min(len);
    bound(index)..bound(index + 1)
}

/// A slice whose parts several threads write at once, each its own.
struct Parts<'a, T>(&'a [UnsafeCell<T>]);

// SAFETY: threads get disjoint parts only, see `split`.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

/// Cuts `out` into `threads` contiguous parts at multiples of `grain` and runs
/// `work(range, part of out)` for each on a thread of its own.
#[inline]
pub fn split<T: Send, F>(threads: usize, grain: usize, out: &mut [T], work: F)
where
    F: Fn(Range<usize>, &mut [T]) + Sync,
{
    let len = out.len();
    if threads <= 1 || len <= grain {
        return work(0..len, out);
    }
    // SAFETY: `UnsafeCell<T>` has the layout of `T`; the exclusive borrow is held for the call.
    let cells = Parts(unsafe { &*(core::ptr::from_mut(out) as *const [UnsafeCell<T>]) });
    run(threads, |index| {
        let cells = &cells;
        let range = part(len, grain, index, threads);
        if range.is_empty() {
            return;
        }
        let mine = &cells.0[range.clone()];
        // SAFETY: the parts of different indices do not overlap (see `part`), each index runs
        // once, and nothing else has access while `out` is borrowed.
        let mine = unsafe {
            core::slice::from_raw_parts_mut(mine.as_ptr().cast_mut().cast::<T>(), mine.len())
        };
        work(range, mine);
    });
}

/// A matrix that several threads write at once: `out` is a whole number of rows of `row_len`.
pub struct Rows<'a, T> {
    cells: Parts<'a, T>,
    row_len: usize,
}

impl<'a, T: Send> Rows<'a, T> {
    /// Rows of `row_len` numbers each; a rest of `out` that is no whole row is left alone.
    #[must_use]
    pub fn new(out: &'a mut [T], row_len: usize) -> Self {
        // SAFETY: as in `split`.
        let cells = Parts(unsafe { &*(core::ptr::from_mut(out) as *const [UnsafeCell<T>]) });
        Rows { cells, row_len }
    }
}

/// Gives each of `threads` threads its part of the columns of every matrix in `outs`, cut at
/// multiples of `grain`: `work([range and RowParts of each])`.
#[inline]
pub fn split_rows<T: Send, F, const M: usize>(
    threads: usize,
    grain: usize,
    outs: [Rows<'_, T>; M],
    work: F,
) where
    F: Fn([(Range<usize>, RowParts<'_, T>); M]) + Sync,
{
    let longest = outs.iter().map(|m| m.row_len).max().unwrap_or(0);
    let threads = threads.clamp(1, longest.div_ceil(grain.max(1)).max(1));
    run(threads, |index| {
        work(core::array::from_fn(|m| {
            let out = &outs[m];
            let range = part(out.row_len, grain, index, threads);
            let parts = RowParts {
                cells: out.cells.0,
                row_len: out.row_len,
                range: range.clone(),
            };
            (range, parts)
        }));
    });
}

/// The same columns of every row of a matrix: what one thread of [`split_rows`] may write.
///
/// Invariant: no other thread has a `RowParts` whose `range` overlaps with this one.
pub struct RowParts<'a, T> {
    cells: &'a [UnsafeCell<T>],
    row_len: usize,
    range: Range<usize>,
}

impl<T> RowParts<'_, T> {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.cells.len().checked_div(self.row_len).unwrap_or(0)
    }

    /// This thread's part of row `index`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    #[inline]
    pub fn row(&mut self, index: usize) -> &mut [T] {
        let start = index * self.row_len;
        let row = &self.cells[start..start + self.row_len][self.range.clone()];
        // SAFETY: the invariant of the type; within the thread the exclusive borrow of `self`
        // keeps two parts from existing at once.
        unsafe { core::slice::from_raw_parts_mut(row.as_ptr().cast_mut().cast::<T>(), row.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn parts_cover_the_range_once() {
        for len in [0, 1, 15, 16, 17, 100, 576] {
            for grain in [1, 16, 32] {
                for n in 1..6 {
                    let mut next = 0;
                    for i in 0..n {
                        let r = part(len, grain, i, n);
                        assert_eq!(r.start, next);
                        assert!(r.is_empty() || r.start.is_multiple_of(grain));
                        next = r.end;
                    }
                    assert_eq!(next, len);
                }
            }
        }
    }

    #[test]
    fn every_element_is_written_once() {
        for threads in 1..5 {
            let mut out = vec![0usize; 103];
            split(threads, 4, &mut out, |range, part| {
                for (i, x) in range.zip(part) {
                    *x += i + 1;
                }
            });
            assert_eq!(out, (1..=103).collect::<Vec<_>>());
            let (mut a, mut b) = (vec![0usize; 3 * 37], vec![0usize; 2 * 5]);
            let outs = [Rows::new(&mut a, 37), Rows::new(&mut b, 5)];
            split_rows(threads, 4, outs, |parts| {
                for (range, mut rows) in parts {
                    for r in 0..rows.rows() {
                        let len = rows.row_len;
                        for (i, x) in range.clone().zip(rows.row(r)) {
                            *x += r * len + i + 1;
                        }
                    }
                }
            });
            assert_eq!(a, (1..=111).collect::<Vec<_>>());
            assert_eq!(b, (1..=10).collect::<Vec<_>>());
        }
    }
}
