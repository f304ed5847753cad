//! A machine made of strings and the host's files.
#![allow(dead_code)] // each test file uses its own part

pub mod plain;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use llama::machine::{Input, Machine};
use llama::program;
use llama_model::{ReadError, Source};

pub fn data(name: &str) -> String {
    format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The SmolLM2 model file: `BAREFLOW_SMOLLM2`, else where `./x` fetches it to.
pub fn smollm2() -> Option<String> {
    let path = match std::env::var_os("BAREFLOW_SMOLLM2") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../cache/model/SmolLM2-135M-Instruct.Q4_1.gguf"),
    };
    if !path.exists() {
        eprintln!(
            "skipped: {} is not there (./x model fetches it, or set BAREFLOW_SMOLLM2)",
            path.display()
        );
        return None;
    }
    Some(path.to_string_lossy().into_owned())
}

/// A file that lies in the test's memory or on the host's disk.
pub enum TestFile {
    Host(File),
    Memory(Vec<u8>),
}

impl Source for TestFile {
    fn len(&self) -> u64 {
        match self {
            TestFile::Host(file) => file.metadata().unwrap().len(),
            TestFile::Memory(bytes) => bytes.len() as u64,
        }
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let failed = ReadError::OutOfRange {
            offset,
            wanted: buf.len() as u64,
            len: self.len(),
        };
        match self {
            TestFile::Host(file) => file.read_exact_at(buf, offset).map_err(|_| failed),
            TestFile::Memory(bytes) => llama_model::SliceSource(bytes).read_at(offset, buf),
        }
    }
}

/// Console, files and clock of a test.
#[derive(Default)]
pub struct TestMachine {
    pub out: RefCell<String>,
    pub input: RefCell<VecDeque<Input>>,
    pub files: Vec<(String, Vec<u8>)>,
    /// Questions about Ctrl-C until the answer is yes, once.
    pub interrupt_after: Cell<Option<u32>>,
    pub seeds: Cell<u64>,
    time: Cell<u64>,
}

impl Machine for TestMachine {
    type File = TestFile;

    fn write(&self, text: &str) {
        self.out.borrow_mut().push_str(text);
    }

    fn read_line(&self) -> Input {
        self.input.borrow_mut().pop_front().unwrap_or(Input::End)
    }

    fn open(&self, path: &str) -> Result<TestFile, i64> {
        if let Some((_, bytes)) = self.files.iter().find(|(name, _)| name == path) {
            return Ok(TestFile::Memory(bytes.clone()));
        }
        File::open(path)
            .map(TestFile::Host)
            .map_err(|error| error.raw_os_error().unwrap_or(5).into())
    }

    fn time_ns(&self) -> u64 {
        self.time.set(self.time.get() + 1_000_000);
        self.time.get()
    }

    fn random_seed(&self) -> u64 {
        self.seeds.set(self.seeds.get() + (1 << 40));
        self.seeds.get()
    }

    fn cpu_count(&self) -> usize {
        2
    }

    fn interrupted(&self) -> bool {
        match self.interrupt_after.get() {
            Some(0) => {
                self.interrupt_after.set(None);
                true
            }
            Some(left) => {
                self.interrupt_after.set(Some(left - 1));
                false
            }
            None => false,
        }
    }
}

impl TestMachine {
    pub fn with_model(bytes: Vec<u8>) -> Self {
        TestMachine {
            files: vec![("/model/model.gguf".into(), bytes)],
            ..Self::default()
        }
    }

    pub fn typing(self, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| Input::Line((*line).into()));
        self.input.borrow_mut().extend(lines);
        self
    }

    /// Runs the program; exit code and what it wrote.
    pub fn run(&self, arguments: &[&str]) -> (i32, String) {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        self.out.borrow_mut().clear();
        let code = program::run(self, &arguments);
        (code, self.out.borrow().clone())
    }

    /// Runs the program, which must succeed and print one line of JSON.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let (code, out) = self.run(arguments);
        assert_eq!(code, 0, "{out}");
        assert_eq!(out.lines().count(), 1, "{out}");
        serde_json::from_str(&out).unwrap()
    }
}

pub fn ids(value: &serde_json::Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

pub fn golden(name: &str) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(data(name)).unwrap()).unwrap()
}
