//! Choosing the next token from the logits.

#![no_std]
#![forbid(unsafe_code)]
