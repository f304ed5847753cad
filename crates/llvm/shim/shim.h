// What the shim's files share: C types in, C++ types inside, messages out.
//
// Each function of the shim is declared `extern "C"` in its own file and once more in `src/transform/`. Failures come
// back as a message made by `message()`, which Rust frees with LLVMDisposeMessage; null is success.

#pragma once

#include "llvm-c/Core.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Module.h"
#include <string>

namespace bareflow {

/// A message for Rust.
inline char *message(const std::string &text) { return LLVMCreateMessage(text.c_str()); }

} // namespace bareflow
