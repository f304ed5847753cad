//! What is known of one guest function while it runs, and a copy of it for reports.

use super::branches::BranchReport;
use super::cycles::{Cycles, CyclesReport};
use super::tier::Tier;
use super::values::{Alignment, TopValues};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// How many counters of each kind a function has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Parameters of one machine word or less, in their order.
    pub parameters: usize,
    /// Basic blocks, counted in the order of the pristine IR.
    pub blocks: usize,
    /// Calls through a pointer, counted in the order of the pristine IR.
    pub indirect_sites: usize,
}

/// One word-sized parameter.
#[derive(Debug, Default)]
pub struct Argument {
    /// Its most frequent values.
    pub values: TopValues,
    /// Its alignment, for pointers.
    pub alignment: Alignment,
}

/// A guarded variant, made for some values of the arguments.
///
/// The counters stay where they are as long as the `Arc` lives, so machine code may count in them.
#[derive(Debug)]
pub struct Variant {
    /// What it assumes, such as `n = 288, align(p) >= 64`.
    pub assumes: String,
    /// Calls whose arguments fitted.
    pub hits: AtomicU64,
    /// Calls that went on to the next variant or the generic body.
    pub misses: AtomicU64,
}

/// Compiles of one kind for one tier.
#[derive(Debug, Default)]
struct Compiles {
    good: AtomicU32,
    failed: AtomicU32,
    cpu_ns: AtomicU64,
    code_bytes: AtomicU64,
}

/// What became of the function in one tier.
#[derive(Debug)]
struct TierStats {
    /// `u64::MAX`: not yet.
    reached_ns: AtomicU64,
    /// Of the function as a whole.
    whole: Compiles,
    /// Of its rest from a loop header on.
    osr: Compiles,
}

const NEVER: u64 = u64::MAX;

impl TierStats {
    fn new() -> TierStats {
        TierStats {
            reached_ns: AtomicU64::new(NEVER),
            whole: Compiles::default(),
            osr: Compiles::default(),
        }
    }
}

/// The counters of one guest function.
#[derive(Debug)]
pub struct FunctionProfile {
    id: u32,
    name: Box<str>,
    /// Times it was entered.
    pub calls: AtomicU64,
    /// Backward jumps taken in it.
    pub back_edges: AtomicU64,
    /// Times it went from one tier to a faster one in the middle of a loop.
    pub osr_entries: AtomicU64,
    /// Durations of calls, callees included, as probes measure them. Shared with the probes, which live for ever.
    pub cycles: Arc<Cycles>,
    blocks: Box<[AtomicU64]>,
    arguments: Box<[Argument]>,
    indirect: Box<[TopValues]>,
    tier: AtomicU8,
    tiers: [TierStats; Tier::ALL.len()],
    variants: RwLock<Vec<Arc<Variant>>>,
    failed: Mutex<Vec<FailureReport>>,
    unsupported: OnceLock<String>,
    state: Mutex<Cow<'static, str>>,
}

