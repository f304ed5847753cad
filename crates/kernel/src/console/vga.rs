//! VGA text mode: the screen model's cells into video memory.
//!
//! Video memory holds 204 rows of 80 cells. Scrolling moves the start address instead of the text; only when the
//! window reaches the end of memory everything is drawn again at its start. A copy of what is shown keeps unchanged
//! cells from being written: each write is a trap in an emulator.
//!
//! Machines without a VGA (microvm) or in a graphics mode (UEFI) are told by the VGA's own registers.
//!
//! Source: IBM VGA technical reference; register numbers as in the FreeVGA documentation.

use core::ptr::NonNull;

use ::console::{HEIGHT, Screen, WIDTH};
use x86_64::instructions::port::Port;

use crate::memory::dma::map_mmio;

const TEXT_MEMORY: u64 = 0xB8000;
const TEXT_MEMORY_BYTES: usize = 32 * 1024;
const MEMORY_CELLS: usize = TEXT_MEMORY_BYTES / 2;
const SCREEN_CELLS: usize = WIDTH * HEIGHT;
/// Cells written at once (64 bits).
const GROUP: usize = 4;
/// No cell of the model has the blink bit: this is equal to none.
const UNKNOWN: u16 = 0xFFFF;

const MISCELLANEOUS_READ: u16 = 0x3CC;
const GRAPHICS_INDEX: u16 = 0x3CE;
const CRTC_INDEX: u16 = 0x3D4;
const GRAPHICS_MISCELLANEOUS: u8 = 6;
const CRTC_CURSOR_START: u8 = 0x0A;
const CRTC_START_HIGH: u8 = 0x0C;
const CRTC_CURSOR_HIGH: u8 = 0x0E;
const CURSOR_OFF: u8 = 1 << 5;

/// A VGA in text mode 3.
pub struct Vga {
    memory: NonNull<u64>,
    /// First cell of video memory that is shown; a multiple of `WIDTH`.
    origin: usize,
    shown: [[u16; WIDTH]; HEIGHT],
    cursor: (usize, bool),
}

// SAFETY: the pointer leads to a mapping that stays for ever and that only this value uses.
unsafe impl Send for Vga {}

fn read_port(port: u16) -> u8 {
    // SAFETY: VGA registers; where there is no VGA the bus answers 0xFF.
    unsafe { Port::new(port).read() }
}

fn write_port(port: u16, value: u8) {
    // SAFETY: VGA registers; they do not access memory of ours.
    unsafe { Port::new(port).write(value) }
}

fn write_crtc(index: u8, value: u8) {
    write_port(CRTC_INDEX, index);
    write_port(CRTC_INDEX + 1, value);
}

/// Whether there is a VGA and it shows colour text from 0xB8000.
fn is_text_mode() -> bool {
    let miscellaneous = read_port(MISCELLANEOUS_READ);
    if miscellaneous == 0xFF || miscellaneous & 1 == 0 {
        return false;
    }
    write_port(GRAPHICS_INDEX, GRAPHICS_MISCELLANEOUS);
    let graphics = read_port(GRAPHICS_INDEX + 1);
    graphics & 1 == 0 && graphics >> 2 & 3 == 3
}

impl Vga {
    /// The VGA, if there is one in text mode; its screen is drawn at the next [`show`](Self::show).
    pub fn probe() -> Option<Self> {
        if !is_text_mode() {
            return None;
        }
        let memory = map_mmio(TEXT_MEMORY, TEXT_MEMORY_BYTES).cast::<u64>();
        let mut vga = Self {
            memory,
            origin: 0,
            shown: [[UNKNOWN; WIDTH]; HEIGHT],
            cursor: (usize::MAX, false),
        };
        let patterns = [0x0720_0741_0720_0742, 0x0742_0720_0741_0720];
        let is_memory = patterns.into_iter().all(|pattern| {
            vga.write_group(0, pattern);
            vga.read_group(0) == pattern
        });
        vga.set_origin(0);
        is_memory.then_some(vga)
    }

    /// Draws what changed on `screen`.
    pub fn show(&mut self, screen: &mut Screen) {
        let mut changes = screen.take_changes();
        if changes.scrolled > 0 {
            let scrolled = changes.scrolled.min(HEIGHT);
            let origin = self.origin + scrolled * WIDTH;
            if origin + SCREEN_CELLS <= MEMORY_CELLS {
                self.shown.copy_within(scrolled.., 0);
                self.shown[HEIGHT - scrolled..].fill([UNKNOWN; WIDTH]);
                self.origin = origin;
            } else {
                self.shown.fill([UNKNOWN; WIDTH]);
                self.origin = 0;
                changes.rows = (1 << HEIGHT) - 1;
            }
        }
        for row in (0..HEIGHT).filter(|row| changes.rows >> row & 1 == 1) {
            self.draw_row(row, screen.row(row));
        }
        if changes.scrolled > 0 {
            self.set_origin(self.origin);
        }
        let (row, column) = screen.cursor();
        let cursor = (self.origin + row * WIDTH + column, screen.cursor_visible());
        if cursor != self.cursor {
            self.set_cursor(cursor);
        }
    }

    fn draw_row(&mut self, row: usize, cells: &[u16; WIDTH]) {
        for (at, group) in cells.chunks_exact(GROUP).enumerate() {
            let shown = &mut self.shown[row][at * GROUP..(at + 1) * GROUP];
            if shown != group {
                shown.copy_from_slice(group);
                let value = group
                    .iter()
                    .rev()
                    .fold(0, |value, &cell| value << 16 | u64::from(cell));
                self.write_group((self.origin + row * WIDTH) / GROUP + at, value);
            }
        }
    }

    fn write_group(&mut self, at: usize, value: u64) {
        debug_assert!(at < MEMORY_CELLS / GROUP);
        // SAFETY: (1) `at` is inside the 32 KiB that are mapped: `origin + SCREEN_CELLS <= MEMORY_CELLS`; (2) only
        // this value writes there.
        unsafe { self.memory.add(at).write_volatile(value) }
    }

    fn read_group(&self, at: usize) -> u64 {
        // SAFETY: as for `write_group`.
        unsafe { self.memory.add(at).read_volatile() }
    }

    fn set_origin(&mut self, origin: usize) {
        let [low, high] = (origin as u16).to_le_bytes();
        write_crtc(CRTC_START_HIGH, high);
        write_crtc(CRTC_START_HIGH + 1, low);
    }

    fn set_cursor(&mut self, cursor: (usize, bool)) {
        if cursor.1 != self.cursor.1 {
            write_port(CRTC_INDEX, CRTC_CURSOR_START);
            let start = read_port(CRTC_INDEX + 1) & !CURSOR_OFF;
            write_port(
                CRTC_INDEX + 1,
                start | if cursor.1 { 0 } else { CURSOR_OFF },
            );
        }
        let [low, high] = (cursor.0 as u16).to_le_bytes();
        write_crtc(CRTC_CURSOR_HIGH, high);
        write_crtc(CRTC_CURSOR_HIGH + 1, low);
        self.cursor = cursor;
    }
}
