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

/// clang -O1 forbids unrolling for every loop: what level a loop is optimised at is for the tiers to say.
void allow_unrolling(Function &function) {
  for (BasicBlock &block : function) {
    Instruction *end = block.getTerminator();
    MDNode *loop = end ? end->getMetadata(LLVMContext::MD_loop) : nullptr;
    if (!loop)
      continue;
    auto says_so = [](const MDOperand &option) {
      auto *node = dyn_cast_or_null<MDNode>(option.get());
      auto *name = node && node->getNumOperands() ? dyn_cast<MDString>(node->getOperand(0)) : nullptr;
      return name && name->getString() == "llvm.loop.unroll.disable";
    };
    if (any_of(drop_begin(loop->operands()), says_so))
      end->setMetadata(LLVMContext::MD_loop, makePostTransformationMetadata(function.getContext(), loop,
                                                                            {"llvm.loop.unroll.disable"}, {}));
  }
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
    if (!function.isDeclaration()) {
      keep_growing_loops(function);
      allow_unrolling(function);
    }
  }
}
