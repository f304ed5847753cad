// Counters in blocks, and what they counted as LLVM's profile metadata.

#include "shim.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/ProfDataUtils.h"
#include "llvm/ProfileData/ProfileCommon.h"
#include <algorithm>
#include <optional>

using namespace llvm;

namespace {

/// Metadata of a block's last instruction: the block's number in the function as it was.
constexpr const char *BLOCK_NUMBER = "bareflow.block";

/// All ways from one block to another, taken together.
struct Edge {
  unsigned from, to;
  std::optional<uint64_t> count;
};

/// How often each edge of a function was taken, as far as the counts of its blocks tell.
///
/// A block runs as often as its incoming edges are taken, and as its outgoing edges are taken unless it ends the
/// function: where all but one of them are known, the last one is the difference. Where nothing is left over, all that
/// are unknown were never taken. This is repeated until nothing new is learnt. Counters of a program that runs need
/// not add up exactly (another thread counts, a call never returns): differences below zero count as zero.
class Flow {
public:
  Flow(Function &f, ArrayRef<uint64_t> counts) : counts(counts) {
    unsigned n = 0;
    for (BasicBlock &block : f)
      numbers[&block] = n++;
    in.resize(n);
    out.resize(n);
    for (BasicBlock &block : f) {
      unsigned from = numbers[&block];
      for (BasicBlock *next : successors(&block)) {
        unsigned to = numbers[next];
        bool seen = false;
        for (unsigned e : out[from])
          seen |= edges[e].to == to;
        if (seen)
          continue;
        unsigned e = edges.size();
        edges.push_back({from, to, std::nullopt});
        out[from].push_back(e);
        in[to].push_back(e);
      }
    }
    solve();
  }

  /// How often each successor of a block was taken; empty if that is not known. Successors that are the same block share.
  SmallVector<uint64_t> taken(BasicBlock &block) const {
    SmallVector<uint64_t> all;
    unsigned from = numbers.lookup(&block);
    for (BasicBlock *next : successors(&block)) {
      unsigned to = numbers.lookup(next);
      const Edge *edge = nullptr;
      for (unsigned e : out[from])
        if (edges[e].to == to)
          edge = &edges[e];
      if (!edge || !edge->count)
        return {};
      uint64_t ways = std::count(succ_begin(&block), succ_end(&block), next);
      uint64_t share = *edge->count / ways;
      all.push_back(share || !*edge->count ? share : 1);
    }
    return all;
  }

private:
  ArrayRef<uint64_t> counts;
  DenseMap<const BasicBlock *, unsigned> numbers;
  SmallVector<Edge> edges;
  SmallVector<SmallVector<unsigned, 2>> in, out;

  /// Learns what `sum`, the sum of these edges, tells about them.
  bool learn(ArrayRef<unsigned> sides, uint64_t sum) {
    uint64_t known = 0;
    unsigned unknown = 0;
    for (unsigned e : sides)
      if (edges[e].count)
        known += std::min(*edges[e].count, UINT64_MAX - known);
      else
        ++unknown;
    uint64_t left = sum > known ? sum - known : 0;
    if (!unknown || (unknown > 1 && left))
      return false;
    for (unsigned e : sides)
      if (!edges[e].count)
        edges[e].count = left;
    return true;
  }

  void solve() {
    for (bool changed = true; changed;) {
      changed = false;
      for (unsigned b = 0; b < counts.size(); ++b) {
        changed |= learn(in[b], counts[b]);
        changed |= learn(out[b], counts[b]);
      }
    }
  }
};

/// Counts as 32-bit weights: what was taken keeps a weight of at least 1.
SmallVector<uint32_t> weights_of(ArrayRef<uint64_t> counts) {
  uint64_t scale = calculateCountScale(*std::max_element(counts.begin(), counts.end()));
  SmallVector<uint32_t> weights;
  for (uint64_t count : counts)
    weights.push_back(count ? std::max<uint32_t>(scaleBranchCount(count, scale), 1) : 0);
  return weights;
}

} // namespace

/// See `Module::number_blocks`.
extern "C" void bareflow_number_blocks(LLVMValueRef function) {
  Function &f = *unwrap<Function>(function);
  Type *word = Type::getInt64Ty(f.getContext());
  uint64_t k = 0;
  for (BasicBlock &block : f)
    block.getTerminator()->setMetadata(
        BLOCK_NUMBER, MDNode::get(f.getContext(), ConstantAsMetadata::get(ConstantInt::get(word, k++))));
}

