//! The ways to end: QEMU's exit device, ACPI power off, reset, halt.
//!
//! ACPI itself is read elsewhere; [`set_registers`] hands over what the FADT and `_S5_` said.

use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::instructions::port::Port;

use super::wait::wait_for;
use crate::memory::dma::map_mmio;
use crate::sync::Mutex;

/// Port of QEMU's `isa-debug-exit`, as `bareflow run` configures it.
const DEBUG_EXIT: u16 = 0xF4;
const KEYBOARD_COMMAND: u16 = 0x64;
const KEYBOARD_INPUT_FULL: u8 = 1 << 1;
const PULSE_RESET: u8 = 0xFE;
const RESET_CONTROL: u16 = 0xCF9;
const SLEEP_ENABLE: u16 = 1 << 13;
const HARDWARE_REDUCED_SLEEP_ENABLE: u8 = 1 << 5;

/// A register named by an ACPI table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// A port.
    Port(u16),
    /// A physical address.
    Memory(u64),
}

/// What ACPI says about turning the machine off. Absent parts are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// `PM1a_CNT_BLK`, 16 bits.
    pub pm1a_control: Option<Register>,
    /// `PM1b_CNT_BLK`, 16 bits.
    pub pm1b_control: Option<Register>,
    /// `SLEEP_CONTROL_REG` of hardware-reduced machines, 8 bits.
    pub sleep_control: Option<Register>,
    /// First element of `_S5_`: the sleep type that means off.
    pub sleep_type_a: u8,
    /// Second element of `_S5_`.
    pub sleep_type_b: u8,
    /// `RESET_REG` and the value that resets.
    pub reset: Option<(Register, u8)>,
}

static REGISTERS: Mutex<Registers> = Mutex::new(Registers {
    pm1a_control: None,
    pm1b_control: None,
    sleep_control: None,
    sleep_type_a: 0,
    sleep_type_b: 0,
    reset: None,
});
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Hands over the ACPI registers.
pub fn set_registers(registers: Registers) {
    *REGISTERS.lock() = registers;
}

/// Finds `_S5_` in the bytes of a DSDT or SSDT and gives its two sleep types.
///
/// The object is always a package of constants (ACPI 6.5, 7.4.2), `Name (_S5_, Package {a, b, ...})`: this reads
/// just that, without an AML interpreter.
pub fn find_s5(table: &[u8]) -> Option<(u8, u8)> {
    const PACKAGE: u8 = 0x12;
    let at = table.windows(5).position(|w| w == b"_S5_\x12")?;
    let package = table.get(at + 4..)?;
    debug_assert_eq!(package.first(), Some(&PACKAGE));
    // Package length: the top two bits of the first byte tell how many bytes follow it. Then the element count.
    let length_bytes = 1 + usize::from(package.get(1)? >> 6);
    let elements = package.get(1 + length_bytes + 1..)?;
    let (a, rest) = small_integer(elements)?;
    let (b, _) = small_integer(rest).unwrap_or((a, &[]));
    Some((a, b))
}

/// An AML integer that fits a byte: ZeroOp, OneOp, BytePrefix.
fn small_integer(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes {
        [value @ (0 | 1), rest @ ..] => Some((*value, rest)),
        [0x0A, value, rest @ ..] => Some((*value, rest)),
        _ => None,
    }
}

fn write8(register: Register, value: u8) {
    match register {
        // SAFETY: the firmware names this port as a power register.
        Register::Port(port) => unsafe { Port::new(port).write(value) },
        Register::Memory(phys) => {
            let pointer = map_mmio(phys, 1);
            // SAFETY: the firmware names this address as a power register; the mapping was just made.
            unsafe { pointer.as_ptr().write_volatile(value) };
        }
    }
}

fn update16(register: Register, change: impl Fn(u16) -> u16) {
    match register {
        Register::Port(port) => {
            let mut port = Port::<u16>::new(port);
            // SAFETY: the firmware names this port as a power register.
            unsafe {
                let value = port.read();
                port.write(change(value));
            }
        }
        Register::Memory(phys) => {
            let pointer = map_mmio(phys, 2).as_ptr().cast::<u16>();
            // SAFETY: the firmware names this address as a power register (naturally aligned, ACPI 6.5, 4.8.4.2).
            unsafe { pointer.write_volatile(change(pointer.read_volatile())) };
        }
    }
}

/// Writes `value` (see `formats::exit`) to `isa-debug-exit`. Returns if there is none.
pub fn debug_exit(value: u32) {
    // SAFETY: the port belongs to the exit device; where it is absent the write has no effect.
    unsafe { Port::new(DEBUG_EXIT).write(value) };
}

/// Turns the machine off by ACPI. Returns if that does not work.
pub fn power_off() {
    let registers = *REGISTERS.lock();
    let pm1 = |register: Register, sleep_type: u8| {
        let with_type = move |value: u16| value & !(7 << 10) | u16::from(sleep_type & 7) << 10;
        update16(register, with_type);
        update16(register, move |value| with_type(value) | SLEEP_ENABLE);
    };
    if let Some(register) = registers.sleep_control {
        write8(
            register,
            (registers.sleep_type_a & 7) << 2 | HARDWARE_REDUCED_SLEEP_ENABLE,
        );
    }
    if let Some(register) = registers.pm1a_control {
        pm1(register, registers.sleep_type_a);
    }
    if let Some(register) = registers.pm1b_control {
        pm1(register, registers.sleep_type_b);
    }
    // Real machines take a moment to go.
    wait_for(1000, || false);
}

/// Restarts the machine, by every way known, the gentlest first. Returns if none works.
pub fn reset() {
    let registers = *REGISTERS.lock();
    if let Some((register, value)) = registers.reset {
        write8(register, value);
        wait_for(100, || false);
    }
    // SAFETY: the reset control register of the PCI host bridge and the keyboard controller's reset line: that the
    // machine restarts is what is asked for.
    unsafe {
        Port::new(RESET_CONTROL).write(0x02_u8);
        Port::new(RESET_CONTROL).write(0x06_u8);
        wait_for(100, || false);
        let mut command = Port::<u8>::new(KEYBOARD_COMMAND);
        wait_for(10, || command.read() & KEYBOARD_INPUT_FULL == 0);
        command.write(PULSE_RESET);
    }
    wait_for(100, || false);
}

/// Ends the machine with `value` as its result: exit device, else power off, else halt.
pub fn exit(value: u32) -> ! {
    if !IS_ENDING.swap(true, Ordering::AcqRel) {
        debug_exit(value);
        power_off();
    }
    halt()
}

/// Stops this CPU.
pub fn halt() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        x86_64::instructions::hlt();
    }
}
