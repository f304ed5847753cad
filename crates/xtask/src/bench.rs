//! Benches: each prints a figure or a ratio, and what it promises.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use bareflow::Artifacts;
use bareflow::qemu::{Boot, Machine};
use serde_json::Value;

use crate::bench_converge;
use crate::bench_disk;
use crate::bench_endurance;
use crate::bench_libc;
use crate::bench_native;
use crate::bench_peers;
use crate::bench_runtime;
use crate::bench_sqlite;
use crate::bench_tiers;
use crate::bench_warm;
use crate::golden;
use crate::machines;
use crate::paths::Paths;
use crate::sh;

/// Most milliseconds from the kernel's entry to the payload's `main` under TCG by PVH.
const BOOT_BAR_MS: f64 = 150.0;

/// Runs one bench, `boot` without a name.
/// `rounds` is for those that measure in rounds.
pub fn run(paths: &Paths, which: Option<&str>, rounds: Option<usize>) -> Result<()> {
    match which {
        None | Some("boot") => boot(paths),
        Some("boots") => bench_endurance::boots(paths, rounds),
        Some("kills") => bench_endurance::kills(paths, rounds),
        Some("libc") => bench_libc::bench(paths),
        Some("memory") => memory(paths),
        Some("converge") => bench_converge::bench(paths),
        Some("disk") => bench_disk::bench(paths),
        Some("native") => bench_native::bench(paths, rounds),
        Some("peers") => bench_peers::bench(paths),
        Some("runtime") => bench_runtime::bench(paths),
        Some("sqlite") => bench_sqlite::bench(paths, rounds),
        Some("tiers") => bench_tiers::bench(paths, rounds),
        Some("warm") => bench_warm::bench(paths, rounds),
        Some("tinyllama") => golden::tinyllama(paths),
        Some(other) => {
            bail!(
                "no bench {other}; there are: boot, boots, converge, disk, engine, kills, libc, memory, native, peers, runtime, sqlite, tiers, tinyllama, warm"
            )
        }
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

/// Most memory that kernel, runtime and compiled program may need beside model and KV cache, in MiB.
const MEMORY_BAR_MIB: u64 = 128;

/// SmolLM2 on a machine with exactly what is promised: it must generate; the kernel says how much was in use at most.
fn memory(paths: &Paths) -> Result<()> {
    const CONTEXT: usize = 256;
    let image = golden::smollm2_image(paths)?;
    let file = paths.smollm2()?;
    let config = bareflow::llm::check(&file, None)?.model.config;
    let own = file.metadata()?.len() + bareflow::llm::kv_cache_bytes(&config, CONTEXT);
    let own = own.div_ceil(1 << 20);
    let text = sh::output(
        machines::bareflow(paths)?
            .arg("run")
            .arg(&image)
            .args([
                "--verbose",
                "--boot",
                "pvh",
                "--accel",
                "tcg",
                "--discard-writes",
            ])
            .args([
                "--memory",
                &format!("{}M", own + MEMORY_BAR_MIB),
                "--prompt",
                "The sea",
            ])
            .args(["-n", "4", "--", "--context", &CONTEXT.to_string()])
            .stdin(Stdio::null()),
    )
    .with_context(|| format!("{MEMORY_BAR_MIB} MiB beside model and KV cache are not enough"))?;
    let (before, _) = text
        .split_once(" MiB in use")
        .context("the kernel printed no peak")?;
    let peak: u64 = before
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .parse()?;
    println!(
        "memory: SmolLM2 generates with {MEMORY_BAR_MIB} MiB beside model and KV cache ({own} MiB), as promised; \
         at most {peak} MiB were in use, {} beside them",
        peak.saturating_sub(own)
    );
    Ok(())
}

/// One boot; milliseconds that the runtime's `--timings` line names.
pub fn entry_to_main(paths: &Paths, machine: &Machine, image: &Path, kernel: &[u8]) -> Result<f64> {
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