/// Counters are valid whatever a thread that panicked was doing with them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FunctionProfile {
    /// All zeros; `id` is the function's number in the program.
    pub fn new(id: u32, name: &str, shape: Shape) -> FunctionProfile {
        FunctionProfile {
            id,
            name: name.into(),
            calls: AtomicU64::new(0),
            back_edges: AtomicU64::new(0),
            osr_entries: AtomicU64::new(0),
            cycles: Arc::new(Cycles::new()),
            blocks: (0..shape.blocks).map(|_| AtomicU64::new(0)).collect(),
            arguments: (0..shape.parameters).map(|_| Argument::default()).collect(),
            indirect: (0..shape.indirect_sites)
                .map(|_| TopValues::new())
                .collect(),
            tier: AtomicU8::new(0),
            tiers: std::array::from_fn(|_| TierStats::new()),
            variants: RwLock::new(Vec::new()),
            failed: Mutex::new(Vec::new()),
            unsupported: OnceLock::new(),
            state: Mutex::new(Cow::Borrowed("never called")),
        }
    }

    /// The function's number in the program.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its symbol.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Executions of each basic block.
    pub fn blocks(&self) -> &[AtomicU64] {
        &self.blocks
    }

    /// Its word-sized parameters.
    pub fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// The targets of each call through a pointer, as addresses that the guest sees.
    pub fn indirect(&self) -> &[TopValues] {
        &self.indirect
    }

    /// The tier whose code runs.
    pub fn tier(&self) -> Tier {
        Tier::from_index(self.tier.load(Relaxed).into()).unwrap_or_default()
    }

    /// Code of `tier` became what runs, `at_ns` nanoseconds after the start. The first time counts.
    pub fn reached(&self, tier: Tier, at_ns: u64) {
        self.tier.store(tier as u8, Relaxed);
        let first = &self.tiers[tier.index()].reached_ns;
        let _ = first.compare_exchange(NEVER, at_ns, Relaxed, Relaxed);
    }

    /// A compile ended well: it took `cpu_ns` of processor time and gave `code_bytes` of machine code.
    pub fn compiled(&self, tier: Tier, cpu_ns: u64, code_bytes: u64) {
        let stats = &self.tiers[tier.index()].whole;
        stats.good.fetch_add(1, Relaxed);
        stats.cpu_ns.fetch_add(cpu_ns, Relaxed);
        stats.code_bytes.store(code_bytes, Relaxed);
    }

    /// The same for code that takes over at a loop header.
    pub fn osr_compiled(&self, tier: Tier, cpu_ns: u64, code_bytes: u64) {
        let stats = &self.tiers[tier.index()].osr;
        stats.good.fetch_add(1, Relaxed);
        stats.cpu_ns.fetch_add(cpu_ns, Relaxed);
        stats.code_bytes.fetch_add(code_bytes, Relaxed);
    }

    /// A compile failed after `cpu_ns`, of the function as a whole or of its rest from the loop header at `block` on; the old
    /// code stays. Says whether it is the first of its kind.
    pub fn compile_failed(&self, tier: Tier, block: Option<u32>, cpu_ns: u64, why: String) -> bool {
        let stats = &self.tiers[tier.index()];
        let stats = match block {
            None => &stats.whole,
            Some(_) => &stats.osr,
        };
        stats.failed.fetch_add(1, Relaxed);
        stats.cpu_ns.fetch_add(cpu_ns, Relaxed);
        let mut failed = lock(&self.failed);
        let is_first = failed.iter().all(|f| f.block.is_some() != block.is_some());
        failed.retain(|f| (f.tier, f.block) != (tier, block));
        failed.push(FailureReport { tier, block, why });
        is_first
    }

    /// Whether it was compiled for a tier as a whole.
    pub fn has_compiled(&self, tier: Tier) -> bool {
        self.tiers[tier.index()].whole.good.load(Relaxed) > 0
    }

    /// The last failure of each kind, oldest first.
    pub fn failures(&self) -> Vec<FailureReport> {
        lock(&self.failed).clone()
    }

    /// The interpreter cannot express it, for this reason: machine code that took `cpu_ns` was made for its first call, with the
    /// code generator of O1. What was said first counts.
    pub fn cannot_be_interpreted(&self, why: String, cpu_ns: u64, code_bytes: u64) {
        if self.unsupported.set(why).is_ok() {
            self.compiled(Tier::O1, cpu_ns, code_bytes);
        }
    }

    /// Bytes of code of `tier` in memory; 0 after it was freed.
    pub fn set_code_bytes(&self, tier: Tier, bytes: u64) {
        let stats = &self.tiers[tier.index()].whole;
        stats.code_bytes.store(bytes, Relaxed);
    }

    /// The code that takes over at its loops was dropped.
    pub fn drop_osr_code(&self) {
        for tier in &self.tiers {
            tier.osr.code_bytes.store(0, Relaxed);
        }
    }

    /// Starts to count for a guarded variant.
    pub fn add_variant(&self, assumes: String) -> Arc<Variant> {
        let variant = Arc::new(Variant {
            assumes,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        });
        let mut all = self
            .variants
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&variant));
        variant
    }

    /// The guarded variants so far, oldest first.
    pub fn variants(&self) -> Vec<Arc<Variant>> {
        self.variants
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says why it was promoted, or why not.
    pub fn set_state(&self, why: impl Into<Cow<'static, str>>) {
        *lock(&self.state) = why.into();
    }

    /// Adds what an earlier run of the same program counted, so that heat and knowledge last. Targets of pointer calls
    /// are addresses of that run and mean nothing here; tiers and variants are made anew.
    ///
    /// # Errors
    ///
    /// [`Mismatch`], and nothing is added: the report is of another function, or of another version of it.
    pub fn restore(&self, report: &FunctionReport) -> Result<(), Mismatch> {
        let check = |what, found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(Mismatch {
                function: self.name.to_string(),
                what,
                found,
                expected,
            }),
        };
        check("blocks", report.blocks.len(), self.blocks.len())?;
        check("parameters", report.arguments.len(), self.arguments.len())?;
        check(
            "pointer calls",
            report.indirect_sites.len(),
            self.indirect.len(),
        )?;
        self.calls.fetch_add(report.calls, Relaxed);
        self.back_edges.fetch_add(report.back_edges, Relaxed);
        self.osr_entries.fetch_add(report.osr_entries, Relaxed);
        if let Some(cycles) = &report.cycles {
            self.cycles.add(cycles);
        }
        for (block, &count) in self.blocks.iter().zip(&report.blocks) {
            block.fetch_add(count, Relaxed);
        }
        for (argument, old) in self.arguments.iter().zip(&report.arguments) {
            argument.values.restore(old.values.total, &old.values.top);
            argument.alignment.restore(&old.alignments, old.nulls);
        }
        Ok(())
    }

    /// A copy of everything. Counters that move meanwhile may be a few events apart.
    pub fn report(&self) -> FunctionReport {
        let load = |counters: &[AtomicU64]| counters.iter().map(|c| c.load(Relaxed)).collect();
        FunctionReport {
            id: self.id,
            name: self.name.to_string(),
            tier: self.tier(),
            calls: self.calls.load(Relaxed),
            back_edges: self.back_edges.load(Relaxed),
            osr_entries: self.osr_entries.load(Relaxed),
            cycles: self.cycles.report(),
            blocks: load(&self.blocks),
            branches: Vec::new(),
            arguments: self.arguments.iter().map(ArgumentReport::of).collect(),
            indirect_sites: self.indirect.iter().map(ValuesReport::of).collect(),
            tiers: Tier::ALL
                .into_iter()
                .filter_map(|tier| self.tier_report(tier))
                .collect(),
            variants: self
                .variants()
                .iter()
                .map(|v| VariantReport::of(v))
                .collect(),
            failed: self.failures(),
            unsupported: self.unsupported.get().cloned(),
            calls_at_least: false,
            back_edges_at_least: false,
            state: lock(&self.state).to_string(),
        }
    }

    fn tier_report(&self, tier: Tier) -> Option<TierReport> {
        let stats = &self.tiers[tier.index()];
        let reached = stats.reached_ns.load(Relaxed);
        let report = TierReport {
            tier,
            reached_ns: (reached != NEVER).then_some(reached),
            compiles: stats.whole.good.load(Relaxed),
            failures: stats.whole.failed.load(Relaxed),
            compile_ns: stats.whole.cpu_ns.load(Relaxed),
            code_bytes: stats.whole.code_bytes.load(Relaxed),
            osr_compiles: stats.osr.good.load(Relaxed),
            osr_failures: stats.osr.failed.load(Relaxed),
            osr_compile_ns: stats.osr.cpu_ns.load(Relaxed),
            osr_code_bytes: stats.osr.code_bytes.load(Relaxed),
        };
        let seen = report.reached_ns.is_some() || report.all_compiles() + report.all_failures() > 0;
        seen.then_some(report)
    }
}

