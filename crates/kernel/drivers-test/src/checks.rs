//! What the command line can ask for.
//!
//! `disks`, `disks write`, `disks high`, `bench`, `input`, `raw`, `screen`, `clock`.

use alloc::string::String;

use crate::console::{self, Input, Mode};
use crate::drivers::{self, Disk, Machine, fw_cfg, rtc, wait};
use crate::memory::{DIRECT_MAP, PAGE, paging, take};
use crate::say;
use store::block::SECTOR;

/// Does what the words of the command line say.
pub fn run(command_line: &str) {
    console::init();
    let has = |word: &str| command_line.split(' ').any(|found| found == word);
    if has("clock") {
        say!("unix seconds {:?}", rtc::unix_seconds());
        let file = fw_cfg::read_file("opt/bareflow/args");
        say!("args {:?}", file.as_deref().map(String::from_utf8_lossy));
        say!("absent {:?}", fw_cfg::read_file("opt/bareflow/absent"));
    }
    if has("screen") {
        for line in 0..300 {
            say!("line {line}");
        }
        console::write("\u{e9}\x1b[31;1mred\x1b[0m\rX\x1b[5G".as_bytes());
    }
    if has("input") {
        type_lines();
    }
    if has("raw") {
        type_raw();
    }
    if has("disks") || has("bench") {
        let machine = Machine {
            ecam: None,
            command_line,
        };
        for mut disk in drivers::init(&machine) {
            say!("{} has {} sectors", disk.name, disk.device.sector_count());
            if has("bench") {
                bench(&mut disk);
            } else {
                check_disk(&mut disk, has("write"), has("high"));
            }
        }
    }
    say!("done");
}

fn type_lines() {
    console::on_interrupt(|| say!("interrupt"));
    let mut buffer = [0; 300];
    say!("type");
    loop {
        match console::try_read(&mut buffer) {
            Input::NotReady => {}
            Input::Bytes(bytes) => {
                let line = String::from_utf8_lossy(&buffer[..bytes]);
                say!("line {line:?}");
                if line == "quit\n" {
                    return;
                }
            }
            Input::EndOfInput => say!("end of input"),
        }
    }
}

fn type_raw() {
    console::set_mode(Mode {
        canonical: false,
        echo: false,
        signals: false,
    });
    say!("type");
    let mut buffer = [0; 16];
    loop {
        if let Input::Bytes(bytes) = console::try_read(&mut buffer) {
            say!("raw {:?}", &buffer[..bytes]);
            if buffer[..bytes].contains(&b'q') {
                return;
            }
        }
    }
}

/// Pseudo-random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Contents of a sector in the test image: word `n` of the disk is `n` times an odd constant. `salt` makes other contents.
fn pattern(sector: u64, salt: u64, out: &mut [u8]) {
    let first = sector.wrapping_add(salt).wrapping_mul(SECTOR as u64 / 8);
    for (at, word) in out.chunks_exact_mut(8).enumerate() {
        let value = first
            .wrapping_add(at as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        word.copy_from_slice(&value.to_le_bytes());
    }
}

const BUFFER_BYTES: usize = 8 << 20;

/// A buffer on 4 KiB pages that are neighbours nowhere.
fn scattered(virt: usize, phys: usize, bytes: usize) -> &'static mut [u8] {
    let pages = bytes / PAGE;
    for page in 0..pages {
        // 7919 is prime and no divisor of the number of pages: this visits every page once.
        let at = phys + page * 7919 % pages * PAGE;
        paging::map(virt + page * PAGE, at as u64, true);
    }
    // SAFETY: just mapped to memory that nobody else uses.
    unsafe { core::slice::from_raw_parts_mut(virt as *mut u8, bytes) }
}

