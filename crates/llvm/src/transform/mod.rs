//! Changes to IR that LLVM offers to C++ only, through the files of `shim/`.

mod extract;