/// A report that is not of this function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the kept profile of {function} has {found} {what}, the function has {expected}: it is dropped"
)]
pub struct Mismatch {
    /// The function here.
    pub function: String,
    /// What differs.
    pub what: &'static str,
    /// How many the report has.
    pub found: usize,
    /// How many the function has.
    pub expected: usize,
}

/// A copy of a [`FunctionProfile`]; its JSON has these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionReport {
    /// Number in the program.
    pub id: u32,
    /// Symbol.
    pub name: String,
    /// The tier whose code ran last.
    pub tier: Tier,
    /// Times it was entered.
    pub calls: u64,
    /// Backward jumps taken.
    pub back_edges: u64,
    /// Entries into compiled code in the middle of a loop.
    pub osr_entries: u64,
    /// Measured durations of calls, callees included; null when none was measured.
    pub cycles: Option<CyclesReport>,
    /// Executions of each basic block, in the order of the pristine IR.
    pub blocks: Vec<u64>,
    /// What conditional branches and switches did, as far as the counts of blocks tell and the interpreter counted.
    #[serde(default)]
    pub branches: Vec<BranchReport>,
    /// Word-sized parameters in their order.
    pub arguments: Vec<ArgumentReport>,
    /// Targets of each call through a pointer.
    pub indirect_sites: Vec<ValuesReport>,
    /// The tiers it was compiled for or ran in, slowest first.
    pub tiers: Vec<TierReport>,
    /// Guarded variants, oldest first.
    pub variants: Vec<VariantReport>,
    /// Compiles that failed, the last of each tier and loop.
    #[serde(default)]
    pub failed: Vec<FailureReport>,
    /// Why the interpreter cannot express it, if so: then it was compiled at its first call.
    #[serde(default)]
    pub unsupported: Option<String>,
    /// Whether code ran that does not count calls: there were so many at least, and the cycles estimated from them are too few.
    #[serde(default)]
    pub calls_at_least: bool,
    /// Whether code ran that does not count backward jumps.
    #[serde(default)]
    pub back_edges_at_least: bool,
    /// Why it was promoted, or why not.
    pub state: String,
}

