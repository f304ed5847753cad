//! What a console is without its hardware: line editor, keys, screen model.
//!
//! ```text
//!   serial bytes ----------------------+
//!                                      +--> bytes --> KeyDecoder --> LineEditor --> line
//!   scan codes --> KeyboardDecoder ----+                                 |
//!                                                                        v echo
//!   program's text ------------------------------------------> serial, Screen --> VGA cells
//! ```
//!
//! The keyboard is turned into the bytes that a terminal would send, so that a program in raw mode and the line
//! editor see one stream, wherever it was typed. The kernel moves the bytes; everything that can be wrong
//! without hardware is here, and is tested on the host.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cp437;
mod editor;
mod keyboard;
mod keys;
mod ring;
mod screen;
mod utf8;

pub use cp437::glyph;
pub use editor::{Event, LineEditor, MAX_HISTORY, MAX_LINE_CHARS};
pub use keyboard::{EncodedKey, KeyboardDecoder};
pub use keys::{Key, KeyDecoder};
pub use ring::ByteRing;
pub use screen::{Changes, HEIGHT, Screen, WIDTH};
pub use utf8::{Utf8Decoder, columns};
