//! The body of `memcpy` and its kin: stands before LLVM-libc's own header for x86-64, and does what that does up to 64 bytes.
//!
//! The engine inlines it where the size is constant, and there it must shrink to the fewest moves there are. LLVM-libc's own
//! one, compiled for the baseline processor, aligns what it writes by 32 bytes from 129 bytes on: two moves of 32 bytes and
//! unaligned ones between them, or a loop where the alignment is not known.
//!
//! ```text
//!   bytes   ..  64   LLVM-libc's
//!           .. 128   two moves of 64 bytes, which overlap
//!           .. 512   moves of 64 bytes, each at its place or, where that would be too far, at the end
//!           beyond   a loop of 64 bytes, which writes aligned
//! ```
//!
//! Of a constant size the moves at the end are one move, as one writes what the other wrote: 150 bytes take three, 384 six. Of
//! other sizes they cost less than a branch for each place, which nobody could predict.
#ifndef BAREFLOW_LIBC_INLINE_MEMCPY_H
#define BAREFLOW_LIBC_INLINE_MEMCPY_H

// The function that LLVM-libc calls is the one below.
#define inline_memcpy_x86_maybe_interpose_repmovsb inline_memcpy_of_llvm
#include_next "src/string/memory_utils/x86_64/inline_memcpy.h"
#undef inline_memcpy_x86_maybe_interpose_repmovsb

namespace LIBC_NAMESPACE_DECL {

/// 64 bytes anywhere, as a value: LLVM leaves out the first of two stores of one to the same place, which it does not do with
/// two copies.
typedef long long Line __attribute__((vector_size(64), aligned(1), may_alias));

/// Copies `count` bytes by moves of 64; FROM <= count <= TO, both multiples of 64. Part of `memcpy` always: as a function of its
/// own it would be called with constant sizes.
template <size_t FROM, size_t TO>
[[gnu::always_inline]] LIBC_INLINE void copy_in_place_or_at_end(Ptr __restrict dst, CPtr __restrict src, size_t count) {
    size_t end = count - 64;
#pragma clang loop unroll(full)
    for (size_t at = 0; at < TO; at += 64) {
        size_t place = at < FROM || at < end ? at : end;
        *reinterpret_cast<Line *>(dst + place) = *reinterpret_cast<const Line *>(src + place);
    }
}

LIBC_INLINE void inline_memcpy_x86_maybe_interpose_repmovsb(Ptr __restrict dst, CPtr __restrict src, size_t count) {
    if (count <= 64)
        return inline_memcpy_x86(dst, src, count);
    if (count <= 128)
        return builtin::Memcpy<64>::head_tail(dst, src, count);
    if (count <= 256)
        return copy_in_place_or_at_end<128, 256>(dst, src, count);
    if (count <= 512)
        return copy_in_place_or_at_end<256, 512>(dst, src, count);
    builtin::Memcpy<64>::block(dst, src);
    align_to_next_boundary<64, Arg::Dst>(dst, src, count);
    return builtin::Memcpy<64>::loop_and_tail(dst, src, count);
}

} // namespace LIBC_NAMESPACE_DECL

#endif