/// A compile that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReport {
    /// The tier it was for.
    pub tier: Tier,
    /// The loop header (block) from which on it was for; null when it was for the function as a whole.
    pub block: Option<u32>,
    /// What LLVM, the linker or the limit of memory said.
    pub why: String,
}

/// The most frequent values of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValuesReport {
    /// How many values were seen.
    pub total: u64,
    /// The most frequent, with how often each was seen at least: `[[value, count], ..]`.
    pub top: Vec<(u64, u64)>,
}

impl ValuesReport {
    fn of(values: &TopValues) -> ValuesReport {
        ValuesReport {
            total: values.total(),
            top: values.top(),
        }
    }
}

/// One word-sized parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgumentReport {
    /// Its values.
    pub values: ValuesReport,
    /// Pointers seen whose alignment is 1, 2, 4, 8, 16, 32, and 64 or more; empty when none was seen.
    pub alignments: Vec<u64>,
    /// Null pointers seen, when it is a pointer.
    pub nulls: u64,
}

impl ArgumentReport {
    fn of(argument: &Argument) -> ArgumentReport {
        let counts = argument.alignment.counts();
        let seen = counts.iter().any(|&n| n > 0);
        ArgumentReport {
            values: ValuesReport::of(&argument.values),
            alignments: if seen { counts.to_vec() } else { Vec::new() },
            nulls: argument.alignment.nulls(),
        }
    }
}

