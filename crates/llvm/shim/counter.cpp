// Counts a function's calls, and calls out when enough have come.

#include "hooks.h"
#include "slots.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;
using namespace bareflow;

/// Adds the counter. See `Module::add_entry_counter`.
extern "C" char *bareflow_add_entry_counter(LLVMValueRef raw, const char *cell_name, size_t cell_length,
                                            const char *hook_name, size_t hook_length, uint64_t id) {
  Function &function = *unwrap<Function>(raw);
  Module &module = *function.getParent();
  LLVMContext &context = module.getContext();
  StringRef cell_symbol(cell_name, cell_length), hook_symbol(hook_name, hook_length);
  if (function.hasFnAttribute(Attribute::Naked))
    return message("it is naked");
  Type *i64 = Type::getInt64Ty(context);
  auto *hook_type = FunctionType::get(Type::getVoidTy(context), {i64}, false);
  GlobalValue *cell = module.getNamedValue(cell_symbol);
  if (cell && !isa<GlobalVariable>(cell))
    return message("the symbol " + cell_symbol.str() + " is no variable");
  if (GlobalValue *other = module.getNamedValue(hook_symbol); other && other->getValueType() != hook_type)
    return message("the symbol " + hook_symbol.str() + " is something else already");
  if (!cell) {
    auto *variable = new GlobalVariable(module, i64, false, GlobalValue::ExternalLinkage, nullptr, cell_symbol);
    variable->setAlignment(Align(8));
    variable->setDSOLocal(true);
    cell = variable;
  }
  FunctionCallee hook = module.getOrInsertFunction(hook_symbol, hook_type);
  if (auto *f = dyn_cast<Function>(hook.getCallee()); f && f->isDeclaration())
    make_rare_hook(*f);
  // Stack variables must stay in the entry block.
  BasicBlock &entry = function.getEntryBlock();
  auto after = entry.begin();
  for (auto i = entry.begin(); !i->isTerminator(); ++i)
    if (auto *variable = dyn_cast<AllocaInst>(&*i); variable && variable->isStaticAlloca())
      after = std::next(i);
  IRBuilder<> at(&entry, after);
  if (DISubprogram *program = function.getSubprogram())
    at.SetCurrentDebugLocation(DILocation::get(context, 0, 0, program));
  Value *left = at.CreateSub(at.CreateAlignedLoad(i64, cell, Align(8)), at.getInt64(1));
  at.CreateAlignedStore(left, cell, Align(8));
  Value *is_zero = at.CreateICmpEQ(left, at.getInt64(0));
  Instruction *call_here = SplitBlockAndInsertIfThen(is_zero, at.GetInsertPoint(), false,
                                                     MDBuilder(context).createBranchWeights(1, 2000));
  at.SetInsertPoint(call_here);
  call_rare_hook(at, hook, id);
  return nullptr;
}
