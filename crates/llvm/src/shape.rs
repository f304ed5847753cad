//! What a function's body is made of: enough to guess where time will be spent before anything ran.

use crate::module::Function;
use crate::text;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::{LLVMOpcode, LLVMTypeKind};
use std::collections::HashMap;

/// Counts over one body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// IR instructions.
    pub instructions: usize,
    /// Instructions whose result is a vector.
    pub vectors: usize,
    /// Scalar floating-point operations.
    pub floats: usize,
    /// Whether a block can reach itself.
    pub has_loop: bool,
    /// Functions called by name; may repeat.
    pub callees: Vec<String>,
}

impl Function<'_> {
    /// Walks the body once.
    pub fn shape(&self) -> Shape {
        let mut shape = Shape::default();
        let mut order: HashMap<LLVMBasicBlockRef, usize> = HashMap::new();
        let mut blocks = Vec::new();
        // SAFETY: walks LLVM's lists of a function that is not changed meanwhile.
        unsafe {
            let mut block = LLVMGetFirstBasicBlock(self.raw());
            while !block.is_null() {
                order.insert(block, blocks.len());
                blocks.push(block);
                let mut i = LLVMGetFirstInstruction(block);
                while !i.is_null() {
                    count(&mut shape, i);
                    i = LLVMGetNextInstruction(i);
                }
                block = LLVMGetNextBasicBlock(block);
            }
        }
        let successors = |block: LLVMBasicBlockRef| -> Vec<usize> {
            // SAFETY: the block and its terminator are alive; every successor is a block of the same function.
            unsafe {
                let terminator = LLVMGetBasicBlockTerminator(block);
                if terminator.is_null() {
                    return Vec::new();
                }
                (0..LLVMGetNumSuccessors(terminator))
                    .filter_map(|n| order.get(&LLVMGetSuccessor(terminator, n)).copied())
                    .collect()
            }
        };
        let edges: Vec<Vec<usize>> = blocks.iter().map(|b| successors(*b)).collect();
        shape.has_loop = has_cycle(&edges);
        shape
    }
}

/// Adds one instruction.
///
/// # Safety
/// `i` is an instruction of a module that is alive.
unsafe fn count(shape: &mut Shape, i: LLVMValueRef) {
    shape.instructions += 1;
    // SAFETY: as the caller promised; names are copied before anything changes.
    unsafe {
        if matches!(
            LLVMGetTypeKind(LLVMTypeOf(i)),
            LLVMTypeKind::LLVMVectorTypeKind | LLVMTypeKind::LLVMScalableVectorTypeKind
        ) {
            shape.vectors += 1;
        }
        match LLVMGetInstructionOpcode(i) {
            LLVMOpcode::LLVMFAdd
            | LLVMOpcode::LLVMFSub
            | LLVMOpcode::LLVMFMul
            | LLVMOpcode::LLVMFDiv => {
                shape.floats += 1;
            }
            LLVMOpcode::LLVMCall | LLVMOpcode::LLVMInvoke => {
                let callee = LLVMIsAFunction(LLVMGetCalledValue(i));
                if !callee.is_null() && LLVMGetIntrinsicID(callee) == 0 {
                    let mut len = 0;
                    let name = LLVMGetValueName2(callee, &mut len);
                    shape.callees.push(text::sized(name, len));
                }
            }
            _ => {}
        }
    }
}

/// Whether a walk from block 0 comes back to a block it is still inside of.
fn has_cycle(edges: &[Vec<usize>]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    if edges.is_empty() {
        return false;
    }
    let mut state = vec![State::New; edges.len()];
    let mut path = vec![(0, 0)];
    state[0] = State::Open;
    while let Some((block, next)) = path.last_mut() {
        match edges[*block].get(*next) {
            Some(&to) => {
                *next += 1;
                match state[to] {
                    State::Open => return true,
                    State::New => {
                        state[to] = State::Open;
                        path.push((to, 0));
                    }
                    State::Done => {}
                }
            }
            None => {
                state[*block] = State::Done;
                path.pop();
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::{Context, Module};

    #[test]
    fn bodies_are_counted() {
        let text = "
declare void @other()
define float @f(<4 x float> %v, i32 %n) {
entry:
  %w = fadd <4 x float> %v, %v
  br label %loop
loop:
  %i = phi i32 [ 0, %entry ], [ %j, %loop ]
  %j = add i32 %i, 1
  call void @other()
  %more = icmp ult i32 %j, %n
  br i1 %more, label %loop, label %done
done:
  %x = extractelement <4 x float> %w, i32 0
  %y = fmul float %x, %x
  ret float %y
}
define i32 @g(i1 %c) {
  br i1 %c, label %a, label %b
a:
  br label %b
b:
  ret i32 0
}";
        let context = Context::new();
        let module = Module::from_ir(&context, "m", text).unwrap();
        let f = module.function("f").unwrap().shape();
        assert_eq!((f.instructions, f.vectors, f.has_loop), (10, 1, true));
        assert_eq!(f.callees, ["other"]);
        assert_eq!(f.floats, 2);
        let g = module.function("g").unwrap().shape();
        assert!(!g.has_loop && g.vectors == 0 && g.callees.is_empty());
    }
}
