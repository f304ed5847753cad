// Makes the output of clang -O0 fit for passes, and keeps passes from what they do wrong.

#include "shim.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace llvm;

namespace {

/// The loop vectoriser takes an `alloca` for the same in each iteration (`chain` of tests/corpus/loops/dynamic_stack.c):
/// loops in which the stack grows are kept as they are.
void keep_growing_loops(Function &function) {
  SmallVector<AllocaInst *> growing;
  for (Instruction &instruction : instructions(function))
    if (auto *alloca = dyn_cast<AllocaInst>(&instruction))
      if (alloca->getParent() != &function.getEntryBlock())
        growing.push_back(alloca);
  if (growing.empty())
    return;
  DominatorTree tree(function);
  LoopInfo loops(tree);
  for (AllocaInst *alloca : growing)
    for (Loop *loop = loops.getLoopFor(alloca->getParent()); loop; loop = loop->getParentLoop())
      addStringMetadataToLoop(loop, "llvm.loop.vectorize.enable", 0);
}

} // namespace

/// Drops `optnone`, and `noinline` where it came with it; gives second names up; see above.
extern "C" void bareflow_prepare(LLVMModuleRef raw) {
  Module &module = *unwrap(raw);
  // A part of the program that only declares both names of a thing would take them for two things.
  for (GlobalAlias &alias : module.aliases())
    alias.replaceAllUsesWith(alias.getAliasee());
  for (Function &function : module) {
    if (function.hasFnAttribute(Attribute::OptimizeNone)) {
      function.removeFnAttr(Attribute::OptimizeNone);
      function.removeFnAttr(Attribute::NoInline);
    }
    if (!function.isDeclaration())
      keep_growing_loops(function);
  }
}
