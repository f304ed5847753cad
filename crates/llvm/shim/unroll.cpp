// Keeps LLVM from unrolling loops whose iterations are expensive to count, profile or not.

#include "shim.h"
#include "llvm/Analysis/AssumptionCache.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ScalarEvolution.h"
#include "llvm/Analysis/ScalarEvolutionExpressions.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/LoopUtils.h"

using namespace llvm;

/// Forbids unrolling at run time for loops whose trip count is a quotient by something unknown. See
/// `Module::spare_expensive_unrolling`.
extern "C" void bareflow_spare_unrolling(LLVMValueRef raw) {
  Function &function = *unwrap<Function>(raw);
  DominatorTree dominators(function);
  LoopInfo loops(dominators);
  AssumptionCache assumptions(function);
  TargetLibraryInfoImpl library(function.getParent()->getTargetTriple());
  TargetLibraryInfo info(library, &function);
  ScalarEvolution evolution(function, info, assumptions, dominators, loops);
  for (Loop *loop : loops.getLoopsInPreorder()) {
    if (!loop->isInnermost() || !loop->getLoopLatch())
      continue;
    const SCEV *rounds = evolution.getBackedgeTakenCount(loop);
    bool is_expensive = !isa<SCEVCouldNotCompute>(rounds) && SCEVExprContains(rounds, [](const SCEV *part) {
      auto *quotient = dyn_cast<SCEVUDivExpr>(part);
      return quotient && !isa<SCEVConstant>(quotient->getRHS());
    });
    if (is_expensive)
      addStringMetadataToLoop(loop, "llvm.loop.unroll.runtime.disable");
  }
}
