//! The profile as a table for people.

use super::branches::BranchReport;
use super::function::{ArgumentReport, FunctionReport, TierReport, ValuesReport};
use super::regions::RegionReport;
use super::report::ProfileReport;
use super::tier::Tier;
use super::values::ALIGNMENTS;
use std::fmt::Write;

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextOptions {
    /// Most functions listed; those that never ran are not listed in any case.
    pub functions: usize,
    /// Below each function its arguments, pointer calls and variants.
    pub details: bool,
}

impl Default for TextOptions {
    fn default() -> TextOptions {
        TextOptions {
            functions: 50,
            details: false,
        }
    }
}

/// What the mark behind a number means.
const LEGEND: &str = "+ at least: O3 code counts no calls, code above O1 and code that took over at a loop no \
                      back-edges; cycles are those of the calls counted";

/// What it means that a region was timed less often than it was run through.
const REGIONS_LEGEND: &str = "times are exact; of short regions one in 16 is timed: cycles and avg are estimates, min and max \
                              are those of the timed";

/// Longest name shown whole, in characters.
const NAME: usize = 32;

impl ProfileReport {
    /// A table of the most expensive functions, with totals before it.
    pub fn to_text(&self, options: TextOptions) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out, options);
        out
    }

    fn write(&self, out: &mut String, options: TextOptions) -> std::fmt::Result {
        let sum = &self.totals;
        writeln!(
            out,
            "Profile of {} functions over {}: {} ran, {} never did; {} of {} basic blocks reached ({})",
            sum.functions,
            seconds(self.run_ns),
            sum.functions - sum.never_ran,
            sum.never_ran,
            sum.blocks_reached,
            sum.blocks,
            percent(sum.blocks_reached, sum.blocks),
        )?;
        writeln!(
            out,
            "Calls {}, back-edges {}, on-stack replacements {}, guards {} hit and {} missed",
            short(sum.calls),
            short(sum.back_edges),
            short(sum.osr_entries),
            short(sum.guard_hits),
            short(sum.guard_misses),
        )?;
        if sum.unsupported > 0 {
            writeln!(
                out,
                "The interpreter cannot express {} functions: they were compiled at their first call",
                sum.unsupported
            )?;
        }
        let mut table = Table::new([
            "tier",
            "functions",
            "compiles",
            "of loops",
            "failed",
            "compile ms",
            "code bytes",
        ]);
        for tier in &sum.tiers {
            table.row([
                tier.tier.to_string(),
                tier.functions.to_string(),
                tier.compiles.to_string(),
                tier.osr_compiles.to_string(),
                tier.failures.to_string(),
                milliseconds(tier.compile_ns),
                tier.code_bytes.to_string(),
            ]);
        }
        table.row([
            "all".to_owned(),
            (sum.functions - sum.never_ran).to_string(),
            sum.compiles.to_string(),
            sum.osr_compiles.to_string(),
            sum.failures.to_string(),
            milliseconds(sum.compile_ns),
            sum.code_bytes.to_string(),
        ]);
        writeln!(out)?;
        table.write(out, 1)?;
        self.write_functions(out, options)?;
        self.write_regions(out)
    }

    fn write_functions(&self, out: &mut String, options: TextOptions) -> std::fmt::Result {
        let mut table = Table::new([
            "function",
            "tier",
            "calls",
            "back-edges",
            "cycles",
            "avg",
            "min",
            "max",
            "ms O0",
            "O1",
            "O2",
            "O3",
            "bytes",
            "variants",
            "why",
        ]);
        let ran: Vec<&FunctionReport> = self.functions.iter().filter(|f| f.ran()).collect();
        for f in ran.iter().take(options.functions) {
            let cycles = |of: fn(&super::cycles::CyclesReport) -> u64| {
                f.cycles
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), |c| short(of(c)))
            };
            let compile = |tier: Tier| {
                let mut tiers = f.tiers.iter();
                let found = tiers.find(|t| t.tier == tier && t.all_compile_ns() > 0);
                found.map_or_else(|| "-".to_owned(), |t| milliseconds(t.all_compile_ns()))
            };
            table.row([
                name(&f.name),
                f.tier.to_string(),
                at_least(short(f.calls), f.calls_at_least),
                at_least(short(f.back_edges), f.back_edges_at_least),
                f.estimated_cycles()
                    .map_or_else(|| "-".to_owned(), |c| at_least(short(c), f.calls_at_least)),
                cycles(|c| c.average()),
                cycles(|c| c.min),
                cycles(|c| c.max),
                compile(Tier::O0),
                compile(Tier::O1),
                compile(Tier::O2),
                compile(Tier::O3),
                short(f.code_bytes()),
                variants(f),
                f.state.clone(),
            ]);
            if options.details {
                details(f).into_iter().for_each(|line| table.note(line));
            }
        }
        writeln!(out)?;
        table.write(out, 2)?;
        let mut shown = ran.iter().take(options.functions);
        if shown.any(|f| f.calls_at_least || f.back_edges_at_least) {
            writeln!(out, "{LEGEND}")?;
        }
        match ran.len().saturating_sub(options.functions) {
            0 => Ok(()),
            more => writeln!(out, "and {more} more"),
        }
    }

    fn write_regions(&self, out: &mut String) -> std::fmt::Result {
        if self.regions.is_empty() {
            return Ok(());
        }
        let mut table = Table::new(["region", "times", "timed", "cycles", "avg", "min", "max"]);
        for region in &self.regions {
            let timed = short(region.timed);
            let [times, total, average, min, max] = match region.cycles {
                Some(c) => [c.samples, c.total, c.average(), c.min, c.max].map(short),
                None => ["0", "-", "-", "-", "-"].map(str::to_owned),
            };
            table.row([name(&region.name), times, timed, total, average, min, max]);
        }
        writeln!(out)?;
        table.write(out, 1)?;
        let is_estimate = |r: &RegionReport| r.cycles.is_some_and(|c| r.timed < c.samples);
        match self.regions.iter().any(is_estimate) {
            true => writeln!(out, "{REGIONS_LEGEND}"),
            false => Ok(()),
        }
    }
}

