//! Matrices in block formats, repacked for the CPU, and their products.

#![no_std]
#![forbid(unsafe_code)]
