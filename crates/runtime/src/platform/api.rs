//! The guest interface: the functions a guest program calls, as absolute symbols for the linker.
//!
//! Plain C calls; the contract is ARCHITECTURE.md, "Guest interface". Pointers come from the guest and are trusted as a
//! program's own: a wrong one is the guest's fault and ends in the fault handler.
//!
//! Functions that guests call often tell the engine which old code the thread still needs (`call::poll`).

use super::pool::{Pool, Work};
use super::{call, clock, interrupt, machine, memory, watch};
use crate::files::{Errno, Files};
use engine::{HostSymbol, SymbolKind};
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, OnceLock, PoisonError};

/// What the guest's calls work on.
pub struct Host {
    /// Arguments of the program.
    pub args: Vec<String>,
    /// Its files.
    pub files: Files,
    /// Answer of `bf_cpu_count`.
    pub threads: u32,
    /// Answer of `bf_cpu_features` where the call was not folded.
    pub features: u64,
}

static HOST: OnceLock<Host> = OnceLock::new();
static POOL: OnceLock<Pool> = OnceLock::new();
static INPUT: Mutex<Input> = Mutex::new(Input {
    bytes: VecDeque::new(),
    ended: false,
});

/// Bytes read from the console and not yet given to the guest.
struct Input {
    bytes: VecDeque<u8>,
    ended: bool,
}

/// Sets up what guests see; once, before the entry is called. Gives back the host if there is one already.
pub fn install(host: Host) -> Result<(), Host> {
    HOST.set(host)
}

fn host() -> &'static Host {
    // A guest cannot run before `install`; an empty host keeps even that defined.
    HOST.get_or_init(|| Host {
        args: Vec::new(),
        files: Files::none(),
        threads: 1,
        features: 0,
    })
}

/// The guest's bytes as a slice.
///
/// # Safety
/// `ptr` points to `len` readable bytes that nobody writes during the call, or `len` is 0.
unsafe fn bytes<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: as the caller promised.
    unsafe { std::slice::from_raw_parts(ptr, len) }
}

