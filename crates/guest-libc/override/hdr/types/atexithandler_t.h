//! The type of functions for `atexit`: stands before LLVM-libc's own header, which has it for its own headers only.
#ifndef BAREFLOW_LIBC_ATEXITHANDLER_H
#define BAREFLOW_LIBC_ATEXITHANDLER_H

typedef void (*__atexithandler_t)(void);

#endif
