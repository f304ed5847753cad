//! The console: serial port, VGA text and keyboard as one terminal.
//!
//! Text goes to the 16550 at COM1 and, where the machine is in VGA text mode, to the screen; each is left out
//! where it does not exist. Input is polled: [`poll_input`] empties the hardware's FIFOs into a ring and may be
//! called from a timer interrupt; [`try_read`] turns the ring into edited lines (or raw bytes) without waiting.
//! The logic is in the `console` crate; here are the ports, the locks and the order of things.
//!
//! Locks: input before output; output is a leaf. [`begin_panic`] makes both give way, so that the last words get out
//! even if their holder is the one who died.

use core::sync::atomic::{AtomicBool, Ordering};

use ::console::Screen;

use crate::drivers::wait::Deadline;
use crate::sync::Mutex;

mod input;
mod keyboard;
mod serial;
mod vga;

pub use input::{Input, Mode, has_input, on_interrupt, poll_input, set_mode, take_key, try_read};

/// Bytes written under one hold of the lock: other writers get their turn in between.
const CHUNK_BYTES: usize = 1024;

struct Output {
    serial: serial::Serial,
    screen: Screen,
    vga: Option<vga::Vga>,
}

static OUTPUT: Mutex<Output> = Mutex::new(Output {
    serial: serial::Serial::new(),
    screen: Screen::new(),
    vga: None,
});

static PANICKING: AtomicBool = AtomicBool::new(false);

/// Finds the screen and the keyboard. Before this call text goes to the serial port only; the screen then shows
/// what was written so far. Needs `map_mmio`.
pub fn init() {
    let vga = vga::Vga::probe();
    with(&OUTPUT, |output| {
        output.vga = vga;
        output.show();
    });
    input::init();
}

/// Writes text (UTF-8, escape sequences, `\n` ends a line) to serial port and screen. When it returns the text has
/// left the machine.
pub fn write(bytes: &[u8]) {
    for chunk in bytes.chunks(CHUNK_BYTES) {
        with(&OUTPUT, |output| output.write(chunk));
    }
}

/// Writes bytes to the serial port and not to the screen.
pub fn write_serial(bytes: &[u8]) {
    for chunk in bytes.chunks(CHUNK_BYTES) {
        with(&OUTPUT, |output| output.serial.write(chunk));
    }
}

/// From now on a lock that stays taken is broken: called first thing by whoever prints last words.
pub fn begin_panic() {
    PANICKING.store(true, Ordering::Release);
}

impl Output {
    fn write(&mut self, bytes: &[u8]) {
        self.serial.write(bytes);
        self.screen.write(bytes);
        self.show();
    }

    fn show(&mut self) {
        if let Some(vga) = &mut self.vga {
            vga.show(&mut self.screen);
        }
    }
}

/// Runs `f` under a lock of the console; while panicking, a lock that is not released within 100 ms is broken.
fn with<T, R>(mutex: &Mutex<T>, f: impl FnOnce(&mut T) -> R) -> R {
    if !PANICKING.load(Ordering::Acquire) {
        return f(&mut mutex.lock());
    }
    let deadline = Deadline::after_ms(100);
    loop {
        if let Some(mut guard) = mutex.try_lock() {
            return f(&mut guard);
        }
        if deadline.is_over() {
            // SAFETY: (1) the machine is ending: the holder is this CPU's own interrupted code or a CPU that no longer
            // runs; (2) what the lock protects is valid at every instruction (integers, arrays, no references
            // handed out), at worst a line of text is garbled.
            unsafe { mutex.force_unlock() };
        }
        core::hint::spin_loop();
    }
}
