// Hooks that code calls rarely from where it is hot: they keep its registers, and optimisation keeps out of their way.

#pragma once

#include "shim.h"
#include "llvm/IR/IRBuilder.h"

namespace bareflow {

/// Says of a hook declared here that it is called rarely, and keeps all registers but r11 and that of its result.
inline void make_rare_hook(llvm::Function &hook) {
  for (llvm::Attribute::AttrKind kind : {llvm::Attribute::Cold, llvm::Attribute::NoUnwind})
    hook.addFnAttr(kind);
  hook.setCallingConv(llvm::CallingConv::PreserveAll);
}

/// Calls a hook as it is declared or defined.
inline llvm::CallInst *call_rare_hook(llvm::IRBuilderBase &at, llvm::FunctionCallee hook, uint64_t id) {
  llvm::CallInst *call = at.CreateCall(hook, {at.getInt64(id)});
  if (auto *f = llvm::dyn_cast<llvm::Function>(hook.getCallee()))
    call->setCallingConv(f->getCallingConv());
  return call;
}

} // namespace bareflow
