//! Whether this CPU has what the code was compiled for.
//!
//! The export puts the words of `formats::cpu` beside the code. Nothing compiled for more than any x86-64 may run before
//! they were compared; so the export compiles the start for any x86-64, too.

use crate::output::Stderr;
use core::arch::x86_64::{__cpuid, __cpuid_count};
use core::fmt::Write;
use formats::cpu::CpuFeatures;

/// XCR0, or 0 where the system does not save vector registers by XSAVE.
fn xcr0() -> u64 {
    const OSXSAVE: u32 = 1 << 27;
    if __cpuid(1).ecx & OSXSAVE == 0 {
        return 0;
    }
    let (low, high): (u32, u32);
    // SAFETY: the system enabled the instruction.
    unsafe {
        core::arch::asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") high, options(nomem, nostack));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// What the processor and the system have.
pub fn found() -> CpuFeatures {
    let ask = |leaf, subleaf| {
        let r = __cpuid_count(leaf, subleaf);
        [r.eax, r.ebx, r.ecx, r.edx]
    };
    CpuFeatures::detect(ask, xcr0())
}

/// Ends the process with a message if the CPU lacks something.
pub fn check(needs: &CpuFeatures) {
    let lacking = needs.missing(&found());
    if lacking != CpuFeatures::NONE {
        let mut out = Stderr::new();
        let _ = writeln!(
            out,
            "error: this program was compiled for another processor; this one lacks {lacking}; export it again here, or \
             boot the image's runtime (bareflow run --slot base)"
        );
        out.flush();
        crate::gate::exit(crate::EXIT_REFUSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_what_it_has() {
        let found = found();
        assert!(found.is_subset_of(&found));
        let sse2 = CpuFeatures::from_llvm(["+sse2", "+fxsr"]);
        assert_eq!(sse2.missing(&found), CpuFeatures::NONE);
        let avx512f = std::arch::is_x86_feature_detected!("avx512f");
        assert_eq!(found.has("avx512f"), avx512f);
    }
}
