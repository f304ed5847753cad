// Runs passes as `LLVMRunPasses` does, but none whose time has no bound worth the name.

#include "shim.h"
#include "llvm-c/TargetMachine.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/PassInstrumentation.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Passes/StandardInstrumentations.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

namespace {

/// Reads and writes of memory in a basic block from which pairs of them are not compared: 62 unrolled rounds of a stencil
/// took this pass 18 s, for code that ran no faster.
constexpr unsigned MOST_ACCESSES = 64;

bool has_long_block(const Function &function) {
  for (const BasicBlock &block : function) {
    unsigned accesses = 0;
    for (const Instruction &instruction : block)
      accesses += isa<LoadInst, StoreInst>(instruction);
    if (accesses > MOST_ACCESSES)
      return true;
  }
  return false;
}

/// Whether a pass may be left out, and should be for this function.
bool takes_too_long(StringRef pass, const Any &ir) {
  const auto *function = any_cast<const Function *>(&ir);
  return pass == "LoopLoadEliminationPass" && function && has_long_block(**function);
}

} // namespace

/// See `Module::run_passes`. `machine` may be null.
extern "C" char *bareflow_run_passes(LLVMModuleRef raw, const char *pipeline, size_t length,
                                     LLVMTargetMachineRef machine, bool unrolls) {
  Module &module = *unwrap(raw);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  PassInstrumentationCallbacks callbacks;
  callbacks.registerShouldRunOptionalPassCallback(
      [](StringRef pass, Any ir) { return !takes_too_long(pass, ir); });
  StandardInstrumentations usual(module.getContext(), /*DebugLogging=*/false);
  usual.registerCallbacks(callbacks, &modules);
  PipelineTuningOptions tuning;
  tuning.LoopUnrolling = unrolls;
  PassBuilder builder(reinterpret_cast<TargetMachine *>(machine), tuning, std::nullopt, &callbacks);
  builder.registerLoopAnalyses(loops);
  builder.registerFunctionAnalyses(functions);
  builder.registerCGSCCAnalyses(components);
  builder.registerModuleAnalyses(modules);
  builder.crossRegisterProxies(loops, functions, components, modules);
  ModulePassManager passes;
  if (Error wrong = builder.parsePassPipeline(passes, StringRef(pipeline, length)))
    return bareflow::message(toString(std::move(wrong)));
  passes.run(module, modules);
  return nullptr;
}
