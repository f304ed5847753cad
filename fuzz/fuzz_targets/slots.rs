//! See `fuzz::slots`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::slots(data));
