//! System calls about the machine: names, limits, random numbers, processors.

use super::errno::Errno;
use super::{Answer, Args};
use crate::cpu::{cpuid, percpu, rdtsc};
use crate::memory::{PAGE, frames, user};
use crate::sync::Mutex;
use crate::time;

/// `reboot(magic, magic, command, _)`: the machine starts again, or ends.
///
/// # Errors
/// INVAL: another command.
pub fn reboot(command: u32) -> Answer {
    const RESTART: u32 = 0x0123_4567;
    const POWER_OFF: u32 = 0x4321_FEDC;
    match command {
        RESTART => crate::exit::restart(),
        POWER_OFF => crate::exit::program(0),
        _ => Err(Errno::INVAL),
    }
}

pub fn uname(at: usize) -> Answer {
    // struct utsname: six fields of 65 bytes. glibc refuses kernels it finds too old.
    let fields = [
        "Linux",
        "bareflow",
        "6.1.0-bareflow",
        concat!("BareFlow ", env!("CARGO_PKG_VERSION")),
        "x86_64",
        "(none)",
    ];
    let out = user::bytes_mut(at, 6 * 65)?;
    out.fill(0);
    for (field, out) in fields.iter().zip(out.chunks_exact_mut(65)) {
        out[..field.len()].copy_from_slice(field.as_bytes());
    }
    Ok(0)
}

pub fn sysinfo(at: usize) -> Answer {
    let (free, total) = frames::counts();
    let threads = crate::sched::lock().threads().len() as u64;
    // struct sysinfo: uptime, loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap,
    // procs (u16), totalhigh, freehigh, mem_unit (u32).
    let mut info = [0u64; 14];
    info[0] = time::now_ns() / 1_000_000_000;
    info[4] = (total * PAGE) as u64;
    info[5] = (free * PAGE) as u64;
    info[10] = threads;
    info[13] = 1;
    user::write(at, info).map(|()| 0)
}

pub fn getrusage(at: usize) -> Answer {
    // struct rusage: user time, system time, maximum resident set in KiB, and 13 counters.
    let ns = time::now_ns();
    let mut usage = [0u64; 18];
    usage[0] = ns / 1_000_000_000;
    usage[1] = ns % 1_000_000_000 / 1000;
    usage[4] = (frames::peak() * PAGE / 1024) as u64;
    user::write(at, usage).map(|()| 0)
}

pub fn prlimit(resource: i32, new: usize, old: usize) -> Answer {
    const STACK: i32 = 3;
    const NOFILE: i32 = 7;
    let infinite = u64::MAX;
    let limits = match resource {
        STACK => [crate::loader::STACK_BYTES as u64, infinite],
        NOFILE => [super::file::MAX_FILES as u64, super::file::MAX_FILES as u64],
        0..=15 => [infinite, infinite],
        _ => return Err(Errno::INVAL),
    };
    if new != 0 {
        // Read to answer a bad pointer as Linux does; limits are what they are.
        user::read::<[u64; 2]>(new)?;
    }
    if old != 0 {
        user::write(old, limits)?;
    }
    Ok(0)
}

pub fn sched_getaffinity(a: &Args) -> Answer {
    let out = user::bytes_mut(a.get(2), a.get(1).min(128))?;
    let count = percpu::count();
    if out.len() * 8 < count || !out.len().is_multiple_of(8) {
        return Err(Errno::INVAL);
    }
    out.fill(0);
    for cpu in 0..count {
        out[cpu / 8] |= 1 << (cpu % 8);
    }
    Ok(8.max(count.div_ceil(64) * 8))
}

pub fn getcpu(cpu: usize, node: usize) -> Answer {
    if cpu != 0 {
        user::write(cpu, percpu::this().index as u32)?;
    }
    if node != 0 {
        user::write(node, 0u32)?;
    }
    Ok(0)
}

pub fn prctl(a: &Args) -> Answer {
    const SET_NAME: i32 = 15;
    const SET_VMA: i32 = 0x5356_4D41;
    match a.int(0) {
        SET_NAME | SET_VMA => Ok(0),
        _ => Err(Errno::INVAL),
    }
}

pub fn membarrier(command: i32) -> Answer {
    const QUERY: i32 = 0;
    const PRIVATE_EXPEDITED: i32 = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: i32 = 1 << 4;
    match command {
        QUERY => Ok((PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED) as usize),
        REGISTER_PRIVATE_EXPEDITED => Ok(0),
        PRIVATE_EXPEDITED => {
            // A shootdown makes every running CPU pass through the kernel.
            crate::cpu::shootdown::flush(0, 0);
            Ok(0)
        }
        _ => Err(Errno::INVAL),
    }
}

/// Generator state: xoshiro256** (Blackman and Vigna), seeded by RDRAND where it exists and by time.
static RANDOM: Mutex<[u64; 4]> = Mutex::new([0; 4]);

fn hardware_random() -> Option<u64> {
    #[target_feature(enable = "rdrand")]
    fn draw() -> Option<u64> {
        let mut value = 0;
        (0..10)
            .any(|_| core::arch::x86_64::_rdrand64_step(&mut value) == 1)
            .then_some(value)
    }
    // SAFETY: CPUID says that the instruction exists.
    (cpuid(1, 0).ecx & 1 << 30 != 0).then(|| unsafe { draw() })?
}

/// A random number.
pub fn random() -> u64 {
    let mut state = RANDOM.lock();
    if *state == [0; 4] {
        let mut seed = rdtsc() ^ time::wall_ns().rotate_left(32);
        for word in state.iter_mut() {
            // SplitMix64 spreads the seed.
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = seed;
            mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            *word = mixed ^ mixed >> 31 ^ hardware_random().unwrap_or(0);
        }
    }
    let [s0, s1, s2, s3] = *state;
    let result = s1.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
    let (t2, t3) = (s2 ^ s0, s3 ^ s1);
    *state = [s0 ^ t3, s1 ^ t2, t2 ^ s1 << 17, t3.rotate_left(45)];
    result ^ rdtsc()
}

pub fn getrandom(at: usize, bytes: usize) -> Answer {
    let out = user::bytes_mut(at, bytes)?;
    for chunk in out.chunks_mut(8) {
        let word = random().to_le_bytes();
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    Ok(bytes)
}
