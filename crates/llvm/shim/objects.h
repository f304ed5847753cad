// Memory that only one function's own pointers reach.

#pragma once

#include "shim.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/IR/Value.h"
#include "llvm/Support/Alignment.h"
#include <optional>

namespace bareflow {

/// Whether what `object` points to (a stack variable, memory just allocated, a `noalias` parameter) is reached only
/// through values computed from `object`, none of which `is_kept`: the pointer does not escape.
bool is_private(const llvm::Value &object, llvm::function_ref<bool(const llvm::Value *)> is_kept);

/// A private object that never holds anything but a copy of a constant: the constant, and the instruction that copies it.
struct Table {
  llvm::Constant *constant;
  llvm::Instruction *copied_by;
};

/// What stands behind a private `object` of `bytes` that needs the alignment.
std::optional<Table> table_behind(const llvm::Value &object, uint64_t bytes, llvm::Align align,
                                  const llvm::DataLayout &layout);

/// Tells LLVM that each of `pointers` reaches memory that pointers computed otherwise do not reach.
void mark_as_apart(llvm::Function &function, llvm::ArrayRef<llvm::Value *> pointers);

} // namespace bareflow