/// Reads (or writes and reads) at random places, in random lengths, at random and odd addresses.
fn check_disk(disk: &mut Disk, is_write: bool, is_high: bool) {
    const ROUNDS: u64 = 40;
    let name = disk.name.clone();
    let device = &mut disk.device;
    let total = device.sector_count();
    let phys = if is_high {
        5 << 30
    } else {
        take(BUFFER_BYTES, PAGE)
    };
    let memory = scattered(0x200_0000_0000, phys, BUFFER_BYTES);
    let mut random = Random(0x0123_4567_89AB_CDEF);
    let (mut errors, mut wrong) = (0, 0);
    for round in 0..ROUNDS.min(total) {
        let longest = if round % 4 == 0 { 12_000 } else { 64 };
        let sectors = (1 + random.next() % longest).min(total);
        let lba = random.next() % (total - sectors + 1);
        let start = (random.next() % PAGE as u64) as usize;
        let buffer = &mut memory[start..start + sectors as usize * SECTOR];
        let salt = if is_write { random.next() } else { 0 };
        if is_write {
            for (at, sector) in buffer.chunks_exact_mut(SECTOR).enumerate() {
                pattern(lba + at as u64, salt, sector);
            }
            if let Err(error) = device.write(lba, buffer) {
                say!("{name}: write: {error}");
                errors += 1;
                continue;
            }
        }
        buffer.fill(0xEE);
        match device.read(lba, buffer) {
            Ok(()) => {
                let mut expected = [0; SECTOR];
                for (at, sector) in buffer.chunks_exact(SECTOR).enumerate() {
                    pattern(lba + at as u64, salt, &mut expected);
                    wrong += usize::from(sector != expected);
                }
            }
            Err(error) => {
                say!("{name}: read: {error}");
                errors += 1;
            }
        }
    }
    say!("{name}: {errors} errors, {wrong} wrong sectors");
    say!("{name}: flush {:?}", device.flush());
    say!(
        "{name}: behind the end: {:?}",
        device.read(total, &mut memory[..SECTOR])
    );
    if total > 0 {
        refusals(&name, disk);
    }
}

/// Buffers that a disk must not fill.
fn refusals(name: &str, disk: &mut Disk) {
    const UNMAPPED: usize = 0x300_0000_0000;
    const READ_ONLY: usize = 0x380_0000_0000;
    paging::map(READ_ONLY, take(PAGE, PAGE) as u64, false);
    for (what, virt) in [("unmapped", UNMAPPED), ("read-only", READ_ONLY)] {
        // SAFETY: the driver looks the address up and must not touch it; that is what is tested.
        let buffer = unsafe { core::slice::from_raw_parts_mut(virt as *mut u8, SECTOR) };
        say!("{name}: {what}: {:?}", disk.device.read(0, buffer));
    }
}

/// Prints how fast 100 MiB are read.
fn bench(disk: &mut Disk) {
    const BYTES: usize = 100 << 20;
    if disk.device.sector_count() < (BYTES / SECTOR) as u64 {
        return;
    }
    let hz = measure_tsc();
    let phys = take(BYTES, 2 << 20);
    // SAFETY: fresh memory, used by nobody else but the aliases below, one at a time.
    let contiguous =
        unsafe { core::slice::from_raw_parts_mut((DIRECT_MAP + phys) as *mut u8, BYTES) };
    contiguous.fill(0);
    let scattered = scattered(0x100_0000_0000, phys, BYTES);
    for _ in 0..5 {
        for (what, buffer) in [
            ("contiguous", &mut *contiguous),
            ("4 KiB pages", &mut *scattered),
        ] {
            let start = wait::cycles();
            let outcome = disk.device.read(0, buffer);
            let cycles = u128::from(wait::cycles() - start);
            let rate = BYTES as u128 * u128::from(hz) / cycles.max(1) / 1_000_000;
            say!("{}: {what}: {rate} MB/s {outcome:?}", disk.name);
        }
    }
}

/// Frequency of the TSC by the clock's seconds.
fn measure_tsc() -> u64 {
    let next_second = |from: Option<u64>| while rtc::unix_seconds() == from {};
    next_second(rtc::unix_seconds());
    let (start, second) = (wait::cycles(), rtc::unix_seconds());
    next_second(second);
    wait::cycles() - start
}
