// Numbers of any width: LLVM's C API hands out 64 bits.

#include "shim.h"
#include "llvm/ADT/APInt.h"
#include "llvm/IR/Constants.h"

using namespace llvm;

/// Writes the bits of an integer or a float as words, the lowest first, as far as there is room. Gives the number of words
/// it has, 0 for every other constant.
extern "C" size_t bareflow_constant_words(LLVMValueRef raw, uint64_t *words, size_t room) {
  Value *value = unwrap(raw);
  APInt bits;
  if (auto *number = dyn_cast<ConstantInt>(value); number && number->getType()->isIntegerTy())
    bits = number->getValue();
  else if (auto *number = dyn_cast<ConstantFP>(value); number && number->getType()->isFloatingPointTy())
    bits = number->getValueAPF().bitcastToAPInt();
  else
    return 0;
  for (size_t i = 0; i < bits.getNumWords() && i < room; ++i)
    words[i] = bits.getRawData()[i];
  return bits.getNumWords();
}
