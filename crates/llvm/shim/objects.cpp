// Memory that only one function's own pointers reach: found by following all uses, told to LLVM as alias scopes.

#include "objects.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/CaptureTracking.h"
#include "llvm/Analysis/MemoryBuiltins.h"
#include "llvm/Analysis/TargetLibraryInfo.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/MDBuilder.h"

using namespace llvm;

namespace bareflow {

namespace {

using Values = SmallPtrSet<const Value *, 16>;

/// What a call gives back to the allocator: after that nobody reads it. Declarations of `free` need not say what it is.
const Value *frees(const CallBase &call, const TargetLibraryInfo &names) {
  LibFunc known;
  if (names.getLibFunc(call, known) && known == LibFunc_free)
    return call.getArgOperand(0);
  return getFreedOperand(&call, &names);
}

/// Everything computed from `object` that may point into it. False if a pointer to it may be known elsewhere.
bool follow(const Value &object, Values &derived, bool tolerant) {
  TargetLibraryInfoImpl library(Triple("x86_64-unknown-linux-gnu"));
  TargetLibraryInfo names(library);
  SmallVector<const Value *> work{&object};
  SmallVector<const ICmpInst *> compares;
  derived.insert(&object);
  while (!work.empty())
    for (const Use &use : work.pop_back_val()->uses()) {
      const auto *user = cast<Instruction>(use.getUser());
      if (auto *compare = dyn_cast<ICmpInst>(user)) {
        compares.push_back(compare);
        continue;
      }
      if (auto *call = dyn_cast<CallBase>(user); call && frees(*call, names) == use.get())
        continue;
      UseCaptureInfo kind = DetermineUseCaptureKind(use, &object);
      if (!tolerant && capturesAnything(kind.UseCC))
        return false;
      if (capturesAnything(kind.ResultCC) && derived.insert(user).second)
        work.push_back(user);
    }
  // How it compares with others tells where it lies.
  auto harmless = [&](const Value *operand) { return derived.contains(operand) || isa<ConstantPointerNull>(operand); };
  return tolerant || all_of(compares, [&](const ICmpInst *compare) {
           return harmless(compare->getOperand(0)) && harmless(compare->getOperand(1));
         });
}

} // namespace

bool is_private(const Value &object, function_ref<bool(const Value *)> is_kept) {
  Values derived;
  if (!follow(object, derived, false))
    return false;
  derived.erase(&object);
  return none_of(derived, is_kept);
}

std::optional<Table> table_behind(const Value &object, uint64_t bytes, Align align, const DataLayout &layout) {
  Values derived;
  if (!follow(object, derived, false))
    return std::nullopt;
  std::optional<Table> table;
  for (const Value *pointer : derived)
    for (const Use &use : pointer->uses()) {
      auto *user = cast<Instruction>(use.getUser());
      auto *transfer = dyn_cast<MemTransferInst>(user);
      if (transfer && &use == &transfer->getRawDestUse()) {
        auto *length = dyn_cast<ConstantInt>(transfer->getLength());
        auto *source = dyn_cast<Constant>(transfer->getRawSource());
        if (table || pointer != &object || transfer->isVolatile() || !source || !length || length->getValue() != bytes)
          return std::nullopt;
        APInt offset(layout.getIndexTypeSizeInBits(source->getType()), 0);
        auto *variable = dyn_cast<GlobalVariable>(source->stripAndAccumulateConstantOffsets(layout, offset, false));
        if (!variable || !variable->isConstant() || variable->isThreadLocal() || source->getPointerAlignment(layout) < align)
          return std::nullopt;
        uint64_t size = layout.getTypeAllocSize(variable->getValueType());
        if (offset.isNegative() || offset.ugt(size) || bytes > size - offset.getZExtValue())
          return std::nullopt;
        table = Table{source, transfer};
        continue;
      }
      auto *call = dyn_cast<CallBase>(user);
      bool only_reads = isa<LoadInst, ICmpInst>(user) || derived.contains(user) ||
                        (call && (call->isLifetimeStartOrEnd() ||
                                  (call->isDataOperand(&use) && call->onlyReadsMemory(call->getDataOperandNo(&use)))));
      // A call may hand the pointer on to its result and write through it, too.
      if (!only_reads || (call && derived.contains(call)))
        return std::nullopt;
    }
  return table;
}

void mark_as_apart(Function &function, ArrayRef<Value *> pointers) {
  // Every access names the scopes it keeps away from; more would cost more than they are worth.
  pointers = pointers.take_front(24);
  if (pointers.empty())
    return;
  MDBuilder metadata(function.getContext());
  MDNode *domain = metadata.createAnonymousAliasScopeDomain("osr");
  std::vector<Values> derived(pointers.size());
  SmallVector<Metadata *> scopes;
  for (size_t i = 0; i < pointers.size(); ++i) {
    follow(*pointers[i], derived[i], true);
    scopes.push_back(metadata.createAnonymousAliasScope(domain, pointers[i]->getName()));
  }
  LLVMContext &context = function.getContext();
  auto add = [&](Instruction &instruction, unsigned kind, ArrayRef<Metadata *> list) {
    if (!list.empty())
      instruction.setMetadata(kind, MDNode::concatenate(instruction.getMetadata(kind), MDNode::get(context, list)));
  };
  for (Instruction &instruction : instructions(function)) {
    auto *call = dyn_cast<CallBase>(&instruction);
    SmallVector<const Value *> through;
    if (const Value *pointer = getLoadStorePointerOperand(&instruction)) {
      through.push_back(pointer);
    } else if (call && call->mayReadOrWriteMemory() && !call->hasOperandBundles()) {
      through.append(call->arg_begin(), call->arg_end());
    } else {
      continue;
    }
    SmallVector<Metadata *> inside, outside;
    for (size_t i = 0; i < pointers.size(); ++i)
      if (none_of(through, [&](const Value *value) { return derived[i].contains(value); }))
        outside.push_back(scopes[i]);
    bool known = !call || call->onlyAccessesArgMemory();
    SmallPtrSet<Metadata *, 4> seen;
    for (const Value *value : through) {
      if (!value->getType()->isPtrOrPtrVectorTy())
        continue;
      SmallVector<const Value *> objects;
      getUnderlyingObjects(value, objects);
      for (const Value *object : objects) {
        auto found = find(pointers, object);
        known &= found != pointers.end();
        if (known && seen.insert(scopes[found - pointers.begin()]).second)
          inside.push_back(scopes[found - pointers.begin()]);
      }
    }
    add(instruction, LLVMContext::MD_noalias, outside);
    if (known)
      add(instruction, LLVMContext::MD_alias_scope, inside);
  }
}

} // namespace bareflow
