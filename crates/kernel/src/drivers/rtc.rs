//! The CMOS clock: wall-clock time at boot.
//!
//! Source: Motorola MC146818A data sheet; the century is taken as the 21st.

use x86_64::instructions::port::Port;

use super::wait::wait_for;

const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
/// Keeps non-maskable interrupts off while an index is selected, as the firmware leaves it.
const NMI_OFF: u8 = 0x80;
const STATUS_A: u8 = 0x0A;
const STATUS_B: u8 = 0x0B;
const STATUS_D: u8 = 0x0D;
const UPDATE_IN_PROGRESS: u8 = 1 << 7;
const BINARY: u8 = 1 << 2;
const HOURS_24: u8 = 1 << 1;
const AFTERNOON: u8 = 1 << 7;

fn read(register: u8) -> u8 {
    // SAFETY: CMOS index and data ports; only reads of the clock are done.
    unsafe {
        Port::new(INDEX).write(register | NMI_OFF);
        Port::new(DATA).read()
    }
}

fn restore_nmi() {
    // SAFETY: selects a register without NMI mask; nothing is written to the clock.
    unsafe {
        Port::new(INDEX).write(STATUS_D);
        let _: u8 = Port::new(DATA).read();
    }
}

/// Second, minute, hour, day, month, year of century, as the registers hold them.
fn read_registers() -> [u8; 6] {
    [0, 2, 4, 7, 8, 9].map(read)
}

/// Seconds since 1970-01-01 00:00 UTC (the clock is taken to run in UTC); `None` without a clock or with
/// a time that cannot be.
pub fn unix_seconds() -> Option<u64> {
    let is_idle = || read(STATUS_A) & UPDATE_IN_PROGRESS == 0;
    let mut found = None;
    // Two equal readings: no update fell between the registers.
    for _ in 0..10 {
        if !wait_for(1500, is_idle) {
            break;
        }
        let registers = read_registers();
        if registers == read_registers() {
            found = Some(registers);
            break;
        }
    }
    let status = read(STATUS_B);
    restore_nmi();
    decode(found?, status)
}

fn decode(registers: [u8; 6], status: u8) -> Option<u64> {
    let number = |value: u8| {
        if status & BINARY != 0 {
            Some(value)
        } else {
            (value & 0x0F < 10).then_some((value >> 4) * 10 + (value & 0x0F))
        }
    };
    let [second, minute, hour, day, month, year] = registers;
    let mut hour_number = number(hour & !AFTERNOON)?;
    if status & HOURS_24 == 0 {
        hour_number = hour_number % 12 + if hour & AFTERNOON != 0 { 12 } else { 0 };
    }
    let (second, minute) = (number(second)?, number(minute)?);
    let (day, month, year) = (
        number(day)?,
        number(month)?,
        2000 + u64::from(number(year)?),
    );
    if second > 59
        || minute > 59
        || hour_number > 23
        || !(1..=31).contains(&day)
        || !(1..=12).contains(&month)
    {
        return None;
    }
    let days = days_since_1970(year, u64::from(month), u64::from(day));
    Some(((days * 24 + u64::from(hour_number)) * 60 + u64::from(minute)) * 60 + u64::from(second))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar from 2000 on: years count from March, so that the leap day
/// is the last of its year.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_year = (153 * month + 2) / 5 + day - 1;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_and_bcd_and_twelve_hours() {
        // 2026-11-21 03:20:19 UTC.
        let expected = Some(1_795_231_219);
        assert_eq!(decode([19, 20, 3, 21, 11, 26], BINARY | HOURS_24), expected);
        assert_eq!(
            decode([0x19, 0x20, 0x03, 0x21, 0x11, 0x26], HOURS_24),
            expected
        );
        assert_eq!(decode([0x19, 0x20, 0x03, 0x21, 0x11, 0x26], 0), expected);
        let afternoon = decode([0x19, 0x20, 0x03 | AFTERNOON, 0x21, 0x11, 0x26], 0);
        assert_eq!(afternoon, expected.map(|seconds| seconds + 12 * 3600));
        let midnight = decode([0x19, 0x20, 0x12, 0x21, 0x11, 0x26], 0);
        assert_eq!(midnight, expected.map(|seconds| seconds - 3 * 3600));
    }

    #[test]
    fn leap_days() {
        let day = |month, day, year| decode([0, 0, 0, day, month, year], BINARY | HOURS_24);
        assert_eq!(day(1, 1, 0), Some(946_684_800));
        assert_eq!(day(2, 29, 24), Some(1_709_164_800));
        assert_eq!(day(3, 1, 24), Some(1_709_164_800 + 86_400));
        assert_eq!(day(12, 31, 99), Some(4_102_358_400));
    }

    #[test]
    fn times_that_cannot_be_are_refused() {
        let status = BINARY | HOURS_24;
        assert_eq!(decode([0xFF; 6], status), None, "no clock at all");
        assert_eq!(decode([0xFF; 6], 0), None);
        assert_eq!(decode([0, 0, 0, 0, 1, 26], status), None);
        assert_eq!(decode([0, 0, 24, 1, 1, 26], status), None);
    }
}
