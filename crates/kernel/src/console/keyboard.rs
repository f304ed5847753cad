//! The PS/2 keyboard behind an i8042 controller, polled.
//!
//! The controller translates to scan code set 1. It is reset into a known state, every wait is bounded, and a
//! machine without one (reads give 0xFF) has no keyboard.
//!
//! Source: IBM PS/2 technical reference, keyboard and auxiliary device controller.

use ::console::{EncodedKey, KeyboardDecoder};
use x86_64::instructions::port::Port;

use crate::drivers::wait::{Deadline, relax};

const DATA: u16 = 0x60;
const COMMAND: u16 = 0x64;

const STATUS_OUTPUT_FULL: u8 = 1 << 0;
const STATUS_INPUT_FULL: u8 = 1 << 1;
/// The byte comes from the mouse.
const STATUS_AUXILIARY: u8 = 1 << 5;

const READ_CONFIGURATION: u8 = 0x20;
const WRITE_CONFIGURATION: u8 = 0x60;
const DISABLE_MOUSE: u8 = 0xA7;
const DISABLE_KEYBOARD: u8 = 0xAD;
const ENABLE_KEYBOARD: u8 = 0xAE;
const KEYBOARD_ENABLE_SCANNING: u8 = 0xF4;
const KEYBOARD_ACKNOWLEDGE: u8 = 0xFA;

const CONFIGURATION_INTERRUPTS: u8 = 0b11;
const CONFIGURATION_KEYBOARD_OFF: u8 = 1 << 4;
const CONFIGURATION_TRANSLATE: u8 = 1 << 6;

const WAIT_MS: u64 = 50;
/// More bytes than any controller keeps: a controller that always has one more is none.
const DRAIN_LIMIT: usize = 64;

/// The keyboard.
pub struct Keyboard {
    decoder: KeyboardDecoder,
}

fn status() -> u8 {
    // SAFETY: the controller's status register; reading has no effect.
    unsafe { Port::new(COMMAND).read() }
}

fn data() -> u8 {
    // SAFETY: reading takes one byte out of the controller; no memory is involved.
    unsafe { Port::new(DATA).read() }
}

fn wait_until(condition: impl Fn(u8) -> bool) -> bool {
    let deadline = Deadline::after_ms(WAIT_MS);
    while !condition(status()) {
        if deadline.is_over() {
            return false;
        }
        relax();
    }
    true
}

fn send(port: u16, value: u8) -> bool {
    let is_ready = wait_until(|status| status & STATUS_INPUT_FULL == 0);
    if is_ready {
        // SAFETY: a command or data byte for the controller; none of those sent here resets the machine.
        unsafe { Port::new(port).write(value) };
    }
    is_ready
}

fn receive() -> Option<u8> {
    wait_until(|status| status & STATUS_OUTPUT_FULL != 0).then(data)
}

/// Empties the controller; `false` if it never gets empty.
fn drain() -> bool {
    (0..DRAIN_LIMIT).any(|_| {
        let is_empty = status() & STATUS_OUTPUT_FULL == 0;
        if !is_empty {
            data();
        }
        is_empty
    })
}

impl Keyboard {
    /// The keyboard, if the controller answers.
    pub fn probe() -> Option<Self> {
        if status() == 0xFF {
            return None;
        }
        let is_quiet = send(COMMAND, DISABLE_KEYBOARD) && send(COMMAND, DISABLE_MOUSE) && drain();
        if !is_quiet || !send(COMMAND, READ_CONFIGURATION) {
            return None;
        }
        let found = receive()?;
        let wanted = found & !(CONFIGURATION_INTERRUPTS | CONFIGURATION_KEYBOARD_OFF)
            | CONFIGURATION_TRANSLATE;
        let is_configured = send(COMMAND, WRITE_CONFIGURATION)
            && send(DATA, wanted)
            && send(COMMAND, ENABLE_KEYBOARD)
            && send(DATA, KEYBOARD_ENABLE_SCANNING);
        if !is_configured {
            return None;
        }
        // A controller whose keyboard was unplugged does not acknowledge; it may be plugged in later.
        if let Some(answer) = receive()
            && answer != KEYBOARD_ACKNOWLEDGE
        {
            drain();
        }
        Some(Self {
            decoder: KeyboardDecoder::new(),
        })
    }

    /// The next key pressed, as terminal bytes; `None` when the controller has nothing more.
    pub fn poll(&mut self) -> Option<EncodedKey> {
        let status = status();
        if status == 0xFF || status & STATUS_OUTPUT_FULL == 0 {
            return None;
        }
        let code = data();
        Some(if status & STATUS_AUXILIARY == 0 {
            self.decoder.push(code)
        } else {
            EncodedKey::default()
        })
    }
}
