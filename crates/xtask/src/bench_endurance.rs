//! `bench kills` and `bench boots`: one disk, many boots, some of which end when somebody pulls the plug.
//!
//! - `kills`: QEMU is killed at random moments, every other time while the machine writes to its disk. After each the volume must be
//!   sound, the slot table and every record that was there before must be there, and the number of boots must not have gone back;
//!   and the next boot runs to its end with the right text, and is counted. Now and then the disk is a new one, because a machine
//!   that still learns writes more than one that has learnt.
//! - `boots`: boots that all run to their end. The store must not grow beyond its limit (which this program's records do not
//!   reach: how old generations go is tested in `crates/store`), `fsck.fat` must have nothing to say, and at the end the disk must boot as fast as a copy made of it after the first
//!   boots: both in turns, so that what else the host does meets both.
//!
//! Killing QEMU loses no write that it had passed to the host; what a lost or torn write does is the matter of the tests
//! in `crates/store/tests`, which try all of them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use bareflow::contents::Contents;
use bareflow::inspect::kept;
use serde_json::Value;

use crate::build::read;
use crate::golden::ids;
use crate::machines;
use crate::paths::Paths;
use crate::sh;
use crate::warm::Disk;

/// Kills unless the caller says otherwise.
const KILLS: usize = 200;
/// Boots unless the caller says otherwise.
const BOOTS: usize = 300;
/// Kills on one disk, and which disk of each row of them is a language model's.
const KILLS_A_DISK: usize = 20;
const STORIES_AMONG: usize = 10;
/// Tokens of a language model's boot.
const TOKENS: usize = 8;
/// What the other program says.
const STEPS: &str = "steps 430 3967514078\n";
/// A boot that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(300);
/// The folder of the files that a process leaves behind when it is killed.
const LEFT: &str = "killed";
/// Longest time from the first write that is seen to the kill, in milliseconds.
const INTO_WRITES_MS: u64 = 400;
/// Most that the median time of a boot late in the disk's life may be above that of one early in it.
const DRIFT_BAR: f64 = 1.15;
/// Boots of each that are compared.
const COMPARED: usize = 15;
/// Size of the store of a disk that is booted hundreds of times: old generations must go.
const SMALL_STORE: &str = "1M";

/// What is believed of a disk between two boots.
#[derive(Debug, Default)]
struct Known {
    /// The newest valid generation of each key.
    newest: BTreeMap<(String, String), u64>,
    /// Boots that were counted.
    boots: u64,
    /// Bytes that records hold, and the room there is.
    used: u64,
    capacity: u64,
}

/// Looks at a disk: volume, slots, records.
fn look(disk: &Path) -> Result<Known> {
    let mut contents = Contents::open(disk)?;
    let report = contents
        .volume()
        .check()
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    ensure!(report.lost_clusters == 0, "clusters were lost: {report:?}");
    let kept = kept::kept(&mut contents)?.context("the image has no store")?;
    ensure!(kept.slots.state == "good", "slots: {}", kept.slots.state);
    let base = kept.slots.slots.first().context("there is no slot")?;
    ensure!(
        base.kind == "base" && base.file.state == "good",
        "the base image: {base:?}"
    );
    let store = kept.store;
    ensure!(store.state == "good", "store: {}", store.state);
    let mut known = Known {
        used: store.newest + store.old,
        capacity: store.capacity,
        ..Known::default()
    };
    for record in store.records.into_iter().filter(|r| r.valid) {
        let newest = known.newest.entry((record.kind, record.key)).or_default();
        *newest = record.generation.max(*newest);
    }
    if known.newest.contains_key(&("boot".into(), "0".into())) {
        let name = "boot:0".parse().map_err(|e| anyhow::anyhow!("{e}"))?;
        let facts: Value = serde_json::from_slice(&kept::payload(&mut contents, &name)?)?;
        known.boots = facts["boots"].as_u64().context("boots are not counted")?;
    }
    Ok(known)
}

/// Copies the rest of a file; pieces of zeroes become holes.
fn copy_sparse(from: &mut std::fs::File, to: &Path) -> Result<()> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    const PIECE: usize = 64 << 10;
    let mut out = std::fs::File::create(to)?;
    let (mut piece, mut bytes) = (vec![0; PIECE], 0);
    loop {
        let count = from.read(&mut piece)?;
        if count == 0 {
            return Ok(out.set_len(bytes)?);
        }
        if piece[..count].iter().any(|&byte| byte != 0) {
            out.seek(SeekFrom::Start(bytes))?;
            out.write_all(&piece[..count])?;
        }
        bytes += count as u64;
    }
}

/// Fails if `fsck.fat` finds anything on the disk's volume.
///
/// # Errors
/// What it found, or that it is not installed.
pub fn fsck(paths: &Paths, disk: &Path) -> Result<()> {
    let volume = paths.scratch("warm")?.join("volume");
    let start = formats::flud::PARTITION_LBA * 512;
    let mut from = std::fs::File::open(disk)?;
    std::io::Seek::seek(&mut from, std::io::SeekFrom::Start(start))?;
    copy_sparse(&mut from, &volume)?;
    let search = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new("fsck.fat")
        .arg("-n")
        .arg(&volume)
        .env("PATH", search)
        .output()
        .context("fsck.fat; `./x setup` installs it")?;
    std::fs::remove_file(&volume)?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "fsck.fat: {text}");
    Ok(())
}

