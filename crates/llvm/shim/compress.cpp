// Zstandard, which LLVM links for its own sections: the runtime packs smaller images of itself with it.

#include "shim.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Compression.h"
#include <cstdlib>
#include <cstring>

using namespace llvm;

/// Packs `input` into one frame; gives its length and, in `out`, memory that `free` takes back. 0: this LLVM was built
/// without Zstandard, or there is no memory.
extern "C" size_t bareflow_zstd(const uint8_t *input, size_t length, int level, uint8_t **out) {
  if (!compression::zstd::isAvailable())
    return 0;
  SmallVector<uint8_t, 0> packed;
  compression::zstd::compress(ArrayRef<uint8_t>(input, length), packed, level);
  *out = static_cast<uint8_t *>(std::malloc(packed.size()));
  if (!*out)
    return 0;
  std::memcpy(*out, packed.data(), packed.size());
  return packed.size();
}