/// Share of calls that fitted some variant: a call misses one variant and goes on to the next.
fn variants(f: &FunctionReport) -> String {
    let hits: u64 = f.variants.iter().map(|v| v.hits).sum();
    match f.variants.last() {
        None => "-".to_owned(),
        Some(last) => format!(
            "{} ({})",
            f.variants.len(),
            percent(hits, hits + last.misses)
        ),
    }
}

fn details(f: &FunctionReport) -> Vec<String> {
    let mut lines = Vec::new();
    for (n, argument) in f.arguments.iter().enumerate() {
        if argument.values.total > 0 || !argument.alignments.is_empty() {
            lines.push(format!("argument {n}: {}", described(argument)));
        }
    }
    for (n, site) in f
        .indirect_sites
        .iter()
        .enumerate()
        .filter(|(_, s)| s.total > 0)
    {
        lines.push(format!("pointer call {n}: {}", top(site)));
    }
    lines.extend(branches(f));
    for v in &f.variants {
        lines.push(format!(
            "variant {}: {} hits, {} misses",
            v.assumes, v.hits, v.misses
        ));
    }
    let reached =
        |t: &TierReport| Some(format!("{} at {} ms", t.tier, milliseconds(t.reached_ns?)));
    let reached: Vec<String> = f.tiers.iter().filter_map(reached).collect();
    if !reached.is_empty() {
        lines.push(reached.join(", "));
    }
    for t in f.tiers.iter().filter(|t| t.osr_compiles > 0) {
        lines.push(format!(
            "code that takes over at its loops: {} at {} in {} ms, {} bytes",
            t.osr_compiles,
            t.tier,
            milliseconds(t.osr_compile_ns),
            t.osr_code_bytes
        ));
    }
    for t in f.tiers.iter().filter(|t| t.all_failures() > 0) {
        lines.push(format!(
            "{} failed to compile: {}",
            t.tier,
            t.all_failures()
        ));
    }
    for failed in &f.failed {
        let of = failed.block.map(|b| format!("loop at block {b} at "));
        let of = of.unwrap_or_default();
        lines.push(format!("{of}{}: {}", failed.tier, failed.why));
    }
    if let Some(why) = &f.unsupported {
        lines.push(format!("cannot be interpreted: {why}"));
    }
    lines
}

/// Branches shown of a function.
const BRANCHES: usize = 4;

