//! Slow proofs on one disk: hundreds of boots in a row, and hundreds of machines killed at random moments.
//!
//! The appliance is stories260K, whose 256 greedy tokens are known: each boot that ends must say exactly these, whatever
//! happened to the machines before it. The volume is checked by `fsck.fat`, the store by its own rules.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, ensure};
use bareflow::Artifacts;
use bareflow::contents::Contents;
use bareflow::qemu::{Boot, Machine};
use formats::slots;
use serde_json::Value;
use store::area::VolumeArea;
use store::records::Records;

use crate::golden;
use crate::machines;
use crate::paths::Paths;
use crate::sh;

/// Boots between two checks of the volume.
const CHECK_EVERY: u32 = 10;
/// Most that the later boots may be slower than the earlier ones: medians of host seconds, so with room for its noise.
const MAX_DRIFT: f64 = 1.25;
/// Sizes of the machine: room for the largest stage.
const MEMORY_MIB: u64 = 384;

/// A disk that remembers, and the machine it is in.
struct Appliance {
    image: PathBuf,
    machine: Machine,
    artifacts: Artifacts,
    expected: Vec<u64>,
}

/// What the store held at some time.
struct Kept {
    generation: u64,
    /// Bytes of the newest records: what cannot be given up.
    used: u64,
    capacity: u64,
}

impl Appliance {
    fn new(paths: &Paths, name: &str) -> Result<Self> {
        let image = machines::stories_image_by(machines::bareflow(paths)?, paths, name)?.path;
        let expected = golden::stories_tokens(paths)?;
        let count = expected.len().to_string();
        let arguments = [
            "--grow",
            "stable",
            "--quiet",
            "--",
            "--json",
            "--temperature",
            "0",
            "--ignore-eos",
            "-n",
            &count,
        ];
        Ok(Self {
            image,
            machine: Machine {
                boot: Boot::Pvh,
                cpus: 2,
                memory_mib: MEMORY_MIB,
                kernel_options: "log=quiet coverage=on".into(),
                arguments: arguments.map(String::from).into(),
                ..Machine::default()
            },
            artifacts: Artifacts::at(paths.artifacts()),
            expected,
        })
    }

    /// Starts a machine; its console is a pipe.
    fn command(&self) -> Result<(bareflow::qemu::Invocation, Command)> {
        let kernel = Contents::open(&self.image)?.kernel()?;
        let invocation = self
            .machine
            .invocation(&self.image, &kernel, &self.artifacts, false)?;
        let mut command = invocation.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Ok((invocation, command))
    }

    /// A boot that is left alone: its time, if it said what it should.
    fn boot(&self) -> Result<Duration> {
        let (_scratch, mut command) = self.command()?;
        let start = Instant::now();
        let done = command.output().context("cannot start QEMU")?;
        let took = start.elapsed();
        let said = || String::from_utf8_lossy(&done.stdout).into_owned();
        let json: Value = bareflow::run::json_value(&done.stdout).with_context(|| {
            format!(
                "the machine came up without an answer; it said:\n{}",
                said()
            )
        })?;
        let found = golden::ids(&json["generated_ids"])?;
        ensure!(found == self.expected, "another answer: {found:?}");
        Ok(took)
    }

    /// Kills a machine that was started `after` ago; true if it was still running.
    fn kill(&self, after: Duration) -> Result<bool> {
        let (_scratch, mut command) = self.command()?;
        command.stdout(Stdio::null());
        let mut child = command.spawn().context("cannot start QEMU")?;
        std::thread::sleep(after);
        let running = child.try_wait()?.is_none();
        // SIGKILL: QEMU gets no chance to write what it still holds.
        let _ = child.kill();
        child.wait()?;
        Ok(running)
    }

    /// The volume is sound and the store readable.
    fn check(&self, scratch: &Path) -> Result<Kept> {
        fsck(&self.image, &scratch.join("volume"))?;
        let mut contents = Contents::open(&self.image)?;
        let area = VolumeArea::open(contents.volume(), slots::STORE_PATH)?;
        let mut records = Records::open(area)?;
        records.verify()?;
        let usage = records.usage();
        Ok(Kept {
            generation: records
                .list()
                .iter()
                .map(|r| r.generation)
                .max()
                .unwrap_or(0),
            used: usage.newest,
            capacity: usage.capacity,
        })
    }

