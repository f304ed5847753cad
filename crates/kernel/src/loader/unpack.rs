//! Unpacking what is small enough to lie in memory: one frame, one block.
//!
//! A kernel built without the feature `stages` unpacks nothing; files that need it are then refused as damaged.

use alloc::vec::Vec;

/// Unpacks a Zstandard frame of `bytes` bytes; `None` if it is damaged or shorter.
#[cfg(feature = "stages")]
pub fn zstd(packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
    use ruzstd::io::Read;
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).ok()?;
    let mut out = alloc::vec![0; bytes];
    decoder.read_exact(&mut out).ok()?;
    Some(out)
}

/// Unpacks an LZ4 block into `out` and gives its size; `None` if it is damaged or larger.
#[cfg(feature = "stages")]
pub fn lz4(packed: &[u8], out: &mut [u8]) -> Option<usize> {
    lz4_flex::block::decompress_into(packed, out).ok()
}

/// Nothing can be unpacked.
#[cfg(not(feature = "stages"))]
pub fn zstd(_packed: &[u8], _bytes: usize) -> Option<Vec<u8>> {
    None
}

/// Nothing can be unpacked.
#[cfg(not(feature = "stages"))]
pub fn lz4(_packed: &[u8], _out: &mut [u8]) -> Option<usize> {
    None
}
