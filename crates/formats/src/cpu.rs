//! Processor features as CPUID tells them: what code needs, what a processor has, and whether they fit.
//!
//! Twelve words of 32 bits, in this order (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E):
//!
//! | word | CPUID leaf, subleaf, register | word | CPUID leaf, subleaf, register |
//! |---|---|---|---|
//! | 0 | 1 ECX | 6 | 7, 1 EDX |
//! | 1 | 1 EDX | 7 | 0x8000_0001 ECX |
//! | 2 | 7, 0 EBX | 8 | 0x8000_0001 EDX |
//! | 3 | 7, 0 ECX | 9 | 0xD, 1 EAX |
//! | 4 | 7, 0 EDX | 10 | 0x8000_0008 EBX |
//! | 5 | 7, 1 EAX | 11 | XCR0, low half: register state the system saves |
//!
//! Only bits that have a name here are kept: they are those that a compiler can be told of, by LLVM's names, plus the bits
//! of XCR0. So the words do not change with a bit of no interest (the APIC number, OSXSAVE), and their hash names a
//! processor's instruction set, not one processor.

use crate::checksum::checksum;
use core::fmt;

/// Number of words.
pub const WORDS: usize = 12;

/// XCR0 bits 1 and 2: SSE and AVX state.
const XCR0_AVX: u32 = 0b110;
/// And bits 5 to 7: mask registers and the 512-bit ones.
const XCR0_AVX512: u32 = 0b1110_0110;
/// Bits 17 and 18: tile state.
const XCR0_AMX: u32 = 0b11 << 17;
/// Bit 19: the extended general registers.
const XCR0_APX: u32 = 1 << 19;
const XCR0: usize = 11;

/// LLVM's name, word, bit, and the bits of XCR0 without which the instructions fault.
#[rustfmt::skip]
const FEATURES: &[(&str, usize, u32, u32)] = &[
    ("sse3", 0, 0, 0), ("pclmul", 0, 1, 0), ("ssse3", 0, 9, 0), ("fma", 0, 12, XCR0_AVX), ("cx16", 0, 13, 0),
    ("sse4.1", 0, 19, 0), ("sse4.2", 0, 20, 0), ("movbe", 0, 22, 0), ("popcnt", 0, 23, 0), ("aes", 0, 25, 0),
    ("xsave", 0, 26, 0), ("avx", 0, 28, XCR0_AVX), ("f16c", 0, 29, XCR0_AVX), ("rdrnd", 0, 30, 0),
    ("x87", 1, 0, 0), ("cx8", 1, 8, 0), ("cmov", 1, 15, 0), ("mmx", 1, 23, 0), ("fxsr", 1, 24, 0), ("sse", 1, 25, 0),
    ("sse2", 1, 26, 0),
    ("fsgsbase", 2, 0, 0), ("bmi", 2, 3, 0), ("avx2", 2, 5, XCR0_AVX), ("bmi2", 2, 8, 0), ("invpcid", 2, 10, 0),
    ("rtm", 2, 11, 0), ("avx512f", 2, 16, XCR0_AVX512), ("avx512dq", 2, 17, XCR0_AVX512), ("rdseed", 2, 18, 0),
    ("adx", 2, 19, 0), ("avx512ifma", 2, 21, XCR0_AVX512), ("clflushopt", 2, 23, 0), ("clwb", 2, 24, 0),
    ("avx512cd", 2, 28, XCR0_AVX512), ("sha", 2, 29, 0), ("avx512bw", 2, 30, XCR0_AVX512),
    ("avx512vl", 2, 31, XCR0_AVX512),
    ("avx512vbmi", 3, 1, XCR0_AVX512), ("pku", 3, 4, 0), ("waitpkg", 3, 5, 0), ("avx512vbmi2", 3, 6, XCR0_AVX512),
    ("shstk", 3, 7, 0), ("gfni", 3, 8, 0), ("vaes", 3, 9, XCR0_AVX), ("vpclmulqdq", 3, 10, XCR0_AVX),
    ("avx512vnni", 3, 11, XCR0_AVX512), ("avx512bitalg", 3, 12, XCR0_AVX512),
    ("avx512vpopcntdq", 3, 14, XCR0_AVX512), ("rdpid", 3, 22, 0), ("kl", 3, 23, 0), ("cldemote", 3, 25, 0),
    ("movdiri", 3, 27, 0), ("movdir64b", 3, 28, 0), ("enqcmd", 3, 29, 0),
    ("uintr", 4, 5, 0), ("avx512vp2intersect", 4, 8, XCR0_AVX512), ("serialize", 4, 14, 0), ("tsxldtrk", 4, 16, 0),
    ("pconfig", 4, 18, 0), ("amx-bf16", 4, 22, XCR0_AMX), ("avx512fp16", 4, 23, XCR0_AVX512),
    ("amx-tile", 4, 24, XCR0_AMX), ("amx-int8", 4, 25, XCR0_AMX),
    ("sha512", 5, 0, XCR0_AVX), ("sm3", 5, 1, XCR0_AVX), ("sm4", 5, 2, XCR0_AVX), ("raoint", 5, 3, 0),
    ("avxvnni", 5, 4, XCR0_AVX), ("avx512bf16", 5, 5, XCR0_AVX512), ("cmpccxadd", 5, 7, 0),
    ("amx-fp16", 5, 21, XCR0_AMX), ("hreset", 5, 22, 0), ("avxifma", 5, 23, XCR0_AVX), ("movrs", 5, 31, 0),
    ("avxvnniint8", 6, 4, XCR0_AVX), ("avxneconvert", 6, 5, XCR0_AVX), ("amx-complex", 6, 8, XCR0_AMX),
    ("avxvnniint16", 6, 10, XCR0_AVX), ("prefetchi", 6, 14, 0), ("usermsr", 6, 15, 0),
    ("avx10.1", 6, 19, XCR0_AVX512), ("apxf", 6, 21, XCR0_APX),
    ("sahf", 7, 0, 0), ("lzcnt", 7, 5, 0), ("sse4a", 7, 6, 0), ("prfchw", 7, 8, 0), ("xop", 7, 11, XCR0_AVX),
    ("lwp", 7, 15, 0), ("fma4", 7, 16, XCR0_AVX), ("tbm", 7, 21, 0), ("mwaitx", 7, 29, 0),
    ("64bit", 8, 29, 0),
    ("xsaveopt", 9, 0, 0), ("xsavec", 9, 1, 0), ("xsaves", 9, 3, 0),
    ("clzero", 10, 0, 0), ("rdpru", 10, 4, 0), ("wbnoinvd", 10, 9, 0),
];

