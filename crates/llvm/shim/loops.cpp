// Loop headers of a function, and what is alive at each: as the interpreter counts them, for code it cannot run.

#include "slots.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"

using namespace llvm;
using namespace bareflow;

namespace {

/// Blocks at whose start `value` is alive: there is a way to a use that does not pass the definition.
SmallPtrSet<const BasicBlock *, 16> live_in(const Value &value) {
  const auto *definition = dyn_cast<Instruction>(&value);
  const BasicBlock *home = definition ? definition->getParent() : nullptr;
  SmallPtrSet<const BasicBlock *, 16> live;
  SmallVector<const BasicBlock *> work;
  auto alive_at_end = [&](const BasicBlock *block) {
    if (block != home && live.insert(block).second)
      work.push_back(block);
  };
  for (const Use &use : value.uses()) {
    const auto *user = cast<Instruction>(use.getUser());
    if (auto *call = dyn_cast<IntrinsicInst>(user); call && call->isLifetimeStartOrEnd())
      continue;
    alive_at_end(isa<PHINode>(user) ? cast<PHINode>(user)->getIncomingBlock(use) : user->getParent());
  }
  while (!work.empty())
    for (const BasicBlock *before : predecessors(work.pop_back_val()))
      alive_at_end(before);
  return live;
}

} // namespace

/// Finds the loops. `found` is told about each: its block, its values with their places, and the bytes of all of them.
/// See `Module::osr_loops`.
extern "C" char *bareflow_osr_loops(LLVMValueRef raw, void *context,
                                    void (*found)(void *context, uint32_t header, const OsrValue *live, size_t count,
                                                  uint32_t bytes)) {
  Function &function = *unwrap<Function>(raw);
  std::string obstacle = osr_obstacle(function);
  if (!obstacle.empty())
    return message(obstacle);
  std::vector<BasicBlock *> all = blocks(function);
  DenseMap<const BasicBlock *, unsigned> index;
  for (BasicBlock *block : all)
    index[block] = index.size();
  std::vector<std::vector<OsrValue>> live(all.size());
  std::vector<bool> is_header(all.size());
  for (BasicBlock *block : all)
    for (BasicBlock *next : successors(block))
      if (index[next] <= index[block])
        is_header[index[next]] = true;
  std::vector<uint64_t> bytes(all.size());
  std::vector<Value *> values = numbered(function);
  const DataLayout &layout = function.getDataLayout();
  for (uint32_t number = 0; number < values.size(); ++number) {
    Value *value = values[number];
    if (value->use_empty())
      continue;
    auto add = [&](const BasicBlock *block) {
      unsigned at = index[block];
      if (!is_header[at])
        return;
      if (!has_slots(value->getType())) {
        is_header[at] = false;
        return;
      }
      live[at].push_back({number, static_cast<uint32_t>(bytes[at])});
      bytes[at] += slot_bytes(value->getType(), layout);
    };
    for (const BasicBlock *block : live_in(*value))
      add(block);
    if (auto *phi = dyn_cast<PHINode>(value))
      add(phi->getParent());
  }
  for (uint32_t header = 0; header < all.size(); ++header)
    if (is_header[header] && bytes[header] <= UINT32_MAX)
      found(context, header, live[header].data(), live[header].size(), static_cast<uint32_t>(bytes[header]));
  return nullptr;
}

namespace {

/// Whether a function of unknown length runs here: one of the program, or one that copies or fills a variable length.
bool takes_unknown_time(const Instruction &instruction) {
  const auto *call = dyn_cast<CallBase>(&instruction);
  if (!call || call->isInlineAsm())
    return false;
  if (const auto *memory = dyn_cast<MemIntrinsic>(call))
    return !isa<ConstantInt>(memory->getLength());
  return !isa<IntrinsicInst>(call);
}

} // namespace

/// Rust: `Nested`. `around` is 0 where there is none.
struct NestedLoop {
  uint32_t header;
  uint32_t around;
  uint32_t instructions;
  uint32_t calls;
};

/// Finds which loop is in which, and what is in each. Loops come before those in them. See `Module::loop_nest`.
extern "C" void bareflow_loop_nest(LLVMValueRef raw, void *context, void (*found)(void *context, NestedLoop loop)) {
  Function &function = *unwrap<Function>(raw);
  DominatorTree dominators(function);
  LoopInfo loops(dominators);
  DenseMap<const BasicBlock *, uint32_t> index;
  for (BasicBlock &block : function)
    index.try_emplace(&block, index.size());
  for (Loop *loop : loops.getLoopsInPreorder()) {
    Loop *around = loop->getParentLoop();
    NestedLoop nested{index[loop->getHeader()], around ? index[around->getHeader()] : 0, 0, 0};
    for (BasicBlock *block : loop->blocks()) {
      if (loops.getLoopFor(block) != loop)
        continue;
      nested.instructions += block->size();
      nested.calls += count_if(*block, takes_unknown_time);
    }
    found(context, nested);
  }
}
