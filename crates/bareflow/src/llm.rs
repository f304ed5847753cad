//! Checks a model file before it becomes an appliance, and works out what the appliance needs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use llama_model::{FileFormat, Model, ModelConfig, ReadError, Source, llama2c};

use crate::Error;

/// A file on the host that can be read at any place.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    len: u64,
}

impl FileSource {
    /// Opens a file.
    ///
    /// # Errors
    /// It is not there or may not be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let len = file
            .metadata()
            .map_err(|e| Error::io("open", path, e))?
            .len();
        Ok(Self { file, len })
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let wanted = buf.len() as u64;
        if offset.checked_add(wanted).is_none_or(|end| end > self.len) {
            return Err(ReadError::OutOfRange {
                offset,
                wanted,
                len: self.len,
            });
        }
        self.file
            .read_exact_at(buf, offset)
            .map_err(|e| ReadError::Device {
                offset,
                wanted,
                code: e.raw_os_error().unwrap_or(5).into(), // 5: EIO
            })
    }
}

/// A model that has been looked at: it can be run.
#[derive(Debug)]
pub struct CheckedModel {
    /// What it is.
    pub model: Model,
    /// The model file and, for llama2.c, its tokenizer: `(host path, path on the image)`.
    pub files: Vec<(PathBuf, String)>,
    /// Arguments that name these files to the program.
    pub arguments: Vec<String>,
}

/// Checks a model and its tokenizer; both become files in /model.
///
/// # Errors
/// What is wrong with the model, or a tokenizer that is missing, superfluous or of another size.
pub fn check(model_path: &Path, tokenizer: Option<&Path>) -> Result<CheckedModel, Error> {
    let refused = |path: &Path, source| Error::Model {
        path: path.into(),
        source: Box::new(source),
    };
    let model = Model::open(&FileSource::open(model_path)?).map_err(|e| refused(model_path, e))?;
    let mut files = vec![(model_path.to_path_buf(), guest_path(model_path))];
    let mut arguments = vec!["--model".to_owned(), guest_path(model_path)];
    match (model.format, tokenizer) {
        (FileFormat::Gguf, None) => {}
        (FileFormat::Gguf, Some(path)) => {
            return Err(Error::TokenizerInside { path: path.into() });
        }
        (FileFormat::Llama2c, None) => {
            return Err(Error::TokenizerMissing {
                path: model_path.into(),
            });
        }
        (FileFormat::Llama2c, Some(path)) => {
            llama2c::parse_tokenizer(&FileSource::open(path)?, model.config.vocab_size)
                .map_err(|e| refused(path, e))?;
            files.push((path.to_path_buf(), guest_path(path)));
            arguments.extend(["--tokenizer".to_owned(), guest_path(path)]);
        }
    }
    Ok(CheckedModel {
        model,
        files,
        arguments,
    })
}

fn guest_path(path: &Path) -> String {
    format!(
        "/model/{}",
        path.file_name().unwrap_or_default().to_string_lossy()
    )
}

/// Bytes of the KV cache for `positions` tokens: keys and values of every layer, in half precision.
pub fn kv_cache_bytes(config: &ModelConfig, positions: usize) -> u64 {
    2 * 2 * (config.n_layers * config.kv_dim() * positions) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../llama/tests/data")
            .join(name)
    }

    #[test]
    fn a_llama2c_model_needs_its_tokenizer() {
        let model = data("stories260K.bin");
        let checked = check(&model, Some(&data("tok512.bin"))).unwrap();
        assert_eq!(checked.arguments[1], "/model/stories260K.bin");
        assert_eq!(checked.arguments[3], "/model/tok512.bin");
        assert_eq!(
            kv_cache_bytes(&checked.model.config, 512),
            2 * 2 * 5 * 32 * 512
        );
        assert!(matches!(
            check(&model, None),
            Err(Error::TokenizerMissing { .. })
        ));
        assert!(matches!(
            check(&model, Some(&model)),
            Err(Error::Model { .. })
        ));
    }

    #[test]
    fn what_is_no_model_is_refused_before_an_image_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let fake = folder.path().join("fake.gguf");
        std::fs::write(&fake, b"GGUF and nothing else").unwrap();
        let error = check(&fake, None).unwrap_err().to_string();
        assert!(error.contains("fake.gguf"), "{error}");
        assert!(check(Path::new("/not/there"), None).is_err());
    }
}
