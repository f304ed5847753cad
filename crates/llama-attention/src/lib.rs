//! Attention: rotary positions, KV cache, softmax.

#![no_std]
#![forbid(unsafe_code)]
