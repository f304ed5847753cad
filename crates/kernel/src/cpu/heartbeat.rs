//! A heartbeat for programs that switch interrupts off: the PIT as non-maskable interrupt.
//!
//! The old interval timer is wired to an input of the I/O APIC, whose redirection table can deliver it as NMI. It beats 18
//! times a second on the first processor, only while a boot slot is on trial. A machine without PIT or I/O APIC has no
//! heartbeat.
//!
//! Sources: Intel 82093AA I/O APIC, 3.2.4; Intel 8254; ACPI 6.5, 5.2.12.3 and 5.2.12.5.

use crate::memory::dma::map_mmio;
use crate::sync::Mutex;
use core::ptr::NonNull;
use x86_64::instructions::port::Port;

/// Registers of the I/O APIC: an index at 0, its data at 0x10; table entries are two registers each from 0x10 on.
const DATA: usize = 0x10;
const TABLE: u32 = 0x10;
const WINDOW: usize = 0x20;
const MASKED: u32 = 1 << 16;
const DELIVER_NMI: u32 = 4 << 8;
/// Channel 0, both bytes, rate generator.
const PIT_RATE: u8 = 0x34;

/// Where the PIT arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Physical address of the I/O APIC's registers.
    pub io_apic: u64,
    /// Input of that I/O APIC.
    pub input: u32,
}

struct Line {
    registers: NonNull<u8>,
    input: u32,
}

// SAFETY: device registers, used under the lock only.
unsafe impl Send for Line {}

static LINE: Mutex<Option<Line>> = Mutex::new(None);

/// Hands over what ACPI says.
pub fn set_route(route: Option<Route>) {
    *LINE.lock() = route.map(|route| Line {
        registers: map_mmio(route.io_apic, WINDOW),
        input: route.input,
    });
}

impl Line {
    fn write(&self, register: u32, value: u32) {
        // SAFETY: the window that `set_route` mapped; both registers are 32 bits wide.
        unsafe {
            self.registers
                .as_ptr()
                .cast::<u32>()
                .write_volatile(register);
            self.registers
                .as_ptr()
                .add(DATA)
                .cast::<u32>()
                .write_volatile(value);
        }
    }
}

/// Starts the heartbeat on the processor with this local APIC.
pub fn start(apic_id: u32) {
    let line = LINE.lock();
    let (Some(line), Ok(apic_id)) = (line.as_ref(), u8::try_from(apic_id)) else {
        return;
    };
    // SAFETY: the PIT's registers; a divisor of 0 means 65,536.
    unsafe {
        Port::<u8>::new(0x43).write(PIT_RATE);
        Port::<u8>::new(0x40).write(0);
        Port::<u8>::new(0x40).write(0);
    }
    let entry = TABLE + 2 * line.input;
    line.write(entry + 1, u32::from(apic_id) << 24);
    line.write(entry, DELIVER_NMI);
}

/// Stops it. One beat may still be on its way.
pub fn stop() {
    if let Some(line) = LINE.lock().as_ref() {
        line.write(TABLE + 2 * line.input, MASKED);
    }
}
