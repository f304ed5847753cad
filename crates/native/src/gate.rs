//! System calls, all through one gate: the kernel's where there is one, else a stub of our own.
//!
//! ```text
//!   call(number, a..f) ── C call ──> bareflow_call: moves arguments ── jmp *bareflow_gate ──> kernel, or
//!                                                                                bareflow_stub: syscall; ret
//! ```
//!
//! Numbers and results are those of Linux on x86-64. Source: `formats::gate`; System V ABI AMD64, appendix A.

use core::arch::global_asm;
use core::ffi::c_void;

global_asm!(
    ".text",
    ".p2align 4",
    "bareflow_stub:",
    "  syscall",
    "  ret",
    // (number, a, b, c, d, e, f): the seventh argument of a C call is on the stack.
    ".globl bareflow_call",
    ".hidden bareflow_call",
    ".type bareflow_call,@function",
    ".p2align 4",
    "bareflow_call:",
    "  mov rax, rdi",
    "  mov rdi, rsi",
    "  mov rsi, rdx",
    "  mov rdx, rcx",
    "  mov r10, r8",
    "  mov r8, r9",
    "  mov r9, [rsp + 8]",
    "  jmp [rip + bareflow_gate]",
    ".size bareflow_call, . - bareflow_call",
    // (flags, first address behind the stack, function, argument): the child leaves the gate through the word on its
    // stack, the parent through the call's.
    ".globl bareflow_spawn",
    ".hidden bareflow_spawn",
    ".type bareflow_spawn,@function",
    ".p2align 4",
    "bareflow_spawn:",
    "  lea r8, [rip + 2f]",
    "  mov [rsi - 24], r8",
    "  mov [rsi - 16], rdx",
    "  mov [rsi - 8], rcx",
    "  sub rsi, 24",
    "  xor edx, edx",
    "  xor r10d, r10d",
    "  xor r8d, r8d",
    "  mov eax, 56",
    "  call [rip + bareflow_gate]",
    "  ret",
    "2:",
    "  pop rax",
    "  pop rdi",
    "  xor ebp, ebp",
    "  call rax",
    "  ud2",
    ".size bareflow_spawn, . - bareflow_spawn",
    // What Linux calls when a signal handler returns.
    ".globl bareflow_sigreturn",
    ".hidden bareflow_sigreturn",
    ".type bareflow_sigreturn,@function",
    ".p2align 4",
    "bareflow_sigreturn:",
    "  mov eax, 15",
    "  jmp [rip + bareflow_gate]",
    ".size bareflow_sigreturn, . - bareflow_sigreturn",
    ".data",
    ".globl bareflow_gate",
    ".hidden bareflow_gate",
    ".p2align 3",
    "bareflow_gate: .quad bareflow_stub",
    ".text",
);

unsafe extern "C" {
    fn bareflow_call(
        number: usize,
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
    ) -> isize;
    fn bareflow_spawn(
        flags: usize,
        stack: *mut u8,
        function: extern "C" fn(*const c_void) -> !,
        argument: *const c_void,
    ) -> isize;
    fn bareflow_sigreturn();
    #[cfg(feature = "freestanding")]
    static mut bareflow_gate: usize;
}

/// Numbers of the calls made here.
mod number {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const OPEN: usize = 2;
    pub const CLOSE: usize = 3;
    pub const FSTAT: usize = 5;
    pub const POLL: usize = 7;
    pub const MMAP: usize = 9;
    pub const MPROTECT: usize = 10;
    pub const MUNMAP: usize = 11;
    pub const SIGACTION: usize = 13;
    pub const IOCTL: usize = 16;
    pub const PREAD: usize = 17;
    pub const PWRITE: usize = 18;
    pub const SCHED_YIELD: usize = 24;
    pub const MADVISE: usize = 28;
    pub const NANOSLEEP: usize = 35;
    pub const GETPID: usize = 39;
    pub const EXIT: usize = 60;
    pub const FSYNC: usize = 74;
    pub const FTRUNCATE: usize = 77;
    pub const RENAME: usize = 82;
    pub const MKDIR: usize = 83;
    pub const RMDIR: usize = 84;
    pub const UNLINK: usize = 87;
    pub const SIGALTSTACK: usize = 131;
    pub const ARCH_PRCTL: usize = 158;
    pub const GETTID: usize = 186;
    pub const FUTEX: usize = 202;
    pub const SCHED_SETAFFINITY: usize = 203;
    pub const SCHED_GETAFFINITY: usize = 204;
    pub const GETDENTS64: usize = 217;
    pub const SET_TID_ADDRESS: usize = 218;
    pub const CLOCK_GETTIME: usize = 228;
    pub const EXIT_GROUP: usize = 231;
    pub const TGKILL: usize = 234;
    pub const GETRANDOM: usize = 318;
}

