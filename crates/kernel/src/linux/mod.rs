//! The Linux surface: the system calls that a static glibc, LLVM and Rust's std make.
//!
//! One process, any number of threads. Numbers, arguments and results are those of Linux on x86-64. What is not
//! here answers ENOSYS and is named once on the console.

pub mod errno;
pub mod file;
mod fsinfo;
mod memory;
pub mod misc;
mod names;
mod path;
mod pipe;
pub mod signal;
mod thread;
mod time;

use crate::boot_manager::watchdog;
use crate::console;
use crate::coverage;
use crate::cpu::trap::Frame;
use crate::loader::cold;
use crate::sched::{self, Key};
use crate::trace;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use errno::Errno;
use formats::calls;

/// Number of `rt_sigreturn`, after which every register is new.
pub const RT_SIGRETURN: u64 = 15;

/// Number of `clone`.
pub const CLONE: u64 = 56;
/// Number of `clone3`.
pub const CLONE3: u64 = 435;

/// What a system call gives.
pub type Answer = Result<usize, Errno>;

/// Arguments of a system call in the order of the ABI.
#[derive(Clone, Copy)]
pub struct Args([u64; 6]);

impl Args {
    /// An argument as it is.
    pub fn get(&self, index: usize) -> usize {
        self.0[index] as usize
    }

    /// An `int` argument: the upper half of the register means nothing.
    fn int(&self, index: usize) -> i32 {
        self.0[index] as i32
    }

    fn uint(&self, index: usize) -> u32 {
        self.0[index] as u32
    }
}

/// Runs the system call in a frame and puts the result into it.
pub fn dispatch(frame: &mut Frame) {
    trace::count(&trace::COUNTERS.calls, 1);
    let number = frame.rax;
    let args = Args([
        frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9,
    ]);
    let answer = match number {
        RT_SIGRETURN => {
            signal::sigreturn(frame);
            return;
        }
        CLONE => thread::clone(frame, &args),
        CLONE3 => thread::clone3(frame, &args),
        130 => signal::sigsuspend(&args),
        _ => call(number, &args),
    };
    frame.rax = match answer {
        Ok(value) => value as u64,
        Err(Errno(number)) => -i64::from(number) as u64,
    };
}

fn call(number: u64, a: &Args) -> Answer {
    match number {
        0 => file::read(a.int(0), a.get(1), a.get(2)),
        1 => file::write(a.int(0), a.get(1), a.get(2)),
        2 => file::open(file::AT_FDCWD, a.get(0), a.uint(1)),
        3 => file::close(a.int(0)),
        4 | 6 => fsinfo::stat_at(file::AT_FDCWD, a.get(0), a.get(1), 0),
        5 => fsinfo::fstat(a.int(0), a.get(1)),
        7 => file::poll(a.get(0), a.get(1), time::timeout_ms(a.int(2))),
        8 => file::seek(a.int(0), a.0[1] as i64, a.int(2)),
        9 => memory::mmap(a),
        10 => memory::mprotect(a),
        11 => memory::munmap(a),
        12 => memory::brk(a),
        13 => signal::sigaction(a),
        14 => signal::sigprocmask(a),
        16 => file::ioctl(a.int(0), a.uint(1), a.get(2)),
        17 => file::pread(a.int(0), a.get(1), a.get(2), a.0[3]),
        18 => file::pwrite(a.int(0), a.get(1), a.get(2), a.0[3]),
        19 => file::readv(a.int(0), a.get(1), a.get(2), None),
        20 => file::writev(a.int(0), a.get(1), a.get(2), None),
        21 => fsinfo::access(file::AT_FDCWD, a.get(0)),
        22 => file::pipe(a.get(0), 0),
        24 => thread::sched_yield(),
        25 => memory::mremap(a),
        26 | 149..=152 => Ok(0), // msync, mlock and its kin: nothing is ever paged out
        27 => memory::mincore(a),
        28 => memory::madvise(a),
        32 => file::dup(a.int(0), 0),
        33 | 292 => file::dup_to(a.int(0), a.int(1)),
        35 => time::nanosleep(a.get(0), a.get(1)),
        39 => Ok(1),
        60 => thread::exit(a.int(0)),
        62 => signal::kill(a.int(0), a.int(1)),
        63 => misc::uname(a.get(0)),
        72 => file::fcntl(a.int(0), a.int(1), a.get(2)),
        73 => Ok(0), // flock: nobody else is there
        74 | 75 => file::fsync(a.int(0)),
        76 => file::truncate(a.get(0), a.0[1]),
        77 => file::ftruncate(a.int(0), a.0[1]),
        79 => path::getcwd(a.get(0), a.get(1)),
        80 => path::chdir(a.get(0)),
        82 => file::rename(file::AT_FDCWD, a.get(0), file::AT_FDCWD, a.get(1), 0),
        83 => file::mkdir(file::AT_FDCWD, a.get(0)),
        84 => file::unlink(file::AT_FDCWD, a.get(0), file::AT_REMOVEDIR),
        87 => file::unlink(file::AT_FDCWD, a.get(0), 0),
        89 => fsinfo::readlink(file::AT_FDCWD, a.get(0), a.get(1), a.get(2)),
        95 => Ok(0o022), // umask
        96 => time::gettimeofday(a.get(0)),
        97 => misc::prlimit(a.int(0), 0, a.get(1)),
        98 => misc::getrusage(a.get(1)),
        99 => misc::sysinfo(a.get(0)),
        102 | 104 | 107 | 108 => Ok(0), // user and group ids: root
        110 => Ok(0),                   // getppid: there is no parent
        111 | 121 | 124 => Ok(1),       // process group and session
        127 => signal::sigpending(a),
        131 => signal::sigaltstack(a),
        137 => fsinfo::statfs(a.get(1)),
        138 => fsinfo::statfs(a.get(1)),
        157 => misc::prctl(a),
        158 => thread::arch_prctl(a),
        162 => file::sync(),
        186 => thread::gettid(),
        200 => signal::tgkill(a.int(0), a.int(1)),
        201 => time::time(a.get(0)),
        202 => thread::futex(a),
        203 => Ok(0), // sched_setaffinity: accepted, not acted on
        204 => misc::sched_getaffinity(a),
        217 => fsinfo::getdents64(a.int(0), a.get(1), a.get(2)),
        218 => thread::set_tid_address(a.get(0)),
        221 => Ok(0), // fadvise64
        228 => time::clock_gettime(a.int(0), a.get(1)),
        229 => time::clock_getres(a.int(0), a.get(1)),
        230 => time::clock_nanosleep(a.int(0), a.int(1), a.get(2), a.get(3)),
        231 => crate::exit::program(a.int(0)),
        234 => signal::tgkill(a.int(1), a.int(2)),
        257 => file::open(a.int(0), a.get(1), a.uint(2)),
        258 => file::mkdir(a.int(0), a.get(1)),
        262 => fsinfo::stat_at(a.int(0), a.get(1), a.get(2), a.uint(3)),
        263 => file::unlink(a.int(0), a.get(1), a.uint(2)),
        264 => file::rename(a.int(0), a.get(1), a.int(2), a.get(3), 0),
        267 => fsinfo::readlink(a.int(0), a.get(1), a.get(2), a.get(3)),
        269 | 439 => fsinfo::access(a.int(0), a.get(1)),
        271 => file::poll(a.get(0), a.get(1), time::timeout_at(a.get(2))?),
        273 => thread::set_robust_list(a.get(0), a.get(1)),
        293 => file::pipe(a.get(0), a.uint(1)),
        295 => file::readv(a.int(0), a.get(1), a.get(2), Some(a.0[3])),
        296 => file::writev(a.int(0), a.get(1), a.get(2), Some(a.0[3])),
        302 => misc::prlimit(a.int(1), a.get(2), a.get(3)),
        309 => misc::getcpu(a.get(0), a.get(1)),
        316 => file::rename(a.int(0), a.get(1), a.int(2), a.get(3), a.uint(4)),
        318 => misc::getrandom(a.get(0), a.get(1)),
        324 => misc::membarrier(a.int(0)),
        332 => fsinfo::statx(a.int(0), a.get(1), a.uint(2), a.get(4)),
        169 => misc::reboot(a.uint(2)),
        calls::FIRST..=calls::LAST => private_call(number, a),
        334 => Err(Errno::NOSYS), // rseq: glibc asks at start and lives without
        number => {
            name_once(number);
            Err(Errno::NOSYS)
        }
    }
}

