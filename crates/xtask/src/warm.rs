//! Tests of what a machine remembers: runs one after the other on one disk.
//!
//! The disk is an image of its own for each test; what is in its store can be looked at and damaged between two runs. The
//! last entry of the boot log says what a run found and did.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use formats::slots::STORE_PATH;
use serde_json::Value;
use store::area::{Area, FileArea};
use store::block::{FileDevice, SECTOR};
use store::fat::Volume;
use store::partition::open_fat;
use store::records::{Records, kind};

use crate::build::read;
use crate::golden::ids;
use crate::machines::{self, bareflow};
use crate::paths::Paths;
use crate::sh;
use crate::test::Counts;

/// Tokens of most runs: enough for the hot functions to reach O3.
const TOKENS: usize = 96;
/// Hosted runs that are killed.
const KILLS: u64 = 30;

type Test<'a> = (&'static str, Box<dyn Fn() -> Result<String> + 'a>);

/// Runs the tests whose name contains `filter`.
pub fn suite(paths: &Paths, filter: Option<&str>) -> Result<Counts> {
    let stories =
        machines::stories_image_by(machines::bareflow(paths)?, paths, "warm-stories.img")?.path;
    let stories = &stories;
    let tests: Vec<Test> = vec![
        (
            "warm/hosted/second-run",
            Box::new(|| second_run(paths, stories, &["--hosted"])),
        ),
        (
            "warm/hosted/other-cpu",
            Box::new(|| {
                let without = "--engine=--without=avx512f --without=avx512vl --without=avx2";
                other_cpu(paths, stories, &["--hosted"], &["--hosted", without])
            }),
        ),
        ("warm/hosted/changed-module", Box::new(|| changed(paths))),
        ("warm/hosted/damage", Box::new(|| damage(paths, stories))),
        ("warm/hosted/kill", Box::new(|| kill(paths, stories))),
        ("warm/hosted/options", Box::new(|| options(paths, stories))),
        (
            "warm/machine/second-run",
            Box::new(|| second_run(paths, stories, &PVH)),
        ),
        (
            "warm/machine/other-cpu",
            Box::new(|| other_cpu(paths, stories, &PVH, &PVH_HASWELL)),
        ),
    ];
    let mut counts = Counts::default();
    for (name, test) in tests
        .iter()
        .filter(|(n, _)| filter.is_none_or(|f| n.contains(f)))
    {
        counts.run_noted(name, test);
    }
    Ok(counts)
}

const PVH: [&str; 6] = ["--boot", "pvh", "--accel", "tcg", "--cpus", "2"];
const PVH_HASWELL: [&str; 6] = ["--boot", "pvh", "--cpu", "Haswell", "--cpus", "2"];

/// A disk of a test's own.
pub struct Disk(PathBuf);

