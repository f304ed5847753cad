//! A key-value store that is a machine: commands over the serial line, pairs on the disk.
//!
//! ```text
//! $ ./x bareflow build examples/kv -o kv.img
//! $ ./x bareflow run kv.img
//! > put colour dark blue
//! ok
//! > get colour
//! dark blue
//! ```
//!
//! `put KEY VALUE`, `get KEY`, `del KEY`, `list [PREFIX]`, `quit`. What was answered with `ok` survives a power cut.

#![no_std]

extern crate alloc;

mod log;
mod store;

use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, str};

use guest::runtime::{serial_getchar, serial_init, serial_putc, serial_puts, vga_init, vga_puts};

use crate::store::Store;

guest::entry!(main);

const HELP: &str = "put KEY VALUE | get KEY | del KEY | list [PREFIX] | quit\n";
/// A line that is longer is cut, in bytes.
const LINE_MAX: usize = 70_000;

fn main() -> i32 {
    vga_init();
    serial_init();
    let mut store = match Store::open() {
        Ok(store) => store,
        Err(error) => {
            vga_puts(&format!("kv: {error}\n"));
            return 1;
        }
    };
    vga_puts(&format!(
        "{} keys in a log of {} bytes; {} bytes of a record that was not whole are gone\n",
        store.pairs().len(),
        store.log_bytes(),
        store.discarded
    ));
    vga_puts("The store listens on the serial line.\n");
    serial_puts("> ");
    while let Some(line) = read_line() {
        match answer(&mut store, &line) {
            Some(text) => serial_puts(&text),
            None => break,
        }
        serial_puts("> ");
    }
    serial_puts("bye\n");
    0
}

/// A line as it is typed, sent back key by key; `None` at the end of input and for Ctrl-C.
fn read_line() -> Option<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        match serial_getchar().ok()? {
            b'\r' | b'\n' => {
                serial_putc(b'\n');
                return Some(line);
            }
            0x7f | 0x08 => serial_puts(line.pop().map_or("", |_| "\x08 \x08")),
            byte if line.len() < LINE_MAX && byte >= b' ' => {
                serial_putc(byte);
                line.push(byte);
            }
            _ => {}
        }
    }
}

/// What a command is answered with, or `None` for `quit`.
fn answer(store: &mut Store, line: &[u8]) -> Option<String> {
    let (command, rest) = split(line);
    let (key, value) = split(rest);
    let changed = match command {
        b"" => return Some(String::new()),
        b"quit" => return None,
        b"get" if !key.is_empty() => {
            return Some(match store.pairs().get(key) {
                Some(value) => format!("{}\n", text(value)),
                None => "none\n".into(),
            });
        }
        b"list" => {
            let found = store
                .pairs()
                .iter()
                .filter(|(name, _)| name.starts_with(key));
            return Some(
                found
                    .map(|(name, value)| format!("{} = {}\n", text(name), text(value)))
                    .collect(),
            );
        }
        b"put" if !key.is_empty() => store.set(key, Some(value)),
        b"del" if !store.pairs().contains_key(key) => return Some("none\n".into()),
        b"del" => store.set(key, None),
        _ => return Some(HELP.into()),
    };
    Some(match changed {
        Ok(()) => "ok\n".into(),
        Err(error) => format!("error: {error}\n"),
    })
}

/// The first word, and what follows the space behind it.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let at = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
    (&line[..at], line.get(at + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> alloc::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