/// What became of a function in one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierReport {
    /// The tier.
    pub tier: Tier,
    /// When its code first ran, in nanoseconds after the start; null when it never did.
    pub reached_ns: Option<u64>,
    /// Compiles that ended well.
    pub compiles: u32,
    /// Compiles that failed.
    pub failures: u32,
    /// Processor time of all compiles of the function as a whole, in nanoseconds.
    pub compile_ns: u64,
    /// Machine code of the last compile, in bytes; 0 after it was freed.
    pub code_bytes: u64,
    /// Compiles that ended well of code that takes over at a loop header: the rest of the function from there on.
    #[serde(default)]
    pub osr_compiles: u32,
    /// Such compiles that failed.
    #[serde(default)]
    pub osr_failures: u32,
    /// Processor time of such compiles, in nanoseconds.
    #[serde(default)]
    pub osr_compile_ns: u64,
    /// Machine code of such compiles, in bytes; 0 after it was freed.
    #[serde(default)]
    pub osr_code_bytes: u64,
}

impl TierReport {
    /// Compiles that ended well, of both kinds.
    pub fn all_compiles(&self) -> u64 {
        u64::from(self.compiles) + u64::from(self.osr_compiles)
    }

    /// Compiles that failed, of both kinds.
    pub fn all_failures(&self) -> u64 {
        u64::from(self.failures) + u64::from(self.osr_failures)
    }

    /// Processor time of all compiles, in nanoseconds.
    pub fn all_compile_ns(&self) -> u64 {
        self.compile_ns + self.osr_compile_ns
    }

    /// All machine code, in bytes.
    pub fn all_code_bytes(&self) -> u64 {
        self.code_bytes + self.osr_code_bytes
    }
}

/// One guarded variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantReport {
    /// What it assumes.
    pub assumes: String,
    /// Calls whose arguments fitted.
    pub hits: u64,
    /// Calls whose arguments did not.
    pub misses: u64,
}

impl VariantReport {
    fn of(variant: &Variant) -> VariantReport {
        VariantReport {
            assumes: variant.assumes.clone(),
            hits: variant.hits.load(Relaxed),
            misses: variant.misses.load(Relaxed),
        }
    }
}

impl FunctionReport {
    /// Whether any of it ran, as far as that was counted.
    pub fn ran(&self) -> bool {
        self.calls > 0
            || self.calls_at_least
            || self.back_edges > 0
            || self.blocks.iter().any(|&n| n > 0)
    }

    /// Basic blocks that ran.
    pub fn blocks_reached(&self) -> usize {
        self.blocks.iter().filter(|&&n| n > 0).count()
    }

    /// Estimated cycles of all calls: the measured average times the calls.
    pub fn estimated_cycles(&self) -> Option<u64> {
        let cycles = self.cycles?;
        let calls = u128::from(self.calls.max(cycles.samples));
        let total = u128::from(cycles.total) * calls / u128::from(cycles.samples.max(1));
        Some(u64::try_from(total).unwrap_or(u64::MAX))
    }

    /// Time of all its compiles, in nanoseconds.
    pub fn compile_ns(&self) -> u64 {
        self.tiers.iter().map(TierReport::all_compile_ns).sum()
    }