/// The branches that were taken most.
fn branches(f: &FunctionReport) -> Vec<String> {
    let sum = |b: &BranchReport| -> u64 { b.taken.iter().flatten().sum() };
    let mut all: Vec<(u64, &BranchReport)> = f.branches.iter().map(|b| (sum(b), b)).collect();
    all.sort_by_key(|(sum, b)| (std::cmp::Reverse(*sum), b.block));
    let line = |(sum, b): (u64, &BranchReport)| {
        let ways = b.to.iter().zip(b.taken.iter().flatten());
        let mut ways: Vec<(&u32, &u64)> = ways.filter(|w| *w.1 > 0).collect();
        ways.sort_by_key(|w| std::cmp::Reverse(*w.1));
        let ways = ways.into_iter().take(BRANCHES);
        let ways: Vec<String> = ways
            .map(|(to, n)| format!("{to} ({})", percent(*n, sum)))
            .collect();
        format!(
            "branch in block {}, {} times: to {}",
            b.block,
            short(sum),
            ways.join(", ")
        )
    };
    let taken = all.into_iter().filter(|b| b.0 > 0).take(BRANCHES);
    taken.map(line).collect()
}

fn described(argument: &ArgumentReport) -> String {
    let values = top(&argument.values);
    let pointers: u64 = argument.alignments.iter().sum();
    if pointers == 0 {
        return values;
    }
    let mut above = 0;
    let mut shares = Vec::new();
    for bits in (0..argument.alignments.len().min(ALIGNMENTS)).rev() {
        if argument.alignments[bits] > 0 {
            above += argument.alignments[bits];
            shares.push(format!("{} ({})", 1u64 << bits, percent(above, pointers)));
        }
    }
    let nulls = if argument.nulls > 0 {
        format!(", null {}", argument.nulls)
    } else {
        String::new()
    };
    format!("{values}; aligned to {}{nulls}", shares.join(", "))
}

/// The values that make up at least a hundredth.
fn top(values: &ValuesReport) -> String {
    let shown = values
        .top
        .iter()
        .filter(|v| v.1 >= values.total.div_ceil(100));
    let shown: Vec<String> = shown
        .map(|&(v, n)| format!("{} ({})", word(v), percent(n, values.total)))
        .collect();
    if shown.is_empty() {
        "no value often".to_owned()
    } else {
        shown.join(", ")
    }
}

/// Small numbers of either sign as such, others as addresses.
fn word(value: u64) -> String {
    match value as i64 {
        small @ -65_536..=65_536 => small.to_string(),
        _ => format!("{value:#x}"),
    }
}

fn name(symbol: &str) -> String {
    match symbol.char_indices().nth(NAME) {
        None => symbol.to_owned(),
        Some(_) => symbol.chars().take(NAME - 2).chain("..".chars()).collect(),
    }
}

/// Marks what was not counted to the end.
fn at_least(number: String, is_least: bool) -> String {
    match is_least {
        true => format!("{number}+"),
        false => number,
    }
}

fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
    }
}

fn milliseconds(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e6)
}

fn seconds(ns: u64) -> String {
    format!("{:.2} s", ns as f64 / 1e9)
}

/// Up to six digits as they are, then with three digits and a unit.
fn short(n: u64) -> String {
    let units = [
        (1e18, "E"),
        (1e15, "P"),
        (1e12, "T"),
        (1e9, "G"),
        (1e6, "M"),
    ];
    match units.iter().find(|&&(unit, _)| n as f64 >= unit) {
        Some(&(unit, letter)) => format!("{:.2}{letter}", n as f64 / unit),
        None => n.to_string(),
    }
}

/// Columns as wide as they must be; the first `left` and the last are flush left, others flush right.
struct Table {
    /// A row, or a single cell: a note.
    rows: Vec<Vec<String>>,
    columns: usize,
}

impl Table {
    fn new<const N: usize>(head: [&str; N]) -> Table {
        Table {
            rows: vec![head.map(str::to_owned).to_vec()],
            columns: N,
        }
    }

    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    fn note(&mut self, text: String) {
        self.rows.push(vec![text]);
    }

