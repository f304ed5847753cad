//! Boots the test kernel on all kinds of machines and judges its words.
//!
//! The image holds a known pattern. `disks` reads at random places into odd, scattered buffers and counts what is
//! wrong; `disks write` writes first. `cargo test -p drivers-test`; the figures of `bench` by
//! `cargo test -p drivers-test -- --ignored --nocapture`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

const IMAGE_SECTORS: u64 = 16 * 2048;
const TIMEOUT: Duration = Duration::from_secs(120);
/// QEMU's exit code when the test kernel came to its end.
const PASSED: i32 = 0x40 << 1 | 1;

struct Fixture {
    kernel: PathBuf,
    image: PathBuf,
    folder: PathBuf,
}

/// Builds the test kernel and the image once.
fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let target = folder.join("kernel");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--release", "--features", "machine", "--target"])
            .args(["x86_64-unknown-linux-gnu", "--target-dir"])
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("RUSTFLAGS", "-C relocation-model=static")
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the test kernel does not build");
        let image = folder.join("pattern.img");
        let words = 0..IMAGE_SECTORS * 64;
        let pattern: Vec<u8> = words
            .flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
            .collect();
        std::fs::write(&image, pattern).expect("room for the image");
        Fixture {
            kernel: target.join("x86_64-unknown-linux-gnu/release/drivers-test"),
            image,
            folder,
        }
    })
}

/// A machine that runs, with what it has printed so far.
struct Machine {
    qemu: Child,
    stdin: Option<ChildStdin>,
    printed: Arc<Mutex<Vec<u8>>>,
}

