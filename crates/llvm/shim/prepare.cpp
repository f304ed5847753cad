// Makes the output of clang -O0 fit for passes.

#include "shim.h"

using namespace llvm;

/// Drops `optnone`, and `noinline` where it came with it.
extern "C" void bareflow_prepare(LLVMModuleRef raw) {
  for (Function &function : *unwrap(raw))
    if (function.hasFnAttribute(Attribute::OptimizeNone)) {
      function.removeFnAttr(Attribute::OptimizeNone);
      function.removeFnAttr(Attribute::NoInline);
    }
}
