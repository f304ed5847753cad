// Lets hooks be told an address that the linker fills in, instead of a number.

#include "shim.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/GlobalVariable.h"
#include "llvm/IR/InstrTypes.h"

using namespace llvm;

/// See `Module::name_hook_ids`.
extern "C" void bareflow_name_hook_ids(LLVMModuleRef raw, const char *hook_name, size_t hook_length, const char *prefix,
                                       size_t prefix_length, const char *suffix, size_t suffix_length) {
  Module &module = *unwrap(raw);
  Function *hook = module.getFunction(StringRef(hook_name, hook_length));
  if (!hook)
    return;
  for (User *user : SmallVector<User *>(hook->users())) {
    auto *call = dyn_cast<CallBase>(user);
    if (!call || call->getCalledOperand() != hook || call->arg_size() == 0)
      continue;
    auto *number = dyn_cast<ConstantInt>(call->getArgOperand(0));
    if (!number)
      continue;
    std::string name = std::string(prefix, prefix_length) + std::to_string(number->getZExtValue()) +
                       std::string(suffix, suffix_length);
    GlobalVariable *place = module.getNamedGlobal(name);
    if (!place)
      // Far away, like everything of the host: not `dso_local`.
      place = new GlobalVariable(module, Type::getInt8Ty(module.getContext()), false, GlobalValue::ExternalLinkage,
                                 nullptr, name);
    call->setArgOperand(0, ConstantExpr::getPtrToInt(place, number->getType()));
  }
}
