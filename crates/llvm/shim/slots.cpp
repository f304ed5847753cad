// Values in slots: loads, stores, numbers of values.

#include "slots.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace bareflow {

bool has_slots(Type *type) {
  if (auto *vector = dyn_cast<FixedVectorType>(type)) {
    Type *element = vector->getElementType();
    if (auto *number = dyn_cast<IntegerType>(element)) {
      unsigned bits = number->getBitWidth();
      return bits == 1 || (bits >= 8 && bits <= 128 && isPowerOf2_32(bits));
    }
    return element->isFloatingPointTy() || element->isPointerTy();
  }
  return type->isSized() && !type->isScalableTy() && !type->isTokenTy() && !type->isX86_AMXTy() &&
         !type->isTargetExtTy();
}

namespace {

/// The type in which a value is read and written, if it is wider than the value's.
Type *wide_type(Type *type) {
  LLVMContext &context = type->getContext();
  if (auto *number = dyn_cast<IntegerType>(type)) {
    unsigned bits = number->getBitWidth();
    if (bits < 64)
      return Type::getInt64Ty(context);
    if (bits > 64 && bits < 128)
      return Type::getInt128Ty(context);
  }
  if (auto *vector = dyn_cast<FixedVectorType>(type))
    if (vector->getElementType()->isIntegerTy(1))
      return FixedVectorType::get(Type::getInt8Ty(context), vector->getNumElements());
  return nullptr;
}

Value *address(IRBuilderBase &at, Value *base, uint64_t offset) {
  return offset ? at.CreateConstInBoundsGEP1_64(at.getInt8Ty(), base, offset) : base;
}

} // namespace

uint64_t slot_bytes(Type *type, const DataLayout &layout) {
  if (type->isVoidTy())
    return 0;
  Type *wide = wide_type(type);
  // A vector of three floats fills two words, though its allocation size is four floats.
  TypeSize bytes = type->isVectorTy() ? layout.getTypeStoreSize(wide ? wide : type)
                                      : layout.getTypeAllocSize(wide ? wide : type);
  return alignTo(bytes.getFixedValue(), 8);
}

Value *load_slot(IRBuilderBase &at, Type *type, Value *base, uint64_t offset, const Twine &name, bool is_defined) {
  Type *wide = wide_type(type);
  LoadInst *load = at.CreateAlignedLoad(wide ? wide : type, address(at, base, offset), Align(8), name);
  if (is_defined)
    load->setMetadata(LLVMContext::MD_noundef, MDNode::get(at.getContext(), {}));
  return wide ? at.CreateTrunc(load, type, name) : load;
}

void store_slot(IRBuilderBase &at, Value *value, Value *base, uint64_t offset) {
  Type *type = value->getType();
  if (type->isHalfTy() || type->isBFloatTy()) {
    value = at.CreateBitCast(value, at.getInt16Ty());
    value = at.CreateZExt(value, at.getInt64Ty());
  } else if (Type *wide = wide_type(type)) {
    value = at.CreateZExt(value, wide);
  }
  at.CreateAlignedStore(value, address(at, base, offset), Align(8));
}

std::vector<Value *> numbered(Function &function) {
  std::vector<Value *> all;
  for (Argument &argument : function.args())
    all.push_back(&argument);
  for (Instruction &instruction : instructions(function))
    all.push_back(&instruction);
  return all;
}

std::vector<BasicBlock *> blocks(Function &function) {
  std::vector<BasicBlock *> all;
  for (BasicBlock &block : function)
    all.push_back(&block);
  return all;
}

std::string text_of(const Value &value) {
  std::string text;
  raw_string_ostream out(text);
  value.print(out);
  return StringRef(text).trim().str();
}

std::string osr_obstacle(const Function &function) {
  if (function.isDeclaration())
    return "it has no body here";
  if (function.hasPersonalityFn())
    return "it handles exceptions (it has a personality)";
  if (function.hasFnAttribute(Attribute::Naked))
    return "it is naked";
  if (function.hasFnAttribute(Attribute::PresplitCoroutine))
    return "it is a coroutine";
  if (function.callsFunctionThatReturnsTwice())
    return "it calls a function that returns twice";
  for (const Argument &argument : function.args())
    if (argument.hasInAllocaAttr() || argument.hasPreallocatedAttr() || argument.hasSwiftErrorAttr())
      return "its parameter " + text_of(argument) + " is inalloca, preallocated or swifterror";
  for (const Instruction &instruction : instructions(function)) {
    if (auto *variable = dyn_cast<AllocaInst>(&instruction))
      if (variable->isSwiftError() || variable->isUsedWithInAlloca())
        return "stack variable is inalloca or swifterror: " + text_of(instruction);
    if (isa<CallBrInst, IndirectBrInst>(instruction))
      return "unusual control flow: " + text_of(instruction);
    if (auto *call = dyn_cast<CallInst>(&instruction))
      if (call->isMustTailCall())
        return "a call must be a tail call: " + text_of(instruction);
  }
  for (const BasicBlock &block : function)
    if (block.hasAddressTaken())
      return "the address of one of its blocks is taken";
  return "";
}

} // namespace bareflow
