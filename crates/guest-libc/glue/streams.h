//! What the end of the program has to know of the streams.
#ifndef BAREFLOW_LIBC_STREAMS_H
#define BAREFLOW_LIBC_STREAMS_H

#include "src/__support/File/file.h"
#include "src/__support/macros/config.h"

namespace LIBC_NAMESPACE_DECL {

/// Writes what all streams hold; gives the first error number, or 0.
int flush_all();

} // namespace LIBC_NAMESPACE_DECL

#endif
