// Entries of on-stack replacement: a function continued at a loop header.
//
// Everything reachable from the header is copied; a new entry block takes the live values out of a buffer and jumps to
// the header. What is needed there is found in three steps:
//
//   1. Copies use copies where they exist, and else, for the time being, values of the original function.
//   2. A use that its definition does not dominate any more gets a phi of all definitions (SSAUpdater); one of them is a
//      placeholder in the entry block.
//   3. Placeholders that are used stand for the values needed. Each is loaded from the buffer, or computed anew from
//      others. That a value dominates the header makes this right: whatever it was computed from has not changed since.
//
// Loops around the header. Entering the inner one of two loops in its middle makes one loop of both: every trip around
// the outer one passes the header too. The inner loop's start would be unknown ever after, its trip count lost. So the
// iteration under way of each loop around the header is a copy of its own ("layer"): where the inner loop ends, the rest
// of the iteration follows, and the next one begins in a layer in which all inner loops are whole again.
//
//   entry --> header ... (inner loop, layer 0) --exit--> rest of the outer loop's iteration (layer 1) --next--> both loops
//                                                                                                        whole (layer 2)
//
// That goes for the outermost loop as well: if its rest were no layer, leaving the inner loop would lead into the middle
// of the outermost one, which then has two ways in; LLVM makes two latches of one header of that and unrolls neither.
//
// Stack variables stay where they are: others may know their address. Small ones that nobody else knows are moved into the
// new function's frame, where they can become registers; the old frame never runs again. One that holds a constant, and
// nothing else ever, is replaced by the constant. What else LLVM knew to be apart
// (larger ones, `noalias` parameters, memory from an allocator) is told to it as alias scopes.

#include "objects.h"
#include "slots.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/ValueTracking.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/DebugInfoMetadata.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "llvm/Transforms/Utils/Local.h"
#include "llvm/Transforms/Utils/SSAUpdater.h"

#include <functional>

using namespace llvm;
using namespace bareflow;

namespace {

/// Loops with more instructions are not copied for the iteration under way.
constexpr size_t LARGEST_LAYER = 3000;
/// Longest chain of values that are computed anew.
constexpr unsigned DEEPEST_CHAIN = 500;
/// Stack variables of more bytes, or more bytes together, are not moved.
constexpr uint64_t LARGEST_MOVED = 16 << 10;
constexpr uint64_t MOST_MOVED = 64 << 10;

/// A block of the original function in one of the layers.
struct Copy {
  unsigned layer;
  BasicBlock *from;
  BasicBlock *to = nullptr;
};

class Entry {
public:
  Entry(Function &from, BasicBlock *header, const DenseMap<const Value *, uint64_t> &live)
      : from(from), header(header), live(live), context(from.getContext()), dl(from.getDataLayout()) {}

  /// Builds the function. Returns why not, or nothing.
  std::string build(StringRef name, bool keep_hints);

private:
  Function &from;
  BasicBlock *header;
  const DenseMap<const Value *, uint64_t> &live;
  LLVMContext &context;
  const DataLayout &dl;

  Function *to = nullptr;
  BasicBlock *entry = nullptr;
  /// Innermost first; null is the whole function and always the last.
  std::vector<const Loop *> layers;
  std::vector<Copy> copies;
  DenseMap<std::pair<unsigned, const BasicBlock *>, unsigned> copy_of;
  std::vector<ValueToValueMapTy> maps;
  /// Original of each copied instruction.
  DenseMap<const Instruction *, Instruction *> original;
  DenseMap<const Value *, Value *> at_header;
  uint64_t moved_bytes = 0;
  /// Pointers to memory that others do not reach.
  SmallVector<Value *> apart;
  std::string failure;

