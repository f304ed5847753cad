//! What is written about a run when it ends, and where.

use crate::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A text about the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The profile, to be read by people.
    Report,
    /// The profile as JSON.
    ReportJson,
    /// Events as Chrome trace JSON.
    Trace,
}

impl Content {
    /// The option that asks for it.
    fn option(self) -> &'static str {
        match self {
            Content::Report => "--report",
            Content::ReportJson => "--report-json",
            Content::Trace => "--trace",
        }
    }
}

/// Where a text goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Standard output is the program's own.
    StandardError,
    /// Absolute: the program may change its working directory.
    File(PathBuf),
}

/// The files a run is to leave behind.
///
/// Holding one guarantees that every file could be written when the run began. No file is kept open meanwhile: the
/// program finds the file descriptors it would find without the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    wanted: Vec<(Content, Place)>,
}

impl Outputs {
    /// Makes the files, empty.
    pub(crate) fn prepare<'p>(
        wanted: impl IntoIterator<Item = (Content, Option<&'p Path>)>,
    ) -> Result<Self, Error> {
        let mut list = Vec::new();
        for (content, path) in wanted {
            let Some(path) = path else { continue };
            if path == Path::new("-") {
                list.push((content, Place::StandardError));
                continue;
            }
            let made = std::path::absolute(path).and_then(|p| std::fs::File::create(&p).map(|_| p));
            match made {
                Ok(path) => list.push((content, Place::File(path))),
                Err(source) => {
                    return Err(Error::Write {
                        option: content.option(),
                        path: path.into(),
                        source,
                    });
                }
            }
        }
        Ok(Outputs { wanted: list })
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Writes what `text` gives for each content that is wanted; `text` is asked for nothing else.
    ///
    /// To be called when the program ends, also when it ends by `exit`: from a function given to `atexit`. A program
    /// that is ended by a signal leaves the files empty.
    ///
    /// # Errors
    /// The first file that cannot be written; the others are written all the same.
    pub fn write(&self, mut text: impl FnMut(Content) -> String) -> Result<(), Error> {
        let mut result = Ok(());
        for (content, place) in &self.wanted {
            let text = text(*content);
            let (path, written) = match place {
                Place::StandardError => (
                    PathBuf::from("-"),
                    std::io::stderr().lock().write_all(text.as_bytes()),
                ),
                Place::File(path) => (path.clone(), std::fs::write(path, text)),
            };
            if let (Err(source), Ok(())) = (written, &result) {
                result = Err(Error::Write {
                    option: content.option(),
                    path,
                    source,
                });
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_made_first_and_filled_last() {
        let folder = tempfile::tempdir().unwrap();
        let (report, trace) = (folder.path().join("r.txt"), folder.path().join("t.json"));
        let outputs = Outputs::prepare([
            (Content::Report, Some(&*report)),
            (Content::ReportJson, None),
            (Content::Trace, Some(&*trace)),
        ])
        .unwrap();
        assert_eq!(std::fs::read(&report).unwrap(), b"");
        let mut asked = Vec::new();
        outputs
            .write(|c| {
                asked.push(c);
                format!("{c:?}")
            })
            .unwrap();
        assert_eq!(asked, [Content::Report, Content::Trace]);
        assert_eq!(std::fs::read_to_string(report).unwrap(), "Report");
        assert_eq!(std::fs::read_to_string(trace).unwrap(), "Trace");
    }

    #[test]
    fn a_path_that_cannot_be_written_is_found_out_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing/r.json");
        let error = Outputs::prepare([(Content::ReportJson, Some(&*path))])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--report-json") && error.contains("missing/r.json"),
            "{error}"
        );
    }

    #[test]
    fn one_file_that_fails_does_not_keep_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("gone");
        std::fs::create_dir(&inside).unwrap();
        let (report, trace) = (inside.join("r.txt"), folder.path().join("t.json"));
        let outputs = Outputs::prepare([
            (Content::Report, Some(&*report)),
            (Content::Trace, Some(&*trace)),
        ])
        .unwrap();
        std::fs::remove_dir_all(inside).unwrap();
        let error = outputs.write(|_| "x".into()).unwrap_err().to_string();
        assert!(error.starts_with("--report "), "{error}");
        assert_eq!(std::fs::read_to_string(trace).unwrap(), "x");
    }
}
