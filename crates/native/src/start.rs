//! The first instruction: from the stack the kernel built to `bf_main`.
//!
//! Stack at the start (System V ABI AMD64, 3.4.1), from low to high: argc, argv, 0, envp, 0, auxv, strings.

use crate::arguments::{self, Own};
use crate::cpu;
use crate::output::Stderr;
use crate::thread_locals::Thread;
use crate::{api, clock, fault, files, gate, heap, interrupt, pool, progress};
use core::arch::global_asm;
use core::fmt::Write;
use formats::arguments::merge;
use formats::cpu::{self as cpu_features, CpuFeatures};

global_asm!(
    ".text",
    ".globl _start",
    ".type _start,@function",
    ".p2align 4",
    "_start:",
    "  xor ebp, ebp",
    "  mov rdi, rsp",
    "  and rsp, -16",
    "  call bareflow_native_start",
    "  ud2",
    ".size _start, . - _start",
);

unsafe extern "C" {
    fn bf_main() -> i32;
    /// What the CPU must have; the export defines it.
    static bareflow_needs: [u32; cpu_features::WORDS];
}

/// Most arguments that are looked at.
const MAX_ARGUMENTS: usize = 4096;

/// The strings of a vector that ends with a null pointer.
///
/// # Safety
/// `list` is such a vector of NUL-terminated strings, all of which live as long as the program and are never written.
unsafe fn strings(list: *const *const u8) -> impl Iterator<Item = &'static [u8]> + Clone {
    // SAFETY: as the caller promised; nothing behind the null is read.
    (0..MAX_ARGUMENTS).map_while(move |i| unsafe {
        let text = list.add(i).read();
        (!text.is_null()).then(|| core::ffi::CStr::from_ptr(text.cast()).to_bytes())
    })
}

/// Memory for a list that lives as long as the program.
fn keep_list(count: usize) -> Option<&'static mut [&'static [u8]]> {
    let bytes = count.checked_mul(size_of::<&[u8]>())?;
    let block = heap::allocate(bytes.max(1), align_of::<&[u8]>()).cast::<&'static [u8]>();
    if block.is_null() {
        return None;
    }
    for i in 0..count {
        // SAFETY: the block is fresh and has room for `count` of them.
        unsafe { block.add(i).write(&[]) };
    }
    // SAFETY: all were written; nobody else has the block.
    Some(unsafe { core::slice::from_raw_parts_mut(block, count) })
}

fn refuse(what: &str) -> ! {
    let mut out = Stderr::new();
    let _ = writeln!(out, "error: {what}");
    out.flush();
    gate::exit(crate::EXIT_REFUSED)
}

/// What the program's start found.
struct Found {
    own: Own<'static>,
    args: &'static [&'static [u8]],
    root: Option<&'static [u8]>,
}

/// Sorts the arguments and reads the defaults.
fn prepare(words: impl Iterator<Item = &'static [u8]> + Clone, is_machine: bool) -> Option<Found> {
    let list = keep_list(words.clone().count())?;
    list.iter_mut().zip(words).for_each(|(to, word)| *to = word);
    let list: &'static [&'static [u8]] = list;
    let (own, given) = arguments::split(list, is_machine);
    let root = own.root.or(is_machine.then_some(b"/"));
    let defaults = match root {
        Some(root) => files::read_whole(Some(root), b"/app/args").unwrap_or(b""),
        None => b"",
    };
    let mut count = 0;
    merge(defaults, given, |_| count += 1);
    let args = keep_list(count)?;
    let mut places = args.iter_mut();
    merge(defaults, given, |word| {
        if let Some(place) = places.next() {
            *place = word;
        }
    });
    Some(Found { own, args, root })
}

/// The way from the first instruction to the program.
#[unsafe(no_mangle)]
unsafe extern "C" fn bareflow_native_start(stack: *const usize) -> ! {
    // SAFETY: the kernel built the stack as said above.
    let (argc, argv) = unsafe { (stack.read(), stack.add(1).cast::<*const u8>()) };
    // SAFETY: argv has argc words and a null, then comes the environment with its null, then the auxiliary vector.
    let (environment, auxiliary) = unsafe {
        let environment = argv.add(argc + 1);
        let mut end = environment;
        while !end.read().is_null() {
            end = end.add(1);
        }
        (environment, end.add(1).cast::<[usize; 2]>())
    };
    let mut at = auxiliary;
    loop {
        // SAFETY: the vector ends with the key 0.
        let [key, value] = unsafe { at.read() };
        if key == 0 {
            break;
        }
        if key as u64 == formats::gate::AT_BAREFLOW_GATE {
            // SAFETY: the kernel says so; there is one thread.
            unsafe { gate::set(value) };
        }
        // SAFETY: not behind the end yet.
        at = unsafe { at.add(1) };
    }
    cpu::check(&CpuFeatures {
        // SAFETY: the export defines as many words.
        words: unsafe { bareflow_needs },
    });
    // SAFETY: the environment ends with a null; its strings stay.
    let is_machine = unsafe { strings(environment) }.any(|e| e.starts_with(b"BAREFLOW_MACHINE="));
    let started = clock::since_start_ns(is_machine);
    fault::install(auxiliary as usize);
    interrupt::install();
    // SAFETY: argv ends with a null; its strings stay. The first is the program's own name.
    let words = unsafe { strings(argv) }.skip(1);
    let Some(found) = prepare(words, is_machine) else {
        refuse("not enough memory for the program's arguments; give the machine more");
    };
    let host = api::Host {
        args: found.args,
        root: found.root,
        threads: found.own.threads.unwrap_or_else(pool::cpus),
        is_machine,
    };
    // SAFETY: the only thread, and the guest has not started.
    unsafe { api::install(host) };
    if found.own.timings {
        let mut out = Stderr::new();
        let _ = writeln!(
            out,
            "{{\"timings_ms\":{{\"machine\":{is_machine},\"how\":\"native\",\"start_to_main\":{}.{:03}}}}}",
            started / 1_000_000,
            started / 1000 % 1000
        );
        out.flush();
    }
    static mut FIRST: Thread = Thread::new();
    // SAFETY: the first thread's for ever; nothing has set its pointer.
    unsafe { Thread::enter(&raw mut FIRST) };
    if let Some(seconds) = found.own.watchdog
        && !progress::watch(seconds)
    {
        refuse(
            "no memory for the watchdog's thread; give the machine more, or leave out --watchdog",
        );
    }
    // SAFETY: the program's entry.
    let result = progress::guest(|| unsafe { bf_main() });
    // Exit codes are eight bits; more would be cut silently by the system.
    gate::exit(u8::try_from(result).unwrap_or(u8::MAX).into())
}
