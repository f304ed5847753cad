//! Input: hardware FIFOs into a ring, the ring through the line editor.
//!
//! The echo is written when a reader takes the keys, not when they arrive: text piped in ahead appears behind
//! the prompts it answers. Ctrl-C is seen on arrival, whoever runs: what was typed and not read is gone, and
//! [`on_interrupt`] is told. Readers see nothing of it.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

use ::console::{ByteRing, Event, KeyDecoder, LineEditor};

use super::keyboard::Keyboard;
use super::{serial, with, write};
use crate::sync::Mutex;

const RING_BYTES: usize = 4096;
/// Room kept for one key of the keyboard.
const KEY_BYTES: usize = 8;
/// Bytes taken from a device in one poll: a broken device cannot keep the machine busy.
const POLL_LIMIT: usize = 64;
const CTRL_C: u8 = 0x03;

/// How input is treated, after the terminal flags of POSIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Lines with editing (`ICANON`); otherwise bytes as they come.
    pub canonical: bool,
    /// What is typed is shown (`ECHO`).
    pub echo: bool,
    /// Ctrl-C interrupts (`ISIG`).
    pub signals: bool,
}

impl Default for Mode {
    fn default() -> Self {
        Self::LINES
    }
}

impl Mode {
    /// Edited lines.
    pub const LINES: Self = Self {
        canonical: true,
        echo: true,
        signals: true,
    };
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the end of input is called so")]
pub enum Input {
    /// So many bytes; a line ends with `\n`.
    Bytes(usize),
    /// Ctrl-D.
    EndOfInput,
    /// Nothing yet: poll and ask again.
    NotReady,
}

struct State {
    ring: ByteRing<RING_BYTES>,
    keyboard: Option<Keyboard>,
    decoder: KeyDecoder,
    editor: Option<LineEditor>,
    /// Lines entered and not yet read, from `taken` on.
    lines: Vec<u8>,
    taken: usize,
    end_of_input: bool,
    mode: Mode,
}

static STATE: Mutex<State> = Mutex::new(State {
    ring: ByteRing::new(),
    keyboard: None,
    decoder: KeyDecoder::new(),
    editor: None,
    lines: Vec::new(),
    taken: 0,
    end_of_input: false,
    mode: Mode::LINES,
});

/// A `fn()`, or 0.
static ON_INTERRUPT: AtomicUsize = AtomicUsize::new(0);

/// Finds the keyboard.
pub(super) fn init() {
    let keyboard = Keyboard::probe();
    with(&STATE, |state| state.keyboard = keyboard);
}

/// Whom to call when Ctrl-C arrives. Called on whatever CPU polls, possibly from an interrupt.
pub fn on_interrupt(callback: fn()) {
    ON_INTERRUPT.store(callback as usize, Ordering::Release);
}

/// Lines or bytes. What was typed and not read stays.
pub fn set_mode(mode: Mode) {
    with(&STATE, |state| state.mode = mode);
}

/// Takes what the devices have received. Never waits: for timer interrupts and idle loops.
pub fn poll_input() {
    let Some(mut state) = STATE.try_lock() else {
        return;
    };
    let is_interrupt = state.collect();
    let echo = is_interrupt && state.mode.echo;
    drop(state);
    if is_interrupt {
        if echo {
            write(b"^C\n");
        }
        let callback = ON_INTERRUPT.load(Ordering::Acquire);
        if callback != 0 {
            // SAFETY: the only value ever stored besides 0 is a `fn()`, in `on_interrupt`.
            let callback: fn() = unsafe { core::mem::transmute::<usize, fn()>(callback) };
            callback();
        }
    }
}

/// The first byte typed so far for which `is_wanted`, taken out of the input; the rest stays.
pub fn take_key(is_wanted: impl Fn(u8) -> bool) -> Option<u8> {
    poll_input();
    with(&STATE, |state| {
        let mut found = None;
        for _ in 0..state.ring.len() {
            let Some(byte) = state.ring.pop() else { break };
            if found.is_none() && is_wanted(byte) {
                found = Some(byte);
            } else {
                state.ring.push(byte);
            }
        }
        found
    })
}

/// Whether [`try_read`] would give something else than [`Input::NotReady`].
pub fn has_input() -> bool {
    poll_input();
    let mut echo = String::new();
    let has_input = with(&STATE, |state| {
        state.edit(&mut echo);
        state.is_ready()
    });
    write(echo.as_bytes());
    has_input
}

/// Takes input into `buffer`, without waiting. In line mode a line longer than the buffer is given in parts.
pub fn try_read(buffer: &mut [u8]) -> Input {
    poll_input();
    let mut echo = String::new();
    let input = with(&STATE, |state| {
        state.edit(&mut echo);
        state.take(buffer)
    });
    write(echo.as_bytes());
    input
}

impl State {
    /// Empties the devices into the ring; whether Ctrl-C was among it.
    fn collect(&mut self) -> bool {
        let mut is_interrupt = false;
        for _ in 0..POLL_LIMIT {
            // A full ring leaves the rest in the device, which holds back its sender.
            if self.ring.free() == 0 {
                break;
            }
            let Some(byte) = serial::receive() else { break };
            is_interrupt |= self.arrive(byte);
        }
        for _ in 0..POLL_LIMIT {
            if self.ring.free() < KEY_BYTES {
                break;
            }
            let Some(key) = self.keyboard.as_mut().and_then(Keyboard::poll) else {
                break;
            };
            for &byte in key.as_bytes() {
                is_interrupt |= self.arrive(byte);
            }
        }
        is_interrupt
    }