/// What the disks run: both learn, and write down what they learnt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Appliance {
    /// A C program with a few hot functions: a boot takes about a second.
    Steps,
    /// stories260K.
    Stories,
}

impl Appliance {
    /// Its image, of this name.
    fn image(self, paths: &Paths, name: &str) -> Result<PathBuf> {
        let bareflow = machines::bareflow(paths)?;
        if self == Self::Stories {
            let name = format!("{name}-stories.img");
            return Ok(machines::stories_image_by(bareflow, paths, &name)?.path);
        }
        let path = paths.scratch("images")?.join(format!("{name}.img"));
        let source = "crates/xtask/src/bench_endurance/steps.c";
        let mut bareflow = bareflow;
        bareflow.args(["build", source, "--store", SMALL_STORE, "-o"]);
        sh::output(bareflow.arg(&path))?;
        Ok(path)
    }

    /// A boot of its disk, in a process group of its own.
    fn start(self, paths: &Paths, disk: &Path) -> Result<Child> {
        let mut command = machines::bareflow(paths)?;
        command.arg("run").arg(disk);
        command.args(["--boot", "pvh", "--accel", "tcg", "--cpus", "1"]);
        command.args(["--timeout", &PATIENCE.as_secs().to_string()]);
        if self == Self::Stories {
            command.args(["--json", "--prompt", "", "-n", &TOKENS.to_string()]);
            command.args(["--", "--ignore-eos", "--temperature", "0"]);
        }
        command
            .env("TMPDIR", paths.scratch(LEFT)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| sh::display(&command))
    }

    /// A boot to its end, with the right text; gives its duration.
    fn whole(self, paths: &Paths, disk: &Path) -> Result<Duration> {
        let begin = Instant::now();
        let done = self.start(paths, disk)?.wait_with_output()?;
        let took = begin.elapsed();
        let said = String::from_utf8_lossy(&done.stderr);
        let text = String::from_utf8_lossy(&done.stdout);
        ensure!(done.status.success(), "{}\n{text}\n{said}", done.status);
        if self == Self::Steps {
            let text = text.replace('\r', "");
            ensure!(text.contains(STEPS), "wrong text: {text}\n{said}");
            return Ok(took);
        }
        let found: Value = serde_json::from_slice(&done.stdout).context("no JSON")?;
        let golden = "crates/llama/tests/data/stories260K_golden.json";
        let golden: Value = serde_json::from_slice(&read(&paths.root.join(golden))?)?;
        let expected = ids(&golden["completion_tokens"])?;
        let found = ids(&found["generated_ids"])?;
        ensure!(found == expected[..TOKENS], "wrong text: {found:?}\n{said}");
        Ok(took)
    }
}

