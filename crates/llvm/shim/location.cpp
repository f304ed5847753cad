// Source lines of instructions, from debug information.

#include "shim.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Instruction.h"

using namespace llvm;

/// Calls `visit` with function, file and line of an instruction, then with those of the calls that inlined it, innermost
/// first. Not at all if it has no place.
extern "C" void bareflow_source_frames(LLVMValueRef raw, void *context,
                                       void (*visit)(void *, const char *, size_t, const char *, size_t, unsigned)) {
  auto *instruction = dyn_cast<Instruction>(unwrap(raw));
  if (!instruction)
    return;
  for (const DILocation *at = instruction->getDebugLoc().get(); at; at = at->getInlinedAt()) {
    const DISubprogram *function = at->getScope() ? at->getScope()->getSubprogram() : nullptr;
    StringRef name = function ? function->getLinkageName() : StringRef();
    if (name.empty() && function)
      name = function->getName();
    StringRef file = at->getFilename();
    visit(context, name.data(), name.size(), file.data(), file.size(), at->getLine());
  }
}
