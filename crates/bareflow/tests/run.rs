//! `bareflow run` that is asked to stop: the machine ends with it, and no file stays behind.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use bareflow::image::ImageBuilder;

/// An image whose kernel nobody runs.
fn image(path: &Path) {
    let builder = ImageBuilder::new(vec![0; 512], vec![2; 5_000], vec![3; 5_000]).unwrap();
    let never = AtomicBool::new(false);
    builder.write(path, &mut |_| {}, &never).unwrap();
}

#[test]
fn a_signal_ends_the_machine_and_leaves_nothing_behind() {
    for signal in ["TERM", "HUP", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let scratch = folder.join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        image(&folder.join("app.img"));
        // In QEMU's place: says its process number, then waits.
        let qemu = folder.join(bareflow::qemu::QEMU);
        std::fs::write(&qemu, "#!/bin/sh\necho $$\nexec sleep 60\n").unwrap();
        std::fs::set_permissions(&qemu, PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bareflow"))
            .args(["run", "--accel", "tcg", "--boot", "pvh", "--memory", "64"])
            .arg(folder.join("app.img"))
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("TMPDIR", &scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut machine = String::new();
        let mut console = BufReader::new(child.stdout.as_mut().unwrap());
        console.read_line(&mut machine).unwrap();
        let send = |signal: &str, to: &str| {
            let sent = Command::new("kill")
                .args(["-s", signal, to])
                .stderr(Stdio::null())
                .status();
            sent.unwrap().success()
        };
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 1);
        assert!(send(signal, &child.id().to_string()));
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(130), "{signal}: {said}");
        assert!(said.contains("a signal"), "{signal}: {said}");
        assert!(!send("0", machine.trim()), "{signal}: the machine lives on");
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "{signal}");
    }
}
