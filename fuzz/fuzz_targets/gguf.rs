//! See `fuzz::gguf`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::gguf(data));