/// LLVM's names for what depends on others here: part of one of them, or nothing that CPUID tells.
const IMPLIED: &[(&str, &str)] = &[
    ("crc32", "sse4.2"),
    ("evex512", "avx512f"),
    ("avx10.1-512", "avx10.1"),
    ("avx10.1-256", "avx10.1"),
    ("widekl", "kl"),
    ("egpr", "apxf"),
    ("push2pop2", "apxf"),
    ("ppx", "apxf"),
    ("ndd", "apxf"),
    ("ccmp", "apxf"),
    ("nf", "apxf"),
    ("zu", "apxf"),
    ("cf", "apxf"),
];

/// A set of processor features.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CpuFeatures {
    /// The words in the order of the module's table.
    pub words: [u32; WORDS],
}

impl CpuFeatures {
    /// No feature at all: runs everywhere.
    pub const NONE: Self = Self { words: [0; WORDS] };

    /// The features of the processor that answers `cpuid(leaf, subleaf) -> [eax, ebx, ecx, edx]`. `xcr0` is the
    /// register where the system has set CR4.OSXSAVE, else 0: instructions whose registers nobody saves are left out.
    pub fn detect(mut cpuid: impl FnMut(u32, u32) -> [u32; 4], xcr0: u64) -> Self {
        let most = cpuid(0, 0)[0];
        let most_extended = cpuid(0x8000_0000, 0)[0];
        let mut ask = |leaf: u32, subleaf| {
            let last = if leaf < 0x8000_0000 {
                most
            } else {
                most_extended
            };
            if leaf <= last {
                cpuid(leaf, subleaf)
            } else {
                [0; 4]
            }
        };
        let [_, _, c1, d1] = ask(1, 0);
        let [subleaves, b7, c7, d7] = ask(7, 0);
        let [a71, _, _, d71] = if subleaves >= 1 { ask(7, 1) } else { [0; 4] };
        let [_, _, c81, d81] = ask(0x8000_0001, 0);
        let words = [
            c1,
            d1,
            b7,
            c7,
            d7,
            a71,
            d71,
            c81,
            d81,
            ask(0xD, 1)[0],
            ask(0x8000_0008, 0)[1],
            xcr0 as u32,
        ];
        let mut found = Self::NONE;
        for &(_, word, bit, state) in FEATURES {
            if words[word] & (1 << bit) != 0 && words[XCR0] & state == state {
                found.words[word] |= 1 << bit;
                found.words[XCR0] |= state;
            }
        }
        found
    }