impl Disk {
    /// A copy of an image, with an empty store.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn copy(paths: &Paths, image: &Path, name: &str) -> Result<Self> {
        let path = paths.scratch("warm")?.join(format!("{name}.img"));
        std::fs::copy(image, &path).with_context(|| format!("copying {}", image.display()))?;
        let disk = Disk(path);
        disk.fill(&vec![0; disk.area()?.bytes() as usize])?;
        Ok(disk)
    }

    /// A copy of a disk as it is.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn clone_of(paths: &Paths, disk: &Path, name: &str) -> Result<Self> {
        let path = paths.scratch("warm")?.join(format!("{name}.img"));
        std::fs::copy(disk, &path).with_context(|| format!("copying {}", disk.display()))?;
        Ok(Disk(path))
    }

    /// The image's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The store's bytes in the image.
    fn area(&self) -> Result<FileArea> {
        let device = FileDevice::open(&self.0, false)?;
        let slice = open_fat(device).map_err(|e| anyhow::anyhow!("{e}"))?;
        let start = slice.start();
        let mut volume = Volume::mount(slice).map_err(|e| anyhow::anyhow!("{e}"))?;
        let fat = |e| anyhow::anyhow!("{STORE_PATH}: {e}");
        let file = volume.open(STORE_PATH).map_err(fat)?;
        let bytes = volume.file_bytes(&file).map_err(fat)?;
        let runs = volume.runs(&file).map_err(fat)?;
        ensure!(runs.len() == 1, "the store lies in {} pieces", runs.len());
        let at = (start + runs[0].lba) * SECTOR as u64;
        Ok(FileArea::range(&self.0, at, bytes.into(), true)?)
    }

    fn records(&self) -> Result<Records<FileArea>> {
        Records::open(self.area()?).map_err(|e| anyhow::anyhow!("{e}"))
    }

    fn content(&self) -> Result<Vec<u8>> {
        let mut area = self.area()?;
        let mut bytes = vec![0; area.bytes() as usize];
        area.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    fn fill(&self, content: &[u8]) -> Result<()> {
        let mut area = self.area()?;
        area.write_at(0, content)?;
        Ok(area.flush()?)
    }

    /// What the boot log says of the last run.
    ///
    /// # Errors
    /// There is no log.
    pub fn last(&self) -> Result<Value> {
        let record = self.records()?.latest(kind::BOOT_LOG, 0);
        let record = record.map_err(|e| anyhow::anyhow!("{e}"))?;
        let log: Vec<Value> = serde_json::from_slice(&record.context("no boot log")?.payload)?;
        log.last().cloned().context("the boot log is empty")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Only space is lost otherwise.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The command that generates, hosted or on a machine.
fn generating(paths: &Paths, disk: &Path, place: &[&str], tokens: usize) -> Result<Command> {
    let mut command = bareflow(paths)?;
    command.arg("run").arg(disk);
    for option in place {
        // Several words for the runtime are one option.
        command.arg(option);
    }
    command.args(["--json", "--prompt", "", "-n", &tokens.to_string()]);
    if !place.contains(&"--hosted") {
        command.args(["--timeout", "600"]);
    }
    command.args(["--", "--ignore-eos", "--temperature", "0"]);
    command.stdin(Stdio::null());
    Ok(command)
}

/// Runs stories260K; its text must be the golden one. Gives standard error.
fn run(paths: &Paths, disk: &Disk, place: &[&str], tokens: usize) -> Result<String> {
    let mut command = generating(paths, disk.path(), place, tokens)?;
    let done = command.output()?;
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    ensure!(
        done.status.success(),
        "{}: {}\n{error}",
        done.status,
        sh::display(&command)
    );
    let found: Value = serde_json::from_slice(&done.stdout)
        .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&done.stdout)))?;
    let golden = paths
        .root
        .join("crates/llama/tests/data/stories260K_golden.json");
    let golden: Value = serde_json::from_slice(&read(&golden)?)?;
    let expected = ids(&golden["completion_tokens"])?;
    let found = ids(&found["generated_ids"])?;
    ensure!(
        found == expected[..tokens],
        "{found:?}, expected {:?}\n{error}",
        &expected[..tokens]
    );
    Ok(error)
}

fn number(facts: &Value, key: &str) -> Result<u64> {
    let value = facts[key].as_u64();
    value.with_context(|| format!("{key} is missing in {facts}"))
}

/// What a run that found everything did.
fn expect_warm(facts: &Value, boot: u64) -> Result<()> {
    ensure!(number(facts, "boot")? == boot, "{facts}");
    ensure!(
        facts["prepared"] == true,
        "modules were read again: {facts}"
    );
    ensure!(number(facts, "rejected")? == 0, "{facts}");
    ensure!(number(facts, "kept_functions")? > 50, "{facts}");
    ensure!(number(facts, "kept_compiled")? > 0, "{facts}");
    ensure!(number(facts, "recompiles")? == 0, "{facts}");
    Ok(())
}

/// The second run on a disk starts where the first stopped, and so does the third.
fn second_run(paths: &Paths, image: &Path, place: &[&str]) -> Result<String> {
    let name = if place[0] == "--hosted" {
        "second"
    } else {
        "second-machine"
    };
    let disk = Disk::copy(paths, image, name)?;
    run(paths, &disk, place, TOKENS)?;
    let first = disk.last()?;
    ensure!(
        number(&first, "boot")? == 1 && number(&first, "compiles")? > 0,
        "{first}"
    );
    run(paths, &disk, place, TOKENS)?;
    let second = disk.last()?;
    expect_warm(&second, 2)?;
    run(paths, &disk, place, TOKENS)?;
    expect_warm(&disk.last()?, 3)?;
    disk.records()?
        .verify()
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(format!(
        "[first output after {} and {} ms; compiles: {} and {}, of these again {}]",
        first["first_output_ms"],
        second["first_output_ms"],
        first["compiles"],
        second["compiles"],
        second["recompiles"]
    ))
}

