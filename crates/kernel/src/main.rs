//! The kernel: a library of access to the processor, a pager and a boot manager.
//!
//! ```text
//! boot   entry by PVH, Multiboot2 or stage 2 -> BootInfo
//! memory frames, page tables, heap, stacks, the payload's address space
//! cpu    descriptor tables, traps, vector state, local APIC, other CPUs
//! time   the TSC and its frequency
//! sched  threads on all CPUs, futexes
//! linux  the system calls of a static glibc program
//! boot_manager   which payload is started, and whether it proves itself
//! loader the payload, from the volume into memory
//! drivers, console   disks; serial port, screen, keyboard
//! ```
//!
//! There is no user mode: kernel and payload share ring 0 and one address space. The kernel runs with interrupts
//! off, on stacks of its own; the payload is interrupted by timers only.

#![no_std]
#![no_main]

extern crate alloc;

mod acpi;
mod boot;
mod boot_manager;
mod console;
mod coverage;
mod cpu;
mod drivers;
mod exit;
mod fault;
mod linux;
mod loader;
mod log;
mod memory;
mod options;
mod power;
mod sched;
mod symbols;
mod sync;
mod time;
mod trace;

use acpi::Acpi;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use cpu::percpu;
use cpu::trap::Frame;
use drivers::{Machine, wait};
use formats::boot::{BootInfo, BootPath};
use formats::exit::Reason;
use formats::options::{DEFAULT_PAYLOAD, KernelOptions};
use linux::file::Disk;
use loader::Origin;
use memory::stack::KernelStack;
use sched::Thread;
use store::fat::Volume;
use store::partition;

/// This kernel serves all stages of a machine. The small one serves the last: a payload inside it, or a plain file.
pub const ALL_STAGES: bool = cfg!(feature = "stages");

/// First Rust code: `kind` is 1 for PVH, 2 for Multiboot2, 3 for stage 2, else unknown. On the boot stack and tables.
extern "C" fn enter(kind: u32, info: u64, entry_cycles: u64) -> ! {
    time::set_entry(entry_cycles);
    // SAFETY: the boot tables are active and nothing was allocated yet.
    let info = unsafe {
        match kind {
            1 => boot::info::from_start_info(BootPath::Pvh, info),
            2 => Ok(boot::info::from_multiboot2(info)),
            3 => boot::info::from_start_info(BootPath::BiosDisk, info),
            _ => {
                error!("boot: entered by a loader that is neither PVH, Multiboot2 nor stage 2");
                exit::failure(Reason::KernelPanic)
            }
        }
    };
    let info = match info {
        Ok(info) => info,
        Err(error) => {
            error!("boot: {error}");
            exit::failure(Reason::KernelPanic)
        }
    };
    // SAFETY: called once, with the boot tables active.
    if let Err(what) = unsafe { memory::init(&info) } {
        error!(
            "boot: {what}; the loader reports {} KiB",
            info.usable_bytes() / 1024
        );
        exit::failure(Reason::OutOfMemory)
    }
    let Some(stack) = KernelStack::new() else {
        error!("boot: no memory for a stack");
        exit::failure(Reason::OutOfMemory)
    };
    let info = Box::leak(Box::new(info));
    // SAFETY: the stack is fresh and never freed; nothing of the old one is used any more.
    unsafe {
        core::arch::asm!(
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "call {main}",
            stack = in(reg) core::mem::ManuallyDrop::new(stack).top(),
            main = sym main,
            in("rdi") core::ptr::from_ref::<BootInfo>(info),
            options(noreturn),
        )
    }
}

/// The rest of the boot, on a stack with a guard page.
extern "C" fn main(info: &'static BootInfo) -> ! {
    cpu::fpu::init();
    // SAFETY: the first and only call on this CPU, with the final tables active and interrupts off.
    unsafe { percpu::activate(percpu::prepare(0, cpu::cpuid(1, 0).ebx >> 24)) };
    cpu::syscall::init();
    stamp("memory");
    let early = options::Early::read(info.command_line());
    log::set_level(early.log());
    cpu::lapic::init(true);
    let acpi = Acpi::read(info.rsdp());
    power::set_registers(acpi.power);
    cpu::heartbeat::set_route(acpi.pit);
    stamp("firmware");
    let calibration = time::calibrate(&acpi);
    stamp("clock");
    wait::set_tsc_hz(time::khz() * 1000);
    console::init();
    time::init_wall_clock();
    stamp("console");
    info!(
        "BareFlow {} by {}: {} MiB, {}",
        env!("CARGO_PKG_VERSION"),
        info.path().name(),
        info.usable_bytes() >> 20,
        cpu::describe()
    );
    cpu::smp::start(info, &acpi.processors, early.cpus());
    stamp("processors");
    debug!(
        "cpu: {} of {} processors run",
        percpu::count(),
        acpi.processors.len().max(1)
    );
    let disks = drivers::init(&Machine {
        ecam: acpi.ecam,
        command_line: info.command_line(),
    });
    stamp("drivers");
    calibration.finish();
    wait::set_tsc_hz(time::khz() * 1000);
    linux::file::start(find_volume(disks));
    stamp("volume");
    let (options, args) = early.finish();
    log::set_level(options.log);
    start_payload(&options, &args)
}

/// Notes in the trace that a step of the boot is done.
fn stamp(step: &'static str) {
    trace::event(step, 0);
}

/// The first FAT volume on any disk.
fn find_volume(disks: Vec<drivers::Disk>) -> Option<Disk> {
    for disk in disks {
        let mounted = match partition::open_fat(disk.device) {
            Ok(slice) => {
                let device: Box<dyn store::block::BlockDevice + Send> = Box::new(slice);
                Volume::mount(device)
            }
            Err(error) => {
                info!("{}: {error}", disk.name);
                continue;
            }
        };
        match mounted {
            Ok(volume) => {
                debug!(
                    "{}: {:?} volume, {} MiB",
                    disk.name,
                    volume.kind(),
                    volume.capacity_bytes() >> 20
                );
                return Some(volume);
            }
            Err(error) => info!("{}: {error}", disk.name),
        }
    }
    None
}

/// Loads the payload, makes its first thread, and becomes the idle loop of this CPU.
fn start_payload(options: &KernelOptions, args: &[String]) -> ! {
    let mut all = Vec::with_capacity(args.len() + 1);
    all.push(String::from("runtime"));
    all.extend_from_slice(args);
    let loaded = match boot::embedded() {
        Some(bytes) if options.payload == DEFAULT_PAYLOAD => {
            loader::load(Origin::Embedded(bytes), &all, options.coverage)
        }
        _ if ALL_STAGES => boot_manager::load(options, &all),
        _ => loader::load(Origin::File(&options.payload), &all, false),
    };
    let start = match loaded {
        Ok(start) => start,
        Err(error) => {
            error!("boot: payload {}: {error}", loader::payload_path());
            exit::failure(Reason::BadPayload)
        }
    };
    stamp("payload");
    let Some(thread) = Thread::new(Frame::new(start.entry, start.rsp), 0) else {
        error!("boot: no memory for the payload's first thread");
        exit::failure(Reason::OutOfMemory)
    };
    linux::start();
    let us = time::now_ns() / 1000;
    info!("boot: {}.{:03} ms to payload entry", us / 1000, us % 1000);
    if log::enabled(log::LogLevel::Debug) {
        trace::print(40);
    }
    sched::enable_preemption();
    sched::spawn(thread);
    sched::idle_loop()
}
