//! See `fuzz::fat`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::fat(data));