  unsigned layer_of(unsigned from_layer, const BasicBlock *block) const;
  unsigned number_of(unsigned layer, const BasicBlock *block) const {
    return copy_of.lookup({layer, block});
  }
  void create(StringRef name);
  void find_layers(const LoopInfo &loops);
  void find_copies();
  void clone();
  void keep_lines();
  void place_calls();
  void connect();
  void return_through_memory();
  void drop_hints(bool keep_assumptions);
  void drop_dead_code();
  void repair();
  Value *value_at_header(Value *value, unsigned depth);
  Value *from_buffer(Value *value, uint64_t offset);
  Value *moved(Value *object, Value *old);
  Value *compute_anew(Instruction *instruction, unsigned depth);
};

/// Function attributes that stay true, and matter, for a function that starts in the middle.
constexpr Attribute::AttrKind KEPT[] = {
    Attribute::MustProgress,    Attribute::MinSize,     Attribute::NoImplicitFloat, Attribute::NoRedZone,
    Attribute::NullPointerIsValid, Attribute::OptimizeForSize, Attribute::StackAlignment, Attribute::StrictFP,
};

void Entry::create(StringRef name) {
  Type *pointer = PointerType::get(context, 0);
  auto *type = FunctionType::get(Type::getVoidTy(context), {pointer, pointer}, false);
  to = Function::Create(type, GlobalValue::ExternalLinkage, name, from.getParent());
  AttrBuilder kept(context);
  for (Attribute attribute : from.getAttributes().getFnAttrs())
    if (attribute.isStringAttribute() || is_contained(KEPT, attribute.getKindAsEnum()))
      kept.addAttribute(attribute);
  kept.addAttribute(Attribute::NoUnwind);
  to->addFnAttrs(kept);
  to->getArg(0)->setName("buffer");
  to->getArg(1)->setName("result");
  for (Argument &argument : to->args()) {
    argument.addAttr(Attribute::NoAlias);
    argument.addAttr(Attribute::getWithCaptureInfo(context, CaptureInfo::none()));
  }
  to->getArg(0)->addAttr(Attribute::ReadOnly);
  to->getArg(1)->addAttr(Attribute::WriteOnly);
  entry = BasicBlock::Create(context, "osr", to);
}

void Entry::find_layers(const LoopInfo &loops) {
  const Loop *loop = loops.getLoopFor(header);
  if (loop && loop->getHeader() == header && loop->getParentLoop())
    for (; loop; loop = loop->getParentLoop()) {
      size_t size = 0;
      for (const BasicBlock *block : loop->blocks())
        size += block->size();
      if (size <= LARGEST_LAYER)
        layers.push_back(loop);
    }
  layers.push_back(nullptr);
}

/// The layer in which control goes on at `block`. All but the first are the rest of one iteration: their loop's header
/// belongs to the next one.
unsigned Entry::layer_of(unsigned layer, const BasicBlock *block) const {
  while (layers[layer] && (!layers[layer]->contains(block) || (layer > 0 && layers[layer]->getHeader() == block)))
    ++layer;
  return layer;
}

/// All blocks that can be reached, layer by layer, in the order of the original.
void Entry::find_copies() {
  DenseSet<std::pair<unsigned, const BasicBlock *>> seen;
  std::vector<std::pair<unsigned, const BasicBlock *>> work{{layer_of(0, header), header}};
  seen.insert(work.front());
  while (!work.empty()) {
    auto [layer, block] = work.back();
    work.pop_back();
    for (const BasicBlock *next : successors(block)) {
      std::pair<unsigned, const BasicBlock *> copy(layer_of(layer, next), next);
      if (seen.insert(copy).second)
        work.push_back(copy);
    }
  }
  for (unsigned layer = 0; layer < layers.size(); ++layer)
    for (BasicBlock &block : from)
      if (seen.contains({layer, &block})) {
        copy_of[{layer, &block}] = copies.size();
        copies.push_back({layer, &block});
      }
}

void Entry::clone() {
  maps = std::vector<ValueToValueMapTy>(layers.size());
  for (Copy &copy : copies) {
    ValueToValueMapTy &map = maps[copy.layer];
    copy.to = CloneBasicBlock(copy.from, map, "", to, nullptr, false);
    for (auto [old, fresh] : zip(*copy.from, *copy.to))
      original[&fresh] = &old;
  }
  keep_lines();
}

/// Copies stay at their source lines, in a subprogram that is the entry's own; other debug information goes.
void Entry::keep_lines() {
  std::vector<std::pair<Instruction *, DILocation *>> places;
  for (Instruction &instruction : instructions(*to))
    if (DILocation *at = instruction.getDebugLoc().get())
      places.push_back({&instruction, at});
  DISubprogram *program = from.getSubprogram();
  stripDebugInfo(*to);
  if (!program)
    return;
  to->setSubprogram(cast<DISubprogram>(MDNode::replaceWithDistinct(program->clone())));
  DenseMap<DILocation *, DILocation *> moved;
  std::function<DILocation *(DILocation *)> move = [&](DILocation *at) -> DILocation * {
    if (DILocation *known = moved.lookup(at))
      return known;
    DILocation *outer = at->getInlinedAt();
    DILocation *fresh;
    if (!outer)
      fresh = DILocation::get(context, at->getLine(), at->getColumn(), to->getSubprogram());
    else if (at->isDistinct())
      fresh = DILocation::getDistinct(context, at->getLine(), at->getColumn(), at->getScope(), move(outer));
    else
      fresh = DILocation::get(context, at->getLine(), at->getColumn(), at->getScope(), move(outer));
    return moved[at] = fresh;
  };
  for (auto [instruction, at] : places)
    instruction->setDebugLoc(DebugLoc(move(at)));
}

/// Calls that can be inlined must have a place where their function has one.
void Entry::place_calls() {
  if (DISubprogram *program = to->getSubprogram())
    for (Instruction &instruction : instructions(*to))
      if (isa<CallBase>(instruction) && !instruction.getDebugLoc())
        instruction.setDebugLoc(DebugLoc(DILocation::get(context, 0, 0, program)));
}

/// Gives the copies their operands and successors.
void Entry::connect() {
  auto mapped = [&](unsigned layer, Value *value) -> Value * {
    Value *copy = isa<Instruction>(value) ? maps[layer].lookup(value) : nullptr;
    return copy ? copy : value;
  };
  std::vector<std::vector<unsigned>> predecessors(copies.size());
  for (unsigned i = 0; i < copies.size(); ++i) {
    Copy &copy = copies[i];
    for (Instruction &instruction : *copy.to)
      if (!isa<PHINode>(instruction))
        for (Use &use : instruction.operands())
          use.set(mapped(copy.layer, use.get()));
    Instruction *last = copy.to->getTerminator();
    for (unsigned s = 0; s < last->getNumSuccessors(); ++s) {
      BasicBlock *next = copy.from->getTerminator()->getSuccessor(s);
      unsigned target = number_of(layer_of(copy.layer, next), next);
      last->setSuccessor(s, copies[target].to);
      predecessors[target].push_back(i);
    }
  }
  unsigned first = number_of(layer_of(0, header), header);
  BranchInst::Create(copies[first].to, entry);
  for (unsigned i = 0; i < copies.size(); ++i)
    for (PHINode &phi : copies[i].to->phis()) {
      auto *old = cast<PHINode>(original[&phi]);
      phi.removeIncomingValueIf([](unsigned) { return true; }, false);
      for (unsigned p : predecessors[i])
        phi.addIncoming(mapped(copies[p].layer, old->getIncomingValueForBlock(copies[p].from)), copies[p].to);
      // What the phi is when the header is entered: its value in the buffer, put in by `repair`.
      if (i == first)
        phi.addIncoming(old, entry);
    }
  // Scopes that hold for one iteration must not span two layers.
  for (unsigned layer = 1; layer < layers.size(); ++layer) {
    SmallVector<BasicBlock *> list;
    for (Copy &copy : copies)
      if (copy.layer == layer)
        list.push_back(copy.to);
    SmallVector<MDNode *> scopes;
    identifyNoAliasScopesToClone(list, scopes);
    cloneAndAdaptNoAliasScopes(scopes, list, context, "osr");
  }
}

void Entry::return_through_memory() {
  for (BasicBlock &block : *to)
    if (auto *ret = dyn_cast_or_null<ReturnInst>(block.getTerminator())) {
      IRBuilder<> at(ret);
      if (Value *value = ret->getReturnValue())
        store_slot(at, value, to->getArg(1), 0);
      at.CreateRetVoid();
      original.erase(ret);
      ret->eraseFromParent();
    }
}

/// Markers of lifetimes cannot stay: the variables are older than the function. Other hints need values that the
/// interpreter does not compute.
void Entry::drop_hints(bool keep_assumptions) {
  for (Instruction &instruction : make_early_inc_range(instructions(*to))) {
    auto *call = dyn_cast<IntrinsicInst>(&instruction);
    if (!call)
      continue;
    bool drop = false;
    switch (call->getIntrinsicID()) {
    case Intrinsic::lifetime_start:
    case Intrinsic::lifetime_end:
      drop = true;
      break;
    case Intrinsic::assume:
    case Intrinsic::fake_use:
    case Intrinsic::invariant_end:
    case Intrinsic::invariant_start:
    case Intrinsic::prefetch:
    case Intrinsic::var_annotation:
      drop = !keep_assumptions;
      break;
    default:
      break;
    }
    if (drop) {
      if (!call->getType()->isVoidTy())
        call->replaceAllUsesWith(PoisonValue::get(call->getType()));
      original.erase(call);
      call->eraseFromParent();
    }
  }
}

/// Removes what nobody uses: the interpreter does not compute it either, and it must not ask for values. A copy may get
/// uses in a later layer yet, so a value goes in all layers or none.
void Entry::drop_dead_code() {
  MapVector<Instruction *, SmallVector<Instruction *, 2>> groups;
  for (const Copy &copy : copies)
    for (Instruction &instruction : *copy.to)
      if (Instruction *old = original.lookup(&instruction))
        groups[old].push_back(&instruction);
  for (bool changed = true; changed;) {
    changed = false;
    for (auto &[old, group] : reverse(groups)) {
      auto is_used = [&, &old = old, &group = group](const User *user) {
        auto *instruction = cast<Instruction>(user);
        return instruction->getFunction() == to && !is_contained(group, instruction);
      };
      bool is_dead = all_of(group, [](Instruction *copy) { return isInstructionTriviallyDead(copy); });
      if (group.empty() || !is_dead || any_of(old->users(), is_used))
        continue;
      for (Instruction *copy : group) {
        original.erase(copy);
        copy->eraseFromParent();
      }
      group.clear();
      changed = true;
    }
  }
}

void Entry::repair() {
  DominatorTree dominators(*to);
  MapVector<Value *, SmallVector<Use *>> broken;
  for (BasicBlock &block : *to)
    for (Instruction &instruction : block)
      for (Use &use : instruction.operands()) {
        Value *value = use.get();
        if (auto *argument = dyn_cast<Argument>(value)) {
          if (argument->getParent() == &from)
            broken[value].push_back(&use);
        } else if (auto *definition = dyn_cast<Instruction>(value)) {
          if (definition->getFunction() == &from)
            broken[value].push_back(&use);
          else if (!dominators.dominates(definition, use))
            broken[original.lookup(definition)].push_back(&use);
        }
      }
  SmallVector<std::pair<Value *, Instruction *>> placeholders;
  for (auto &[value, uses] : broken) {
    if (value->getType()->isTokenTy()) {
      failure = "a token would have to be carried over: " + text_of(*value);
      return;
    }
    auto *placeholder = new FreezeInst(PoisonValue::get(value->getType()), "", entry->getTerminator()->getIterator());
    SSAUpdater updater;
    updater.Initialize(value->getType(), value->getName());
    updater.AddAvailableValue(entry, placeholder);
    bool has_copies = false;
    for (ValueToValueMapTy &map : maps)
      if (Value *copy = isa<Instruction>(value) ? map.lookup(value) : nullptr) {
        updater.AddAvailableValue(cast<Instruction>(copy)->getParent(), copy);
        has_copies = true;
      }
    for (Use *use : uses)
      if (has_copies)
        updater.RewriteUse(*use);
      else
        use->set(placeholder);
    placeholders.emplace_back(value, placeholder);
  }
  for (auto [value, placeholder] : placeholders)
    if (!placeholder->use_empty()) {
      Value *known = value_at_header(value, 0);
      if (!known)
        return;
      placeholder->replaceAllUsesWith(known);
    }
  for (auto [value, placeholder] : placeholders)
    placeholder->eraseFromParent();
  mark_as_apart(*to, apart);
}

/// The value that `value` of the original function has when the header is entered; null and `failure` if it is unknown.
Value *Entry::value_at_header(Value *value, unsigned depth) {
  if (isa<Constant, MetadataAsValue, InlineAsm>(value))
    return value;
  if (Value *known = at_header.lookup(value))
    return known;
  // What was allocated since lies in the frame that was left, and goes with it; what is allocated from now on lies here.
  if (auto *save = dyn_cast<IntrinsicInst>(value); save && save->getIntrinsicID() == Intrinsic::stacksave) {
    IRBuilder<> at(entry->getTerminator());
    return at_header[value] = at.CreateStackSave(save->getName());
  }
  Value *result = nullptr;
  auto found = live.find(value);
  if (found != live.end()) {
    if (!has_slots(value->getType())) {
      failure = "values of this type have no place in slots: " + text_of(*value);
      return nullptr;
    }
    result = from_buffer(value, found->second);
  } else if (auto *instruction = dyn_cast<Instruction>(value)) {
    result = compute_anew(instruction, depth);
  }
  if (result)
    at_header[value] = result;
  else if (failure.empty())
    failure = "the value is needed at the loop header, and is neither in the list of live values nor computable from it: " +
              text_of(*value);
  return result;
}

/// What a function's own memory is, if `object` is a pointer to some: its type, how often, and its alignment.
struct OwnMemory {
  Type *type;
  Value *count;
  Align align;
  uint64_t bytes;
};

std::optional<OwnMemory> own_memory(const Value *object, const DataLayout &dl) {
  if (auto *variable = dyn_cast<AllocaInst>(object); variable && variable->isStaticAlloca()) {
    std::optional<TypeSize> size = variable->getAllocationSize(dl);
    if (size && size->isFixed() && variable->getAddressSpace() == 0)
      return OwnMemory{variable->getAllocatedType(), const_cast<Value *>(variable->getArraySize()), variable->getAlign(),
                       size->getFixedValue()};
  } else if (auto *argument = dyn_cast<Argument>(object); argument && argument->hasByValAttr()) {
    Type *type = argument->getParamByValType();
    Align align = argument->getParamAlign().value_or(dl.getABITypeAlign(type));
    return OwnMemory{type, nullptr, align, dl.getTypeAllocSize(type).getFixedValue()};
  }
  return std::nullopt;
}

/// A copy in the new function's frame.
Value *Entry::moved(Value *object, Value *old) {
  OwnMemory memory = *own_memory(object, dl);
  old->setName(object->getName() + ".old");
  IRBuilder<> at(entry, entry->begin());
  AllocaInst *fresh = at.CreateAlloca(memory.type, memory.count, object->getName());
  fresh->setAlignment(memory.align);
  at.SetInsertPoint(entry->getTerminator());
  at.CreateMemCpy(fresh, memory.align, old, MaybeAlign(1), memory.bytes);
  moved_bytes += memory.bytes;
  return fresh;
}

Value *Entry::from_buffer(Value *value, uint64_t offset) {
  IRBuilder<> at(entry->getTerminator());
  Value *loaded = load_slot(at, value->getType(), to->getArg(0), offset, value->getName(), true);
  if (!value->getType()->isPointerTy())
    return loaded;
  auto *load = cast<LoadInst>(loaded);
  auto promise = [&](unsigned kind, uint64_t number) {
    load->setMetadata(kind, MDNode::get(context, ConstantAsMetadata::get(at.getInt64(number))));
  };
  auto *argument = dyn_cast<Argument>(value);
  auto *call = dyn_cast<CallBase>(value);
  std::optional<OwnMemory> own = own_memory(value, dl);
  if (own) {
    load->setMetadata(LLVMContext::MD_nonnull, MDNode::get(context, {}));
    promise(LLVMContext::MD_align, own->align.value());
    promise(LLVMContext::MD_dereferenceable, own->bytes);
  } else if (argument) {
    if (argument->hasNonNullAttr(false))
      load->setMetadata(LLVMContext::MD_nonnull, MDNode::get(context, {}));
    if (MaybeAlign align = argument->getParamAlign())
      promise(LLVMContext::MD_align, align->value());
    if (uint64_t bytes = argument->getDereferenceableBytes())
      promise(LLVMContext::MD_dereferenceable, bytes);
    else if (uint64_t bytes = argument->getDereferenceableOrNullBytes())
      promise(LLVMContext::MD_dereferenceable_or_null, bytes);
  }
  bool may_be_apart = own || (argument && argument->hasNoAliasAttr()) || (call && call->returnDoesNotAlias());
  if (!may_be_apart || !is_private(*value, [&](const Value *derived) { return live.contains(derived); }))
    return loaded;
  if (own) {
    std::optional<Table> table = table_behind(*value, own->bytes, own->align, dl);
    bool was_copied = table && none_of(maps, [&](ValueToValueMapTy &map) { return map.lookup(table->copied_by) != nullptr; });
    if (was_copied) {
      load->eraseFromParent();
      return table->constant;
    }
  }
  if (own && own->bytes <= LARGEST_MOVED && moved_bytes + own->bytes <= MOST_MOVED)
    return moved(value, loaded);
  apart.push_back(loaded);
  return loaded;
}

Value *Entry::compute_anew(Instruction *instruction, unsigned depth) {
  bool is_pure = isa<UnaryOperator, BinaryOperator, CastInst, CmpInst, SelectInst, GetElementPtrInst>(instruction) ||
                 isa<ExtractValueInst, InsertValueInst, ExtractElementInst>(instruction) ||
                 isa<InsertElementInst, ShuffleVectorInst, FreezeInst>(instruction);
  if (auto *call = dyn_cast<IntrinsicInst>(instruction))
    is_pure = call->doesNotAccessMemory() && call->hasFnAttr(Attribute::Speculatable);
  if (!is_pure || depth > DEEPEST_CHAIN)
    return nullptr;
  std::unique_ptr<Instruction, void (*)(Instruction *)> copy(instruction->clone(),
                                                             [](Instruction *i) { i->deleteValue(); });
  for (Use &use : copy->operands()) {
    Value *known = value_at_header(use.get(), depth + 1);
    if (!known)
      return nullptr;
    use.set(known);
  }
  // Whoever froze it has acted on the outcome.
  if (isa<FreezeInst>(instruction) && !isGuaranteedNotToBeUndefOrPoison(copy->getOperand(0)))
    return nullptr;
  copy->setDebugLoc(DebugLoc());
  copy->dropUnknownNonDebugMetadata();
  copy->insertBefore(entry->getTerminator()->getIterator());
  copy->setName(instruction->getName());
  return copy.release();
}

std::string Entry::build(StringRef name, bool keep_hints) {
  {
    DominatorTree dominators(from);
    LoopInfo loops(dominators);
    find_layers(loops);
    create(name);
    find_copies();
    clone();
    connect();
  }
  return_through_memory();
  drop_hints(keep_hints);
  drop_dead_code();
  repair();
  place_calls();
  if (!failure.empty()) {
    to->deleteBody();
    to->eraseFromParent();
  }
  return failure;
}

} // namespace

