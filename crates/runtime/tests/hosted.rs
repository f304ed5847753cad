//! The runtime as a Linux process: guests run, every tier agrees, what does not fit is refused.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Ways of running a program, which must make no difference.
const WAYS: [&[&str]; 10] = [
    &[],
    &["--tier", "interp"],
    &["--tier", "O0"],
    &["--tier", "O1"],
    &["--tier", "O2"],
    &["--tier", "O3"],
    &["--shuffle", "1"],
    &["--ahead", "O0"],
    &["--ahead", "O2", "--ahead-threads", "2"],
    &[
        "--ahead",
        "O3",
        "--ahead-cold",
        "O0",
        "--ahead-threads",
        "3",
    ],
];

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/guests")
        .join(name)
}

fn tool(command: &mut Command) {
    let done = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        done.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// rustc puts `core` and `alloc` into the bitcode only when it also links.
fn emit(folder: &Path) -> String {
    let folder = folder.display();
    format!("--emit=llvm-bc={folder}/hello.bc,link={folder}/hello.a")
}

/// Bitcode of the test guests, compiled once.
fn guests() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            for name in ["api", "fault"] {
                tool(
                    Command::new("clang-22")
                        .args([
                            "-c",
                            "-emit-llvm",
                            "-O2",
                            "-Xclang",
                            "-disable-llvm-passes",
                            "-ffreestanding",
                        ])
                        .args(["-ffp-contract=off", "-o"])
                        .arg(folder.path().join(format!("{name}.bc")))
                        .arg(source(&format!("{name}.c"))),
                );
            }
            tool(
                Command::new("rustc")
                    .args([
                        "--edition=2024",
                        "--crate-type=staticlib",
                        "-Copt-level=3",
                        "-Clto=fat",
                    ])
                    .args([
                        "-Ccodegen-units=1",
                        "-Cpanic=abort",
                        "-Cno-vectorize-loops",
                        "-Cno-vectorize-slp",
                    ])
                    .arg(emit(folder.path()))
                    .arg(source("hello.rs")),
            );
            folder
        })
        .path()
}

fn runtime() -> Command {
    Command::new(env!("CARGO_BIN_EXE_runtime"))
}

fn module(name: &str) -> Command {
    let mut command = runtime();
    command.arg("--module").arg(guests().join(name));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The guest may end without reading.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

/// A volume as a folder.
fn volume() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("app")).unwrap();
    std::fs::create_dir_all(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("data/text"), "abcdefghij").unwrap();
    folder
}

#[test]
fn every_way_gives_the_same_output() {
    let volume = volume();
    let mut outputs = Vec::new();
    for way in WAYS {
        let mut command = module("api.bc");
        command.args(way).args(["--threads", "3", "--root"]);
        command.arg(volume.path()).args(["--", "--name", "a b"]);
        let done = run(&mut command, "one\r\n\nsixteen letters and more\nlast");
        let stderr = text(&done.stderr);
        assert_eq!(done.status.code(), Some(42), "{way:?}: {stderr}");
        assert_eq!(stderr, "", "{way:?}");
        outputs.push(text(&done.stdout));
    }
    assert!(outputs.windows(2).all(|w| w[0] == w[1]), "{outputs:#?}");
    let lines: Vec<&str> = outputs[0].lines().collect();
    for expected in [
        "argument --name",
        "argument a b",
        "aligned 0",
        "size 10",
        "read defghij",
        "missing -2",
        "bad handle -9",
        "line [one]",
        "line []",
        "line [sixteen letters ]",
        "line [and more]",
        "line [last]",
        "seeds differ 1",
        "cpus 3",
        "half -4",
        "wide 975335727",
    ] {
        assert!(
            lines.contains(&expected),
            "{expected:?} missing in {lines:#?}"
        );
    }
}

