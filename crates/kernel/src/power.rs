//! Ending the machine: QEMU's exit device, ACPI power off, halt.
//!
//! ACPI is read elsewhere; [`set_registers`] hands over what the FADT and `_S5_` said.

use crate::cpu::{halt_forever, rdtsc};
use crate::memory::dma::map_mmio;
use crate::sync::Mutex;
use crate::time;
use formats::exit::{DEBUG_EXIT_PORT, Reason};
use x86_64::VirtAddr;
use x86_64::instructions::port::Port;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

const SLEEP_ENABLE: u16 = 1 << 13;
const REDUCED_SLEEP_ENABLE: u8 = 1 << 5;

/// A register named by an ACPI table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// A port.
    Port(u16),
    /// A physical address.
    Memory(u64),
}

/// What ACPI says about switching the machine off. Absent parts are `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// `PM1a_CNT_BLK`, 16 bits.
    pub pm1a_control: Option<Register>,
    /// `PM1b_CNT_BLK`, 16 bits.
    pub pm1b_control: Option<Register>,
    /// `SLEEP_CONTROL_REG` of hardware-reduced machines, 8 bits.
    pub sleep_control: Option<Register>,
    /// `RESET_REG` and the value to write to it.
    pub reset: Option<(Register, u8)>,
    /// First element of `_S5_`: the sleep type that means off.
    pub sleep_type_a: u8,
    /// Second element of `_S5_`.
    pub sleep_type_b: u8,
}

static REGISTERS: Mutex<Option<Registers>> = Mutex::new(None);

/// Hands over the ACPI registers.
pub fn set_registers(registers: Registers) {
    *REGISTERS.lock() = Some(registers);
}

/// Finds `_S5_` in the bytes of a DSDT and gives its two sleep types.
///
/// The object is a package of constants (ACPI 6.5, 7.4.2): this reads just that, without an AML interpreter.
pub fn find_s5(table: &[u8]) -> Option<(u8, u8)> {
    let at = table.windows(5).position(|window| window == b"_S5_\x12")?;
    let package = table.get(at + 5..)?;
    // Package length: the top two bits of its first byte tell how many bytes follow it. Then the element count.
    let length_bytes = 1 + usize::from(package.first()? >> 6);
    let (a, rest) = small_integer(package.get(length_bytes + 1..)?)?;
    Some((a, small_integer(rest).map_or(a, |(b, _)| b)))
}

/// An AML integer that fits a byte: ZeroOp, OneOp, BytePrefix.
fn small_integer(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes {
        [value @ (0 | 1), rest @ ..] => Some((*value, rest)),
        [0x0A, value, rest @ ..] => Some((*value, rest)),
        _ => None,
    }
}

fn update16(register: Register, change: impl Fn(u16) -> u16) {
    match register {
        // SAFETY: the firmware names this port as a power register.
        Register::Port(port) => unsafe {
            let mut port = Port::<u16>::new(port);
            let value = port.read();
            port.write(change(value));
        },
        Register::Memory(phys) => {
            let pointer = map_mmio(phys, 2).as_ptr().cast::<u16>();
            // SAFETY: the firmware names this address as a power register.
            unsafe { pointer.write_volatile(change(pointer.read_volatile())) };
        }
    }
}

/// Switches the machine off by ACPI. Returns if that does not work.
fn power_off() {
    let Some(registers) = REGISTERS.try_lock().and_then(|registers| *registers) else {
        return;
    };
    let value = (registers.sleep_type_a & 7) << 2 | REDUCED_SLEEP_ENABLE;
    match registers.sleep_control {
        // SAFETY: the firmware names this port as a power register.
        Some(Register::Port(port)) => unsafe { Port::new(port).write(value) },
        // SAFETY: the firmware names this address as a power register.
        Some(Register::Memory(phys)) => unsafe { map_mmio(phys, 1).as_ptr().write_volatile(value) },
        None => {}
    }
    let pm1 = [
        (registers.pm1a_control, registers.sleep_type_a),
        (registers.pm1b_control, registers.sleep_type_b),
    ];
    for (register, kind) in pm1 {
        if let Some(register) = register {
            let typed = move |value: u16| value & !(7 << 10) | u16::from(kind & 7) << 10;
            update16(register, typed);
            update16(register, move |value| typed(value) | SLEEP_ENABLE);
        }
    }
    // Real machines take a moment to go.
    let end = rdtsc() + time::ns_to_cycles(1_000_000_000);
    while rdtsc() < end {
        core::hint::spin_loop();
    }
}

/// Resets the machine: ACPI's register, the chipset's, the keyboard controller's line, a triple fault.
pub fn reset() -> ! {
    let named = REGISTERS
        .try_lock()
        .and_then(|registers| registers.as_ref()?.reset);
    match named {
        // SAFETY: the firmware names this port as the reset register.
        Some((Register::Port(port), value)) => unsafe { Port::new(port).write(value) },
        // SAFETY: the firmware names this address as the reset register.
        Some((Register::Memory(phys), value)) => unsafe {
            map_mmio(phys, 1).as_ptr().write_volatile(value);
        },
        None => {}
    }
    wait_a_moment();
    // SAFETY: reset control of PCI chipsets (0xCF9: full reset) and of the keyboard controller (pulse its output 0); where
    // they are missing nothing listens.
    unsafe {
        Port::<u8>::new(0xCF9).write(0x02);
        Port::<u8>::new(0xCF9).write(0x06);
        wait_a_moment();
        Port::<u8>::new(0x64).write(0xFE);
    }
    wait_a_moment();
    let none = DescriptorTablePointer {
        limit: 0,
        base: VirtAddr::zero(),
    };
    // SAFETY: the machine is given up: without a table the next exception is a triple fault, which resets.
    unsafe {
        lidt(&none);
        core::arch::asm!("ud2", options(noreturn));
    }
}

/// 20 milliseconds: what answers, answers at once.
fn wait_a_moment() {
    let end = rdtsc() + time::ns_to_cycles(20_000_000);
    while rdtsc() < end {
        core::hint::spin_loop();
    }
}

/// Ends the machine: exit device, else power off, else halt.
pub fn end(reason: Reason) -> ! {
    // SAFETY: the port of isa-debug-exit; where the device is missing nothing listens.
    unsafe { Port::<u32>::new(DEBUG_EXIT_PORT).write(reason.value().into()) };
    power_off();
    halt_forever()
}
