//! See `fuzz::boot`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::boot(data));
