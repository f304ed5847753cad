//! Reads lld's map: which input section went where.
//!
//! Lines are `VMA LMA Size Align` and a name; output sections are not indented, input sections by 8 columns (written as
//! `file:(section)` or `archive(member):(section)`), symbols by 16.

use anyhow::{Context, Result, ensure};

/// A part of an output section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Address of its first byte; 0 where it is not loaded.
    pub address: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Alignment in bytes.
    pub align: u64,
    /// Name of the output section.
    pub output: String,
    /// File it came from: a path, an archive with the member in brackets, or `<internal>`.
    pub file: String,
    /// Name of the input section.
    pub section: String,
}

/// All parts of all output sections, in the order of the map.
pub fn parse(text: &str) -> Result<Vec<Piece>> {
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    let column = header.find("Out").unwrap_or_default();
    ensure!(
        header.trim_start().starts_with("VMA") && column > 0,
        "the linker's map starts with {header:?}, expected a line of lld: VMA LMA Size Align Out In Symbol"
    );
    let mut pieces = Vec::new();
    let mut output = String::new();
    for line in lines {
        let Some(name) = line.get(column..) else {
            continue;
        };
        let text = name.trim_start();
        match name.len() - text.len() {
            0 => output = text.to_owned(),
            8 => {
                let mut numbers = line[..column].split_whitespace();
                let mut number = |radix| {
                    let digits = numbers.next().context("a number is missing")?;
                    u64::from_str_radix(digits, radix).context("not a number")
                };
                let mut piece = || -> Result<Option<Piece>> {
                    let (address, _, bytes, align) =
                        (number(16)?, number(16)?, number(16)?, number(10)?);
                    // Assignments of linker scripts have no section.
                    let Some((file, section)) = text
                        .strip_suffix(')')
                        .and_then(|text| text.split_once(":("))
                    else {
                        return Ok(None);
                    };
                    Ok(Some(Piece {
                        address,
                        bytes,
                        align,
                        output: output.clone(),
                        file: file.to_owned(),
                        section: section.to_owned(),
                    }))
                };
                pieces.extend(piece().with_context(|| format!("in the map's line {line:?}"))?);
            }
            _ => {}
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_sections_are_found_under_their_output() {
        let text = "             VMA              LMA     Size Align Out     In      Symbol
        10caef80         10caef80  1fc3ae3    64 .text
        10caef80         10caef80       26    16         /lib/crt1.o:(.text)
        10caef80         10caef80       22     1                 _start
        10caefb0         10caefb0       10    16         /l/libLLVMCore.a(A.cpp.o):(.text._ZN1AC2Ev)
        20000000         20000000        8     8 .data
        20000000         20000000        8     8         <internal>:(.data)
";
        let pieces = parse(text).unwrap();
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[1].file, "/l/libLLVMCore.a(A.cpp.o)");
        assert_eq!(pieces[1].section, ".text._ZN1AC2Ev");
        assert_eq!(
            (pieces[1].address, pieces[1].bytes, pieces[1].align),
            (0x10ca_efb0, 16, 16)
        );
        assert_eq!(pieces[2].output, ".data");
        assert!(parse("something else").is_err());
    }
}
