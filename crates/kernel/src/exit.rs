//! How the machine ends.

use crate::cpu::{halt_forever, idt, lapic, percpu};
use crate::power;
use core::sync::atomic::{AtomicBool, Ordering};
use formats::exit::Reason;
use x86_64::instructions::interrupts;

static ENDING: AtomicBool = AtomicBool::new(false);

/// The program ended with `code`.
pub fn program(code: i32) -> ! {
    interrupts::disable();
    if ENDING.swap(true, Ordering::SeqCst) {
        halt_forever();
    }
    crate::boot_manager::program_ends(code);
    crate::linux::file::sync_all();
    stop_others();
    crate::trace::print_counters();
    crate::loader::cold::print_summary();
    crate::info!("exit: the program ended with code {code}");
    power::end(Reason::of_payload(
        u8::try_from(code & 0xFF).unwrap_or(u8::MAX),
    ))
}

/// The program wants the machine to start again.
pub fn restart() -> ! {
    interrupts::disable();
    if ENDING.swap(true, Ordering::SeqCst) {
        halt_forever();
    }
    crate::linux::file::sync_all();
    stop_others();
    crate::info!("exit: the machine starts again");
    power::reset()
}

/// The machine cannot go on. Whatever is to be said was said.
pub fn failure(reason: Reason) -> ! {
    interrupts::disable();
    if !ENDING.swap(true, Ordering::SeqCst) {
        stop_others();
    }
    crate::boot_manager::reset_on_trial();
    power::end(reason)
}

/// Stops the other CPUs.
pub fn stop_others() {
    if percpu::ready() && percpu::count() > 1 {
        lapic::send_to_others(idt::STOP);
    }
}
