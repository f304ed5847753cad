// The numbering of indirect calls that profiles and transformations share.

#pragma once

#include "llvm/IR/InstrTypes.h"
#include "llvm/IR/InstIterator.h"

namespace bareflow {

/// Whether an instruction is an indirect call: its callee is no constant (a function, an alias, an address) and no
/// assembly. The first one of a function in the order of the IR is site 0.
inline bool is_site(const llvm::Instruction &i) {
  const auto *call = llvm::dyn_cast<llvm::CallBase>(&i);
  return call && call->isIndirectCall();
}

/// The indirect call of that number; null if there are fewer.
inline llvm::CallBase *find_site(llvm::Function &f, unsigned number) {
  for (llvm::Instruction &i : llvm::instructions(f))
    if (is_site(i) && number-- == 0)
      return llvm::cast<llvm::CallBase>(&i);
  return nullptr;
}

} // namespace bareflow