/// Adds the function `name`. See `Module::make_osr_entry`.
extern "C" char *bareflow_make_osr_entry(LLVMValueRef function, uint32_t header, const char *name, size_t name_length,
                                         const OsrValue *live, size_t live_count) {
  Function &from = *unwrap<Function>(function);
  std::string obstacle = osr_obstacle(from);
  if (!obstacle.empty())
    return message(obstacle);
  StringRef symbol(name, name_length);
  if (from.getParent()->getNamedValue(symbol))
    return message("the symbol " + symbol.str() + " exists already");
  std::vector<BasicBlock *> all = blocks(from);
  if (header == 0 || header >= all.size())
    return message("block " + std::to_string(header) + " is no loop header: the blocks are 0 to " +
                   std::to_string(all.size() - 1) + ", and 0 is the entry");
  std::vector<Value *> values = numbered(from);
  DenseMap<const Value *, uint64_t> places;
  for (size_t i = 0; i < live_count; ++i) {
    if (live[i].value >= values.size())
      return message("there is no value " + std::to_string(live[i].value) + "; the function has " +
                     std::to_string(values.size()));
    places[values[live[i].value]] = live[i].offset;
  }
  std::string failure = Entry(from, all[header], places).build(symbol, true);
  if (!failure.empty())
    failure = Entry(from, all[header], places).build(symbol, false);
  return failure.empty() ? nullptr : message(failure);
}
