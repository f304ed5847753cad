// Variants of a function for arguments it is often called with, behind a guard.

#include "shim.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/IR/ProfDataUtils.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include <algorithm>
#include <numeric>

using namespace llvm;

/// What is known of one parameter in one variant; `src/transform/specialise.rs` has the same layout.
struct BareflowKnown {
  uint32_t variant;
  uint32_t param;
  uint32_t kind;
  uint32_t unused;
  uint64_t value;
  const char *name;
  size_t length;
};

namespace {

enum Kind : uint32_t { Int = 0, Address = 1, Aligned = 2 };

/// More than a page says nothing about data.
constexpr uint64_t MaxAlign = 4096;

bool passed_by_value(const Argument &arg) {
  return arg.hasPassPointeeByValueCopyAttr() || arg.hasAttribute(Attribute::SwiftError);
}

/// Why the function cannot have variants; empty if it can.
std::string obstacle(Function &f) {
  if (f.isVarArg())
    return "it takes a variable number of arguments";
  if (f.hasFnAttribute(Attribute::Naked) || f.isPresplitCoroutine())
    return "its body cannot be copied";
  for (Instruction &i : instructions(f))
    // What must not need stack has no room for a dispatcher: LLVM's passes do not agree on such calls in its place.
    if (auto *call = dyn_cast<CallInst>(&i); call && call->isMustTailCall())
      return "it makes calls that must be in tail position";
  for (BasicBlock &block : f)
    // A table of labels in a variable would go on pointing into the old body.
    if (block.hasAddressTaken())
      return "the address of one of its blocks is taken";
  return "";
}

/// Why the parameter cannot be known like this; empty if it can.
std::string obstacle(Function &f, const BareflowKnown &known) {
  std::string parameter = "parameter " + std::to_string(known.param);
  if (known.param >= f.arg_size())
    return "there is no " + parameter;
  const Argument &arg = *f.getArg(known.param);
  Type *type = arg.getType();
  if (passed_by_value(arg))
    return parameter + " is passed by value in memory";
  bool number = type->isIntegerTy() && type->getIntegerBitWidth() <= 64 && known.kind == Int;
  bool pointer = type->isPointerTy() && type->getPointerAddressSpace() == 0;
  if (!number && !pointer)
    return parameter + " is of another type";
  if (number && !isUIntN(type->getIntegerBitWidth(), known.value))
    return std::to_string(known.value) + " is no value of " + parameter;
  if (known.kind == Aligned && (!isPowerOf2_64(known.value) || known.value > MaxAlign))
    return std::to_string(known.value) + " is no alignment of " + parameter;
  if (known.kind == Address) {
    StringRef name(known.name, known.length);
    GlobalValue *value = f.getParent()->getNamedValue(name);
    if (name.empty() || name.starts_with("llvm.") || (value && !isa<Function>(value)))
      return "\"" + name.str() + "\" is no function";
  }
  return "";
}

/// Why `name` cannot be a counter of that type; empty if it can.
std::string obstacle(Module &module, StringRef name, Type *type) {
  GlobalValue *value = module.getNamedValue(name);
  if (name.empty() || (value && value->getValueType() != type))
    return "\"" + name.str() + "\" is no counter of the right size";
  return "";
}

/// The counter `name`, which has no obstacle.
Constant *counter(Module &module, StringRef name, Type *type) {
  if (GlobalValue *known = module.getNamedValue(name))
    return known;
  auto *value = new GlobalVariable(module, type, false, GlobalValue::ExternalLinkage, nullptr, name);
  value->setDSOLocal(true);
  return value;
}

/// The function `name`, declared with the type by which `arg` is called where the module does not have it.
Function *function_of(Argument &arg, StringRef name) {
  Module &module = *arg.getParent()->getParent();
  if (Function *known = module.getFunction(name))
    return known;
  FunctionType *type = FunctionType::get(Type::getVoidTy(module.getContext()), false);
  CallingConv::ID convention = CallingConv::C;
  for (User *user : arg.users())
    if (auto *call = dyn_cast<CallBase>(user); call && call->getCalledOperand() == &arg) {
      type = call->getFunctionType();
      convention = call->getCallingConv();
    }
  Function *f = Function::Create(type, GlobalValue::ExternalLinkage, name, module);
  f->setCallingConv(convention);
  f->addFnAttr(Attribute::NonLazyBind);
  return f;
}

void raise_align(Argument &arg, uint64_t align) {
  Align least = std::max(arg.getParamAlign().valueOrOne(), Align(align));
  arg.removeAttr(Attribute::Alignment);
  arg.addAttr(Attribute::getWithAlignment(arg.getContext(), least));
}

/// Tells the variant what it knows.
void fix(Argument &arg, const BareflowKnown &known) {
  Type *type = arg.getType();
  if (known.kind == Aligned) {
    raise_align(arg, known.value);
    // Inlining forgets what is said of parameters.
    Function &f = *arg.getParent();
    BasicBlock &entry = f.getEntryBlock();
    IRBuilder<> builder(&entry, entry.getFirstNonPHIOrDbgOrAlloca());
    builder.SetCurrentDebugLocation(DebugLoc());
    builder.CreateAlignmentAssumption(f.getDataLayout(), &arg, known.value);
    return;
  }
  if (type->isIntegerTy())
    return arg.replaceAllUsesWith(ConstantInt::get(type, known.value));
  if (known.kind == Address)
    return arg.replaceAllUsesWith(function_of(arg, StringRef(known.name, known.length)));
  if (known.value == 0)
    return arg.replaceAllUsesWith(ConstantPointerNull::get(cast<PointerType>(type)));
  // An address as a number stands for no object: LLVM would conclude that it is not that of the caller's variable it
  // was equal to. Only facts that hold of the number are used.
  arg.addAttr(Attribute::NonNull);
  raise_align(arg, std::min(MaxAlign, known.value & -known.value));
}

/// A copy of the body that only this module can call. Debug information gets a subprogram of its own.
Function *copy_of(Function &f, const Twine &suffix) {
  ValueToValueMapTy map;
  Function *copy = CloneFunction(&f, map);
  copy->setName(f.getName() + suffix);
  copy->setComdat(nullptr);
  copy->setVisibility(GlobalValue::DefaultVisibility);
  copy->setLinkage(GlobalValue::InternalLinkage);
  copy->setDSOLocal(true);
  for (Attribute::AttrKind kind : {Attribute::AlwaysInline, Attribute::NoInline, Attribute::OptimizeNone})
    copy->removeFnAttr(kind);
  return copy;
}

/// Writes the function that chooses.
class Dispatcher {
public:
  /// Takes the body from `f`.
  explicit Dispatcher(Function &f) : f(f), builder(f.getContext()) {
    GlobalValue::LinkageTypes linkage = f.getLinkage();
    DISubprogram *program = f.getSubprogram();
    std::optional<Function::ProfileCount> calls = f.getEntryCount();
    f.deleteBody();
    f.setLinkage(linkage);
    f.setSubprogram(program);
    if (calls)
      f.setEntryCount(*calls);
    // It counts and compares.
    for (Attribute::AttrKind kind : {Attribute::Memory, Attribute::Speculatable, Attribute::OptimizeNone,
                                     Attribute::NoInline, Attribute::AlwaysInline})
      f.removeFnAttr(kind);
    open("");
    if (program)
      builder.SetCurrentDebugLocation(
          DILocation::get(f.getContext(), program->getScopeLine(), 0, program));
  }

