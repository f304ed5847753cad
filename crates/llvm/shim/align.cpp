// Where loops begin.

#include "llvm-c/TargetMachine.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

/// Puts the loops of all code made from now on at multiples of `bytes`. See `TargetMachine::align_loops`.
extern "C" void bareflow_align_loops(LLVMTargetMachineRef machine, unsigned bytes) {
  reinterpret_cast<TargetMachine *>(machine)->Options.LoopAlignment = bytes;
}
