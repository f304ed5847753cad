//! Benches: each prints a figure or a ratio, and what it promises.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use bareflow::Artifacts;
use bareflow::qemu::{Boot, Machine};
use serde_json::Value;

use crate::bench_disk;
use crate::machines;
use crate::paths::Paths;

/// Most milliseconds from the kernel's entry to the payload's `main` under TCG by PVH.
const BOOT_BAR_MS: f64 = 150.0;

/// Runs one bench, or all that need no other program to compare with.
pub fn run(paths: &Paths, which: Option<&str>) -> Result<()> {
    match which {
        None | Some("boot") => boot(paths),
        Some("disk") => bench_disk::bench(paths),
        Some(other) => bail!("no bench {other}; there are: boot, disk"),
    }
}

/// Time from the kernel's entry to the payload's `main`: median of boots, printed beside the promise.
fn boot(paths: &Paths) -> Result<()> {
    let image = machines::hello_image(paths)?;
    let machine = Machine {
        boot: Boot::Pvh,
        memory_mib: 256,
        arguments: vec!["--timings".into()],
        ..Machine::default()
    };
    let mut times = Vec::new();
    for _ in 0..11 {
        times.push(entry_to_main(paths, &machine, &image.path, &image.kernel)?);
    }
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    println!(
        "boot, entry to the payload's main (TCG, PVH): median {median:.1} ms of {} boots, {:.1} to {:.1} ms; \
         promised: at most {BOOT_BAR_MS} ms",
        times.len(),
        times[0],
        times[times.len() - 1],
    );
    ensure!(median <= BOOT_BAR_MS, "slower than promised");
    Ok(())
}

/// One boot; milliseconds that the runtime's `--timings` line names.
fn entry_to_main(paths: &Paths, machine: &Machine, image: &Path, kernel: &[u8]) -> Result<f64> {
    let artifacts = Artifacts::at(paths.artifacts());
    let invocation = machine.invocation(image, kernel, &artifacts, true)?;
    let done = invocation
        .command()
        .stdin(Stdio::null())
        .output()
        .context("cannot start QEMU")?;
    let serial = String::from_utf8_lossy(&done.stdout).into_owned();
    let line = serial
        .lines()
        .find_map(|l| {
            l.find("{\"")
                .filter(|_| l.contains("start_to_main"))
                .map(|at| &l[at..])
        })
        .with_context(|| format!("no timings on the console; it said:\n{serial}"))?;
    let timings: Value = serde_json::from_str(line).context("timings are no JSON")?;
    timings["timings_ms"]["start_to_main"]
        .as_f64()
        .context("no start_to_main in the timings")
}
