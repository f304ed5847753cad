//! What is said of programs that cannot be run, and of options that mean nothing.

mod common;

use common::{Folder, text};

#[test]
fn a_program_needs_a_main() {
    let folder = Folder::with("a.c", "int f(void) { return 1; }");
    let message = folder.refused(&["a.c"]);
    assert!(
        message.contains("no main") && message.contains("int main("),
        "{message}"
    );
}

#[test]
fn all_missing_symbols_are_named() {
    let folder = Folder::with(
        "a.c",
        "void zebra(void), apple(void); extern int pear; extern _Thread_local int plum;
__attribute__((weak)) void maybe(void);
int main(void) { zebra(); apple(); if (maybe) maybe(); return pear + plum; }",
    );
    let message = folder.refused(&["a.c"]);
    assert!(message.contains("apple, pear, plum, zebra"), "{message}");
    assert!(
        !message.contains("maybe") && message.contains("-l"),
        "{message}"
    );
}

#[test]
fn broken_ir_comes_with_what_llvm_says() {
    let folder = Folder::with("a.ll", "define i32 @main() {\n  ret i64 0\n}\n")
        .and(
            "b.ll",
            "define i32 @main() {\n  %a = add i32 %b, 1\n  %b = add i32 %a, 1\n  ret i32 %b\n}\n",
        )
        .and("c.bc", "not bitcode");
    let message = folder.refused(&["a.ll"]);
    assert!(
        message.contains("a.ll:2:") && message.contains("i64"),
        "{message}"
    );
    let message = folder.refused(&["b.ll"]);
    assert!(
        message.contains("b.ll") && message.contains("dominate"),
        "{message}"
    );
    let message = folder.refused(&["c.bc"]);
    assert!(
        message.contains("c.bc") && message.contains("bitcode"),
        "{message}"
    );
}

#[test]
fn a_compiler_error_is_the_compilers() {
    let folder = Folder::with("a.c", "int main(void) {\n  return misspelt;\n}\n");
    let message = folder.refused(&["a.c"]);
    assert!(
        message.contains("a.c:2:10: error:") && message.contains("'misspelt'"),
        "{message}"
    );
    assert!(
        message.contains("a.c does not compile: the messages of clang-22 are above"),
        "{message}"
    );
}

#[test]
fn warnings_do_not_stop_a_program() {
    let folder = Folder::with("a.c", "int main(void) { int unused; return VALUE; }");
    let got = folder.run(&["a.c", "--cflag=-Wall", "--cflag", "-DVALUE=6"]);
    assert_eq!(got.status.code(), Some(6));
    assert!(text(&got.stderr).contains("unused variable"), "{got:?}");
}

#[test]
fn files_are_told_by_their_ending() {
    let folder = Folder::with("a.rs", "fn main() {}");
    let message = folder.refused(&["a.rs"]);
    assert!(
        message.contains("a.rs") && message.contains(".bc, .ll, .c"),
        "{message}"
    );
    let message = folder.refused(&["gone.c"]);
    assert!(
        message.contains("gone.c") && message.contains("No such file"),
        "{message}"
    );
}

#[test]
fn two_definitions_do_not_link() {
    let folder = Folder::with(
        "a.c",
        "int f(void) { return 1; } int main(void) { return f(); }",
    )
    .and("b.c", "int f(void) { return 2; }");
    let message = folder.refused(&["a.c", "b.c"]);
    assert!(
        message.contains("b.c") && message.contains("multiply defined"),
        "{message}"
    );
}

#[test]
fn programs_for_other_machines_are_refused() {
    let folder = Folder::with(
        "a.ll",
        "target triple = \"aarch64-unknown-linux-gnu\"\ndefine i32 @main() { ret i32 0 }",
    );
    let message = folder.refused(&["a.ll"]);
    assert!(
        message.contains("aarch64") && message.contains("x86_64"),
        "{message}"
    );
}

#[test]
fn options_that_mean_nothing_are_refused_before_the_program_runs() {
    let folder = Folder::with("a.c", "int main(void) { return 0; }");
    for (options, part) in [
        (&["--tier=O7"][..], "--tier"),
        (&["-l", "nowhere"], "libnowhere.so"),
        (&["--report=missing/r.txt"], "missing/r.txt"),
        (&["--dump=a.c/d"], "a.c/d"),
        (&["--thresholds=1"], "four numbers"),
        (&["--nonsense"], "--nonsense"),
    ] {
        let message = folder.refused(&[&["a.c"], options].concat());
        assert!(message.contains(part), "{options:?}: {message}");
    }
    assert!(folder.refused(&[]).contains("FILE"));
}

#[test]
fn help_teaches() {
    let folder = Folder::with("a.c", "");
    let got = folder.run(&["--help"]);
    assert_eq!(got.status.code(), Some(0));
    let help = text(&got.stdout);
    for part in [
        "Examples:",
        "--thresholds",
        "How the engine runs a program",
        "Exit code:",
    ] {
        assert!(help.contains(part), "{part}");
    }
}