    /// Its machine code of all tiers, in bytes.
    pub fn code_bytes(&self) -> u64 {
        self.tiers.iter().map(TierReport::all_code_bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> FunctionProfile {
        let shape = Shape {
            parameters: 2,
            blocks: 3,
            indirect_sites: 1,
        };
        FunctionProfile::new(7, "matmul", shape)
    }

    #[test]
    fn a_new_function_never_ran() {
        let report = profile().report();
        assert!(!report.ran());
        assert_eq!(
            (report.id, report.name.as_str(), report.tier),
            (7, "matmul", Tier::Interp)
        );
        assert_eq!((report.blocks.len(), report.blocks_reached()), (3, 0));
        assert_eq!(
            (report.arguments.len(), report.indirect_sites.len()),
            (2, 1)
        );
        assert_eq!(
            (report.tiers.len(), report.state.as_str()),
            (0, "never called")
        );
        assert_eq!((report.cycles, report.estimated_cycles()), (None, None));
    }

    #[test]
    fn everything_counted_is_reported() {
        let f = profile();
        f.calls.store(100, Relaxed);
        f.blocks()[1].store(5, Relaxed);
        f.arguments()[0].values.record(288);
        f.arguments()[1].alignment.record(0x40);
        f.indirect()[0].record(0x1234);
        f.cycles.record(50);
        f.reached(Tier::Interp, 10);
        f.reached(Tier::O2, 20);
        f.reached(Tier::O2, 30);
        f.compiled(Tier::O2, 1_000, 64);
        assert!(f.compile_failed(Tier::O3, None, 500, "no room".to_owned()));
        assert!(!f.compile_failed(Tier::O2, None, 0, "no room".to_owned()));
        assert!(f.compile_failed(Tier::O3, Some(4), 20, "odd".to_owned()));
        f.osr_compiled(Tier::O3, 300, 10);
        f.osr_compiled(Tier::O3, 300, 10);
        let variant = f.add_variant("n = 288".to_owned());
        variant.hits.store(9, Relaxed);
        variant.misses.store(1, Relaxed);
        f.set_state("compile at O3 failed");

        let report = f.report();
        assert!(report.ran());
        assert_eq!(report.blocks_reached(), 1);
        assert_eq!(report.estimated_cycles(), Some(5_000));
        assert_eq!(report.arguments[0].values.top, [(288, 1)]);
        assert_eq!(report.arguments[0].alignments, [0u64; 0]);
        assert_eq!(report.arguments[1].alignments, [0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(report.indirect_sites[0].top, [(0x1234, 1)]);
        assert_eq!(report.tier, Tier::O2);
        let names: Vec<Tier> = report.tiers.iter().map(|t| t.tier).collect();
        assert_eq!(names, [Tier::Interp, Tier::O2, Tier::O3]);
        assert_eq!(report.tiers[1].reached_ns, Some(20));
        assert_eq!(report.tiers[2].reached_ns, None);
        assert_eq!((report.compile_ns(), report.code_bytes()), (2_120, 84));
        assert_eq!(report.tiers[2].all_compiles(), 2);
        assert_eq!(report.tiers[2].all_failures(), 2);
        let failed: Vec<_> = report.failed.iter().map(|f| (f.tier, f.block)).collect();
        let expected = [(Tier::O3, None), (Tier::O2, None), (Tier::O3, Some(4))];
        assert_eq!(failed, expected);
        f.drop_osr_code();
        assert_eq!(f.report().code_bytes(), 64);
        assert_eq!((report.variants[0].hits, report.variants[0].misses), (9, 1));
        assert_eq!(report.state, "compile at O3 failed");
    }

    #[test]
    fn json_keeps_everything() {
        let f = profile();
        f.calls.store(u64::MAX, Relaxed);
        f.cycles.record(50);
        f.compiled(Tier::O1, 1, 2);
        f.add_variant("n = 1".to_owned());
        let report = f.report();
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            serde_json::from_str::<FunctionReport>(&json).unwrap(),
            report
        );
    }

    #[test]
    fn a_restored_profile_goes_on() {
        let old = profile();
        old.calls.store(90, Relaxed);
        old.back_edges.store(7, Relaxed);
        old.blocks()[2].store(3, Relaxed);
        old.cycles.record(50);
        old.arguments()[0].values.record(288);
        old.arguments()[1].alignment.record(0x40);
        let report = old.report();

        let new = profile();
        new.calls.store(10, Relaxed);
        new.restore(&report).unwrap();
        let both = new.report();
        assert_eq!((both.calls, both.back_edges, both.blocks[2]), (100, 7, 3));
        assert_eq!(
            (both.cycles, &both.arguments),
            (report.cycles, &report.arguments)
        );

        let other = FunctionProfile::new(
            7,
            "matmul",
            Shape {
                blocks: 4,
                ..Shape::default()
            },
        );
        let error = other.restore(&report).unwrap_err();
        assert_eq!((error.what, error.found, error.expected), ("blocks", 3, 4));
        assert_eq!(other.report().calls, 0);
    }
}
