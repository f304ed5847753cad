//! `bench converge`: SmolLM2's machine from the full image to the native one, by itself, and the sizes on the way.
//!
//! ```text
//!   smollm2.img --bareflow converge--> base, evicted, native      each boot is shown as it ends
//!               --bareflow inspect --> bytes of each slot          beside what is promised
//! ```

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::golden;
use crate::machines::bareflow;
use crate::paths::Paths;
use crate::sh;
use crate::warm::Disk;

/// A size of a boot slot that SPECIFICATION.md promises, in bytes.
struct Promise {
    kind: &'static str,
    what: &'static str,
    /// Where `inspect --json` has it.
    pointer: &'static str,
    most: u64,
}

const PROMISES: [Promise; 4] = [
    Promise {
        kind: "base",
        what: "file",
        pointer: "/file/bytes",
        most: 60_000_000,
    },
    Promise {
        kind: "evicted",
        what: "resident code and constants",
        pointer: "/resident_bytes",
        most: 10_000_000,
    },
    Promise {
        kind: "evicted",
        what: "file, compressed",
        pointer: "/file/bytes",
        most: 5_000_000,
    },
    Promise {
        kind: "native",
        what: "file",
        pointer: "/file/bytes",
        most: 1_000_000,
    },
];

/// Converges a fresh image and judges what became of it.
///
/// # Errors
/// It does not become native, its answers differ from boot to boot, or a size is larger than promised.
pub fn bench(paths: &Paths) -> Result<()> {
    let image = golden::smollm2_image(paths)?;
    let disk = Disk::copy(paths, &image, "converge")?;
    let report = paths.scratch("images")?.join("converge.html");
    let mut converge = bareflow(paths)?;
    converge.arg("converge").arg(disk.path());
    converge.args(["--boot", "pvh", "--accel", "tcg", "--cpus", "2"]);
    sh::run(converge.arg("--report").arg(&report))?;
    println!("Report: {}", report.display());

    let mut inspect: Command = bareflow(paths)?;
    inspect.arg("inspect").arg(disk.path()).arg("--json");
    let found: Value = serde_json::from_str(&sh::output(&mut inspect)?)?;
    let mut broken = Vec::new();
    for promise in &PROMISES {
        let bytes = bytes(&found, promise)?;
        let line = format!("{}, {}: {bytes} bytes", promise.kind, promise.what);
        println!("{line}; promised: at most {}", promise.most);
        if bytes > promise.most {
            broken.push(line);
        }
    }
    ensure!(broken.is_empty(), "not as promised: {}", broken.join("; "));
    Ok(())
}

/// The size in what `inspect --json` printed, of a slot that proved itself.
fn bytes(found: &Value, promise: &Promise) -> Result<u64> {
    let kind = promise.kind;
    let slots = found["kept"]["slots"]["slots"].as_array();
    let slot = slots
        .into_iter()
        .flatten()
        .find(|slot| slot["kind"] == kind && slot["state"] == "success")
        .with_context(|| format!("the image has no {kind} slot that proved itself"))?;
    let bytes = slot.pointer(promise.pointer).and_then(Value::as_u64);
    bytes.with_context(|| format!("the {kind} slot has no {}", promise.what))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_those_of_slots_that_proved_themselves() {
        let found = json!({ "kept": { "slots": { "slots": [
            { "kind": "base", "state": "success", "file": { "bytes": 7 } },
            { "kind": "evicted", "state": "untried", "file": { "bytes": 8 }, "resident_bytes": 9 },
        ] } } });
        assert_eq!(bytes(&found, &PROMISES[0]).unwrap(), 7);
        let error = bytes(&found, &PROMISES[1]).unwrap_err().to_string();
        assert!(error.contains("no evicted slot"), "{error}");
        assert!(bytes(&json!({}), &PROMISES[0]).is_err());
    }
}