    /// What the features of these LLVM names need. A leading `+` is skipped; names with `-` in front are not needed.
    /// Names that CPUID does not tell of (tuning, `nopl`) are skipped.
    pub fn from_llvm<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needed = Self::NONE;
        for name in names {
            let name = name.trim();
            if !name.starts_with('-') {
                needed.add(name.strip_prefix('+').unwrap_or(name));
            }
        }
        needed
    }

    /// Adds one feature by LLVM's name; false for a name that CPUID does not tell of.
    pub fn add(&mut self, name: &str) -> bool {
        let name = IMPLIED
            .iter()
            .find(|(alias, _)| *alias == name)
            .map_or(name, |(_, of)| of);
        match FEATURES.iter().find(|(known, ..)| *known == name) {
            Some(&(_, word, bit, state)) => {
                self.words[word] |= 1 << bit;
                self.words[XCR0] |= state;
                true
            }
            None => false,
        }
    }

    /// True if there is the feature of this LLVM name.
    pub fn has(&self, name: &str) -> bool {
        let mut one = Self::NONE;
        one.add(name) && one.is_subset_of(self)
    }

    /// True if code that needs these runs where `found` is.
    pub fn is_subset_of(&self, found: &Self) -> bool {
        self.words
            .iter()
            .zip(found.words)
            .all(|(needed, found)| needed & !found == 0)
    }

    /// What is in `self` and not in `found`.
    pub fn missing(&self, found: &Self) -> Self {
        let mut missing = Self::NONE;
        for (i, word) in missing.words.iter_mut().enumerate() {
            *word = self.words[i] & !found.words[i];
        }
        missing
    }

    /// LLVM's names of the features in the set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        FEATURES
            .iter()
            .filter(|(_, word, bit, _)| self.words[*word] & (1 << bit) != 0)
            .map(|(name, ..)| *name)
    }

    /// The key under which code for exactly these features is kept; never 0.
    pub fn key(&self) -> u64 {
        checksum(&self.to_bytes()).max(1)
    }

    /// The words, little endian.
    pub fn to_bytes(&self) -> [u8; WORDS * 4] {
        let mut bytes = [0; WORDS * 4];
        for (i, word) in self.words.iter().enumerate() {
            bytes[i * 4..i * 4 + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// From little-endian words.
    pub fn from_bytes(bytes: &[u8; WORDS * 4]) -> Self {
        let word = |i: usize| {
            u32::from_le_bytes([
                bytes[i * 4],
                bytes[i * 4 + 1],
                bytes[i * 4 + 2],
                bytes[i * 4 + 3],
            ])
        };
        Self {
            words: core::array::from_fn(word),
        }
    }
}

impl fmt::Display for CpuFeatures {
    /// The names, with blanks between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.names().enumerate() {
            f.write_str(if i == 0 { "" } else { " " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for CpuFeatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CpuFeatures({self}; xcr0 {:#x})", self.words[XCR0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    /// A processor with all bits of leaf 1 and 7 set, and no extended leaves.
    fn all(leaf: u32, _: u32) -> [u32; 4] {
        match leaf {
            0 => [7, 0, 0, 0],
            0x8000_0000 => [0x8000_0000, 0, 0, 0],
            1 | 7 => [u32::MAX; 4],
            _ => panic!("leaf {leaf:#x} does not exist"),
        }
    }

    #[test]
    fn names_have_one_place_each() {
        let mut places: Vec<_> = FEATURES.iter().map(|f| (f.1, f.2)).collect();
        let mut names: Vec<_> = FEATURES.iter().map(|f| f.0).collect();
        places.sort_unstable();
        places.dedup();
        names.sort_unstable();
        names.dedup();
        assert_eq!(
            (places.len(), names.len()),
            (FEATURES.len(), FEATURES.len())
        );
        assert!(FEATURES.iter().all(|f| f.1 < XCR0 && f.2 < 32));
        for (alias, of) in IMPLIED {
            assert!(names.contains(of) && !names.contains(alias), "{alias}");
        }
    }

    #[test]
    fn registers_that_nobody_saves_are_not_there() {
        let full = CpuFeatures::detect(all, u64::MAX);
        let avx = CpuFeatures::detect(all, 7);
        let none = CpuFeatures::detect(all, 0);
        assert!(full.has("avx512f") && full.has("avx2") && full.has("sse4.2"));
        assert!(!avx.has("avx512f") && avx.has("avx2"));
        assert!(!none.has("avx") && none.has("sse4.2") && !none.has("lzcnt"));
        assert_eq!(avx.words[XCR0], XCR0_AVX);
    }

    #[test]
    fn what_is_missing_has_a_name() {
        let needed = CpuFeatures::from_llvm("+avx2,+fma,-avx512f,+crc32,+nopl".split(','));
        assert_eq!(needed.to_string(), "fma sse4.2 avx2");
        let mut found = CpuFeatures::from_llvm(["avx2", "sse4.2"]);
        assert!(!needed.is_subset_of(&found));
        assert_eq!(needed.missing(&found).to_string(), "fma");
        found.add("fma");
        assert!(needed.is_subset_of(&found));
        // The instruction is there, the registers are not saved.
        found.words[XCR0] = 0;
        assert!(!needed.is_subset_of(&found));
    }

    #[test]
    fn bytes_and_back() {
        let set = CpuFeatures::from_llvm(["avx512vnni", "lzcnt", "sse2"]);
        assert_eq!(CpuFeatures::from_bytes(&set.to_bytes()), set);
        assert_ne!(set.key(), CpuFeatures::NONE.key());
        assert!(!set.has("no such feature"));
    }
}