    fn write(&self, out: &mut String, left: usize) -> std::fmt::Result {
        let last_is_text = self
            .rows
            .first()
            .and_then(|head| head.last())
            .is_some_and(|h| h == "why");
        let width = |column: usize| {
            let rows = self.rows.iter().filter(|row| row.len() == self.columns);
            rows.map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            match row.as_slice() {
                [note] => write!(line, "    {note}")?,
                cells => {
                    for (n, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                        let gap = if n > 0 { "  " } else { "" };
                        if n < left || (last_is_text && n + 1 == self.columns) {
                            write!(line, "{gap}{cell:width$}")?;
                        } else {
                            write!(line, "{gap}{cell:>width$}")?;
                        }
                    }
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::report::tests::example;

    #[test]
    fn the_table() {
        let text = example().to_text(TextOptions {
            functions: 2,
            details: false,
        });
        let expected = "\
Profile of 4 functions over 1.23 s: 3 ran, 1 never did; 6 of 12 basic blocks reached (50.0 %)
Calls 12349, back-edges 3.81M, on-stack replacements 2, guards 990 hit and 10 missed

tier    functions  compiles  of loops  failed  compile ms  code bytes
interp          1         0         0       0        0.00           0
O0              1         2         0       1        2.80         420
O1              0         1         0       0        2.00           0
O2              0         1         0       0        8.00         700
O3              1         2         1       1       22.10        1480
all             3         6         1       2       34.90        2600

function  tier   calls  back-edges   cycles   avg   min   max  ms O0    O1    O2     O3  bytes    variants  why
matmul    O3    12345+       3.56M  61.73M+  5000  4000  6000   1.00  2.00  8.00  15.00   2000  1 (99.0 %)  O3: 10,000 calls
main      O0         1     250000+        -     -     -     -   1.50     -     -   7.10    600           -  called once: entered at a loop
+ at least: O3 code counts no calls, code above O1 and code that took over at a loop no back-edges; cycles are those of the calls counted
and 1 more

region  times  timed  cycles  avg  min  max
token       2      2     900  450  400  500
load        0      0       -    -    -    -
";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn the_table_with_details() {
        let text = example().to_text(TextOptions {
            functions: 9,
            details: true,
        });
        let (_, functions) = text.split_once(" why\n").unwrap();
        let (functions, _) = functions.split_once("\n\nregion").unwrap();
        let expected = "\
matmul    O3      12345+       3.56M  61.73M+  5000  4000  6000   1.00  2.00  8.00  15.00   2000  1 (99.0 %)  O3: 10,000 calls
    argument 0: 288 (99.0 %), 5 (1.0 %)
    argument 1: 4160 (100.0 %); aligned to 64 (100.0 %), null 1
    variant n = 288: 990 hits, 10 misses
    interp at 0.01 ms, O0 at 3.00 ms, O1 at 6.00 ms, O2 at 24.00 ms, O3 at 45.00 ms
main      O0           1     250000+        -     -     -     -   1.50     -     -   7.10    600           -  called once: entered at a loop
    pointer call 0: 0x401000 (100.0 %)
    branch in block 1, 9 times: to 2 (100.0 %)
    interp at 0.00 ms, O0 at 2.00 ms
    code that takes over at its loops: 1 at O3 in 7.10 ms, 180 bytes
    O3 failed to compile: 1
    loop at block 5 at O3: no such loop
parse     interp       3           0        -     -     -     -   0.30     -     -      -      0           -  3 of 10 calls for O0
    interp at 0.01 ms
    O0 failed to compile: 1
    O0: no symbol \"puts\"
+ at least: O3 code counts no calls, code above O1 and code that took over at a loop no back-edges; cycles are those of the calls counted";
        assert_eq!(functions, expected, "\n{functions}");
    }

    #[test]
    fn estimates_are_told() {
        let mut report = example();
        report.regions[0].timed = 1;
        let text = report.to_text(TextOptions::default());
        let (_, regions) = text.split_once("\n\nregion").unwrap();
        let expected = "  times  timed  cycles  avg  min  max
token       2      1     900  450  400  500
load        0      0       -    -    -    -
times are exact; of short regions one in 16 is timed: cycles and avg are estimates, min and max are those of the timed
";
        assert_eq!(regions, expected, "\n{regions}");
    }

    #[test]
    fn numbers_stay_short() {
        let shown = [0, 999_999, 1_000_000, 2_500_000_000, u64::MAX].map(short);
        assert_eq!(shown, ["0", "999999", "1.00M", "2.50G", "18.45E"]);
        assert_eq!([5, u64::MAX, 0x40_1000].map(word), ["5", "-1", "0x401000"]);
        assert_eq!(
            (percent(1, 3), percent(0, 0)),
            ("33.3 %".to_owned(), "-".to_owned())
        );
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(name(&"ä".repeat(32)), "ä".repeat(32));
        assert_eq!(name(&"ä".repeat(33)), format!("{}..", "ä".repeat(30)));
    }

    #[test]
    fn an_empty_profile_is_a_table_too() {
        let text = ProfileReport::new(Vec::new(), Vec::new(), 0).to_text(TextOptions::default());
        assert!(text.starts_with("Profile of 0 functions over 0.00 s: 0 ran, 0 never did; 0 of 0"));
    }
}