  /// If all of `known` holds, adds 1 to `counter` and goes on as `variant`; `weights` are those of yes and no.
  void offer(ArrayRef<const BareflowKnown *> known, Function *variant, Value *counter, ArrayRef<uint64_t> weights) {
    Value *all = nullptr;
    for (const BareflowKnown *k : known) {
      Value *one = holds(*k);
      all = all ? builder.CreateAnd(all, one) : one;
    }
    BasicBlock *from = builder.GetInsertBlock();
    BasicBlock *hit = open("hit");
    leave_to(variant, counter);
    BasicBlock *miss = open("miss");
    SmallVector<uint32_t> fitted = fitWeights(weights);
    for (unsigned i = 0; i < fitted.size(); ++i)
      fitted[i] = weights[i] ? std::max<uint32_t>(fitted[i], 1) : 0;
    MDNode *prof = fitted[0] | fitted[1] ? MDBuilder(f.getContext()).createBranchWeights(fitted) : nullptr;
    builder.SetInsertPoint(from);
    builder.CreateCondBr(all, hit, miss, prof);
    builder.SetInsertPoint(miss);
  }

  /// Adds 1 to `counter` and ends as `target` would.
  void leave_to(Function *target, Value *counter) {
    if (counter) {
      Type *word = builder.getInt64Ty();
      Value *more = builder.CreateAdd(builder.CreateAlignedLoad(word, counter, Align(8)), builder.getInt64(1));
      builder.CreateAlignedStore(more, counter, Align(8));
    }
    SmallVector<Value *> args;
    for (Argument &arg : f.args())
      args.push_back(&arg);
    CallInst *call = builder.CreateCall(target, args);
    call->setCallingConv(f.getCallingConv());
    AttributeList of = f.getAttributes();
    SmallVector<AttributeSet> params;
    for (unsigned p = 0; p < f.arg_size(); ++p)
      params.push_back(of.getParamAttrs(p));
    call->setAttributes(AttributeList::get(f.getContext(), AttributeSet(), of.getRetAttrs(), params));
    if (f.hasFnAttribute(Attribute::StrictFP))
      call->addFnAttr(Attribute::StrictFP);
    // No frame of the dispatcher stays, so that recursion needs no more stack, unless arguments are in memory.
    call->setTailCall();
    if (call->getType()->isVoidTy())
      builder.CreateRetVoid();
    else
      builder.CreateRet(call);
  }

private:
  Function &f;
  IRBuilder<> builder;
  DenseMap<Argument *, Value *> frozen;

