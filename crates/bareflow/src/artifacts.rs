//! Where the built parts are: kernel, boot sectors, runtime, guest modules.

use std::path::{Path, PathBuf};

use crate::Error;

/// The folder `cargo xtask build` fills, and what lies in it (ARCHITECTURE.md, "Artefacts").
#[derive(Debug, Clone)]
pub struct Artifacts {
    folder: PathBuf,
}

impl Artifacts {
    /// `$BAREFLOW_ARTIFACTS`, else `../bareflow/` beside the running executable.
    pub fn locate() -> Result<Self, Error> {
        if let Some(folder) = std::env::var_os("BAREFLOW_ARTIFACTS") {
            return Ok(Self::at(folder));
        }
        let executable = std::env::current_exe().map_err(|e| Error::io("find", "myself", e))?;
        let beside = executable
            .parent()
            .and_then(Path::parent)
            .map(|p| p.join("bareflow"));
        Ok(Self::at(
            beside.unwrap_or_else(|| PathBuf::from("target/bareflow")),
        ))
    }

    /// The artefacts in `folder`, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Path of the artefact `name`, or the command that makes it.
    pub fn path(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.folder.join(name);
        if path.exists() {
            Ok(path)
        } else {
            Err(Error::MissingArtifact { path })
        }
    }

    /// Path of the artefact `name` if it has been built.
    pub fn optional(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(name)).filter(|p| p.exists())
    }

    /// Content of the artefact `name`.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.path(name)?;
        std::fs::read(&path).map_err(|e| Error::io("read", &path, e))
    }

    /// The guest modules in the subfolder `program`, sorted by name: `(file name, content)`.
    pub fn modules(&self, program: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let folder = self.path(program)?;
        let mut modules = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|e| Error::io("list", &folder, e))? {
            let path = entry.map_err(|e| Error::io("list", &folder, e))?.path();
            if path.extension().is_none_or(|e| e != "llbc") {
                continue;
            }
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            modules.push((
                name,
                std::fs::read(&path).map_err(|e| Error::io("read", &path, e))?,
            ));
        }
        if modules.is_empty() {
            return Err(Error::MissingArtifact {
                path: folder.join("*.llbc"),
            });
        }
        modules.sort();
        Ok(modules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_artifact_names_the_command_that_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = Artifacts::at(folder.path())
            .read("kernel.elf")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("kernel.elf") && error.contains("./x build"),
            "{error}"
        );
    }

    #[test]
    fn modules_are_the_llbc_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("llama")).unwrap();
        for name in ["b.llbc", "a.llbc", "notes.txt"] {
            std::fs::write(folder.path().join("llama").join(name), name).unwrap();
        }
        let modules = Artifacts::at(folder.path()).modules("llama").unwrap();
        let names: Vec<_> = modules.iter().map(|m| m.0.as_str()).collect();
        assert_eq!(names, ["a.llbc", "b.llbc"]);
    }
}