/// Calls that Linux does not have.
fn private_call(number: u64, a: &Args) -> Answer {
    if !crate::ALL_STAGES {
        return Err(Errno::NOSYS);
    }
    match number {
        calls::COVERAGE_INFO => coverage::info(a),
        calls::COVERAGE_FUNCTIONS => coverage::functions(a),
        calls::COVERAGE_PAGES => coverage::pages(a),
        calls::COLD_MISSES => cold::misses(a),
        calls::SLOT_SUCCESS => crate::boot_manager::succeed(),
        calls::SLOT_CURRENT => crate::boot_manager::current(),
        _ => Err(Errno::NOSYS),
    }
}

/// Says the name of a call that does not exist, the first time.
fn name_once(number: u64) {
    static SAID: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];
    let bit = number.min(511) as usize;
    if SAID[bit / 64].fetch_or(1 << (bit % 64), Ordering::Relaxed) & 1 << (bit % 64) == 0 {
        let name = names::name(number);
        crate::info!("linux: system call {number} ({name}) does not exist here; answered ENOSYS");
    }
}

static INPUT_READERS: AtomicUsize = AtomicUsize::new(0);
static STARTED: AtomicBool = AtomicBool::new(false);

/// Connects Ctrl-C: from now on it is SIGINT for the program.
pub fn start() {
    console::on_interrupt(signal::interrupt_from_console);
    STARTED.store(true, Ordering::Release);
}

/// Looks at the console's input; from the timer of the first CPU.
pub fn console_tick() {
    if !STARTED.load(Ordering::Acquire) {
        return;
    }
    console::poll_input();
    if INPUT_READERS.load(Ordering::Relaxed) != 0 && console::has_input() {
        sched::lock().wake(Key::Input, u32::MAX, usize::MAX);
    }
}

/// Sleeps until there may be input, `deadline` passes or a signal comes.
fn wait_for_input(deadline: u64) -> sched::Wake {
    INPUT_READERS.fetch_add(1, Ordering::Relaxed);
    // Whoever waits for a person without a limit does not hang.
    let is_patient = deadline == sched::NEVER;
    if is_patient {
        watchdog::suspend();
    }
    let wake = sched::block(sched::lock(), Key::Input, u32::MAX, deadline);
    if is_patient {
        watchdog::resume();
    }
    INPUT_READERS.fetch_sub(1, Ordering::Relaxed);
    wake
}
