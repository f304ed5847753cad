// Takes functions out of a program, with declarations of everything else.

#include "shim.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/ADT/StringSet.h"

using namespace llvm;

namespace {

/// A set of names, given as an array of pointers and lengths.
StringSet<> set(const char *const *names, const size_t *lengths, size_t count) {
  StringSet<> all;
  for (size_t i = 0; i < count; ++i)
    all.insert(StringRef(names[i], lengths[i]));
  return all;
}

} // namespace

/// A copy of `from` in which only the functions of `define` are defined. Those of `copies`, and constant variables, keep
/// their body as `available_externally`; all else is a declaration. See `Module::extract`.
extern "C" LLVMModuleRef bareflow_extract(LLVMModuleRef from, const char *const *define,
                                          const size_t *define_lengths, size_t defines,
                                          const char *const *copies, const size_t *copy_lengths,
                                          size_t copy_count) {
  Module &program = *unwrap(from);
  StringSet<> defined = set(define, define_lengths, defines);
  StringSet<> copied = set(copies, copy_lengths, copy_count);
  ValueToValueMapTy map;
  std::unique_ptr<Module> part = CloneModule(program, map, [&](const GlobalValue *value) {
    if (auto *f = dyn_cast<Function>(value))
      return defined.contains(f->getName()) || copied.contains(f->getName());
    if (auto *v = dyn_cast<GlobalVariable>(value))
      return v->isConstant() && v->hasDefinitiveInitializer() && !v->isThreadLocal();
    return false;
  });
  // Lists of constructors and used symbols belong to the program, not to its parts.
  for (GlobalVariable &v : make_early_inc_range(part->globals()))
    if (v.getName().starts_with("llvm.") && v.use_empty())
      v.eraseFromParent();
  for (GlobalValue &value : part->global_values()) {
    value.setVisibility(GlobalValue::DefaultVisibility);
    if (auto *object = dyn_cast<GlobalObject>(&value))
      object->setComdat(nullptr);
    auto *f = dyn_cast<Function>(&value);
    if (f && f->isIntrinsic())
      continue;
    bool is_definition = f && defined.contains(f->getName());
    const GlobalValue *original = program.getNamedValue(value.getName());
    // What may be missing is compared with null: cloning forgets it.
    bool may_miss = original && original->hasExternalWeakLinkage();
    if (value.isDeclaration() || is_definition)
      value.setLinkage(may_miss ? GlobalValue::ExternalWeakLinkage : GlobalValue::ExternalLinkage);
    else
      value.setLinkage(GlobalValue::AvailableExternallyLinkage);
    // Variables lie near; functions are called through their slots.
    value.setDSOLocal(isa<GlobalVariable>(value) && original && !original->isDeclaration());
    if (f && !is_definition)
      f->addFnAttr(Attribute::NonLazyBind);
  }
  return wrap(part.release());
}