/// Another CPU costs the code and not the profile; the first CPU finds its code again.
fn other_cpu(paths: &Paths, image: &Path, here: &[&str], there: &[&str]) -> Result<String> {
    let name = if here[0] == "--hosted" {
        "cpu"
    } else {
        "cpu-machine"
    };
    let disk = Disk::copy(paths, image, name)?;
    run(paths, &disk, here, TOKENS)?;
    run(paths, &disk, there, TOKENS)?;
    let other = disk.last()?;
    ensure!(number(&other, "kept_compiled")? == 0, "{other}");
    ensure!(number(&other, "kept_functions")? > 50, "{other}");
    ensure!(
        other["reasons"].to_string().contains("CPU features"),
        "{other}"
    );
    run(paths, &disk, here, TOKENS)?;
    expect_warm(&disk.last()?, 3)?;
    run(paths, &disk, there, TOKENS)?;
    expect_warm(&disk.last()?, 4)?;
    Ok(String::new())
}

/// A program of three functions whose calls are few enough to follow.
const PROGRAM: &str = "
typedef unsigned long u64;
void bf_console_write(const char *text, u64 length);
static u64 inner(u64 x) { return x * 31 + 7; }
__attribute__((noinline)) u64 outer(u64 x) { return inner(x) ^ (x >> 3); }
__attribute__((noinline)) u64 alone(u64 x) { return (x << 5) - x; }
int bf_main(void) {
  u64 sum = 1;
  for (u64 i = 0; i < 200000; i++) sum = outer(sum + i) + alone(i);
  char digits[21]; int at = 20; digits[at] = '\\n';
  do { digits[--at] = '0' + sum % 10; sum /= 10; } while (sum);
  bf_console_write(digits + at, 21 - at);
  return 0;
}
";

/// What [`PROGRAM`] prints, with `factor` in the place of 31.
fn printed(factor: u64) -> String {
    let mut sum = 1u64;
    for i in 0..200_000u64 {
        let x = sum.wrapping_add(i);
        let outer = x.wrapping_mul(factor).wrapping_add(7) ^ (x >> 3);
        sum = outer.wrapping_add((i << 5).wrapping_sub(i));
    }
    format!("{sum}\n")
}

