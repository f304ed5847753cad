//! `bench libc`: a `memcpy` of constant size and alignment beside the general function, under the engine.
//!
//! The general one copies sizes around the same mean from and to any address. What is judged: the geometric mean over 64 to
//! 512 bytes, and each size up to 256. 512 bytes are eight moves of 64, and a processor that writes one in each cycle has
//! nothing left to save: what the general function takes longer for, its branches, weighs less the more there is to copy.
//!
//! Beside them calls in a row with a size each, always the same: as the general function's branches are then predicted, that
//! is told and not judged.

use anyhow::{Context, Result, bail, ensure};

use crate::bench_engine::geometric_mean;
use crate::libc_test::{hosted, image};
use crate::paths::Paths;

/// Least ratio, as the geometric mean over all sizes and for each up to [`EACH`] bytes.
const COPY_BAR: f64 = 3.0;
const EACH: u32 = 256;
/// Sizes that the program measures.
const SIZES: usize = 4;

/// Measures and judges.
pub fn bench(paths: &Paths) -> Result<()> {
    let image = image(paths, &paths.root.join("crates/guest-libc/benches/copy.c"))?;
    let done = hosted(paths, &image, &[])?;
    let text = String::from_utf8_lossy(&done.stdout);
    ensure!(
        done.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let (mut slow, mut ratios) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let (name, figures) = line.split_once(' ').context("a line without figures")?;
        let figures: Vec<f64> = figures.split(' ').filter_map(|f| f.parse().ok()).collect();
        let [general, constant, ratio] = figures[..] else {
            bail!("not what the bench prints: {line}");
        };
        let Ok(bytes) = name.parse::<u32>() else {
            println!(
                "memcpy of 64, 100, 128, 200, 256, 384 and 512 bytes in a row: general function {general:.2} ns, constant sizes {constant:.2} ns, {ratio:.2} times faster"
            );
            continue;
        };
        println!(
            "memcpy of {bytes} bytes: sizes around it {general:.2} ns, constant size {constant:.2} ns, {ratio:.2} times faster"
        );
        ratios.push(ratio);
        if ratio < COPY_BAR && bytes <= EACH {
            slow.push(format!("{bytes} bytes: {ratio:.2}"));
        }
    }
    ensure!(ratios.len() == SIZES, "the bench did not end: {text}");
    let mean = geometric_mean(&ratios);
    println!(
        "memcpy, geometric mean: {mean:.2} times faster; promised: at least {COPY_BAR}, and so for each size up to {EACH} bytes"
    );
    if mean < COPY_BAR {
        slow.push(format!("geometric mean: {mean:.2}"));
    }
    ensure!(
        slow.is_empty(),
        "less than {COPY_BAR} times faster: {}",
        slow.join(", ")
    );
    println!("libc: as promised");
    Ok(())
}
