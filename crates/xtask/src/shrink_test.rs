//! The relinker against the real runtime: laid out anew in every way, it must compute the same tokens.
//!
//! Each runtime is written as one file, hot and cold part, and runs as a Linux process: 256 greedy tokens of
//! stories260K. A reference that was not corrected, or corrected wrongly, ends in a fault or in other tokens.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use shrink::evict::evict_linked;
use shrink::link_data::LinkData;
use shrink::{Coverage, Options, report};

use crate::build::read;
use crate::golden;
use crate::machines;
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;
use crate::watch;

/// Least share of LLVM's functions, and of its bytes, that a language model never needs (SPECIFICATION.md).
const MIN_DEAD: f64 = 0.4;

/// How a runtime is laid out.
#[derive(Clone, Copy)]
enum Way {
    /// Everything is hot.
    AllHot,
    /// Everything is hot, in an order by chance.
    Shuffled,
    /// Half of the functions is hot, by chance, in an order by chance.
    Halves(u64),
    /// Only what must be is hot.
    NothingHot,
}

const WAYS: [(&str, Way); 5] = [
    ("shrink/relink/all-hot", Way::AllHot),
    ("shrink/relink/shuffled", Way::Shuffled),
    ("shrink/relink/halves-1", Way::Halves(1)),
    ("shrink/relink/halves-2", Way::Halves(2)),
    ("shrink/relink/nothing-hot", Way::NothingHot),
];
const DEAD: &str = "shrink/dead-code";

/// Runs the tests whose name contains `filter`.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let base = read(&paths.artifacts().join("runtime.elf"))?;
    let link = LinkData::open(&read(&paths.artifacts().join("runtime.link"))?)?;
    let mut counts = Counts::default();
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    for (name, way) in WAYS.into_iter().filter(|(name, _)| wanted(name)) {
        counts.run_noted(name, || relinked(paths, &base, &link, way));
    }
    if wanted(DEAD) {
        counts.run_noted(DEAD, || dead_code(paths, &link));
    }
    Ok(counts)
}

/// Numbers by chance: xorshift.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Lays the runtime out in one way and lets it write its 256 tokens.
fn relinked(paths: &Paths, base: &[u8], link: &LinkData, way: Way) -> Result<String> {
    let mut coverage = Coverage::new(link);
    let mut options = Options {
        max_resident: usize::MAX,
        ..Options::default()
    };
    let mut chance = Chance(match way {
        Way::Halves(seed) => 0x9E37_79B9_7F4A_7C15 ^ seed,
        _ => 0x9E37_79B9_7F4A_7C15,
    });
    for function in 0..link.functions.len() {
        let hot = match way {
            Way::AllHot | Way::Shuffled => true,
            Way::Halves(_) => chance.next() >> 40 & 1 == 1,
            Way::NothingHot => false,
        };
        if hot {
            coverage.note_function(function);
        }
    }
    if matches!(way, Way::Shuffled | Way::Halves(_)) {
        let count = link.atoms.len();
        options.order = (0..count as u32).collect();
        for last in (1..count).rev() {
            let other = (chance.next() % (last as u64 + 1)) as usize;
            options.order.swap(last, other);
        }
    }
    let evicted = evict_linked(base, link, &coverage, &options)?;
    let program = paths.scratch("shrink")?.join("runtime");
    std::fs::write(&program, [evicted.hot, evicted.cold].concat())
        .with_context(|| format!("cannot write {}", program.display()))?;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
    let expected = golden::stories_tokens(paths)?;
    let image = machines::stories_image(paths)?.path;
    let text = sh::output(
        Command::new(&program)
            .arg("--disk")
            .arg(&image)
            .args(["--quiet", "--", "--json", "--prompt", "", "--ignore-eos"])
            .args(["--temperature", "0", "-n", &expected.len().to_string()])
            .stdin(Stdio::null()),
    )?;
    let found = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
    golden::compare(&found, &expected)?;
    let stats = evicted.stats;
    Ok(format!(
        "({} + {} bytes hot, {} cold)",
        stats.hot_code,
        stats.hot_constants,
        stats.cold_code + stats.cold_constants
    ))
}

/// Measures what of LLVM a language model needs that is run from its first token in all tiers.
fn dead_code(paths: &Paths, link: &LinkData) -> Result<String> {
    let image = machines::stories_image(paths)?.path;
    let disk = image.to_str().context("the image's path is not UTF-8")?;
    let arguments = [
        "--disk",
        disk,
        "--quiet",
        "--",
        "--prompt",
        "",
        "-n",
        "256",
        "--temperature",
        "0",
    ];
    let coverage = watch::watch(
        &paths.artifacts().join("runtime.elf"),
        link,
        &arguments.map(str::to_owned),
    )?;
    let llvm = report::report(link, &coverage).llvm;
    let (functions, bytes) = (llvm.dead_functions(), llvm.dead_bytes());
    ensure!(
        functions.min(bytes) >= MIN_DEAD && functions.max(bytes) < 0.99,
        "dead are {functions:.3} of LLVM's functions and {bytes:.3} of its bytes"
    );
    Ok(format!(
        "({:.1} % of functions and {:.1} % of bytes of LLVM never ran)",
        100.0 * functions,
        100.0 * bytes
    ))
}
