//! QEMU's firmware configuration device: files that the host hands over.
//!
//! Selector port 0x510, data port 0x511, files listed under selector 0x19 (big-endian). The files read here are
//! option texts, so the data port is fast enough; what DMA would save is less than setting it up.
//!
//! Source: QEMU, docs/specs/fw_cfg.rst.

use alloc::vec::Vec;

use x86_64::instructions::port::Port;

const SELECTOR: u16 = 0x510;
const DATA: u16 = 0x511;
const SIGNATURE: u16 = 0x0000;
const FILE_DIRECTORY: u16 = 0x0019;
const NAME_BYTES: usize = 56;
/// More files than QEMU can have: a larger number means that nothing sane answers.
const MAX_FILES: u32 = 4096;
/// Largest file read.
pub const MAX_FILE_BYTES: usize = 1 << 20;

fn select(key: u16) {
    // SAFETY: selects an item; where the device is absent nothing happens.
    unsafe { Port::new(SELECTOR).write(key) }
}

fn read_into(buffer: &mut [u8]) {
    let mut port = Port::<u8>::new(DATA);
    for byte in buffer {
        // SAFETY: reading takes the next byte of the selected item.
        *byte = unsafe { port.read() };
    }
}

fn read<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    read_into(&mut bytes);
    bytes
}

/// Whether the machine has the device.
pub fn is_present() -> bool {
    select(SIGNATURE);
    &read::<4>() == b"QEMU"
}

/// The contents of a file; `None` without the device or the file. A file over [`MAX_FILE_BYTES`] is cut.
pub fn read_file(name: &str) -> Option<Vec<u8>> {
    if !is_present() {
        return None;
    }
    select(FILE_DIRECTORY);
    let count = u32::from_be_bytes(read());
    if count > MAX_FILES {
        return None;
    }
    for _ in 0..count {
        let bytes = u32::from_be_bytes(read()) as usize;
        let key = u16::from_be_bytes(read());
        let _reserved: [u8; 2] = read();
        let found: [u8; NAME_BYTES] = read();
        let found = found.split(|&byte| byte == 0).next().unwrap_or_default();
        if found == name.as_bytes() {
            let mut contents = alloc::vec![0; bytes.min(MAX_FILE_BYTES)];
            select(key);
            read_into(&mut contents);
            return Some(contents);
        }
    }
    None
}