/// Kills a process group and waits until nothing of it is left that could write to the disk; removes what it leaves.
fn kill(paths: &Paths, mut child: Child) -> Result<()> {
    let group = format!("-{}", child.id());
    let status = Command::new("kill").args(["-KILL", "--", &group]).status();
    ensure!(status?.success(), "cannot kill the group {group}");
    child.wait()?;
    // QEMU is the child's child: its end is not waited for by anybody here.
    for _ in 0..200 {
        let alive = Command::new("kill")
            .args(["-0", "--", &group])
            .stderr(Stdio::null())
            .status()?;
        if !alive.success() {
            return Ok(std::fs::remove_dir_all(paths.scratch(LEFT)?)?);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the machine of group {group} does not end")
}

fn written(disk: &Path) -> Result<SystemTime> {
    Ok(disk.metadata()?.modified()?)
}

/// Lets a boot run until `moment`, or, if `into_writes` says so, until so long after its next write to the disk. False if
/// it ended before.
fn interrupt(disk: &Path, child: &mut Child, moment: Duration, into_writes: bool) -> Result<bool> {
    let begin = Instant::now();
    let before = written(disk)?;
    let mut until = moment;
    let mut seen = false;
    while begin.elapsed() < until {
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        if into_writes && !seen {
            until = PATIENCE;
            if written(disk)? != before {
                seen = true;
                until = begin.elapsed() + moment;
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(true)
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit.max(1)
    }
}

fn progress(line: &str) {
    println!("{line}");
    // A bench of hours is looked at while it runs.
    let _ = std::io::stdout().flush();
}

/// Kills machines at random moments, `rounds` times.
///
/// # Errors
/// Something acknowledged was lost, or the disk does not boot any more.
pub fn kills(paths: &Paths, rounds: Option<usize>) -> Result<()> {
    let rounds = rounds.unwrap_or(KILLS);
    let steps = Appliance::Steps.image(paths, "kills")?;
    let stories = Appliance::Stories.image(paths, "kills")?;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut killed, mut among_writes, mut round, mut disks) = (0, 0, 0, 0);
    while killed < rounds {
        disks += 1;
        let (appliance, image) = match disks % STORIES_AMONG {
            2 => (Appliance::Stories, &stories),
            _ => (Appliance::Steps, &steps),
        };
        let disk = Disk::copy(paths, image, "kills")?;
        let disk = disk.path();
        let mut before = look(disk)?;
        // How long a boot takes, to be killed within it.
        let mut boot = Duration::from_secs(2);
        let stop = rounds.min(killed + KILLS_A_DISK);
        while killed < stop {
            round += 1;
            ensure!(
                round < 3 * rounds + 10,
                "most machines end before they are killed"
            );
            let into_writes = round % 2 == 0;
            let limit = match into_writes {
                // Writes of a machine that learns little take milliseconds.
                true => INTO_WRITES_MS >> random.below(7),
                false => boot.as_millis() as u64,
            };
            let moment = Duration::from_millis(random.below(limit));
            let mut child = appliance.start(paths, disk)?;
            let what = format!(
                "round {round}, {} ms, into writes: {into_writes}",
                moment.as_millis()
            );
            let begin = Instant::now();
            if !interrupt(disk, &mut child, moment, into_writes)? {
                child.wait()?;
                boot = begin.elapsed();
                continue;
            }
            killed += 1;
            among_writes += usize::from(into_writes);
            kill(paths, child)?;
            before = unharmed(paths, disk, &before).with_context(|| what.clone())?;
            let torn = before.boots;
            boot = appliance
                .whole(paths, disk)
                .with_context(|| format!("after {what}"))?;
            before = unharmed(paths, disk, &before).with_context(|| format!("after {what}"))?;
            ensure!(
                before.boots == torn + 1,
                "after {what}: {} boots counted, {} expected",
                before.boots,
                torn + 1
            );
            progress(&format!(
                "{killed} killed ({what}); the next boot, number {}, took {:.1} s",
                torn + 1,
                boot.as_secs_f64()
            ));
        }
    }
    println!(
        "{killed} kills at random moments, {among_writes} of them while the machine wrote: each time the next boot came up \
         with the right text, nothing acknowledged was lost, fsck.fat clean"
    );
    Ok(())
}

/// Looks at a disk and compares it with what was believed of it before.
fn unharmed(paths: &Paths, disk: &Path, before: &Known) -> Result<Known> {
    let after = look(disk)?;
    ensure!(
        after.boots >= before.boots,
        "boots went back from {} to {}",
        before.boots,
        after.boots
    );
    for (key, generation) in &before.newest {
        let now = after.newest.get(key).copied().unwrap_or(0);
        ensure!(
            now >= *generation,
            "{key:?} went back from generation {generation} to {now}"
        );
    }
    fsck(paths, disk)?;
    Ok(after)
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Boots one disk `rounds` times.
///
/// # Errors
/// A boot fails, the store grows beyond its limit, or the boots become slower.
pub fn boots(paths: &Paths, rounds: Option<usize>) -> Result<()> {
    let rounds = rounds.unwrap_or(BOOTS).max(10);
    let image = Appliance::Steps.image(paths, "boots")?;
    let disk = Disk::copy(paths, &image, "boots")?;
    let disk = disk.path();
    let bytes = disk.metadata()?.len();
    let mut young = None;
    let mut most = 0;
    for round in 1..=rounds {
        let took = Appliance::Steps
            .whole(paths, disk)
            .with_context(|| format!("boot {round}"))?;
        let known = look(disk).with_context(|| format!("after boot {round}"))?;
        ensure!(
            known.boots == round as u64,
            "{} boots counted, {round} expected",
            known.boots
        );
        ensure!(known.used <= known.capacity, "{known:?}");
        ensure!(disk.metadata()?.len() == bytes, "the image grew");
        most = most.max(known.used);
        if round == rounds / 10 {
            // The first tenth still learns.
            young = Some(Disk::clone_of(paths, disk, "boots-young")?);
        }
        if round % 10 == 0 {
            fsck(paths, disk).with_context(|| format!("after boot {round}"))?;
            progress(&format!(
                "{round} boots: {:.2} of {:.2} MiB in use, last boot {:.2} s",
                known.used as f64 / 1_048_576.0,
                known.capacity as f64 / 1_048_576.0,
                took.as_secs_f64()
            ));
        }
    }
    let young = young.context("no copy was made")?;
    let (mut early, mut late) = (Vec::new(), Vec::new());
    for _ in 0..COMPARED {
        for (times, disk) in [(&mut early, young.path()), (&mut late, disk)] {
            times.push(Appliance::Steps.whole(paths, disk)?.as_secs_f64());
        }
    }
    let (early, late) = (median(&early), median(&late));
    println!(
        "{rounds} boots on one disk: at most {:.2} MiB of the store in use, fsck.fat clean; a boot takes {early:.2} s after {} boots \
         and {late:.2} s after {rounds}, in turns: {:.2}; promised: at most {DRIFT_BAR}",
        most as f64 / 1_048_576.0,
        rounds / 10,
        late / early
    );
    ensure!(late <= early * DRIFT_BAR, "boots became slower");
    Ok(())
}
