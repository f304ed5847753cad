//! Safe wrapper over what is used of LLVM's C API.
