//! Large, aligned memory: what weights and caches live in.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Alignment of a buffer in bytes: a cache line, and the widest vector.
pub const ALIGN: usize = 64;

/// A number type for which all bits zero is a value and every bit pattern is one.
///
/// # Safety
/// Exactly that must hold, and the type has no padding and an alignment of at most [`ALIGN`].
pub unsafe trait Plain: Copy + Send + Sync + 'static {}

// SAFETY: plain numbers.
unsafe impl Plain for u8 {}
// SAFETY: plain numbers.
unsafe impl Plain for i8 {}
// SAFETY: plain numbers.
unsafe impl Plain for u16 {}
// SAFETY: plain numbers.
unsafe impl Plain for i32 {}
// SAFETY: plain numbers.
unsafe impl Plain for f32 {}

/// `len` numbers at a multiple of 64 bytes. Never moves and never grows.
///
/// Invariant: `ptr` is a block of `layout(len)`, or dangling (but aligned) when that is empty.
pub struct Buffer<T: Plain> {
    ptr: NonNull<T>,
    len: usize,
}

/// Memory that could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// Bytes asked for.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "out of memory: {} bytes could not be had; give the machine more memory",
            self.bytes
        )
    }
}

impl core::error::Error for OutOfMemory {}

/// Size and alignment of `len` numbers; `None` if that is more than can be addressed.
fn layout<T: Plain>(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.checked_mul(size_of::<T>())?, ALIGN).ok()
}

/// A block of the allocator whose content is that of the memory. Rust's own `alloc` gives memory that counts as having
/// no content until it is written; the machine's function is not known to Rust.
#[cfg(not(any(feature = "host", test)))]
unsafe fn block(layout: Layout) -> *mut u8 {
    // SAFETY: any size and any power-of-two alignment may be asked for.
    unsafe { crate::sys::bf_alloc(layout.size(), layout.align()) }
}

/// A block of the allocator with a content that nobody expects, so that tests find who does.
#[cfg(any(feature = "host", test))]
unsafe fn block(layout: Layout) -> *mut u8 {
    // SAFETY: the caller's promise; the block has so many bytes.
    unsafe {
        let block = alloc::alloc::alloc(layout);
        if !block.is_null() {
            block.write_bytes(0xa5, layout.size());
        }
        block
    }
}

impl<T: Plain> Buffer<T> {
    /// Memory for `len` numbers, all zero.
    ///
    /// # Errors
    /// [`OutOfMemory`] if it cannot be had.
    pub fn zeroed(len: usize) -> Result<Self, OutOfMemory> {
        // SAFETY: all bits zero are a number.
        unsafe { Self::from_block(len, alloc_zeroed) }
    }

    /// Memory for `len` numbers of any content: cheaper where all of it is written anyway.
    ///
    /// # Errors
    /// [`OutOfMemory`] if it cannot be had.
    pub fn uncleared(len: usize) -> Result<Self, OutOfMemory> {
        // SAFETY: what the block holds is unknown, but every bit pattern is a number.
        unsafe { Self::from_block(len, block) }
    }

    /// A buffer of a block that `allocate` gives.
    ///
    /// # Safety
    /// `allocate` gives blocks of the global allocator, with content as far as Rust is concerned, or null.
    unsafe fn from_block(
        len: usize,
        allocate: unsafe fn(Layout) -> *mut u8,
    ) -> Result<Self, OutOfMemory> {
        let error = OutOfMemory {
            bytes: len.saturating_mul(size_of::<T>()),
        };
        let layout = layout::<T>(len).ok_or(error)?;
        if layout.size() == 0 {
            return Ok(Self::empty());
        }
        // SAFETY: the layout's size is not zero.
        let ptr = unsafe { allocate(layout) };
        let ptr = NonNull::new(ptr.cast::<T>()).ok_or(error)?;
        Ok(Buffer { ptr, len })
    }

    /// No numbers.
    #[must_use]
    pub fn empty() -> Self {
        Buffer {
            // Not dereferenced: the length is 0.
            ptr: NonNull::without_provenance(
                core::num::NonZero::new(ALIGN).unwrap_or(core::num::NonZero::<usize>::MIN),
            ),
            len: 0,
        }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: the invariant of the type: `len` initialised numbers, borrowed with `self`.
        unsafe { core::slice::from_raw_parts(self.ptr.as_ptr(), self.len) }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and `self` is borrowed exclusively.
        unsafe { core::slice::from_raw_parts_mut(self.ptr.as_ptr(), self.len) }
    }
}

impl<T: Plain> Drop for Buffer<T> {
    fn drop(&mut self) {
        if let Some(layout) = layout::<T>(self.len).filter(|l| l.size() != 0) {
            // SAFETY: the block was allocated with this layout and is not used again.
            unsafe { dealloc(self.ptr.as_ptr().cast(), layout) }
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} numbers)", self.len)
    }
}

// SAFETY: it owns its numbers, which are `Send`.
unsafe impl<T: Plain> Send for Buffer<T> {}
// SAFETY: shared access only reads.
unsafe impl<T: Plain> Sync for Buffer<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_zero_and_writable() {
        for len in [1usize, 63, 64, 1000] {
            let mut b = Buffer::<f32>::zeroed(len).unwrap();
            assert_eq!(b.as_ptr() as usize % ALIGN, 0);
            assert!(b.iter().all(|x| *x == 0.0));
            b[len - 1] = 3.0;
            assert_eq!(b[len - 1], 3.0);
        }
        assert!(Buffer::<u8>::zeroed(0).unwrap().is_empty());
        let mut any = Buffer::<u8>::uncleared(100).unwrap();
        any.fill(7);
        assert_eq!((any.len(), any.as_ptr() as usize % ALIGN), (100, 0));
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(Buffer::<f32>::zeroed(usize::MAX / 2).is_err());
        assert!(Buffer::<u8>::zeroed(1 << 62).is_err());
        // LLVM takes an allocation that nobody uses to succeed.
        assert!(core::hint::black_box(Buffer::<u8>::uncleared(1 << 62)).is_err());
    }
}
