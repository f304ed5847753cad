//! A kernel that does nothing but try the kernel's drivers and console.
//!
//! It takes the kernel's own modules by path, gives them the simplest memory there can be, and does what its command
//! line says; `tests/machine.rs` boots it on many machines and judges what it prints. So a driver is tested on
//! its own: with hostile disks, odd buffers and every controller, without a file system or a program above it.

#![no_std]
#![no_main]
// The kernel uses more of its modules than the checks do.
#![allow(dead_code, unused_imports)]

extern crate alloc;

mod boot;
mod checks;
#[path = "../../src/console/mod.rs"]
mod console;
#[path = "../../src/drivers/mod.rs"]
mod drivers;
mod memory;

/// The kernel's locks, without its other CPUs.
mod sync {
    /// Waiting answers nobody.
    pub struct Answer;

    impl spin::relax::RelaxStrategy for Answer {
        fn relax() {
            core::hint::spin_loop();
        }
    }

    /// A spin lock.
    pub type Mutex<T> = spin::mutex::SpinMutex<T, Answer>;
}

/// What the kernel's macros print, whatever the level.
#[macro_export]
macro_rules! say {
    ($($arg:tt)*) => {
        $crate::console::write(alloc::format!("{}\n", format_args!($($arg)*)).as_bytes())
    };
}

/// The kernel's macro of this name.
#[macro_export]
macro_rules! info { ($($arg:tt)*) => { $crate::say!($($arg)*) }; }
/// The kernel's macro of this name.
#[macro_export]
macro_rules! debug { ($($arg:tt)*) => { $crate::say!($($arg)*) }; }
/// The kernel's macro of this name.
#[macro_export]
macro_rules! error { ($($arg:tt)*) => { $crate::say!($($arg)*) }; }

/// QEMU exits with twice this and one.
const PASSED: u32 = 0x40;
const PANICKED: u32 = 0x10;

fn exit(value: u32) -> ! {
    // SAFETY: the port of isa-debug-exit, which every test machine has.
    unsafe { x86_64::instructions::port::Port::new(0xF4).write(value) };
    loop {
        x86_64::instructions::hlt();
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    console::begin_panic();
    say!("PANIC {info}");
    exit(PANICKED)
}

/// First Rust code; `start_info` is the `hvm_start_info` of PVH.
#[unsafe(no_mangle)]
extern "C" fn enter(start_info: u64) -> ! {
    const COMMAND_LINE: u64 = 24;
    // SAFETY: PVH puts a structure with the address of a NUL-terminated string there.
    let command_line = unsafe {
        let text = *memory::phys_to_virt(start_info + COMMAND_LINE).cast::<u64>();
        core::ffi::CStr::from_ptr(memory::phys_to_virt(text).cast())
    };
    checks::run(command_line.to_str().unwrap_or_default());
    exit(PASSED)
}