#[test]
fn rust_guests_run_in_every_way() {
    let mut outputs = Vec::new();
    for way in WAYS {
        let done = run(module("hello.bc").args(way), "");
        let stderr = text(&done.stderr);
        assert_eq!(done.status.code(), Some(23), "{way:?}: {stderr}");
        outputs.push(text(&done.stdout));
    }
    assert!(outputs.windows(2).all(|w| w[0] == w[1]), "{outputs:#?}");
    assert!(
        outputs[0].starts_with("[3.0, 2.875, 2.75, 2.625, 2.5]\n"),
        "{}",
        outputs[0]
    );
    assert!(
        outputs[0].contains(r#"{"be": 2, "not": 1, "or": 1, "to": 2} 3.3333333333333334e-8 Err("#)
    );
    let done = run(module("hello.bc").args(["--", "x"]), "");
    assert_eq!(done.status.code(), Some(11));
    assert!(
        text(&done.stdout).contains("panic: index out of bounds"),
        "{}",
        text(&done.stdout)
    );
}

#[test]
fn faults_name_the_function_and_have_their_own_code() {
    for way in [&["--ahead", "O1"], &["--tier", "O1"], &["--tier", "interp"]] {
        // How the message goes on behind a function's name.
        let place = if way[1] == "interp" {
            " (interpreted)"
        } else {
            "+0x"
        };
        for (how, what, function) in [
            ("s", "invalid memory access", "store"),
            ("d", "arithmetic exception", "divide"),
            ("r", "stack overflow", "deeper"),
            ("t", "illegal instruction", "bf_main"),
        ] {
            let done = run(module("fault.bc").args(way).args(["--", how]), "");
            let stderr = text(&done.stderr);
            assert_eq!(done.status.code(), Some(114), "{way:?} {how}: {stderr}");
            for part in [what, &format!("  at {function}{place}"), "rsp"] {
                assert!(
                    stderr.contains(part),
                    "{way:?}: {part:?} missing in {stderr}"
                );
            }
        }
    }
    for way in [&["--ahead", "O0"], &["--tier", "O0"], &["--tier", "interp"]] {
        let done = run(module("fault.bc").args(way).args(["--", "s"]), "");
        let stderr = text(&done.stderr);
        let callers = stderr.split("possible callers:").nth(1).unwrap_or_default();
        assert!(callers.contains("bf_main"), "{way:?}: {stderr}");
    }
    assert_eq!(
        run(module("fault.bc").args(["--", "e"]), "").status.code(),
        Some(9)
    );
    assert_eq!(run(&mut module("fault.bc"), "").status.code(), Some(1));
}

/// Runs what cannot run: exit code 63 and one message.
fn refusal(command: &mut Command) -> String {
    let done = run(command, "");
    let stderr = text(&done.stderr);
    assert_eq!(done.status.code(), Some(63), "{stderr}");
    assert_eq!(
        stderr.lines().filter(|l| l.starts_with("error: ")).count(),
        1,
        "{stderr}"
    );
    assert!(done.stdout.is_empty());
    stderr
}

#[test]
fn refusals_are_one_clear_message() {
    let folder = volume();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(
        path("needs.ll"),
        "declare void @nobody()\ndefine i32 @bf_main() {\n call void @nobody()\n ret i32 0\n}",
    )
    .unwrap();
    std::fs::write(path("broken.ll"), "define nonsense").unwrap();
    std::fs::write(path("empty.bc"), "").unwrap();
    std::fs::write(path("data.txt"), "").unwrap();
    let module = |name: &str| refusal(runtime().arg("--module").arg(path(name)));
    assert!(
        module("needs.ll").contains("needs nobody"),
        "{}",
        module("needs.ll")
    );
    assert!(module("broken.ll").contains("broken.ll"));
    assert!(module("empty.bc").contains("empty.bc"));
    assert!(module("data.txt").contains(".llbc, .bc or .ll"));
    assert!(module("none.bc").contains("cannot read"));
    assert!(refusal(runtime().arg("--root").arg(folder.path())).contains("no modules"));
    assert!(refusal(&mut runtime()).contains("--disk"));
    assert!(refusal(runtime().arg("--disk").arg(path("data.txt"))).contains("data.txt"));
    std::fs::write(path("app/main.llbc"), b"LLBC\x09\0\0\0").unwrap();
    let version = refusal(runtime().arg("--root").arg(folder.path()));
    assert!(version.contains("main.llbc: LLBC version 9"), "{version}");
}

#[test]
fn modules_of_a_volume_run_with_its_arguments() {
    let folder = volume();
    let ir = |name: &str, entry: Option<&str>, imports: &[&str], exports: &[&str], text: &str| {
        let context = llvm::Context::new();
        let bitcode = llvm::Module::from_ir(&context, name, text)
            .unwrap()
            .to_bitcode();
        let container = formats::llbc::encode(name, entry, imports, exports, &bitcode).unwrap();
        std::fs::write(
            folder.path().join("app").join(format!("{name}.llbc")),
            container,
        )
        .unwrap();
    };
    ir(
        "main",
        Some("bf_main"),
        &["bf_arg_count", "twice"],
        &["bf_main"],
        "declare i64 @bf_arg_count()\ndeclare i32 @twice(i32)
         define i32 @bf_main() { %c = call i64 @bf_arg_count()
           %t = trunc i64 %c to i32
           %r = call i32 @twice(i32 %t)
           ret i32 %r }",
    );
    ir(
        "part",
        None,
        &[],
        &["twice"],
        "define i32 @twice(i32 %x) { %r = shl i32 %x, 1\n ret i32 %r }",
    );
    std::fs::write(
        folder.path().join("app/args"),
        "--prompt\nOnce upon\n-n\n4\n",
    )
    .unwrap();
    let code = |given: &[&str]| {
        run(
            runtime()
                .arg("--root")
                .arg(folder.path())
                .arg("--")
                .args(given),
            "",
        )
        .status
        .code()
    };
    assert_eq!(code(&[]), Some(8));
    assert_eq!(code(&["-n", "5"]), Some(8));
    assert_eq!(code(&["--more"]), Some(10));
}

#[test]
fn timings_are_one_line_of_json() {
    let common = [
        "start_to_main",
        "files",
        "read",
        "verify",
        "link",
        "main_to_entry",
    ];
    let more: [(&[&str], &[&str]); 2] = [
        (&[], &["decode"]),
        (&["--ahead", "O2"], &["optimise", "codegen", "load"]),
    ];
    for (way, more) in more {
        let done = run(
            module("hello.bc").args(way).args(["--timings", "--quiet"]),
            "",
        );
        let stderr = text(&done.stderr);
        let json: serde_json::Value = serde_json::from_str(stderr.trim()).unwrap();
        for stage in common.iter().chain(more) {
            let time = json["timings_ms"][stage].as_f64();
            assert!(time.is_some_and(|ms| ms >= 0.0), "{stage}: {stderr}");
        }
        assert_eq!(json["code_bytes"].is_number(), !way.is_empty());
    }
}

#[test]
fn reports_are_written_however_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments, code) in [("hello.bc", &[][..], 23), ("fault.bc", &["--", "e"], 9)] {
        let trace = folder.path().join("trace.json");
        let done = run(
            module(name)
                .args(["--thresholds", "1,2,3,4", "--report", "-", "--trace"])
                .arg(&trace)
                .args(arguments),
            "",
        );
        assert_eq!(done.status.code(), Some(code));
        let report = text(&done.stderr);
        assert!(report.starts_with("Profile of"), "{report}");
        let events: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
        assert!(
            events["traceEvents"].is_array() || events.is_array(),
            "{events}"
        );
    }
}

