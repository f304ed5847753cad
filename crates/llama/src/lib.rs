//! Guest program: Llama-family language models.

#![no_std]
#![forbid(unsafe_code)]
