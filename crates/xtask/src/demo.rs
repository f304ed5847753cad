//! `./x demo`: a language model writes text on a machine without an operating system.

use anyhow::Result;

use crate::machines::bareflow;
use crate::paths::Paths;
use crate::sh;

/// Tokens the demo writes.
const TOKENS: &str = "64";

/// Makes the SmolLM2 appliance and boots it from its own disk.
pub fn run(paths: &Paths, prompt: &str) -> Result<()> {
    let image = paths.artifacts().join("smollm2.img");
    sh::run(
        bareflow(paths)?
            .arg("llm")
            .arg(paths.smollm2()?)
            .arg("-o")
            .arg(&image),
    )?;
    eprintln!(
        "xtask: booting {} from its disk in QEMU; Ctrl-C twice ends it",
        image.display()
    );
    sh::run(
        bareflow(paths)?
            .arg("run")
            .arg(&image)
            .args([
                "--boot", "disk", "--cpus", "2", "--prompt", prompt, "-n", TOKENS,
            ])
            .args(["--", "--ignore-eos", "--seed", "1"]),
    )
}
