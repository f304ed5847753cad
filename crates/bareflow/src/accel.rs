//! Chooses between KVM and translation (TCG) by trying, not by believing.
//!
//! `/dev/kvm` may exist and still be a software imitation that traps every kernel-mode instruction: a thousand
//! times slower than TCG. So a probe machine (`kvmprobe.elf`, from `probe.S`) is started: it executes an AVX
//! instruction in ring 0 and a loop of 100 million steps, a tenth of a second on a processor. Only if that ends in
//! time is KVM used. The answer is kept until the host boots again.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::qemu::{Accelerator, QEMU};
use crate::{Artifacts, Error};

/// Time the probe has: starting QEMU and a tenth of a second for the loop, with room to spare.
const LIMIT: Duration = Duration::from_millis(1500);
/// QEMU's exit code for the value the probe writes to `isa-debug-exit`.
const PROBE_OK: i32 = (0x2A << 1) | 1;

/// What was chosen, and why not KVM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The accelerator to use.
    pub accelerator: Accelerator,
    /// Why KVM is not used, for a line on the terminal.
    pub reason: Option<String>,
}

/// Tries whether KVM is real on this host.
///
/// # Errors
/// The probe itself is missing although there is a `/dev/kvm`.
pub fn probe(artifacts: &Artifacts) -> Result<Choice, Error> {
    let tcg = |reason: &str| Choice {
        accelerator: Accelerator::Tcg,
        reason: Some(format!("using TCG: {reason}")),
    };
    if let Err(e) = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
    {
        return Ok(tcg(&format!("/dev/kvm cannot be opened ({e})")));
    }
    let kept = kept_answer();
    if let Some(answer) = kept
        .as_ref()
        .and_then(|path| std::fs::read_to_string(path).ok())
    {
        return Ok(match answer.trim() {
            "real" => Choice {
                accelerator: Accelerator::Kvm,
                reason: None,
            },
            reason => tcg(reason),
        });
    }
    let failure = run_probe(&artifacts.path("kvmprobe.elf")?);
    if let Some(path) = kept {
        // A cache that cannot be written costs the next run a second, no more.
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = std::fs::write(path, failure.as_deref().unwrap_or("real"));
    }
    Ok(match failure {
        None => Choice {
            accelerator: Accelerator::Kvm,
            reason: None,
        },
        Some(reason) => tcg(&reason),
    })
}

/// `None` if the probe ended well and in time, else what happened.
fn run_probe(elf: &std::path::Path) -> Option<String> {
    let spawned = Command::new(QEMU)
        .args([
            "-accel",
            "kvm",
            "-cpu",
            "host,-arch-capabilities",
            "-m",
            "64M",
            "-no-reboot",
        ])
        .args([
            "-nodefaults",
            "-display",
            "none",
            "-no-user-config",
            "-kernel",
        ])
        .arg(elf)
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) => return Some(format!("QEMU did not start with KVM ({e})")),
    };
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        match child.try_wait() {
            Ok(Some(status)) if status.code() == Some(PROBE_OK) => return None,
            Ok(Some(status)) => return Some(format!("the KVM probe failed ({status})")),
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(e) => return Some(format!("the KVM probe was lost ({e})")),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    Some("KVM here is an imitation: its probe loop did not end in time".into())
}

/// Where the answer of this boot of the host is kept.
fn kept_answer() -> Option<PathBuf> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    Some(base.join("bareflow").join(format!("kvm-{}", boot.trim())))
}
