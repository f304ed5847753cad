//! Characters of code page 437, the font of VGA text mode.
//!
//! Source: the mapping table of the Unicode consortium, `CP437.TXT`.

/// Characters of the bytes 0x80 to 0xFF.
const UPPER: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', //
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', //
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»', //
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐', //
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', //
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀', //
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', //
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

/// The byte whose glyph shows `c`: itself, or what looks closest; `?` if nothing does.
pub fn glyph(c: char) -> u8 {
    match c {
        ' '..='~' => c as u8,
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => b'\'',
        '\u{201a}' => b',',
        '\u{201c}'..='\u{201f}' | '\u{2033}' => b'"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => b'-',
        '\u{2022}' => 0x07,
        '\u{2026}' => 0xFA,
        '\u{2190}' => 0x1B,
        '\u{2191}' => 0x18,
        '\u{2192}' => 0x1A,
        '\u{2193}' => 0x19,
        _ => match UPPER.iter().position(|&known| known == c) {
            Some(at) => 0x80 + at as u8,
            None => b'?',
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_glyphs() {
        assert_eq!(glyph('A'), b'A');
        assert_eq!(glyph('é'), 0x82);
        assert_eq!(glyph('█'), 0xDB);
        assert_eq!(glyph('ß'), 0xE1);
        assert_eq!(glyph('\u{2019}'), b'\'');
        assert_eq!(glyph('漢'), b'?');
    }
}
