// Values in slots: the layout in which the interpreter, polls and entries of on-stack replacement exchange them.
//
// Words of 8 bytes. Integers up to 64 bits are extended with zeros to a word, those of 65 to 128 bits to two; `half` and
// `bfloat` lie at the start of a zeroed word, `float` at the start of a word; vectors lie element after element, elements
// of one bit in a byte each; aggregates as in memory. Everything is padded to words. The same as IR text: the engine's
// `interp::bridge`.

#pragma once

#include "shim.h"
#include "llvm/IR/DataLayout.h"
#include "llvm/IR/IRBuilder.h"
#include <vector>

namespace bareflow {

/// One entry of a list of live values. Rust: `OsrValue`.
struct OsrValue {
  /// Parameters are counted first, then all instructions in order.
  uint32_t value;
  /// Where it lies in the buffer, in bytes.
  uint32_t offset;
};

/// Whether values of the type have a place in slots.
bool has_slots(llvm::Type *type);

/// Bytes of a value in slots, a multiple of 8.
uint64_t slot_bytes(llvm::Type *type, const llvm::DataLayout &layout);

/// Reads a value from slots at `base + offset`. `is_defined` promises that no bit of it is undefined.
llvm::Value *load_slot(llvm::IRBuilderBase &at, llvm::Type *type, llvm::Value *base, uint64_t offset,
                       const llvm::Twine &name, bool is_defined);

/// Writes a value to slots at `base + offset`.
void store_slot(llvm::IRBuilderBase &at, llvm::Value *value, llvm::Value *base, uint64_t offset);

/// Parameters first, then all instructions in order: the numbers of a function's values.
std::vector<llvm::Value *> numbered(llvm::Function &function);

/// A function's blocks in order.
std::vector<llvm::BasicBlock *> blocks(llvm::Function &function);

/// The value as it is printed in IR.
std::string text_of(const llvm::Value &value);

/// Why on-stack replacement cannot leave or enter the function at all; empty if it can.
std::string osr_obstacle(const llvm::Function &function);

} // namespace bareflow