unsafe extern "C" fn bf_console_write(ptr: *const u8, len: usize) {
    call::poll();
    // SAFETY: the guest's contract.
    let mut rest = unsafe { bytes(ptr, len) };
    watch::output(rest);
    while !rest.is_empty() {
        // SAFETY: writes from a valid slice.
        let n = unsafe { libc::write(1, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(n) {
            Ok(0) => break,
            Ok(n) => {
                rest = &rest[n..];
                machine::proved();
            }
            Err(_) => match std::io::Error::last_os_error().kind() {
                std::io::ErrorKind::Interrupted => {}
                std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
                // Nobody listens any more: what a filter in a pipeline does then.
                std::io::ErrorKind::BrokenPipe => call::end(0),
                _ => break,
            },
        }
    }
}

/// One line without its newline; the part that does not fit is given at the next call. -1 at the end of input, and when
/// Ctrl-C ended the wait (`bf_interrupted` tells).
unsafe extern "C" fn bf_console_read(ptr: *mut u8, cap: usize) -> isize {
    let mut input = INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let newline = input.bytes.iter().position(|b| *b == b'\n');
        if newline.is_some() || input.bytes.len() >= cap || (input.ended && !input.bytes.is_empty())
        {
            let line = newline.unwrap_or(input.bytes.len());
            let take = line.min(cap);
            for (i, byte) in input.bytes.drain(..take).enumerate() {
                // SAFETY: `i < cap`, and the guest gave `cap` writable bytes.
                unsafe { ptr.add(i).write(byte) };
            }
            if newline == Some(take) {
                input.bytes.pop_front();
            }
            return take as isize;
        }
        if input.ended {
            return -1;
        }
        let mut chunk = [0u8; 1024];
        // SAFETY: reads into a valid buffer.
        let n = unsafe { libc::read(0, chunk.as_mut_ptr().cast(), chunk.len()) };
        match usize::try_from(n) {
            Ok(0) => input.ended = true,
            Ok(n) => input
                .bytes
                .extend(chunk[..n].iter().filter(|b| **b != b'\r')),
            Err(_) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {
                if interrupt::is_pending() {
                    return -1;
                }
            }
            Err(_) => input.ended = true,
        }
    }
}

unsafe extern "C" fn bf_alloc(size: usize, align: usize) -> *mut u8 {
    call::poll();
    memory::allocate(size, align)
}

unsafe extern "C" fn bf_free(ptr: *mut u8, size: usize, align: usize) {
    // SAFETY: the guest's contract: a block of `bf_alloc` with the same size and alignment.
    unsafe { memory::free(ptr, size, align) }
}

/// A result as the guest sees it: the value, or a negated error number.
fn answer(result: Result<u64, Errno>) -> i64 {
    match result {
        Ok(value) => i64::try_from(value).unwrap_or(i64::MAX),
        Err(errno) => -(errno as i64),
    }
}

unsafe extern "C" fn bf_file_open(path: *const u8, len: usize) -> i64 {
    // SAFETY: the guest's contract.
    let path = std::str::from_utf8(unsafe { bytes(path, len) }).map_err(|_| Errno::Invalid);
    answer(path.and_then(|p| host().files.open(p)).map(u64::from))
}

unsafe extern "C" fn bf_file_size(handle: i64) -> i64 {
    answer(host().files.size(handle))
}

unsafe extern "C" fn bf_file_read(handle: i64, offset: u64, ptr: *mut u8, len: usize) -> i64 {
    call::poll();
    if len == 0 {
        return 0;
    }
    // SAFETY: the guest gave `len` writable bytes that are its alone during the call; `u8` has no invalid values, and the
    // bytes are only written to.
    let buffer = unsafe { std::slice::from_raw_parts_mut(ptr, len) };
    answer(
        host()
            .files
            .read_at(handle, offset, buffer)
            .map(|n| n as u64),
    )
}

unsafe extern "C" fn bf_file_close(handle: i64) -> i64 {
    answer(host().files.close(handle).map(|()| 0))
}

unsafe extern "C" fn bf_arg_count() -> usize {
    host().args.len()
}

/// Null for an index that is none.
unsafe extern "C" fn bf_arg(index: usize, len: *mut usize) -> *const u8 {
    let arg = host().args.get(index);
    if !len.is_null() {
        // SAFETY: the guest gave a valid place for the length.
        unsafe { len.write(arg.map_or(0, String::len)) };
    }
    arg.map_or(std::ptr::null(), |a| a.as_ptr())
}

unsafe extern "C" fn bf_time_ns() -> u64 {
    call::poll();
    clock::monotonic().as_nanos() as u64
}

/// Different at each call; not for secrets.
unsafe extern "C" fn bf_random_seed() -> u64 {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u128(clock::monotonic().as_nanos());
    hasher.finish()
}

unsafe extern "C" fn bf_cpu_count() -> u32 {
    host().threads
}

unsafe extern "C" fn bf_cpu_features() -> u64 {
    host().features
}

unsafe extern "C" fn bf_parallel(n: u32, work: Work, ctx: *mut libc::c_void) {
    call::poll();
    // SAFETY: the guest's contract: its function may run on `n` threads at once.
    unsafe { POOL.get_or_init(Pool::new).run(n, work, ctx) }
}

unsafe extern "C" fn bf_interrupted() -> i32 {
    call::poll();
    interrupt::take().into()
}

unsafe extern "C" fn bf_exit(code: i32) -> ! {
    call::end(code)
}

/// Bitcode of Rust's `core` names it for unwinding, which guests do not do.
extern "C" fn rust_eh_personality() -> ! {
    eprintln!("error: the program tried to unwind; guests are compiled with panic=abort");
    call::end(crate::EXIT_REFUSED.into())
}

/// Functions of the C library and the compiler's own that generated code may call without saying so in IR. All of them
/// are exact: their result does not depend on whose they are.
mod helpers {
    macro_rules! declare {
        ($($name:ident)*) => {
            // The types do not matter: only addresses are taken.
            unsafe extern "C" { $(pub fn $name();)* }
            pub fn table() -> Vec<(&'static str, usize)> {
                vec![$((stringify!($name), $name as *const () as usize)),*]
            }
        };
    }
    #[allow(clashing_extern_declarations, clippy::missing_safety_doc)]
    mod raw {
        declare! {
            memcpy memmove memset memcmp bcmp strlen
            fma fmaf floor floorf ceil ceilf trunc truncf rint rintf nearbyint nearbyintf round roundf fmod fmodf
            fmin fminf fmax fmaxf
            __udivti3 __umodti3 __divti3 __modti3 __multi3 __ashlti3 __lshrti3 __ashrti3
            __floattisf __floattidf __floatuntisf __floatuntidf __fixsfti __fixdfti __fixunssfti __fixunsdfti
        }
    }
    pub use raw::table;
}

/// LLVM's feature names and the bits that tell guests of them.
pub const CPU_FEATURES: &[(&str, u64)] = &[
    ("sse4.1", 1 << 0),
    ("avx", 1 << 1),
    ("avx2", 1 << 2),
    ("fma", 1 << 3),
    ("f16c", 1 << 4),
    ("avx512f", 1 << 5),
    ("avx512bw", 1 << 6),
    ("avx512vl", 1 << 7),
    ("avx512vnni", 1 << 8),
    ("avxvnni", 1 << 9),
];

/// Everything a guest's code may refer to.
pub fn symbols() -> Vec<HostSymbol> {
    macro_rules! own {
        ($($name:ident)*) => {
            vec![$(HostSymbol {
                name: stringify!($name),
                address: $name as *const () as usize,
                kind: SymbolKind::Function,
            }),*]
        };
    }
    let mut list = own! {
        bf_console_write bf_console_read bf_alloc bf_free bf_file_open bf_file_size bf_file_read bf_file_close
        bf_arg_count bf_arg bf_time_ns bf_random_seed bf_cpu_count bf_cpu_features bf_parallel bf_interrupted bf_exit
        rust_eh_personality
    };
    let helper = |(name, address)| HostSymbol {
        name,
        address,
        kind: SymbolKind::Function,
    };
    list.extend(helpers::table().into_iter().map(helper));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_distinct_and_somewhere() {
        let list = symbols();
        let mut names: Vec<_> = list.iter().map(|s| s.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), list.len());
        assert!(list.iter().all(|s| s.address != 0));
    }

    #[test]
    fn guests_read_the_bits_that_are_written() {
        assert_eq!(CPU_FEATURES, guest::cpu::FEATURES);
    }

    #[test]
    fn seeds_differ() {
        // SAFETY: takes nothing.
        assert_ne!(unsafe { bf_random_seed() }, unsafe { bf_random_seed() });
    }
}
