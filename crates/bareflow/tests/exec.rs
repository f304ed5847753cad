//! `bareflow exec` becomes the artefact that does the work: arguments, exit code and signals are that one's.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

fn bareflow(artifacts: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bareflow"))
        .args(arguments)
        .env("BAREFLOW_ARTIFACTS", artifacts)
        .output()
        .unwrap()
}

#[test]
fn arguments_exit_code_and_signals_pass_through() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("bareflow-exec");
    let script = "#!/bin/sh\nprintf '%s|' \"$@\"\n[ \"$1\" = die ] && kill -TERM $$\nexit 41\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let words = ["a.c", "--tier", "O1", "--help", "--", "-x", "--", "a b"];
    let got = bareflow(folder.path(), &[&["exec"], &words[..]].concat());
    assert_eq!(got.stdout, b"a.c|--tier|O1|--help|--|-x|--|a b|");
    assert_eq!(got.status.code(), Some(41));
    let got = bareflow(folder.path(), &["exec", "die"]);
    assert_eq!(got.status.signal(), Some(15));
}

#[test]
fn without_the_artefact_the_command_that_makes_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let got = bareflow(folder.path(), &["exec", "a.c"]);
    let message = String::from_utf8(got.stderr).unwrap();
    assert!(
        message.contains("bareflow-exec") && message.contains("./x build"),
        "{message}"
    );
    assert_eq!(got.status.code(), Some(1));
}
