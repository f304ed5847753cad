//! The CPU that code is made for, and what guests are told of it.

use llvm::HostCpu;

/// Features and scheduling model of the CPU found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cpu {
    host: HostCpu,
    tune: String,
}

impl Cpu {
    /// Detects the CPU of this process.
    ///
    /// Code is made for the *features* found. The CPU's name only picks the scheduling model, and not even that on an
    /// emulated processor, whose name LLVM misdetects.
    pub fn detect() -> Self {
        let host = HostCpu::detect();
        let tune = if host.emulated {
            "generic".to_owned()
        } else {
            host.name.clone()
        };
        Cpu { host, tune }
    }

    /// This CPU without the named features: what code for a lesser machine looks like.
    #[must_use]
    pub fn without(mut self, features: &[&str]) -> Self {
        for (name, present) in &mut self.host.features {
            *present &= !features.contains(&name.as_str());
        }
        self
    }

    /// Whether the processor is an emulation: compiling takes ten times as long there.
    pub fn is_emulated(&self) -> bool {
        self.host.emulated
    }

    /// LLVM name of the scheduling model.
    pub fn tune(&self) -> &str {
        &self.tune
    }

    /// LLVM's list of all features, present (`+`) and missing (`-`).
    pub fn feature_string(&self) -> String {
        self.host.feature_string()
    }

    /// Whether the feature is present. Names LLVM cannot detect (tuning flags, parts of the baseline) count as present.
    pub fn has(&self, feature: &str) -> bool {
        self.host.has(feature).unwrap_or(true)
    }

    /// The first feature of a function's `target-features` attribute that this CPU lacks.
    pub fn lacks<'a>(&self, target_features: &'a str) -> Option<&'a str> {
        target_features
            .split(',')
            .filter_map(|f| f.strip_prefix('+'))
            .find(|f| !self.has(f))
    }

    /// The bits of `bf_cpu_features`: bit `1 << i` is set when `names[i]` is present.
    pub fn bits(&self, names: &[(&str, u64)]) -> u64 {
        names
            .iter()
            .filter(|(n, _)| self.host.has(n) == Some(true))
            .map(|(_, bit)| bit)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_found_and_taken_away() {
        let cpu = Cpu::detect();
        assert!(cpu.has("sse2"));
        assert_eq!(cpu.lacks("+sse2,+x87,-avx512f"), None);
        let less = cpu.without(&["sse4.2", "avx512f"]);
        assert_eq!(less.lacks("+sse2,+sse4.2"), Some("sse4.2"));
        assert!(less.feature_string().contains("-avx512f"));
        assert_eq!(less.bits(&[("sse2", 1), ("sse4.2", 2), ("nonsense", 4)]), 1);
    }
}
