// Takes functions out of a program, with declarations of everything they refer to.
//
// Only what is reached is looked at: a program of thousands of functions and strings costs a small function no more than a
// small program does.

#include "shim.h"
#include "llvm/IR/Constants.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/ValueMapper.h"

using namespace llvm;

namespace {

/// Whether a variable's value may be read by optimisation.
bool is_known(const GlobalVariable &v) {
  return v.isConstant() && v.hasDefinitiveInitializer() && !v.isThreadLocal();
}

/// Makes the stand-ins of a program's functions and variables in a part of it, when they are met first.
class Part final : public ValueMaterializer {
public:
  Part(Module &program, Module &part) : program(program), part(part) {}

  Value *materialize(Value *value) override {
    auto *global = dyn_cast<GlobalValue>(value);
    if (!global || global->getParent() != &program)
      return nullptr;
    if (auto *f = dyn_cast<Function>(global))
      return declare(*f);
    if (auto *v = dyn_cast<GlobalVariable>(global))
      return declare(*v);
    // Aliases are names of something else: what, the linker knows.
    if (auto *type = dyn_cast<FunctionType>(global->getValueType()))
      return placed(*global, Function::Create(type, GlobalValue::ExternalLinkage,
                                              global->getAddressSpace(), global->getName(), &part));
    return placed(*global,
                  new GlobalVariable(part, global->getValueType(), false, GlobalValue::ExternalLinkage,
                                     nullptr, global->getName(), nullptr,
                                     global->getThreadLocalMode(), global->getAddressSpace()));
  }

  /// The body of a function that `map` has a declaration of.
  void define(Function &from, GlobalValue::LinkageTypes linkage) {
    auto *to = cast<Function>(MapValue(&from, map, RF_None, nullptr, this));
    auto argument = to->arg_begin();
    for (Argument &old : from.args()) {
      argument->setName(old.getName());
      map[&old] = &*argument++;
    }
    SmallVector<ReturnInst *, 8> returns;
    CloneFunctionInto(to, &from, map, CloneFunctionChangeType::DifferentModule, returns, "", nullptr,
                      nullptr, this);
    to->setComdat(nullptr);
    to->setVisibility(GlobalValue::DefaultVisibility);
    to->setLinkage(linkage);
    to->setDSOLocal(false);
    if (linkage != GlobalValue::ExternalLinkage)
      to->addFnAttr(Attribute::NonLazyBind);
  }

  /// Values of the constant variables that were met, and of those that these refer to.
  void fill() {
    while (!unfilled.empty()) {
      auto [from, to] = unfilled.pop_back_val();
      to->setInitializer(cast<Constant>(MapValue(from->getInitializer(), map, RF_None, nullptr, this)));
      to->setLinkage(GlobalValue::AvailableExternallyLinkage);
    }
  }

  ValueToValueMapTy map;

private:
  Module &program;
  Module &part;
  SmallVector<std::pair<const GlobalVariable *, GlobalVariable *>, 16> unfilled;

  /// What may be missing is compared with null. Variables lie near; functions are called through their slots.
  GlobalValue *placed(const GlobalValue &from, GlobalValue *to) {
    to->setVisibility(GlobalValue::DefaultVisibility);
    to->setLinkage(from.hasExternalWeakLinkage() ? GlobalValue::ExternalWeakLinkage
                                                 : GlobalValue::ExternalLinkage);
    to->setDSOLocal(isa<GlobalVariable>(to) && !from.isDeclaration());
    return to;
  }

  Value *declare(Function &from) {
    Function *to = Function::Create(from.getFunctionType(), GlobalValue::ExternalLinkage,
                                    from.getAddressSpace(), from.getName(), &part);
    to->copyAttributesFrom(&from);
    // Copied as they are, they would be the program's own; a body gets them anew.
    to->setPersonalityFn(nullptr);
    to->setPrefixData(nullptr);
    to->setPrologueData(nullptr);
    if (from.isIntrinsic())
      return to;
    to->addFnAttr(Attribute::NonLazyBind);
    return placed(from, to);
  }

  Value *declare(GlobalVariable &from) {
    auto *to = new GlobalVariable(part, from.getValueType(), from.isConstant(),
                                  GlobalValue::ExternalLinkage, nullptr, from.getName(), nullptr,
                                  from.getThreadLocalMode(), from.getAddressSpace());
    to->copyAttributesFrom(&from);
    placed(from, to);
    if (is_known(from))
      unfilled.push_back({&from, to});
    return to;
  }
};

/// Calls `body` with each function of `program` that is named.
template <typename Body>
void each(Module &program, const char *const *names, const size_t *lengths, size_t count, Body body) {
  // The names come in no order, and a part must be the same each time.
  SmallVector<Function *, 16> functions;
  for (size_t i = 0; i < count; ++i)
    if (Function *f = program.getFunction(StringRef(names[i], lengths[i])))
      functions.push_back(f);
  llvm::sort(functions, [](Function *a, Function *b) { return a->getName() < b->getName(); });
  for (Function *f : functions)
    body(*f);
}

} // namespace

/// A part of `from` in which only the functions of `define` are defined. Those of `copies`, and constant variables, keep
/// their body as `available_externally`; all else is a declaration, and there only if it is referred to or named in
/// `declare`. See `Module::extract`.
extern "C" LLVMModuleRef bareflow_extract(LLVMModuleRef from, const char *const *define,
                                          const size_t *define_lengths, size_t defines,
                                          const char *const *copies, const size_t *copy_lengths,
                                          size_t copy_count, const char *const *declare,
                                          const size_t *declare_lengths, size_t declares) {
  Module &program = *unwrap(from);
  auto made = std::make_unique<Module>(program.getModuleIdentifier(), program.getContext());
  made->setSourceFileName(program.getSourceFileName());
  made->setDataLayout(program.getDataLayout());
  made->setTargetTriple(program.getTargetTriple());
  made->setModuleInlineAsm(program.getModuleInlineAsm());
  Part part(program, *made);
  SmallPtrSet<Function *, 16> done;
  auto take = [&](GlobalValue::LinkageTypes linkage) {
    return [&part, &done, linkage](Function &f) {
      if (!f.isDeclaration() && done.insert(&f).second)
        part.define(f, linkage);
    };
  };
  each(program, define, define_lengths, defines, take(GlobalValue::ExternalLinkage));
  each(program, copies, copy_lengths, copy_count, take(GlobalValue::AvailableExternallyLinkage));
  each(program, declare, declare_lengths, declares,
       [&](Function &f) { MapValue(&f, part.map, RF_None, nullptr, &part); });
  if (NamedMDNode *flags = program.getModuleFlagsMetadata()) {
    NamedMDNode *to = made->getOrInsertModuleFlagsMetadata();
    for (MDNode *flag : flags->operands())
      to->addOperand(MapMetadata(flag, part.map, RF_None, nullptr, &part));
  }
  part.fill();
  return wrap(made.release());
}