impl Machine {
    fn start(command_line: &str, arguments: &[&str]) -> Self {
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(["-accel", "tcg", "-cpu", "max", "-m", "256", "-no-reboot"])
            .args(["-display", "none", "-serial", "stdio", "-monitor", "none"])
            .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
            .args(["-append", command_line])
            .args(arguments)
            .arg("-kernel")
            .arg(&fixture().kernel)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("qemu-system-x86_64 is installed");
        let printed = Arc::new(Mutex::new(Vec::new()));
        let mut stdout = qemu.stdout.take().expect("piped");
        let sink = printed.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(bytes @ 1..) = stdout.read(&mut buffer) {
                sink.lock()
                    .expect("whole")
                    .extend_from_slice(&buffer[..bytes]);
            }
        });
        let stdin = qemu.stdin.take();
        Self {
            qemu,
            stdin,
            printed,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().expect("whole")).replace('\r', "")
    }

    /// Waits until `text` has been printed `times` times.
    fn wait_for(&mut self, text: &str, times: usize) {
        let start = Instant::now();
        while self.text().matches(text).count() < times {
            assert!(
                start.elapsed() < TIMEOUT,
                "no {text:?} in:\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &[u8]) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin
            .write_all(keys)
            .and_then(|()| stdin.flush())
            .expect("QEMU reads");
    }

    /// Waits for the end; gives the text.
    fn finish(mut self) -> String {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.qemu.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < TIMEOUT, "no end after:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(status.code(), Some(PASSED), "{}", self.text());
        self.wait_for("done", 1);
        self.text()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Already over if all went well.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Boots, and gives the text at the end.
fn run(command_line: &str, arguments: &[&str]) -> String {
    Machine::start(command_line, arguments).finish()
}

#[track_caller]
fn expect(text: &str, expected: &[&str]) {
    for line in expected {
        assert!(text.contains(line), "no {line:?} in:\n{text}");
    }
}

fn drive(interface: &str) -> String {
    let image = fixture().image.display();
    format!("file={image},format=raw,snapshot=on,id=d,if={interface}")
}

/// Reads and writes on one kind of disk, and what it must refuse.
#[track_caller]
fn check_disk(name: &str, arguments: &[&str]) {
    for command_line in ["disks", "disks write"] {
        let text = run(command_line, arguments);
        expect(
            &text,
            &[
                &format!("{name} has {IMAGE_SECTORS} sectors"),
                &format!("{name}: 0 errors, 0 wrong sectors"),
                &format!("{name}: flush Ok(())"),
                &format!("{name}: behind the end: Err(OutOfRange"),
                &format!("{name}: unmapped: Err(Device {{ lba: 0, code: 4294901762 }}"),
                &format!("{name}: read-only: Err(Device {{ lba: 0, code: 4294901762 }}"),
            ],
        );
    }
}

#[test]
fn virtio_over_pci() {
    check_disk("virtio0", &["-drive", &drive("virtio")]);
}

#[test]
fn virtio_without_indirect_descriptors() {
    let device = "virtio-blk-pci,drive=d,indirect_desc=off,queue-size=64";
    check_disk("virtio0", &["-drive", &drive("none"), "-device", device]);
}

#[test]
fn virtio_with_the_smallest_queue() {
    let device = "virtio-blk-pci,drive=d,queue-size=4,seg-max-adjust=off";
    check_disk("virtio0", &["-drive", &drive("none"), "-device", device]);
}

#[test]
fn virtio_over_mmio() {
    let disk = drive("none");
    let arguments = [
        "-M",
        "microvm",
        "-drive",
        &disk,
        "-device",
        "virtio-blk-device,drive=d",
    ];
    check_disk("virtio0", &arguments);
}

#[test]
fn virtio_over_modern_mmio() {
    let disk = drive("none");
    let modern = "virtio-mmio.force-legacy=false";
    let device = "virtio-blk-device,drive=d";
    let arguments = [
        "-M", "microvm", "-global", modern, "-drive", &disk, "-device", device,
    ];
    check_disk("virtio0", &arguments);
}

#[test]
fn virtio_behind_a_bridge() {
    let disk = drive("none");
    let port = "pcie-root-port,id=below,chassis=1";
    let device = "virtio-blk-pci,drive=d,bus=below";
    let arguments = [
        "-M", "q35", "-drive", &disk, "-device", port, "-device", device,
    ];
    check_disk("virtio0", &arguments);
}

#[test]
fn virtio_that_the_command_line_announces() {
    let device = "virtio-blk-device,drive=d";
    let arguments = ["-M", "microvm", "-drive", &drive("none"), "-device", device];
    let announced = "disks virtio_mmio.device=512@0xfeb02e00:12 virtio_mmio.device=K@1";
    let text = run(announced, &arguments);
    expect(
        &text,
        &["MMIO 0xfeb02e00", "virtio0: 0 errors, 0 wrong sectors"],
    );
    expect(&text, &["cannot read virtio_mmio.device=K@1"]);
    assert!(!text.contains("virtio1"), "found twice:\n{text}");
}

#[test]
fn ahci() {
    check_disk("ahci0", &["-M", "q35", "-drive", &drive("ide")]);
}

#[test]
fn ide() {
    check_disk("ide0", &["-M", "pc", "-drive", &drive("ide")]);
}

#[test]
fn memory_above_4_gib_is_reached_by_every_controller() {
    for (name, machine, interface) in [
        ("virtio0", "pc", "virtio"),
        ("ahci0", "q35", "ide"),
        ("ide0", "pc", "ide"),
    ] {
        let arguments = ["-M", machine, "-m", "6144", "-drive", &drive(interface)];
        expect(
            &run("disks write high", &arguments),
            &[&format!("{name}: 0 errors, 0 wrong")],
        );
    }
}

#[test]
fn sectors_behind_28_bits_are_reached() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("large.img");
    let file = std::fs::File::create(&path).expect("a file");
    file.set_len(200 << 30).expect("a sparse file");
    let drive = |interface: &str| {
        format!(
            "file={},format=raw,snapshot=on,if={interface}",
            path.display()
        )
    };
    for (name, machine, interface) in [
        ("virtio0", "pc", "virtio"),
        ("ahci0", "q35", "ide"),
        ("ide0", "pc", "ide"),
    ] {
        let text = run("disks write", &["-M", machine, "-drive", &drive(interface)]);
        expect(&text, &[&format!("{name}: 0 errors, 0 wrong")]);
    }
}

#[test]
fn several_disks_at_once() {
    let (ide, virtio) = (drive("ide").replace("id=d", "id=a"), drive("virtio"));
    let second = drive("ide").replace("id=d", "id=b");
    let text = run(
        "disks",
        &["-drive", &ide, "-drive", &second, "-drive", &virtio],
    );
    for name in ["virtio0", "ide0", "ide1"] {
        expect(&text, &[&format!("{name}: 0 errors, 0 wrong sectors")]);
    }
}

/// A disk on which one sector fails, and each flush.
fn failing(folder: &Path, interface: &str) -> String {
    let rules = folder.join("rules");
    let inject = |event: &str, more: &str| {
        format!("[inject-error]\nevent = \"{event}\"\nerrno = \"5\"\nonce = \"off\"\n{more}")
    };
    let sector = "sector = \"16000\"\n";
    let text =
        inject("read_aio", sector) + &inject("write_aio", sector) + &inject("flush_to_disk", "");
    std::fs::write(&rules, text).expect("a file");
    let image = folder.join("image");
    std::fs::copy(&fixture().image, &image).expect("a copy");
    let (rules, image) = (rules.display(), image.display());
    format!("file=blkdebug:{rules}:{image},format=raw,if={interface}")
}

#[test]
fn errors_of_a_disk_are_reported_and_the_disk_goes_on() {
    for (name, machine, interface) in [
        ("virtio0", "pc", "virtio"),
        ("ahci0", "q35", "ide"),
        ("ide0", "pc", "ide"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let drive = failing(folder.path(), interface);
        let arguments = ["-M", machine, "-drive", &drive];
        let text = run("disks", &arguments);
        let errors = text.matches("the disk reported error").count();
        assert!((1..20).contains(&errors), "{errors} errors in:\n{text}");
        expect(
            &text,
            &[&format!("{name}: {errors} errors, 0 wrong sectors")],
        );
        let text = run("disks write", &arguments);
        expect(
            &text,
            &["write: the disk reported error", "flush Err(Device"],
        );
        expect(&text, &[" 0 wrong sectors"]);
    }
}

#[test]
fn empty_absent_and_read_only_disks() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = folder.path().join("empty");
    std::fs::write(&empty, []).expect("a file");
    for (name, machine, interface) in [
        ("virtio0", "pc", "virtio"),
        ("ahci0", "q35", "ide"),
        ("ide0", "pc", "ide"),
    ] {
        let drive = format!("file={},format=raw,if={interface}", empty.display());
        let text = run("disks", &["-M", machine, "-drive", &drive]);
        expect(
            &text,
            &[
                &format!("{name} has 0 sectors"),
                "behind the end: Err(OutOfRange",
            ],
        );
    }
    for machine in ["pc", "q35", "microvm"] {
        expect(&run("disks", &["-M", machine]), &["no disk found"]);
    }
    let image = fixture().image.display();
    let drive = format!("file={image},format=raw,if=virtio,readonly=on");
    let text = run("disks write", &["-drive", &drive]);
    expect(
        &text,
        &["virtio0: write: write to a disk that was opened for reading only"],
    );
}

#[test]
fn a_device_that_cannot_be_driven_is_named_and_left_alone() {
    let device = "virtio-blk-pci,drive=d,disable-modern=on";
    let text = run("disks", &["-drive", &drive("none"), "-device", device]);
    expect(
        &text,
        &["virtio-blk at PCI", "disable-modern", "no disk found"],
    );
}

#[test]
fn clock_and_options() {
    let now = || {
        let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
        since.as_secs()
    };
    for machine in ["pc", "microvm"] {
        let before = now();
        let arguments = [
            "-M",
            machine,
            "-fw_cfg",
            "name=opt/bareflow/args,string=one two",
        ];
        let text = run("clock", &arguments);
        expect(&text, &["args Some(\"one two\")", "absent None"]);
        let seconds = text
            .split("unix seconds Some(")
            .nth(1)
            .and_then(|rest| rest.split(')').next());
        let seconds: u64 = seconds
            .and_then(|digits| digits.parse().ok())
            .expect("a number");
        assert!((before - 2..=now() + 2).contains(&seconds), "{text}");
    }
}

#[test]
fn lines_are_edited_on_the_serial_port() {
    let mut machine = Machine::start("input", &[]);
    machine.wait_for("type", 1);
    for (keys, answer) in [
        ("hello\r", "line \"hello\\n\""),
        ("abc\x1b[D\x1b[DX\r", "line \"aXbc\\n\""),
        ("\x1b[A\x1b[A!\r", "line \"hello!\\n\""),
        ("gr\u{fc}nx\x7f\r", "line \"gr\u{fc}n\\n\""),
        ("one two\x17three\x01>\r", "line \">one three\\n\""),
        ("\x04", "end of input"),
        ("lost\x03", "interrupt"),
        ("quit\r", "line \"quit\\n\""),
    ] {
        machine.press(keys.as_bytes());
        machine.wait_for(answer, 1);
    }
    machine.finish();
}

#[test]
fn nothing_of_a_long_paste_is_lost() {
    let mut machine = Machine::start("input", &[]);
    machine.wait_for("type", 1);
    let lines: String = (0..500)
        .map(|n| format!("pasted line number {n}\n"))
        .collect();
    machine.press(lines.as_bytes());
    machine.press(b"quit\n");
    let text = machine.finish();
    assert_eq!(text.matches("line \"pasted line number").count(), 500);
    expect(&text, &["line \"pasted line number 499\\n\""]);
}

/// More than there is room for before the port's FIFOs are on, and less.
#[test]
fn nothing_typed_before_the_port_is_set_up_is_lost() {
    for count in [20, 400] {
        let mut machine = Machine::start("input", &[]);
        let lines: String = (0..count)
            .map(|n| format!("typed early {n:03}\n"))
            .collect();
        machine.press(lines.as_bytes());
        machine.press(b"quit\n");
        let text = machine.finish();
        for n in 0..count {
            expect(&text, &[&format!("line \"typed early {n:03}\\n\"")]);
        }
    }
}

#[test]
fn raw_input_comes_as_it_is() {
    let mut machine = Machine::start("raw", &[]);
    machine.wait_for("type", 1);
    machine.press(b"\x03");
    machine.wait_for("raw [3]", 1);
    machine.press(b"\x1b");
    machine.wait_for("raw [27]", 1);
    machine.press(b"q");
    machine.finish();
}

/// QEMU's monitor on a socket.
struct Monitor(UnixStream);

impl Monitor {
    fn command(&mut self, command: &str) -> String {
        writeln!(self.0, "{command}").expect("the monitor reads");
        self.answer()
    }

    /// Everything up to the next prompt, which follows an answer; the echo of a command holds none.
    fn answer(&mut self) -> String {
        let mut text = String::new();
        let mut buffer = [0; 65536];
        while !text.ends_with("(qemu) ") {
            let bytes = self.0.read(&mut buffer).expect("the monitor answers");
            text.push_str(&String::from_utf8_lossy(&buffer[..bytes]));
        }
        text
    }
}

fn with_monitor(command_line: &str, name: &str, arguments: &[&str]) -> (Machine, Monitor) {
    let socket = fixture().folder.join(name);
    // Left over from an earlier run.
    let _ = std::fs::remove_file(&socket);
    let server = format!("unix:{},server=on,wait=off", socket.display());
    let all = [&["-monitor", &server], arguments].concat();
    let machine = Machine::start(command_line, &all);
    let start = Instant::now();
    let stream = loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < TIMEOUT, "no monitor: {error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut monitor = Monitor(stream);
    // The greeting ends with a prompt too: unread, it would pass for the first answer.
    monitor.answer();
    (machine, monitor)
}

#[test]
fn the_keyboard_types_into_the_same_line() {
    let (mut machine, mut monitor) = with_monitor("input", "keyboard.sock", &[]);
    machine.wait_for("type", 1);
    machine.press(b"serial ");
    machine.wait_for("serial ", 1);
    for key in "k e y shift-s x backspace left shift-1 end ret".split(' ') {
        monitor.command(&format!("sendkey {key} 1"));
        std::thread::sleep(Duration::from_millis(30));
    }
    machine.wait_for("line \"serial key!S\\n\"", 1);
    for key in "u p ctrl-c".split(' ') {
        monitor.command(&format!("sendkey {key} 1"));
        std::thread::sleep(Duration::from_millis(30));
    }
    machine.wait_for("interrupt", 1);
    machine.press(b"quit\r");
    machine.finish();
}

#[test]
fn the_screen_shows_what_the_serial_port_says() {
    // `input` keeps the machine running while the screen is looked at.
    let (mut machine, mut monitor) = with_monitor("screen input", "screen.sock", &[]);
    machine.wait_for("type", 1);
    // Start address of the screen in cells, from CRTC registers 0x0C and 0x0D; 300 lines have moved it far.
    let mut register = |index: u32| {
        monitor.command(&format!("o /b 0x3d4 {index:#x}"));
        let text = monitor.command("i /b 0x3d5");
        let value = text.split("= 0x").nth(1).expect("a value");
        u32::from_str_radix(value[..2].trim(), 16).expect("a byte")
    };
    let origin = register(0x0C) << 8 | register(0x0D);
    assert!(origin > 0 && origin % 80 == 0, "start address {origin}");
    let text = monitor.command(&format!("xp /2000xh {:#x}", 0xB8000 + 2 * origin));
    let cells: Vec<u16> = text
        .lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(_, cells)| cells.split_whitespace())
        .filter_map(|cell| u16::from_str_radix(cell.strip_prefix("0x")?, 16).ok())
        .collect();
    assert_eq!(cells.len(), 2000, "{text}");
    let row = |row: usize| {
        let cells = &cells[row * 80..][..80];
        let text: String = cells.iter().map(|&cell| char::from(cell as u8)).collect();
        text.trim_end().to_owned()
    };
    // The line that was overwritten, then "type", then the empty line with the cursor.
    assert_eq!(row(23), "Xredtype");
    assert_eq!(row(22), "line 299");
    assert_eq!(row(0), "line 277");
    assert_eq!(cells[23 * 80 + 1] >> 8, 0x0C, "bright red on black");
    machine.press(b"quit\r");
    machine.finish();
}

/// Takes as long as the driver's patience. QEMU lets only AHCI be reset while a request hangs.
#[test]
fn a_disk_that_never_answers_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let image = folder.path().join("image");
    std::fs::copy(&fixture().image, &image).expect("a copy");
    let drive = format!("file=blkdebug::{},format=raw,if=ide,id=d", image.display());
    let arguments = ["-M", "q35", "-S", "-drive", &drive];
    let (machine, mut monitor) = with_monitor("disks", "hang.sock", &arguments);
    monitor.command("qemu-io d \"break read_aio A\"");
    monitor.command("cont");
    let text = machine.finish();
    expect(
        &text,
        &[
            "the disk did not answer a request at sector",
            "ahci0: 40 errors",
        ],
    );
}

#[test]
#[ignore = "prints figures, asserts none"]
fn read_rates() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bench.img");
    std::fs::write(&path, vec![0x5A; 128 << 20]).expect("room");
    for (machine, interface) in [("pc", "virtio"), ("q35", "ide"), ("pc", "ide")] {
        let drive = format!(
            "file={},format=raw,snapshot=on,if={interface}",
            path.display()
        );
        println!(
            "{}",
            run("bench", &["-M", machine, "-m", "512", "-drive", &drive])
        );
    }
}