/// Error numbers used here.
pub mod errno {
    /// Not allowed.
    pub const EPERM: i32 = 1;
    /// No such file.
    pub const ENOENT: i32 = 2;
    /// A signal ended the call.
    pub const EINTR: i32 = 4;
    /// The medium failed.
    pub const EIO: i32 = 5;
    /// Not an open handle.
    pub const EBADF: i32 = 9;
    /// Not now.
    pub const EAGAIN: i32 = 11;
    /// The file may not be written to.
    pub const EACCES: i32 = 13;
    /// There is something by this name.
    pub const EEXIST: i32 = 17;
    /// A part of the path is no folder.
    pub const ENOTDIR: i32 = 20;
    /// It is a folder.
    pub const EISDIR: i32 = 21;
    /// An argument makes no sense.
    pub const EINVAL: i32 = 22;
    /// Too many open files.
    pub const EMFILE: i32 = 24;
    /// The volume has no files of this size.
    pub const EFBIG: i32 = 27;
    /// The volume is full.
    pub const ENOSPC: i32 = 28;
    /// The volume cannot be written to.
    pub const EROFS: i32 = 30;
    /// The folder is not empty.
    pub const ENOTEMPTY: i32 = 39;
    /// There is no more input.
    pub const ENODATA: i32 = 61;
    /// Nobody reads any more.
    pub const EPIPE: i32 = 32;
}

/// A call's value, or its error number (positive).
pub type Answer = Result<usize, i32>;

fn answer(raw: isize) -> Answer {
    match usize::try_from(raw) {
        Ok(value) => Ok(value),
        Err(_) => Err(raw.wrapping_neg() as i32),
    }
}

macro_rules! call {
    ($number:expr $(, $a:expr)*) => { call!(@pad [$number $(, $a)*] 0, 0, 0, 0, 0, 0) };
    (@pad [$n:expr] $($z:expr),*) => { call!(@go $n, $($z),*) };
    (@pad [$n:expr, $a:expr] $z1:expr, $($z:expr),*) => { call!(@go $n, $a, $($z),*) };
    (@pad [$n:expr, $a:expr, $b:expr] $z1:expr, $z2:expr, $($z:expr),*) => { call!(@go $n, $a, $b, $($z),*) };
    (@pad [$n:expr, $a:expr, $b:expr, $c:expr] $z1:expr, $z2:expr, $z3:expr, $($z:expr),*) => { call!(@go $n, $a, $b, $c, $($z),*) };
    (@pad [$n:expr, $a:expr, $b:expr, $c:expr, $d:expr] $z1:expr, $z2:expr, $z3:expr, $z4:expr, $($z:expr),*) => { call!(@go $n, $a, $b, $c, $d, $($z),*) };
    (@pad [$n:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr] $($z:expr),*) => { call!(@go $n, $a, $b, $c, $d, $e, $f) };
    (@go $n:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        answer(bareflow_call($n, $a, $b, $c, $d, $e, $f))
    };
}

/// Uses the kernel's gate from now on.
///
/// # Safety
/// `gate` is the address of code that behaves as `formats::gate` says; no other thread runs.
#[cfg(feature = "freestanding")]
pub unsafe fn set(gate: usize) {
    // SAFETY: as the caller promised; a word of data, read by assembly only.
    unsafe { (&raw mut bareflow_gate).write(gate) }
}

/// Reads at most `buffer.len()` bytes.
pub fn read(file: i32, buffer: &mut [u8]) -> Answer {
    // SAFETY: the kernel writes into the slice only.
    unsafe {
        call!(
            number::READ,
            file as usize,
            buffer.as_mut_ptr() as usize,
            buffer.len()
        )
    }
}

