//! File names: short (8.3), long (UTF-16), and how the two are compared and derived.
//!
//! A short name is 11 bytes, upper case, blank-filled, in code page 437. A long name lies in up to 20 entries
//! before the short one, 13 UTF-16 units each, tied to it by a checksum. Names compare without regard to case.
//! Source: Microsoft FAT specification (fatgen103), "FAT long directory entries".

use super::FatError;
use alloc::string::String;
use alloc::vec::Vec;

/// Most UTF-16 units in a long name.
pub const MAX_UNITS: usize = 255;
/// UTF-16 units in one long-name entry.
pub const UNITS_PER_ENTRY: usize = 13;

/// A short name as it lies on the disk.
pub type ShortName = [u8; 11];

/// Upper half of code page 437.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// Checks that a name can be stored and gives its UTF-16 units.
pub fn validate(name: &str) -> Result<Vec<u16>, FatError> {
    let bad = |reason| {
        Err(FatError::InvalidName {
            name: name.into(),
            reason,
        })
    };
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.ends_with(['.', ' ']) {
        return bad("it ends in a dot or a blank");
    }
    if name
        .chars()
        .any(|c| (c as u32) < 0x20 || "\"*/:<>?\\|".contains(c) || c == '\u{7F}')
    {
        return bad("it has a character that FAT forbids");
    }
    let units: Vec<u16> = name.encode_utf16().collect();
    if units.len() > MAX_UNITS {
        return bad("it is longer than 255 UTF-16 units");
    }
    Ok(units)
}

/// True if two names are the same file's.
pub fn same(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars()
        .flat_map(char::to_uppercase)
        .eq(b.chars().flat_map(char::to_uppercase))
}

/// The checksum that ties a long name to its short one.
pub fn checksum(short: &ShortName) -> u8 {
    short
        .iter()
        .fold(0u8, |sum, &byte| sum.rotate_right(1).wrapping_add(byte))
}

/// A short name as text; `case` is byte 12 of the entry (Windows NT's lower-case flags).
pub fn short_to_text(short: &ShortName, case: u8) -> String {
    let mut text = String::new();
    let part = |text: &mut String, bytes: &[u8], lower: bool| {
        let end = bytes
            .iter()
            .rposition(|&byte| byte != b' ')
            .map_or(0, |last| last + 1);
        for &byte in &bytes[..end] {
            let c = match byte {
                0x80.. => CP437
                    .chars()
                    .nth(usize::from(byte) - 0x80)
                    .unwrap_or('\u{FFFD}'),
                0x20..=0x7E => byte as char,
                _ => '\u{FFFD}',
            };
            text.push(if lower { c.to_ascii_lowercase() } else { c });
        }
    };
    let mut base = *short;
    if base[0] == 0x05 {
        base[0] = 0xE5; // 0xE5 itself marks a deleted entry
    }
    part(&mut text, &base[..8], case & 0x08 != 0);
    if base[8..] != *b"   " {
        text.push('.');
        part(&mut text, &base[8..], case & 0x10 != 0);
    }
    text
}

fn short_char(c: char) -> Option<u8> {
    let c = c.to_ascii_uppercase();
    let allowed = c.is_ascii_alphanumeric() || "!#$%&'()-@^_`{}~".contains(c);
    allowed.then_some(c as u8)
}

/// The short name that says exactly the same as `name`, if there is one (then no long name is needed).
pub fn exact_short(name: &str) -> Option<ShortName> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let fits = (1..=8).contains(&base.len()) && extension.len() <= 3;
    let exact = |c: char| short_char(c) == Some(c as u32 as u8) && c.is_ascii();
    if !fits || (name.contains('.') && extension.is_empty()) {
        return None;
    }
    if !base.chars().chain(extension.chars()).all(exact) {
        return None;
    }
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    Some(short)
}

/// A short name for a long one that is not `taken` yet, with a number at its end (`LONGNA~1.TXT`).
pub fn derive_short(name: &str, taken: impl Fn(&ShortName) -> bool) -> Option<ShortName> {
    let (base, extension) = match name.rsplit_once('.') {
        Some((base, extension)) if !base.trim_matches('.').is_empty() => (base, extension),
        _ => (name, ""),
    };
    let shortened = |text: &str, limit: usize| -> Vec<u8> {
        let kept = text.chars().filter(|&c| c != ' ' && c != '.');
        kept.map(|c| short_char(c).unwrap_or(b'_'))
            .take(limit)
            .collect()
    };
    let mut base = shortened(base, 8);
    if base.is_empty() {
        base.push(b'_');
    }
    let extension = shortened(extension, 3);
    let mut digits = Vec::new();
    for number in 1..1_000_000u32 {
        digits.clear();
        let mut rest = number;
        while rest > 0 {
            digits.push(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        digits.push(b'~');
        let kept = base.len().min(8 - digits.len());
        let mut short = [b' '; 11];
        short[..kept].copy_from_slice(&base[..kept]);
        for (slot, &digit) in short[kept..].iter_mut().zip(digits.iter().rev()) {
            *slot = digit;
        }
        short[8..8 + extension.len()].copy_from_slice(&extension);
        if !taken(&short) {
            return Some(short);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn only_names_in_upper_case_8_3_need_no_long_one() {
        assert_eq!(exact_short("KERNEL.ELF"), Some(*b"KERNEL  ELF"));
        assert_eq!(exact_short("BOOTX64.EFI"), Some(*b"BOOTX64 EFI"));
        assert_eq!(exact_short("A"), Some(*b"A          "));
        for long in [
            "kernel.elf",
            "A.B.C",
            "NINELETTE",
            "A.LONG",
            ".A",
            "A B",
            "A+B",
            "Ä",
        ] {
            assert_eq!(exact_short(long), None, "{long}");
        }
    }

    #[test]
    fn derived_names_avoid_those_taken() {
        let none = |_: &ShortName| false;
        assert_eq!(derive_short("kernel.elf", none), Some(*b"KERNEL~1ELF"));
        assert_eq!(derive_short("a+b c.tar.gz", none), Some(*b"A_BCTA~1GZ "));
        assert_eq!(derive_short(".profile", none), Some(*b"PROFIL~1   "));
        assert_eq!(derive_short("...", none).map(|s| s[0]), Some(b'_'));
        let taken = |s: &ShortName| s[6] == b'~' && s[7] <= b'9';
        assert_eq!(derive_short("kernel.elf", taken), Some(*b"KERNE~10ELF"));
    }

    #[test]
    fn short_names_read_as_text() {
        assert_eq!(short_to_text(b"README  TXT", 0), "README.TXT");
        assert_eq!(short_to_text(b"README  TXT", 0x08), "readme.TXT");
        assert_eq!(short_to_text(b"README     ", 0x18), "readme");
        assert_eq!(short_to_text(b"\x05\x80      X  ", 0), "σÇ.X");
        assert_eq!(CP437.chars().count(), 128);
    }

    #[test]
    fn case_does_not_matter() {
        assert!(same("Kernel.ELF", "kernel.elf") && same("É", "é") && !same("a", "b"));
    }

    #[test]
    fn forbidden_names_say_why() {
        for bad in [
            "",
            "a/b",
            "a:b",
            "dot.",
            "blank ",
            "nul\0",
            &"x".repeat(256),
        ] {
            assert!(validate(bad).is_err(), "{bad:?}");
        }
        assert_eq!(validate("é").unwrap(), [0xE9]);
        let error = validate("a?b").unwrap_err().to_string();
        assert!(error.contains("a?b") && error.contains("forbids"));
    }
}