/// A changed function costs itself and what had inlined it, and nothing else.
fn changed(paths: &Paths) -> Result<String> {
    let folder = paths.scratch("warm")?;
    let build = |text: &str, name: &str| -> Result<Disk> {
        let source = folder.join("warm.c");
        std::fs::write(&source, text)?;
        let image = folder.join(format!("{name}.img"));
        sh::output(
            bareflow(paths)?
                .arg("build")
                .arg(&source)
                .arg("-o")
                .arg(&image),
        )?;
        Ok(Disk(image))
    };
    let run = |disk: &Disk, factor: u64| -> Result<String> {
        let mut command = bareflow(paths)?;
        command.arg("run").arg(disk.path()).arg("--hosted");
        let done = command.stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        ensure!(done.status.success() && text == printed(factor), "{done:?}");
        Ok(String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let before = build(PROGRAM, "before")?;
    run(&before, 31)?;
    let after = build(&PROGRAM.replace("* 31", "* 33"), "after")?;
    after.fill(&before.content()?)?;
    let said = run(&after, 33)?;
    let lines: Vec<&str> = said.lines().filter(|l| l.contains("kept ")).collect();
    ensure!(!lines.is_empty(), "nothing was rejected: {said}");
    for line in &lines {
        ensure!(line.contains("changed"), "{said}");
        ensure!(!line.contains("alone"), "{said}");
    }
    ensure!(lines.iter().any(|l| l.contains("outer")), "{said}");
    let facts = after.last()?;
    ensure!(number(&facts, "kept_compiled")? > 0, "{facts}");
    ensure!(number(&facts, "recompiles")? == 0, "{facts}");
    // And with nothing changed nothing is lost.
    run(&after, 33)?;
    let facts = after.last()?;
    ensure!(
        number(&facts, "rejected")? == 0 && facts["prepared"] == true,
        "{facts}"
    );
    Ok(format!("[{} things rejected]", lines.len()))
}

/// Every kind of damage ends in a cold or partly warm start with a reason, and in the right text.
fn damage(paths: &Paths, image: &Path) -> Result<String> {
    const HOSTED: [&str; 1] = ["--hosted"];
    let disk = Disk::copy(paths, image, "damage")?;
    run(paths, &disk, &HOSTED, TOKENS)?;
    let whole = disk.content()?;
    let mut cases = 0;
    let mut try_it = |name: &str, word: &str| -> Result<Value> {
        let said = run(paths, &disk, &HOSTED, 24).context(name.to_owned())?;
        ensure!(said.contains(word), "{name}: {word:?} expected in {said:?}");
        cases += 1;
        disk.last().context(name.to_owned())
    };
    // The payload of the newest record of each kind, at both ends and in the middle.
    for which in [
        kind::PROFILE,
        kind::CODE,
        kind::PROGRAM,
        kind::BOOT,
        kind::BOOT_LOG,
    ] {
        let name = formats::record::kind::name(which).unwrap_or_default();
        let payload = {
            let mut records = disk.records()?;
            let list = records.list();
            let newest = list
                .iter()
                .filter(|i| i.kind == which)
                .max_by_key(|i| i.generation);
            let key = newest.with_context(|| format!("no record {name}"))?.key;
            let record = records
                .latest(which, key)
                .map_err(|e| anyhow::anyhow!("{e}"))?;
            record.context("the newest record is gone")?.payload
        };
        let at = find(&whole, &payload[..payload.len().min(512)]).context("no payload")?;
        for offset in [0, payload.len() / 2, payload.len() - 1] {
            let mut broken = whole.clone();
            let Some(byte) = broken.get_mut(at + offset) else {
                continue;
            };
            *byte ^= 0x20;
            disk.fill(&broken)?;
            let facts = try_it(&format!("{name}, byte {offset}"), "")?;
            if which == kind::PROGRAM {
                ensure!(facts["prepared"] == false, "{name}: {facts}");
            }
            disk.fill(&whole)?;
        }
    }
    // Headers, everything, nothing.
    for (name, from, to) in [("headers", 0, 64 << 10), ("everything", 0, whole.len())] {
        let mut broken = whole.clone();
        let mut x = 88_172_645_463_325_252_u64;
        for byte in &mut broken[from..to] {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            *byte = x as u8;
        }
        disk.fill(&broken)?;
        let facts = try_it(name, "")?;
        ensure!(number(&facts, "boot")? == 1, "{name}: {facts}");
    }
    // Whole records with content that is none, or of another version.
    let keys: Vec<(u16, u64)> = {
        disk.fill(&whole)?;
        let list = disk.records()?.list();
        list.iter().map(|i| (i.kind, i.key)).collect()
    };
    let version = |magic: &[u8; 4]| [&magic[..], &[9, 0, 0, 0], &[0; 64]].concat();
    for (which, payload, word) in [
        (kind::PROFILE, b"nonsense".to_vec(), "profile"),
        (kind::CODE, version(b"SNAP"), "version 9"),
        (kind::CODE, b"SNAP".to_vec(), "code"),
        (kind::PROGRAM, b"nonsense".to_vec(), "program"),
        (kind::BOOT, b"{".to_vec(), ""),
        (kind::BOOT_LOG, b"[1,".to_vec(), ""),
    ] {
        disk.fill(&whole)?;
        let key = keys
            .iter()
            .find(|(k, _)| *k == which)
            .context("no such record")?
            .1;
        let put = disk.records()?.put(which, key, &payload);
        put.map_err(|e| anyhow::anyhow!("{e}"))?;
        try_it("other content", word)?;
    }
    // A store that is too small for what is to be kept: one message, and the program runs.
    disk.fill(&whole)?;
    disk.fill(&vec![0; whole.len()])?;
    {
        let mut records = disk.records()?;
        let room = records.usage().free() as usize;
        let put = records.put(99, 1, &vec![1; room - (64 << 10)]);
        put.map_err(|e| anyhow::anyhow!("{e}"))?;
    }
    let said = run(paths, &disk, &HOSTED, 24)?;
    let told = said.matches("nothing more will be remembered").count();
    ensure!(told == 1, "a full store was told of {told} times: {said}");
    Ok(format!("[{cases} kinds of damage]"))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    // Payloads start at blocks.
    (0..bytes.len())
        .step_by(512)
        .rev()
        .find(|at| bytes[*at..].starts_with(what))
}

/// Killed at any moment, the next run starts and says the right thing, and nothing that was there is lost.
fn kill(paths: &Paths, image: &Path) -> Result<String> {
    const HOSTED: [&str; 1] = ["--hosted"];
    let disk = Disk::copy(paths, image, "kill")?;
    let start = Instant::now();
    run(paths, &disk, &HOSTED, TOKENS)?;
    let usual = start.elapsed().as_millis() as u64;
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut boots = number(&disk.last()?, "boot")?;
    let mut killed = 0;
    for round in 0..KILLS {
        // Half of the runs begin cold: they have the most to write.
        if round % 2 == 0 {
            let mut records = disk.records()?;
            let keys: Vec<_> = records.list().iter().map(|i| (i.kind, i.key)).collect();
            for (which, key) in keys.into_iter().filter(|(k, _)| *k == kind::CODE) {
                let gone = records.remove(which, key);
                gone.map_err(|e| anyhow::anyhow!("{e}"))?;
            }
        }
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(round);
        let after = Duration::from_millis(5 + (seed >> 33) % usual.max(10));
        let mut child = generating(paths, disk.path(), &HOSTED, TOKENS)?
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        std::thread::sleep(after);
        killed += u32::from(child.try_wait()?.is_none());
        // It may have ended by itself.
        let _ = child.kill();
        child.wait()?;
        let mut records = disk.records()?;
        records.verify().map_err(|e| anyhow::anyhow!("{e}"))?;
        drop(records);
        run(paths, &disk, &HOSTED, 24)
            .with_context(|| format!("after kill {round} at {after:?}"))?;
        let now = number(&disk.last()?, "boot")?;
        ensure!(now > boots, "boot {now} after boot {boots}");
        boots = now;
    }
    ensure!(killed > 5, "only {killed} of {KILLS} runs were killed");
    Ok(format!("[{killed} runs killed]"))
}

/// `--no-persist` leaves no trace; `--forget` starts cold; experiments are not remembered.
fn options(paths: &Paths, image: &Path) -> Result<String> {
    let disk = Disk::copy(paths, image, "options")?;
    run(paths, &disk, &["--hosted", "--engine=--no-persist"], 24)?;
    ensure!(
        disk.content()?.iter().all(|b| *b == 0),
        "--no-persist wrote"
    );
    for experiment in [
        "--tier=O1",
        "--engine=--no-osr",
        "--engine=--shuffle=1",
        "--ahead=O1",
    ] {
        run(paths, &disk, &["--hosted", experiment], 24)?;
        ensure!(
            disk.content()?.iter().all(|b| *b == 0),
            "{experiment} wrote"
        );
    }
    run(paths, &disk, &["--hosted"], TOKENS)?;
    run(paths, &disk, &["--hosted"], TOKENS)?;
    expect_warm(&disk.last()?, 2)?;
    run(paths, &disk, &["--hosted", "--engine=--forget"], 24)?;
    let facts = disk.last()?;
    ensure!(number(&facts, "boot")? == 3, "{facts}");
    ensure!(
        facts["prepared"] == false && number(&facts, "kept_functions")? == 0,
        "{facts}"
    );
    if let Ok(lock) = std::fs::File::open(disk.path()) {
        lock.lock()?;
        let said = run(paths, &disk, &["--hosted"], 24)?;
        ensure!(said.contains("in use by another process"), "{said}");
    } else {
        bail!("the disk cannot be opened");
    }
    Ok(String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_prints_what_is_expected_of_it() {
        assert_ne!(printed(31), printed(33));
        assert!(printed(31).ends_with('\n'));
    }

    #[test]
    fn payloads_are_found_at_the_start_of_sectors() {
        let mut bytes = vec![0; 2048];
        bytes[700] = 7;
        bytes[1024] = 7;
        assert_eq!(find(&bytes, &[7]), Some(1024));
        assert_eq!(find(&bytes, &[9]), None);
    }
}