/// Writes at most `bytes.len()` bytes.
pub fn write(file: i32, bytes: &[u8]) -> Answer {
    // SAFETY: the kernel reads from the slice only.
    unsafe {
        call!(
            number::WRITE,
            file as usize,
            bytes.as_ptr() as usize,
            bytes.len()
        )
    }
}

/// What [`open`] is asked for.
pub mod flags {
    /// Reading and writing; reading without it.
    pub const READ_WRITE: usize = 2;
    /// Make it where it is not there.
    pub const CREATE: usize = 0o100;
    /// Fail where it is there.
    pub const EXCLUSIVE: usize = 0o200;
    /// Empty it.
    pub const TRUNCATE: usize = 0o1000;
    /// Only a folder.
    pub const DIRECTORY: usize = 0o200_000;
    /// Only writing.
    pub const WRITE: usize = 1;
}

/// Opens a file; `path` ends with a NUL, `how` are [`flags`].
pub fn open(path: &core::ffi::CStr, how: usize) -> Answer {
    const O_CLOEXEC: usize = 0o2_000_000;
    const MODE: usize = 0o666;
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(number::OPEN, path.as_ptr() as usize, O_CLOEXEC | how, MODE) }
}

/// Takes a file away.
pub fn unlink(path: &core::ffi::CStr) -> Answer {
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(number::UNLINK, path.as_ptr() as usize) }
}

/// Takes an empty folder away.
pub fn rmdir(path: &core::ffi::CStr) -> Answer {
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(number::RMDIR, path.as_ptr() as usize) }
}

/// Makes a folder.
pub fn mkdir(path: &core::ffi::CStr) -> Answer {
    const MODE: usize = 0o777;
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(number::MKDIR, path.as_ptr() as usize, MODE) }
}

/// Gives a file or folder another name.
pub fn rename(from: &core::ffi::CStr, to: &core::ffi::CStr) -> Answer {
    // SAFETY: the paths are NUL-terminated.
    unsafe { call!(number::RENAME, from.as_ptr() as usize, to.as_ptr() as usize) }
}

/// Sets the length of a file.
pub fn resize(file: i32, bytes: u64) -> Answer {
    // SAFETY: takes any numbers.
    unsafe { call!(number::FTRUNCATE, file as usize, bytes as usize) }
}

/// Has a file's bytes on the medium.
pub fn sync(file: i32) -> Answer {
    // SAFETY: takes any number.
    unsafe { call!(number::FSYNC, file as usize) }
}

/// Writes bytes at an offset.
pub fn pwrite(file: i32, bytes: &[u8], offset: u64) -> Answer {
    // SAFETY: the kernel reads from the slice only.
    unsafe {
        call!(
            number::PWRITE,
            file as usize,
            bytes.as_ptr() as usize,
            bytes.len(),
            offset as usize
        )
    }
}

/// The next entries of an open folder, `struct linux_dirent64` one after the other; 0 bytes at its end.
pub fn entries(folder: i32, buffer: &mut [u8]) -> Answer {
    // SAFETY: the kernel writes into the slice only.
    unsafe {
        call!(
            number::GETDENTS64,
            folder as usize,
            buffer.as_mut_ptr() as usize,
            buffer.len()
        )
    }
}

/// Waits until a file can be read: 0 if it cannot after `ms` milliseconds.
pub fn wait_readable(file: i32, ms: i32) -> Answer {
    const POLLIN: u64 = 1;
    // struct pollfd: number, wanted (u16), found (u16).
    let mut entry = u64::from(file as u32) | POLLIN << 32;
    // SAFETY: the kernel reads and writes the entry's eight bytes.
    unsafe { call!(number::POLL, &raw mut entry as usize, 1, ms as usize) }
}

/// `struct termios` of the kernel: input, output, control and local flags, line discipline, control characters.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Terminal {
    flags: [u32; 4],
    line: [u8; 20],
}

