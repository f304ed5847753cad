// Gives thread-local variables the form that libgcc calls emulated: a control block for each, and a call for the address.

#include "shim.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/ReplaceConstant.h"
#include "llvm/Transforms/Utils/ModuleUtils.h"

using namespace llvm;

namespace {

/// `ptr __emutls_get_address(ptr control)`: in one thread the same address for the same block, each time.
Function *getter(Module &module) {
  LLVMContext &context = module.getContext();
  PointerType *pointer = PointerType::get(context, 0);
  FunctionType *type = FunctionType::get(pointer, {pointer}, false);
  return dyn_cast<Function>(module.getOrInsertFunction("__emutls_get_address", type).getCallee());
}

/// `struct __emutls_object`: size, alignment, what libgcc keeps in it, initial value.
GlobalVariable *control(Module &module, GlobalVariable &variable) {
  LLVMContext &context = module.getContext();
  const DataLayout &layout = module.getDataLayout();
  Type *word = layout.getIntPtrType(context);
  PointerType *pointer = PointerType::get(context, 0);
  Type *value = variable.getValueType();
  Constant *null = ConstantPointerNull::get(pointer);
  Constant *initial = null;
  if (!variable.getInitializer()->isNullValue() && !isa<UndefValue>(variable.getInitializer())) {
    auto *copy = new GlobalVariable(module, value, true, GlobalValue::InternalLinkage,
                                    variable.getInitializer(), "__emutls_t." + variable.getName());
    copy->setAlignment(variable.getAlign());
    initial = copy;
  }
  uint64_t align = layout.getValueOrABITypeAlignment(variable.getAlign(), value).value();
  Constant *fields[] = {ConstantInt::get(word, layout.getTypeAllocSize(value)),
                        ConstantInt::get(word, align), null, initial};
  Constant *block = ConstantStruct::getAnon(fields);
  return new GlobalVariable(module, block->getType(), false, GlobalValue::InternalLinkage, block,
                            "__emutls_v." + variable.getName());
}

class Lowering {
  Module &module;
  Function *get;

  Value *address(IRBuilder<> builder, GlobalVariable &variable, GlobalVariable *block) {
    LLVMContext &context = module.getContext();
    CallInst *call = builder.CreateCall(get, {block});
    // As `llvm.threadlocal.address` is: calls in one function may be joined and moved.
    call->setMemoryEffects(MemoryEffects::none());
    call->setDoesNotThrow();
    call->addFnAttr(Attribute::WillReturn);
    call->addRetAttr(Attribute::NonNull);
    call->addRetAttr(
        Attribute::getWithAlignment(context, variable.getAlign().valueOrOne()));
    return call;
  }

public:
  explicit Lowering(Module &module) : module(module), get(getter(module)) {}

  bool isPossible() const { return get != nullptr; }

  void lower(GlobalVariable &variable) {
    GlobalVariable *block = control(module, variable);
    removeFromUsedLists(module, [&](Constant *c) { return c->stripPointerCasts() == &variable; });
    Constant *constants[] = {&variable};
    convertUsersOfConstantsToInstructions(constants);
    while (!variable.use_empty()) {
      Use &use = *variable.use_begin();
      auto *user = dyn_cast<Instruction>(use.getUser());
      if (!user) { // a constant nobody uses any more, or one outside functions that cannot be right
        use.set(PoisonValue::get(variable.getType()));
        continue;
      }
      if (auto *call = dyn_cast<IntrinsicInst>(user);
          call && call->getIntrinsicID() == Intrinsic::threadlocal_address) {
        call->replaceAllUsesWith(address(IRBuilder<>(call), variable, block));
        call->eraseFromParent();
      } else if (auto *phi = dyn_cast<PHINode>(user)) {
        // A block that is there twice must bring the same value twice.
        BasicBlock *from = phi->getIncomingBlock(use);
        Value *at = address(IRBuilder<>(from->getTerminator()), variable, block);
        for (unsigned i = 0; i < phi->getNumIncomingValues(); ++i)
          if (phi->getIncomingBlock(i) == from && phi->getIncomingValue(i) == &variable)
            phi->setIncomingValue(i, at);
      } else {
        use.set(address(IRBuilder<>(user), variable, block));
      }
    }
    variable.eraseFromParent();
  }
};

} // namespace

extern "C" char *bareflow_emulate_tls(LLVMModuleRef raw) {
  Module &module = *unwrap(raw);
  SmallVector<GlobalAlias *> aliases;
  for (GlobalAlias &alias : module.aliases())
    if (isa<GlobalVariable>(alias.getAliasee()) && alias.getAliaseeObject()->isThreadLocal())
      aliases.push_back(&alias);
  for (GlobalAlias *alias : aliases) {
    alias->replaceAllUsesWith(alias->getAliasee());
    alias->eraseFromParent();
  }
  SmallVector<GlobalVariable *> variables;
  for (GlobalVariable &variable : module.globals())
    if (variable.isThreadLocal() && !variable.isDeclaration())
      variables.push_back(&variable);
  if (variables.empty())
    return nullptr;
  Lowering lowering(module);
  if (!lowering.isPossible())
    return bareflow::message("the program has something else by this name, and thread-local variables");
  for (GlobalVariable *variable : variables)
    lowering.lower(*variable);
  return nullptr;
}
