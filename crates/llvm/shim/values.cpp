// Makes unoptimised code tell what it is called with and what it calls.

#include "shim.h"
#include "sites.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"

using namespace llvm;

namespace {

/// The hook `name`, declared if it is not there; null if the name is taken by something else.
Function *hook_of(Module &module, StringRef name, FunctionType *type) {
  if (GlobalValue *known = module.getNamedValue(name)) {
    auto *f = dyn_cast<Function>(known);
    return f && f->getFunctionType() == type ? f : nullptr;
  }
  Function *f = Function::Create(type, GlobalValue::ExternalLinkage, name, module);
  // Hooks are far away, like all functions of the host.
  f->addFnAttr(Attribute::NonLazyBind);
  f->addFnAttr(Attribute::NoUnwind);
  return f;
}

bool is_word(const Argument &arg) {
  Type *type = arg.getType();
  return type->isPointerTy() || (type->isIntegerTy() && type->getIntegerBitWidth() <= 64);
}

} // namespace

/// See `Module::hook_values`.
extern "C" char *bareflow_hook_values(LLVMValueRef function, uint64_t id, const char *args_name, size_t args_length,
                                      const char *call_name, size_t call_length) {
  Function &f = *unwrap<Function>(function);
  if (f.hasFnAttribute(Attribute::Naked))
    return bareflow::message("a naked function has no room for calls");
  LLVMContext &context = f.getContext();
  Type *none = Type::getVoidTy(context), *word = Type::getInt64Ty(context), *pointer = PointerType::get(context, 0);
  Module &module = *f.getParent();
  Function *args_hook =
      hook_of(module, {args_name, args_length}, FunctionType::get(none, {word, pointer, word}, false));
  Function *call_hook =
      hook_of(module, {call_name, call_length}, FunctionType::get(none, {word, word, pointer}, false));
  if (!args_hook || !call_hook)
    return bareflow::message("the name of a hook stands for something else");

  SmallVector<Instruction *> sites;
  for (Instruction &i : instructions(f))
    if (bareflow::is_site(i))
      sites.push_back(&i);
  for (size_t s = 0; s < sites.size(); ++s) {
    IRBuilder<> at(sites[s]);
    at.CreateCall(call_hook, {at.getInt64(id), at.getInt64(s), cast<CallBase>(sites[s])->getCalledOperand()});
  }

  SmallVector<Argument *> words;
  for (Argument &arg : f.args())
    if (is_word(arg))
      words.push_back(&arg);
  if (words.empty())
    return nullptr;
  BasicBlock &entry = f.getEntryBlock();
  ArrayType *type = ArrayType::get(word, words.size());
  AllocaInst *array = IRBuilder<>(&entry, entry.begin()).CreateAlloca(type);
  array->setAlignment(Align(8));
  IRBuilder<> at(&entry, entry.getFirstNonPHIOrDbgOrAlloca());
  // Calls of what has debug information must have a place themselves; hooks have none.
  at.SetCurrentDebugLocation(DebugLoc());
  for (size_t w = 0; w < words.size(); ++w) {
    Value *value = words[w];
    value = value->getType()->isPointerTy() ? at.CreatePtrToInt(value, word) : at.CreateZExt(value, word);
    at.CreateAlignedStore(value, at.CreateConstInBoundsGEP2_64(type, array, 0, w), Align(8));
  }
  at.CreateCall(args_hook, {at.getInt64(id), array, at.getInt64(words.size())});
  return nullptr;
}
