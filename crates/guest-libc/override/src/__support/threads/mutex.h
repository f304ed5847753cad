//! The mutex of LLVM-libc's streams and lists, without an operating system: stands before LLVM-libc's own header.
//!
//! Waiting spins: what is done under these locks is short, and a guest has no call that waits.
#ifndef BAREFLOW_LIBC_MUTEX_H
#define BAREFLOW_LIBC_MUTEX_H

#include "src/__support/CPP/atomic.h"
#include "src/__support/macros/attributes.h"
#include "src/__support/macros/config.h"
#include "src/__support/threads/mutex_common.h"

namespace LIBC_NAMESPACE_DECL {

class Mutex {
    cpp::Atomic<unsigned> taken;

  public:
    LIBC_INLINE constexpr Mutex(bool, bool, bool, bool) : taken(0) {}

    LIBC_INLINE MutexError lock() {
        while (taken.exchange(1, cpp::MemoryOrder::ACQUIRE)) {
            while (taken.load(cpp::MemoryOrder::RELAXED))
                __builtin_ia32_pause();
        }
        return MutexError::NONE;
    }

    LIBC_INLINE MutexError trylock() {
        return taken.exchange(1, cpp::MemoryOrder::ACQUIRE) ? MutexError::BUSY : MutexError::NONE;
    }

    LIBC_INLINE MutexError unlock() {
        taken.store(0, cpp::MemoryOrder::RELEASE);
        return MutexError::NONE;
    }
};

} // namespace LIBC_NAMESPACE_DECL

#endif
