//! What a run leaves behind: report, trace, IR and assembly.

mod common;

use common::{Folder, read, text};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;

const PROGRAM: &str = "#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) long square(long x) { return x * x; }
__attribute__((noinline)) long total(long n) { long s = 0; for (long i = 0; i < n; i++) s += square(i); return s; }
static void late(void) { printf(\"late %ld\\n\", total(3)); }
int main(int argc, char **argv) {
  atexit(late);
  if (chdir(\"/\")) return 1;
  for (int i = 0; i < 200; i++) total(100);
  printf(\"%ld\\n\", total(5000));
  if (argc > 1) abort();
  exit(5);
}";
const OUTPUT: &str = "41654167500\nlate 5\n";

fn json(folder: &Folder, name: &str) -> Value {
    let text = read(&folder.path(name));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}: {text}"))
}

fn function<'v>(report: &'v Value, name: &str) -> &'v Value {
    let all = report["functions"].as_array().expect("functions");
    all.iter()
        .find(|f| f["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn the_report_names_functions_and_counts_their_calls() {
    let folder = Folder::with("a.c", PROGRAM);
    let got = folder.run(&["a.c", "--tier=interp", "--report-json=r.json"]);
    assert_eq!((text(&got.stdout), got.status.code()), (OUTPUT, Some(5)));
    let report = json(&folder, "r.json");
    assert_eq!(function(&report, "main")["calls"], 1);
    // Also calls made by handlers after `exit`.
    assert_eq!(function(&report, "total")["calls"], 202);
    assert_eq!(function(&report, "square")["calls"], 25_003);
}

#[test]
fn a_hot_function_has_climbed() {
    let folder = Folder::with("a.c", PROGRAM);
    let options = [
        "a.c",
        "--compilers=0",
        "--thresholds=10,20,30,40",
        "--report-json=r.json",
        "--report=r.txt",
        "--trace=t.json",
    ];
    let got = folder.run(&options);
    assert_eq!(
        (text(&got.stdout), got.status.code()),
        (OUTPUT, Some(5)),
        "{got:?}"
    );
    let report = json(&folder, "r.json");
    assert_eq!(function(&report, "square")["tier"], "O3", "{report}");
    assert!(
        report["totals"]["compile_ns"].as_u64().unwrap() > 0,
        "{report}"
    );
    let table = read(&folder.path("r.txt"));
    assert!(
        table
            .lines()
            .any(|l| l.starts_with("square") && l.contains("O3")),
        "{table}"
    );

    let trace = json(&folder, "t.json");
    let events = trace["traceEvents"].as_array().expect("events");
    let compiled = events.iter().any(|e| {
        e["cat"] == "compile"
            && e["ph"] == "X"
            && e["args"]["function"] == "square"
            && e["args"]["tier"] == "O3"
            && e["dur"].as_f64().is_some_and(|d| d > 0.0)
    });
    assert!(compiled, "{trace}");
}

#[test]
fn thresholds_of_one_function_leave_the_others_alone() {
    let folder = Folder::with("a.c", PROGRAM);
    let got = folder.run(&[
        "a.c",
        "--tier=interp",
        "--compilers=0",
        "--function=squ*=tier:O2",
        "--report-json=r.json",
    ]);
    assert_eq!((text(&got.stdout), got.status.code()), (OUTPUT, Some(5)));
    let report = json(&folder, "r.json");
    assert_eq!(function(&report, "square")["tier"], "O2", "{report}");
    assert_eq!(function(&report, "total")["tier"], "interp", "{report}");
}

#[test]
fn a_report_on_standard_error_leaves_the_output_alone() {
    let folder = Folder::with("a.c", PROGRAM);
    let got = folder.run(&["a.c", "--report", "-"]);
    assert_eq!(text(&got.stdout), OUTPUT);
    assert!(text(&got.stderr).contains("square"), "{got:?}");
}

#[test]
fn a_program_that_aborts_leaves_empty_files() {
    let folder = Folder::with("a.c", PROGRAM);
    let got = folder.run(&["a.c", "--report=r.txt", "--", "abort"]);
    assert_eq!(got.status.code(), None, "{got:?}");
    assert_eq!(read(&folder.path("r.txt")), "");
}

#[test]
fn ir_and_assembly_of_chosen_functions() {
    let folder = Folder::with("a.c", PROGRAM);
    let got = folder.run(&["a.c", "--tier=O1", "--dump=d", "--dump-function=squ*"]);
    assert_eq!(got.status.code(), Some(5), "{got:?}");
    let mut files: Vec<String> = std::fs::read_dir(folder.path("d"))
        .unwrap()
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["square.O1.ll", "square.O1.s"]);
    assert!(read(&folder.path("d/square.O1.ll")).contains("mul nsw i64"));
    assert!(read(&folder.path("d/square.O1.s")).contains("imul"));
}

#[test]
fn perf_finds_the_names_of_compiled_code() {
    let folder = Folder::with("a.c", PROGRAM);
    let mut command = folder.command(&["a.c", "--tier=O1", "--perf-map"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let map = PathBuf::from(format!("/tmp/perf-{}.map", child.id()));
    let got = child.wait_with_output().unwrap();
    let lines = read(&map);
    std::fs::remove_file(&map).unwrap();
    assert_eq!(got.status.code(), Some(5), "{got:?}");
    for name in ["main", "total", "square"] {
        let line = lines
            .lines()
            .find(|l| l.ends_with(&format!(" {name} [O1]")));
        let words: Vec<&str> = line
            .unwrap_or_else(|| panic!("{lines}"))
            .split(' ')
            .collect();
        let numbers = words[..2].iter().map(|n| u64::from_str_radix(n, 16));
        assert!(numbers.clone().all(|n| n.is_ok_and(|n| n > 0)), "{lines}");
    }
}

#[test]
fn the_engine_keeps_no_files_open() {
    // The program finds the file descriptors it would find without the engine.
    let folder = Folder::with(
        "a.c",
        "#include <fcntl.h>
int main(void) { return open(\"/dev/null\", O_RDONLY); }",
    );
    let got = folder.run(&["a.c", "--report=r.txt", "--trace=t.json", "--tier=O1"]);
    assert_eq!(got.status.code(), Some(3), "{got:?}");
}
