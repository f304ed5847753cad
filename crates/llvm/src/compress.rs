//! Zstandard by the library that LLVM brings along.
//!
//! LLVM links libzstd for compressed sections, so packing at any level costs the runtime no dependency and next to no
//! code. Source: `llvm/Support/Compression.h`.

use std::ffi::c_int;

unsafe extern "C" {
    fn bareflow_zstd(input: *const u8, length: usize, level: c_int, out: *mut *mut u8) -> usize;
}

/// Packs `content` into one Zstandard frame. Levels go from 1 (fast) to 19; each step of three or so doubles the time.
/// `None` if this LLVM was built without Zstandard.
pub fn zstd(content: &[u8], level: u8) -> Option<Vec<u8>> {
    let mut out = std::ptr::null_mut();
    // SAFETY: pointer and length describe `content`, which is only read; `out` is a valid place for a pointer.
    let length = unsafe {
        bareflow_zstd(
            content.as_ptr(),
            content.len(),
            c_int::from(level.clamp(1, 19)),
            &mut out,
        )
    };
    if length == 0 || out.is_null() {
        return None;
    }
    // SAFETY: the shim wrote `length` bytes at `out`, memory of `malloc` that nobody else knows of.
    let packed = unsafe { std::slice::from_raw_parts(out, length) }.to_vec();
    // SAFETY: `out` comes from `malloc`, is freed once, and the slice above is not used any more.
    unsafe { libc_free(out.cast()) };
    Some(packed)
}

unsafe extern "C" {
    #[link_name = "free"]
    fn libc_free(memory: *mut std::ffi::c_void);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn frames_are_what_the_kernels_decoder_reads() {
        let text: Vec<u8> = (0..500_000u32)
            .flat_map(|i| (i / 7).wrapping_mul(i).to_le_bytes())
            .collect();
        let mut sizes = Vec::new();
        for level in [1, 9, 12] {
            let packed = zstd(&text, level).unwrap();
            let mut decoder = ruzstd::decoding::StreamingDecoder::new(&packed[..]).unwrap();
            let mut back = Vec::new();
            decoder.read_to_end(&mut back).unwrap();
            assert!(back == text, "level {level}");
            sizes.push(packed.len());
        }
        assert!(sizes[2] < text.len(), "{sizes:?}");
        let empty = zstd(&[], 9).unwrap();
        let mut decoder = ruzstd::decoding::StreamingDecoder::new(&empty[..]).unwrap();
        assert_eq!(decoder.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
