//! The table of function names that the fault handler reads; `native/src/names.rs` has the layout.

/// The table for functions at these offsets of the code, ascending. Names are shown as people write them.
pub fn table(functions: &[(u64, &str)]) -> Vec<u8> {
    let mut out = (functions.len() as u32).to_le_bytes().to_vec();
    let (mut names, mut text) = (Vec::new(), Vec::new());
    for (offset, name) in functions {
        out.extend((*offset as u32).to_le_bytes());
        names.extend((text.len() as u32).to_le_bytes());
        let name = readable(name);
        let bytes = &name.as_bytes()[..name.floor_char_boundary(MAX_NAME)];
        text.extend((bytes.len() as u16).to_le_bytes());
        text.extend(bytes);
    }
    out.extend(names);
    out.extend(text);
    out
}

/// Longest name kept, in bytes: names of generic functions have no limit.
const MAX_NAME: usize = 120;

/// A name as people write it; that of the function itself for the copies that specialisation makes (`f.spec.0`,
/// `f.generic`).
pub fn readable(name: &str) -> String {
    let original = name
        .strip_suffix(".generic")
        .or_else(|| name.rsplit_once(".spec.").map(|(original, _)| original));
    format!("{:#}", rustc_demangle::demangle(original.unwrap_or(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable_and_finite() {
        let long = "x".repeat(300);
        let bytes = table(&[(0, "_RNvCskwGfYPst2Cb_3foo16example_function"), (16, &long)]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.contains("foo::example_function"), "{text}");
        assert_eq!(bytes.len(), 4 + 2 * 8 + 2 + 21 + 2 + MAX_NAME);
        assert_eq!(&bytes[..8], [2, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn copies_have_the_name_of_the_function() {
        for name in ["f", "f.generic", "f.spec.0", "f.spec.12"] {
            assert_eq!(readable(name), "f");
        }
        assert_eq!(readable("f.special"), "f.special");
    }
}
