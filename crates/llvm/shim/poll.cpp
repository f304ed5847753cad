// Polls in loops: code that was compiled in haste asks from time to time whether better code exists.
//
//      latch:   countdown -= rounds;  if it was enough goto header      (a subtraction and a jump: the loop's whole cost)
//      poll:    target = hook(id);    countdown = interval - 1
//               if target == null goto header
//      leave:   live values -> buffer;  target(buffer, result);  return *result
//
// They stand where the loop jumps back, not at its header: LLVM goes on to turn the header's test into one at the loop's
// end. The hook touches no memory of the program, so what the loop does not change still leaves it.

#include "hooks.h"
#include "slots.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/MDBuilder.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using namespace llvm;
using namespace bareflow;

namespace {

/// Rust: `RawLoop`.
struct PollLoop {
  uint32_t header;
  uint32_t buffer_bytes;
  uint64_t id;
  /// Rounds that one of this loop stands for: those of the loops in it that do not poll are estimated.
  uint32_t rounds;
  const OsrValue *live;
  size_t live_count;
};

/// Blocks from which the loop goes round: the header itself and later ones, as the interpreter counts.
std::vector<BasicBlock *> jumps_back(uint32_t header, const std::vector<BasicBlock *> &all) {
  SmallPtrSet<BasicBlock *, 8> before(pred_begin(all[header]), pred_end(all[header]));
  std::vector<BasicBlock *> found;
  for (BasicBlock *block : drop_begin(all, header))
    if (before.contains(block))
      found.push_back(block);
  return found;
}

/// Whether the values can be stored at the header; if not, why.
std::string check(const PollLoop &loop, const std::vector<BasicBlock *> &all, const std::vector<Value *> &values,
                  const DominatorTree &dominators, const DataLayout &layout) {
  if (loop.header == 0 || loop.header >= all.size())
    return "block " + std::to_string(loop.header) + " is no loop header: the blocks are 0 to " +
           std::to_string(all.size() - 1) + ", and 0 is the entry";
  BasicBlock *header = all[loop.header];
  if (!dominators.isReachableFromEntry(header))
    return "block " + std::to_string(loop.header) + " cannot be reached";
  if (jumps_back(loop.header, all).empty())
    return "block " + std::to_string(loop.header) + " is no loop header: no later block leads there";
  for (size_t i = 0; i < loop.live_count; ++i) {
    OsrValue place = loop.live[i];
    if (place.value >= values.size())
      return "there is no value " + std::to_string(place.value) + "; the function has " + std::to_string(values.size());
    Value *value = values[place.value];
    if (!has_slots(value->getType()) || value->getType()->isVoidTy())
      return "values of this type have no place in slots: " + text_of(*value);
    if (uint64_t(place.offset) + slot_bytes(value->getType(), layout) > loop.buffer_bytes)
      return "the buffer of " + std::to_string(loop.buffer_bytes) + " bytes ends before this value at byte " +
             std::to_string(place.offset) + ": " + text_of(*value);
    auto *definition = dyn_cast<Instruction>(value);
    bool is_own_phi = definition && isa<PHINode>(definition) && definition->getParent() == header;
    if (definition && !is_own_phi && !dominators.dominates(definition, header))
      return "the value is not known at block " + std::to_string(loop.header) + ": " + text_of(*value);
  }
  return "";
}

} // namespace