impl Terminal {
    /// The mode of an open terminal.
    pub fn of(file: i32) -> Result<Self, i32> {
        const TCGETS: usize = 0x5401;
        let mut mode = Terminal {
            flags: [0; 4],
            line: [0; 20],
        };
        // SAFETY: the kernel writes the structure's 36 bytes.
        unsafe { call!(number::IOCTL, file as usize, TCGETS, &raw mut mode as usize) }?;
        Ok(mode)
    }

    /// The same with keys as they come, not shown.
    pub fn raw(mut self) -> Self {
        const ICANON_ECHO: u32 = 2 | 8;
        const VTIME: usize = 5;
        const VMIN: usize = 6;
        self.flags[3] &= !ICANON_ECHO;
        self.line[1 + VTIME] = 0;
        self.line[1 + VMIN] = 1;
        self
    }

    /// Gives a terminal this mode; a wish.
    pub fn set(&self, file: i32) {
        const TCSETS: usize = 0x5402;
        // SAFETY: the kernel reads the structure's 36 bytes.
        let _ = unsafe {
            call!(
                number::IOCTL,
                file as usize,
                TCSETS,
                &raw const *self as usize
            )
        };
    }
}

/// Sleeps; a signal may end it early.
pub fn sleep(ns: u64) {
    let time = [ns / 1_000_000_000, ns % 1_000_000_000];
    // SAFETY: the kernel reads the two words.
    let _ = unsafe { call!(number::NANOSLEEP, time.as_ptr() as usize, 0) };
}

/// Has the kernel write 0 into the word and wake who waits for it, by [`wait_for_end`], when the calling thread has ended.
///
/// # Safety
/// The word lives until then.
pub unsafe fn tell_end(word: &core::sync::atomic::AtomicU32) {
    // SAFETY: as the caller promised.
    let _ = unsafe { call!(number::SET_TID_ADDRESS, word.as_ptr() as usize) };
}

/// Waits until a word that [`tell_end`] got is 0.
pub fn wait_for_end(word: &core::sync::atomic::AtomicU32) {
    loop {
        let alive = word.load(core::sync::atomic::Ordering::Acquire);
        if alive == 0 {
            return;
        }
        // Not the private kind: the kernel's wake is not either.
        // SAFETY: the word is alive during the call.
        let _ = unsafe { call!(number::FUTEX, word.as_ptr() as usize, 0, alive as usize, 0) };
    }
}

/// Sets the calling thread's pointer, the base of `fs`.
///
/// # Safety
/// Nobody else uses it.
pub unsafe fn set_thread_pointer(at: *mut u8) {
    const ARCH_SET_FS: usize = 0x1002;
    // SAFETY: sets a register that the caller answers for.
    let _ = unsafe { call!(number::ARCH_PRCTL, ARCH_SET_FS, at as usize) };
}

/// Ends the calling thread.
pub fn exit_thread() -> ! {
    loop {
        // SAFETY: does not return.
        let _ = unsafe { call!(number::EXIT, 0) };
    }
}

/// Closes a file.
pub fn close(file: i32) -> Answer {
    // SAFETY: takes any number.
    unsafe { call!(number::CLOSE, file as usize) }
}