  BasicBlock *open(const Twine &name) {
    BasicBlock *block = BasicBlock::Create(f.getContext(), name, &f);
    builder.SetInsertPoint(block);
    return block;
  }

  /// The argument as something that may decide a branch: callers may pass poison where it does not matter.
  Value *solid(Argument *arg) {
    if (arg->hasAttribute(Attribute::NoUndef))
      return arg;
    Value *&value = frozen[arg];
    if (!value) {
      IRBuilder<>::InsertPointGuard guard(builder);
      BasicBlock &entry = f.getEntryBlock();
      builder.SetInsertPoint(&entry, entry.getFirstInsertionPt());
      value = builder.CreateFreeze(arg);
    }
    return value;
  }

  Value *holds(const BareflowKnown &k) {
    Argument *arg = f.getArg(k.param);
    Value *value = solid(arg);
    if (arg->getType()->isIntegerTy())
      return builder.CreateICmpEQ(value, ConstantInt::get(arg->getType(), k.value));
    if (k.kind == Address)
      return builder.CreateICmpEQ(value, function_of(*arg, StringRef(k.name, k.length)));
    Type *word = builder.getInt64Ty();
    Value *bits = builder.CreatePtrToInt(value, word);
    if (k.kind == Aligned)
      return builder.CreateICmpEQ(builder.CreateAnd(bits, k.value - 1), builder.getInt64(0));
    return builder.CreateICmpEQ(bits, builder.getInt64(k.value));
  }
};

} // namespace

/// See `Module::specialise`. Checks everything before it changes anything.
extern "C" char *bareflow_specialise(LLVMValueRef function, const BareflowKnown *known, size_t known_count,
                                     const uint64_t *counts, size_t variants, uint64_t total, const char *misses,
                                     size_t misses_length, const char *hits, size_t hits_length) {
  Function &f = *unwrap<Function>(function);
  Module &module = *f.getParent();
  std::string reason = obstacle(f);
  std::vector<SmallVector<const BareflowKnown *>> of(variants);
  for (size_t k = 0; k < known_count && reason.empty(); ++k) {
    reason = obstacle(f, known[k]);
    of[known[k].variant].push_back(&known[k]);
  }
  if (reason.empty() && (of.empty() || any_of(of, [](auto &v) { return v.empty(); })))
    reason = "a variant knows nothing";
  Type *word = Type::getInt64Ty(f.getContext());
  ArrayType *array = ArrayType::get(word, variants);
  StringRef missed(misses, misses_length), served(hits, hits_length);
  if (reason.empty())
    reason = obstacle(module, missed, word);
  if (reason.empty() && !served.empty())
    reason = obstacle(module, served, array);
  if (!reason.empty())
    return bareflow::message(reason);
  Constant *hit = served.empty() ? nullptr : counter(module, served, array);

  bool counted = f.getEntryCount().has_value();
  std::vector<Function *> copies;
  for (size_t v = 0; v < variants; ++v) {
    Function *copy = copy_of(f, ".spec." + Twine(v));
    for (const BareflowKnown *k : of[v])
      fix(*copy->getArg(k->param), *k);
    if (counted)
      copy->setEntryCount(counts[v]);
    // One variant only: its body becomes part of the function, no call is paid.
    if (variants == 1)
      copy->addFnAttr(Attribute::AlwaysInline);
    copies.push_back(copy);
  }
  Function *generic = copy_of(f, ".generic");
  generic->addFnAttr(Attribute::NoInline);

  std::vector<size_t> order(variants);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return counts[a] > counts[b]; });
  uint64_t left = total;
  Dispatcher dispatcher(f);
  for (size_t v : order) {
    uint64_t rest = left > counts[v] ? left - counts[v] : 0;
    Constant *element = hit ? ConstantExpr::getInBoundsGetElementPtr(
                                  array, hit, ArrayRef<Constant *>{ConstantInt::get(word, 0), ConstantInt::get(word, v)})
                            : nullptr;
    dispatcher.offer(of[v], copies[v], element, {counts[v], rest});
    left = rest;
  }
  if (counted)
    generic->setEntryCount(left);
  dispatcher.leave_to(generic, counter(module, missed, word));
  return nullptr;
}

/// See `Module::set_param_align`.
extern "C" char *bareflow_set_param_align(LLVMValueRef function, uint32_t param, uint64_t align) {
  Function &f = *unwrap<Function>(function);
  BareflowKnown known = {0, param, Aligned, 0, align, nullptr, 0};
  std::string reason = obstacle(f, known);
  if (!reason.empty())
    return bareflow::message(reason);
  raise_align(*f.getArg(param), align);
  return nullptr;
}