/// Adds polls. See `Module::add_polls`.
extern "C" char *bareflow_add_polls(LLVMValueRef raw, const PollLoop *loops, size_t count, const char *hook_name,
                                    size_t hook_length, uint32_t interval) {
  Function &function = *unwrap<Function>(raw);
  std::string obstacle = osr_obstacle(function);
  if (!obstacle.empty())
    return message(obstacle);
  Module &module = *function.getParent();
  LLVMContext &context = module.getContext();
  const DataLayout &layout = module.getDataLayout();
  std::vector<BasicBlock *> all = blocks(function);
  std::vector<Value *> values = numbered(function);
  {
    DominatorTree dominators(function);
    for (size_t i = 0; i < count; ++i) {
      std::string wrong = check(loops[i], all, values, dominators, layout);
      if (!wrong.empty())
        return message(wrong);
    }
  }
  Type *result_type = function.getReturnType();
  if (!result_type->isVoidTy() && !has_slots(result_type))
    return message("its result has no place in slots");
  Type *pointer = PointerType::get(context, 0);
  Type *i32 = Type::getInt32Ty(context);
  Type *i64 = Type::getInt64Ty(context);
  StringRef symbol(hook_name, hook_length);
  auto *hook_type = FunctionType::get(pointer, {i64}, false);
  auto *target_type = FunctionType::get(Type::getVoidTy(context), {pointer, pointer}, false);
  if (GlobalValue *other = module.getNamedValue(symbol); other && other->getValueType() != hook_type)
    return message("the symbol " + symbol.str() + " is something else already");
  if (count == 0)
    return nullptr;
  // Called straight (the linker makes a thunk): its address must not occupy a register throughout the loop.
  FunctionCallee hook = module.getOrInsertFunction(symbol, hook_type);
  if (auto *f = dyn_cast<Function>(hook.getCallee()); f && f->isDeclaration()) {
    make_rare_hook(*f);
    f->setMemoryEffects(MemoryEffects::inaccessibleMemOnly());
  }

  uint64_t bytes = 8;
  for (size_t i = 0; i < count; ++i)
    bytes = std::max<uint64_t>(bytes, loops[i].buffer_bytes);
  BasicBlock &first = function.getEntryBlock();
  IRBuilder<> at(context);
  DebugLoc nowhere;
  if (DISubprogram *program = function.getSubprogram())
    nowhere = DILocation::get(context, 0, 0, program);
  auto go_to = [&](BasicBlock *block, BasicBlock::iterator place) {
    at.SetInsertPoint(block, place);
    at.SetCurrentDebugLocation(nowhere);
  };
  go_to(&first, first.begin());
  auto space = [&](uint64_t size, const Twine &name) {
    AllocaInst *variable = at.CreateAlloca(ArrayType::get(at.getInt8Ty(), size), nullptr, name);
    variable->setAlignment(Align(16));
    return variable;
  };
  AllocaInst *countdown = at.CreateAlloca(i32, nullptr, "poll.countdown");
  AllocaInst *buffer = space(bytes, "poll.buffer");
  AllocaInst *result = space(std::max<uint64_t>(8, slot_bytes(result_type, layout)), "poll.result");
  // After all stack variables: they must stay together.
  auto after = first.begin();
  for (auto i = first.begin(); !i->isTerminator(); ++i)
    if (isa<AllocaInst>(*i))
      after = std::next(i);
  go_to(&first, after);
  at.CreateStore(at.getInt32(std::max(interval, 1u) - 1), countdown);
  MDNode *rarely = MDBuilder(context).createBranchWeights(1, 2000);

  // Of all loops first: a block from which one goes round may be the header of another.
  std::vector<BasicBlock *> latches;
  for (size_t i = 0; i < count; ++i) {
    BasicBlock *header = all[loops[i].header];
    BasicBlock *latch = SplitBlockPredecessors(header, jumps_back(loops[i].header, all), ".latch");
    latch->moveAfter(&function.back());
    latches.push_back(latch);
  }
  for (size_t i = 0; i < count; ++i) {
    BasicBlock *header = all[loops[i].header];
    BasicBlock *latch = latches[i];
    BasicBlock *poll = BasicBlock::Create(context, "poll", &function);
    BasicBlock *leave = BasicBlock::Create(context, "poll.leave", &function);
    BasicBlock *round = BasicBlock::Create(context, "poll.round", &function);
    header->replacePhiUsesWith(latch, round);
    latch->getTerminator()->eraseFromParent();
    go_to(latch, latch->end());
    Value *left = at.CreateBinaryIntrinsic(Intrinsic::usub_with_overflow, at.CreateLoad(i32, countdown),
                                           at.getInt32(loops[i].rounds));
    at.CreateStore(at.CreateExtractValue(left, 0), countdown);
    at.CreateCondBr(at.CreateExtractValue(left, 1), poll, round, rarely);
    go_to(poll, poll->end());
    Value *target = call_rare_hook(at, hook, loops[i].id);
    at.CreateStore(at.getInt32(std::max(interval, 1u) - 1), countdown);
    at.CreateCondBr(at.CreateIsNull(target), round, leave);
    go_to(round, round->end());
    at.CreateBr(header);
    go_to(leave, leave->end());
    for (size_t v = 0; v < loops[i].live_count; ++v) {
      OsrValue place = loops[i].live[v];
      Value *value = values[place.value];
      // What the next round would begin with.
      if (auto *phi = dyn_cast<PHINode>(value); phi && phi->getParent() == header)
        value = phi->getIncomingValueForBlock(round);
      store_slot(at, value, buffer, place.offset);
    }
    CallInst *call = at.CreateCall(target_type, target, {buffer, result});
    call->setDoesNotThrow();
    if (result_type->isVoidTy())
      at.CreateRetVoid();
    else
      at.CreateRet(load_slot(at, result_type, result, 0, "poll.value", false));
  }
  return nullptr;
}
