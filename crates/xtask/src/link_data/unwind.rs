//! The fields of `.eh_frame` that hold addresses: linkers cut and merge it, so it has no relocations of its own.
//!
//! Source: Linux Standard Base, "Exception Frames"; DWARF encodings of pointers.

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use formats::relink::Field;

use super::relocations::Image;

/// How a CIE says that addresses are written.
#[derive(Clone, Copy)]
struct Encodings {
    /// Of a function's start.
    function: u8,
    /// Of the language-specific data, if there are any.
    data: Option<u8>,
}

const OMIT: u8 = 0xFF;

/// `(address of the field, what it holds, the address it stands for)`
pub fn fields(image: &Image, start: u64, bytes: u64) -> Result<Vec<(u64, Field, u64)>> {
    let mut found = Vec::new();
    let mut cies = HashMap::new();
    let mut at = start;
    while at + 4 <= start + bytes {
        let length = image.number(at, 4)?;
        if length == 0 {
            at += 4; // the terminator of one object's frames
            continue;
        }
        ensure!(length < 0xFFFF_FFF0, "a 64-bit frame at {at:#x}");
        let body = at + 4;
        let id = image.number(body, 4)?;
        if id == 0 {
            let encodings = cie(image, body + 4, &mut found)
                .with_context(|| format!("in the common frame at {at:#x}"))?;
            cies.insert(at, encodings);
        } else {
            let encodings = cies
                .get(&(body - id))
                .with_context(|| format!("the frame at {at:#x} belongs to none before it"))?;
            let width = field(image, body + 4, encodings.function, &mut found)?;
            if let Some(encoding) = encodings.data {
                // Start, size, length of what follows (one byte), data.
                let augmented = body + 4 + 2 * width;
                if image.number(augmented, 1)? > 0 {
                    field(image, augmented + 1, encoding, &mut found)?;
                }
            }
        }
        at = body + length;
    }
    Ok(found)
}

/// Reads a CIE behind its id: version, augmentation, alignments, and what the augmentation lists.
fn cie(image: &Image, mut at: u64, found: &mut Vec<(u64, Field, u64)>) -> Result<Encodings> {
    at += 1; // version
    let mut augmentation = Vec::new();
    loop {
        let byte = image.number(at, 1)? as u8;
        at += 1;
        if byte == 0 {
            break;
        }
        augmentation.push(byte);
    }
    let skip = |at: &mut u64| -> Result<()> {
        while image.number(*at, 1)? >= 0x80 {
            *at += 1;
        }
        *at += 1;
        Ok(())
    };
    skip(&mut at)?; // code alignment
    skip(&mut at)?; // data alignment
    skip(&mut at)?; // return address register
    let mut encodings = Encodings {
        function: 0,
        data: None,
    };
    for letter in augmentation {
        match letter {
            b'z' => skip(&mut at)?,
            b'R' => {
                encodings.function = image.number(at, 1)? as u8;
                at += 1;
            }
            b'L' => {
                encodings.data = Some(image.number(at, 1)? as u8).filter(|&e| e != OMIT);
                at += 1;
            }
            b'P' => {
                let encoding = image.number(at, 1)? as u8;
                at += 1;
                at += field(image, at, encoding, found)?;
            }
            b'S' => {}
            other => bail!("augmentation {:?}", char::from(other)),
        }
    }
    Ok(encodings)
}

/// Adds a field, unless it is empty; gives its size in bytes.
fn field(image: &Image, at: u64, encoding: u8, found: &mut Vec<(u64, Field, u64)>) -> Result<u64> {
    let relative = match encoding & 0x70 {
        0x00 => false,
        0x10 => true,
        other => bail!("encoding {other:#x} of the address at {at:#x}"),
    };
    let bytes = match encoding & 0x0F {
        0x00 | 0x04 | 0x0C => 8,
        0x03 | 0x0B => 4,
        other => bail!("encoding {other:#x} of the address at {at:#x}"),
    };
    let number = image.number(at, bytes)?;
    if number != 0 {
        found.push(match (relative, bytes) {
            (true, 4) => (
                at,
                Field::Relative32,
                at.wrapping_add_signed(image.distance(at)?),
            ),
            (false, 4) => (at, Field::Absolute32, number),
            (false, 8) => (at, Field::Absolute64, number),
            _ => bail!("a 64-bit distance at {at:#x}"),
        });
    }
    Ok(bytes as u64)
}
