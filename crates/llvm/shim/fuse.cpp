// Says once and for all that products and sums are fused.

#include "shim.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/Intrinsics.h"

using namespace llvm;

/// Makes every `llvm.fmuladd` an `llvm.fma`. See `Module::fuse_products`.
extern "C" void bareflow_fuse(LLVMModuleRef raw) {
  Module &module = *unwrap(raw);
  for (Function &f : make_early_inc_range(module.functions())) {
    if (f.getIntrinsicID() != Intrinsic::fmuladd)
      continue;
    Function *fused =
        Intrinsic::getOrInsertDeclaration(&module, Intrinsic::fma, {f.getReturnType()});
    f.replaceAllUsesWith(fused);
    f.eraseFromParent();
  }
}
