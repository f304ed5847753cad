//! See `fuzz::snap`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::snap(data));
