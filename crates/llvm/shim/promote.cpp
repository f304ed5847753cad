// Makes an indirect call compare its target with the functions it was seen to call, and call those directly.

#include "shim.h"
#include "sites.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/ProfDataUtils.h"
#include "llvm/Transforms/Utils/CallPromotionUtils.h"

using namespace llvm;

namespace {

/// The function `name`, declared as `call` calls it where the module does not have it; null where the name is taken by
/// something else.
Function *callee_of(const CallBase &call, StringRef name) {
  Module &module = *const_cast<Module *>(call.getModule());
  if (name.empty() || name.starts_with("llvm."))
    return nullptr;
  GlobalValue *known = module.getNamedValue(name);
  if (known)
    return dyn_cast<Function>(known);
  Function *f = Function::Create(call.getFunctionType(), GlobalValue::ExternalLinkage, name, module);
  f->setCallingConv(call.getCallingConv());
  f->addFnAttr(Attribute::NonLazyBind);
  // How arguments are passed is part of the type, though not of its name.
  const Attribute::AttrKind passing[] = {Attribute::ByVal,      Attribute::StructRet,    Attribute::InAlloca,
                                         Attribute::ZExt,       Attribute::SExt,         Attribute::InReg,
                                         Attribute::Preallocated, Attribute::Nest};
  for (unsigned p = 0; p < f->arg_size(); ++p)
    for (Attribute::AttrKind kind : passing)
      if (Attribute a = call.getAttributes().getParamAttr(p, kind); a.isValid())
        f->addParamAttr(p, a);
  return f;
}

/// Whether the call may call `callee` by name. LLVM does not look at calling conventions, and calls what disagrees
/// about them unreachable.
bool fits(const CallBase &call, Function *callee) {
  return callee && callee->getCallingConv() == call.getCallingConv() && isLegalToPromote(call, callee);
}

} // namespace

/// See `Module::promote_call`. Writes how many targets are called directly now.
extern "C" char *bareflow_promote(LLVMValueRef function, unsigned site, const char *const *names,
                                  const size_t *lengths, const uint64_t *counts, size_t targets,
                                  uint64_t total, size_t *promoted) {
  Function &f = *unwrap<Function>(function);
  *promoted = 0;
  CallBase *call = bareflow::find_site(f, site);
  if (!call)
    return bareflow::message("there is no indirect call number " + std::to_string(site));
  uint64_t left = total;
  for (size_t t = 0; t < targets; ++t) {
    StringRef name(names[t], lengths[t]);
    bool absent = !f.getParent()->getNamedValue(name);
    Function *callee = callee_of(*call, name);
    if (!fits(*call, callee)) {
      if (absent && callee)
        callee->eraseFromParent();
      continue;
    }
    uint64_t rest = left > counts[t] ? left - counts[t] : 0;
    SmallVector<uint32_t> weights = fitWeights({counts[t], rest});
    MDNode *node = weights[0] | weights[1] ? MDBuilder(f.getContext()).createBranchWeights(weights) : nullptr;
    promoteCallWithIfThenElse(*call, callee, node);
    left = rest;
    ++*promoted;
  }
  return nullptr;
}