/// What is known of an open file.
pub struct About {
    /// Bytes.
    pub size: u64,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// Asks about an open file.
pub fn about(file: i32) -> Result<About, i32> {
    // struct stat of x86-64 has 144 bytes: st_mode (u32) at 24, st_size (i64) at 48.
    let mut stat = [0u64; 18];
    // SAFETY: the kernel writes the 144 bytes of the array.
    unsafe { call!(number::FSTAT, file as usize, stat.as_mut_ptr() as usize) }?;
    Ok(About {
        size: stat[6],
        is_folder: stat[3] as u32 & 0o170_000 == 0o040_000,
    })
}

/// Reads bytes at an offset.
///
/// # Safety
/// `at` points to `len` writable bytes.
pub unsafe fn pread(file: i32, at: *mut u8, len: usize, offset: u64) -> Answer {
    // SAFETY: as the caller promised.
    unsafe {
        call!(
            number::PREAD,
            file as usize,
            at as usize,
            len,
            offset as usize
        )
    }
}

/// Fresh private memory, readable and writable, `len` bytes at a page's start.
pub fn map(len: usize) -> Option<*mut u8> {
    const PROT_READ_WRITE: usize = 3;
    const MAP_PRIVATE_ANONYMOUS: usize = 0x22;
    // SAFETY: a mapping at a place of the kernel's choice touches nothing that exists.
    let mapped = unsafe {
        call!(
            number::MMAP,
            0,
            len,
            PROT_READ_WRITE,
            MAP_PRIVATE_ANONYMOUS,
            usize::MAX,
            0
        )
    };
    mapped.ok().map(core::ptr::with_exposed_provenance_mut)
}

/// Gives memory back.
///
/// # Safety
/// The pages are the caller's and not used any more.
pub unsafe fn unmap(at: *mut u8, len: usize) {
    // SAFETY: as the caller promised. It fails only for what is no mapping.
    let _ = unsafe { call!(number::MUNMAP, at as usize, len) };
}

/// Makes pages inaccessible.
///
/// # Safety
/// The pages are the caller's and hold nothing.
pub unsafe fn forbid(at: *mut u8, len: usize) {
    // SAFETY: as the caller promised. Where it fails, there is no guard.
    let _ = unsafe { call!(number::MPROTECT, at as usize, len, 0) };
}

/// Wishes for large pages.
pub fn advise_huge(at: *mut u8, len: usize) {
    const MADV_HUGEPAGE: usize = 14;
    // SAFETY: changes how pages are made, not what is in them.
    let _ = unsafe { call!(number::MADVISE, at as usize, len, MADV_HUGEPAGE) };
}

/// `struct sigaction` as the kernel takes it.
#[repr(C)]
pub struct SignalAction {
    /// `void handler(int signal, siginfo_t *, ucontext_t *)`
    pub handler: usize,
    /// `SA_*`
    pub flags: u64,
    /// Code that leaves the handler.
    pub restorer: usize,
    /// Signals blocked meanwhile.
    pub mask: u64,
}

/// Installs a signal handler. `flags` are `SA_*` without `SA_RESTORER`.
///
/// # Safety
/// `handler` may run at any moment on any thread.
pub unsafe fn handle_signal(signal: i32, handler: usize, flags: u64) {
    const SA_RESTORER: u64 = 0x0400_0000;
    let action = SignalAction {
        handler,
        flags: flags | SA_RESTORER,
        restorer: bareflow_sigreturn as *const () as usize,
        mask: 0,
    };
    let mask_bytes = size_of::<u64>();
    // SAFETY: the structure is valid and copied; the caller answers for the handler.
    let _ = unsafe {
        call!(
            number::SIGACTION,
            signal as usize,
            &raw const action as usize,
            0,
            mask_bytes
        )
    };
}

/// Gives the calling thread a stack for signal handlers.
///
/// # Safety
/// The memory stays the handlers' alone while the thread lives.
pub unsafe fn signal_stack(at: *mut u8, len: usize) {
    // stack_t: pointer, flags, size.
    let stack = [at as usize, 0, len];
    // SAFETY: a valid structure; the caller answers for the memory.
    let _ = unsafe { call!(number::SIGALTSTACK, stack.as_ptr() as usize, 0) };
}

/// Says that the program proved itself: its boot slot is no longer on trial. Not known to Linux, nor where no slots are.
pub fn slot_success() {
    // SAFETY: takes nothing.
    let _ = unsafe { call!(formats::calls::SLOT_SUCCESS as usize) };
}

/// The calling thread's number.
pub fn thread_id() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(number::GETTID) }.map_or(0, |id| id as i32)
}

/// Sends a signal to a thread of this process.
///
/// # Errors
/// There is no such thread.
pub fn signal(thread: i32, signal: i32) -> Answer {
    // SAFETY: takes nothing, and gives a number; then takes any numbers. What the signal does its handler answers for.
    unsafe {
        let process = call!(number::GETPID)?;
        call!(number::TGKILL, process, thread as usize, signal as usize)
    }
}

/// Lets other threads run.
pub fn yield_now() {
    // SAFETY: takes nothing.
    let _ = unsafe { call!(number::SCHED_YIELD) };
}

const FUTEX_PRIVATE: usize = 128;

