//! Programs that ask the engine about themselves, by `jit_runtime.h`.

mod common;

use common::{Folder, read, text};

#[test]
fn the_example_measures_itself_and_gets_optimised() {
    let folder = Folder::with("profile.c", include_str!("../../../examples/profile.c"));
    let got = folder.run(&["profile.c", "--report-json=r.json"]);
    let output = text(&got.stdout);
    assert_eq!(got.status.code(), Some(0), "{output}{}", text(&got.stderr));
    let (before, after) = output
        .split_once("After jit_optimize_hot_functions")
        .expect("two tables");
    for (table, function, level) in [
        (before, "fibonacci(16), before", "interpreted"),
        (before, "primes below 3000, before", "interpreted"),
        (after, "fibonacci(16), after", "O3"),
        (after, "primes below 3000, after", "O3"),
    ] {
        let line = table.lines().find(|l| l.contains(function));
        let line = line.unwrap_or_else(|| panic!("{function} in {output}"));
        assert!(line.ends_with(level), "{output}");
        // Its calls, and the cycles of a region.
        let numbers = line[30..].split_whitespace().take(2);
        assert!(
            numbers.map(|n| n.parse::<u64>().unwrap()).all(|n| n > 0),
            "{output}"
        );
    }
    let report: serde_json::Value = serde_json::from_str(&read(&folder.path("r.json"))).unwrap();
    let regions = report["regions"].as_array().expect("regions");
    let runs = |name: &str| {
        let region = regions.iter().find(|r| r["name"] == name);
        region.unwrap_or_else(|| panic!("{name} in {regions:?}"))["cycles"]["samples"].as_u64()
    };
    assert_eq!(runs("fibonacci(16), before"), Some(40));
    assert_eq!(runs("fibonacci(16), after"), Some(40));
}

#[test]
fn answers_are_those_of_the_header() {
    let folder = Folder::with(
        "a.c",
        "#include <jit_runtime.h>
#include <stdio.h>
int main(void) {
  printf(\"%d %d %d %d\\n\", jit_set_threshold(0, 1, 2), jit_set_threshold(3, 2, 9),
         jit_set_threshold(1, 1, 1), jit_get_optimization_level(\"nobody\"));
  jit_profile_end(\"never begun\");
  printf(\"%d %d\\n\", (int)jit_get_call_count(\"nobody\"), (int)jit_get_call_count(0));
}",
    );
    folder.always(&["a.c"], "-22 -22 0 -2\n0 0\n", 0);
}

#[test]
fn engines_of_the_programs_own_need_the_runtime() {
    let folder = Folder::with(
        "a.c",
        "#include <jit_runtime.h>\nint main(void) { return jit_destroy(jit_create(1 << 20)); }",
    );
    let message = folder.refused(&["a.c"]);
    for part in ["jit_create, jit_destroy", "bareflow build", "run --hosted"] {
        assert!(message.contains(part), "{message}");
    }
}
