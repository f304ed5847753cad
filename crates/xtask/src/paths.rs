//! Where things lie in the checkout and in the build folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The checkout and its build folder.
#[derive(Debug, Clone)]
pub struct Paths {
    /// Root of the checkout.
    pub root: PathBuf,
    /// `$CARGO_TARGET_DIR`, else `target/`.
    pub target: PathBuf,
}

impl Paths {
    /// Finds the checkout that this program was built from.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().with_context(|| {
            format!(
                "the checkout moved away from {}; run ./x again",
                root.display()
            )
        })?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(PathBuf::from(folder))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The folder the artefacts are put in (ARCHITECTURE.md, "Artefacts").
    pub fn artifacts(&self) -> PathBuf {
        self.target.join("bareflow")
    }

    /// A build folder of its own for what is compiled with other flags than the host's programs: cargo would
    /// otherwise build everything anew each time the flags change.
    pub fn separate_target(&self, name: &str) -> PathBuf {
        self.target.join("separate").join(name)
    }

    /// A scratch folder that stays, for images and logs of tests and benches.
    pub fn scratch(&self, name: &str) -> Result<PathBuf> {
        let folder = self.target.join("scratch").join(name);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(folder)
    }

    /// SmolLM2-135M, fetched by `./x model`.
    pub fn smollm2(&self) -> Result<PathBuf> {
        let path = self
            .root
            .join("cache/model/SmolLM2-135M-Instruct.Q4_1.gguf");
        ensure!(
            path.exists(),
            "{} is not there: run `./x model` to fetch it",
            path.display()
        );
        Ok(path)
    }
}