/// See `Module::count_blocks`.
extern "C" char *bareflow_count_blocks(LLVMValueRef function, const char *name, size_t length) {
  Function &f = *unwrap<Function>(function);
  Module &module = *f.getParent();
  StringRef counters(name, length);
  // By number, where they have some; else in their order.
  SmallVector<BasicBlock *> counted;
  for (BasicBlock &block : f)
    if (MDNode *number = block.getTerminator()->getMetadata(BLOCK_NUMBER)) {
      uint64_t k = mdconst::extract<ConstantInt>(number->getOperand(0))->getZExtValue();
      counted.resize(std::max<size_t>(counted.size(), k + 1));
      counted[k] = &block;
      block.getTerminator()->setMetadata(BLOCK_NUMBER, nullptr);
    }
  if (counted.empty())
    for (BasicBlock &block : f)
      counted.push_back(&block);
  Type *word = Type::getInt64Ty(f.getContext());
  ArrayType *type = ArrayType::get(word, counted.size());
  GlobalValue *known = module.getNamedValue(counters);
  if (known && known->getValueType() != type)
    return bareflow::message("the symbol \"" + counters.str() + "\" is not an array of " +
                             std::to_string(counted.size()) + " counters");
  if (f.hasFnAttribute(Attribute::Naked))
    return bareflow::message("a naked function has no room for counters");
  GlobalValue *array = known;
  if (!array)
    array = new GlobalVariable(module, type, false, GlobalValue::ExternalLinkage, nullptr, counters);
  for (unsigned k = 0; k < counted.size(); ++k) {
    BasicBlock *block = counted[k];
    if (!block)
      continue;
    BasicBlock::iterator at = block->isEntryBlock() ? block->getFirstNonPHIOrDbgOrAlloca() : block->getFirstInsertionPt();
    if (at == block->end())
      continue;
    IRBuilder<> b(block, at);
    b.SetCurrentDebugLocation(DebugLoc());
    Value *counter = b.CreateConstInBoundsGEP2_64(type, array, 0, k);
    b.CreateAlignedStore(b.CreateAdd(b.CreateAlignedLoad(word, counter, Align(8)), b.getInt64(1)), counter, Align(8));
  }
  return nullptr;
}

/// See `Module::annotate_profile`.
extern "C" char *bareflow_annotate(LLVMValueRef function, uint64_t entry, const uint64_t *counts, size_t count) {
  Function &f = *unwrap<Function>(function);
  if (f.size() != count)
    return bareflow::message("there are counts for " + std::to_string(count) + " blocks, but it has " +
                             std::to_string(f.size()));
  ArrayRef<uint64_t> blocks(counts, count);
  // A function entered in the middle only (on-stack replacement) ran all the same.
  bool ran = std::any_of(blocks.begin(), blocks.end(), [](uint64_t c) { return c != 0; });
  f.setEntryCount(entry || !ran ? entry : 1);
  Flow flow(f, blocks);
  for (BasicBlock &block : f) {
    Instruction *end = block.getTerminator();
    bool weighable = isa<BranchInst>(end) || isa<SwitchInst>(end) || isa<InvokeInst>(end) || isa<IndirectBrInst>(end);
    if (!weighable || end->getNumSuccessors() < 2)
      continue;
    end->setMetadata(LLVMContext::MD_prof, nullptr);
    SmallVector<uint64_t> taken = flow.taken(block);
    // Nothing is known about a branch that was never reached: its block is cold by the edges that lead there.
    if (std::all_of(taken.begin(), taken.end(), [](uint64_t c) { return c == 0; }))
      continue;
    setBranchWeights(*end, weights_of(taken), /*IsExpected=*/false);
  }
  return nullptr;
}

/// See `Module::summarise_profile`.
extern "C" void bareflow_summarise(LLVMModuleRef of, const uint64_t *entries, size_t entry_count,
                                   const uint64_t *blocks, size_t block_count) {
  Module &module = *unwrap(of);
  InstrProfSummaryBuilder builder(ProfileSummaryBuilder::DefaultCutoffs.vec());
  for (uint64_t c : ArrayRef<uint64_t>(entries, entry_count))
    builder.addEntryCount(c);
  for (uint64_t c : ArrayRef<uint64_t>(blocks, block_count))
    builder.addInternalCount(c);
  module.setProfileSummary(builder.getSummary()->getMD(module.getContext()), ProfileSummary::PSK_Instr);
}
