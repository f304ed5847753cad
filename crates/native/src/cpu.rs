//! Whether this CPU has what the code was compiled for.
//!
//! The export puts the list beside the code: for each word of CPUID that matters, the bits that must be set. Code that
//! needs a feature is not reached before it was looked for; the entry and this check are compiled for any x86-64.

use crate::output::Stderr;
use core::fmt::Write;

/// One word of CPUID (register 0 eax, 1 ebx, 2 ecx, 3 edx), or of XCR0 (leaf [`XCR0`]), and the bits needed of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Need {
    /// CPUID leaf.
    pub leaf: u32,
    /// Subleaf.
    pub subleaf: u32,
    /// Register.
    pub register: u32,
    /// Bits.
    pub bits: u32,
}

/// Stands for the register that says which vector state the system keeps.
pub const XCR0: u32 = u32::MAX;

fn word(need: &Need) -> u32 {
    use core::arch::x86_64::{__cpuid, __cpuid_count};
    if need.leaf == XCR0 {
        const OSXSAVE: u32 = 1 << 27;
        if __cpuid(1).ecx & OSXSAVE == 0 {
            return 0;
        }
        let low: u32;
        // SAFETY: the system enabled the instruction.
        unsafe {
            core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _, options(nomem, nostack))
        };
        return low;
    }
    // The highest basic or extended leaf.
    if need.leaf > __cpuid(need.leaf & 0x8000_0000).eax {
        return 0;
    }
    let found = __cpuid_count(need.leaf, need.subleaf);
    match need.register {
        0 => found.eax,
        1 => found.ebx,
        2 => found.ecx,
        _ => found.edx,
    }
}

/// The first need this CPU does not meet, with the bits it lacks.
pub fn lacking(needs: &[Need]) -> Option<Need> {
    needs.iter().find_map(|need| {
        let bits = need.bits & !word(need);
        (bits != 0).then_some(Need { bits, ..*need })
    })
}

/// Ends the process with a message if the CPU lacks something.
pub fn check(needs: &[Need]) {
    if let Some(lack) = lacking(needs) {
        let mut out = Stderr::new();
        let _ = writeln!(
            out,
            "error: this program was compiled for another processor: CPUID leaf {:#x}, subleaf {}, {} lacks bits {:#x}; \
             export it again on this machine, or boot the image's runtime (bareflow run --slot base)",
            lack.leaf,
            lack.subleaf,
            ["eax", "ebx", "ecx", "edx"]
                .get(lack.register as usize)
                .unwrap_or(&"?"),
            lack.bits
        );
        out.flush();
        crate::gate::exit(crate::EXIT_REFUSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(leaf: u32, register: u32, bits: u32) -> Need {
        Need {
            leaf,
            subleaf: 0,
            register,
            bits,
        }
    }

    #[test]
    fn what_is_there_is_found() {
        // SSE2, FXSR; x87 and SSE state where XCR0 exists.
        assert_eq!(lacking(&[need(1, 3, 1 << 26 | 1 << 24)]), None);
        if std::arch::is_x86_feature_detected!("avx") {
            assert_eq!(lacking(&[need(XCR0, 0, 7)]), None);
        }
    }

    #[test]
    fn what_is_not_there_is_named() {
        // Leaf 0x6FFF_FFFF does not exist; bit 20 of leaf 1's edx is reserved.
        assert_eq!(
            lacking(&[need(0x6FFF_FFFF, 0, 4)]),
            Some(need(0x6FFF_FFFF, 0, 4))
        );
        let list = [need(1, 3, 1 << 26), need(1, 3, 1 << 20 | 1 << 26)];
        assert_eq!(lacking(&list), Some(need(1, 3, 1 << 20)));
    }
}
