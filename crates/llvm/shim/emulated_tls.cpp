// Gives thread-local variables the form that libgcc calls emulated: a control block for each, and a call for the address.
// Variables of libraries are asked for by name.

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

/// `ptr NAME(ptr key)`: in one thread the same address for the same key, each time.
Function *getter(Module &module, StringRef name) {
  PointerType *pointer = PointerType::get(module.getContext(), 0);
  FunctionType *type = FunctionType::get(pointer, {pointer}, false);
  return dyn_cast<Function>(module.getOrInsertFunction(name, type).getCallee());
}

/// The name of a variable, as a C string.
GlobalVariable *name_of(Module &module, GlobalVariable &variable) {
  Constant *text = ConstantDataArray::getString(module.getContext(), variable.getName());
  return new GlobalVariable(module, text->getType(), true, GlobalValue::InternalLinkage, text,
                            "bareflow.thread_local." + variable.getName());
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

  Value *address(IRBuilder<> builder, GlobalVariable &variable, GlobalVariable *key) {
    LLVMContext &context = module.getContext();
    CallInst *call = builder.CreateCall(get, {key});
    // As `llvm.threadlocal.address` is: calls in one function may be joined and moved.
    call->setMemoryEffects(MemoryEffects::none());
    call->setDoesNotThrow();
    call->addFnAttr(Attribute::WillReturn);
    if (!variable.hasExternalWeakLinkage())
      call->addRetAttr(Attribute::NonNull);
    call->addRetAttr(Attribute::getWithAlignment(context, variable.getAlign().valueOrOne()));
    return call;
  }

public:
  Lowering(Module &module, Function *get) : module(module), get(get) {}

  /// False if the address is used outside functions, where no thread is.
  bool lower(GlobalVariable &variable, GlobalVariable *key) {
    removeFromUsedLists(module, [&](Constant *c) { return c->stripPointerCasts() == &variable; });
    Constant *constants[] = {&variable};
    convertUsersOfConstantsToInstructions(constants);
    variable.removeDeadConstantUsers();
    while (!variable.use_empty()) {
      Use &use = *variable.use_begin();
      auto *user = dyn_cast<Instruction>(use.getUser());
      if (!user)
        return false;
      if (auto *call = dyn_cast<IntrinsicInst>(user);
          call && call->getIntrinsicID() == Intrinsic::threadlocal_address) {
        call->replaceAllUsesWith(address(IRBuilder<>(call), variable, key));
        call->eraseFromParent();
      } else if (auto *phi = dyn_cast<PHINode>(user)) {
        // A block that is there twice must bring the same value twice.
        BasicBlock *from = phi->getIncomingBlock(use);
        Value *at = address(IRBuilder<>(from->getTerminator()), variable, key);
        for (unsigned i = 0; i < phi->getNumIncomingValues(); ++i)
          if (phi->getIncomingBlock(i) == from && phi->getIncomingValue(i) == &variable)
            phi->setIncomingValue(i, at);
      } else {
        use.set(address(IRBuilder<>(user), variable, key));
      }
    }
    variable.eraseFromParent();
    return true;
  }
};

} // namespace

/// `by_name` is a name no program has.
extern "C" char *bareflow_emulate_tls(LLVMModuleRef raw, const char *by_name) {
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
    if (variable.isThreadLocal())
      variables.push_back(&variable);
  for (GlobalVariable *variable : variables) {
    bool is_ours = !variable->isDeclaration();
    Function *get = getter(module, is_ours ? "__emutls_get_address" : by_name);
    if (!get)
      return bareflow::message("the program has something else by this name, and thread-local variables");
    std::string name = variable->getName().str();
    GlobalVariable *key = is_ours ? control(module, *variable) : name_of(module, *variable);
    if (!Lowering(module, get).lower(*variable, key))
      return bareflow::message("another variable is to hold the address of " + name + ", which each thread has its own of");
  }
  return nullptr;
}