/// Sleeps until somebody wakes the word, unless it is not `expected`; may also return for no reason.
pub fn futex_wait(word: &core::sync::atomic::AtomicU32, expected: u32) {
    // SAFETY: the word is alive during the call.
    let _ = unsafe {
        call!(
            number::FUTEX,
            word.as_ptr() as usize,
            FUTEX_PRIVATE,
            expected as usize,
            0
        )
    };
}

/// Wakes one thread that sleeps on the word.
pub fn futex_wake(word: &core::sync::atomic::AtomicU32) {
    // SAFETY: the word is alive during the call.
    let _ = unsafe { call!(number::FUTEX, word.as_ptr() as usize, 1 | FUTEX_PRIVATE, 1) };
}

/// CPUs as bits, 1024 of them.
pub type CpuSet = [u64; 16];

/// The CPUs this process may run on.
pub fn allowed_cpus() -> Option<CpuSet> {
    let mut set = [0; 16];
    // SAFETY: the kernel writes at most the array.
    unsafe {
        call!(
            number::SCHED_GETAFFINITY,
            0,
            size_of::<CpuSet>(),
            set.as_mut_ptr() as usize
        )
    }
    .ok()?;
    Some(set)
}

/// Keeps the calling thread on these CPUs; a wish.
pub fn run_on(set: &CpuSet) {
    // SAFETY: the kernel reads the array.
    let _ = unsafe {
        call!(
            number::SCHED_SETAFFINITY,
            0,
            size_of::<CpuSet>(),
            set.as_ptr() as usize
        )
    };
}

/// Nanoseconds of a clock; 0 if there is none.
pub fn clock(id: usize) -> u64 {
    let mut time = [0u64; 2];
    // SAFETY: the kernel writes the two words.
    let _ = unsafe { call!(number::CLOCK_GETTIME, id, time.as_mut_ptr() as usize) };
    time[0].wrapping_mul(1_000_000_000).wrapping_add(time[1])
}

/// Ends the process with all its threads.
pub fn exit(code: i32) -> ! {
    loop {
        // SAFETY: does not return.
        let _ = unsafe { call!(number::EXIT_GROUP, code as usize) };
    }
}

/// Random bytes; 0 if the kernel has none.
pub fn random() -> u64 {
    let mut word = 0u64;
    // SAFETY: the kernel writes the word's eight bytes.
    let _ = unsafe { call!(number::GETRANDOM, &raw mut word as usize, 8, 0) };
    word
}

/// Starts a thread that runs `function(argument)` on a stack that ends below `stack_end`; it has no thread-local
/// storage. Gives its id.
///
/// # Safety
/// `stack_end` is a multiple of 16 and the end of enough memory that is the thread's alone, for ever; `argument` is what
/// the function takes and may be used on another thread.
pub unsafe fn spawn(
    stack_end: *mut u8,
    function: extern "C" fn(*const c_void) -> !,
    argument: *const c_void,
) -> Answer {
    // CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM.
    const FLAGS: usize = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
    // SAFETY: as the caller promised; three words below the end are written for the way into the function.
    answer(unsafe { bareflow_spawn(FLAGS, stack_end, function, argument) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_answer_as_linux_does() {
        assert_eq!(close(-1), Err(errno::EBADF));
        assert_eq!(open(c"/not there", 0), Err(errno::ENOENT));
        let null = open(c"/dev/null", 0).unwrap() as i32;
        assert_eq!(read(null, &mut [0; 4]), Ok(0));
        assert!(!about(null).unwrap().is_folder);
        close(null).unwrap();
        let root = open(c"/", 0).unwrap() as i32;
        assert!(about(root).unwrap().is_folder);
        close(root).unwrap();
        assert!(clock(1) > 0);
        assert!(allowed_cpus().unwrap().iter().any(|w| *w != 0));
    }

    #[test]
    fn memory_is_mapped_and_given_back() {
        let at = map(1 << 20).unwrap();
        // SAFETY: the mapping has a megabyte.
        unsafe {
            assert_eq!(at.add(12345).read(), 0);
            at.write(1);
            unmap(at, 1 << 20);
        }
        assert!(map(1 << 60).is_none());
    }
}