    /// Which slot the last boot started.
    fn slot(&self) -> Result<&'static str> {
        let mut contents = Contents::open(&self.image)?;
        let area = VolumeArea::open(contents.volume(), slots::PATH)?;
        let file = store::slots::SlotFile::open(area)?;
        let table = file.table();
        let index = table.started.map_or(0, usize::from);
        Ok(table.slots[index]
            .as_ref()
            .map_or("none", |s| s.kind.name()))
    }
}

/// `fsck.fat -n` on the image's partition, which is copied out for it.
fn fsck(image: &Path, copy: &Path) -> Result<()> {
    let partition = *Contents::open(image)?.partition();
    let mut from = File::open(image)?;
    from.seek(SeekFrom::Start(u64::from(partition.start) * 512))?;
    let mut to = File::create(copy)?;
    std::io::copy(&mut from.take(u64::from(partition.sectors) * 512), &mut to)?;
    sh::output(Command::new("fsck.fat").arg("-n").arg(copy)).context("the volume is damaged")?;
    Ok(())
}

/// Boots `boots` times in a row and lets each one end: no growth of the store, no drift in speed, a sound volume.
pub fn soak(paths: &Paths, boots: u32) -> Result<()> {
    let appliance = Appliance::new(paths, "soak.img")?;
    let scratch = paths.scratch("endure")?;
    let mut native = Vec::new();
    let mut settled = None;
    for number in 1..=boots {
        let took = appliance.boot().with_context(|| format!("boot {number}"))?;
        let slot = appliance.slot()?;
        if slot == "native" {
            native.push(took.as_secs_f64());
        }
        if number % CHECK_EVERY == 0 || number == boots {
            let kept = appliance
                .check(&scratch)
                .with_context(|| format!("after boot {number}"))?;
            // It settles within the first boots; what is added for ever would show.
            let limit = *settled.get_or_insert(kept.used.max(kept.capacity / 8) * 2);
            ensure!(
                kept.used <= limit,
                "the store grows: {} bytes are in use",
                kept.used
            );
            println!(
                "boot {number} of {boots}: {slot}, {:.2} s; store {} of {} KiB, generation {}; fsck.fat finds nothing",
                took.as_secs_f64(),
                kept.used >> 10,
                kept.capacity >> 10,
                kept.generation
            );
        }
    }
    if native.len() >= 20 {
        let half = native.len() / 2;
        let (early, late) = (median(&native[..half]), median(&native[half..]));
        println!(
            "native boots: median {early:.2} s in the first half, {late:.2} s in the second: {:.2} times; \
             promised: at most {MAX_DRIFT}",
            late / early
        );
        ensure!(late / early <= MAX_DRIFT, "the machine gets slower");
    }
    println!("{boots} boots on one disk, each with the same answer");
    Ok(())
}

/// Kills a machine at `kills` random moments; after each one the next boot must come up with everything acknowledged.
pub fn power_cut(paths: &Paths, kills: u32) -> Result<()> {
    let appliance = Appliance::new(paths, "power-cut.img")?;
    let scratch = paths.scratch("endure")?;
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut random = clock.as_nanos() as u64 | 1;
    println!("seed {random}");
    let mut span = appliance.boot()?;
    let mut kept = appliance.check(&scratch)?;
    let (mut killed, mut slots) = (0, std::collections::BTreeMap::<&str, u32>::new());
    for number in 1..=kills {
        // xorshift64: where the cut falls needs no better randomness.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let share = (random >> 11) as f64 / (1u64 << 53) as f64;
        let after = span.mul_f64(share);
        killed += u32::from(appliance.kill(after)?);
        let context = || format!("cut {number}, {:.3} s after the start", after.as_secs_f64());
        let found = appliance.check(&scratch).with_context(context)?;
        ensure!(
            found.generation >= kept.generation,
            "{}: generation {} was acknowledged, {} is left",
            context(),
            kept.generation,
            found.generation
        );
        span = appliance.boot().with_context(context)?;
        kept = appliance.check(&scratch).with_context(context)?;
        *slots.entry(appliance.slot()?).or_default() += 1;
        if number % CHECK_EVERY == 0 {
            println!("{number} of {kills} cuts; next boots so far: {slots:?}");
        }
    }
    println!(
        "{killed} machines killed while they ran; each next boot came up, and nothing acknowledged was lost"
    );
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