#[test]
fn dumps_and_lesser_processors() {
    let folder = tempfile::tempdir().unwrap();
    let (ir, asm) = (folder.path().join("out.ll"), folder.path().join("out.s"));
    let done = run(
        module("fault.bc")
            .args(["--ahead", "O2", "--dump-ir"])
            .arg(&ir)
            .arg("--dump-asm")
            .arg(&asm)
            .args(["--without", "avx2"]),
        "",
    );
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    assert!(std::fs::read_to_string(ir).unwrap().contains("@bf_main("));
    assert!(std::fs::read_to_string(asm).unwrap().contains("bf_main:"));
    let dump = folder.path().join("dump");
    let done = run(
        module("fault.bc")
            .args(["--tier", "O2", "--dump"])
            .arg(&dump),
        "",
    );
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    let text = std::fs::read_to_string(dump.join("bf_main.O2.s")).unwrap();
    assert!(text.contains("bf_main:"), "{text}");
}

#[test]
fn help_teaches() {
    let done = run(runtime().arg("--help"), "");
    assert_eq!(done.status.code(), Some(0));
    for word in ["--disk", "--tier", "--ahead", "Examples:", "Exit code:"] {
        assert!(text(&done.stdout).contains(word), "{word}");
    }
}

/// A guest that waits for input: what its process looks like from outside.
#[test]
fn no_page_is_writable_and_executable_while_a_guest_runs() {
    let mut child = module("api.bc")
        .args(["--thresholds", "1,2,3,4", "--", "ready"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The guest's last line before it reads the console.
    let waits = lines.by_ref().any(|l| l.unwrap().starts_with("bad handle"));
    assert!(waits);
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", child.id())).unwrap();
    let rights: Vec<&str> = maps
        .lines()
        .filter_map(|l| l.split_whitespace().nth(1))
        .collect();
    assert!(rights.iter().any(|r| r.starts_with("r-x")));
    assert!(
        !rights.iter().any(|r| r.contains('w') && r.contains('x')),
        "{maps}"
    );
    drop(child.stdin.take());
    for line in lines {
        line.unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(42));
}

#[test]
fn ctrl_c_reaches_the_guest_and_twice_ends_it() {
    let interrupt = |id: u32| tool(Command::new("kill").args(["-INT", &id.to_string()]));
    let mut child = module("api.bc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|l| l.unwrap().starts_with("bad handle")));
    // Until the guest blocks in its read the signal would only be noted.
    std::thread::sleep(std::time::Duration::from_millis(100));
    interrupt(child.id());
    let rest: Vec<String> = lines.map(|l| l.unwrap()).collect();
    assert!(rest.contains(&"interrupted 1".to_owned()), "{rest:?}");
    assert_eq!(child.wait().unwrap().code(), Some(42));
}

/// The container is sound, so its checks pass; the bitcode in it is damaged at random. Whatever comes of it, it is a
/// refusal, a run, or a fault that is told: never a crash without a word, never a hang.
#[test]
fn damaged_bitcode_ends_in_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let good = {
        let context = llvm::Context::new();
        let text = std::fs::read(guests().join("fault.bc")).unwrap();
        llvm::Module::from_bitcode(&context, "fault", &text)
            .unwrap()
            .to_bitcode()
    };
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % below
    };
    let mut refused = 0;
    for round in 0..60 {
        let mut bad = good.clone();
        for _ in 0..1 + next(4) {
            let at = 8 + next(bad.len() - 8);
            bad[at] ^= 1 << next(8);
        }
        let path = folder.path().join(format!("{round}.llbc"));
        let imports = ["bf_arg", "bf_exit"];
        std::fs::write(
            &path,
            formats::llbc::encode("bad", Some("bf_main"), &imports, &["bf_main"], &bad).unwrap(),
        )
        .unwrap();
        let way = [["--ahead", "O1"], ["--tier", "O1"]][round % 2];
        let done = run(runtime().arg("--module").arg(&path).args(way), "");
        let stderr = text(&done.stderr);
        match done.status.code() {
            Some(63) => {
                assert!(stderr.contains("error: "), "{stderr}");
                refused += 1;
            }
            Some(114) => assert!(stderr.contains("CPU exception"), "{stderr}"),
            Some(_) => assert_eq!(stderr, ""),
            None => panic!("round {round}: {:?}: {stderr}", done.status),
        }
    }
    assert!(refused > 30, "{refused} of 60 refused");
}
