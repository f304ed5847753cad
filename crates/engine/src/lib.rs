//! Program, compilation and code memory.
