//! The serial port COM1, a 16550 with FIFOs.
//!
//! Sending: when the transmitter is empty (`LSR.TEMT`) all 16 places of the FIFO are free, so one look at the line
//! status serves 16 bytes. A write returns when its last byte has left: the machine may be switched off right after.
//! A host that does not read makes the transmitter stay busy; after [`STALL_MS`] without progress bytes are dropped
//! until the port moves again: the machine must not hang because nobody looks.
//!
//! Receiving: switching the FIFOs on empties the receiver. What was typed or piped in before is taken first, until
//! nothing comes for [`QUIET_MS`]; if more comes than [`EARLY_BYTES`], the FIFOs stay off, which is slow and loses nothing
//! where the sender can be held back, as in QEMU.
//!
//! Source: National Semiconductor PC16550D data sheet.

use ::console::ByteRing;
use x86_64::instructions::port::Port;

use crate::drivers::wait::wait_for;
use crate::sync::Mutex;

const COM1: u16 = 0x3F8;
const FIFO_BYTES: u8 = 16;
const STALL_MS: u64 = 20_000;
const EARLY_BYTES: usize = 4096;
/// Longer than a host takes from one byte to the next.
const QUIET_MS: u64 = 20;

const LINE_STATUS_DATA_READY: u8 = 1 << 0;
const LINE_STATUS_EMPTY: u8 = 1 << 6;
const LINE_CONTROL_8N1: u8 = 0x03;
const LINE_CONTROL_DIVISOR: u8 = 0x80;
/// FIFOs on, receive trigger at 14 bytes; nothing cleared on purpose.
const FIFO_CONTROL: u8 = 0xC1;
/// DTR, RTS, OUT2.
const MODEM_CONTROL: u8 = 0x0B;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unprobed,
    Absent,
    Working,
    Stalled,
}

/// The sending side of the port.
pub struct Serial {
    state: State,
    /// Places for bytes to be sent: of the FIFO, or the one without it.
    places: u8,
    /// Those that are free for certain.
    room: u8,
    last: u8,
}

fn port(register: u16) -> Port<u8> {
    Port::new(COM1 + register)
}

fn read(register: u16) -> u8 {
    // SAFETY: COM1's registers; reading them has no effect on memory.
    unsafe { port(register).read() }
}

fn write(register: u16, value: u8) {
    // SAFETY: COM1's registers; the port does not access memory.
    unsafe { port(register).write(value) }
}

impl Serial {
    /// A port that is probed at its first use.
    pub const fn new() -> Self {
        Self {
            state: State::Unprobed,
            places: 1,
            room: 0,
            last: 0,
        }
    }

    fn probe(&mut self) {
        if self.state == State::Unprobed {
            self.state = if is_port_present() {
                self.places = if set_up() { FIFO_BYTES } else { 1 };
                State::Working
            } else {
                State::Absent
            };
        }
    }

    /// Sends text; a line feed without carriage return gets one.
    pub fn write(&mut self, bytes: &[u8]) {
        self.probe();
        if self.state == State::Absent {
            return;
        }
        for &byte in bytes {
            if byte == b'\n' && self.last != b'\r' {
                self.send(b'\r');
            }
            self.send(byte);
            self.last = byte;
        }
        self.wait_until_empty();
    }

    fn send(&mut self, byte: u8) {
        if self.room == 0 {
            self.wait_until_empty();
        }
        if self.state == State::Working {
            self.room -= 1;
            write(0, byte);
        }
    }

    fn wait_until_empty(&mut self) {
        let is_empty = || read(5) & LINE_STATUS_EMPTY != 0;
        let ms = if self.state == State::Stalled {
            0
        } else {
            STALL_MS
        };
        self.state = if is_empty() || wait_for(ms, is_empty) {
            self.room = self.places;
            State::Working
        } else {
            self.room = 0;
            State::Stalled
        };
    }
}

/// The scratch register keeps what is written to it only if there is a chip.
fn is_port_present() -> bool {
    [0x5A, 0xA5].into_iter().all(|pattern| {
        write(7, pattern);
        read(7) == pattern
    }) && read(5) != 0xFF
}

/// What had arrived before the FIFOs were switched on.
static EARLY: Mutex<ByteRing<EARLY_BYTES>> = Mutex::new(ByteRing::new());

/// 115,200 baud, 8N1, interrupts off; whether the FIFOs are on.
fn set_up() -> bool {
    write(1, 0);
    write(3, LINE_CONTROL_DIVISOR);
    write(0, 1);
    write(1, 0);
    write(3, LINE_CONTROL_8N1);
    let is_quiet = take_early();
    if is_quiet {
        write(2, FIFO_CONTROL);
    }
    write(4, MODEM_CONTROL);
    is_quiet
}

/// Takes what has arrived and what follows it; false if there is more than there is room for.
fn take_early() -> bool {
    let mut early = EARLY.lock();
    while has_arrived() {
        if early.free() == 0 {
            return false;
        }
        early.push(read(0));
        wait_for(QUIET_MS, has_arrived);
    }
    true
}

/// The next byte received, if there is one. Only for the holder of the input lock.
pub fn receive() -> Option<u8> {
    let early = EARLY.lock().pop();
    early.or_else(|| has_arrived().then(|| read(0)))
}

fn has_arrived() -> bool {
    let status = read(5);
    status != 0xFF && status & LINE_STATUS_DATA_READY != 0
}
