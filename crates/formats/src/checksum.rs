//! The checksum of everything that is kept on the disk: XXH64 with seed 0.
//!
//! It tells damage (a torn write, a flipped bit), not malice: whoever can write the disk can write the checksum. It
//! was chosen for its speed without vector instructions: a boot checks megabytes before its first instruction of
//! the program, under emulation too.

use core::hash::Hasher;
use twox_hash::XxHash64;

/// The checksum of `bytes`.
pub fn checksum(bytes: &[u8]) -> u64 {
    XxHash64::oneshot(0, bytes)
}

/// The checksum of bytes that come piece by piece.
#[derive(Clone)]
pub struct Checksum(XxHash64);

impl Checksum {
    /// Of no bytes yet.
    pub fn new() -> Self {
        Self(XxHash64::with_seed(0))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write(bytes);
        self
    }

    /// The checksum of all bytes taken; the same as [`checksum`] of them in one piece.
    pub fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl Default for Checksum {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_xxh64() {
        // Test vectors of the reference implementation.
        assert_eq!(checksum(b""), 0xEF46_DB37_51D8_E999);
        assert_eq!(checksum(b"a"), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(checksum(b"abc"), 0x44BC_2CF5_AD77_0999);
    }

    #[test]
    fn pieces_are_the_whole() {
        let bytes: [u8; 100] = core::array::from_fn(|i| (i * 7) as u8);
        for cut in 0..bytes.len() {
            let mut pieces = Checksum::new();
            pieces.update(&bytes[..cut]).update(&bytes[cut..]);
            assert_eq!(pieces.finish(), checksum(&bytes));
        }
    }
}