    fn arrive(&mut self, byte: u8) -> bool {
        let is_interrupt = byte == CTRL_C && self.mode.signals;
        if is_interrupt {
            self.discard();
        } else {
            self.ring.push(byte);
        }
        is_interrupt
    }

    /// Forgets what was typed and not read.
    fn discard(&mut self) {
        self.ring.clear();
        self.decoder = KeyDecoder::new();
        if let Some(editor) = &mut self.editor {
            editor.discard();
        }
        self.lines.clear();
        self.taken = 0;
        self.end_of_input = false;
    }

    /// Gives what is in the ring to the line editor, until a line is complete.
    fn edit(&mut self, echo: &mut String) {
        if !self.mode.canonical {
            return;
        }
        while !self.is_ready() {
            let Some(byte) = self.ring.pop() else { return };
            let editor = self.editor.get_or_insert_default();
            let mut key = None;
            let mut first = None;
            self.decoder.push(byte, |decoded| {
                first = key.replace(decoded);
            });
            for key in first.into_iter().chain(key) {
                let shown = echo.len();
                let event = editor.key(key, echo);
                if !self.mode.echo {
                    echo.truncate(shown);
                }
                match event {
                    // Without signals Ctrl-C throws the line away, and that is all.
                    Event::Pending | Event::Interrupt => {}
                    Event::Line(line) => {
                        self.lines.extend_from_slice(line.as_bytes());
                        self.lines.push(b'\n');
                    }
                    Event::EndOfInput => self.end_of_input = true,
                }
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.taken < self.lines.len()
            || self.end_of_input
            || (!self.mode.canonical && !self.ring.is_empty())
    }

    fn take(&mut self, buffer: &mut [u8]) -> Input {
        if self.taken < self.lines.len() {
            let bytes = (self.lines.len() - self.taken).min(buffer.len());
            buffer[..bytes].copy_from_slice(&self.lines[self.taken..self.taken + bytes]);
            self.taken += bytes;
            if self.taken == self.lines.len() {
                self.lines.clear();
                self.taken = 0;
            }
            return Input::Bytes(bytes);
        }
        if core::mem::take(&mut self.end_of_input) {
            return Input::EndOfInput;
        }
        if self.mode.canonical || buffer.is_empty() {
            return Input::NotReady;
        }
        let mut bytes = 0;
        while let Some(place) = buffer.get_mut(bytes)
            && let Some(byte) = self.ring.pop()
        {
            *place = byte;
            bytes += 1;
        }
        match bytes {
            0 => Input::NotReady,
            bytes => Input::Bytes(bytes),
        }
    }
}
