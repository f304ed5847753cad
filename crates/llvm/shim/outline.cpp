// Bodies of functions read when they are asked for.

#include "shim.h"
#include "llvm/Support/Error.h"

using namespace llvm;

/// Reads the body of a function that was left out. Null, or what is wrong with it.
extern "C" char *bareflow_read_body(LLVMValueRef raw) {
  if (Error error = unwrap<Function>(raw)->materialize())
    return bareflow::message(toString(std::move(error)));
  return nullptr;
}

/// Makes a function a declaration; it stays the same object.
extern "C" void bareflow_forget_body(LLVMValueRef raw) { unwrap<Function>(raw)->deleteBody(); }

/// Makes an alias of a function a declaration, if there is one of that name: the name stands for whatever defines it elsewhere.
extern "C" void bareflow_forget_alias(LLVMModuleRef raw, const char *name, size_t length) {
  Module &module = *unwrap(raw);
  GlobalAlias *alias = module.getNamedAlias(StringRef(name, length));
  if (!alias)
    return;
  auto *type = dyn_cast<FunctionType>(alias->getValueType());
  if (!type)
    return;
  Function *function = Function::Create(type, GlobalValue::ExternalLinkage, "", &module);
  function->takeName(alias);
  alias->replaceAllUsesWith(function);
  alias->eraseFromParent();
}
